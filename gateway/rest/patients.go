package rest

import (
	"strings"

	"github.com/tidwall/gjson"

	"trellis.example/gateway/store"
)

// patientAt are the elements that say whose resource it is.
var patientAt = map[string]string{
	"AllergyIntolerance": "patient.reference", "CarePlan": "subject.reference", "CareTeam": "subject.reference",
	"Communication": "subject.reference", "Composition": "subject.reference", "Condition": "subject.reference",
	"Consent": "patient.reference", "DocumentReference": "subject.reference", "Encounter": "subject.reference",
	"EpisodeOfCare": "patient.reference", "Flag": "subject.reference", "Goal": "subject.reference",
	"MedicationStatement": "subject.reference", "Observation": "subject.reference", "Procedure": "subject.reference",
	"QuestionnaireResponse": "subject.reference", "RelatedPerson": "patient.reference",
	"RiskAssessment": "subject.reference", "ServiceRequest": "subject.reference", "Task": "for.reference",
}

// Patients returns the key of the Patient that a stored resource is about, for
// the audit: none or one.
func Patients(k store.Key, body []byte) []string {
	if k.Type == "Patient" {
		return []string{k.String()}
	}
	at := patientAt[k.Type]
	if at == "" || len(body) == 0 {
		return nil
	}
	ref := gjson.GetBytes(body, at).String()
	if ref, _, _ = strings.Cut(ref, "/_history/"); strings.HasPrefix(ref, "Patient/") {
		return []string{ref}
	}
	return nil
}
