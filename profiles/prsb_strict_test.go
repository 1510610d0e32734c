package profiles

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"trellis.example/fhir"
)

// A referral that holds the must-have items too, in parts that tests change.
var fullReferral = map[string]string{
	"request": `{"resourceType":"ServiceRequest","id":"r","meta":{"profile":["` + Strict + `"]},"status":"active","intent":"order","subject":{"reference":"Patient/p"},"requester":{"reference":"PractitionerRole/role"},"performer":[{"reference":"HealthcareService/h"}],"reasonReference":[{"reference":"Condition/need"}],"supportingInfo":[{"reference":"Consent/c"}]}`,
	"patient": `{"resourceType":"Patient","id":"p","extension":[{"url":"` + ethnicCategory + `","valueCodeableConcept":{"coding":[{"system":"https://fhir.hl7.org.uk/CodeSystem/UKCore-EthnicCategoryEngland","code":"Z"}]}}],"identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9990000018"}],"name":[{"family":"A","given":["B"]}],"telecom":[{"system":"phone","value":"01632 960001"}],"gender":"other","birthDate":"1980-01-01","address":[{"line":["1 The Street"],"postalCode":"ZZ99 1AA"}],"generalPractitioner":[{"reference":"Organization/gp"}]}`,
	"gp":      referralParts["gp"], "role": referralParts["role"], "who": referralParts["who"], "risk": referralParts["risk"],
	"orientation":  `{"resourceType":"Observation","status":"final","code":{"coding":[{"code":"sexual-orientation"}]},"valueString":"x"}`,
	"requirement":  `{"resourceType":"Flag","status":"active","category":[{"coding":[{"code":"RA"}]}],"code":{"text":"Large print"},"subject":{"reference":"Patient/p"}}`,
	"safeguarding": `{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://snomed.info/sct","code":"861931000000100"}]}}`,
	"service":      `{"resourceType":"HealthcareService","id":"h","name":"Link workers"}`,
}

func strictRules(t *testing.T, replace map[string]string) (rules []string) {
	t.Helper()
	var parts []fhir.Resource
	for name := range fullReferral {
		if _, ok := replace[name]; !ok {
			parts = append(parts, decoded(t, fullReferral[name]))
		}
	}
	for _, doc := range replace {
		if doc != "" {
			parts = append(parts, decoded(t, doc))
		}
	}
	for _, is := range newValidator(t).Referral(parts) {
		if is.Expected == "" || is.Found == "" || is.Hint == "" || is.Profile != prsbLine || is.Expression == "" {
			t.Errorf("incomplete: %+v", is)
		}
		mark := "~"
		if is.IsError() {
			mark = ""
		}
		rules = append(rules, mark+is.Rule+"@"+is.Expression)
	}
	slices.Sort(rules)
	return rules
}

// TestMustHaves takes each must-have item out of a whole referral that claims
// PRSB conformance.
func TestMustHaves(t *testing.T) {
	patient := func(old, new string) map[string]string {
		return map[string]string{"patient": strings.Replace(fullReferral["patient"], old, new, 1)}
	}
	request := func(old string) map[string]string {
		return map[string]string{"request": strings.Replace(fullReferral["request"], old, "", 1)}
	}
	tests := []struct {
		name    string
		replace map[string]string
		want    string
	}{
		{"whole", nil, ""},
		{"no gender", patient(`"gender":"other",`, ""), "~prsb-gender@Patient.gender"},
		{"no ethnic category", patient("EthnicCategory", "ResidentialStatus"), "~prsb-ethnicity@Patient.extension"},
		{"no NHS number", patient("nhs-number", "other"), "~prsb-nhs-number@Patient.identifier"},
		{"a reason for no NHS number", map[string]string{"patient": strings.NewReplacer("nhs-number", "other", `"extension":[`, `"extension":[{"url":"`+numberUnavailable+`"},`).Replace(fullReferral["patient"])}, ""},
		{"no address", patient(`"address"`, `"photo"`), "~prsb-address@Patient.address"},
		{"no telephone", patient(`"system":"phone"`, `"system":"fax"`), "~prsb-contact@Patient.telecom"},
		{"email instead", patient(`"system":"phone"`, `"system":"email"`), ""},
		{"no orientation", map[string]string{"orientation": ""}, "~prsb-sexual-orientation@Observation.code"},
		{"no requirement", map[string]string{"requirement": ""}, "~prsb-requirements@Flag.category"},
		{"nothing on safeguarding", map[string]string{"safeguarding": ""}, "~prsb-safeguarding@Flag.category"},
		{"no consent", request(`,"supportingInfo":[{"reference":"Consent/c"}]`), "~prsb-consent@ServiceRequest.supportingInfo"},
		{"no complaint", request(`,"reasonReference":[{"reference":"Condition/need"}]`), "~prsb-presenting-complaint@ServiceRequest.reasonReference"},
		{"the person is held elsewhere", map[string]string{"patient": "", "orientation": "", "requirement": ""}, ""},
		{"mandatory ones still refuse", patient(`"birthDate":"1980-01-01",`, ""), "prsb-birth-date@Patient.birthDate"},
	}
	for _, tt := range tests {
		if got := strings.Join(strictRules(t, tt.replace), " "); got != tt.want {
			t.Errorf("%s:\n got %q\nwant %q", tt.name, got, tt.want)
		}
	}
}

