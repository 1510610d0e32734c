package profiles

import (
	"os"
	"slices"
	"strings"
	"testing"

	"trellis.example/fhir"
)

// TestProfilesAreValid validates our StructureDefinitions against R4 itself.
func TestProfilesAreValid(t *testing.T) {
	v := newValidator(t)
	var urls []string
	for _, p := range v.Profiles() {
		urls = append(urls, p.URL)
		if got := faults(t, v, string(p.JSON), Options{}); len(got) > 0 {
			t.Errorf("%s: %v", p.URL, got)
		}
		if p.URL == "" || p.Type == "" || p.Version == "" || p.Title == "" || !v.Knows(p.URL) || !v.Knows(p.URL+"|"+p.Version) || v.Knows(p.URL+"|0") {
			t.Errorf("incomplete: %s %s %s %s", p.URL, p.Type, p.Version, p.Title)
		}
	}
	if len(urls) < 50 || !slices.IsSorted(urls) {
		t.Errorf("%d profiles: %v", len(urls), urls)
	}
	readme, err := os.ReadFile("data/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range urls {
		if name := strings.TrimPrefix(u, Base); !strings.Contains(string(readme), "| "+name+" |") {
			t.Errorf("data/README.md has no line for %s", name)
		}
	}
}

// TestDataCompiles holds that every definition that comes with the package is
// valid R4, has a snapshot and compiles, without help from outside package path.
func TestDataCompiles(t *testing.T) {
	v := newValidator(t)
	for _, d := range v.shelf.list {
		for _, is := range v.Validate(d.source, Options{BaseOnly: true}) {
			if is.IsError() {
				t.Errorf("%s|%s: %s: %s", d.URL, d.Version, is.Expression, is.Text)
			}
		}
		p, err := v.compile(d)
		if err != nil {
			t.Errorf("%s|%s: %v", d.URL, d.Version, err)
			continue
		}
		if d.Type == "Extension" && (p.extension == nil || len(p.extension.contexts) == 0) {
			t.Errorf("%s has no context", d.URL)
		}
		p.root.each(func(k *check) {
			for _, r := range k.rules {
				if r.path == nil {
					t.Errorf("%s: %s needs the general evaluator", k.line, r.key)
				}
			}
		})
	}
}

// each calls f with a check and all below it.
func (k *check) each(f func(*check)) {
	if k == nil {
		return
	}
	f(k)
	for _, c := range k.children {
		c.each(f)
	}
	if k.slicing == nil {
		return
	}
	for _, s := range k.slicing.slices {
		s.check.each(f)
	}
}

