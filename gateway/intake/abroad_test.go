package intake_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"trellis.example/fhir"
	"trellis.example/mapping/formats"
	"trellis.example/profiles"
)

// TestAbroadIsValidR4 holds that what is written for the US is valid base R4: of
// the worked examples, and of the referrals among our own examples.
func TestAbroadIsValidR4(t *testing.T) {
	v, err := profiles.New()
	if err != nil {
		t.Fatal(err)
	}
	ours, _ := filepath.Glob("../../profiles/examples/*referral-bundle/valid-*.json")
	for _, id := range []string{"sdohcc-json", "bser-json"} {
		e, ok, err := formats.Lookup(id)
		if err != nil || !ok {
			t.Fatal(id, err)
		}
		var docs [][]byte
		names, _ := fs.Glob(e.Files, "testdata/*/in.json")
		for _, n := range names {
			b, err := fs.ReadFile(e.Files, n)
			if err != nil {
				t.Fatal(err)
			}
			if rec := e.Read(b).Records[0]; rec.Bundle != nil {
				docs = append(docs, rec.Bundle)
			}
		}
		for _, n := range ours {
			b, err := os.ReadFile(n)
			if err != nil {
				t.Fatal(err)
			}
			docs = append(docs, b)
		}
		if len(docs) < 5 {
			t.Fatalf("%s: %d documents", id, len(docs))
		}
		for i, doc := range docs {
			w := e.Write(doc)
			b, err := fhir.DecodeLimit([]byte(w.Document), 1<<24)
			if err != nil {
				t.Fatalf("%s, document %d: %v %v", id, i, err, w.Faults)
			}
			for _, is := range v.Validate(b, profiles.Options{BaseOnly: true}) {
				if is.IsError() {
					t.Errorf("%s, document %d: %s: %s", id, i, is.Expression, is.Text)
				}
			}
		}
	}
}
