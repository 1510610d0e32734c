package mapping

import (
	"strings"
	"sync"
)

// Places tells where in the sender's document an element of a Bundle came from.
// It is made for every record and asked only when something is wrong, so it
// keeps the paths and places as one text. It is immutable and safe for
// concurrent use; nil knows no places.
type Places struct {
	text string
	list []pair

	once   sync.Once
	byPath map[string]string
}

// A pair is a path and the place that follows it, as offsets in the text.
type pair struct{ start, middle, end uint32 }

// fewPlaces can be searched one by one.
const fewPlaces = 256

// Source returns where an element came from, named by its FHIRPath inside the
// Bundle ("Bundle.entry[0].resource.birthDate"): its own place, else that of the
// nearest element around it that has one; "" when there is none.
func (p *Places) Source(expression string) string {
	if p == nil {
		return ""
	}
	for expression != "" {
		if s, ok := p.find(expression); ok {
			return s
		}
		expression = expression[:max(0, strings.LastIndexAny(expression, ".["))]
	}
	return ""
}

// Within returns where the first of the elements below one came from: the place
// to look at for a fault of an object as a whole; "" when there is none.
func (p *Places) Within(expression string) string {
	if p == nil || expression == "" {
		return ""
	}
	for _, e := range p.list {
		rest, below := strings.CutPrefix(p.text[e.start:e.middle], expression)
		if below && rest != "" && (rest[0] == '.' || rest[0] == '[') {
			return p.text[e.middle:e.end]
		}
	}
	return ""
}

// Len returns the number of elements whose place is known.
func (p *Places) Len() int {
	if p == nil {
		return 0
	}
	return len(p.list)
}

func (p *Places) find(path string) (string, bool) {
	if len(p.list) > fewPlaces {
		p.once.Do(p.index)
		s, ok := p.byPath[path]
		return s, ok
	}
	for _, e := range p.list {
		if p.text[e.start:e.middle] == path {
			return p.text[e.middle:e.end], true
		}
	}
	return "", false
}

func (p *Places) index() {
	p.byPath = make(map[string]string, len(p.list))
	for _, e := range p.list {
		p.byPath[p.text[e.start:e.middle]] = p.text[e.middle:e.end]
	}
}

// placesOf keeps the places of what was written. The texts of the values stand
// in order; each gets its place behind it.
func (x *run) placesOf() *Places {
	p := &Places{list: make([]pair, 0, len(x.places))}
	b := x.pathsAndPlaces[:0]
	for _, at := range x.places {
		if at.node < 0 {
			continue
		}
		start := uint32(len(b))
		b = append(b, x.texts[at.start:at.end]...)
		middle := uint32(len(b))
		b = x.m.syntax.AppendPlace(b, x.d, at.node, nil)
		p.list = append(p.list, pair{start, middle, uint32(len(b))})
	}
	x.pathsAndPlaces, p.text = b, string(b)
	return p
}