// TestGuidance checks what PRSB's guidance says of items that are there.
func TestGuidance(t *testing.T) {
	long := strings.Repeat("\u00e9", 36) // 36 characters, 72 bytes
	tests := []struct {
		name    string
		replace map[string]string
		want    string
	}{
		{"sex beside gender", map[string]string{"patient": strings.Replace(fullReferral["patient"], `"extension":[`, `"extension":[{"url":"`+birthSex+`","valueCodeableConcept":{"text":"x"}},`, 1)}, "~tr-sex-apart@Patient.extension"},
		{"a specialty", map[string]string{"service": `{"resourceType":"HealthcareService","id":"h","specialty":[{"text":"x"}]}`}, "~tr-specialty@HealthcareService.specialty"},
		{"a Task for a signpost", map[string]string{
			"signpost": `{"resourceType":"ServiceRequest","id":"s","status":"active","intent":"proposal","category":[{"coding":[{"code":"signposting"}]}],"subject":{"reference":"Patient/p"}}`,
			"task":     `{"resourceType":"Task","status":"requested","intent":"order","focus":{"reference":"ServiceRequest/s"}}`,
		}, "~tr-signpost-task@Task.focus"},
		{"a Task for the referral", map[string]string{"task": `{"resourceType":"Task","status":"requested","intent":"order","focus":{"reference":"ServiceRequest/r"}}`}, ""},
		{"no suffix", nil, ""}, // the model prints 1..* and means 0..*
		{"long names", map[string]string{"patient": strings.Replace(fullReferral["patient"], `"given":["B"]`, `"given":["`+long+`","`+long+`"],"text":"`+long+long+`"`, 1)}, "~tr-text-length@Patient.name.given ~tr-text-length@Patient.name.text"},
		{"a name of 35", map[string]string{"patient": strings.Replace(fullReferral["patient"], `"family":"A"`, `"family":"`+long[2:]+`"`, 1)}, ""},
		{"a long note", map[string]string{"need": `{"resourceType":"Condition","id":"need","code":{"text":"x"},"subject":{"reference":"Patient/p"},"note":[{"text":"` + strings.Repeat("x", 151) + `"}]}`}, "~tr-text-length@Condition.note.text"},
	}
	for _, tt := range tests {
		if got := strings.Join(strictRules(t, tt.replace), " "); got != tt.want {
			t.Errorf("%s:\n got %q\nwant %q", tt.name, got, tt.want)
		}
	}
	plain := map[string]string{"request": strings.Replace(fullReferral["request"], `"meta":{"profile":["`+Strict+`"]},`, "", 1), "patient": strings.Replace(fullReferral["patient"], `"gender":"other",`, "", 1)}
	if got := strictRules(t, plain); len(got) > 0 {
		t.Errorf("without a claim nothing but mandatory items is asked for: %v", got)
	}
}

// TestAgreement holds that an agreement counts as a claim.
func TestAgreement(t *testing.T) {
	v := newValidator(t)
	parts := []fhir.Resource{referralBundle(t, map[string]string{"risk": ""}, "")}
	for _, tt := range []struct {
		agreed []string
		want   bool
	}{{nil, false}, {[]string{Base + "referral"}, false}, {[]string{Base + "Task", Strict + "|1.1.0"}, true}, {[]string{StrictBundle}, true}} {
		if got := fhir.Faults(v.Referral(parts, tt.agreed...)) != nil; got != tt.want {
			t.Errorf("%v: refused %t", tt.agreed, got)
		}
	}
}

// TestRulesAreDocumented keeps docs/prsb.md and the code together.
func TestRulesAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("../docs/prsb.md")
	if err != nil {
		t.Fatal(err)
	}
	rules := []string{"tr-sex-apart", "tr-specialty", "tr-signpost-task", "tr-text-length"}
	for rule, it := range prsbItems {
		rules = append(rules, rule)
		if it.at == "" || it.what == "" || !strings.HasSuffix(it.hint, ".") {
			t.Errorf("%s is incomplete", rule)
		}
	}
	for key := range invariantKeys(t) {
		if strings.HasPrefix(key, "prsb-") {
			rules = append(rules, key)
		}
	}
	for _, rule := range rules {
		if !strings.Contains(string(doc), fmt.Sprintf("`%s`", rule)) {
			t.Errorf("docs/prsb.md does not say what %s is", rule)
		}
	}
	if !newValidator(t).Knows(strings.SplitN(prsbLine, "#", 2)[0]) {
		t.Errorf("%s is not a line of our profiles", prsbLine)
	}
}

// TestReferralOfExamples judges the whole referrals among the examples: those
// that claim PRSB conformance hold every mandatory item.
func TestReferralOfExamples(t *testing.T) {
	v := newValidator(t)
	for _, folder := range []string{"prsb-referral-bundle", "referral-bundle", "referral-message"} {
		files, err := filepath.Glob("examples/" + folder + "/valid-*.json")
		if err != nil || len(files) == 0 {
			t.Fatalf("no examples (err %v)", err)
		}
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			for _, is := range v.Referral([]fhir.Resource{decoded(t, string(b))}) {
				if is.IsError() {
					t.Errorf("%s: %s: %s", f, is.Rule, is.Text)
				} else {
					t.Logf("%s: %s", f, is.Rule)
				}
			}
		}
	}
}
