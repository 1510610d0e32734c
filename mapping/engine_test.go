package mapping_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"trellis.example/fhir"
	"trellis.example/mapping"
	"trellis.example/mapping/codec"
	"trellis.example/mapping/codec/csv"
	jsoncodec "trellis.example/mapping/codec/json"
)

const header = `
id: test
version: 1.0.0
partner: a test
status: active
codec: json
media_types: [application/json]
senders: [sandbox]
key: [/ref]
fields: [/ref, /name, /dob, /tags, /people, /old, /flag]
`

const testTable = `
id: level
version: 1.0.0
system: https://example.org/level
ignore_case: true
rows:
  - {partner: High, code: h}
  - {partner: Top, code: h, reverse: false, loss: top and high become one}
  - {partner: Low, code: l}
`

// library knows the codec json.
func library() mapping.Library {
	return mapping.Library{Codecs: map[string]codec.Syntax{"json": jsoncodec.Syntax{}, "csv": csv.Syntax{}}}
}

// build compiles a map of header and rules.
func build(rules string) (*mapping.Map, error) {
	return mapping.Compile(fstest.MapFS{
		"map.yaml":          {Data: []byte(header + rules)},
		"tables/level.yaml": {Data: []byte(testTable)},
	}, library())
}

func mustBuild(t *testing.T, rules string) *mapping.Map {
	t.Helper()
	m, err := build(rules)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// read maps one document and returns the resources, one per line.
func read(t *testing.T, m *mapping.Map, doc string) (string, mapping.Record) {
	t.Helper()
	res := m.Read([]byte(doc))
	if len(res.Records) != 1 {
		t.Fatalf("%d records, faults %v", len(res.Records), res.Faults)
	}
	var bundle struct {
		Entry []struct{ Resource json.RawMessage }
	}
	if b := res.Records[0].Bundle; b != nil {
		if err := json.Unmarshal(b, &bundle); err != nil {
			t.Fatal(err)
		}
	}
	var lines []string
	for _, e := range bundle.Entry {
		lines = append(lines, string(e.Resource))
	}
	return strings.Join(lines, "\n"), res.Records[0]
}

// losses renders losses as "rule@source".
func losses(list []mapping.Loss) string {
	var out []string
	for _, l := range list {
		out = append(out, l.Rule+"@"+l.Source)
	}
	return strings.Join(out, " ")
}

func faults(list []fhir.Issue) string {
	var out []string
	for _, is := range list {
		out = append(out, is.Rule+"@"+is.Source+"="+is.Expression)
	}
	return strings.Join(out, " ")
}

// TestIn maps documents with small maps.
func TestIn(t *testing.T) {
	const patient = `  - {id: ref, partner: /ref, resource: "Patient:p", fhir: "identifier[0].value"}
`
	tests := []struct{ name, rules, in, want, losses, faults string }{
		{"text", "rules:\n" + patient, `{"ref":" a "}`,
			`{"resourceType":"Patient","identifier":[{"value":"a"}]}`, "", ""},
		{"residue", "rules:\n" + patient, `{"ref":"a","other":{"x":[1,true,null]},"name":""}`,
			`{"resourceType":"Patient","identifier":[{"value":"a"}]}`, "residue@/other/x/0 residue@/other/x/1", ""},
		{"drop", "rules:\n" + patient + `  - {id: gone, partner: /old, loss: nobody needs it}`, `{"ref":"a","old":"b"}`,
			`{"resourceType":"Patient","identifier":[{"value":"a"}]}`, "gone@/old", ""},
		{"default", "rules:\n" + patient + `  - {id: d, partner: /flag, resource: "Patient:p", fhir: active, type: boolean, default: "yes", note: agreed}`, `{"ref":"a"}`,
			`{"resourceType":"Patient","identifier":[{"value":"a"}],"active":true}`, "d@/flag", ""},
		{"constants need company", `rules:
  - {id: s, resource: "Patient:p", fhir: "identifier[n].system", value: "urn:n"}
  - {id: n, partner: /ref, resource: "Patient:p", fhir: "identifier[n].value"}
  - {id: f, partner: /name, resource: "Patient:p", fhir: "name[0].family"}
  - {id: c, resource: "Patient:p", fhir: "maritalStatus.text", value: unasked}
`, `{"name":"b"}`, `{"resourceType":"Patient","name":[{"family":"b"}],"maritalStatus":{"text":"unasked"}}`, "", ""},
		{"a constant element stays beside one that got nothing", `rules:
  - {id: r, partner: /ref, resource: "Patient:p", fhir: language}
  - {id: c, resource: "Patient:p", fhir: "name[0].text", value: always}
  - {id: u, resource: "Patient:p", fhir: "name[1].use", value: old}
  - {id: n, partner: /name, resource: "Patient:p", fhir: "name[1].text"}
`, `{"ref":"en"}`, `{"resourceType":"Patient","language":"en","name":[{"text":"always"}]}`, "", ""},
		{"first rule that applies wins", `rules:
  - {id: a, partner: /name, resource: "Patient:p", fhir: gender, type: code, when: [{partner: /flag, in: [x, y]}]}
  - {id: b, resource: "Patient:p", fhir: gender, value: other, when: [{partner: /flag, not: [z]}]}
  - {id: r, partner: /ref, resource: "Patient:p", fhir: language}
`, `{"ref":"en","name":"male","flag":"Y"}`, `{"resourceType":"Patient","gender":"male","language":"en"}`, "", ""},
		{"groups nest", `groups:
  person: {partner: /people/-}
  phone: {partner: /people/-/phones/-, in: person}
rules:
  - {id: n, each: person, partner: /people/-/name, resource: "RelatedPerson:p[*]", fhir: "name[0].text"}
  - {id: t, each: phone, partner: /people/-/phones/-, resource: "RelatedPerson:p[*]", fhir: "telecom[*].value"}
  - {id: ts, each: phone, resource: "RelatedPerson:p[*]", fhir: "telecom[*].system", value: phone}
`, `{"people":[{"name":"a","phones":["1","2"]},{"name":"b"},{"phones":["3"]}]}`,
			`{"resourceType":"RelatedPerson","name":[{"text":"a"}],"telecom":[{"value":"1","system":"phone"},{"value":"2","system":"phone"}]}
{"resourceType":"RelatedPerson","name":[{"text":"b"}]}
{"resourceType":"RelatedPerson","telecom":[{"value":"3","system":"phone"}]}`, "", ""},
		{"group without a star: the first wins, the others are residue", `groups:
  person: {partner: /people/-, when: [{partner: /people/-/role, in: [gp]}]}
rules:
  - {id: n, each: person, partner: /people/-/name, resource: "Practitioner:gp", fhir: "name[0].text"}
`, `{"people":[{"role":"kin","name":"k"},{"role":"gp","name":"a"},{"role":"gp","name":"b"}]}`,
			`{"resourceType":"Practitioner","name":[{"text":"a"}]}`, "residue@/people/0/role residue@/people/0/name residue@/people/2/name", ""},
		{"split", `groups:
  tag: {partner: /tags, split: ";"}
rules:
  - {id: r, partner: /ref, resource: "ServiceRequest:s", fhir: "identifier[0].value"}
  - {id: c, each: tag, resource: "ServiceRequest:s", fhir: "reasonReference[*]", type: reference, value: "Condition:c[*]"}
  - {id: t, each: tag, partner: /tags, resource: "Condition:c[*]", fhir: code.text}
`, `{"tags":"a; b;;"}`, `{"resourceType":"Condition","code":{"text":"a"}}
{"resourceType":"Condition","code":{"text":"b"}}`, "", ""},
		{"all faults at once", `rules:
  - {id: r, partner: /ref, resource: "Patient:p", fhir: "identifier[0].value", required: true}
  - {id: n, partner: /name, resource: "Patient:p", fhir: "identifier[1].value", type: nhsnumber}
  - {id: d, partner: /dob, resource: "Patient:p", fhir: birthDate, type: date}
  - {id: f, partner: /flag, resource: "Patient:p", fhir: gender, type: code, table: level}
`, `{"name":"1234567890","dob":"1990-02-30","flag":"middling"}`, "", "",
			"r@/ref=Patient.identifier[0].value n@/name=Patient.identifier[1].value d@/dob=Patient.birthDate f@/flag=Patient.gender"},
		{"row loss", "rules:\n" + patient + `  - {id: l, partner: /flag, resource: "Patient:p", fhir: "maritalStatus.coding[0]", type: coding, table: level}`, `{"ref":"a","flag":"TOP"}`,
			`{"resourceType":"Patient","identifier":[{"value":"a"}],"maritalStatus":{"coding":[{"system":"https://example.org/level","code":"h"}]}}`, "l@/flag", ""},
		{"first source", `rules:
  - {id: n, sources: [/name, /old], resource: "Patient:p", fhir: "name[0].text"}`, `{"old":"o","name":"n"}`,
			`{"resourceType":"Patient","name":[{"text":"n"}]}`, "residue@/old", ""},
		{"join", `rules:
  - {id: n, sources: [/name, /old], type: join, dir: in, note: cannot be parted, resource: "Patient:p", fhir: "name[0].text"}`, `{"old":"o","name":"n"}`,
			`{"resourceType":"Patient","name":[{"text":"n\no"}]}`, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, rec := read(t, mustBuild(t, tt.rules), tt.in)
			if got != tt.want {
				t.Errorf("resources\n got %s\nwant %s", got, tt.want)
			}
			if l := losses(rec.Losses); l != tt.losses {
				t.Errorf("losses %q, want %q", l, tt.losses)
			}
			if f := faults(rec.Faults); f != tt.faults {
				t.Errorf("faults %q, want %q", f, tt.faults)
			}
		})
	}
}

