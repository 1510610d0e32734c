package schema

import (
	"encoding/json"
	"testing"

	"trellis.example/fhir/definitions"
	"trellis.example/profiles/snapshot"
)

func TestTranslate(t *testing.T) {
	tests := []struct{ table, expression, want string }{
		{"ServiceRequest", "status = 'active' implies authoredOn.exists()",
			`{"anyOf":[{"properties":{"status":{"not":{"const":"active"}}}},{"required":["authoredOn"]},{"required":["_authoredOn"]}]}`},
		{"ServiceRequest", "requester.exists()", `{"required":["requester"]}`},
		{"ServiceRequest", "occurrence.empty()",
			`{"not":{"anyOf":[{"required":["occurrenceDateTime"]},{"required":["_occurrenceDateTime"]},{"required":["occurrencePeriod"]},{"required":["occurrenceTiming"]}]}}`},
		{"ServiceRequest", "(code.exists() and category.exists()).not()", `{"anyOf":[{"not":{"required":["code"]}},{"not":{"required":["category"]}}]}`},
		{"ServiceRequest", "intent in ('order' | 'plan')", `{"properties":{"intent":{"enum":["order","plan"]}}}`},
		{"ServiceRequest", "category.coding.where(code = 'x').exists()",
			`{"properties":{"category":{"contains":{"properties":{"coding":{"contains":{"properties":{"code":{"const":"x"}},"required":["code"]}}},"required":["coding"]}}},"required":["category"]}`},
		{"Consent", "provision.type != 'permit'",
			`{"not":{"properties":{"provision":{"properties":{"type":{"const":"permit"}},"required":["type"]}},"required":["provision"]}}`},
		{"Bundle", "entry.resource.ofType(Patient).exists()",
			`{"properties":{"entry":{"contains":{"properties":{"resource":{"properties":{"resourceType":{"const":"Patient"}},"required":["resourceType"]}},"required":["resource"]}}},"required":["entry"]}`},
		{"HealthcareService", "active = true implies telecom.exists()", `{"anyOf":[{"properties":{"active":{"not":{"const":true}}}},{"required":["telecom"]}]}`},
		{"Identifier", "matches('^[A-Z0-9]{3,12}$')", `{"pattern":"^[A-Z0-9]{3,12}$"}`},
		// what cannot be said soundly is not said
		{"Period", "start.hasValue().not() or end.hasValue().not() or (start <= end)", `null`},
		{"ServiceRequest", "category.coding.code = 'x'", `null`},
		{"ServiceRequest", "identifier.where(system.endsWith('x')).exists()", `null`},
		{"ServiceRequest", "nonsense.exists()", `null`},
		{"ServiceRequest", "status = 'a\\'b'", `null`},
		{"ServiceRequest", "status.exists() xor code.exists()", `null`},
		{"ServiceRequest", "status", `null`},
		{"ServiceRequest", "(status.exists()", `null`},
		{"ServiceRequest", "", `null`},
		{"Identifier", `matches('^\\d$')`, `null`},
	}
	for _, tt := range tests {
		got, err := json.Marshal(translate(tt.expression, definitions.R4().Table(tt.table)))
		if err != nil || string(got) != tt.want {
			t.Errorf("%s: %s\n got %s\nwant %s", tt.table, tt.expression, got, tt.want)
		}
	}
}

// TestNames checks that nobody's profile takes the name of one of ours.
func TestNames(t *testing.T) {
	structure := func(url, version string) *snapshot.Structure {
		return &snapshot.Structure{URL: url, Version: version, Type: "Patient", Kind: "resource", Constraint: true,
			Elements: []snapshot.Element{{ID: "Patient", Path: "Patient", Max: -1}}}
	}
	s := New(definitions.R4(), []*snapshot.Structure{
		structure("https://another.example/StructureDefinition/Patient", "9.0.0"), structure(ours+"Patient", "1.0.0"),
		structure(ours+"Patient", "1.1.0"), structure("https://another.example/StructureDefinition/mine", ""),
	}, nil)
	for name, want := range map[string]string{
		"Patient": ours + "Patient|1.1.0", "Patient-1.0.0": ours + "Patient|1.0.0", "Patient-1.1.0": ours + "Patient|1.1.0",
		"Patient-9.0.0": "https://another.example/StructureDefinition/Patient|9.0.0", "mine": "https://another.example/StructureDefinition/mine",
		"r4-Patient": core + "Patient|4.0.1",
	} {
		if got, ok := s.Schema(name); !ok || got.Canonical != want {
			t.Errorf("%s is the schema of %q, want %q", name, got.Canonical, want)
		}
	}
	if _, ok := s.Schema("mine-"); ok || len(s.List()) != 146+5 {
		t.Errorf("%d schemas", len(s.List()))
	}
}

// FuzzTranslate checks that no invariant, a user's least of all, stops the
// schema from being made.
func FuzzTranslate(f *testing.F) {
	f.Add("status = 'active' implies (code.exists() or category.coding.where(code = 'x').exists()).not()")
	f.Add("entry.resource.ofType(")
	f.Add("intent in ('order' |")
	t := definitions.R4().Table("ServiceRequest")
	f.Fuzz(func(test *testing.T, expression string) {
		if _, err := json.Marshal(translate(expression, t)); err != nil {
			test.Error(err)
		}
	})
}
