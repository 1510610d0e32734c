package snapshot

import (
	"slices"
	"strings"

	"trellis.example/fhir"
)

// A line is one element of a differential with the place it speaks of.
type line struct {
	v        fhir.Value
	id       string // as written, or made from path and sliceName
	segments []segment
	parts    int  // how many of its segments name a slice
	short    bool // its path names a choice by one type: valueQuantity
}

// A segment is one step of an element id.
type segment struct{ name, slice string }

// maxDepth bounds the segments of an element id.
const maxDepth = 32

// lines reads the elements of a differential in the order in which they are
// applied: the unsliced before slices, so that slices begin as clones of what
// they divide, and parents before children.
func (g *generator) lines(list fhir.Value) []line {
	out := make([]line, 0, list.Len())
	last := map[string]string{} // path: the id that was last given to it
	seen := map[string]bool{}
	for e := range list.Items() {
		l, ok := g.line(e, last)
		if !ok {
			continue
		}
		if seen[l.id] {
			g.fault(l.id, fhir.Duplicate, "the differential speaks of this element twice")
			continue
		}
		seen[l.id] = true
		out = append(out, l)
	}
	slices.SortStableFunc(out, func(a, b line) int {
		if a.parts != b.parts {
			return a.parts - b.parts
		}
		return len(a.segments) - len(b.segments)
	})
	return out
}

func (g *generator) line(e fhir.Value, last map[string]string) (line, bool) {
	l := line{v: e, id: e.Get("id").Text()}
	path, slice := e.Get("path").Text(), e.Get("sliceName").Text()
	switch {
	case l.id == "" && path == "":
		g.fault("", fhir.Required, "an element of the differential has neither id nor path")
		return l, false
	case l.id == "":
		l.id = idOf(path, slice, last)
	case path != "" && !samePath(l.id, path):
		g.fault(l.id, fhir.BadValue, "the element's id and path mean different elements")
		return l, false
	}
	if strings.Count(l.id, ".") >= maxDepth || len(l.id) > maxID {
		g.fault(l.id, fhir.TooLong, "the element lies too deep")
		return l, false
	}
	for s := range strings.SplitSeq(l.id, ".") {
		name, slice, _ := strings.Cut(s, ":")
		l.segments = append(l.segments, segment{name, slice})
		if slice != "" {
			l.parts += 1 + strings.Count(slice, "/")
		}
	}
	end := &l.segments[len(l.segments)-1]
	if slice != "" && end.slice == "" {
		end.slice = slice
		l.id += ":" + slice
		l.parts += 1 + strings.Count(slice, "/")
	} else if slice != end.slice && slice != "" {
		g.fault(l.id, fhir.BadValue, "the element's id and sliceName mean different slices")
		return l, false
	}
	if path != "" {
		last[path] = l.id
	}
	return l, true
}

// maxID bounds an element id in bytes.
const maxID = 1024

// idOf makes an id for an element that has none: children that follow a slice
// are the slice's.
func idOf(path, slice string, last map[string]string) string {
	id := path
	if parent, name := cutLast(path); parent != "" {
		if above := last[parent]; above != "" {
			parent = above
		}
		id = parent + "." + name
	}
	if slice != "" {
		id += ":" + slice
	}
	return id
}

// samePath reports whether a path is that of an id. A choice may be named by a
// type in either.
func samePath(id, path string) bool {
	for id != "" && path != "" {
		var s, p string
		s, id, _ = strings.Cut(id, ".")
		p, path, _ = strings.Cut(path, ".")
		name, _, _ := strings.Cut(s, ":")
		if name == p {
			continue
		}
		choice, ok := strings.CutSuffix(name, "[x]")
		if !ok || !strings.HasPrefix(p, choice) {
			return false
		}
	}
	return id == "" && path == ""
}

// find locates the element a line speaks of, walking into types and making the
// slice that its last segment declares.
func (g *generator) locate(l *line) *node {
	if l.segments[0].name != g.root.name || l.segments[0].slice != "" {
		g.fault(l.id, fhir.BadValue, "the element is not one of %s", g.root.name)
		return nil
	}
	at := g.root
	for i, s := range l.segments[1:] {
		if at = g.step(l, at, s, i == len(l.segments)-2); at == nil {
			return nil
		}
	}
	return at
}

func (g *generator) step(l *line, at *node, s segment, last bool) *node {
	g.open(at)
	n := at.child(s.name)
	if n == nil {
		if n, s.slice = choiceOf(at, s); n == nil {
			g.fault(l.id, fhir.BadValue, "%s has no element of that name", describe(at))
			return nil
		}
		l.short = l.short || last
	}
	if s.slice == "" {
		return n
	}
	if found := n.sliceNamed(s.slice); found != nil {
		return found
	}
	if last || typeSuffix(n, s.slice) != "" {
		return g.declare(l, n, s.slice)
	}
	g.fault(l.id, fhir.BadValue, "the slice %s of %s is not declared", safe(s.slice), describe(n))
	return nil
}

// choiceOf finds the choice that a name such as valueQuantity means, and the
// name of its slice.
func choiceOf(at *node, s segment) (*node, string) {
	for _, k := range at.kids {
		choice, ok := strings.CutSuffix(k.name, "[x]")
		if ok && strings.HasPrefix(s.name, choice) && suffixType(k.el.Types, s.name[len(choice):]) != "" {
			return k, s.name
		}
	}
	return nil, ""
}

// typeSuffix is the type that the name of a slice of a choice means:
// valueQuantity. It is "" for any other slice.
func typeSuffix(n *node, slice string) string {
	choice, ok := strings.CutSuffix(n.name, "[x]")
	if !ok || !strings.HasPrefix(slice, choice) {
		return ""
	}
	return suffixType(n.el.Types, slice[len(choice):])
}

func suffixType(types []Type, suffix string) string {
	for _, t := range types {
		if suffix != "" && strings.EqualFold(t.Code[:1], suffix[:1]) && t.Code[1:] == suffix[1:] {
			return t.Code
		}
	}
	return ""
}

// describe names an element in a message.
func describe(n *node) string { return safe(n.id()) }

// safe keeps what is not an element id or a code out of messages: a
// StructureDefinition may come from a stranger.
func safe(s string) string {
	if len(s) > 200 {
		s = s[:200]
	}
	for i := range len(s) {
		c := s[i]
		if c < '0' && c != '-' && c != '.' && c != '/' && c != '#' && c != '$' || c > 'z' && c != '|' && c != '~' || c > ':' && c < 'A' && c != '?' && c != '=' {
			return "?"
		}
	}
	return s
}