const bothWays = `groups:
  person: {partner: /people/-, when: [{partner: /people/-/role, in: [kin]}]}
  phone: {partner: /people/-/phones/-, in: person}
  tag: {partner: /tags, split: ";"}
rules:
  - {id: r, partner: /ref, resource: "ServiceRequest:s", fhir: "identifier[n].value", required: true}
  - {id: rs, resource: "ServiceRequest:s", fhir: "identifier[n].system", value: "urn:n"}
  - {id: st, resource: "ServiceRequest:s", fhir: status, value: active}
  - {id: o, partner: /old, resource: "ServiceRequest:s", fhir: "note[o].text", type: headed, value: Old}
  - {id: su, resource: "ServiceRequest:s", fhir: subject, type: reference, value: "Patient:p"}
  - {id: c, each: tag, resource: "ServiceRequest:s", fhir: "reasonReference[*]", type: reference, value: "Condition:c[*]"}
  - {id: n, partner: /name, resource: "Patient:p", fhir: "name[0].family"}
  - {id: d, partner: /dob, resource: "Patient:p", fhir: birthDate, type: ukdate}
  - {id: f, partner: /flag, resource: "Patient:p", fhir: active, type: boolean}
  - {id: t, each: tag, partner: /tags, resource: "Condition:c[*]", fhir: code.text}
  - {id: k, each: person, partner: /people/-/name, resource: "Patient:p", fhir: "contact[*].name.text"}
  - {id: kp, each: phone, partner: /people/-/phones/-, resource: "Patient:p", fhir: "contact[*].telecom[*].value", type: phone}
`

