package conformance

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "trellis.example/"

// allowed is the import diagram: which top-level packages a top-level package
// may use. ARCHITECTURE.md draws it.
var allowed = map[string][]string{
	"fhir":        {},
	"profiles":    {"fhir"},
	"mapping":     {"fhir"},
	"auth":        {"fhir"},
	"gateway":     {"fhir", "profiles", "mapping", "auth"},
	"conformance": {"fhir"},
	"cmd":         {"fhir", "profiles", "mapping", "auth", "gateway", "conformance"},
}

// onlyIn names libraries that one place alone may import.
var onlyIn = map[string]string{
	"github.com/ory/fosite":                 "auth",
	"go.mongodb.org/mongo-driver":           "gateway/store/mongostore",
	"modernc.org/sqlite":                    "gateway/store/sqlitestore",
	"github.com/spf13/cobra":                "cmd",
	"github.com/golang-jwt/jwt":             "auth",
	"github.com/santhosh-tekuri/jsonschema": "mapping",
}

func TestImports(t *testing.T) {
	seen := 0
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "build" || d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && len(d.Name()) > 2) {
			return filepath.SkipDir
		}
		if filepath.Ext(path) != ".go" {
			return nil
		}
		seen++
		checkFile(t, path)
		return nil
	})
	if err != nil || seen < 20 {
		t.Fatalf("walked %d files: %v", seen, err)
	}
}

func checkFile(t *testing.T, path string) {
	t.Helper()
	rel := filepath.ToSlash(strings.TrimPrefix(path, ".."+string(os.PathSeparator)))
	top, _, _ := strings.Cut(rel, "/")
	rules, ok := allowed[top]
	if !ok {
		t.Errorf("%s: the diagram does not know the folder %q", rel, top)
		return
	}
	f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
	if err != nil {
		t.Error(err)
		return
	}
	for _, imp := range f.Imports {
		name := strings.Trim(imp.Path.Value, `"`)
		if to, ours := strings.CutPrefix(name, module); ours {
			to, _, _ = strings.Cut(to, "/")
			if to != top && !slices.Contains(rules, to) {
				t.Errorf("%s imports %s: %s may import only %v", rel, name, top, rules)
			}
			continue
		}
		checkLibrary(t, rel, name)
	}
}

func checkLibrary(t *testing.T, rel, name string) {
	t.Helper()
	if strings.HasSuffix(rel, "_test.go") {
		return // a test may be a real client of anything
	}
	for lib, place := range onlyIn {
		if strings.HasPrefix(name, lib) && !strings.HasPrefix(rel, place+"/") {
			t.Errorf("%s imports %s: only %s may", rel, name, place)
		}
	}
}
