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

// paths are the path itself and those that a rule takes for the same value.
func (c *Contract) paths(path string) []string {
	out := []string{path}
	for _, r := range c.m.rules {
		if len(r.spec.Sources) < 2 || r.joins || r.dir&outward == 0 {
			continue
		}
		for _, s := range r.spec.Sources[1:] {
			if c.stepsPath(s) == path {
				out = append(out, c.stepsPath(r.spec.Sources[0]))
			}
		}
	}
	return out
}

func (c *Contract) otherSource(a, b *docLeaf) bool {
	return a.path != b.path && (a.text == b.text || c.sameValue(b.path, a.text, b.text))
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
func sameFHIR(r *rule, a, b string) bool {
	if r.conv.in == nil || r.dir&inward == 0 {
		return false
	}
	x, v := r.conv.in(nil, a)
	y, w := r.conv.in(nil, b)
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
