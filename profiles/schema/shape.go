package schema

import (
	"maps"
	"slices"

	"trellis.example/fhir/definitions"
)

// A shape collects what is asked of one value.
type shape struct {
	properties object
	required   []string
	all        []any // allOf
	extra      object
	single     []string // primitives that do not repeat, beside which "_name" may stand
}

func newShape() *shape { return &shape{properties: object{}, extra: object{}} }

func (s *shape) empty() bool {
	return len(s.properties) == 0 && len(s.required) == 0 && len(s.all) == 0 && len(s.extra) == 0
}

// object returns the shape as a schema.
func (s *shape) object() object {
	out := object{}
	for k, v := range s.extra {
		out[k] = v
	}
	if len(s.properties) > 0 {
		out["properties"] = s.properties
	}
	if len(s.required) > 0 {
		out["required"] = s.required
	}
	if one, ok := first(s.all); ok && len(s.all) == 1 && len(out) == 0 {
		return one
	}
	if len(s.all) > 0 {
		out["allOf"] = s.all
	}
	return out
}

func first(list []any) (object, bool) {
	if len(list) == 0 {
		return nil, false
	}
	o, ok := list[0].(object)
	return maps.Clone(o), ok
}

func (s *shape) require(name string) {
	if !slices.Contains(s.required, name) {
		s.required = append(s.required, name)
	}
}

// requireSlot asks for one of the members, or its "_name".
func (s *shape) requireSlot(members []*definitions.Member) {
	if len(members) == 1 && !members[0].Primitive() {
		s.require(members[0].Name)
		return
	}
	s.all = append(s.all, present(members))
}

// forbid takes a member away.
func (s *shape) forbid(m *definitions.Member) {
	s.properties[m.Name] = false
	if m.Primitive() {
		s.properties["_"+m.Name] = false
	}
}

// property adds a schema to what a member's value must satisfy.
func (s *shape) property(name string, schema object) {
	if len(schema) == 0 {
		return
	}
	switch old := s.properties[name].(type) {
	case bool: // it may not be there at all
	case object:
		s.properties[name] = and(old, schema)
	default:
		s.properties[name] = schema
	}
}

// and joins schemas.
func and(list ...object) object {
	var all []any
	var last object
	for _, o := range list {
		if len(o) > 0 {
			all = append(all, o)
			last = o
		}
	}
	switch len(all) {
	case 0:
		return object{}
	case 1:
		return last
	}
	return object{"allOf": all}
}

func required(names ...string) object { return object{"required": names} }

// present says that one of the members, or its "_name", is there.
func present(members []*definitions.Member) object {
	var any []any
	for _, m := range members {
		any = append(any, required(m.Name))
		if m.Primitive() {
			any = append(any, required("_"+m.Name))
		}
	}
	if len(members) == 1 && len(any) == 1 {
		return required(members[0].Name)
	}
	return object{"anyOf": any}
}

// names are the JSON names of members.
func names(members []*definitions.Member) []string {
	var out []string
	for _, m := range members {
		out = append(out, m.Name)
		if m.Primitive() {
			out = append(out, "_"+m.Name)
		}
	}
	return out
}

func absent(members []*definitions.Member) object {
	return object{"propertyNames": object{"not": object{"enum": names(members)}}}
}

// atMostOne says that a choice has at most one type: whichever is there, no
// other is. others are the names of the object's other members.
func atMostOne(members []*definitions.Member, others []string) object {
	if len(members) > fewTypes && len(others) > fewNames {
		one := []any{absent(members)}
		for _, m := range members {
			one = append(one, present([]*definitions.Member{m}))
		}
		return object{"oneOf": one}
	}
	when := object{}
	for _, m := range members {
		own := names([]*definitions.Member{m})
		then := object{}
		if len(members) > fewTypes {
			then["propertyNames"] = object{"enum": slices.Concat(others, own)}
		} else {
			none := object{}
			for _, n := range names(members) {
				if !slices.Contains(own, n) {
					none[n] = false
				}
			}
			then["properties"] = none
		}
		for _, n := range own {
			when[n] = then
		}
	}
	return object{"dependentSchemas": when}
}

// A choice of more types, in an object of more other members, is written as a
// list of alternatives: anything else grows with their product.
const (
	fewTypes = 8
	fewNames = 20
)

// extensionOrValue is ext-1: an extension has a value or extensions.
func extensionOrValue(t *definitions.Table) object {
	values := t.Slot("value").Members
	return object{"oneOf": []any{required("extension"), object{"not": absent(values)}}}
}
