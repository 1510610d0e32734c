package profiles

import (
	"strings"
	"testing"

	"trellis.example/fhir"
)

// extensionOf writes the definition of an extension of a user.
func extensionOf(tb testing.TB, name, contexts string, elements ...string) fhir.Resource {
	tb.Helper()
	r, err := fhir.Decode([]byte(`{"resourceType":"StructureDefinition","url":"http://a.example/` + name + `","version":"1.0.0","name":"X","status":"active",` +
		`"kind":"complex-type","abstract":false,"type":"Extension","baseDefinition":"http://hl7.org/fhir/StructureDefinition/Extension","derivation":"constraint",` +
		contexts + `"differential":{"element":[` + strings.Join(elements, ",") + `]}}`))
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

func stands(typ, expression string) string {
	return `"context":[{"type":"` + typ + `","expression":"` + expression + `"}],`
}

func simple(name, typ, root string) []string {
	return []string{
		`{"id":"Extension","path":"Extension"` + root + `}`,
		`{"id":"Extension.extension","path":"Extension.extension","max":"0"}`,
		`{"id":"Extension.url","path":"Extension.url","fixedUri":"http://a.example/` + name + `"}`,
		`{"id":"Extension.value[x]","path":"Extension.value[x]","min":1,"type":[{"code":"` + typ + `"}]}`,
	}
}

// TestExtensions covers what stands in an extension and where it may stand.
func TestExtensions(t *testing.T) {
	v, err := NewWith(
		extensionOf(t, "s", stands("element", "Patient"), simple("s", "string", `,"max":"1"`)...),
		extensionOf(t, "type", stands("element", "HumanName"), simple("type", "string", "")...),
		extensionOf(t, "inner", stands("element", "Patient.contact.name"), simple("inner", "string", "")...),
		extensionOf(t, "choice", stands("element", "Observation.value[x]"), simple("choice", "string", "")...),
		extensionOf(t, "backbone", stands("element", "BackboneElement"), simple("backbone", "string", "")...),
		extensionOf(t, "path", stands("fhirpath", "Patient.name.where(use = 'old')"), simple("path", "string", "")...),
		extensionOf(t, "within", stands("extension", "http://a.example/outer"), simple("within", "string", "")...),
		extensionOf(t, "outer", stands("element", "Patient")),
		extensionOf(t, "ask", stands("element", "Patient")+`"contextInvariant":["gender = 'female'"],`, simple("ask", "string", "")...),
		extensionOf(t, "mod", stands("element", "Patient"), simple("mod", "boolean", `,"isModifier":true,"isModifierReason":"x"`)...),
		extensionOf(t, "parts", stands("element", "Patient"),
			`{"id":"Extension.extension","path":"Extension.extension","slicing":{"discriminator":[{"type":"value","path":"url"}],"rules":"open"}}`,
			`{"id":"Extension.extension:a","path":"Extension.extension","sliceName":"a","min":1,"max":"1"}`,
			`{"id":"Extension.extension:a.url","path":"Extension.extension.url","fixedUri":"a"}`,
			`{"id":"Extension.extension:a.value[x]","path":"Extension.extension.value[x]","min":1,"type":[{"code":"integer"}],"minValueInteger":1}`,
			`{"id":"Extension.url","path":"Extension.url","fixedUri":"http://a.example/parts"}`,
			`{"id":"Extension.value[x]","path":"Extension.value[x]","max":"0"}`))
	if err != nil {
		t.Fatal(err)
	}
	x := func(name, value string) string { return `{"url":"http://a.example/` + name + `",` + value + `}` }
	on := func(list ...string) string {
		return `{"resourceType":"Patient","extension":[` + strings.Join(list, ",") + `]}`
	}
	parts := func(list string) string { return on(x("parts", `"extension":[`+list+`]`)) }
	const text = `"valueString":"x"`
	tests := []struct{ doc, want string }{
		{on(x("s", text)), ""},
		{on(x("unknown", text)), ""},
		{on(x("s", `"valueInteger":1`)), "s#Extension.value[x]@Patient.extension[0].valueInteger"},
		{on(x("s", `"valueCode":"x"`)), "s#Extension.value[x]@Patient.extension[0].valueCode"},
		{on(x("s", text), x("s", text)), "s#Extension@Patient.extension[1]"},
		{on(x("s", `"extension":[{"url":"a","valueString":"x"}]`)), "s#Extension.extension@Patient.extension[0].extension s#Extension.value[x]@Patient.extension[0].value"},
		{`{"resourceType":"Organization","name":"x","extension":[` + x("s", text) + `]}`, "extension-context@Organization.extension[0]"},
		{`{"resourceType":"Patient","name":[{"text":"x","extension":[` + x("type", text) + `]}]}`, ""},
		{`{"resourceType":"Patient","contact":[{"name":{"text":"x","extension":[` + x("type", text) + "," + x("inner", text) + `]}}]}`, ""},
		{`{"resourceType":"Patient","name":[{"text":"x","extension":[` + x("inner", text) + `]}]}`, "extension-context@Patient.name[0].extension[0]"},
		{`{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueString":"x","_valueString":{"extension":[` + x("choice", text) + `]}}`, ""},
		{`{"resourceType":"Observation","status":"final","code":{"text":"x","extension":[` + x("choice", text) + `]}}`, "extension-context@Observation.code.extension[0]"},
		{`{"resourceType":"Patient","contact":[{"name":{"text":"x"},"extension":[` + x("backbone", text) + `]}]}`, ""},
		{on(x("backbone", text)), "extension-context@Patient.extension[0]"},
		{`{"resourceType":"Patient","name":[{"text":"x","use":"old","extension":[` + x("path", text) + `]}]}`, ""},
		{`{"resourceType":"Patient","name":[{"text":"x","use":"usual","extension":[` + x("path", text) + `]}]}`, "extension-context@Patient.name[0].extension[0]"},
		{on(x("outer", `"extension":[`+x("within", text)+`]`)), ""},
		{on(x("within", text)), "extension-context@Patient.extension[0]"},
		{`{"resourceType":"Patient","gender":"female","extension":[` + x("ask", text) + `]}`, ""},
		{`{"resourceType":"Patient","gender":"male","extension":[` + x("ask", text) + `]}`, "extension-context-invariant@Patient"},
		{`{"resourceType":"Patient","modifierExtension":[` + x("mod", `"valueBoolean":true`) + `]}`, ""},
		{on(x("mod", `"valueBoolean":true`)), "extension-modifier@Patient.extension[0]"},
		{`{"resourceType":"Patient","modifierExtension":[` + x("s", text) + `]}`, "extension-modifier@Patient.modifierExtension[0]"},
		{`{"resourceType":"Patient","modifierExtension":[` + x("unknown", text) + `]}`, "modifier-extension@Patient.modifierExtension[0]"},
		{parts(`{"url":"a","valueInteger":1}`), ""},
		{parts(`{"url":"a","valueInteger":0}`), "parts#Extension.extension:a.value[x]@Patient.extension[0].extension[0].valueInteger"},
		{parts(`{"url":"a","valueString":"x"}`), "parts#Extension.extension:a.value[x]@Patient.extension[0].extension[0].valueString"},
		{parts(`{"url":"a","valueInteger":1},{"url":"b","valueInteger":1}`), "extension-part@Patient.extension[0].extension[1]"},
		{parts(`{"url":"a","valueInteger":1},{"url":"http://b","valueInteger":1}`), ""},
		{parts(`{"url":"http://b","valueInteger":1}`), "parts#Extension.extension:a@Patient.extension[0].extension"},
		// R4's own
		{on(`{"url":"http://hl7.org/fhir/StructureDefinition/patient-birthPlace","valueAddress":{"city":"x"}}`), ""},
		{on(`{"url":"http://hl7.org/fhir/StructureDefinition/patient-birthPlace","valueString":"x"}`), "patient-birthPlace#Extension.value[x]@Patient.extension[0].valueString"},
		{`{"resourceType":"Organization","name":"x","extension":[{"url":"http://hl7.org/fhir/StructureDefinition/patient-birthPlace","valueAddress":{"city":"x"}}]}`, "extension-context@Organization.extension[0]"},
		{on(`{"url":"http://hl7.org/fhir/StructureDefinition/patient-nationality","extension":[{"url":"colour","valueString":"x"}]}`), "extension-part@Patient.extension[0].extension[0]"},
		// UK Core's, described here
		{on(`{"url":"https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-EthnicCategory","valueString":"x"}`), "Extension-UKCore-EthnicCategory#Extension.value[x]@Patient.extension[0].valueString"},
	}
	for _, tt := range tests {
		var got []string
		for _, f := range faults(t, v, tt.doc, Options{}) {
			if !strings.HasPrefix(f, "~") && !strings.HasPrefix(f, "tr-") {
				got = append(got, f)
			}
		}
		if g := strings.Join(got, " "); g != tt.want {
			t.Errorf("%s\n got %q\nwant %q", tt.doc, g, tt.want)
		}
	}
}

// TestContexts reads every context of R4's own extensions: each must be a place
// that exists.
func TestContexts(t *testing.T) {
	v := newValidator(t)
	for _, url := range v.nodes.defs.Extensions() {
		if !strings.HasPrefix(url, r4Base) {
			continue
		}
		d := v.extension(url)
		if d == nil {
			t.Errorf("%s is not known", url)
			continue
		}
		if p := v.profile(d); p == nil || p.extension == nil {
			t.Errorf("%s does not compile", url)
		}
	}
}

// TestKeepsNoDocument holds that what is remembered of a document's extensions is
// no part of the document: its memory would stay with it.
func TestKeepsNoDocument(t *testing.T) {
	v := newValidator(t)
	const url = "http://hl7.org/fhir/StructureDefinition/patient-religion"
	b := []byte(`{"resourceType":"Patient","extension":[{"url":"` + url + `","valueCodeableConcept":{"text":"x"}}]}`)
	r, err := fhir.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	v.Validate(r, Options{BaseOnly: true})
	for i := range b {
		b[i] = '?'
	}
	kept, _ := v.shelf.foreign.Load(url)
	if d, ok := kept.(*definition); !ok || d.URL != url {
		t.Errorf("the definition of the extension is kept with a url of the document: %+v", d)
	}
}
