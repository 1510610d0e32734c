package profiles

import (
	"os"
	"strings"
	"testing"

	"trellis.example/fhir"
)

// faults validates doc and returns "rule@expression" of every issue; warnings
// have a "~" before them.
func faults(t *testing.T, v *Validator, doc string, o Options) []string {
	t.Helper()
	r, err := fhir.Decode([]byte(doc))
	if err != nil {
		t.Fatalf("%s: %v", doc, err)
	}
	var out []string
	for _, is := range v.Validate(r, o) {
		mark := ""
		if !is.IsError() {
			mark = "~"
		}
		wellSaid(t, is, doc)
		out = append(out, mark+is.Rule+"@"+is.Expression)
	}
	return out
}

func newValidator(t testing.TB) *Validator {
	t.Helper()
	v, err := New()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func decoded(tb testing.TB, doc string) fhir.Resource {
	tb.Helper()
	r, err := fhir.Decode([]byte(doc))
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

func readResource(tb testing.TB, file string) fhir.Resource {
	tb.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		tb.Fatal(err)
	}
	r, err := fhir.Decode(b)
	if err != nil {
		tb.Fatalf("%s: %v", file, err)
	}
	return r
}

// TestBaseRules breaks one base rule a line.
func TestBaseRules(t *testing.T) {
	const obs = `{"resourceType":"Observation","status":"final","code":{"text":"x"}`
	const pat = `{"resourceType":"Patient"`
	tests := []struct{ doc, want string }{
		{obs + `}`, ""},
		{`{"resourceType":"Observation","status":"final"}`, "cardinality@Observation.code"},
		{`{"resourceType":"Observation"}`, "cardinality@Observation.status cardinality@Observation.code"},
		{`{"resourceType":"Nonsense"}`, "type@Nonsense.resourceType"},
		{obs + `,"colour":"red"}`, "unknown-element@Observation.colour"},
		{obs + `,"a b":"red"}`, "unknown-element@Observation.?"},
		{obs + `,"Subject":{}}`, "unknown-element@Observation.Subject"},
		{obs + `,"value":"x"}`, "unknown-element@Observation.value"},
		{obs + `,"valueAddress":{"text":"x"}}`, "unknown-element@Observation.valueAddress"},
		{obs + `,"_code":{"id":"x"}}`, "unknown-element@Observation._code"},
		{obs + `,"valueString":"x","valueInteger":1}`, "choice@Observation.valueInteger"},
		{obs + `,"valueString":"x","_valueInteger":{"id":"y"}}`, "choice@Observation._valueInteger ele-1@Observation._valueInteger"},
		{obs + `,"valueString":"x","_valueString":{"id":"y"}}`, ""},
		{obs + `,"valueInteger":"1"}`, "type@Observation.valueInteger"},
		{obs + `,"valueInteger":1.5}`, "format@Observation.valueInteger"},
		{obs + `,"valueBoolean":"true"}`, "type@Observation.valueBoolean"},
		{obs + `,"valueString":" "}`, "format@Observation.valueString"},
		{obs + `,"valueString":null}`, "type@Observation.valueString"},
		{obs + `,"valueString":["x"]}`, "type@Observation.valueString"},
		{obs + `,"valueQuantity":5}`, "type@Observation.valueQuantity"},
		{obs + `,"category":{"text":"x"}}`, "type@Observation.category"},
		{obs + `,"category":[]}`, "empty@Observation.category"},
		{obs + `,"category":[{}]}`, "ele-1@Observation.category[0]"},
		{obs + `,"category":[{"id":"x"}]}`, "ele-1@Observation.category[0]"},
		{obs + `,"category":[null]}`, "type@Observation.category[0]"},
		{obs + `,"effectiveDateTime":"2024-02-31"}`, "format@Observation.effectiveDateTime"},
		{obs + `,"issued":"2024-02-01"}`, "format@Observation.issued"},
		{obs + `,"subject":{"reference":"Medication/1"}}`, "reference-target@Observation.subject"},
		{obs + `,"subject":{"reference":"https://a.example/fhir/Medication/1"}}`, "reference-target@Observation.subject"},
		{obs + `,"subject":{"type":"Medication","identifier":{"value":"x"}}}`, "reference-target@Observation.subject"},
		{obs + `,"subject":{"type":"Patient","reference":"Group/1"}}`, "reference@Observation.subject.type"},
		{obs + `,"subject":{"reference":"Nonsense/1"}}`, "reference@Observation.subject.reference"},
		{obs + `,"subject":{"reference":"somewhere"}}`, "reference@Observation.subject.reference"},
		{obs + `,"subject":{"reference":"Patient/ 1"}}`, "reference@Observation.subject.reference"},
		{obs + `,"subject":{"reference":"#x"}}`, "ref-1@Observation.subject.reference"},
		{obs + `,"subject":{"reference":"urn:uuid:c757873d-ec9a-4326-a141-556f43239520"}}`, ""},
		{obs + `,"component":[{"code":{"text":"y"}},{"valueString":"z"}]}`, "cardinality@Observation.component[1].code"},
		{obs + `,"referenceRange":[{"low":{"value":1,"comparator":"<"}}]}`, "sqty-1@Observation.referenceRange[0].low"},
		{obs + `,"referenceRange":[{"type":{"text":"x"}}]}`, "obs-3@Observation.referenceRange[0]"},
		{obs + `,"valueString":"x","dataAbsentReason":{"text":"y"}}`, "obs-6@Observation"},
		{obs + `,"effectivePeriod":{"start":"2024-02-02","end":"2024-02-01"}}`, "per-1@Observation.effectivePeriod"},
		{obs + `,"valueQuantity":{"value":1,"code":"kg"}}`, "qty-3@Observation.valueQuantity"},
		{`{"resourceType":"Observation","status":"bogus","code":{"text":"x"}}`, "binding@Observation.status"},
		{`{"resourceType":"Observation","_status":{"extension":[{"url":"http://a","valueCode":"b"}]},"code":{"text":"x"}}`, ""},
		{pat + `,"gender":"Male"}`, "binding@Patient.gender"},
		{pat + `,"birthDate":"1980-13"}`, "format@Patient.birthDate"},
		{pat + `,"multipleBirthInteger":true}`, "type@Patient.multipleBirthInteger"},
		{pat + `,"language":"not a tag"}`, "binding@Patient.language"},
		{pat + `,"photo":[{"contentType":"text"},{"contentType":"a b"}]}`, "binding@Patient.photo[1].contentType"},
		{pat + `,"maritalStatus":{"coding":[{"system":"http://a","code":"x"}]}}`, ""}, // extensible
		{pat + `,"name":[{"given":["a",null],"_given":[null,{"id":"x"}]}]}`, "ele-1@Patient.name[0]._given[1]"},
		{pat + `,"name":[{"given":["a",null],"_given":[null,{"extension":[{"url":"http://x","valueString":"y"}]}]}]}`, ""},
		{pat + `,"name":[{"given":["a",null]}]}`, "type@Patient.name[0].given[1]"},
		{pat + `,"name":[{"given":["a"],"_given":[null,null]}]}`, "type@Patient.name[0]._given"},
		{pat + `,"name":[{"_given":[null]}]}`, "empty@Patient.name[0]._given[0]"},
		{pat + `,"_birthDate":{}}`, "ele-1@Patient._birthDate"},
		{pat + `,"_birthDate":[]}`, "type@Patient._birthDate"},
		{pat + `,"_birthDate":{"colour":1}}`, "unknown-element@Patient._birthDate.colour"},
		{pat + `,"extension":[{"url":"http://x"}]}`, "ext-1@Patient.extension[0]"},
		{pat + `,"extension":[{"url":"http://x","valueString":"a","extension":[{"url":"b","valueString":"c"}]}]}`, "ext-1@Patient.extension[0]"},
		{pat + `,"extension":[{"valueString":"a"}]}`, "cardinality@Patient.extension[0].url"},
		{pat + `,"extension":[{"url":"http://x","valueThing":"a"}]}`, "unknown-element@Patient.extension[0].valueThing"},
		{pat + `,"modifierExtension":[{"url":"http://x","valueString":"a"}]}`, "~modifier-extension@Patient.modifierExtension[0]"},
		{pat + `,"id":"a b"}`, "format@Patient.id"},
		{pat + `,"text":{"status":"generated","div":"<div>x</div>"}}`, "txt-1@Patient.text.div"},
		{pat + `,"text":{"status":"generated"}}`, "cardinality@Patient.text.div"},
		{pat + `,"identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9476719932"}]}`, "nhs-number@Patient.identifier[0].value"},
		{pat + `,"identifier":[{"system":"HTTPS://FHIR.nhs.uk/id/NHS-number","value":"947 671 9931"}]}`, "nhs-number@Patient.identifier[0].value"},
		{pat + `,"identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9476719931"}]}`, ""},
		{pat + `,"contact":[{"gender":"male"}]}`, "pat-1@Patient.contact[0]"},
		{pat + `,"telecom":[{"value":"x"}]}`, "cpt-2@Patient.telecom[0]"},
		{pat + `,"contained":[{"resourceType":"Organization","id":"o","name":"x"}]}`, "dom-3@Patient.contained[0]"},
		{pat + `,"managingOrganization":{"reference":"#o"},"contained":[{"resourceType":"Organization","id":"o","name":"x"}]}`, ""},
		{pat + `,"managingOrganization":{"reference":"#o"},"contained":[{"resourceType":"Patient","id":"o"}]}`, "reference-target@Patient.managingOrganization"},
		{pat + `,"managingOrganization":{"reference":"#o"},"contained":[{"resourceType":"Organization","id":"o","name":"x","contained":[{"resourceType":"Patient"}]}]}`, "dom-2@Patient.contained[0].contained[0]"},
		{pat + `,"managingOrganization":{"reference":"#o"},"contained":[{"resourceType":"Organization","id":"o","name":"x","meta":{"versionId":"1","security":[{"code":"R"}]}}]}`, "dom-4@Patient.contained[0].meta dom-5@Patient.contained[0].meta"},
		{pat + `,"contained":[{"resourceType":"Provenance","id":"o","target":[{"reference":"#"}],"recorded":"2024-01-01T00:00:00Z","agent":[{"who":{"display":"x"}}]}]}`, ""},
		{pat + `,"contained":["x"]}`, "type@Patient.contained[0]"},
		{`{"resourceType":"Bundle","type":"collection","entry":[{"fullUrl":"Patient/1","resource":{"resourceType":"Patient"}}]}`, "full-url@Bundle.entry[0].fullUrl"},
		{`{"resourceType":"Bundle","type":"collection","entry":[{"fullUrl":"https://a.example/Patient/1","resource":{"resourceType":"Patient","id":"2"}}]}`, "full-url@Bundle.entry[0].fullUrl"},
		{`{"resourceType":"Bundle","type":"collection","entry":[{"fullUrl":"urn:uuid:1","resource":{"resourceType":"Patient"}}]}`, "full-url@Bundle.entry[0].fullUrl"},
		{`{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Patient","gender":"x"}}]}`, "binding@Bundle.entry[0].resource.gender"},
		{`{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"id":"x"}}]}`, "type@Bundle.entry[0].resource.resourceType"},
		{`{"resourceType":"Bundle","type":"transaction","entry":[{"resource":{"resourceType":"Patient"}}]}`, "bdl-3@Bundle"},
		{`{"resourceType":"Bundle","type":"collection","entry":[{"fullUrl":"urn:uuid:c757873d-ec9a-4326-a141-556f43239520","resource":{"resourceType":"Medication"}},` +
			`{"resource":{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"urn:uuid:c757873d-ec9a-4326-a141-556f43239520"}}}]}`, "reference-target@Bundle.entry[1].resource.subject"},
		{`{"resourceType":"Questionnaire","status":"active","item":[{"linkId":"1","type":"group","item":[{"linkId":"1","type":"string"}]}]}`, "que-2@Questionnaire q-def-link@Questionnaire.item[0].item[0].linkId"},
		{`{"resourceType":"Parameters","parameter":[{"name":"a","resource":{"resourceType":"Patient","active":1}}]}`, "type@Parameters.parameter[0].resource.active"},
		{`{"resourceType":"Binary","contentType":"text/plain","data":"YQ="}`, "format@Binary.data"},
		{`{"resourceType":"Account","status":"active","coverage":[{"coverage":{"display":"x"},"priority":0}]}`, "format@Account.coverage[0].priority"},
		{`{"resourceType":"Invoice","status":"issued","totalNet":{"value":1,"currency":"pounds"}}`, "binding@Invoice.totalNet.currency"},
		{`{"resourceType":"Condition","subject":{"display":"x"},"clinicalStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/condition-clinical","code":"bogus"}]}}`, "code-unknown@Condition.clinicalStatus.coding[0].code binding@Condition.clinicalStatus"},
		{`{"resourceType":"Condition","subject":{"display":"x"},"clinicalStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/condition-clinical","code":"active"}]}}`, ""},
	}
	v := newValidator(t)
	for _, tt := range tests {
		var got []string
		for _, f := range faults(t, v, tt.doc, Options{BaseOnly: true}) {
			if !strings.HasPrefix(f, "~") || strings.HasPrefix(tt.want, "~") {
				got = append(got, f)
			}
		}
		if g := strings.Join(got, " "); g != tt.want {
			t.Errorf("%s\n got %q\nwant %q", tt.doc, g, tt.want)
		}
	}
}

func TestIssueCap(t *testing.T) {
	v := newValidator(t)
	doc := `{"resourceType":"Patient","name":[` + strings.Repeat(`{"use":"x"},`, 500) + `{"use":"x"}]}`
	got := faultsOf(t, v, doc)
	if len(got) != maxIssues+1 || got[maxIssues].Rule != "more" || !got[maxIssues].IsError() {
		t.Errorf("%d issues, the last %+v", len(got), got[len(got)-1])
	}
}

func faultsOf(t *testing.T, v *Validator, doc string) []fhir.Issue {
	t.Helper()
	r, err := fhir.Decode([]byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	return v.Validate(r, Options{BaseOnly: true})
}

// TestNoValueLeaks checks that what a document says never reaches an issue.
func TestNoValueLeaks(t *testing.T) {
	v := newValidator(t)
	doc := `{"resourceType":"Patient","id":"SECRET SECRET","gender":"SECRET","birthDate":"SECRET","SECRET VALUE":1,
	"meta":{"profile":["http://SECRET"]},"identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"SECRET"}],
	"generalPractitioner":[{"reference":"SECRET/1","type":"SECRET"}],"text":{"status":"SECRET","div":"SECRET"},
	"contained":[{"resourceType":"SECRET"}],"extension":[{"url":"SECRET"}],"modifierExtension":[{"url":"SECRET","valueCode":"SECRET "}]}`
	r, err := fhir.Decode([]byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	issues := v.Validate(r, Options{})
	if len(issues) < 10 {
		t.Errorf("only %d issues", len(issues))
	}
	for _, is := range issues {
		// a contained resource's type name is a name, not content
		if strings.Contains(is.Text, "SECRET") || strings.Contains(is.Expression, "SECRET VALUE") {
			t.Errorf("leaks: %+v", is)
		}
	}
}
