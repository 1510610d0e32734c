package gateway_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
)

// TestStoredQuestionnaire: answers are held against a questionnaire that is
// stored here, of the version that they name.
func TestStoredQuestionnaire(t *testing.T) {
	onStores(t, func(t *testing.T, s *system) {
		s.partners()
		s.partner("admin", "administrator", "", nil)
		questionnaire := func(version, max string) []byte {
			return []byte(`{"resourceType":"Questionnaire","url":"https://tool.example/Questionnaire/q","version":"` + version + `","status":"active","item":[
				{"linkId":"1","type":"integer","required":true,"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/maxValue","valueInteger":` + max + `}]}]}`)
		}
		s.want(s.post("admin", "/fhir/Questionnaire", fhirType, questionnaire("1", "5")), 201)
		s.want(s.post("admin", "/fhir/Questionnaire", fhirType, questionnaire("2", "10")), 201)
		p := s.want(s.post("surgery", "/fhir/Patient", fhirType, []byte(`{"resourceType":"Patient","name":[{"family":"Example","given":["Ann"]}]}`)), 201).root(t).Get("id").Text()
		answers := func(canonical, answer string) answer {
			return s.do("surgery", http.MethodPost, "/fhir/QuestionnaireResponse", http.Header{"Content-Type": {fhirType}}, []byte(`{"resourceType":"QuestionnaireResponse","status":"completed","authored":"2026-11-23T10:00:00Z",
				"questionnaire":"`+canonical+`","subject":{"reference":"Patient/`+p+`"},"item":[{"linkId":"1","answer":[{`+answer+`}]}]}`))
		}
		const url = "https://tool.example/Questionnaire/q"
		s.want(answers(url+"|2", `"valueInteger":7`), 201)
		s.want(answers(url, `"valueInteger":7`), 201) // the newest
		for name, a := range map[string]answer{
			"above the version's maximum": answers(url+"|1", `"valueInteger":7`),
			"another type":                answers(url, `"valueString":"seven"`),
		} {
			if a.StatusCode != 422 || !bytes.Contains(a.body, []byte("QuestionnaireResponse.item[0].answer[0]")) || strings.Contains(string(a.body), "seven") {
				t.Errorf("%s: %s\n%s", name, a.Status, a.body)
			}
		}
		if a := answers("https://tool.example/Questionnaire/absent", `"valueInteger":7`); a.StatusCode != 201 {
			t.Errorf("an unknown questionnaire: %s\n%s", a.Status, a.body)
		}
	})
}
