package rest

import (
	"slices"
	"strings"
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
	got := Patients(nil, store.Key{Type: "Appointment", ID: "a"}, []byte(`{"participant":[{"actor":{"display":"x"}},{"actor":{"reference":"Patient/1"}},{"actor":{"reference":"Location/2"}},{"actor":{"reference":"Patient/3/_history/1"}},{"actor":{"reference":"Patient/1"}}]}`))
	if !slices.Equal(got, []string{"Patient/1", "Patient/3"}) {
		t.Errorf("an Appointment is about %v", got)
	}
}

// TestPatientsByURL: an absolute reference to this server names one of its
// Patients, one to another server none.
func TestPatientsByURL(t *testing.T) {
	reg := search.NewRegistry(definitions.R4(), "https://gw.example/fhir")
	for ref, want := range map[string]string{
		"https://gw.example/fhir/Patient/1": "Patient/1", "https://gw.example/fhir/Patient/1/_history/2": "Patient/1",
		"Patient/1": "Patient/1", "https://other.example/fhir/Patient/1": "", "urn:uuid:6f3c0d1e-0000-4000-8000-000000000000": "",
	} {
		got := strings.Join(Patients(reg, store.Key{Type: "Condition", ID: "c"}, []byte(`{"subject":{"reference":"`+ref+`"}}`)), " ")
		if got != want {
			t.Errorf("%s: %q, want %q", ref, got, want)
		}
	}
}
