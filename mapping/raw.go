package mapping

import (
	"slices"
	"strings"

	"trellis.example/fhir"
	"trellis.example/mapping/codec"
)

// maxRaw is the longest text, in bytes, that a subtree may become: the limit of
// a FHIR string.
const maxRaw = 1 << 20

// listElement is the name that the elements of a list in a list have.
const listElement = "-"

var tooLong = problem{fhir.TooLong, "expected at most 1 MB at this place"}

// rawType keeps a whole subtree of the partner's document as the text of a JSON
// value.
func rawType(*rule) (converter, error) {
	return converter{
		in: func(dst []byte, s string) ([]byte, verdict) {
			if len(s) > maxRaw {
				return dst, verdict{fault: &tooLong}
			}
			return fhir.AppendString(dst, s), verdict{}
		},
		out: func(v fhir.Value) (string, bool) {
			text := v.Text()
			_, err := fhir.Parse([]byte(text), maxRaw)
			return text, err == nil
		},
	}, nil
}

// subtree is the pick of a raw rule: the first source with something below it,
// as JSON.
func (x *run) subtree(r *rule, f int) (*source, codec.ID, string) {
	for i := range r.sources {
		s := &r.sources[i]
		list := x.nodesAt(s, f)
		if !slices.ContainsFunc(list, func(id codec.ID) bool { return !hollow(x.d, id) }) {
			continue
		}
		if len(s.rest) == 0 {
			return s, list[0], string(appendNode(nil, x.d, list[0]))
		}
		return s, list[0], string(appendList(nil, x.d, list))
	}
	return &r.sources[0], codec.None, ""
}

// nodesAt lists the nodes at a source: the group's element itself, or all
// siblings of the name.
func (x *run) nodesAt(s *source, f int) []codec.ID {
	at := x.frames[x.up(f, s.up)].node
	if len(s.rest) == 0 {
		return []codec.ID{at}
	}
	if at = x.find(s, at); at == codec.None {
		return nil
	}
	return x.sameName(at)
}

// take marks what a rule has read as used.
func (x *run) take(r *rule, s *source, f int, node codec.ID) {
	switch {
	case node == codec.None:
	case r.raw:
		for _, id := range x.nodesAt(s, f) {
			x.takeAll(id)
		}
	default:
		x.used[node] = true
	}
}

// sameName lists a node and its later siblings of the same name.
func (x *run) sameName(at codec.ID) []codec.ID {
	list := []codec.ID{at}
	for c := x.d.Next(at); c != codec.None; c = x.d.Next(c) {
		if x.d.Name(c) == x.d.Name(at) {
			list = append(list, c)
		}
	}
	return list
}

// takeAll marks all leaves at and below a node as used.
func (x *run) takeAll(id codec.ID) {
	x.used[id] = true
	for c := x.d.First(id); c != codec.None; c = x.d.Next(c) {
		x.takeAll(c)
	}
}

// hollow reports whether no leaf at or below the node has text.
func hollow(d *codec.Doc, id codec.ID) bool {
	for c := d.First(id); c != codec.None; c = d.Next(c) {
		if !hollow(d, c) {
			return false
		}
	}
	return strings.TrimSpace(d.Text(id)) == ""
}

// appendList appends siblings of one name: a list, unless there is one that
// is not an element of a list.
func appendList(b []byte, d *codec.Doc, list []codec.ID) []byte {
	if len(list) == 1 && !d.Repeats(list[0]) {
		return appendNode(b, d, list[0])
	}
	b = append(b, '[')
	for i, id := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendNode(b, d, id)
	}
	return append(b, ']')
}

// appendNode appends a node as JSON: members in the document's order, those of
// one name together.
func appendNode(b []byte, d *codec.Doc, id codec.ID) []byte {
	first := d.First(id)
	switch {
	case first == codec.None && d.Kind(id) == codec.Literal && d.Text(id) != "":
		return append(b, d.Text(id)...)
	case first == codec.None:
		return fhir.AppendString(b, d.Text(id))
	}
	var order []string
	members := map[string][]codec.ID{}
	for c := first; c != codec.None; c = d.Next(c) {
		name := d.Name(c)
		if members[name] == nil {
			order = append(order, name)
		}
		members[name] = append(members[name], c)
	}
	if len(order) == 1 && order[0] == listElement && d.Repeats(first) {
		return appendList(b, d, members[listElement])
	}
	b = append(b, '{')
	for i, name := range order {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(fhir.AppendString(b, name), ':')
		b = appendList(b, d, members[name])
	}
	return append(b, '}')
}

// putRaw writes the subtree that a text stands for.
func (b *back) putRaw(r *rule, f int, text string) string {
	const taken = "another value already stands in the partner's field"
	tree, err := fhir.Parse([]byte(text), maxRaw)
	if err != nil {
		return "the text is no JSON value"
	}
	s := &r.sources[0]
	for range s.up {
		f = b.frames[f].parent
	}
	at := b.node(f)
	if len(s.rest) == 0 {
		if b.d.First(at) != codec.None || b.d.Text(at) != "" {
			return taken
		}
		b.fill(at, tree.Root())
		return ""
	}
	last := len(s.rest) - 1
	for _, step := range s.rest[:last] {
		c := b.d.Child(at, step.Name)
		if c == codec.None || c == at {
			c = b.d.Add(at, step, "")
		}
		at = c
	}
	if c := b.d.Child(at, s.rest[last].Name); c != codec.None && c != at {
		if b.d.First(c) != codec.None || b.d.Text(c) != "" {
			return taken
		}
		b.fill(c, tree.Root()) // the empty cell of a file
		return ""
	}
	b.graft(at, s.rest[last], tree.Root())
	return ""
}

// fill gives an empty node the content of a JSON value.
func (b *back) fill(id codec.ID, v fhir.Value) {
	switch v.Kind() {
	case fhir.Object:
		for m := range v.All() {
			b.graft(id, codec.Step{Name: m.Key()}, m)
		}
	case fhir.Array:
		for e := range v.All() {
			b.graft(id, codec.Step{Name: listElement, Repeats: true}, e)
		}
	case fhir.String:
		b.d.Set(id, v.Text(), codec.Text)
	case fhir.Number, fhir.Bool:
		b.d.Set(id, v.Text(), codec.Literal)
	}
}

// graft adds a JSON value below a node: a list becomes siblings of one name.
func (b *back) graft(to codec.ID, s codec.Step, v fhir.Value) {
	if v.Kind() != fhir.Array || s.Name == listElement && s.Repeats {
		b.fill(b.d.Add(to, s, ""), v)
		return
	}
	s.Repeats = true
	for e := range v.All() {
		b.fill(b.d.Add(to, s, ""), e)
	}
}
