package formats

import (
	"bytes"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
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

// TestBuiltInMapsFollowTheSchema: the program's start trusts this test.
func TestBuiltInMapsFollowTheSchema(t *testing.T) {
	for _, e := range all(t) {
		if e.Map == nil {
			continue
		}
		if _, err := mapping.Compile(e.Files, library(false)); err != nil {
			t.Errorf("%s: %v", e.Info().ID, err)
		}
	}
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

// TestRoundTrip holds in(out(in(x))) = in(x), except for what the map reads but
// never writes back.
func TestRoundTrip(t *testing.T) {
	for _, e := range all(t) {
		if e.Map == nil || !e.Info().Out {
			continue
		}
		for _, doc := range inputs(t, e) {
			for _, rec := range e.Read(doc).Records {
				if rec.Refused() {
					continue
				}
				roundTrip(t, e, rec)
			}
		}
	}
}

func roundTrip(t *testing.T, e Entry, rec mapping.Record) {
	t.Helper()
	w := e.Write(rec.Bundle)
	if fhir.Faults(w.Faults) != nil {
		t.Errorf("%s: cannot write back: %v", e.Info().ID, w.Faults)
		return
	}
	again := e.Read([]byte(w.Document))
	if !again.Accepted() {
		t.Errorf("%s: what it wrote is refused: %v %v", e.Info().ID, again.Faults, again.Records)
		return
	}
	// Once one-way values are gone, writing and reading change nothing.
	second := e.Write(again.Records[0].Bundle)
	if second.Document != w.Document {
		t.Errorf("%s: out(in(out)) differs:\n%s\n%s", e.Info().ID, w.Document, second.Document)
	}
	lost := map[string]bool{}
	for _, l := range w.Losses {
		lost[l.Source] = true
	}
	for path, value := range leaves(t, rec.Bundle) {
		if !lost[path] && !strings.Contains(string(again.Records[0].Bundle), value) {
			t.Errorf("%s: %s is neither in the document written back nor among the losses", e.Info().ID, path)
		}
	}
}

// leaves lists the strings of a bundle by FHIRPath, envelopes and constants of
// lost objects left out.
func leaves(t *testing.T, bundle []byte) map[string]string {
	t.Helper()
	tree, err := fhir.Parse(bundle, 1<<24)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	var walk func(fhir.Value)
	walk = func(v fhir.Value) {
		if v.Kind() == fhir.String {
			out[v.Path()] = string(v.Raw())
		}
		for c := range v.All() {
			walk(c)
		}
	}
	for e := range tree.Root().Get("entry").All() {
		if e.At("resource", "resourceType").Text() != "Provenance" {
			walk(e.Get("resource"))
		}
	}
	return out
}

// TestNoLeafVanishes holds for each input leaf that it is in the output, among
// the losses or among the faults.
func TestNoLeafVanishes(t *testing.T) {
	e, ok, err := Lookup("ppn-csv")
	if err != nil || !ok {
		t.Fatal(err)
	}
	for _, f := range e.Map.Coverage().Fields {
		const needed = "ppn_reference,force_code,created_datetime,subject_surname"
		if slices.Contains(strings.Split(needed, ","), f.Name) {
			continue // in every other case of this test
		}
		header, row := needed+","+f.Name, "R1,99,02/03/2026 08:00,SAMPLE,zq"
		res := e.Read([]byte(header + "\n" + row + "\n"))
		if len(res.Records) != 1 {
			t.Fatalf("%s: %v", f.Name, res.Faults)
		}
		rec := res.Records[0]
		seen := bytes.Contains(rec.Bundle, []byte("zq"))
		for _, l := range rec.Losses {
			seen = seen || strings.HasSuffix(l.Source, ", "+f.Name)
		}
		for _, is := range rec.Faults {
			seen = seen || strings.HasSuffix(is.Source, ", "+f.Name)
		}
		if !seen {
			t.Errorf("%s vanishes", f.Name)
		}
	}
}

// TestNoValueInMessages holds that no cell's content shows in a fault or loss.
func TestNoValueInMessages(t *testing.T) {
	e, _, err := Lookup("ppn-csv")
	if err != nil {
		t.Fatal(err)
	}
	var header, row []string
	for _, f := range e.Map.Coverage().Fields {
		header, row = append(header, f.Name), append(row, "Xq7")
	}
	header, row = append(header, "other"), append(row, "Xq7")
	res := e.Read([]byte(strings.Join(header, ",") + "\n" + strings.Join(row, ",") + "\n"))
	res.Records[0].Key = ""
	if out := string(res.AppendJSON(nil)); strings.Contains(out, "Xq7") {
		t.Errorf("a value shows: %s", out)
	}
	if n := len(res.Records[0].Faults); n < 12 {
		t.Errorf("%d faults: expected all of them at once", n)
	}
}

// TestLint holds that every shipped map is free of errors, and that its paths
// into FHIR are valid in the eyes of a reader: every rule has an id of its own.
func TestLint(t *testing.T) {
	for _, e := range all(t) {
		if e.Map == nil {
			continue
		}
		for _, f := range e.Map.Lint() {
			if f.Error {
				t.Errorf("%s: %s: %s", e.Info().ID, f.Place, f.Text)
			}
		}
	}
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
			if _, err := fhir.DecodeLimit(rec.Bundle, 1<<26); err != nil {
				t.Errorf("%s: the bundle is not strict JSON: %v", e.Info().ID, err)
			}
			if e.Info().Out {
				e.Write(rec.Bundle)
			}
		}
	})
}
