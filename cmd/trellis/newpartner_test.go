package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var fileBlock = regexp.MustCompile("(?ms)^```[a-z]+ (formats/\\S+)\n(.*?\n)```$")

// newPartner writes the files that docs/new-partner.md shows and returns the
// folder.
func newPartner(t *testing.T) string {
	t.Helper()
	doc, err := os.ReadFile("../../docs/new-partner.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	blocks := fileBlock.FindAllSubmatch(doc, -1)
	if len(blocks) != 6 {
		t.Fatalf("%d files in the page", len(blocks))
	}
	for _, b := range blocks {
		name := filepath.Join(dir, filepath.FromSlash(string(b[1])))
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, b[2], 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "formats")
}

// TestNewPartner does what docs/new-partner.md says, word for word.
func TestNewPartner(t *testing.T) {
	dir := newPartner(t)
	advice, eastshire := filepath.Join(dir, "advice-csv"), filepath.Join(dir, "eastshire-json")
	example := filepath.Join(advice, "testdata", "plain", "in.csv")
	steps := []struct {
		args []string
		code int
		want string
	}{
		{[]string{"lint", advice}, 0, "nothing to say"},
		{[]string{"coverage", advice}, 0, "10 fields, 9 carried"},
		{[]string{"apply", advice, example, "--json"}, 0, `"accepted":true`},
		{[]string{"explain", advice, example, "--html", filepath.Join(dir, "explained.html")}, 0, ""},
		{[]string{"test", advice}, 1, "differs"},
		{[]string{"test", advice, "--update"}, 0, "written"},
		{[]string{"test", advice}, 0, "ok"},
		{[]string{"lint", eastshire}, 0, ""},
		{[]string{"apply", eastshire, filepath.Join(eastshire, "testdata", "plain", "in.json"), "--json"}, 0, `"birthDate":"1948-02"`},
		{[]string{"diff", advice, eastshire}, 1, "removed rule    desk"},
		{[]string{"test", "ppn-csv", "--update"}, 2, "folder"},
	}
	for _, s := range steps {
		code, out, errs := trellis(t, "", append([]string{"map"}, s.args...)...)
		if code != s.code || !strings.Contains(out+errs, s.want) {
			t.Errorf("map %s: exit %d, want %d and %q\n%.3000s%s", strings.Join(s.args, " "), code, s.code, s.want, out, errs)
		}
	}
	held, err := os.ReadFile(filepath.Join(advice, "testdata", "plain", "fhir.json"))
	if err != nil || strings.Count(string(held), `"status": "on-hold"`) != 1 {
		t.Errorf("the row without agreement is not on hold: %v", err)
	}
	if page, err := os.ReadFile(filepath.Join(dir, "explained.html")); err != nil || !strings.Contains(string(page), "row 1, Reason") {
		t.Errorf("the page: %v", err)
	}
}
