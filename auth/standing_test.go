package auth

import (
	"slices"
	"testing"

	"trellis.example/fhir"
)

// TestAgreement: the profiles of an agreement come with every kind of principal.
func TestAgreement(t *testing.T) {
	s := newGateway(t)
	const profile = "https://trellis.example/fhir/StructureDefinition/prsb-referral|1.0.0"
	s.add(t, NewClient{ID: "pas", Role: "hospital-discharge", Org: "Y99001", Profiles: []string{profile}, MLLP: &MLLPBinding{MSH3: "A", MSH4: "B"}})
	standing, err := s.Clients.Principal(t.Context(), "pas")
	if err != nil || !slices.Equal(standing.Profiles, []string{profile}) {
		t.Errorf("%v, %v", standing.Profiles, err)
	}
	sender, err := s.MLLPSender(t.Context(), Sender{MSH3: "A", MSH4: "B"})
	if err != nil || !slices.Equal(sender.Profiles, []string{profile}) {
		t.Errorf("%v, %v", sender.Profiles, err)
	}
	for _, bad := range [][]string{{"prsb-referral"}, {"https://x.example/a b"}, make([]string, maxProfiles+1)} {
		if _, err := s.Clients.Agree(t.Context(), "pas", bad); fhir.AsError(err).HTTPStatus() != 422 && fhir.AsError(err).HTTPStatus() != 400 {
			t.Errorf("agreed to %d profiles: %v", len(bad), err)
		}
	}
	c, err := s.Clients.Agree(t.Context(), "pas", nil)
	if err != nil || len(c.Profiles) != 0 || c.MLLP == nil {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestStandingPrincipal(t *testing.T) {
	s := newGateway(t)
	s.add(t, NewClient{ID: "loader", Role: "gp-practice", Org: "Y99001", Scope: "system/Patient.rs"})
	p, err := s.Clients.Principal(t.Context(), "loader")
	if err != nil || !p.Allow("read", "Patient") || p.Allow("create", "Patient") || p.Owner() != OrgParty("Y99001") {
		t.Errorf("got %+v, %v; want what the client is registered for", p, err)
	}
	if _, err := s.Clients.Principal(t.Context(), "nobody"); err == nil {
		t.Error("an unknown client has a principal")
	}
}
