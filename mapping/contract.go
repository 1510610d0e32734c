package mapping

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"trellis.example/fhir"
	"trellis.example/mapping/codec"
)

// A Breach is a promise that a format does not keep with one document.
type Breach struct {
	// Promise is same, strict, conserve, invent, round or stable; see [Contract.Check].
	Promise string `json:"promise"`
	// Place is the place in the sender's document, or a FHIRPath.
	Place string `json:"place"`
	Text  string `json:"text"`
}

func (b Breach) String() string { return b.Promise + ": " + b.Place + ": " + b.Text }

// An Enveloper is a format whose documents have an envelope that no rule of its
// map is about.
type Enveloper interface {
	// Envelope reports whether the place lies in the envelope.
	Envelope(place string) bool
}

// An Explainer is a format that says where the elements of a bundle come from.
type Explainer interface {
	Explain(doc []byte) ([]Explained, []fhir.Issue)
}

// A Contract holds a format to what the package promises. It is not safe for
// concurrent use.
type Contract struct {
	m       *Map
	f       Format
	blank   *codec.Doc
	plain   map[string]string  // the map's paths as those of leaves
	readers map[string][]*rule // by path
	doc     []byte
	out     []Breach
}

// NewContract makes the contract of a format that works by this map.
func (m *Map) NewContract(f Format) *Contract {
	c := &Contract{m: m, f: f, blank: m.syntax.Blank(m.shape), plain: map[string]string{}, readers: map[string][]*rule{}}
	for _, r := range m.rules {
		for _, p := range r.spec.paths() {
			path := c.stepsPath(p)
			c.readers[path] = append(c.readers[path], r)
		}
	}
	return c
}

// Check returns the promises that are not kept with one document:
//
//   - same: reading twice gives the same answer;
//   - strict: a bundle is strict JSON, and a refused record has none;
//   - conserve: every value of the document is, at its path, in what is written
//     back, or among the losses or faults. Two texts are the same when a rule of
//     that path makes the same FHIR of both, or a condition takes both for one;
//   - invent: what is written back stands in the document or in the map, and
//     what stands in the bundle is explained;
//   - round: reading what was written back gives the same bundle, without what
//     writing said is lost;
//   - stable: writing that bundle gives the same document.
//
// The last four are held for records that are accepted, and, but for invent, by
// formats that can be written.
func (c *Contract) Check(doc []byte) []Breach {
	c.doc, c.out = doc, nil
	res := c.f.Read(doc)
	if !bytes.Equal(res.AppendJSON(nil), c.f.Read(doc).AppendJSON(nil)) {
		c.breach("same", "", "two readings differ")
	}
	docs, _ := c.leaves(doc)
	c.explained(res)
	for i, rec := range res.Records {
		switch {
		case rec.Refused() != (rec.Bundle == nil) && !rec.NotReferral:
			c.breach("strict", "", "a refused record has a bundle, or an accepted one has none")
		case rec.Bundle == nil:
		case i >= len(docs):
			c.breach("invent", "", "there are more records than in the document")
		default:
			c.record(rec, docs[i])
		}
	}
	return c.out
}

func (c *Contract) breach(promise, place, text string) {
	c.out = append(c.out, Breach{promise, place, text})
}

// A docLeaf is a value of a partner's document.
type docLeaf struct {
	path  string // without the numbers of repeats
	place string
	text  string
	used  bool
}

// leaves lists the values of a document, record by record.
func (c *Contract) leaves(doc []byte) ([][]docLeaf, []fhir.Issue) {
	var out [][]docLeaf
	faults := c.m.syntax.Read(bytes.NewReader(doc), c.m.shape, func(d *codec.Doc, _ []fhir.Issue) bool {
		var list []docLeaf
		for id := codec.ID(0); d != nil && int(id) < d.Len(); id++ {
			if text := strings.TrimSpace(d.Text(id)); d.First(id) == codec.None && text != "" {
				list = append(list, docLeaf{path: docPath(d, id), place: strings.Clone(c.m.syntax.Place(d, id, nil)), text: strings.Clone(text)})
			}
		}
		out = append(out, list)
		return true
	})
	return out, faults
}

