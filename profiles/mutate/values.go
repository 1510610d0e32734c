package mutate

import (
	"slices"
	"strings"

	"trellis.example/fhir"
)

// single reports whether the place is one value rather than an array of them.
func (p *place) single() bool { return p.v.Kind() != fhir.Array }

// is reports whether the place is one value of one of the types.
func (p *place) is(types ...string) bool {
	return p.single() && slices.Contains(types, p.m.Type.Code)
}

// put replaces the value where the fault is to be reported.
func (p *place) put(raw string, rules ...string) []edit {
	return []edit{{at: p.v, with: raw, path: p.v.Path(), rules: rules}}
}

// replacing is a kind that puts raw wherever a value of one of the types stands.
func replacing(name, raw, rule string, types ...string) kind {
	return kind{name: name, value: func(p *place) []edit {
		if !p.is(types...) || p.v.Kind() == fhir.Null {
			return nil
		}
		if rule == "" {
			return p.put(raw)
		}
		return p.put(raw, rule)
	}}
}

var (
	texts   = []string{"string", "markdown", "uri", "url", "canonical", "code", "id", "oid", "uuid", "base64Binary", "date", "dateTime", "instant", "time", "xhtml"}
	numbers = []string{"integer", "positiveInt", "unsignedInt", "decimal"}
	whole32 = []string{"integer", "positiveInt", "unsignedInt"}
)

// valueKinds break one value of a primitive type.
func valueKinds() []kind {
	return slices.Concat(jsonKinds(), amountKinds(), []kind{
		{name: "code outside its value set", value: outside},
		replacing("blank string", `" "`, "format", "string", "markdown", "uri", "url", "canonical", "code", "id"),
		replacing("empty string", `""`, "", texts...),
		replacing("control character", `"a\u0007b"`, "format", "string", "markdown", "uri", "code"),
		replacing("31 February", `"2023-02-31"`, "format", "date", "dateTime"),
		replacing("29 February of no leap year", `"2023-02-29"`, "format", "date", "dateTime"),
		replacing("month 13", `"2023-13"`, "format", "date", "dateTime"),
		replacing("instant on 31 February", `"2023-02-31T10:00:00Z"`, "format", "instant"),
		replacing("date in another form", `"01/02/2023"`, "format", "date", "dateTime", "instant"),
		replacing("time in a date", `"2023-02-01T10:00:00Z"`, "format", "date"),
		replacing("time without zone", `"2023-02-01T10:00:00"`, "format", "dateTime", "instant"),
		replacing("time without seconds", `"2023-02-01T10:00Z"`, "format", "dateTime", "instant"),
		replacing("hour 25", `"25:00:00"`, "format", "time"),
		replacing("fraction for an integer", `1.5`, "format", whole32...),
		replacing("integer out of range", `3000000000`, "format", whole32...),
		replacing("negative for an unsigned integer", `-1`, "format", "positiveInt", "unsignedInt"),
		replacing("id with another character", `"a_b"`, "format", "id"),
		{name: "id of 65 characters", value: longID},
		replacing("uri with a blank", `"http://a b"`, "format", "uri", "url", "canonical"),
		replacing("code with two blanks", `"a  b"`, "format", "code"),
		replacing("code with a blank before it", `" a"`, "format", "code"),
		replacing("base64 that is not", `"a*b="`, "format", "base64Binary"),
		replacing("oid without its prefix", `"1.2.3"`, "format", "oid"),
		replacing("uuid that is none", `"urn:uuid:1234"`, "format", "uuid"),
		replacing("script in the narrative", `"<div xmlns=\"http://www.w3.org/1999/xhtml\"><script>x</script></div>"`, "txt-1", "xhtml"),
		unsaid(replacing("handler in the narrative", `"<div xmlns=\"http://www.w3.org/1999/xhtml\"><p onclick=\"x()\">x</p></div>"`, "txt-1", "xhtml")),
		unsaid(replacing("empty narrative", `"<div xmlns=\"http://www.w3.org/1999/xhtml\"> </div>"`, "txt-2", "xhtml")),
		{name: "string of more than 1 MB", value: oversize},
	})
}

