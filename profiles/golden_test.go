package profiles

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"trellis.example/fhir"
	"trellis.example/profiles/terminology"
)

// ruleFolder holds two files for each rule: documents that break it, and the
// issues they get.
const ruleFolder = "testdata/rules"

// A ruleFile is one <rule>.json.
type ruleFile struct {
	Cases []ruleCase `json:"cases"`
}

// A ruleCase is a document and what it is judged by.
type ruleCase struct {
	// Why says what is wrong with the document.
	Why      string          `json:"why"`
	BaseOnly bool            `json:"baseOnly"`
	Profiles []string        `json:"profiles"`
	Extra    json.RawMessage `json:"definitions"` // an array of resources for NewWith
	// Remote is the terminology server: "away", "no", "yes" or "unknown".
	Remote string `json:"remote"`
	// Referral judges the document as the parts of a referral too.
	Referral bool `json:"referral"`
	// Resolve is what references outside the document lead to.
	Resolve  map[string]json.RawMessage `json:"resolve"`
	Document json.RawMessage            `json:"document"`
}

// TestGolden compares the issues of each rule's documents with those printed
// before; -update prints them anew.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob(ruleFolder + "/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden inputs (err %v)", err)
	}
	v := newValidator(t)
	for _, f := range files {
		rule := strings.TrimSuffix(filepath.Base(f), ".json")
		t.Run(rule, func(t *testing.T) { checkGolden(t, v, rule, f) })
	}
}

