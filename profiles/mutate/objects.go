package mutate

import (
	"strings"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
)

// samples are valid values of the types that stand in many choices.
var samples = [...]struct{ typ, raw string }{
	{"boolean", `true`}, {"string", `"x"`}, {"integer", `1`}, {"dateTime", `"2023"`}, {"date", `"2023"`}, {"uri", `"http://example.org/x"`},
	{"CodeableConcept", `{"text":"x"}`}, {"Reference", `{"display":"x"}`}, {"Period", `{"start":"2023"}`}, {"Quantity", `{"value":1}`},
	{"Timing", `{"code":{"text":"x"}}`}, {"Range", `{"low":{"value":1}}`}, {"Attachment", `{"title":"x"}`}, {"Identifier", `{"value":"x"}`},
	{"Annotation", `{"text":"x"}`}, {"HumanName", `{"text":"x"}`}, {"Address", `{"text":"x"}`}, {"Extension", `{"url":"http://example.org/x","valueString":"x"}`},
}

func sampleOf(typ string) string {
	for _, s := range samples {
		if s.typ == typ {
			return s.raw
		}
	}
	return ""
}

// change is one edit of the object itself.
func (o *whole) change(raw, path string, rules ...string) edit {
	return edit{at: o.v, with: raw, path: path, rules: rules}
}

func (o *whole) child(name string) string { return o.v.Path() + "." + name }

// objectKinds break what the members of an object are.
func objectKinds() []kind {
	return []kind{
		{name: "unknown member", object: func(o *whole) []edit {
			return []edit{o.change(with(o.v, "colour", `"red"`), o.child("colour"), "unknown-element")}
		}},
		{name: "member in another letter case", object: otherCase},
		{name: "missing required member", object: missing},
		{name: "two types of a choice", object: twoTypes},
		{name: "choice without its type", object: choiceAs("", "unknown-element")},
		{name: "choice of a type that is none", object: choiceAs("Colour", "unknown-element")},
		{name: `"_name" beside an object`, object: shadows(false, `{"id":"a"}`, "", "unknown-element", "type")},
		{name: `"_name" that is empty`, object: shadows(true, `{}`, "", "ele-1")},
		{name: `"_name" that is a text`, object: shadows(true, `"a"`, "", "type")},
		{name: `"_name" with an unknown member`, object: shadows(true, `{"colour":"red"}`, ".colour", "unknown-element")},
		{name: `"_name" longer than its array`, object: misaligned},
	}
}

// eachMember calls f with the members that the type has.
func (o *whole) eachMember(f func(c fhir.Value, m *definitions.Member, s *definitions.Slot)) {
	for c := range o.v.All() {
		if m := o.t.Member(c.Key()); m != nil {
			f(c, m, &o.t.Slots[m.Slot])
		}
	}
}

func otherCase(o *whole) (out []edit) {
	o.eachMember(func(c fhir.Value, _ *definitions.Member, _ *definitions.Slot) {
		name := strings.ToUpper(c.Key()[:1]) + c.Key()[1:]
		if len(out) == 0 && o.t.Member(name) == nil {
			out = append(out, o.change(renamed(o.v, c.Key(), name), o.child(name), "unknown-element"))
		}
	})
	return out
}

func missing(o *whole) (out []edit) {
	o.eachMember(func(c fhir.Value, m *definitions.Member, s *definitions.Slot) {
		if s.Min > 0 && o.v.Len() > 1 && !o.v.Get("_"+m.Name).Exists() {
			out = append(out, o.change(without(o.v, c.Key()), o.child(s.Name), "cardinality", "ele-1"))
			if o.v.Len() == 2 && o.v.Get("id").Exists() {
				out = out[:len(out)-1]
			}
		}
	})
	return out
}

func twoTypes(o *whole) (out []edit) {
	o.eachMember(func(_ fhir.Value, m *definitions.Member, s *definitions.Slot) {
		if !s.Choice() {
			return
		}
		for _, other := range s.Members {
			if raw := sampleOf(other.Type.Code); other != m && raw != "" {
				out = append(out, o.change(with(o.v, other.Name, raw), o.child(other.Name), "choice"))
				return
			}
		}
	})
	return out
}

func choiceAs(suffix, rule string) func(o *whole) []edit {
	return func(o *whole) (out []edit) {
		o.eachMember(func(c fhir.Value, _ *definitions.Member, s *definitions.Slot) {
			if s.Choice() && o.t.Member(s.Name+suffix) == nil {
				out = append(out, o.change(renamed(o.v, c.Key(), s.Name+suffix), o.child(s.Name+suffix), rule))
			}
		})
		return out
	}
}

// shadows puts "_name" beside the first member that is single and a primitive,
// or is not.
func shadows(primitive bool, raw, below string, rules ...string) func(o *whole) []edit {
	return func(o *whole) (out []edit) {
		o.eachMember(func(_ fhir.Value, m *definitions.Member, _ *definitions.Slot) {
			name := "_" + m.Name
			if len(out) > 0 || m.Primitive() != primitive || m.Many || o.v.Get(name).Exists() || m.Name == "id" {
				return
			}
			out = append(out, o.change(with(o.v, name, raw), o.child(name)+below, rules...))
		})
		return out
	}
}

func misaligned(o *whole) (out []edit) {
	o.eachMember(func(c fhir.Value, m *definitions.Member, _ *definitions.Slot) {
		name := "_" + m.Name
		if !m.Primitive() || !m.Many || o.v.Get(name).Exists() {
			return
		}
		list := "[" + strings.Repeat(`{"id":"a"},`, c.Len()) + `{"id":"a"}]`
		e := o.change(with(o.v, name, list), o.child(name), "type")
		e.unsaid = true
		out = append(out, e)
	})
	return out
}