// unsaid marks a kind that no JSON Schema can express.
func unsaid(k kind) kind {
	inner := k.value
	k.value = func(p *place) []edit {
		out := inner(p)
		for i := range out {
			out[i].unsaid = true
		}
		return out
	}
	return k
}

// jsonKinds put another kind of JSON value.
func jsonKinds() []kind {
	objects := func(raw string) func(p *place) []edit {
		return func(p *place) []edit {
			if p.v.Kind() != fhir.Object {
				return nil
			}
			return p.put(raw, "type")
		}
	}
	primitives := func(raw string) func(p *place) []edit {
		return func(p *place) []edit {
			if !p.m.Primitive() || !p.single() || p.v.Kind() == fhir.Null {
				return nil
			}
			return p.put(raw, "type")
		}
	}
	return []kind{
		{name: "string for an object", value: objects(`"text"`)},
		{name: "number for an object", value: objects(`1`)},
		{name: "boolean for an object", value: objects(`true`)},
		{name: "object for a primitive", value: primitives(`{"a":1}`)},
		replacing("number for a string", `1`, "type", texts...),
		replacing("boolean for a string", `true`, "type", texts...),
		replacing("string for a number", `"1"`, "type", numbers...),
		replacing("string for a boolean", `"true"`, "type", "boolean"),
	}
}

// amountKinds put nothing, one for many or many for one.
func amountKinds() []kind {
	return []kind{
		{name: "null", value: func(p *place) []edit {
			if !p.single() || p.v.Kind() == fhir.Null || p.v.Parent().Kind() == fhir.Array {
				return nil
			}
			return p.put(`null`, "type")
		}},
		{name: "array for a single value", value: func(p *place) []edit {
			if p.m.Many || !p.single() {
				return nil
			}
			return p.put("["+string(p.v.Raw())+"]", "type")
		}},
		{name: "single value for an array", value: func(p *place) []edit {
			if p.single() || !p.m.Many || p.v.First().Kind() == fhir.Null {
				return nil
			}
			return p.put(string(p.v.First().Raw()), "type")
		}},
		{name: "empty array", value: func(p *place) []edit {
			if p.single() {
				return nil
			}
			return p.put(`[]`, "empty")
		}},
		{name: "null in an array", value: nullInArray},
		{name: "empty object", value: hollow(`{}`)},
		{name: "element with an id alone", value: hollow(`{"id":"a"}`)},
	}
}

// hollow puts an element that says nothing.
func hollow(raw string) func(p *place) []edit {
	return func(p *place) []edit {
		if p.v.Kind() != fhir.Object || p.m.Type.Code == "Resource" {
			return nil
		}
		return p.put(raw, "ele-1")
	}
}

// nullInArray puts a null before the others; a "_name" beside the array would
// have to say what it means.
func nullInArray(p *place) []edit {
	if p.single() || p.v.Parent().Get("_"+p.m.Name).Exists() {
		return nil
	}
	return []edit{{at: p.v, with: "[null," + string(p.v.Raw()[1:]), path: p.v.Path() + "[0]", rules: []string{"type"}}}
}

// outside puts a code that is in no value set.
func outside(p *place) []edit {
	set := p.g.defs.ValueSet(p.s.ValueSet)
	if !p.is("code") || p.v.Kind() != fhir.String || set == nil || set.Open {
		return nil
	}
	out := p.put(`"bogus-code"`, "binding")
	out[0].unsaid = set.Codes() > 200
	return out
}

// longID applies to ids of resources: the tables call those a string.
func longID(p *place) []edit {
	if !p.is("id") && (p.m.Name != "id" || p.t.Kind != 'r') {
		return nil
	}
	return p.put(`"`+strings.Repeat("a", 65)+`"`, "format")
}

// oversize makes one document of more than 1 MB, at its status or first text.
func oversize(p *place) []edit {
	if !p.is("string", "markdown") || p.m.Name == "id" || p.v.Kind() != fhir.String {
		return nil
	}
	start, _ := p.v.Span()
	if start%7 != 0 { // few of them: they are large
		return nil
	}
	return p.put(`"`+strings.Repeat("a", 1<<20+1)+`"`, "format")
}