// TestOut writes documents back.
func TestOut(t *testing.T) {
	m := mustBuild(t, bothWays)
	const doc = `{"ref":"R","name":"N","dob":"01/02/1990","tags":"a;b","people":[{"name":"K","phones":["111","222"],"role":"kin"},{"name":"L","role":"kin"}],"old":"x","flag":true}`
	_, rec := read(t, m, doc)
	w := m.Write(rec.Bundle)
	if strings.TrimSpace(w.Document) != doc || len(w.Losses)+len(w.Faults) > 0 {
		t.Errorf("wrote %s\nlosses %v, faults %v", w.Document, w.Losses, w.Faults)
	}
}

// TestOutForeign writes a document that this map did not make.
func TestOutForeign(t *testing.T) {
	m := mustBuild(t, bothWays)
	in := `{"resourceType":"Bundle","type":"collection","entry":[
	{"fullUrl":"https://x.example/fhir/Patient/1","resource":{"resourceType":"Patient","id":"1","meta":{"versionId":"3","security":[{"code":"R"}]},"name":[{"family":"N","given":["G"]},{"family":"Second"}],"birthDate":"1990-02"}},
	{"fullUrl":"https://x.example/fhir/ServiceRequest/2","resource":{"resourceType":"ServiceRequest","id":"2","status":"draft","identifier":[{"system":"urn:else","value":"E"},{"system":"urn:n","value":"R"}],"note":[{"text":"free"},{"text":"Old: y"}],"subject":{"reference":"Patient/1/_history/3"}}},
	{"resource":{"resourceType":"Observation","status":"final"}}]}`
	w := m.Write([]byte(in))
	if want := `{"ref":"R","name":"N","old":"y"}`; strings.TrimSpace(w.Document) != want {
		t.Errorf("wrote %s, want %s (faults %v)", w.Document, want, w.Faults)
	}
	want := []string{
		"Bundle.entry[0].resource.meta.security[0].code", "Bundle.entry[0].resource.name[0].given[0]", "Bundle.entry[0].resource.name[1].family", "Bundle.entry[0].resource.birthDate",
		"Bundle.entry[1].resource.status", "Bundle.entry[1].resource.identifier[0].system", "Bundle.entry[1].resource.identifier[0].value", "Bundle.entry[1].resource.note[0].text",
		"Bundle.entry[2].resource.status",
	}
	var got []string
	for _, l := range w.Losses {
		got = append(got, l.Source)
	}
	if !slices.Equal(got, want) {
		t.Errorf("losses\n got %q\nwant %q", got, want)
	}
}

