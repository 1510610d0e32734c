package patch

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"trellis.example/fhir"
)

// op writes an operation of a FHIRPath Patch; every part is the JSON of one.
func op(typ string, parts ...string) string {
	all := append([]string{`{"name":"type","valueCode":"` + typ + `"}`}, parts...)
	return `{"name":"operation","part":[` + strings.Join(all, ",") + `]}`
}

func at(path string) string   { return fmt.Sprintf(`{"name":"path","valueString":%q}`, path) }
func name(name string) string { return fmt.Sprintf(`{"name":"name","valueString":%q}`, name) }
func with(json string) string { return `{"name":"value",` + json + `}` }
func number(part string, n int) string {
	return fmt.Sprintf(`{"name":%q,"valueInteger":%d}`, part, n)
}

func parameters(t testing.TB, ops ...string) fhir.Resource {
	t.Helper()
	doc := `{"resourceType":"Parameters"}`
	if len(ops) > 0 {
		doc = `{"resourceType":"Parameters","parameter":[` + strings.Join(ops, ",") + `]}`
	}
	r, err := fhir.Decode([]byte(doc))
	if err != nil {
		t.Fatalf("%v in %s", err, doc)
	}
	return r
}

func TestFHIRPath(t *testing.T) {
	// Documents are the members of a Patient after resourceType.
	tests := []struct{ name, doc, op, want string }{
		{"add a primitive", ``, op("add", at("Patient"), name("birthDate"), with(`"valueDate":"1930-01-01"`)), `,"birthDate":"1930-01-01"`},
		{"add a primitive with an extension", ``, op("add", at("Patient"), name("birthDate"), with(`"valueDate":"1930-01-01","_valueDate":{"id":"x"}`)), `,"birthDate":"1930-01-01","_birthDate":{"id":"x"}`},
		{"replace a primitive", `,"birthDate":"1920-01-01"`, op("replace", at("Patient.birthDate"), with(`"valueDate":"1930-01-01"`)), `,"birthDate":"1930-01-01"`},
		{"replace takes the extensions along", `,"birthDate":"1920-01-01","_birthDate":{"id":"x"}`, op("replace", at("Patient.birthDate"), with(`"valueDate":"1930-01-01"`)), `,"birthDate":"1930-01-01"`},
		{"delete a primitive", `,"birthDate":"1920-01-01","_birthDate":{"id":"x"},"active":true`, op("delete", at("Patient.birthDate")), `,"active":true`},
		{"delete what is absent", `,"active":true`, op("delete", at("Patient.birthDate")), `,"active":true`},
		{"a code given as a string", ``, op("add", at("Patient"), name("gender"), with(`"valueString":"male"`)), `,"gender":"male"`},
		{"replace nested", `,"contact":[{"name":{"text":"a"},"gender":"male"}]`, op("replace", at("Patient.contact[0].name.text"), with(`"valueString":"b"`)), `,"contact":[{"name":{"text":"b"},"gender":"male"}]`},
		{"delete nested", `,"contact":[{"name":{"text":"a"},"gender":"male"}]`, op("delete", at("Patient.contact[0].gender")), `,"contact":[{"name":{"text":"a"}}]`},
		{"delete takes empty owners along", `,"contact":[{"name":{"text":"a"}}],"active":true`, op("delete", at("Patient.contact[0].name.text")), `,"active":true`},
		{"add nested", `,"contact":[{"name":{"text":"a"}}]`, op("add", at("Patient.contact[0]"), name("gender"), with(`"valueCode":"male"`)), `,"contact":[{"name":{"text":"a"},"gender":"male"}]`},
		{"add complex", ``, op("add", at("Patient"), name("maritalStatus"), with(`"valueCodeableConcept":{"text":"married"}`)), `,"maritalStatus":{"text":"married"}`},
		{"replace complex", `,"maritalStatus":{"id":"1","text":"married"}`, op("replace", at("Patient.maritalStatus"), with(`"valueCodeableConcept":{"id":"2"}`)), `,"maritalStatus":{"id":"2"}`},
		{"add by parts", ``, op("add", at("Patient"), name("contact"), with(`"part":[{"name":"name","valueHumanName":{"text":"a"}},{"name":"telecom","valueContactPoint":{"value":"1"}},{"name":"telecom","valueContactPoint":{"value":"2"}},{"name":"gender","valueCode":"male"}]`)), `,"contact":[{"name":{"text":"a"},"telecom":[{"value":"1"},{"value":"2"}],"gender":"male"}]`},
		{"parts within parts", ``, op("add", at("Patient"), name("contact"), with(`"part":[{"name":"name","part":[{"name":"given","valueString":"a"},{"name":"given","valueString":"b"}]}]`)), `,"contact":[{"name":{"given":["a","b"]}}]`},
		{"add to a list begins it", ``, op("add", at("Patient"), name("name"), with(`"valueHumanName":{"text":"a"}`)), `,"name":[{"text":"a"}]`},
		{"add to a list ends it", `,"name":[{"text":"a"}]`, op("add", at("Patient"), name("name"), with(`"valueHumanName":{"text":"b"}`)), `,"name":[{"text":"a"},{"text":"b"}]`},
		{"insert first", `,"name":[{"text":"a"},{"text":"b"}]`, op("insert", at("Patient.name"), number("index", 0), with(`"valueHumanName":{"text":"c"}`)), `,"name":[{"text":"c"},{"text":"a"},{"text":"b"}]`},
		{"insert last", `,"name":[{"text":"a"},{"text":"b"}]`, op("insert", at("Patient.name"), number("index", 2), with(`"valueHumanName":{"text":"c"}`)), `,"name":[{"text":"a"},{"text":"b"},{"text":"c"}]`},
		{"delete from a list", `,"name":[{"text":"a"},{"text":"b"}]`, op("delete", at("Patient.name[0]")), `,"name":[{"text":"b"}]`},
		{"delete by criterion", `,"name":[{"text":"a"},{"text":"b"}]`, op("delete", at("Patient.name.where(text = 'b')")), `,"name":[{"text":"a"}]`},
		{"delete the last of a list", `,"name":[{"text":"a"}]`, op("delete", at("Patient.name")), ``},
		{"move back", `,"name":[{"text":"a"},{"text":"b"},{"text":"c"}]`, op("move", at("Patient.name"), number("source", 2), number("destination", 0)), `,"name":[{"text":"c"},{"text":"a"},{"text":"b"}]`},
		{"move forth", `,"name":[{"text":"a"},{"text":"b"},{"text":"c"}]`, op("move", at("Patient.name"), number("source", 0), number("destination", 1)), `,"name":[{"text":"b"},{"text":"a"},{"text":"c"}]`},
		{"primitives of a list keep their extensions", `,"name":[{"given":["a","b"],"_given":[null,{"id":"x"}]}]`, op("delete", at("Patient.name[0].given[0]")), `,"name":[{"given":["b"],"_given":[{"id":"x"}]}]`},
		{"insert pads", `,"name":[{"given":["a","b"],"_given":[null,{"id":"x"}]}]`, op("insert", at("Patient.name[0].given"), number("index", 1), with(`"valueString":"c"`)), `,"name":[{"given":["a","c","b"],"_given":[null,null,{"id":"x"}]}]`},
		{"move takes extensions along", `,"name":[{"given":["a",null],"_given":[null,{"id":"x"}]}]`, op("move", at("Patient.name[0].given"), number("source", 0), number("destination", 1)), `,"name":[{"given":[null,"a"],"_given":[{"id":"x"},null]}]`},
		{"choice", ``, op("add", at("Patient"), name("deceased"), with(`"valueBoolean":true`)), `,"deceasedBoolean":true`},
		{"choice by its full name", ``, op("add", at("Patient"), name("deceasedDateTime"), with(`"valueDateTime":"2026"`)), `,"deceasedDateTime":"2026"`},
		{"another type of a choice", `,"deceasedBoolean":true`, op("replace", at("Patient.deceased"), with(`"valueDateTime":"2026"`)), `,"deceasedDateTime":"2026"`},
		{"delete a choice", `,"deceasedBoolean":true`, op("delete", at("Patient.deceased")), ``},
		{"extension of a primitive", `,"birthDate":"1920"`, op("add", at("Patient.birthDate"), name("extension"), with(`"part":[{"name":"url","valueUri":"http://e"},{"name":"value","valueDateTime":"1920-01"}]`)), `,"birthDate":"1920","_birthDate":{"extension":[{"url":"http://e","valueDateTime":"1920-01"}]}`},
		{"second extension of a primitive", `,"birthDate":"1920","_birthDate":{"extension":[{"url":"http://e"}]}`, op("add", at("birthDate"), name("extension"), with(`"part":[{"name":"url","valueUri":"http://f"}]`)), `,"birthDate":"1920","_birthDate":{"extension":[{"url":"http://e"},{"url":"http://f"}]}`},
		{"delete an extension of a primitive", `,"birthDate":"1920","_birthDate":{"extension":[{"url":"http://e","valueString":"x"}]}`, op("delete", at("Patient.birthDate.extension('http://e')")), `,"birthDate":"1920"`},
		{"a primitive without value", `,"_birthDate":{"id":"x"}`, op("replace", at("Patient.birthDate"), with(`"valueDate":"1920"`)), `,"birthDate":"1920"`},
		{"delete a primitive without value", `,"_birthDate":{"id":"x"},"active":true`, op("delete", at("Patient.birthDate")), `,"active":true`},
		{"a contained resource", `,"contained":[{"resourceType":"Organization","id":"o","name":"a"}]`, op("replace", at("Patient.contained[0].name"), with(`"valueString":"b"`)), `,"contained":[{"resourceType":"Organization","id":"o","name":"b"}]`},
		{"add a contained resource", ``, op("add", at("Patient"), name("contained"), with(`"resource":{"resourceType":"Organization","id":"o"}`)), `,"contained":[{"resourceType":"Organization","id":"o"}]`},
		{"decimals stay", `,"extension":[{"url":"http://e","valueDecimal":1.500}], "active" : true`, op("replace", at("Patient.active"), with(`"valueBoolean":false`)), `,"extension":[{"url":"http://e","valueDecimal":1.500}], "active" : false`},
	}
	for _, tt := range tests {
		got, err := FHIRPath([]byte(`{"resourceType":"Patient"`+tt.doc+`}`), parameters(t, tt.op))
		if want := `{"resourceType":"Patient"` + tt.want + `}`; err != nil || string(got) != want {
			t.Errorf("%s:\n got %s, %v\nwant %s", tt.name, got, err, want)
		}
	}
}

