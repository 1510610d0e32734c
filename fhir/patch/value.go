package patch

import (
	"strings"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
)

// build turns the content of a part into an element that one of the members may
// hold: from value[x], from resource, or for a complex element from parts named
// after its children. The member that was chosen is returned.
func build(part fhir.Value, members []*definitions.Member) (*definitions.Member, element, error) {
	var e element
	code := ""
	for m := range part.All() {
		key := m.Key()
		if name := strings.TrimPrefix(key, "_"); strings.HasPrefix(name, "value") {
			def := parameter().Member(name)
			if def == nil || code != "" && code != def.Type.Code {
				return nil, e, misbuilt(m, "a part has one value[x]")
			}
			code = def.Type.Code
			if name == key {
				e.val = present(m)
			} else {
				e.shadow = present(m)
			}
		}
	}
	nested, resource := part.Get("part"), part.Get("resource")
	given := 0
	for _, is := range [...]bool{code != "", nested.Exists(), resource.Exists()} {
		if is {
			given++
		}
	}
	if given != 1 || code != "" && e.val == nil && e.shadow == nil {
		return nil, e, misbuilt(part, "this part has one of value[x], resource or part")
	}
	switch {
	case nested.Exists():
		return object(part, members)
	case resource.Exists():
		e.val, code = resource.Raw(), "Resource"
	}
	m := holder(members, code)
	if m == nil {
		return nil, e, misbuilt(part, "the element is of another type: "+typesOf(members))
	}
	return m, e, nil
}

// parameter is the table of Parameters.parameter, whose members give value[x]
// its types.
func parameter() *definitions.Table { return definitions.R4().TableAt("Parameters.parameter") }

// holder returns the member that takes a value of the type: of exactly that
// type, else of one that specialises it or that it specialises, as a string may
// be given for a code.
func holder(members []*definitions.Member, code string) *definitions.Member {
	var near *definitions.Member
	d, n := definitions.R4(), 0
	for _, m := range members {
		if m.Type.Code == code {
			return m
		}
		if d.IsA(m.Type.Code, code) || d.IsA(code, m.Type.Code) || code == "string" && m.Type.Code == "xhtml" {
			near = m
			n++
		}
	}
	if n != 1 || code == "Resource" {
		return nil
	}
	return near
}

func typesOf(members []*definitions.Member) string {
	names := make([]string, 0, len(members))
	for _, m := range members {
		if m.Type.Code == "BackboneElement" || m.Type.Code == "Element" {
			return "it is given by parts named after its children"
		}
		names = append(names, m.Type.Code)
	}
	return strings.Join(names, " or ")
}

// object builds a complex element from parts named after its children.
func object(part fhir.Value, members []*definitions.Member) (*definitions.Member, element, error) {
	var to *definitions.Member
	for _, m := range members {
		if t := m.Table(); t != nil && t.Kind == definitions.Complex {
			if to != nil {
				return nil, element{}, misbuilt(part, "the element may be of several types: give it as value[x]")
			}
			to = m
		}
	}
	if to == nil {
		return nil, element{}, misbuilt(part, "the element has no children: give it as value[x]")
	}
	var fields []field
	for p := range part.Get("part").All() {
		members := named(to.Table(), p.Get("name").Text())
		if members == nil {
			return nil, element{}, misbuilt(p, "the element has no child of this name")
		}
		m, e, err := build(p, members)
		if err != nil {
			return nil, e, err
		}
		if fields = gather(fields, m, e); fields == nil {
			return nil, e, misbuilt(p, "this child does not repeat")
		}
	}
	if len(fields) == 0 {
		return nil, element{}, misbuilt(part, "an element has children or a value")
	}
	c := container{open: '{', tail: []byte("}")}
	for i := range fields {
		fields[i].store(&c)
	}
	return to, element{val: c.bytes()}, nil
}

// gather adds an element to the field of its member; nil when that is taken.
func gather(fields []field, m *definitions.Member, e element) []field {
	for i := range fields {
		if f := &fields[i]; f.name == m.Name {
			if !f.list {
				return nil
			}
			f.els = append(f.els, e)
			return fields
		}
	}
	empty := container{open: '[', tail: []byte("]")}
	return append(fields, field{name: m.Name, list: m.Many, els: []element{e}, values: empty, shadow: empty})
}

// named returns the members that an element name stands for: of a choice all,
// or one when the name has its type ("deceased", "deceasedBoolean"); nil when
// there is none. A primitive's value is no element.
func named(t *definitions.Table, name string) []*definitions.Member {
	if t == nil || t.Kind == definitions.Primitive && name == "value" {
		return nil
	}
	if s := t.Slot(name); s != nil {
		return s.Members
	}
	if m := t.Member(name); m != nil {
		return []*definitions.Member{m}
	}
	return nil
}

func misbuilt(at fhir.Value, text string) error {
	return &fhir.Error{Issues: []fhir.Issue{{Code: fhir.Processing, Expression: at.Path(), Text: text}}}
}
