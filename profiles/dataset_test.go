package profiles

import (
	"io/fs"
	"path"
	"path/filepath"
	"slices"
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
		least := map[string]int{"data/profiles": 150, "data/extensions": 40}[path.Dir(name)]
		if words := len(strings.Fields(root.Get("purpose").Text())); words < least {
			t.Errorf("%s: the purpose has %d words, want %d or more", name, words, least)
		}
		if least > 0 && root.Get("version").Text() != "1.1.0" {
			t.Errorf("%s: another version than its neighbours", name)
		}
	})
}

// TestInvariantsCompile compiles every constraint against the type it stands on
// and checks its text: a key that stands in several profiles with one severity
// says the same in all of them.
func TestInvariantsCompile(t *testing.T) {
	texts := map[string]string{}
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
				if len(human) < 30 || strings.HasSuffix(human, ".") {
					t.Errorf("%s: %s: the text is a sentence without full stop", name, key)
				}
				rule := key + " " + c.Get("severity").Text() // a profile may ask more strongly, and says so
				if was, ok := texts[rule]; ok && was != human {
					t.Errorf("%s: %s has two texts", name, key)
				}
				texts[rule] = human
			}
		}
	})
}

// goldenOnly are rules that no example breaks: their documents are in
// testdata/rules. Those of ext-score judge Questionnaires, which have no folder of
// examples.
var goldenOnly = []string{
	"tr-about-me-whose", "tr-activity-access", "tr-activity-cost", "tr-chi-number", "tr-hc-number", "tr-header-definition",
	"tr-link-worker-named", "tr-outcome-referral", "tr-score-items", "tr-score-method", "tr-score-rows",
}

// TestRulesHaveExamples checks that every other invariant is broken by an example.
func TestRulesHaveExamples(t *testing.T) {
	broken := map[string]bool{}
	files, err := filepath.Glob("examples/*/expected.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no expected.txt (err %v)", err)
	}
	for _, f := range files {
		for _, lines := range expectedFaults(t, f) {
			for _, l := range lines {
				rule, _, _ := strings.Cut(l, " ")
				broken[rule] = true
			}
		}
	}
	for key, name := range invariantKeys(t) {
		if broken[key] == slices.Contains(goldenOnly, key) {
			t.Errorf("%s: %s: broken by an example: %t", name, key, broken[key])
		}
	}
}

// invariantKeys returns the keys of all constraints, with a file that has each.
func invariantKeys(t *testing.T) map[string]string {
	t.Helper()
	keys := map[string]string{}
	definitionsIn(t, func(name string, r fhir.Resource) {
		for e := range r.Root().At("differential", "element").Items() {
			for c := range e.Get("constraint").Items() {
				keys[c.Get("key").Text()] = name
			}
		}
	})
	return keys
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