// TestOrder: each operation sees the result of the one before.
func TestOrder(t *testing.T) {
	doc := []byte(`{"resourceType":"Patient"}`)
	got, err := FHIRPath(doc, parameters(t,
		op("add", at("Patient"), name("name"), with(`"valueHumanName":{"text":"b"}`)),
		op("insert", at("Patient.name"), number("index", 0), with(`"valueHumanName":{"text":"a"}`)),
		op("replace", at("Patient.name[1].text"), with(`"valueString":"c"`)),
	))
	if want := `{"resourceType":"Patient","name":[{"text":"a"},{"text":"c"}]}`; err != nil || string(got) != want {
		t.Errorf("got %s, %v; want %s", got, err, want)
	}
	if got, err := FHIRPath(doc, parameters(t)); err != nil || !bytes.Equal(got, doc) {
		t.Errorf("no operation: got %s, %v", got, err)
	}
}

func TestFHIRPathRefuses(t *testing.T) {
	const first = "Parameters.parameter[0]"
	value := with(`"valueString":"hidden"`)
	tests := []struct {
		name, op string
		status   int
		place    string
	}{
		{"another name", `{"name":"hidden"}`, 400, first},
		{"no type", `{"name":"operation","part":[` + at("Patient") + `]}`, 400, first},
		{"unknown type", op("hidden"), 400, first + ".part[0]"},
		{"no path", op("delete"), 400, first},
		{"no value", op("replace", at("Patient.active")), 400, first},
		{"no name", op("add", at("Patient"), value), 400, first},
		{"no index", op("insert", at("Patient.name"), value), 400, first},
		{"negative index", op("insert", at("Patient.name"), number("index", -1), value), 400, first + ".part[2]"},
		{"superfluous part", op("delete", at("Patient.active"), value), 400, first + ".part[2]"},
		{"part twice", op("delete", at("Patient.active"), at("Patient.name")), 400, first + ".part[2]"},
		{"path of another kind", op("delete", `{"name":"path","valueInteger":7}`), 400, first + ".part[1]"},
		{"not FHIRPath", op("delete", at("Patient..hidden")), 422, first + ".part[1]"},
		{"another type's path", op("delete", at("Observation.status")), 422, first + ".part[1]"},
		{"computed", op("delete", at("Patient.active = true")), 422, first + ".part[1]"},
		{"functions that compute", op("delete", at("Patient.descendants()")), 422, first + ".part[1]"},
		{"variable", op("delete", at("%resource.active")), 422, first + ".part[1]"},
		{"union", op("delete", at("Patient.active | Patient.name")), 422, first + ".part[1]"},
		{"nothing there", op("replace", at("Patient.birthDate"), with(`"valueDate":"2026"`)), 422, first + ".part[1]"},
		{"several", op("delete", at("Patient.name")), 422, first + ".part[1]"},
		{"the resource", op("delete", at("Patient")), 422, first + ".part[1]"},
		{"replace the resource", op("replace", at("Patient"), value), 422, first + ".part[1]"},
		{"unknown child", op("add", at("Patient"), name("hidden"), value), 422, first + ".part[2]"},
		{"present already", op("add", at("Patient"), name("active"), with(`"valueBoolean":true`)), 422, first + ".part[2]"},
		{"present as another type", op("add", at("Patient"), name("deceased"), with(`"valueDateTime":"2026"`)), 422, first + ".part[2]"},
		{"another type", op("replace", at("Patient.active"), value), 422, first + ".part[2]"},
		{"another type of a list", op("insert", at("Patient.name"), number("index", 0), value), 422, first + ".part[3]"},
		{"two values", op("replace", at("Patient.active"), with(`"valueBoolean":true,"valueString":"hidden"`)), 422, first + ".part[2].valueString"},
		{"empty value", op("replace", at("Patient.active"), `{"name":"value"}`), 422, first + ".part[2]"},
		{"parts of a primitive", op("replace", at("Patient.active"), with(`"part":[{"name":"hidden","valueString":"x"}]`)), 422, first + ".part[2]"},
		{"unknown part", op("add", at("Patient"), name("contact"), with(`"part":[{"name":"hidden","valueString":"x"}]`)), 422, first + ".part[3].part[0]"},
		{"part twice", op("add", at("Patient"), name("contact"), with(`"part":[{"name":"gender","valueCode":"x"},{"name":"gender","valueCode":"x"}]`)), 422, first + ".part[3].part[1]"},
		{"value of a primitive", op("add", at("Patient.active"), name("value"), value), 422, first + ".part[2]"},
		{"beyond the end", op("insert", at("Patient.name"), number("index", 3), with(`"valueHumanName":{}`)), 422, first + ".part[2]"},
		{"move beyond", op("move", at("Patient.name"), number("source", 0), number("destination", 2)), 422, first + ".part[3]"},
		{"no list", op("move", at("Patient.active"), number("source", 0), number("destination", 0)), 422, first + ".part[1]"},
		{"one of a list", op("move", at("Patient.name[0]"), number("source", 0), number("destination", 0)), 422, first + ".part[1]"},
		{"two lists", op("move", at("Patient.name.given"), number("source", 0), number("destination", 0)), 422, first + ".part[1]"},
	}
	doc := []byte(`{"resourceType":"Patient","active":true,"deceasedBoolean":false,"name":[{"given":["a"]},{"given":["b"]}]}`)
	for _, tt := range tests {
		got, err := FHIRPath(doc, parameters(t, tt.op))
		if err == nil {
			t.Errorf("%s: accepted: %s", tt.name, got)
			continue
		}
		e := fhir.AsError(err)
		if e.HTTPStatus() != tt.status || e.Issues[0].Expression != tt.place {
			t.Errorf("%s: got %d at %s: %v; want %d at %s", tt.name, e.HTTPStatus(), e.Issues[0].Expression, err, tt.status, tt.place)
		}
		if strings.Contains(err.Error(), "hidden") {
			t.Errorf("%s: the fault shows a value: %v", tt.name, err)
		}
	}
}