func checkGolden(t *testing.T, v *Validator, rule, file string) {
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var in ruleFile
	if err := json.Unmarshal(b, &in); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	found := false
	for _, c := range in.Cases {
		issues := c.judge(t, v)
		fmt.Fprintf(&out, "# %s\n", c.Why)
		for _, is := range issues {
			found = found || is.Rule == rule || rule == "profile-element" && strings.Contains(is.Rule, "#") ||
				rule == "r4-invariant" && isInvariantKey(is.Rule)
			if is.Rule == rule || !alone(rule) {
				out.WriteString(printIssue(is))
			}
			wellSaid(t, is, string(c.Document))
		}
	}
	if !found {
		t.Errorf("no document breaks the rule:\n%s", out.String())
	}
	golden := strings.TrimSuffix(file, ".json") + ".golden"
	if *update {
		if err := os.WriteFile(golden, []byte(out.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got := out.String(); got != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// alone reports whether a golden file has the issues of its rule alone: those of
// our data are shown on documents that may break other rules too, and change
// with them.
func alone(rule string) bool {
	return rule == ruleMore || strings.HasPrefix(rule, "tr-") || strings.HasPrefix(rule, "prsb-")
}

func (c ruleCase) judge(t *testing.T, v *Validator) []fhir.Issue {
	t.Helper()
	if len(c.Extra) > 0 {
		v = withDefinitions(t, c.Extra)
	}
	r, err := fhir.Decode(c.Document)
	if err != nil {
		t.Fatal(err)
	}
	o := Options{BaseOnly: c.BaseOnly, Profiles: c.Profiles}
	if c.Remote != "" {
		o.Remote = fixedRemote(c.Remote)
	}
	if c.Resolve != nil {
		o.Resolve = func(ref string) (fhir.Resource, bool) {
			b, ok := c.Resolve[ref]
			if !ok {
				return fhir.Resource{}, false
			}
			r, err := fhir.Decode(b)
			return r, err == nil
		}
	}
	if c.Why == "" {
		t.Error("a case says why its document is wrong")
	}
	issues := v.Validate(r, o)
	if c.Referral {
		issues = Merge(issues, v.Referral([]fhir.Resource{r}))
	}
	return issues
}

func withDefinitions(t *testing.T, list json.RawMessage) *Validator {
	t.Helper()
	var raw []json.RawMessage
	if err := json.Unmarshal(list, &raw); err != nil {
		t.Fatal(err)
	}
	var extra []fhir.Resource
	for _, b := range raw {
		r, err := fhir.Decode(b)
		if err != nil {
			t.Fatal(err)
		}
		extra = append(extra, r)
	}
	v, err := NewWith(extra...)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

type fixedRemote string

func (f fixedRemote) ValidateCode(context.Context, terminology.Query) (terminology.Answer, error) {
	switch f {
	case "yes":
		return terminology.Yes, nil
	case "no":
		return terminology.No, nil
	case "unknown":
		return terminology.Unknown, nil
	}
	return terminology.Unknown, errors.New("away")
}

func printIssue(is fhir.Issue) string {
	return fmt.Sprintf("%s %s %s %s\n  text     %s\n  expected %s\n  found    %s\n  profile  %s\n  hint     %s\n",
		is.Severity, is.Code, is.Rule, is.Expression, is.Text, is.Expected, is.Found, is.Profile, is.Hint)
}

// wellSaid checks that an issue says all it should, and nothing of the document.
func wellSaid(t *testing.T, is fhir.Issue, document string) {
	t.Helper()
	if is.Rule == "more" {
		return
	}
	for name, s := range map[string]string{"text": is.Text, "expected": is.Expected, "found": is.Found, "profile": is.Profile, "hint": is.Hint, "expression": is.Expression, "rule": is.Rule} {
		if s == "" {
			t.Errorf("%s at %s: no %s", is.Rule, is.Expression, name)
		}
		if strings.Contains(s, "SECRET") {
			t.Errorf("%s shows a value of the document: %s", is.Rule, s)
		}
	}
	if !strings.HasSuffix(is.Hint, ".") || strings.ContainsAny(is.Hint, "\n") {
		t.Errorf("%s: the hint is not a sentence: %q", is.Rule, is.Hint)
	}
	if strings.HasSuffix(is.Text, ".") && !strings.Contains(is.Text, ". ") && !isInvariantKey(is.Rule) {
		t.Errorf("%s: the text ends in a full stop: %q", is.Rule, is.Text)
	}
	if !strings.Contains(is.Profile, "#") || !strings.Contains(is.Profile, "|") {
		t.Errorf("%s: %q is no profile line", is.Rule, is.Profile)
	}
	_ = document
}

// isInvariantKey reports whether a rule is an invariant of R4 or of a profile.
func isInvariantKey(rule string) bool { _, ours := remedies[rule]; return !ours }

// TestRegistry holds that the code names rules by the constants of hints.go
// only, that each has a remedy and a golden file, and that each golden file is
// of a rule that there is.
func TestRegistry(t *testing.T) {
	known := map[string]bool{"r4-invariant": true, "profile-element": true}
	for id := range ruleConstants(t) {
		known[id] = true
		if _, ok := remedies[id]; !ok {
			t.Errorf("hints.go has no remedy for %s", id)
		}
	}
	for id := range remedies {
		if !known[id] {
			t.Errorf("no constant names the rule %s", id)
		}
	}
	for _, key := range dataKeys(t) {
		known[key] = true
	}
	for key := range prsbItems {
		known[key] = true
	}
	files, err := filepath.Glob(ruleFolder + "/*.json")
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]bool{}
	for _, f := range files {
		id := strings.TrimSuffix(filepath.Base(f), ".json")
		have[id] = true
		if !known[id] && !strings.HasPrefix(id, "q-") {
			t.Errorf("%s is not the file of a rule", f)
		}
	}
	for id := range known {
		if !have[id] {
			t.Errorf("%s has no golden file", id)
		}
	}
}

// ruleConstants reads the constants whose name begins with rule.
func ruleConstants(t *testing.T) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	for _, f := range sources(t) {
		ast.Inspect(f, func(n ast.Node) bool {
			if v, ok := n.(*ast.ValueSpec); ok && len(v.Values) == 1 && strings.HasPrefix(v.Names[0].Name, "rule") {
				if lit, ok := v.Values[0].(*ast.BasicLit); ok && lit.Kind == token.STRING {
					out[strings.Trim(lit.Value, `"`)] = true
				}
			}
			return true
		})
	}
	return out
}

// TestNoLiteralRules holds that no rule id is written where an issue is made.
func TestNoLiteralRules(t *testing.T) {
	for name, f := range sources(t) {
		ast.Inspect(f, func(n ast.Node) bool {
			kv, ok := n.(*ast.KeyValueExpr)
			if !ok {
				return true
			}
			key, ok := kv.Key.(*ast.Ident)
			if lit, literal := kv.Value.(*ast.BasicLit); ok && literal && key.Name == "Rule" {
				t.Errorf("%s: the rule %s is written out; name it in hints.go", name, lit.Value)
			}
			return true
		})
	}
}

func sources(t *testing.T) map[string]*ast.File {
	t.Helper()
	out := map[string]*ast.File{}
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = f
	}
	return out
}

// dataKeys returns the keys of the invariants in data, sorted.
func dataKeys(t *testing.T) []string {
	t.Helper()
	var keys []string
	err := fs.WalkDir(data, "data", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasPrefix(d.Name(), "StructureDefinition-") {
			return err
		}
		b, err := data.ReadFile(path)
		if err != nil {
			return err
		}
		r, err := fhir.Decode(b)
		if err != nil {
			return err
		}
		for e := range r.Root().At("differential", "element").All() {
			for c := range e.Get("constraint").All() {
				keys = append(keys, c.Get("key").Text())
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}
