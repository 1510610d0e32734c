package mapping

import (
	"strings"

	"trellis.example/mapping/codec"
)

// A Leaf is one value of the sender's document.
type Leaf struct {
	// Source is its place, as losses and explanations name it.
	Source string `json:"source"`
	// Text is what the sender wrote: personal data.
	Text string `json:"text"`
	// Used tells whether some rule took it.
	Used bool `json:"used"`
}

// leaves lists the record's values in the order of the document.
func (x *run) leaves() []Leaf {
	var out []Leaf
	for id := range x.used {
		node := codec.ID(id)
		if x.d.First(node) == codec.None && strings.TrimSpace(x.d.Text(node)) != "" {
			out = append(out, Leaf{x.m.syntax.Place(x.d, node, nil), x.d.Text(node), x.used[id]})
		}
	}
	return out
}
