package mapping_test

import (
	"fmt"
	"strings"
	"testing"

	"trellis.example/fhir"
	"trellis.example/mapping"
)

// TestLimits holds that a document of a few megabytes cannot become an answer
// of gigabytes, or take minutes.
func TestLimits(t *testing.T) {
	m := mustBuild(t, bothWays)
	tests := []struct{ name, in, want string }{
		{"parts of a list", `{"ref":"1","tags":"` + strings.Repeat("a;", 30_000) + `"}`, "more than 10000 repeated elements"},
		{"nested elements", `{"ref":"1","people":[` + strings.Repeat(`{"role":"kin","phones":["111","222"]},`, 8_000) + `{}]}`, "more than 10000 repeated elements"},
		{"residue", `{"ref":"1","x":[` + strings.Repeat(`1,`, 99_999) + `1]}`, "90000 more values are lost than are listed"},
		{"faults", `{"people":[` + strings.Repeat(`{"role":"kin","phones":["x"]},`, 1_500) + `{}]}`, "there are more faults than are listed"},
	}
	for _, tt := range tests {
		res := m.Read([]byte(tt.in))
		if len(res.Records) != 1 {
			t.Errorf("%s: %v", tt.name, res.Faults)
			continue
		}
		rec := res.Records[0]
		if text := lastTexts(rec); !strings.Contains(text, tt.want) {
			t.Errorf("%s: %s; want %q", tt.name, text, tt.want)
		}
	}
}

func lastTexts(r mapping.Record) string {
	text := ""
	if n := len(r.Losses); n > 0 {
		text += r.Losses[n-1].Text + "\n"
	}
	for _, is := range r.Faults {
		if is.Code == fhir.TooLong {
			text += is.Text + "\n"
		}
	}
	return text
}

// TestLimitsBack is the same for the way back.
func TestLimitsBack(t *testing.T) {
	m := mustBuild(t, bothWays)
	var contacts strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&contacts, `{"name":{"text":"K%d"},"telecom":[{"value":"111"},{"use":"old"}]},`, i)
	}
	in := `{"resourceType":"Bundle","type":"collection","entry":[
	{"fullUrl":"urn:uuid:1","resource":{"resourceType":"ServiceRequest","status":"active","identifier":[{"system":"urn:n","value":"R"}],"subject":{"reference":"urn:uuid:2"}}},
	{"fullUrl":"urn:uuid:2","resource":{"resourceType":"Patient","contact":[` + contacts.String() + `{}]}}]}`
	w := m.Write([]byte(in))
	if len(w.Faults) > 0 || len(w.Losses) != 10_001 || strings.Count(w.Document, `"name"`) != 20_000 {
		t.Errorf("%d faults, %d losses, %d contacts", len(w.Faults), len(w.Losses), strings.Count(w.Document, `"name"`))
	}
}
