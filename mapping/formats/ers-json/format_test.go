package ersjson

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trellis.example/fhir"
	"trellis.example/mapping"
)

var update = flag.Bool("update", false, "rewrite the expected half of the cases")

// TestCases reads each testdata/*/in.json and compares with the files beside it.
func TestCases(t *testing.T) {
	inputs, err := filepath.Glob("testdata/*/in.json")
	if err != nil || len(inputs) == 0 {
		t.Fatalf("no cases (%v)", err)
	}
	for _, in := range inputs {
		for name, got := range mapping.CaseFiles(New(), read(t, in), ".json") {
			path := filepath.Join(filepath.Dir(in), name)
			if *update {
				if err := os.WriteFile(path, got, 0o644); err != nil {
					t.Fatal(err)
				}
			} else if !bytes.Equal(read(t, path), got) {
				t.Errorf("%s differs:\n%s", path, got)
			}
		}
	}
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestNothingIsMadeUp: no person, no service, nothing active.
func TestNothingIsMadeUp(t *testing.T) {
	samples, _ := filepath.Glob("../../../../shared/standards/samples/ers/0[4-6]*.json")
	if len(samples) == 0 {
		t.Log("no published samples beside the project")
	}
	inputs, _ := filepath.Glob("testdata/*/in.json")
	for _, in := range append(inputs, samples...) {
		for _, rec := range New().Read(read(t, in)).Records {
			b, err := fhir.Decode(rec.Bundle)
			if err != nil {
				t.Fatal(err)
			}
			for i, e := range b.Entries() {
				if i > 0 || e.Resource.Get("status").Text() == "active" || e.Resource.At("subject", "reference").Exists() || e.Resource.Get("id").Exists() {
					t.Errorf("%s: %s", in, rec.Bundle)
				}
			}
		}
	}
}

// TestEveryLeafIsToldOf: each value of an answer is in what is read, or among
// the losses by its place.
func TestEveryLeafIsToldOf(t *testing.T) {
	for _, name := range []string{"search", "single", "service"} {
		doc := read(t, "testdata/"+name+"/in.json")
		res, err := fhir.Decode(doc)
		if err != nil {
			t.Fatal(err)
		}
		out := New().Read(doc)
		said := ""
		for _, r := range out.Records {
			said += string(r.Bundle)
		}
		leaves(res.Root(), func(v fhir.Value) {
			if strings.Contains(said, string(v.Raw())) || strings.Contains(said, strings.Trim(string(v.Raw()), `"`)) {
				return
			}
			for _, r := range out.Records {
				for _, l := range r.Losses {
					if strings.HasPrefix(v.Pointer()+"/", l.Source+"/") {
						return
					}
				}
			}
			t.Errorf("%s: nothing is said of %s", name, v.Pointer())
		})
	}
}

func leaves(v fhir.Value, f func(fhir.Value)) {
	for m := range v.All() {
		if m.Kind() == fhir.Object || m.Kind() == fhir.Array {
			leaves(m, f)
		} else if m.Key() != "resourceType" && m.Key() != "url" && m.Pointer() != "/type" { // they say which place is meant
			f(m)
		}
	}
}

func TestFaults(t *testing.T) {
	tests := []struct{ name, doc, source, text string }{
		{"no JSON", "{", "line 1, column 2", "ends early"},
		{"another Bundle", `{"resourceType":"Bundle","type":"collection"}`, "/type", "searchset"},
		{"another type", `{"resourceType":"Patient"}`, "", "ServiceRequest"},
		{"a code of theirs", `{"resourceType":"OperationOutcome","issue":[{"severity":"error","details":{"coding":[{"code":"NO_RELATIONSHIP"}]},"diagnostics":"secret"}]}`, "/issue/0", "NO_RELATIONSHIP"},
		{"another code", `{"resourceType":"OperationOutcome","issue":[{"severity":"error","details":{"coding":[{"code":"9991234039"}]}}]}`, "/issue/0", "its words"},
		{"an empty outcome", `{"resourceType":"OperationOutcome"}`, "", "error"},
		{"an outcome among matches", `{"resourceType":"Bundle","type":"searchset","entry":[{"resource":{"resourceType":"OperationOutcome","issue":[{"severity":"error"}]}}]}`, "/entry/0/resource/issue/0", "its words"},
	}
	for _, tt := range tests {
		res := New().Read([]byte(tt.doc))
		faults := res.Faults
		if len(res.Records) > 0 {
			faults = append(faults, res.Records[0].Faults...)
		}
		if res.Accepted() || len(faults) == 0 || faults[0].Source != tt.source || !strings.Contains(faults[0].Text, tt.text) || strings.Contains(faults[0].Text, "secret") || strings.Contains(faults[0].Text, "999") {
			t.Errorf("%s: accepted %t, %+v", tt.name, res.Accepted(), faults)
		}
	}
	if res := New().Read([]byte(`{"resourceType":"Bundle","type":"searchset","total":0}`)); !res.Accepted() || len(res.Faults) != 1 {
		t.Errorf("nothing found: %+v", res)
	}
	if w := New().Write([]byte(`{}`)); w.Document != "" || len(w.Faults) != 1 {
		t.Errorf("%+v", w)
	}
}

// FuzzRead: whatever comes, an accepted record is a JSON transaction.
func FuzzRead(f *testing.F) {
	for _, name := range []string{"search", "single", "service", "pending"} {
		f.Add(read(f, "testdata/"+name+"/in.json"))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		for _, rec := range New().Read(doc).Records {
			if !rec.Refused() && !json.Valid(rec.Bundle) {
				t.Errorf("accepted as %s", rec.Bundle)
			}
		}
	})
}