func TestOurProfiles(t *testing.T) {
	const sr = `{"resourceType":"ServiceRequest","status":"active","intent":"order","subject":{"reference":"Patient/1"},"authoredOn":"2026-01-01","requester":{"reference":"Organization/1"},"code":{"text":"x"}`
	const person = `{"resourceType":"Patient","name":[{"family":"A","given":["B"]}],"birthDate":"1980","generalPractitioner":[{"reference":"Organization/1"}]`
	tests := []struct{ doc, want string }{
		{sr + `,"performer":[{"reference":"HealthcareService/1"}]}`, ""},
		{sr + `}`, "~prsb-referral-to@ServiceRequest"},
		{strings.Replace(sr, "Patient/1", "Group/1", 1) + `,"performer":[{"reference":"HealthcareService/1"}]}`, "reference-target@ServiceRequest.subject"},
		{`{"resourceType":"ServiceRequest","status":"active","intent":"order","subject":{"reference":"Patient/1"}}`,
			"tr-request-authored@ServiceRequest tr-request-requester@ServiceRequest tr-request-code@ServiceRequest ~prsb-referral-to@ServiceRequest"},
		{`{"resourceType":"ServiceRequest","status":"draft","intent":"order","subject":{"reference":"Patient/1"}}`, ""},
		{person + `}`, ""},
		{`{"resourceType":"Patient"}`, "~prsb-person-name@Patient ~prsb-birth-date@Patient ~prsb-gp-practice@Patient"},
		{person + `,"identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number"}]}`, "Patient#Patient.identifier:nhsNumber.value@Patient.identifier[0].value"},
		{person + `,"identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number","_value":{"extension":[{"url":"http://a","valueCode":"masked"}]}},{"system":"http://other"}]}`, ""},
		{person + `,"meta":{"profile":["https://fhir.hl7.org.uk/StructureDefinition/UKCore-Patient"]}}`, "~unknown-profile@Patient.meta.profile[0]"},
		{person + `,"meta":{"profile":["http://hl7.org/fhir/StructureDefinition/Patient"]}}`, ""},
		{person + `,"meta":{"profile":["` + Base + `Task"]}}`, "profile-type@Patient.meta.profile[0]"},
		{person + `,"modifierExtension":[{"url":"http://x","valueString":"a"}]}`, "modifier-extension@Patient.modifierExtension[0]"},
		{person + `,"maritalStatus":{"coding":[{"system":"http://snomed.info/sct","code":"73211008"}]}}`, "snomed@Patient.maritalStatus.coding[0].code ~binding@Patient.maritalStatus"},
		{person + `,"maritalStatus":{"coding":[{"system":"http://snomed.info/sct","code":"73211009:246090004=300798006"}]}}`, "~binding@Patient.maritalStatus"},
		{`{"resourceType":"Task","status":"rejected","intent":"order","code":{"coding":[{"system":"http://hl7.org/fhir/CodeSystem/task-code","code":"fulfill"}]}}`, "tr-task-focus@Task ~tr-task-reason@Task"},
		{`{"resourceType":"Task","status":"requested","intent":"order","focus":{"reference":"ServiceRequest/1"}}`, ""},
		{`{"resourceType":"Consent","status":"active","scope":{"text":"x"},"category":[{"text":"x"}],"policyRule":{"text":"x"}}`, "~tr-consent-date@Consent Consent#Consent.patient@Consent.patient"},
		{`{"resourceType":"Organization","name":"x","identifier":[{"system":"https://fhir.nhs.uk/Id/ods-organization-code","value":"a1 2"}]}`, "tr-ods-code@Organization.identifier[0].value"},
		{`{"resourceType":"Organization","name":"x","identifier":[{"system":"https://fhir.nhs.uk/Id/ods-organization-code","value":"A81001"},{"system":"http://x","value":"a1 2"}]}`, ""},
		{`{"resourceType":"Location","mode":"instance"}`, "tr-location-named@Location"},
		{`{"resourceType":"Practitioner","active":true}`, "tr-practitioner-named@Practitioner"},
		{`{"resourceType":"PractitionerRole","active":true}`, "~tr-role-who@PractitionerRole"},
		{`{"resourceType":"HealthcareService","active":true}`, "tr-service-named@HealthcareService"},
		{`{"resourceType":"QuestionnaireResponse","status":"completed"}`, "tr-answers-complete@QuestionnaireResponse"},
		{`{"resourceType":"QuestionnaireResponse","status":"in-progress"}`, ""},
		{`{"resourceType":"CarePlan","status":"active","intent":"plan","subject":{"reference":"Patient/1"},"activity":[{"extension":[{"url":"https://trellis.example/fhir/StructureDefinition/activity-confidence","valueInteger":11}],"reference":{"display":"x"}}]}`, "tr-activity-confidence@CarePlan.activity[0]"},
		{`{"resourceType":"CarePlan","status":"active","intent":"plan","subject":{"reference":"Patient/1"},"activity":[{"extension":[{"url":"https://trellis.example/fhir/StructureDefinition/activity-confidence","valueInteger":10}],"reference":{"display":"x"}}]}`, ""},
		{`{"resourceType":"CarePlan","status":"active","intent":"plan","subject":{"reference":"Patient/1"}}`, "~tr-plan-content@CarePlan"},
	}
	v := newValidator(t)
	for _, tt := range tests {
		if got := strings.Join(faults(t, v, tt.doc, Options{}), " "); got != tt.want {
			t.Errorf("%s\n got %q\nwant %q", tt.doc, got, tt.want)
		}
	}
}