func TestFHIRPathLimits(t *testing.T) {
	many := make([]string, MaxOperations+1)
	for i := range many {
		many[i] = op("delete", at("Patient.active"))
	}
	_, err := FHIRPath([]byte(`{"resourceType":"Patient"}`), parameters(t, many...))
	if err == nil || fhir.AsError(err).Issues[0].Code != fhir.TooLong {
		t.Errorf("operations: %v", err)
	}
	// Paths that each visit every name, many times over.
	names := `{"resourceType":"Patient","name":[` + strings.Repeat(`{"text":"a"},`, 1000) + `{"text":"b"}]}`
	costly := op("delete", at("Patient.name.where("+strings.Repeat("text = 'c' or ", 99)+"text = 'd')"))
	_, err = FHIRPath([]byte(names), parameters(t, slices.Repeat([]string{costly}, 100)...))
	if err == nil || fhir.AsError(err).Issues[0].Code != fhir.TooCostly {
		t.Errorf("visits: %v", err)
	}
	large := `{"resourceType":"Patient","name":[{"text":"` + strings.Repeat("x", fhir.MaxResource-60) + `"}]}`
	_, err = FHIRPath([]byte(large), parameters(t, op("add", at("Patient"), name("name"), with(`"valueHumanName":{"text":"`+strings.Repeat("y", 100)+`"}`))))
	if e := fhir.AsError(err); err == nil || e.Issues[0].Code != fhir.TooLong || e.Issues[0].Expression != "Parameters.parameter[0]" {
		t.Errorf("size: %v", err)
	}
	other, err := fhir.Decode([]byte(`{"resourceType":"Bundle"}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := FHIRPath([]byte(large), other); err == nil || fhir.AsError(err).HTTPStatus() != 400 {
		t.Errorf("another resource as the patch: %v", err)
	}
}

// FuzzFHIRPath: no panic, only our error type, and a result that can be read.
func FuzzFHIRPath(f *testing.F) {
	const doc = `{"resourceType":"Patient","active":true,"_birthDate":{"id":"x"},"name":[{"given":["a",null],"_given":[null,{"id":"y"}]}]}`
	for _, o := range []string{
		op("add", at("Patient.name[0]"), name("given"), with(`"valueString":"b","_valueString":{"id":"z"}`)),
		op("delete", at("Patient.birthDate")), op("replace", at("Patient.active"), with(`"valueBoolean":false`)),
		op("move", at("Patient.name[0].given"), number("source", 0), number("destination", 1)),
		op("add", at("Patient"), name("contact"), with(`"part":[{"name":"name","part":[{"name":"text","valueString":"x"}]}]`)),
	} {
		f.Add([]byte(doc), []byte(`{"resourceType":"Parameters","parameter":[`+o+`]}`))
	}
	f.Fuzz(func(t *testing.T, doc, params []byte) {
		p, err := fhir.Decode(params)
		if err != nil {
			return
		}
		out, err := FHIRPath(doc, p)
		if err != nil {
			wantFault(t, err)
			return
		}
		if _, err := fhir.Decode(out); err != nil {
			t.Errorf("the result cannot be read: %v\n%s", err, out)
		}
	})
}

func BenchmarkFHIRPath(b *testing.B) {
	doc := []byte(`{"resourceType":"Patient","active":true,"name":[{"text":"` + strings.Repeat("x", 3000) + `"}]}`)
	p := parameters(b, op("replace", at("Patient.active"), with(`"valueBoolean":false`)))
	for b.Loop() {
		if _, err := FHIRPath(doc, p); err != nil {
			b.Fatal(err)
		}
	}
}
