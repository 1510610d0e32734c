package bars

import (
	"slices"

	"trellis.example/fhir"
)

// members are what replaces or adds to the members of an object; raw nil takes
// one out.
type members []member

type member struct {
	name string
	raw  []byte
}

// put sets a member.
func (m *members) put(name string, raw []byte) {
	for i := range *m {
		if (*m)[i].name == name {
			(*m)[i].raw = raw
			return
		}
	}
	*m = append(*m, member{name, raw})
}

// over appends the object v with the members in place; the others keep every
// byte. An absent v is an empty object.
func (m members) over(b []byte, v fhir.Value) []byte {
	if len(m) == 0 && v.Exists() {
		return append(b, v.Raw()...)
	}
	sep := byte('{')
	put := func(name string, raw []byte) {
		b = append(append(fhir.AppendString(append(b, sep), name), ':'), raw...)
		sep = ','
	}
	done := make([]bool, len(m))
	for x := range v.All() {
		name := x.Key()
		if i := slices.IndexFunc(m, func(n member) bool { return n.name == name }); i < 0 {
			put(name, x.Raw())
		} else if done[i] = true; m[i].raw != nil {
			put(name, m[i].raw)
		}
	}
	for i, n := range m {
		if !done[i] && n.raw != nil {
			put(n.name, n.raw)
		}
	}
	if sep == '{' {
		b = append(b, '{')
	}
	return append(b, '}')
}

func quote(s string) []byte { return fhir.AppendString(nil, s) }

// reference is a Reference to a part; nil when there is none.
func reference(p *part) []byte {
	if p == nil {
		return nil
	}
	return append(append([]byte(`{"reference":`), quote(p.url)...), '}')
}

// list is an array of what is there; nil when nothing is.
func list(items ...[]byte) []byte {
	items = slices.DeleteFunc(items, func(b []byte) bool { return b == nil })
	if len(items) == 0 {
		return nil
	}
	b := []byte{'['}
	for i, it := range items {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, it...)
	}
	return append(b, ']')
}

// coding is a Coding; concept is a CodeableConcept of it.
func coding(system, code, display string) []byte {
	return fhir.AppendCoding(nil, fhir.Coding{System: system, Code: code, Display: display})
}

func concept(codings ...[]byte) []byte {
	return append(append([]byte(`{"coding":`), list(codings...)...), '}')
}

// build is an object of its members.
func build(m members) []byte { return m.over(nil, fhir.Value{}) }

// text is a value's text as JSON; nil when it is empty.
func text(s string) []byte {
	if s == "" {
		return nil
	}
	return quote(s)
}
