package profiles

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"trellis.example/fhir"
	"trellis.example/fhir/path"
)

// careProfiles are the profiles of the care side and their extensions.
var careProfiles = []string{
	"profiles/CarePlan", "profiles/personalised-plan", "profiles/Goal", "profiles/personal-goal",
	"profiles/Condition", "profiles/need", "profiles/Observation", "profiles/score", "profiles/social-context",
	"profiles/Flag", "profiles/safeguarding-flag", "profiles/reasonable-adjustment-flag", "profiles/risk-flag",
	"profiles/risk-list", "profiles/Encounter", "profiles/contact",
	"profiles/Composition", "profiles/message-back", "profiles/message-back-bundle",
	"extensions/activity-confidence", "extensions/ext-goal-importance", "extensions/ext-plan-agreement",
	"extensions/ext-care-funding-source", "extensions/ext-what-matters", "extensions/ext-strength",
	"extensions/ext-flag-note", "extensions/ext-consultation-mechanism", "extensions/ext-contact-outcome",
}

func careProfile(t *testing.T, name string) fhir.Resource {
	t.Helper()
	folder, id := filepath.Split(name)
	b, err := os.ReadFile(filepath.Join("data", folder, "StructureDefinition-"+id+".json"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := fhir.Decode(b)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return r
}

// TestCareProfilesAreValid validates the files themselves: base R4, the header
// that the publisher promises, a page of prose, a differential alone, and
// invariants that compile and carry readable text.
func TestCareProfilesAreValid(t *testing.T) {
	v := newValidator(t)
	keys := map[string]string{}
	for _, name := range careProfiles {
		r := careProfile(t, name)
		root := r.Root()
		for _, is := range v.Validate(r, Options{BaseOnly: true}) {
			t.Errorf("%s: %s at %s: %s", name, is.Rule, is.Expression, is.Text)
		}
		id := filepath.Base(name)
		if root.Get("id").Text() != id || root.Get("url").Text() != Base+id || root.Get("version").Text() != "1.1.0" {
			t.Errorf("%s: id, url or version", name)
		}
		words := len(strings.Fields(root.Get("purpose").Text()))
		if least := map[bool]int{true: 150, false: 40}[strings.HasPrefix(name, "profiles/")]; words < least {
			t.Errorf("%s: the purpose has %d words, want %d or more", name, words, least)
		}
		if root.Get("snapshot").Exists() {
			t.Errorf("%s: has a snapshot; it is generated", name)
		}
		for e := range root.At("differential", "element").Items() {
			careInvariants(t, name, e, keys)
		}
	}
}

// careInvariants checks the constraints of one element. A key that stands in
// several profiles says the same in all of them.
func careInvariants(t *testing.T, name string, e fhir.Value, keys map[string]string) {
	t.Helper()
	for c := range e.Get("constraint").Items() {
		key, human, expression := c.Get("key").Text(), c.Get("human").Text(), c.Get("expression").Text()
		if !strings.HasPrefix(key, "tr-") && !strings.HasPrefix(key, "prsb-") || len(human) < 30 || strings.HasSuffix(human, ".") {
			t.Errorf("%s: %s: key or text", name, key)
		}
		if was, ok := keys[key]; ok && was != human {
			t.Errorf("%s: %s has two texts", name, key)
		}
		keys[key] = human
		if _, err := path.Compile(expression, e.Get("path").Text()); err != nil {
			t.Errorf("%s: %s: %v", name, key, err)
		}
	}
}

// TestCareFilesAreListed keeps the list above complete: a file of the types it
// covers that it does not name fails.
func TestCareFilesAreListed(t *testing.T) {
	types := []string{"CarePlan", "Goal", "Condition", "Observation", "Flag", "List", "Encounter", "Composition"}
	files, err := filepath.Glob("data/profiles/StructureDefinition-*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no profiles (err %v)", err)
	}
	for _, f := range files {
		id := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(f), "StructureDefinition-"), ".json")
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		r, err := fhir.Decode(b)
		if err != nil {
			t.Errorf("%s: %v", f, err)
			continue
		}
		if slices.Contains(types, r.Root().Get("type").Text()) && !slices.Contains(careProfiles, "profiles/"+id) {
			t.Errorf("%s is not listed", f)
		}
	}
}

// TestCareExamples validates the examples of the care side as
// [TestReferralExamples] does those of the referral side.
func TestCareExamples(t *testing.T) {
	v := newValidator(t)
	for _, name := range careProfiles {
		if folder, id := filepath.Split(name); folder == "profiles/" {
			t.Run(id, func(t *testing.T) { exampleFolder(t, v, id) })
		}
	}
}

// TestCareRulesHaveExamples checks that every invariant of the care profiles is
// broken by an example.
func TestCareRulesHaveExamples(t *testing.T) {
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
	for _, name := range careProfiles {
		for e := range careProfile(t, name).Root().At("differential", "element").Items() {
			for c := range e.Get("constraint").Items() {
				if key := c.Get("key").Text(); !broken[key] {
					t.Errorf("%s: no example breaks %s", name, key)
				}
			}
		}
	}
}
