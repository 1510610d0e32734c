package mapping_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"trellis.example/mapping"
)

// own compiles a map with fields and tables of its own.
func own(t *testing.T, fields, rest string, tables map[string]string) *mapping.Map {
	t.Helper()
	head := strings.Replace(header, "fields: [/ref, /name, /dob, /tags, /people, /old, /flag]", "fields: ["+fields+"]", 1)
	fsys := fstest.MapFS{"map.yaml": {Data: []byte(head + rest)}}
	for name, text := range tables {
		fsys["tables/"+name+".yaml"] = &fstest.MapFile{Data: []byte(text)}
	}
	m, err := mapping.Compile(fsys, library())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// trip maps a document and writes it back; faults come first.
func trip(t *testing.T, m *mapping.Map, doc string) string {
	t.Helper()
	_, rec := read(t, m, doc)
	if rec.Refused() {
		return faults(rec.Faults)
	}
	return strings.TrimSpace(m.Write(rec.Bundle).Document)
}

// TestNumbers holds limits, tables of numbers and totals.
func TestNumbers(t *testing.T) {
	m := own(t, "/ref, /a, /b, /total, /often", `rules:
  - {id: r, partner: /ref, resource: "Observation:o", fhir: "identifier[0].value"}
  - {id: a, partner: /a, resource: "Observation:o", fhir: "component[0].valueInteger", type: integer, min: 0, max: 10}
  - {id: b, partner: /b, resource: "Observation:o", fhir: "component[1].valueInteger", type: integer}
  - {id: t, partner: /total, resource: "Observation:o", fhir: valueInteger, type: integer, sum: [/a, /b]}
  - {id: oc, resource: "Observation:o", fhir: "component[often].code.text", value: often}
  - {id: o, partner: /often, resource: "Observation:o", fhir: "component[often].valueInteger", type: integer, table: often}
`, map[string]string{"often": "{id: often, version: 1.0.0, rows: [{partner: Never, code: \"0\"}, {partner: Always, code: \"4\"}]}"})
	tests := []struct{ in, want string }{
		{`{"ref":"x","a":3,"b":4,"total":7}`, `{"ref":"x","a":3,"b":4,"total":7}`},
		{`{"ref":"x","a":3,"b":4}`, `{"ref":"x","a":3,"b":4,"total":7}`},
		{`{"ref":"x","a":3}`, `{"ref":"x","a":3}`},
		{`{"ref":"x","a":3,"total":9}`, `{"ref":"x","a":3,"total":9}`}, // the items are not all there
		{`{"ref":"x","a":3,"b":4,"total":8}`, `t@/total=Observation.valueInteger`},
		{`{"ref":"x","a":11}`, `a@/a=Observation.component[0].valueInteger`},
		{`{"ref":"x","often":"Always"}`, `{"ref":"x","often":"Always"}`},
		{`{"ref":"x","often":"Often"}`, `o@/often=Observation.component.valueInteger`},
	}
	for _, tt := range tests {
		if got := trip(t, m, tt.in); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.in, got, tt.want)
		}
	}
}

// TestOnePlaceOfTwo holds that of two rules at one place the first that can
// carry a value writes it back.
func TestOnePlaceOfTwo(t *testing.T) {
	m := own(t, "/ref, /nhs, /client", `rules:
  - {id: r, partner: /ref, resource: "ServiceRequest:s", fhir: "identifier[0].value"}
  - {id: n, partner: /nhs, resource: "ServiceRequest:s", fhir: subject.identifier.value, type: nhsnumber, when: [{partner: /nhs, present: true}]}
  - {id: c, partner: /client, resource: "ServiceRequest:s", fhir: subject.identifier.value, when: [{partner: /nhs, present: false}]}
`, nil)
	for _, doc := range []string{`{"ref":"x","nhs":"9991001018"}`, `{"ref":"x","client":"C7"}`} {
		if got := trip(t, m, doc); got != doc {
			t.Errorf("%s came back as %s", doc, got)
		}
	}
}

// TestRecordKey joins the key's paths when the map says so.
func TestRecordKey(t *testing.T) {
	for add, want := range map[string]string{"": "x", "record_key: all\n": "y/x"} {
		head := strings.Replace(header, "key: [/ref]", add+"key: [/name, /ref]", 1)
		m, err := mapping.Compile(fstest.MapFS{"map.yaml": {Data: []byte(head + `rules: [{id: r, partner: /ref, resource: "Patient:p", fhir: language}]`)}}, library())
		if err != nil {
			t.Fatal(err)
		}
		if _, rec := read(t, m, `{"ref":"x","name":"y"}`); rec.Key != want {
			t.Errorf("%q: key %q, want %q", add, rec.Key, want)
		}
	}
}

