package mapping_test

import (
	"encoding/json"
	"strings"
	"testing"

	"trellis.example/mapping"
)

// TestDiff holds that every kind of change is named, and that a map does not
// differ from itself.
func TestDiff(t *testing.T) {
	const before = `rules:
  - {id: ref, partner: /ref, resource: "Patient:p", fhir: language}
  - {id: name, partner: /name, resource: "Patient:p", fhir: "name[0].text"}
  - {id: level, partner: /old, resource: "Patient:p", fhir: "maritalStatus.coding[0]", type: coding, table: level}
  - {id: flag, partner: /flag, loss: not wanted}
`
	const after = `groups: {tag: {partner: /tags, split: ";"}}
rules:
  - {id: ref, partner: /ref, resource: "Patient:p", fhir: language, required: true}
  - {id: level, partner: /old, resource: "Patient:p", fhir: "maritalStatus.coding[0]", type: coding, table: level}
  - {id: flag, partner: /flag, resource: "Patient:p", fhir: active, type: boolean, when: [{partner: /ref, not: [x]}]}
  - {id: tag, each: tag, partner: /tags, resource: "Patient:p", fhir: "address[0].line[*]"}
`
	from, to := mustBuild(t, before), mustBuild(t, after)
	got, err := json.Marshal(mapping.Diff(from, to))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`{"kind":"rule","name":"name","what":"removed"}`,
		`{"kind":"rule","name":"tag","what":"added"}`,
		`{"kind":"group","name":"tag","what":"added"}`,
		`{"kind":"rule","name":"ref","what":"changed","keys":[{"key":"required","to":"true"}]}`,
		`{"key":"when","to":"/ref is not x"}`,
		`{"kind":"field","name":"/flag","what":"changed","keys":[{"key":"becomes","from":"dropped","to":"carried both ways"}]}`,
	} {
		if !strings.Contains(string(got), want) {
			t.Errorf("%s is not in %s", want, got)
		}
	}
	if same := mapping.Diff(from, from); len(same) != 0 {
		t.Errorf("a map differs from itself: %v", same)
	}
}

// TestLintOrder holds that rules which never come to write are found.
func TestLintOrder(t *testing.T) {
	tests := []struct {
		name, rules, place string
		found              bool
	}{
		{"behind a constant", `rules:
  - {id: ref, partner: /ref, resource: "Patient:p", fhir: language}
  - {id: always, resource: "Patient:p", fhir: gender, value: other}
  - {id: never, resource: "Patient:p", fhir: gender, value: female, when: [{partner: /flag, in: [f]}]}`, "never", true},
		{"the same condition", `rules:
  - {id: ref, partner: /ref, resource: "Patient:p", fhir: language}
  - {id: first, resource: "Patient:p", fhir: gender, value: other, when: [{partner: /flag, in: [f]}]}
  - {id: never, resource: "Patient:p", fhir: gender, value: female, when: [{partner: /flag, in: [f]}, {partner: /old, present: true}]}`, "never", true},
		{"another condition", `rules:
  - {id: ref, partner: /ref, resource: "Patient:p", fhir: language}
  - {id: first, resource: "Patient:p", fhir: gender, value: other, when: [{partner: /flag, in: [f]}]}
  - {id: second, resource: "Patient:p", fhir: gender, value: female, when: [{partner: /flag, in: [m]}]}`, "second", false},
		{"not in the table", `rules:
  - {id: ref, partner: /ref, resource: "Patient:p", fhir: language}
  - {id: level, partner: /old, resource: "Patient:p", fhir: "maritalStatus.coding[0]", type: coding, table: level}
  - {id: asks, resource: "Patient:p", fhir: gender, value: other, when: [{partner: /old, in: [Highest]}]}`, "asks", true},
	}
	for _, tt := range tests {
		found := false
		for _, f := range mustBuild(t, tt.rules).Lint() {
			found = found || f.Place == tt.place && (strings.Contains(f.Text, "never applies") || strings.Contains(f.Text, "does not have"))
		}
		if found != tt.found {
			t.Errorf("%s: found %t, want %t", tt.name, found, tt.found)
		}
	}
}
