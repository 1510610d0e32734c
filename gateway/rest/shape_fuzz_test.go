package rest

import (
	"bytes"
	"testing"

	"trellis.example/fhir"
	"trellis.example/gateway/search"
)

const fuzzed = `{"resourceType":"Observation","id":"1","meta":{"versionId":"1","tag":[{"code":"x"}]},"status":"final","_status":{"id":"s"},"code":{"coding":[{"code":"c"},{"userSelected":true,"extension":[{"url":"u","valueDecimal":1.50}]}]},"valueQuantity":{"value":4.50,"unit":"kg"},"contained":[{"resourceType":"Patient","id":"p"}],"subject":{"reference":"#p"},"component":[{"id":"a"},{"code":{"text":"t"}}]}`

// FuzzShape checks what must hold of any part of any document: it is a resource
// of the same type, each of its members has the bytes it had or is a part of
// them, and a part of the part is the part.
func FuzzShape(f *testing.F) {
	f.Add([]byte(fuzzed), uint8(search.SummaryTrue))
	f.Add([]byte(fuzzed), uint8(search.SummaryData))
	f.Add([]byte(`{"resourceType":"Nonsense","":[],"a":[[{}],[]],"_":{},"meta":{}}`), uint8(search.SummaryTrue))
	f.Add([]byte(`{"resourceType":"Bundle","meta":[],"entry":[{"resource":{}}]}`), uint8(search.SummaryText))
	a := &API{}
	f.Fuzz(func(t *testing.T, in []byte, summary uint8) {
		res, err := fhir.Decode(in)
		if err != nil {
			return
		}
		as := a.shape(res.Type(), search.Summary(summary%4), nil)
		out, err := as.apply(in)
		if err != nil {
			t.Fatalf("apply: %v", err)
		}
		part, err := fhir.Decode(out)
		if err != nil || part.Type() != res.Type() {
			t.Fatalf("the part is no %s: %v\n%s", res.Type(), err, out)
		}
		for m := range part.Root().All() {
			if whole := res.Root().Get(m.Key()); m.Key() != "meta" && (!whole.Exists() || len(m.Raw()) > len(whole.Raw())) {
				t.Errorf("%s was not in the document, or grew", m.Key())
			}
		}
		if again, err := as.apply(out); err != nil || !bytes.Equal(again, out) {
			t.Errorf("a part of the part differs: %v\n%s\n%s", err, out, again)
		}
	})
}

func BenchmarkSummary(b *testing.B) {
	as := (&API{}).shape("Observation", search.SummaryTrue, nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := as.apply([]byte(fuzzed)); err != nil {
			b.Fatal(err)
		}
	}
}
