package mapping_test

import (
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"trellis.example/mapping"
)

const baseMap = `id: letter
version: 1.0.0
partner: A letter
status: active
codec: csv
media_types: [text/csv]
senders: [sandbox]
key: [ref]
fields: [ref, surname, level, seen]
rules:
  - {id: system, resource: "Patient:p", fhir: "identifier[ref].system", value: "https://example.org/ref"}
  - {id: ref, partner: ref, resource: "Patient:p", fhir: "identifier[ref].value", required: true}
  - {id: family, partner: surname, resource: "Patient:p", fhir: "name[0].family", when: [{partner: seen, present: true}]}
  - {id: level, partner: level, resource: "Patient:p", fhir: "maritalStatus.coding[0]", type: coding, table: level}
  - {id: seen, partner: seen, loss: "asked only"}
`

// derive compiles a map that stands on letter.
func derive(text string) (*mapping.Map, error) {
	lib := library()
	lib.Folder = func(id string) (fs.FS, error) {
		if id != "letter" {
			return nil, fs.ErrNotExist
		}
		return fstest.MapFS{"map.yaml": {Data: []byte(baseMap)}, "tables/level.yaml": {Data: []byte(testTable)}}, nil
	}
	return mapping.Compile(fstest.MapFS{"map.yaml": {Data: []byte(text)}}, lib)
}

// TestBase holds that a map of another syntax and with other names works both
// ways with nothing but the names.
func TestBase(t *testing.T) {
	m, err := derive(`{id: mail, version: 1.2.0, base: letter, codec: json, media_types: [application/json],
paths: {ref: /id, surname: /person/family, level: /person/level, seen: /seen},
rules: [{id: given, partner: /person/given, resource: "Patient:p", fhir: "name[0].given[0]"}],
fields: [/id, /person, /seen]}`)
	if err != nil {
		t.Fatal(err)
	}
	const doc = `{"id":"7","person":{"family":"Sample","given":"Robin","level":"Low"},"seen":"y"}`
	res := m.Read([]byte(doc))
	if !res.Accepted() || res.Map != "mail 1.2.0" {
		t.Fatalf("%s %v %v", res.Map, res.Faults, res.Records)
	}
	got := string(res.Records[0].Bundle)
	for _, want := range []string{`"family":"Sample"`, `"given":["Robin"]`, `"code":"l"`, `"value":"7"`} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is not in %s", want, got)
		}
	}
	if info := m.Info(); info.Partner != "A letter" || info.Batch || info.Receipt != "fhir" || info.Senders[0] != "sandbox" {
		t.Errorf("info %+v", info)
	}
	w := m.Write(res.Records[0].Bundle)
	if again := m.Read([]byte(w.Document)); !again.Accepted() || !strings.Contains(string(again.Records[0].Bundle), `"given":["Robin"]`) {
		t.Errorf("written as %s: %v", w.Document, w.Faults)
	}
}

// TestBaseChanges holds that rules are replaced in place, removed and added.
func TestBaseChanges(t *testing.T) {
	m, err := derive(`{id: short, version: 1.0.0, base: letter, without: [level], fields: [ref, surname, seen],
rules: [{id: seen, partner: seen, resource: "Patient:p", fhir: "name[0].suffix[0]"}]}`)
	if err != nil {
		t.Fatal(err)
	}
	res := m.Read([]byte("ref,surname,seen\n1,Sample,OBE\n"))
	if got := string(res.Records[0].Bundle); !strings.Contains(got, `"suffix":["OBE"]`) || len(res.Records[0].Losses) != 0 {
		t.Errorf("%s %v", got, res.Records[0].Losses)
	}
}

func TestBaseRefuses(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"no such base", `{id: a, version: 1.0.0, base: nonesuch}`, "base nonesuch"},
		{"no such path", `{id: a, version: 1.0.0, base: letter, paths: {forename: x}}`, "letter has no path forename"},
		{"no such rule", `{id: a, version: 1.0.0, base: letter, without: [forename]}`, "no rule forename"},
		{"paths without a base", `{id: a, version: 1.0.0, paths: {a: b}}`, "schema"},
		{"no rules and no base", `{id: a, version: 1.0.0}`, "schema"},
		{"another syntax, old names", `{id: a, version: 1.0.0, base: letter, codec: json}`, "expected a JSON pointer"},
	}
	for _, tt := range tests {
		_, err := derive(tt.text)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

// TestBaseCircle holds that maps which stand on each other end.
func TestBaseCircle(t *testing.T) {
	lib := library()
	lib.Folder = func(string) (fs.FS, error) {
		return fstest.MapFS{"map.yaml": {Data: []byte(`{id: a, version: 1.0.0, base: a}`)}}, nil
	}
	files, _ := lib.Folder("a")
	if _, err := mapping.Compile(files, lib); err == nil || !strings.Contains(err.Error(), "stand on each other") {
		t.Errorf("circle: %v", err)
	}
}
