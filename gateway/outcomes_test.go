package gateway_test

import (
	"bytes"
	"os"
	"testing"
)

// TestOutcomeFiles: a tool's files reach the referral that they name. Rows of
// referrals that the tool does not see, and of none, are rejected alike; a data
// dictionary is for those who may create a Questionnaire.
func TestOutcomeFiles(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	s.partner("tool", "outcome-tool", service, nil)
	s.partner("tool-2", "outcome-tool", "Z9D99", nil)
	s.want(s.post("surgery", "/fhir/ServiceRequest", fhirType, []byte(`{"resourceType":"ServiceRequest","identifier":[{"system":"https://trellis.example/fhir/Id/client-reference","value":"SP-701"}],"status":"active","intent":"order",
		"code":{"coding":[{"system":"http://snomed.info/sct","code":"871731000000106"}]},"subject":{"display":"A person"},"authoredOn":"2026-03-04","requester":{"display":"A practice"}}`)), 201)

	const header = "client_ref,stage,date_completed,life_satisfaction,worthwhile,happiness,anxiety\n"
	seen := s.want(s.post("tool", "/intake/ons4-csv", "text/csv", []byte(header+"SP-701,Baseline,05/01/2026,3,5,2,8\nSP-701,End,01/06/2026,7,7,6,3\nSP-000,End,01/06/2026,7,7,6,3\n")), 200)
	if n := bytes.Count(seen.body, []byte(",created,")); n != 2 || !bytes.Contains(seen.body, []byte(",rejected,")) {
		t.Errorf("two rows of three are of a referral here: %s", seen.body)
	}
	absent := s.want(s.post("tool", "/intake/ons4-csv", "text/csv", []byte(header+"SP-000,End,01/06/2026,7,7,6,3\n")), 422)
	hidden := s.want(s.post("tool-2", "/intake/ons4-csv", "text/csv", []byte(header+"SP-701,End,01/06/2026,7,7,6,3\n")), 422)
	if !bytes.Equal(bytes.ReplaceAll(absent.body, []byte("SP-000"), []byte("SP-701")), hidden.body) {
		t.Errorf("hidden and absent differ:\n%s\n%s", hidden.body, absent.body)
	}
	again := s.want(s.post("tool", "/intake/ons4-csv", "text/csv", []byte(header+"SP-701,Baseline,05/01/2026,3,5,2,8\n")), 200)
	if !bytes.Contains(again.body, []byte(",unchanged,")) {
		t.Errorf("a row that was received before: %s", again.body)
	}
	point := worked(t, "omh-json/testdata/steps/in.json")
	s.want(s.post("tool", "/intake/omh-json", "application/json", point), 201)
	s.want(s.post("tool-2", "/intake/omh-json", "application/json", point), 422)
	for path, want := range map[string]string{"/fhir/QuestionnaireResponse?_summary=count": `"total":2`, "/fhir/Observation?_summary=count": `"total":9`} {
		if a := s.want(s.get("worker", path), 200); !bytes.Contains(a.body, []byte(want)) {
			t.Errorf("%s: %s; want %s", path, a.body, want)
		}
	}
	dictionary, err := os.ReadFile("../mapping/formats/redcap-csv/dictionary.csv")
	if err != nil {
		t.Fatal(err)
	}
	if a := s.post("tool", "/intake/redcap-csv", "text/csv", dictionary); a.StatusCode < 400 || bytes.Contains(a.body, []byte(",created,")) {
		t.Errorf("a tool stored Questionnaires: %s %s", a.Status, a.body)
	}
	s.logsAreClean()
}