// TestNotReferral holds that a record may be read and be no referral.
func TestNotReferral(t *testing.T) {
	m := own(t, "/ref, /kind, /old", `not_referral: [{id: review, when: [{partner: /kind, in: [Review]}], text: a review is no request for support}]
checks:
  - {id: dated, partner: /old, when: [{partner: /kind, present: true}], present: true, severity: warning, text: "expected a date beside the kind"}
  - {id: known, partner: /kind, not: [Other], severity: error, text: "expected a kind that says something"}
rules: [{id: r, partner: /ref, resource: "Patient:p", fhir: "identifier[0].value"}, {id: k, partner: /kind, resource: "Patient:p", fhir: "name[0].text"}, {id: o, partner: /old, loss: nobody needs it}]
`, nil)
	tests := []struct {
		in, faults string
		skipped    bool
		refused    bool
	}{
		{`{"ref":"x","kind":"Request","old":"1"}`, "", false, false},
		{`{"ref":"x","kind":"Request"}`, "dated@/old=", false, false},
		{`{"ref":"x","kind":"Other","old":"1"}`, "known@/kind=", false, true},
		{`{"ref":"x","kind":"review","old":"1"}`, "review@/kind=", true, false},
	}
	for _, tt := range tests {
		_, rec := read(t, m, tt.in)
		if got := faults(rec.Faults); got != tt.faults || rec.NotReferral != tt.skipped || rec.Refused() != tt.refused || (rec.Bundle == nil) != (tt.skipped || tt.refused) {
			t.Errorf("%s: faults %q, %+v", tt.in, got, rec)
		}
	}
}

// TestUntil looks up only what stands before a text.
func TestUntil(t *testing.T) {
	m := own(t, "/ref, /need", `rules:
  - {id: r, partner: /ref, resource: "Flag:f", fhir: "identifier[0].value"}
  - {id: w, partner: /need, resource: "Flag:f", fhir: code.text}
  - {id: n, partner: /need, resource: "Flag:f", fhir: "code.coding[0]", type: coding, table: need, dir: in, note: "written back from the words"}
`, map[string]string{"need": `{id: need, version: 1.0.0, system: "https://example.org/need", until: ":", rows: [{partner: interpreter, code: i}]}`})
	got, rec := read(t, m, `{"ref":"x","need":"interpreter: Yoruba"}`)
	if want := `{"resourceType":"Flag","identifier":[{"value":"x"}],"code":{"text":"interpreter: Yoruba","coding":[{"system":"https://example.org/need","code":"i"}]}}`; got != want {
		t.Errorf("got %s", got)
	}
	if back := strings.TrimSpace(m.Write(rec.Bundle).Document); back != `{"ref":"x","need":"interpreter: Yoruba"}` {
		t.Errorf("back %s", back)
	}
}

// TestLink keeps the references between the elements of a document.
func TestLink(t *testing.T) {
	m := own(t, "/ref, /entry", `groups:
  person: {partner: /entry/-, when: [{partner: /entry/-/resource/resourceType, in: [Patient]}], names: [/entry/-/fullUrl]}
  goal: {partner: /entry/-, when: [{partner: /entry/-/resource/resourceType, in: [Goal]}], names: [/entry/-/fullUrl, /entry/-/resource/id]}
  task: {partner: /entry/-, when: [{partner: /entry/-/resource/resourceType, in: [Task]}]}
rules:
  - {id: r, partner: /ref, resource: "Patient:p", fhir: "identifier[0].value"}
  - {id: n, each: person, partner: /entry/-/resource/name, resource: "Patient:p", fhir: "name[0].text"}
  - {id: g, each: goal, partner: /entry/-/resource/text, resource: "Goal:g[*]", fhir: description.text}
  - {id: gi, each: goal, partner: /entry/-/resource/id, loss: the id within the document}
  - {id: gs, each: goal, partner: /entry/-/resource/subject, resource: "Goal:g[*]", fhir: subject, type: link, value: "Patient:p"}
  - {id: t, each: task, partner: /entry/-/resource/text, resource: "Task:t[*]", fhir: description}
  - {id: tf, each: task, partner: /entry/-/resource/focus, resource: "Task:t[*]", fhir: focus, type: link, value: "Goal:g[*]"}
`, nil)
	const doc = `{"ref":"x","entry":[
		{"fullUrl":"https://a.example/Patient/1","resource":{"resourceType":"Patient","name":"N"}},
		{"fullUrl":"urn:uuid:1","resource":{"resourceType":"Goal","text":"one","subject":"Patient/1"}},
		{"fullUrl":"urn:uuid:2","resource":{"resourceType":"Goal","id":"7","text":"two","subject":"https://a.example/Patient/1"}},
		{"resource":{"resourceType":"Task","text":"t1","focus":"Goal/7"}},
		{"resource":{"resourceType":"Task","text":"t2","focus":"urn:uuid:1"}},
		{"resource":{"resourceType":"Task","text":"t3","focus":"Goal/8"}},
		{"resource":{"resourceType":"Task","text":"t4","focus":"Patient/7"}}]}`
	_, rec := read(t, m, doc)
	if got := losses(rec.Losses); got != "gi@/entry/2/resource/id residue@/entry/5/resource/focus residue@/entry/6/resource/focus" {
		t.Errorf("losses %s", got)
	}
	w := m.Write(rec.Bundle)
	if len(w.Losses) > 0 {
		t.Errorf("losses back %v", w.Losses)
	}
	_, again := read(t, m, w.Document)
	if string(again.Bundle) != string(rec.Bundle) {
		t.Errorf("in(out(in)) differs:\n%s\n%s\n%s", rec.Bundle, w.Document, again.Bundle)
	}
	if strings.Count(string(rec.Bundle), `"focus"`) != 2 || strings.Count(w.Document, `"subject"`) != 2 {
		t.Errorf("references are missing:\n%s\n%s", rec.Bundle, w.Document)
	}
}

