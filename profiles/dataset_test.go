package profiles

import (
	"io/fs"
	"path"
	"strings"
	"testing"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
	fhirpath "trellis.example/fhir/path"
)

// dataFolders hold the StructureDefinitions in force.
var dataFolders = []string{"data/profiles", "data/extensions", "data/ukcore"}

// definitionsIn calls f for every StructureDefinition in force.
func definitionsIn(t *testing.T, f func(name string, r fhir.Resource)) {
	t.Helper()
	count := 0
	for _, dir := range dataFolders {
		names, err := fs.Glob(data, dir+"/StructureDefinition-*.json")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			b, err := data.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			r, err := fhir.Decode(b)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			count++
			f(name, r)
		}
	}
	if count == 0 {
		t.Fatal("no StructureDefinitions found")
	}
}

// TestDefinitionsAreValidR4 judges every StructureDefinition by base R4, and
// what its header must say.
func TestDefinitionsAreValidR4(t *testing.T) {
	v := newValidator(t)
	definitionsIn(t, func(name string, r fhir.Resource) {
		for _, is := range v.Validate(r, Options{BaseOnly: true}) {
			t.Errorf("%s: %s %s at %s: %s", name, is.Severity, is.Rule, is.Expression, is.Text)
		}
		root := r.Root()
		id := root.Get("id").Text()
		if got, want := path.Base(name), "StructureDefinition-"+id+".json"; got != want {
			t.Errorf("%s: should be named %s", name, want)
		}
		if url := root.Get("url").Text(); !strings.HasSuffix(url, "/"+id) {
			t.Errorf("%s: the url does not end in the id", name)
		}
		if root.Get("snapshot").Exists() {
			t.Errorf("%s: holds a snapshot, which is generated", name)
		}
		for _, k := range []string{"version", "title", "description", "differential"} {
			if !root.Get(k).Exists() {
				t.Errorf("%s: has no %s", name, k)
			}
		}
		if strings.HasPrefix(name, "data/profiles/") && len(root.Get("purpose").Text()) < 600 {
			t.Errorf("%s: the page of prose is missing or short", name)
		}
	})
}

// TestInvariantsCompile compiles every constraint against the type it stands on
// and checks that no two with one key of one profile differ in their words.
func TestInvariantsCompile(t *testing.T) {
	definitionsIn(t, func(name string, r fhir.Resource) {
		for e := range r.Root().At("differential", "element").Items() {
			at := e.Get("path").Text()
			for c := range e.Get("constraint").Items() {
				key, human := c.Get("key").Text(), c.Get("human").Text()
				if _, err := fhirpath.Compile(c.Get("expression").Text(), elementType(at)); err != nil {
					t.Errorf("%s: %s at %s: %v", name, key, at, err)
				}
				if len(key) < 4 || !strings.HasPrefix(key, "tr-") && !strings.HasPrefix(key, "prsb-") {
					t.Errorf("%s: key %q should begin with tr- or prsb-", name, key)
				}
				if human == "" || strings.HasSuffix(human, ".") {
					t.Errorf("%s: %s: the text is a sentence without full stop", name, key)
				}
			}
		}
	})
}

// elementType is the type to which a constraint on an element is bound: the
// element's own type, or its path where it is a backbone element.
func elementType(at string) string {
	defs := definitions.R4()
	segments := strings.Split(at, ".")
	root := segments[0]
	for _, s := range segments[1:] {
		table := defs.TableAt(root)
		if table == nil {
			return root
		}
		slot := table.Slot(strings.TrimSuffix(s, "[x]"))
		if slot == nil || len(slot.Members) != 1 {
			return "" // a choice: any of its types
		}
		if code := slot.Members[0].Type.Code; code != "BackboneElement" && code != "Element" {
			root = code
		} else {
			root += "." + s
		}
	}
	return root
}
