package profiles

import (
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
