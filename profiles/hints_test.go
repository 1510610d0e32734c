package profiles

import (
	"strings"
	"testing"

	"trellis.example/fhir"
)

// TestControlCharacters holds that no primitive of text takes what FHIR forbids,
// in values and in the extensions beside them.
func TestControlCharacters(t *testing.T) {
	for p := pString; p <= pTime; p++ {
		for _, bad := range []string{"\x00", "a\x01", "a\x1fb", "\x0b"} {
			if p.valid(bad) {
				t.Errorf("%s takes %q", primitives[p].name, bad)
			}
		}
	}
	if pString.valid(strings.Repeat("x", maxString+1)) || pMarkdown.valid(strings.Repeat("x", maxString+1)) {
		t.Error("text of more than a megabyte is taken")
	}
	v := newValidator(t)
	for _, doc := range []string{
		`{"resourceType":"Patient","_birthDate":{"extension":[{"url":"http://a.example/x","valueString":"a\u0001"}]}}`,
		`{"resourceType":"Patient","_birthDate":{"id":"a\u0001","extension":[{"url":"http://a.example/x","valueString":"a"}]}}`,
		`{"resourceType":"Patient","_birthDate":{"extension":[{"url":"http://a.example/\u0001","valueString":"a"}]}}`,
		`{"resourceType":"Patient","maritalStatus":{"coding":[{"code":"a\u0001"}]}}`,
	} {
		if got := faults(t, v, doc, Options{BaseOnly: true}); len(got) == 0 || !strings.HasPrefix(got[0], ruleFormat) {
			t.Errorf("%s: %v", doc, got)
		}
	}
}

// FuzzIssues checks, for any document that can be read, that validation ends and
// that each issue says all it should.
func FuzzIssues(f *testing.F) {
	f.Add([]byte(`{"resourceType":"Patient","birthDate":"31/12/1980","name":[{"given":["a",null]}],"_gender":{}}`))
	f.Add([]byte(`{"resourceType":"Bundle","type":"document","entry":[{"fullUrl":"urn:uuid:1","resource":{"resourceType":"Composition","subject":{"reference":"Patient/1"}}}]}`))
	f.Add([]byte(`{"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"PUT","url":"Patient"}}]}`))
	f.Add([]byte(`{"resourceType":"Observation","status":"x","valueQuantity":{"system":"http://unitsofmeasure.org","code":"x y"},"text":{"status":"empty","div":"<div>"}}`))
	f.Add([]byte(`{"resourceType":"Patient","contained":[{}],"extension":[{"url":1}],"modifierExtension":[{"url":"x"}]}`))
	v := newValidator(f)
	f.Fuzz(func(t *testing.T, doc []byte) {
		r, err := fhir.Decode(doc)
		if err != nil {
			return
		}
		for _, is := range v.Validate(r, Options{BaseOnly: true}) {
			wellSaid(t, is, "")
		}
	})
}
