package formats

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trellis.example/mapping"
)

// TestForce holds that a force with other headings, which is a map of a few
// lines on top of ppn-csv in a folder of the user's, keeps the whole contract.
func TestForce(t *testing.T) {
	const id = "northshire-csv"
	set, err := Open(os.DirFS("testdata"))
	if err != nil {
		t.Fatal(err)
	}
	e, ok, err := set.Lookup(id)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	if *update {
		updateForce(t, e, filepath.Join("testdata", id))
	}
	followsSchema(t, e)
	noLintError(t, e)
	results, err := mapping.RunCases(e, e.Files)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if len(r.Wrong) > 0 && !*update {
			t.Errorf("case %s: %v differ", r.Name, r.Wrong)
		}
	}
	promises(t, e, newReporter(t, e))
	invented(t, e, newReporter(t, e))
	spoiled(t, e, newReporter(t, e))
	doc, err := os.ReadFile(filepath.Join("testdata", id, "testdata", "consented", "in.csv"))
	if err != nil {
		t.Fatal(err)
	}
	res := e.Read(doc)
	if n := len(res.Records); n != 2 {
		t.Fatalf("%d records", n)
	}
	for i, status := range []string{`"status":"active","intent"`, `"status":"on-hold","intent"`} {
		if !strings.Contains(string(res.Records[i].Bundle), status) {
			t.Errorf("row %d is not %s", i+1, status)
		}
	}
	if out := e.Write(res.Records[0].Bundle).Document; strings.Contains(out, "NS/77/26") || !strings.HasPrefix(out, "Notice No,") {
		t.Error("the notice written back has the crime reference, or other headings")
	}
}

func updateForce(t *testing.T, e Entry, dir string) {
	t.Helper()
	inputs, err := filepath.Glob(filepath.Join(dir, "testdata", "*", "in.*"))
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
	readme := filepath.Join(dir, "README.md")
	b, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	if text, ok := e.Map.WithFieldTable(string(b)); ok {
		if err := os.WriteFile(readme, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
