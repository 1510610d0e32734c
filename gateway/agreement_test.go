package gateway_test

import (
	"bytes"
	"context"
	"testing"
	"time"

	"trellis.example/gateway"
	"trellis.example/profiles"
)

// TestAgreement: what a partner agreed to is asked of every document it sends,
// whatever the document claims, and of nobody else's.
func TestAgreement(t *testing.T) {
	s := newSystem(t, func(c *gateway.Config) {})
	s.partners()
	agree := func(list ...string) {
		t.Helper()
		if _, err := s.g.Auth.Clients.Agree(context.Background(), "surgery", list); err != nil {
			t.Fatal(err)
		}
		time.Sleep(1100 * time.Millisecond) // the time within which a change of a client counts
	}
	patient := s.want(s.post("surgery", "/fhir/Patient", fhirType, []byte(`{"resourceType":"Patient","name":[{"family":"Example","given":["Ann"]}],"birthDate":"1950-01-01"}`)), 201)
	id := patient.root(t).Get("id").Text()
	request := func(meta string) []byte {
		return []byte(`{"resourceType":"ServiceRequest",` + meta + `"status":"active","intent":"order","authoredOn":"2026-11-23","code":{"text":"Social prescribing"},
			"subject":{"reference":"Patient/` + id + `"},"requester":{"identifier":{"system":"https://fhir.nhs.uk/Id/ods-organization-code","value":"Y99001"}}}`)
	}
	s.want(s.post("surgery", "/fhir/ServiceRequest", fhirType, request("")), 201)

	agree(profiles.Strict)
	for name, body := range map[string][]byte{
		"no claim":        request(""),
		"another profile": request(`"meta":{"profile":["https://nobody.example/StructureDefinition/anything"]},`),
		"an older one":    request(`"meta":{"profile":["` + profiles.Base + `ServiceRequest|1.0.0"]},`),
	} {
		a := s.post("surgery", "/fhir/ServiceRequest", fhirType, body)
		if a.StatusCode != 422 || !bytes.Contains(a.body, []byte("prsb-referral-to")) {
			t.Errorf("%s: %s\n%s", name, a.Status, a.body)
		}
	}
	if a := s.post("surgery", "/intake/fhir?dryRun=true", fhirType, request("")); !bytes.Contains(a.body, []byte(`"rule":"prsb-referral-to"`)) || bytes.Contains(a.body, []byte(`"accepted":true`)) {
		t.Errorf("a dry run does not apply the agreement: %s\n%s", a.Status, a.body)
	}

	// Mandatory items that no profile of one resource can state count by this door too.
	lonely := bytes.Replace(request(`"category":[{"coding":[{"system":"https://trellis.example/fhir/CodeSystem/service-request-category","code":"social-prescribing"}]}],`),
		[]byte(`"requester"`), []byte(`"performer":[{"display":"Link workers"}],"requester"`), 1)
	if a := s.post("surgery", "/fhir/ServiceRequest", fhirType, lonely); a.StatusCode != 422 || !bytes.Contains(a.body, []byte("prsb-risk")) {
		t.Errorf("a referral without a risk entry: %s\n%s", a.Status, a.body)
	}

	agree()
	s.want(s.post("surgery", "/fhir/ServiceRequest", fhirType, lonely), 201)
	s.want(s.post("surgery", "/fhir/ServiceRequest", fhirType, request("")), 201)
}
