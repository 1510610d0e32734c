package mapping_test

import (
	"strings"
	"testing"
)

const rawRules = `groups:
  person: {partner: /people/-}
rules:
  - {id: r, partner: /ref, resource: "Patient:p", fhir: "identifier[0].value"}
  - {id: u, resource: "Patient:p", fhir: "extension[o].url", value: "https://example.org/o"}
  - {id: o, partner: /old, resource: "Patient:p", fhir: "extension[o].valueString", type: raw, loss: kept as text only}
  - {id: x, each: person, partner: /people/-, resource: "RelatedPerson:x[*]", fhir: "name[0].text", type: raw, loss: kept as text only}
  - {id: t, partner: /tags, type: raw, loss: nobody needs the tags}
  - {id: f, resource: "Patient:p", fhir: active, value: true, when: [{partner: /flag, present: true}]}
  - {id: g, partner: /flag, type: raw, loss: only whether it is there}
`

// TestRaw keeps subtrees as JSON text, and writes them back.
func TestRaw(t *testing.T) {
	m := mustBuild(t, rawRules)
	tests := []struct{ name, in, want, back, losses string }{
		{"object", `{"ref":"a","old":{"b":[1,2.50,"x"],"c":{"d":true,"e":[["q"],["r","s"]]}}}`,
			`{"resourceType":"Patient","identifier":[{"value":"a"}],"extension":[{"url":"https://example.org/o","valueString":"{\"b\":[1,2.50,\"x\"],\"c\":{\"d\":true,\"e\":[[\"q\"],[\"r\",\"s\"]]}}"}]}`,
			`{"ref":"a","old":{"b":[1,2.50,"x"],"c":{"d":true,"e":[["q"],["r","s"]]}}}`, "o@/old"},
		{"list of one", `{"ref":"a","old":[{"b":"c"}]}`,
			`{"resourceType":"Patient","identifier":[{"value":"a"}],"extension":[{"url":"https://example.org/o","valueString":"[{\"b\":\"c\"}]"}]}`,
			`{"ref":"a","old":[{"b":"c"}]}`, "o@/old/0"},
		{"text", `{"ref":"a","old":"b"}`,
			`{"resourceType":"Patient","identifier":[{"value":"a"}],"extension":[{"url":"https://example.org/o","valueString":"\"b\""}]}`,
			`{"ref":"a","old":"b"}`, "o@/old"},
		{"nothing below", `{"ref":"a","old":{"b":[],"c":""}}`, `{"resourceType":"Patient","identifier":[{"value":"a"}]}`, `{"ref":"a"}`, ""},
		{"elements", `{"ref":"a","people":[{"n":1},"z"]}`,
			`{"resourceType":"Patient","identifier":[{"value":"a"}]}
{"resourceType":"RelatedPerson","name":[{"text":"{\"n\":1}"}]}
{"resourceType":"RelatedPerson","name":[{"text":"\"z\""}]}`, `{"ref":"a","people":[{"n":1},"z"]}`, "x@/people/0 x@/people/1"},
		{"dropped", `{"ref":"a","tags":[{"b":1},{"b":2}]}`, `{"resourceType":"Patient","identifier":[{"value":"a"}]}`, `{"ref":"a"}`, "t@/tags/0"},
		{"asked", `{"ref":"a","flag":{"b":{"c":"d"}}}`, `{"resourceType":"Patient","identifier":[{"value":"a"}],"active":true}`, `{"ref":"a"}`, "g@/flag"},
	}
	for _, tt := range tests {
		got, rec := read(t, m, tt.in)
		if got != tt.want || losses(rec.Losses) != tt.losses {
			t.Errorf("%s:\n%s\nlosses %s", tt.name, got, losses(rec.Losses))
			continue
		}
		if w := m.Write(rec.Bundle); strings.TrimSpace(w.Document) != tt.back {
			t.Errorf("%s: back %s, want %s (%v)", tt.name, w.Document, tt.back, w.Losses)
		}
	}
}

// TestRawOfOthers holds that text that is no JSON value is not written as one.
func TestRawOfOthers(t *testing.T) {
	m := mustBuild(t, rawRules)
	w := m.Write([]byte(`{"resourceType":"Patient","identifier":[{"value":"a"}],"extension":[{"url":"https://example.org/o","valueString":"{not json"}]}`))
	if w.Document != "{\"ref\":\"a\"}\n" || losses(w.Losses) != "residue@Patient.extension[0].valueString" {
		t.Errorf("%q, losses %s", w.Document, losses(w.Losses))
	}
}
