package terminology_test

import (
	"os"
	"path/filepath"
	"testing"

	"trellis.example/fhir"
	"trellis.example/profiles"
)

// resources reads the data files of the kinds that the package knows.
func resources(tb testing.TB) []fhir.Resource {
	tb.Helper()
	var out []fhir.Resource
	for _, folder := range []string{"codesystems", "valuesets", "conceptmaps"} {
		files, err := filepath.Glob("../data/" + folder + "/*.json")
		if err != nil || len(files) == 0 {
			tb.Fatalf("no files in %s (err %v)", folder, err)
		}
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				tb.Fatal(err)
			}
			r, err := fhir.Decode(b)
			if err != nil {
				tb.Fatalf("%s: %v", f, err)
			}
			if want := r.Type() + "-" + r.ID() + ".json"; filepath.Base(f) != want {
				tb.Errorf("%s should be called %s", f, want)
			}
			out = append(out, r)
		}
	}
	return out
}

// TestDataIsR4 validates every file against base R4.
func TestDataIsR4(t *testing.T) {
	v, err := profiles.New()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range resources(t) {
		for _, is := range v.Validate(r, profiles.Options{BaseOnly: true}) {
			if is.IsError() || is.Severity == fhir.SeverityWarning {
				t.Errorf("%s %s: %s: %s (%s)", r.Type(), r.ID(), is.Expression, is.Text, is.Rule)
			}
		}
	}
}
