package rest

import (
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"trellis.example/gateway/search"
	"trellis.example/gateway/store"
)

// patientAt are the elements that say whose resource it is.
var patientAt = map[string]string{
	"AllergyIntolerance": "patient.reference", "Appointment": "participant.#.actor.reference", "CarePlan": "subject.reference", "CareTeam": "subject.reference",
	"Communication": "subject.reference", "CommunicationRequest": "subject.reference", "Composition": "subject.reference", "Condition": "subject.reference",
	"Consent": "patient.reference", "DocumentReference": "subject.reference", "Encounter": "subject.reference",
	"EpisodeOfCare": "patient.reference", "FamilyMemberHistory": "patient.reference", "Flag": "subject.reference", "Goal": "subject.reference",
	"List": "subject.reference", "MedicationStatement": "subject.reference", "Observation": "subject.reference", "Procedure": "subject.reference",
	"QuestionnaireResponse": "subject.reference", "RelatedPerson": "patient.reference",
	"RiskAssessment": "subject.reference", "ServiceRequest": "subject.reference", "Schedule": "actor.#.reference", "Task": "for.reference",
}

// Patients returns the keys of the Patients that a stored resource is about, for
// the audit: none, one, or those who take part in an Appointment. reg knows which
// absolute references are to this server; nil takes relative ones only.
func Patients(reg *search.Registry, k store.Key, body []byte) (out []string) {
	if k.Type == "Patient" {
		return []string{k.String()}
	}
	at := patientAt[k.Type]
	if at == "" || len(body) == 0 {
		return nil
	}
	found := gjson.GetBytes(body, at)
	if !found.IsArray() {
		return addPatient(reg, nil, found.String())
	}
	for _, one := range found.Array() {
		out = addPatient(reg, out, one.String())
	}
	return out
}

func addPatient(reg *search.Registry, out []string, ref string) []string {
	if reg != nil && strings.Contains(ref, "://") {
		ref = reg.Local(ref)
	}
	if ref, _, _ = strings.Cut(ref, "/_history/"); strings.HasPrefix(ref, "Patient/") && !slices.Contains(out, ref) {
		out = append(out, ref)
	}
	return out
}

func (q *Request) patientsOf(k store.Key, body []byte) []string {
	return Patients(q.api.Registry, k, body)
}
