package rest

import (
	"slices"
	"testing"

	"trellis.example/fhir/definitions"
	"trellis.example/gateway/search"
	"trellis.example/gateway/store"
)

// TestPatientsOfEveryHeldType: the audit names the patient of every held type
// that belongs to a patient's compartment; Groups and Provenances name many
// resources and are about none.
func TestPatientsOfEveryHeldType(t *testing.T) {
	for _, h := range search.HeldTypes() {
		if len(definitions.R4().Compartment("Patient", h.Type)) == 0 || h.Type == "Group" || h.Type == "Provenance" {
			continue
		}
		if h.Type != "Patient" && patientAt[h.Type] == "" {
			t.Errorf("%s belongs to patients, and none would be named", h.Type)
		}
	}
	got := Patients(store.Key{Type: "Appointment", ID: "a"}, []byte(`{"participant":[{"actor":{"display":"x"}},{"actor":{"reference":"Patient/1"}},{"actor":{"reference":"Location/2"}},{"actor":{"reference":"Patient/3/_history/1"}},{"actor":{"reference":"Patient/1"}}]}`))
	if !slices.Equal(got, []string{"Patient/1", "Patient/3"}) {
		t.Errorf("an Appointment is about %v", got)
	}
}
