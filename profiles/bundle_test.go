package profiles

import (
	"strings"
	"testing"

	"trellis.example/fhir"
	"trellis.example/fhir/path"
)

// TestSure holds that what is sure is also what the expression says.
func TestSure(t *testing.T) {
	entries := []string{
		`{}`, `null`, `[]`, `{"request":{"method":"POST"}}`, `{"request":null}`, `{"request":[]}`, `{"request":[{}]}`, `{"response":{"status":"200"}}`, `{"request":1,"response":1}`,
		`{"fullUrl":"urn:a"}`, `{"fullUrl":"urn:a","resource":{"resourceType":"Patient"}}`, `{"fullUrl":"urn:a","resource":{"resourceType":"Patient","meta":{"versionId":"1"}}}`,
		`{"fullUrl":"urn:a1"}`, `{"fullUrl":"urn:a","resource":{"meta":[{"versionId":"2"}]}}`, `{"fullUrl":"urn:a","resource":{"resourceType":"Patient","meta":null}}`, `{"fullUrl":7}`, `{"fullUrl":["urn:a"]}`, `{"_fullUrl":{"id":"x"}}`, `{"_fullUrl":[{"id":"x"},{"id":"y"}]}`,
		`{"fullUrl":"urn:b","request":{"method":"GET"}}`, `{"fullUrl":"","request":{}}`, `{"fullUrl":"urn:b","resource":[{"resourceType":"Patient"}]}`,
	}
	var docs []string
	for _, typ := range []string{`"transaction"`, `"batch"`, `"history"`, `"searchset"`, `"batch-response"`, `"message"`, `null`, `1`, `["batch"]`} {
		for _, a := range entries {
			docs = append(docs, `{"resourceType":"Bundle","type":`+typ+`,"entry":`+a+`}`)
			for _, b := range entries {
				docs = append(docs, `{"resourceType":"Bundle","type":`+typ+`,"entry":[`+a+`,`+b+`]}`)
			}
		}
	}
	for key, holds := range sure {
		p, err := path.Compile(key[1], "Bundle")
		if err != nil {
			t.Fatal(err)
		}
		yes := 0
		for _, doc := range docs {
			r, err := fhir.Decode([]byte(doc))
			if err != nil {
				t.Fatal(err)
			}
			w := &walk{bundle: r.Root(), resource: r.Root()}
			if !holds(w, r.Root()) {
				continue
			}
			yes++
			if ok, err := p.Holds(r.Root(), path.Context{Resource: r.Root(), Root: r.Root()}); !ok || err != nil {
				t.Errorf("%s is not kept by %s", key[0], doc)
			}
		}
		if yes == 0 {
			t.Errorf("%s is never sure", key[0])
		}
	}
}

// TestAddresses holds that the index kept for the next Bundle forgets this one,
// and that a Bundle within a Bundle has its own.
func TestAddresses(t *testing.T) {
	v, err := New()
	if err != nil {
		t.Fatal(err)
	}
	const inner = `{"resourceType":"Bundle","type":"collection","entry":[{"fullUrl":"urn:uuid:00000000-0000-4000-8000-000000000001","resource":{"resourceType":"Patient"}}]}`
	const refer = `{"fullUrl":"urn:uuid:00000000-0000-4000-8000-000000000002","resource":{"resourceType":"Flag","status":"active","code":{"text":"x"},"subject":{"reference":"urn:uuid:00000000-0000-4000-8000-000000000001"},"encounter":{"reference":"urn:uuid:00000000-0000-4000-8000-000000000001"}}}`
	outer := func(entries ...string) string {
		return `{"resourceType":"Bundle","type":"collection","entry":[` + strings.Join(entries, ",") + `]}`
	}
	tests := []struct {
		doc   string
		wrong bool // the encounter is seen to be a Patient
	}{
		{inner, false},
		{outer(refer), false},
		{outer(`{"resource":`+inner+`}`, refer), false},
		{strings.Replace(inner, `"entry":[`, `"entry":[`+refer+`,`, 1), true},
		{outer(refer, `{"resource":`+inner+`}`, refer), false},
	}
	for range 3 {
		for _, tt := range tests {
			r, err := fhir.Decode([]byte(tt.doc))
			if err != nil {
				t.Fatal(err)
			}
			wrong := false
			for _, is := range v.Validate(r, Options{}) {
				wrong = wrong || is.Rule == "reference-target"
			}
			if wrong != tt.wrong {
				t.Errorf("%s: a wrong target is seen: %t, want %t", tt.doc, wrong, tt.wrong)
			}
		}
	}
}
