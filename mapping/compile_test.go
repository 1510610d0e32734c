package mapping_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"trellis.example/mapping"
)

// TestCompileRefuses holds one bad map per rule of the compiler.
func TestCompileRefuses(t *testing.T) {
	tests := []struct{ name, rules, want string }{
		{"unknown key", `rules: [{id: a, partner: /ref, resource: "Patient:p", fhir: language, colour: red}]`, "/rules/0"},
		{"partner and sources", `rules: [{id: a, partner: /ref, sources: [/ref, /name], resource: "Patient:p", fhir: language}]`, "/rules/0"},
		{"drop without loss", `rules: [{id: a, partner: /ref}]`, "/rules/0"},
		{"one way without reason", `rules: [{id: a, partner: /ref, resource: "Patient:p", fhir: language, dir: in}]`, "/rules/0"},
		{"default without note", `rules: [{id: a, partner: /ref, resource: "Patient:p", fhir: language, default: x}]`, "/rules/0"},
		{"unknown type", `rules: [{id: a, partner: /ref, resource: "Patient:p", fhir: language, type: eval}]`, "/rules/0"},
		{"same id", `rules: [{id: a, partner: /ref, resource: "Patient:p", fhir: language}, {id: a, partner: /name, resource: "Patient:p", fhir: gender}]`, "taken"},
		{"unknown field", `rules: [{id: a, partner: /reff, resource: "Patient:p", fhir: language}]`, "not among the fields"},
		{"bad path", `rules: [{id: a, partner: ref, resource: "Patient:p", fhir: language}]`, "JSON pointer"},
		{"bad place", `rules: [{id: a, partner: /ref, resource: "Patient:p", fhir: "name[].family"}]`, "expected steps"},
		{"unknown group", `rules: [{id: a, each: g, partner: /ref, resource: "Patient:p", fhir: language}]`, "no group"},
		{"unknown parent", "groups: {g: {partner: /tags, in: h}}\n" + `rules: [{id: a, partner: /ref, resource: "Patient:p", fhir: language}]`, "in a circle"},
		{"group outside parent", "groups: {h: {partner: /people/-}, g: {partner: /tags, in: h}}\n" + `rules: [{id: a, partner: /ref, resource: "Patient:p", fhir: language}]`, "below the path"},
		{"unknown table", `rules: [{id: a, partner: /ref, resource: "Patient:p", fhir: gender, type: code, table: x}]`, "no table"},
		{"table without code", `rules: [{id: a, partner: /ref, resource: "Patient:p", fhir: gender, table: level}]`, "needs type code"},
		{"coding without table", `rules: [{id: a, partner: /ref, resource: "Patient:p", fhir: "maritalStatus.coding[0]", type: coding}]`, "needs a table"},
		{"same place", `rules: [{id: a, partner: /ref, resource: "Patient:p", fhir: gender}, {id: b, partner: /name, resource: "Patient:p", fhir: gender}]`, "needs when"},
		{"above and below", `rules: [{id: a, partner: /ref, resource: "Patient:p", fhir: name}, {id: b, partner: /name, resource: "Patient:p", fhir: name.text}]`, "above or below"},
		{"star without group", `rules: [{id: a, partner: /ref, resource: "Patient:p[*]", fhir: gender}]`, "1 stars but 0 groups"},
		{"name without constants", `rules: [{id: a, partner: /ref, resource: "Patient:p", fhir: "name[x].family"}]`, "on the way back"},
		{"join both ways", `rules: [{id: a, sources: [/ref, /name], type: join, resource: "Patient:p", fhir: gender}]`, "taken apart"},
		{"heading missing", `rules: [{id: a, partner: /ref, type: headed, resource: "Patient:p", fhir: gender}]`, "heading"},
		{"reference to nothing", `rules: [{id: a, resource: "Condition:c", fhir: subject, type: reference, value: "Patient:p"}]`, "no rule writes"},
		{"constant with partner", `rules: [{id: a, partner: /ref, resource: "Patient:p", fhir: gender, value: other}]`, "no partner"},
		{"two groups at one star", "groups: {g: {partner: /tags, split: \";\"}, h: {partner: /people/-}}\n" + `rules: [{id: a, each: g, partner: /tags, resource: "Patient:p", fhir: "name[*].text"}, {id: b, each: h, partner: /people/-/name, resource: "Patient:p", fhir: "name[*].text"}]`, "name one of them"},
	}
	for _, tt := range tests {
		_, err := build(tt.rules)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

// TestTableRefuses holds the rules of tables.
func TestTableRefuses(t *testing.T) {
	tests := []struct{ name, rows, want string }{
		{"two meanings", `[{partner: a, code: x}, {partner: a, code: y}]`, "two meanings"},
		{"two ways back", `[{partner: a, code: x}, {partner: b, code: x}]`, "way back"},
		{"no way back", `[{partner: a, code: x, reverse: false}]`, "way back"},
		{"no rows", `[]`, "/rows"},
		{"bad code", `[{partner: a, code: " x"}]`, "/rows/0"},
	}
	for _, tt := range tests {
		_, err := mapping.Compile(fstest.MapFS{
			"map.yaml":      {Data: []byte(header + `rules: [{id: a, partner: /ref, resource: "Patient:p", fhir: gender, type: code, table: t}]`)},
			"tables/t.yaml": {Data: []byte("id: t\nversion: 1.0.0\nrows: " + tt.rows)},
		}, library())
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

// TestLintRefuses holds that a map which drops everything, or forgets a field,
// does not pass.
func TestLintRefuses(t *testing.T) {
	var drops strings.Builder
	drops.WriteString(`rules:
  - {id: r, partner: /ref, resource: "Patient:p", fhir: language}
`)
	for _, f := range []string{"name", "dob", "tags", "people", "old", "flag"} {
		drops.WriteString("  - {id: " + f + ", partner: /" + f + ", loss: not wanted}\n")
	}
	tests := []struct{ name, rules, want string }{
		{"drops everything", drops.String(), "only 1 of 7 fields"},
		{"forgets a field", `rules: [{id: r, partner: /ref, resource: "Patient:p", fhir: language}]`, "no rule handles this field"},
		{"unused table", drops.String(), "no rule uses this table"},
		{"wrong check digit", `rules: [{id: s, resource: "Patient:p", fhir: "maritalStatus.coding[0].system", value: "http://snomed.info/sct"}, {id: c, resource: "Patient:p", fhir: "maritalStatus.coding[0].code", value: "871731000000105"}]`, "check digit"},
		{"unused group", "groups: {g: {partner: /tags, split: \";\"}}\n" + drops.String(), "repeats over this group"},
	}
	for _, tt := range tests {
		found := false
		for _, f := range mustBuild(t, tt.rules).Lint() {
			found = found || f.Error && strings.Contains(f.Text, tt.want)
		}
		if !found {
			t.Errorf("%s: lint does not say %q", tt.name, tt.want)
		}
	}
	if c := mustBuild(t, drops.String()).Coverage(); c.In != 1 || c.Out != 1 || len(c.Fields) != 7 || c.Fields[1].Dropped[0] != "name" {
		t.Errorf("coverage %+v", c)
	}
}
