package auth

import "testing"

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
