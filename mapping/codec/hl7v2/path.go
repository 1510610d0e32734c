package hl7v2

import (
	"strconv"
	"strings"
)

// A Path is a place in a message, such as "PRD[2]-3[1].1.2", read once and
// used often. A zero Component or Sub means the whole.
type Path struct {
	// Segment is the segment's name and Ordinal its occurrence, from 1.
	Segment string
	Ordinal int
	// Field counts from 1; 0 means the whole segment. Rep counts the field's
	// repetitions from 1.
	Field, Rep, Component, Sub int
}

// ParsePath reads a place. It reports false for anything that is not one.
func ParsePath(s string) (Path, bool) {
	p := Path{Ordinal: 1, Rep: 1}
	head, tail, hasField := strings.Cut(s, "-")
	name, ordinal, ok := cutIndex(head)
	if !ok || !isSegmentName([]byte(name)) {
		return Path{}, false
	}
	p.Segment, p.Ordinal = name, ordinal
	if !hasField {
		return p, true
	}
	field, tail, hasComp := strings.Cut(tail, ".")
	field, p.Rep, ok = cutIndex(field)
	if !ok || !number(field, &p.Field) {
		return Path{}, false
	}
	if !hasComp {
		return p, true
	}
	comp, sub, hasSub := strings.Cut(tail, ".")
	if !number(comp, &p.Component) || hasSub && !number(sub, &p.Sub) {
		return Path{}, false
	}
	return p, true
}

// cutIndex splits "PRD[2]" into "PRD" and 2; without an index it is 1.
func cutIndex(s string) (string, int, bool) {
	name, rest, found := strings.Cut(s, "[")
	if !found {
		return s, 1, true
	}
	n := 0
	ok := strings.HasSuffix(rest, "]") && number(strings.TrimSuffix(rest, "]"), &n)
	return name, n, ok
}

func number(s string, to *int) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	*to = int(n)
	return err == nil && n > 0 && s[0] != '+'
}

// At returns the value at a path; an empty one when the message has none. A
// path of a whole segment gives the empty value.
func (m *Message) At(p Path) Value {
	n := p.Ordinal
	for i := range m.segs {
		s := m.Segment(i)
		if s.Name() != p.Segment {
			continue
		}
		if n--; n == 0 {
			return s.At(p)
		}
	}
	return Value{}
}

// At returns the value at the field part of a path.
func (s Segment) At(p Path) Value {
	v := s.Field(p.Field).Rep(p.Rep - 1)
	if p.Component > 0 {
		v = v.Component(p.Component)
	}
	if p.Sub > 0 {
		v = v.Sub(p.Sub)
	}
	return v
}

// Get returns the text at a place such as "PID-7.1"; "" when there is none or
// the place is not one. It is for tests and messages; maps compile paths.
func (m *Message) Get(place string) string {
	p, ok := ParsePath(place)
	if !ok {
		return ""
	}
	return m.At(p).Text()
}
