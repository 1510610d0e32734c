package mapping

import (
	"bytes"
	"slices"
	"strings"
)

// places are the places and paths of what was said to be lost or at fault.
type lostPlaces struct{ places, paths map[string]bool }

func (l lostPlaces) holds(leaf docLeaf) bool {
	if l.paths[leaf.path] {
		return true
	}
	for p := leaf.place; p != ""; p = p[:max(0, strings.LastIndexAny(p, "/.[-"))] {
		if l.places[p] {
			return true
		}
	}
	return false
}

// lost collects the losses both ways. A loss on the way back is one of the place
// that its element came from, or of all fields that its rule joins.
func (c *Contract) lost(rec Record, w Written) lostPlaces {
	l := lostPlaces{map[string]bool{}, map[string]bool{}}
	for _, x := range rec.Losses {
		l.places[x.Source] = true
	}
	for _, x := range rec.Faults {
		l.places[x.Source] = true
	}
	for _, x := range w.Losses {
		l.places[rec.Places.Source(x.Source)] = true
		for _, r := range c.m.rules {
			if r.spec.ID != x.Rule || !r.joins {
				continue
			}
			for _, s := range r.spec.Sources {
				l.paths[c.stepsPath(s)] = true
			}
		}
	}
	return l
}

// paths are the path itself and those to which a value of it may be written
// back: the first source of a rule with several, and the fields of other rules
// that write the same element.
func (c *Contract) paths(path string) []string {
	out := []string{path}
	add := func(p string) {
		if p = c.stepsPath(p); !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	for _, r := range c.readers[path] {
		if r.dir&outward != 0 && !r.joins {
			add(r.spec.paths()[0])
		}
		if r.leaf == nil {
			continue
		}
		for _, other := range r.leaf.rules {
			if other.dir&outward != 0 && len(other.sources) > 0 {
				add(other.spec.paths()[0])
			}
		}
	}
	return out
}

// otherSource reports whether a value stands in a field that means the same
// element.
func (c *Contract) otherSource(a, b *docLeaf) bool {
	if a.path == b.path {
		return false
	}
	if a.text == b.text || c.sameValue(b.path, a.text, b.text) {
		return true
	}
	for _, r := range c.readers[a.path] {
		for _, other := range c.readers[b.path] {
			if r.leaf != nil && r.leaf == other.leaf && sameMade(r, a.text, other, b.text) {
				return true
			}
		}
	}
	return false
}

// joined reports whether a value stands within a text that a rule joins, which
// another rule of the same element has written to a field of its own.
func (c *Contract) joined(a *docLeaf, out []docLeaf) bool {
	if !slices.ContainsFunc(c.readers[a.path], func(r *rule) bool { return r.joins }) {
		return false
	}
	paths := c.paths(a.path)
	met := false
	for j := range out {
		if b := &out[j]; slices.Contains(paths[1:], b.path) && strings.Contains(b.text, a.text) {
			b.used, met = true, true
		}
	}
	return met
}

// sameValue reports whether two texts at a path say the same to the map.
func (c *Contract) sameValue(path, a, b string) bool {
	for _, r := range c.readers[path] {
		sep := c.m.groups[r.group].split
		switch {
		case r.link || sep == "" && sameFHIR(r, a, b):
			return true
		case sep != "" && sameParts(r, sep, a, b):
			return true
		}
	}
	for _, g := range c.m.groups {
		for _, n := range g.names {
			if c.stepsPath(n.path) == path {
				return true // a name may be another, as long as the links hold
			}
		}
	}
	return c.sameCondition(path, a, b)
}

// sameFHIR reports whether a rule makes the same of two texts.
func sameFHIR(r *rule, a, b string) bool { return sameMade(r, a, r, b) }

// sameMade reports whether two rules make the same of a text each.
func sameMade(r *rule, a string, s *rule, b string) bool {
	if r.conv.in == nil || s.conv.in == nil || r.dir&s.dir&inward == 0 {
		return false
	}
	x, v := r.conv.in(nil, a)
	y, w := s.conv.in(nil, b)
	return v.fault == nil && w.fault == nil && !v.skip && !w.skip && bytes.Equal(x, y)
}

// sameParts reports whether two lists have the same parts in the eyes of a
// rule.
func sameParts(r *rule, sep, a, b string) bool {
	x, y := parts(a, sep), parts(b, sep)
	return slices.EqualFunc(x, y, func(p, q string) bool { return p == q || sameFHIR(r, p, q) })
}

func parts(s, sep string) []string {
	var out []string
	for p := range strings.SplitSeq(s, sep) {
		if p = strings.TrimSpace(p); p != "" {
			out = append(out, p)
		}
	}
	return out
}

// sameCondition reports whether a condition takes both texts for one.
func (c *Contract) sameCondition(path, a, b string) bool {
	return c.anyCondition(path, func(k *cond) bool { return contains(k.in, a) && contains(k.in, b) })
}

func (c *Contract) anyCondition(path string, ok func(*cond) bool) bool {
	met := func(list []cond) bool {
		return slices.ContainsFunc(list, func(k cond) bool { return c.stepsPath(k.path) == path && ok(&k) })
	}
	for _, g := range c.m.groups {
		if met(g.when) {
			return true
		}
	}
	return slices.ContainsFunc(c.m.rules, func(r *rule) bool { return met(r.when) })
}

// states reports whether the map itself says a text that was written.
func (c *Contract) states(leaf *docLeaf) bool {
	for _, r := range c.readers[leaf.path] {
		switch {
		case r.isConst && r.inst == nil && r.constText == leaf.text,
			r.dir == outward && !r.isConst, // what FHIR's constants mean to this partner
			r.sum != nil,
			r.spec.Default != "" && (r.spec.Default == leaf.text || sameFHIR(r, r.spec.Default, leaf.text)):
			return true
		}
	}
	for _, g := range c.m.groups {
		if len(g.names) > 0 && c.stepsPath(g.names[0].path) == leaf.path {
			return true
		}
	}
	return c.anyCondition(leaf.path, func(k *cond) bool { return len(k.in) > 0 && k.in[0] == leaf.text })
}
