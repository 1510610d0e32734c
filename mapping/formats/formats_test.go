package formats

import (
	"bytes"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"trellis.example/fhir"
	"trellis.example/mapping"
)

var update = flag.Bool("update", false, "rewrite the expected half of the cases")

func all(t testing.TB) []Entry {
	t.Helper()
	if *only != "" {
		e, ok, err := Lookup(*only)
		if err != nil || !ok {
			t.Fatalf("format %s: %v", *only, err)
		}
		return []Entry{e}
	}
	list, err := All()
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestCases runs every format's worked examples.
func TestCases(t *testing.T) {
	for _, e := range all(t) {
		if !e.HasCases() {
			t.Logf("format %s brings its own tests", e.Info().ID)
			continue
		}
		if *update {
			rewrite(t, e)
		}
		results, err := mapping.RunCases(e, e.Files)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range results {
			if len(r.Wrong) > 0 && !*update {
				t.Errorf("%s, case %s: %v differ (read the diff after -update)", e.Info().ID, r.Name, r.Wrong)
			}
		}
	}
}

func rewrite(t *testing.T, e Entry) {
	t.Helper()
	inputs, err := filepath.Glob(filepath.Join(e.Info().ID, "testdata", "*", "in.*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, in := range inputs {
		doc, err := os.ReadFile(in)
		if err != nil {
			t.Fatal(err)
		}
		for name, b := range mapping.CaseFiles(e, doc, filepath.Ext(in)) {
			if err := os.WriteFile(filepath.Join(filepath.Dir(in), name), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// inputs yields the input documents of a format's cases.
func inputs(t testing.TB, e Entry) [][]byte {
	t.Helper()
	if !e.HasCases() {
		return nil
	}
	names, err := fs.Glob(e.Files, "testdata/*/in.*")
	if err != nil || len(names) == 0 {
		t.Fatalf("%s: no inputs (%v)", e.Info().ID, err)
	}
	var out [][]byte
	for _, n := range names {
		b, err := fs.ReadFile(e.Files, n)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, b)
	}
	return out
}

// TestInfo holds that ids are folder names and versions are semver.
func TestInfo(t *testing.T) {
	semver := regexp.MustCompile(`^\d+\.\d+\.\d+$`)
	seen := map[string]bool{}
	for _, e := range all(t) {
		i := e.Info()
		if st, err := os.Stat(i.ID); err != nil || !st.IsDir() {
			t.Errorf("format %s has no folder of its name", i.ID)
		}
		if !semver.MatchString(i.Version) || i.Partner == "" || len(i.MediaTypes) == 0 || seen[i.ID] || !i.In && !i.Out {
			t.Errorf("format %s: incomplete or repeated: %+v", i.ID, i)
		}
		seen[i.ID] = true
	}
	if _, ok, err := Lookup("nonesuch"); ok || err != nil {
		t.Errorf("Lookup(nonesuch) = %t, %v", ok, err)
	}
}

// FuzzRead holds for any bytes and every format: no panic, accepted bundles are
// strict JSON, and reading is deterministic.
func FuzzRead(f *testing.F) {
	list := all(f)
	for i, e := range list {
		for _, doc := range inputs(f, e) {
			f.Add(i, doc)
		}
	}
	f.Add(0, []byte(`{"resourceType":"ServiceRequest","id":"a"}`))
	f.Add(0, []byte(`{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"ServiceRequest","id":"a","subject":{"reference":"Patient/p"}}},{"resource":{"resourceType":"Patient","id":"p"}}]}`))
	f.Fuzz(func(t *testing.T, i int, doc []byte) {
		e := list[uint(i)%uint(len(list))]
		res := e.Read(doc)
		if again := e.Read(doc); !bytes.Equal(res.AppendJSON(nil), again.AppendJSON(nil)) {
			t.Errorf("%s: two readings differ", e.Info().ID)
		}
		for _, rec := range res.Records {
			if rec.Refused() {
				if rec.Bundle != nil {
					t.Errorf("%s: a refused record has a bundle", e.Info().ID)
				}
				continue
			}
			if rec.NotReferral {
				continue
			}
			if _, err := fhir.DecodeLimit(rec.Bundle, 1<<26); err != nil {
				t.Errorf("%s: the bundle is not strict JSON: %v", e.Info().ID, err)
			}
			if e.Info().Out {
				e.Write(rec.Bundle)
			}
		}
	})
}
