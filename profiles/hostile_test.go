package profiles

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"trellis.example/fhir"
)

// TestHostile validates documents of nearly the largest size whose shape makes
// careless checks quadratic: then the test does not end within its time.
func TestHostile(t *testing.T) {
	list := func(head, item, tail string, size int) string {
		n := size / (len(item) + 1)
		return head + strings.Repeat(item+",", n) + item + tail
	}
	const mb = 1 << 19
	tests := []struct{ name, doc string }{
		{"nulls with siblings", `{"resourceType":"Patient","name":[{"given":[` + strings.Repeat("null,", mb/8) + `"a"],"_given":[` + strings.Repeat(`{"id":"a"},`, mb/8) + `null]}]}`},
		{"contained and references", list(list(`{"resourceType":"Patient","contained":[`, `{"resourceType":"Basic","id":"a"}`, `],"link":[`, mb),
			`{"type":"seealso","other":{"reference":"#b"}}`, `]}`, mb)},
		{"codings against codings", list(list(`{"resourceType":"Observation","status":"final","valueString":"x","code":{"coding":[`, `{"code":"a"}`, `]},"component":[{"code":{"coding":[`, mb), `{"code":"b"}`, `]}}]}`, mb)},
		{"every element against the first", list(`{"resourceType":"StructureDefinition","snapshot":{"element":[`, `{"path":"a.b"}`, `]}}`, mb)},
		{"many small structures", list(`{"resourceType":"Bundle","type":"collection","entry":[`,
			list(`{"resource":{"resourceType":"StructureDefinition","snapshot":{"element":[`, `{"path":"a.b"}`, `]}}}`, 100_000), `]}`, 3*mb)},
		{"unknown members", list(`{"resourceType":"Patient","contact":[`, `{"a":1,"b":2,"c":3}`, `]}`, 3*mb)},
		{"general practitioners", list(list(`{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"ServiceRequest","status":"active"}},{"resource":{"resourceType":"Patient","generalPractitioner":[`,
			`{"reference":"Organization/x"}`, `]}},`, mb), `{"resource":{"resourceType":"Basic","id":"a"}}`, `]}`, mb)},
		{"wide resource, many codings", wide(`{"resourceType":"Patient","maritalStatus":{"coding":[`+repeated(`{"system":"http://terminology.hl7.org/CodeSystem/v3-MaritalStatus","code":"M","display":"x"}`, mb)+`]},`, mb, `"language":"en"}`)},
		{"wide Bundle, many entries", wide(`{"resourceType":"Bundle","entry":[`+repeated(`{"request":{"method":"POST","url":"Patient"}}`, mb)+`],`, mb, `"type":"transaction"}`)},
		{"wide entry, many sections", `{"resourceType":"Bundle","type":"document","entry":[` + wide(`{"resource":{"resourceType":"Composition","section":[`+repeated(`{"entry":[{"reference":"Patient/1"}]}`, mb)+`]},`, mb, `"fullUrl":"https://a.example/Composition/1"}`) + `,{"resource":{"resourceType":"Patient"}}]}`},
		{"wide entry, many references", `{"resourceType":"Bundle","type":"message","entry":[{"resource":{"resourceType":"MessageHeader"}},` + wide(`{"resource":`+wide(`{"generalPractitioner":[`+repeated(`{"reference":"Organization/1"}`, mb)+`],`, mb, `"resourceType":"Patient"}`)+`,`, mb, `"fullUrl":"https://a.example/Patient/1"}`) + `]}`},
		{"wide element, many extensions", `{"resourceType":"Patient","name":[` + wide(`{"extension":[`+repeated(`{"url":"http://hl7.org/fhir/StructureDefinition/humanname-own-prefix","valueString":"x"}`, 4*mb)+`],`, mb, `"text":"x"}`) + `]}`},
		{"wide resource, many extensions", wide(`{"extension":[`+repeated(`{"url":"http://hl7.org/fhir/StructureDefinition/patient-religion","valueCodeableConcept":{"text":"x"}}`, 4*mb)+`],`, mb, `"resourceType":"Patient"}`)},
	}
	v := newValidator(t)
	for _, tt := range tests {
		r, err := fhir.Decode([]byte(tt.doc))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		start := time.Now()
		v.Validate(r, Options{})
		v.Referral([]fhir.Resource{r})
		t.Logf("%s: %v for %d bytes", tt.name, time.Since(start), len(tt.doc))
	}
}

// wide puts members that no type has between head and tail.
func wide(head string, size int, tail string) string {
	var b strings.Builder
	b.WriteString(head)
	for i := 0; b.Len() < size+len(head); i++ {
		b.WriteString(`"x` + strconv.Itoa(i) + `":1,`)
	}
	return b.String() + tail
}

func repeated(item string, size int) string {
	return strings.Repeat(item+",", size/(len(item)+1)) + item
}
