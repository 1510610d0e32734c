package snapshot

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
)

// ours reads our own profiles and extensions and those of UK Core.
func ours(t testing.TB) []fhir.Resource {
	t.Helper()
	var out []fhir.Resource
	err := filepath.WalkDir("../data", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasPrefix(d.Name(), "StructureDefinition-") || filepath.Dir(path) == "../data" {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		r, err := fhir.Decode(b)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			return nil
		}
		out = append(out, r)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestOurs makes the snapshots of all our definitions.
func TestOurs(t *testing.T) {
	list := ours(t)
	lib, err := NewLibrary(definitions.R4(), list)
	if err != nil {
		t.Fatal(err)
	}
	made, err := lib.All()
	if err != nil {
		for _, is := range fhir.AsError(err).Issues {
			t.Errorf("%s: %s", is.Profile, is.Text)
		}
	}
	if len(made) != len(list) {
		t.Errorf("made %d of %d", len(made), len(list))
	}
}

// BenchmarkOurs makes the snapshots of all our definitions, without decoding.
func BenchmarkOurs(b *testing.B) {
	list := ours(b)
	b.ReportAllocs()
	for b.Loop() {
		lib, err := NewLibrary(definitions.R4(), list)
		if err != nil {
			b.Fatal(err)
		}
		made, _ := lib.All()
		n := 0
		for _, s := range made {
			n += len(s.Elements)
		}
		b.ReportMetric(float64(n), "elements")
		b.ReportMetric(float64(len(made)), "definitions")
	}
}
