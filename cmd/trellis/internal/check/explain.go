package check

import (
	"strings"

	"trellis.example/profiles"
)

// A Line says what a profile asked of one element of a document.
type Line struct {
	Path    string   `json:"path"`
	Profile string   `json:"profile"`
	Checks  []string `json:"checks,omitempty"`
	Slice   string   `json:"slice,omitempty"`
}

// String is the line as the table prints it.
func (l Line) String() string {
	s := l.Path + "  by " + l.Profile
	if l.Slice != "" {
		s += "  slice " + l.Slice
	}
	if len(l.Checks) > 0 {
		s += "  " + strings.Join(l.Checks, ", ")
	}
	return s
}

func (c *Checked) explain(x profiles.Explanation) {
	c.Explained = append(c.Explained, Line(x))
}
