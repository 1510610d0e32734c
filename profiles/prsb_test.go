package profiles

import (
	"fmt"
	"strings"
	"testing"

	"trellis.example/fhir"
)

// A complete referral by PRSB's rules, in parts that tests take out.
var referralParts = map[string]string{
	"request": `{"resourceType":"ServiceRequest","id":"r","status":"active","intent":"order","subject":{"reference":"urn:uuid:00000000-0000-4000-8000-000000000001"},"requester":{"reference":"PractitionerRole/role"},"performer":[{"reference":"HealthcareService/h"}]%s}`,
	"patient": `{"resourceType":"Patient","name":[{"family":"A","given":["B"]}],"birthDate":"1980-01-01","generalPractitioner":[{"reference":"Organization/gp"}]}`,
	"gp":      `{"resourceType":"Organization","id":"gp","identifier":[{"system":"https://fhir.nhs.uk/Id/ods-organization-code","value":"A81001"}]}`,
	"role":    `{"resourceType":"PractitionerRole","id":"role","practitioner":{"reference":"Practitioner/p"},"organization":{"reference":"Organization/gp"},"code":[{"text":"GP"}],"telecom":[{"system":"phone","value":"1"}]}`,
	"who":     `{"resourceType":"Practitioner","id":"p","name":[{"family":"C"}]}`,
	"risk":    `{"resourceType":"Flag","status":"active","code":{"text":"No known risks"},"subject":{"reference":"Patient/1"}}`,
}

