package profiles

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"trellis.example/fhir"
)

// referralSide are the profiles of the referral side: each has a folder of
// examples with valid-*.json, invalid-*.json, warning-*.json and expected.txt.
var referralSide = []string{
	"CareTeam", "Communication", "Consent", "HealthcareService", "Location", "MessageHeader",
	"Organization", "Patient", "Practitioner", "PractitionerRole", "Provenance", "RelatedPerson",
	"ServiceRequest", "Task", "community-activity", "link-worker", "multi-disciplinary-team",
	"onward-referral", "prsb-referral", "prsb-referral-bundle", "referral", "referral-bundle",
	"referral-message", "referral-message-header", "referral-task", "sharing-consent", "signpost",
}

// TestReferralExamples validates the examples of the referral side, as a sender
// who claims the profile in meta.profile would be judged: valid ones have no
// error, rich ones no remark either, invalid ones exactly the faults that
// expected.txt lists, and warning ones exactly its warnings and no error.
func TestReferralExamples(t *testing.T) {
	v := newValidator(t)
	for _, p := range referralSide {
		t.Run(p, func(t *testing.T) { exampleFolder(t, v, p) })
	}
}

func exampleFolder(t *testing.T, v *Validator, profile string) {
	dir := filepath.Join("examples", profile)
	expected := expectedFaults(t, filepath.Join(dir, "expected.txt"))
	kinds := map[string]int{}
	for _, file := range exampleFiles(t, dir) {
		name := filepath.Base(file)
		kind, _, _ := strings.Cut(name, "-")
		kinds[kind]++
		errors, warnings := exampleIssues(t, v, file, profile)
		want := expected[name]
		delete(expected, name)
		switch {
		case name == "valid-rich.json":
			same(t, name, append(errors, warnings...), nil)
		case kind == "valid":
			same(t, name, errors, nil)
		case kind == "invalid":
			same(t, name, errors, want)
		case kind == "warning":
			same(t, name, errors, nil)
			for _, w := range want {
				if !slices.Contains(warnings, w) {
					t.Errorf("%s: no warning %q among %q", name, w, warnings)
				}
			}
		default:
			t.Errorf("%s: a name begins with valid-, invalid- or warning-", name)
		}
		if kind != "valid" && len(want) == 0 {
			t.Errorf("%s: not in expected.txt", name)
		}
	}
	for name := range expected {
		t.Errorf("expected.txt names %s, which is not there", name)
	}
	if kinds["valid"] < 2 || kinds["invalid"] < 1 {
		t.Errorf("%v: at least two valid examples and an invalid one are wanted", kinds)
	}
}

func exampleFiles(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples in %s (err %v)", dir, err)
	}
	return files
}

// exampleIssues returns "rule expression" of each error and warning.
func exampleIssues(t *testing.T, v *Validator, file, profile string) (errors, warnings []string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	r, err := fhir.Decode(b)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	for _, is := range v.Validate(r, Options{Profiles: []string{Base + profile}}) {
		line := is.Rule + " " + is.Expression
		if is.IsError() {
			errors = append(errors, line)
		} else {
			warnings = append(warnings, line)
		}
	}
	return errors, warnings
}

// expectedFaults reads expected.txt: file, rule and expression, separated by
// tabs; a file may have several lines.
func expectedFaults(t *testing.T, name string) map[string][]string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]string{}
	for line := range strings.Lines(string(b)) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(fields) != 3 {
			t.Errorf("%s: not file, rule and expression: %q", name, line)
			continue
		}
		out[fields[0]] = append(out[fields[0]], fields[1]+" "+fields[2])
	}
	return out
}

func same(t *testing.T, name string, got, want []string) {
	t.Helper()
	got, want = slices.Clone(got), slices.Clone(want)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %q\nwant %q", name, got, want)
	}
}
