package schema_test

import (
	"os"
	"path/filepath"
	"testing"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
	"trellis.example/profiles/schema"
	"trellis.example/profiles/snapshot"
	"trellis.example/profiles/terminology"
)

// library makes the structures and the terminology of the definitions in a
// folder.
func library(tb testing.TB, dir string) ([]*snapshot.Structure, *terminology.Service) {
	tb.Helper()
	var structures, rest []fhir.Resource
	files, _ := filepath.Glob(filepath.Join(dir, "*", "*.json"))
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			tb.Fatal(err)
		}
		r, err := fhir.Decode(b)
		if err != nil {
			tb.Fatalf("%s: %v", f, err)
		}
		if r.Type() == "StructureDefinition" {
			structures = append(structures, r)
		} else {
			rest = append(rest, r)
		}
	}
	lib, err := snapshot.NewLibrary(definitions.R4(), structures)
	if err != nil {
		tb.Fatal(err)
	}
	list, err := lib.All()
	if err != nil {
		tb.Log(err)
	}
	codes, err := terminology.New(definitions.R4(), rest)
	if err != nil {
		tb.Fatal(err)
	}
	return list, codes
}

// TestProfileSchemas makes every schema of a profile and compiles it.
func TestProfileSchemas(t *testing.T) {
	list, codes := library(t, "../data")
	set := schema.New(definitions.R4(), list, schema.Held(codes))
	j := newJudge(set)
	for _, e := range set.List() {
		if e.Name[:3] == "r4-" {
			continue
		}
		s, _ := set.Schema(e.Name)
		if _, err := j.compiled(e.Name); err != nil {
			t.Errorf("%s: %v", e.Name, err)
		}
		t.Logf("%6d %s %s", len(s.JSON), e.Name, s.Tag)
	}
}