// referralBundle joins the parts, with some replaced ("" takes one out).
func referralBundle(t *testing.T, replace map[string]string, claim string) fhir.Resource {
	t.Helper()
	var entries []string
	for _, name := range []string{"request", "patient", "gp", "role", "who", "risk"} {
		doc := referralParts[name]
		if r, ok := replace[name]; ok {
			doc = r
		}
		if strings.Contains(doc, "%s") {
			doc = fmt.Sprintf(doc, claim)
		}
		full := ""
		if name == "patient" {
			full = `"fullUrl":"urn:uuid:00000000-0000-4000-8000-000000000001",`
		}
		if doc != "" {
			entries = append(entries, "{"+full+`"resource":`+doc+"}")
		}
	}
	b, err := fhir.Decode([]byte(`{"resourceType":"Bundle","type":"collection","entry":[` + strings.Join(entries, ",") + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestReferral(t *testing.T) {
	tests := []struct {
		name    string
		replace map[string]string
		want    string
	}{
		{"complete", nil, ""},
		{"no risk entry", map[string]string{"risk": ""}, "prsb-risk"},
		{"an empty list of risks with its reason", map[string]string{"risk": `{"resourceType":"List","status":"current","mode":"snapshot","title":"Risks","emptyReason":{"coding":[{"code":"nilknown"}]}}`}, ""},
		{"an empty list of risks without a reason", map[string]string{"risk": `{"resourceType":"List","status":"current","mode":"snapshot","title":"Risks"}`}, "prsb-risk"},
		{"a flag that is no risk", map[string]string{"risk": `{"resourceType":"Flag","status":"active","code":{"text":"asterisk"},"category":[{"coding":[{"code":"RA"}]}],"subject":{"display":"x"}}`}, "prsb-risk"},
		{"person unknown", map[string]string{"patient": ""}, "prsb-person-name prsb-birth-date prsb-gp-practice"},
		{"no first name", map[string]string{"patient": `{"resourceType":"Patient","name":[{"family":"A"}],"birthDate":"1980","generalPractitioner":[{"reference":"Organization/gp"}]}`}, "prsb-person-name"},
		{"practice without identifier", map[string]string{"gp": `{"resourceType":"Organization","id":"gp","name":"x"}`}, "prsb-gp-practice"},
		{"practice by identifier only", map[string]string{"patient": `{"resourceType":"Patient","name":[{"family":"A","given":["B"]}],"birthDate":"1980","generalPractitioner":[{"identifier":{"value":"V81999"}}]}`, "gp": ""}, ""},
		{"nobody asks", map[string]string{"request": `{"resourceType":"ServiceRequest","status":"active","intent":"order","subject":{"display":"x"}}`}, "prsb-referrer prsb-referral-to"},
		{"a bare organisation asks", map[string]string{"request": `{"resourceType":"ServiceRequest","status":"active","intent":"order","subject":{"display":"x"},"requester":{"reference":"Organization/gp"},"performer":[{"display":"x"}]}`}, "prsb-referrer-name prsb-referrer-service prsb-referrer-contact"},
		{"the practitioner asks, the role stands beside", map[string]string{"request": `{"resourceType":"ServiceRequest","status":"active","intent":"order","subject":{"display":"x"},"requester":{"reference":"Practitioner/p"},"performer":[{"display":"x"}]}`}, ""},
		{"the person asks", map[string]string{"request": `{"resourceType":"ServiceRequest","status":"active","intent":"order","subject":{"display":"x"},"requester":{"reference":"urn:uuid:00000000-0000-4000-8000-000000000001"},"performer":[{"display":"x"}]}`}, ""},
		{"all of it held elsewhere", map[string]string{"request": `{"resourceType":"ServiceRequest","status":"active","intent":"order","subject":{"reference":"Patient/1"},"requester":{"reference":"PractitionerRole/2"},"performer":[{"reference":"HealthcareService/3"}],"supportingInfo":[{"reference":"RiskAssessment/4"}]}`, "patient": "", "gp": "", "role": "", "who": "", "risk": ""}, ""},
		{"an empty list because nobody asked", map[string]string{"risk": `{"resourceType":"List","status":"current","mode":"snapshot","title":"Risks","emptyReason":{"coding":[{"code":"notasked"}]}}`}, "prsb-risk"},
		{"a flag that says there are none", map[string]string{"risk": `{"resourceType":"Flag","status":"active","code":{"text":"None"},"category":[{"coding":[{"code":"no-known-risk"}]}],"subject":{"display":"x"}}`}, ""},
		{"a safeguarding concern is no risk entry", map[string]string{"risk": `{"resourceType":"Flag","status":"active","code":{"text":"Neglect"},"category":[{"coding":[{"code":"safety"}]},{"coding":[{"code":"SG"}]}],"subject":{"display":"x"}}`}, "prsb-risk"},
		{"a risk that is not named", map[string]string{"risk": `{"resourceType":"RiskAssessment","status":"final","subject":{"display":"x"}}`}, "prsb-risk-named"},
		{"a risk that is named", map[string]string{"risk": `{"resourceType":"RiskAssessment","status":"final","subject":{"display":"x"},"prediction":[{"outcome":{"text":"Fall"}}]}`}, ""},
		{"a problem list without its problem", map[string]string{"who": `{"resourceType":"Condition","category":[{"coding":[{"code":"problem-list-item"}]}],"subject":{"display":"x"}}`}, "prsb-problem"},
		{"a practice that says: not registered", map[string]string{"patient": `{"resourceType":"Patient","name":[{"family":"A","given":["B"]}],"birthDate":"1980","generalPractitioner":[{"identifier":{"system":"https://fhir.nhs.uk/Id/ods-organization-code","value":"V81997"}}]}`}, ""},
		{"a signpost only", map[string]string{"request": `{"resourceType":"ServiceRequest","status":"active","intent":"proposal","category":[{"coding":[{"code":"signposting"}]}],"subject":{"display":"x"}}`, "patient": ""}, ""},
		{"withdrawn", map[string]string{"request": `{"resourceType":"ServiceRequest","status":"revoked","intent":"order","subject":{"display":"x"}}`, "patient": ""}, ""},
		{"no request", map[string]string{"request": "", "patient": ""}, ""},
	}
	v := newValidator(t)
	for _, tt := range tests {
		for _, claim := range []string{"", `,"meta":{"profile":["` + Strict + `"]}`} {
			var got []string
			strict := claim != "" && tt.replace["request"] == ""
			for _, is := range v.Referral([]fhir.Resource{referralBundle(t, tt.replace, claim)}) {
				if strings.HasPrefix(is.Text, "PRSB must-have") && !is.IsError() && claim != "" {
					continue // TestMustHaves
				}
				got = append(got, is.Rule)
				if is.IsError() != strict || is.Expression == "" {
					t.Errorf("%s: %+v", tt.name, is)
				}
			}
			if g := strings.Join(got, " "); g != tt.want {
				t.Errorf("%s:\n got %q\nwant %q", tt.name, g, tt.want)
			}
		}
	}
}

func TestReferralOfParts(t *testing.T) {
	var parts []fhir.Resource
	for _, e := range referralBundle(t, nil, "").Entries() {
		r, err := e.Decode()
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, r)
	}
	if got := newValidator(t).Referral(parts); len(got) > 0 {
		t.Errorf("the only Patient must count where a fullUrl is not known: %v", got)
	}
}

func TestBundleLeavesWarningsToReferral(t *testing.T) {
	v := newValidator(t)
	b := referralBundle(t, map[string]string{"patient": `{"resourceType":"Patient"}`}, "")
	for _, is := range v.Validate(b, Options{}) {
		if strings.HasPrefix(is.Rule, "prsb-") {
			t.Errorf("%s is said twice", is.Rule)
		}
	}
}

func TestMerge(t *testing.T) {
	w := fhir.Issue{Severity: fhir.SeverityWarning, Rule: "a", Expression: "x"}
	e := fhir.Issue{Severity: fhir.SeverityError, Rule: "a", Expression: "x"}
	o := fhir.Issue{Rule: "a", Expression: "y"}
	if got := Merge([]fhir.Issue{w, o}, []fhir.Issue{e, o}); len(got) != 2 || got[0] != e || got[1] != o {
		t.Errorf("got %+v", got)
	}
	if got := Merge(nil, []fhir.Issue{w}); len(got) != 1 {
		t.Errorf("got %+v", got)
	}
}
