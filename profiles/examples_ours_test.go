package profiles

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestOurExamples validates profiles/examples, as a sender who claims the profile
// in meta.profile would be judged. Every profile in force has a folder. Valid
// examples have no error, rich ones and answers no remark either; invalid ones
// have exactly the faults that expected.txt lists; warning ones its warnings and
// no error, and answers no other remark.
func TestOurExamples(t *testing.T) {
	v := newValidator(t)
	for _, d := range v.Profiles() {
		if id, ours := strings.CutPrefix(d.URL, Base); ours && v.TypeOf(d.URL) != "" {
			if _, err := os.Stat(filepath.Join("examples", id)); err != nil {
				t.Errorf("%s has no examples", id)
			}
		}
	}
	folders, err := os.ReadDir("examples")
	if err != nil || len(folders) == 0 {
		t.Fatalf("no examples (err %v)", err)
	}
	for _, f := range folders {
		if v.TypeOf(Base+f.Name()) == "" {
			t.Errorf("examples/%s is not named like a profile", f.Name())
		}
		t.Run(f.Name(), func(t *testing.T) { exampleFolder(t, v, f.Name()) })
	}
}

func exampleFolder(t *testing.T, v *Validator, profile string) {
	dir := filepath.Join("examples", profile)
	expected := expectedFaults(t, filepath.Join(dir, "expected.txt"))
	answers := v.TypeOf(Base+profile) == "QuestionnaireResponse"
	kinds := map[string]int{}
	for _, file := range exampleFiles(t, dir) {
		name := filepath.Base(file)
		kind, _, _ := strings.Cut(name, "-")
		kinds[kind]++
		errors, warnings := exampleIssues(t, v, file, profile)
		want := expected[name]
		delete(expected, name)
		switch {
		case name == "valid-rich.json", kind == "valid" && answers:
			same(t, name, append(errors, warnings...), nil)
		case kind == "valid":
			same(t, name, errors, nil)
		case kind == "invalid":
			same(t, name, errors, want)
		case kind == "warning" && answers:
			same(t, name, errors, nil)
			same(t, name, warnings, want)
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
	for _, is := range v.Validate(readResource(t, file), Options{Profiles: []string{Base + profile}}) {
		line := is.Rule + " " + is.Expression
		if is.Hint == "" || is.Profile == "" && is.Rule != ruleFormUnknown {
			t.Errorf("%s: %s has no hint or no line", file, is.Rule)
		}
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
