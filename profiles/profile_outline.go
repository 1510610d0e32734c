package profiles

import (
	"fmt"
	"strings"

	"trellis.example/profiles/snapshot"
)

// An outline is the elements of a snapshot as a tree.
type outline struct {
	e           *snapshot.Element
	name, slice string
	up          *outline
	children    []*outline // without slices
	slices      []*outline // of this element; of a slice, its reslices
}

func (o *outline) root() bool { return o.up == nil }

// maxElements bounds a definition.
const maxElements = 20_000

// outline makes the tree of a snapshot and keeps its elements by id.
func (c *compiler) outline(s *snapshot.Structure) (*outline, error) {
	if len(s.Elements) == 0 {
		return nil, fmt.Errorf("%s: there are no elements", s.Canonical())
	}
	if len(s.Elements) > maxElements {
		return nil, fmt.Errorf("%s: there are more than %d elements", s.Canonical(), maxElements)
	}
	c.byID = make(map[string]*outline, len(s.Elements))
	all := make([]outline, len(s.Elements))
	for i := range s.Elements {
		o := &all[i]
		o.e = &s.Elements[i]
		if err := c.plant(o, i == 0); err != nil {
			return nil, fmt.Errorf("%s: %w", s.Canonical(), err)
		}
	}
	return &all[0], nil
}

// plant puts an element below the one that holds it.
func (c *compiler) plant(o *outline, first bool) error {
	id := o.e.ID
	if c.byID[id] != nil {
		return fmt.Errorf("%s: the element is there twice", id)
	}
	c.byID[id] = o
	dot := strings.LastIndexByte(id, '.')
	o.name, o.slice, _ = strings.Cut(id[dot+1:], ":")
	o.name = strings.TrimSuffix(o.name, "[x]")
	if first {
		return nil
	}
	if dot < 0 {
		return fmt.Errorf("%s: only the first element has an id without a dot", id)
	}
	if o.up = c.byID[id[:dot]]; o.up == nil {
		return fmt.Errorf("%s: the element above is not there", id)
	}
	if o.slice == "" {
		o.up.children = append(o.up.children, o)
		return nil
	}
	divided := strings.TrimSuffix(id, ":"+o.slice)
	if i := strings.LastIndexByte(o.slice, '/'); i > 0 {
		divided += ":" + o.slice[:i]
	}
	whole := c.byID[divided]
	if whole == nil {
		return fmt.Errorf("%s: the element that the slice divides is not there", id)
	}
	whole.slices = append(whole.slices, o)
	return nil
}

// child returns the child element of that name, without "[x]", or nil.
func (o *outline) child(name string) *outline {
	for _, k := range o.children {
		if k.name == name {
			return k
		}
	}
	return nil
}
