package formats

import (
	"io/fs"
	"slices"
	"strings"
	"testing"

	"trellis.example/fhir"
	"trellis.example/mapping"
)

// TestWrittenFormatsConserve holds of the JSON formats that are no map what the
// contract holds of maps: whatever a leaf of a document says, it is in the
// bundle, or its place is among the losses, or the document is refused there; and
// no loss or fault repeats it.
func TestWrittenFormatsConserve(t *testing.T) {
	for _, id := range []string{"bars", "fhir", "ers-json", "itk3-json"} {
		if *only != "" && *only != id {
			continue
		}
		e, ok, err := Lookup(id)
		if err != nil || !ok {
			t.Fatal(id, err)
		}
		inputs, err := fs.Glob(e.Files, "testdata/*/in.json")
		if err != nil || len(inputs) < 3 {
			t.Fatalf("%s: %d cases (%v)", id, len(inputs), err)
		}
		for _, in := range inputs {
			doc, err := fs.ReadFile(e.Files, in)
			if err != nil {
				t.Fatal(err)
			}
			res, err := fhir.Decode(doc)
			if err != nil {
				t.Fatal(err)
			}
			eachString(res.Root(), func(v fhir.Value) { conserves(t, e, in, v) })
		}
	}
}

// marker is a value that stands nowhere else.
const marker = "Qx7Zw9"

// conserves spoils one leaf and looks for it.
func conserves(t *testing.T, e Entry, name string, v fhir.Value) {
	t.Helper()
	ed := fhir.NewEditor(v)
	ed.SetString(v, marker)
	res := e.Read(ed.Bytes())
	faults, losses, said := res.Faults, []mapping.Loss(nil), ""
	for _, r := range res.Records {
		faults, losses, said = append(faults, r.Faults...), append(losses, r.Losses...), said+string(r.Bundle)
	}
	for _, f := range faults {
		if strings.Contains(f.Text+f.Source+f.Expression, marker) {
			t.Errorf("%s %s: a fault repeats the value: %+v", name, v.Pointer(), f)
		}
	}
	told := func(l mapping.Loss) bool {
		if strings.Contains(l.Text+l.Source, marker) {
			t.Errorf("%s %s: a loss repeats the value: %+v", name, v.Pointer(), l)
		}
		return covers(l.Source, v)
	}
	switch {
	case fhir.Faults(faults) != nil, strings.Contains(said, marker), slices.ContainsFunc(losses, told), implied(v):
	default:
		t.Errorf("%s %s: the leaf is gone", name, v.Pointer())
	}
}

// covers reports whether a loss at a place, a pointer or a path, tells of v.
func covers(source string, v fhir.Value) bool {
	for _, at := range []string{v.Pointer(), v.Path()} {
		rest, ok := strings.CutPrefix(at, source)
		if ok && (rest == "" || strings.ContainsAny(rest[:1], "/.[")) {
			return true
		}
	}
	return false
}

// implied reports a leaf that only joins parts of a document: another name of an
// entry, or a reference to it, says the same.
func implied(v fhir.Value) bool {
	return v.Key() == "fullUrl" || v.Key() == "reference" || v.Key() == "resourceType"
}

func eachString(v fhir.Value, f func(fhir.Value)) {
	for m := range v.All() {
		switch m.Kind() {
		case fhir.Object, fhir.Array:
			eachString(m, f)
		case fhir.String:
			f(m)
		}
	}
}

// TestWrittenCases rewrites the expected half of the cases of one format that is
// no map (-update -only); TestCases compares them.
func TestWrittenCases(t *testing.T) {
	if !*update || *only == "" {
		return
	}
	if e, ok, err := Lookup(*only); err == nil && ok && e.Map == nil {
		rewrite(t, e)
	}
}