// TestOutFaults refuses what the partner's format cannot do without.
func TestOutFaults(t *testing.T) {
	m := mustBuild(t, bothWays)
	w := m.Write([]byte(`{"resourceType":"ServiceRequest","status":"active"}`))
	if f := faults(w.Faults); w.Document != "" || f != "r@=ServiceRequest.identifier.value" {
		t.Errorf("document %q, faults %q", w.Document, f)
	}
	if w := m.Write([]byte(`{"resourceType":"ServiceRequest","status":"active",}`)); len(w.Faults) != 1 {
		t.Errorf("bad JSON: %v", w.Faults)
	}
}

// TestBatch holds that a bad record does not block good ones.
func TestBatch(t *testing.T) {
	m := mustBuild(t, bothWays)
	res := m.Read([]byte(`[{"ref":"1"},{"name":"x"},7,{"ref":"4"}]`))
	var got []bool
	for _, r := range res.Records {
		got = append(got, !r.Refused())
	}
	if !slices.Equal(got, []bool{true, false, false, true}) || res.Accepted() {
		t.Errorf("accepted %v, whole %t", got, res.Accepted())
	}
	if f := faults(res.Records[1].Faults); f != "r@row 2, /ref=ServiceRequest.identifier.value" {
		t.Errorf("faults %q", f)
	}
}

// TestSameBytes holds that fullUrls follow the key, and places lie inside the
// bundle.
func TestSameBytes(t *testing.T) {
	m := mustBuild(t, bothWays)
	a, ra := read(t, m, `{"ref":"1","name":"x"}`)
	b, rb := read(t, m, `{"ref":"1","name":"x"}`)
	_, rc := read(t, m, `{"ref":"2","name":"x"}`)
	if a != b || string(ra.Bundle) != string(rb.Bundle) || string(ra.Bundle) == string(rc.Bundle) {
		t.Error("the bundle does not follow the key")
	}
	if got := ra.Places.Source("Bundle.entry[1].resource.name[0].family"); got != "/name" || ra.Places.Len() != 2 {
		t.Errorf("places %v", ra.Places)
	}
}