// docPath is the path of a node without the numbers of repeats. In a positional
// record the first component of the first component is the field itself, and
// the text of an XML element is the element.
func docPath(d *codec.Doc, id codec.ID) string {
	var names []string
	for ; id != codec.Root && id != codec.None; id = d.Parent(id) {
		names = append(names, d.Name(id))
	}
	slices.Reverse(names)
	return joinPath(names, d)
}

func joinPath(names []string, d *codec.Doc) string {
	for n := len(names); n > 2 && d.Positional && names[n-1] == "1" || n > 1 && d.Own != "" && names[n-1] == d.Own; n-- {
		names = names[:n-1]
	}
	return strings.Join(names, "\x00")
}

// stepsPath is docPath of a path of the map.
func (c *Contract) stepsPath(path string) string {
	if p, ok := c.plain[path]; ok {
		return p
	}
	steps, err := c.m.syntax.Path(path)
	if err != nil {
		return ""
	}
	names := make([]string, len(steps))
	for i, s := range steps {
		names[i] = s.Name
	}
	c.plain[path] = joinPath(names, c.blank)
	return c.plain[path]
}

// record holds the promises about an accepted record.
func (c *Contract) record(rec Record, in []docLeaf) {
	if _, err := fhir.DecodeLimit(rec.Bundle, maxReverse); err != nil {
		c.breach("strict", "", "the bundle is not strict JSON")
		return
	}
	if !c.f.Info().Out {
		return
	}
	w := c.f.Write(rec.Bundle)
	if fhir.Faults(w.Faults) != nil {
		c.breach("round", w.Faults[0].Expression, "cannot be written back: "+w.Faults[0].Text)
		return
	}
	back, faults := c.leaves([]byte(w.Document))
	if len(back) != 1 {
		c.breach("round", "", fmt.Sprintf("%d records were written for one %v", len(back), faults))
		return
	}
	c.conserve(rec, w, in, back[0])
	c.round(rec, w)
}

// conserve holds that each value of the document is in what was written back or
// among the losses, and that nothing else is.
func (c *Contract) conserve(rec Record, w Written, in, out []docLeaf) {
	lost := c.lost(rec, w)
	met := c.match(lost, in, out)
	elsewhere := map[string]bool{} // what is written in another place, as a loss says
	for i := range in {
		switch {
		case met[i] || c.joined(&in[i], out):
		case lost.holds(in[i]):
			elsewhere[in[i].text] = true
		case !c.envelope(in[i].place):
			c.breach("conserve", in[i].place, "neither written back nor among the losses")
		}
	}
	for j := range out {
		if !out[j].used && !elsewhere[out[j].text] && !c.states(&out[j]) && !c.envelope(out[j].place) {
			c.breach("invent", out[j].place, "written back, but neither in the document nor in the map")
		}
	}
}

// match finds for each value of the document the one that was written back: the
// same text first, then what the map takes for the same, then another field of
// the same element. What was said to be lost comes last.
func (c *Contract) match(lost lostPlaces, in, out []docLeaf) []bool {
	met, index := make([]bool, len(in)), map[string][]int{}
	for j := range out {
		index[out[j].path] = append(index[out[j].path], j)
	}
	for _, same := range [...]func(a, b *docLeaf) bool{
		func(a, b *docLeaf) bool { return a.path == b.path && a.text == b.text },
		func(a, b *docLeaf) bool { return a.path == b.path && c.sameValue(a.path, a.text, b.text) },
		c.otherSource,
	} {
		for _, last := range [...]bool{false, true} {
			for i := range in {
				if !met[i] && lost.holds(in[i]) == last {
					met[i] = c.take(&in[i], index, out, same)
				}
			}
		}
	}
	return met
}

// take marks the first unused value that is the same as one of the document.
func (c *Contract) take(leaf *docLeaf, index map[string][]int, out []docLeaf, same func(a, b *docLeaf) bool) bool {
	for _, path := range c.paths(leaf.path) {
		for _, j := range index[path] {
			if !out[j].used && same(leaf, &out[j]) {
				out[j].used = true
				return true
			}
		}
	}
	return false
}

func (c *Contract) envelope(place string) bool {
	e, ok := c.f.(Enveloper)
	return ok && e.Envelope(place)
}