// TestNested keeps which element lies in which by the references between their
// resources.
func TestNested(t *testing.T) {
	m := own(t, "/ref, /needs", `groups:
  need: {partner: /needs/-, all: true}
  goal: {partner: /needs/-/goals/-, in: need, all: true}
  action: {partner: /needs/-/goals/-/actions/-, in: goal}
rules:
  - {id: r, partner: /ref, resource: "CarePlan:c", fhir: "identifier[0].value"}
  - {id: n, each: need, partner: /needs/-/text, resource: "Condition:n[*]", fhir: code.text}
  - {id: g, each: goal, partner: /needs/-/goals/-/text, resource: "Goal:g[*]", fhir: description.text}
  - {id: ga, each: goal, resource: "Goal:g[*]", fhir: "addresses[0]", type: reference, value: "Condition:n[*]"}
  - {id: a, each: action, partner: /needs/-/goals/-/actions/-/text, resource: "CarePlan:c", fhir: "activity[*].detail.description"}
  - {id: ag, each: action, resource: "CarePlan:c", fhir: "activity[*].detail.goal[0]", type: reference, value: "Goal:g[*]"}
  - {id: ca, each: need, resource: "CarePlan:c", fhir: "addresses[*]", type: reference, value: "Condition:n[*]"}
`, nil)
	const doc = `{"ref":"x","needs":[{"text":"n1","goals":[{"text":"g1","actions":[{"text":"a1"},{"text":"a2"}]},{"text":"g2"}]},{"text":"n2","goals":[{"text":"g3","actions":[{"text":"a3"}]}]}]}`
	_, rec := read(t, m, doc)
	if len(rec.Losses) > 0 {
		t.Errorf("losses %v", rec.Losses)
	}
	w := m.Write(rec.Bundle)
	if got := strings.TrimSpace(w.Document); got != doc || len(w.Losses) > 0 {
		t.Errorf("back\n%s\nwant\n%s\nlosses %v", got, doc, w.Losses)
	}
}

// TestSharedReference holds that a list that points to resources of several
// meanings does not make one of the other.
func TestSharedReference(t *testing.T) {
	m := own(t, "/ref, /a, /b", `rules:
  - {id: r, partner: /ref, resource: "ServiceRequest:s", fhir: "identifier[0].value"}
  - {id: aq, resource: "QuestionnaireResponse:a", fhir: questionnaire, value: "https://example.org/a"}
  - {id: a, partner: /a, resource: "QuestionnaireResponse:a", fhir: "item[0].text"}
  - {id: as, resource: "ServiceRequest:s", fhir: "supportingInfo[0]", type: reference, value: "QuestionnaireResponse:a"}
  - {id: bq, resource: "QuestionnaireResponse:b", fhir: questionnaire, value: "https://example.org/b"}
  - {id: b, partner: /b, resource: "QuestionnaireResponse:b", fhir: "item[0].text"}
  - {id: bs, resource: "ServiceRequest:s", fhir: "supportingInfo[1]", type: reference, value: "QuestionnaireResponse:b"}
`, nil)
	for _, doc := range []string{`{"ref":"x","b":"two"}`, `{"ref":"x","a":"one"}`, `{"ref":"x","a":"one","b":"two"}`} {
		if got := trip(t, m, doc); got != doc {
			t.Errorf("%s came back as %s", doc, got)
		}
	}
}
