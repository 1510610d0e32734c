package oruk_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"trellis.example/fhir"
	"trellis.example/mapping"
	"trellis.example/mapping/formats"
)

func format(t testing.TB, id string) formats.Entry {
	t.Helper()
	e, ok, err := formats.Lookup(id)
	if err != nil || !ok {
		t.Fatalf("format %s: %t, %v", id, ok, err)
	}
	return e
}

// value decodes JSON with numbers as they are written.
func value(t testing.TB, b []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v in %s", err, b)
	}
	return v
}

// one reads a document that is one good record.
func one(t testing.TB, e formats.Entry, doc []byte) mapping.Record {
	t.Helper()
	res := e.Read(doc)
	if len(res.Records) != 1 || res.Records[0].Refused() {
		t.Fatalf("%s: refused: %v %+v", e.Info().ID, res.Faults, res.Records)
	}
	return res.Records[0]
}

// back writes a bundle.
func back(t testing.TB, e formats.Entry, bundle []byte) mapping.Written {
	t.Helper()
	w := e.Write(bundle)
	if fhir.Faults(w.Faults) != nil {
		t.Fatalf("%s: cannot be written back: %v", e.Info().ID, w.Faults)
	}
	return w
}

// TestEqual holds that a service comes back as an equal JSON value.
func TestEqual(t *testing.T) {
	docs := map[string][]string{}
	for _, pattern := range []string{"../oruk-v3/testdata/*/in.json", "../oruk-v1/testdata/*/in.json"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("no documents at %s (%v)", pattern, err)
		}
		id := filepath.Base(filepath.Dir(filepath.Dir(filepath.Dir(pattern))))
		docs[id] = append(docs[id], found...)
	}
	for id, list := range docs {
		for _, name := range list {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if filepath.Base(filepath.Dir(name)) == "faulty" {
				continue // refused
			}
			equal(t, format(t, id), name, b)
		}
	}
}

func equal(t testing.TB, e formats.Entry, name string, doc []byte) {
	t.Helper()
	rec := one(t, e, doc)
	w := back(t, e, rec.Bundle)
	if !reflect.DeepEqual(value(t, []byte(w.Document)), value(t, doc)) {
		t.Errorf("%s: came back as\n%s", name, w.Document)
	}
	if len(w.Losses) > 0 {
		t.Errorf("%s: losses on the way back of what came in: %v", name, w.Losses)
	}
}