func TestOptions(t *testing.T) {
	v := newValidator(t)
	const bare = `{"resourceType":"ServiceRequest","status":"active","intent":"order","subject":{"reference":"Patient/1"}`
	claim := bare + `,"meta":{"profile":["` + Strict + `|1.0.0"]}}`
	tests := []struct {
		name, doc string
		o         Options
		want      string
	}{
		{"base only", bare + `}`, Options{BaseOnly: true}, ""},
		{"a claim counts in the sandbox, with what it builds on", claim, Options{BaseOnly: true},
			"tr-request-authored tr-request-requester tr-request-code prsb-referral-to prsb-referrer"},
		{"strict beats our default's warning", claim, Options{}, "tr-request-authored tr-request-requester tr-request-code prsb-referral-to prsb-referrer"},
		{"a partner's agreement, with what the profile builds on", bare + `}`, Options{BaseOnly: true, Profiles: []string{Strict + "|1.0.0"}},
			"tr-request-authored tr-request-requester tr-request-code prsb-referral-to prsb-referrer"},
		{"of another type", bare + `}`, Options{BaseOnly: true, Profiles: []string{StrictBundle}}, ""},
	}
	for _, tt := range tests {
		var got []string
		for _, f := range faults(t, v, tt.doc, tt.o) {
			rule, _, _ := strings.Cut(f, "@")
			got = append(got, rule)
		}
		if g := strings.Join(got, " "); g != tt.want {
			t.Errorf("%s:\n got %q\nwant %q", tt.name, g, tt.want)
		}
	}
}

// definitionOf writes a StructureDefinition of a user with a differential.
func definitionOf(tb testing.TB, name, typ, base string, elements ...string) fhir.Resource {
	tb.Helper()
	if base == "" {
		base = r4Base + typ
	}
	r, err := fhir.Decode([]byte(`{"resourceType":"StructureDefinition","url":"http://a.example/` + name + `","version":"1.0.0","name":"X","status":"active",` +
		`"kind":"resource","abstract":false,"type":"` + typ + `","baseDefinition":"` + base + `","derivation":"constraint",` +
		`"differential":{"element":[` + strings.Join(elements, ",") + `]}}`))
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// TestProfileRefused checks that a profile which asks for what cannot be checked
// is refused, with its element, rather than half applied.
func TestProfileRefused(t *testing.T) {
	tests := []struct{ element, names string }{
		{`{"id":"Patient.colour.shade","path":"Patient.colour.shade","min":1}`, "Patient.colour"},
		{`{"id":"Patient.name","path":"Patient.name","constraint":[{"key":"x","severity":"error","human":"x","expression":"name.unknownFunction("}]}`, "Patient.name"},
	}
	for _, tt := range tests {
		_, err := NewWith(definitionOf(t, "p", "Patient", "", tt.element))
		if err == nil || !strings.Contains(err.Error(), tt.names) {
			t.Errorf("%s: %v", tt.element, err)
		}
	}
}

// TestFixedAndPattern covers what the profiles of ours do not use together.
func TestFixedAndPattern(t *testing.T) {
	v, err := NewWith(definitionOf(t, "p", "Patient", "",
		`{"id":"Patient.gender","path":"Patient.gender","fixedCode":"female"}`,
		`{"id":"Patient.telecom","path":"Patient.telecom","max":"1"}`,
		`{"id":"Patient.maritalStatus","path":"Patient.maritalStatus","patternCodeableConcept":{"coding":[{"system":"http://x","code":"m"}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ doc, want string }{
		{`{"resourceType":"Patient","gender":"female","maritalStatus":{"coding":[{"code":"z"},{"system":"http://x","code":"m","display":"d"}]}}`, ""},
		{`{"resourceType":"Patient","gender":"male","maritalStatus":{"coding":[{"system":"http://x"}]},"telecom":[{"value":"1"},{"value":"2"}]}`,
			"p#Patient.telecom@Patient.telecom p#Patient.gender@Patient.gender p#Patient.maritalStatus@Patient.maritalStatus"},
	}
	for _, tt := range tests {
		var got []string
		for _, f := range faults(t, v, tt.doc, Options{BaseOnly: true, Profiles: []string{"http://a.example/p"}}) {
			if strings.HasPrefix(f, "p#") {
				got = append(got, f)
			}
		}
		if g := strings.Join(got, " "); g != tt.want {
			t.Errorf("%s: got %q, want %q", tt.doc, g, tt.want)
		}
	}
}
