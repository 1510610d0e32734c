package fhir

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"trellis.example/fhir"
)

func TestRead(t *testing.T) {
	const sr = `{"resourceType":"ServiceRequest","status":"active","identifier":[{"value":"R1"}]}`
	tests := []struct{ name, in, want, fault string }{
		{name: "single", in: sr, want: `"resource":` + sr},
		{name: "decimal and unknown are kept", in: `{"resourceType":"ServiceRequest", "quantityQuantity":{"value":4.50},"x":1}`, want: `"quantityQuantity":{"value":4.50},"x":1`},
		{name: "transaction passes", in: `{"resourceType":"Bundle","type":"transaction","entry":[{"fullUrl":"urn:uuid:1","resource":` + sr + `,"request":{"method":"POST","url":"ServiceRequest"}}] }`, want: `}}] }`},
		{name: "id off", in: `{"resourceType":"ServiceRequest","id":"a","status":"active"}`, want: `"resource":{"resourceType":"ServiceRequest","status":"active"}`},
		{name: "references follow", in: `{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"ServiceRequest","subject":{"reference":"Patient/p"},"requester":{"reference":"Practitioner/other"}}},{"fullUrl":"https://gp.example/Patient/p","resource":{"resourceType":"Patient","id":"p"}}]}`,
			want: `"subject":{"reference":"https://gp.example/Patient/p"},"requester":{"reference":"Practitioner/other"}`},
		{name: "answers", in: `{"resourceType":"QuestionnaireResponse","identifier":{"value":"Q1"},"status":"completed"}`, want: `"url":"QuestionnaireResponse"`},
		{name: "answers in a batch", in: `{"resourceType":"Bundle","type":"batch","entry":[{"resource":{"resourceType":"QuestionnaireResponse","status":"completed"}}]}`, want: `"url":"QuestionnaireResponse"`},
		{name: "other type", in: `{"resourceType":"Patient"}`, fault: "ServiceRequest"},
		{name: "history", in: `{"resourceType":"Bundle","type":"history"}`, fault: "transaction"},
		{name: "no referral", in: `{"resourceType":"Bundle","type":"batch","entry":[{"resource":{"resourceType":"Patient"}}]}`, fault: "ServiceRequest"},
		{name: "update", in: `{"resourceType":"Bundle","type":"batch","entry":[{"resource":` + sr + `,"request":{"method":"PUT"}}]}`, fault: "POST"},
		{name: "not JSON", in: `{`, fault: "ends early"},
		{name: "no resource", in: `{"resourceType":"Bundle","type":"batch","entry":[{}]}`, fault: "expected a resource"},
	}
	for _, tt := range tests {
		res := Format{}.Read([]byte(tt.in))
		faults := res.Faults
		var bundle []byte
		if len(res.Records) == 1 {
			bundle, faults = res.Records[0].Bundle, append(faults, res.Records[0].Faults...)
		}
		text := ""
		for _, is := range faults {
			text += is.Text + "\n"
		}
		if !strings.Contains(string(bundle), tt.want) || !strings.Contains(text, tt.fault) || (tt.fault == "") != (text == "") {
			t.Errorf("%s: bundle %s, faults %q; want %q, %q", tt.name, bundle, text, tt.want, tt.fault)
		}
		if bundle != nil {
			checkBundle(t, tt.name, bundle)
		}
	}
}

// checkBundle holds what mapping.Record promises of a bundle.
func checkBundle(t *testing.T, name string, b []byte) {
	t.Helper()
	r, err := fhir.Decode(b)
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	for _, e := range r.Entries() {
		if v := e.Resource.Get("id"); v.Exists() || e.FullURL == "" {
			t.Errorf("%s: an entry has an id or no fullUrl", name)
		}
	}
}

func TestWrite(t *testing.T) {
	in := []byte(`{"resourceType":"ServiceRequest", "x":1.0}`)
	if w := (Format{}).Write(in); w.Document != string(in) || len(w.Losses) != 0 || len(w.Faults) != 0 {
		t.Errorf("Write changed the document: %+v", w)
	}
	if w := (Format{}).Write([]byte("no")); w.Document != "" || len(w.Faults) == 0 {
		t.Errorf("Write accepted what is no resource: %+v", w)
	}
}

// TestKey: by what a record is known.
func TestKey(t *testing.T) {
	const answers, sr = `{"resourceType":"QuestionnaireResponse","identifier":{"value":"Q1"}}`, `{"resourceType":"ServiceRequest","identifier":[{"value":"R1"}]}`
	for in, want := range map[string]string{
		answers: "Q1",
		`{"resourceType":"Bundle","type":"batch","entry":[{"resource":` + answers + `}]}`:                         "Q1",
		`{"resourceType":"Bundle","type":"batch","entry":[{"resource":` + answers + `},{"resource":` + sr + `}]}`: "R1",
		`{"resourceType":"ServiceRequest"}`: "",
	} {
		if got := (Format{}).Read([]byte(in)).Records[0].Key; got != want {
			t.Errorf("%s: key %q, want %q", in, got, want)
		}
	}
}

func TestDeterministic(t *testing.T) {
	in := []byte(`{"resourceType":"ServiceRequest","status":"active"}`)
	a, b := Format{}.Read(in), Format{}.Read(in)
	if !bytes.Equal(a.Records[0].Bundle, b.Records[0].Bundle) {
		t.Error("the same document gave two bundles")
	}
}

// TestSamples reads referrals of the fact sheet when they are at hand.
func TestSamples(t *testing.T) {
	b, err := os.ReadFile("../../../../shared/standards/samples/prsb/01-composed-referral.json")
	if err != nil {
		t.Skip("the folder ../shared with the samples is not here")
	}
	if r, err := fhir.Decode(b); err != nil || r.Type() != "Bundle" && r.Type() != "ServiceRequest" {
		t.Skip("the sample is not FHIR")
	}
	if res := (Format{}).Read(b); !res.Accepted() {
		t.Errorf("refused: %v", res.Records[0].Faults)
	}
}
