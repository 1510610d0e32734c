package auth

import (
	"slices"
	"strings"
	"testing"
)

// designRoles are the roles that partners' scripts name.
const designRoles = "gp-practice pharmacy health-care-assistant social-care police hospital-discharge local-agency multi-disciplinary-team person link-worker service-manager community-provider outcome-tool commissioner auditor administrator importer sandbox"

func TestRoles(t *testing.T) {
	want := strings.Fields(designRoles)
	slices.Sort(want)
	var got []string
	for _, r := range Roles() {
		got = append(got, string(r))
	}
	if !slices.Equal(got, want) {
		t.Errorf("roles = %v\nwant %v", got, want)
	}
	if Role("doctor").Valid() || Role("").Valid() {
		t.Error("an unknown role is valid")
	}
}

// TestRoleRules states the policy a second time, in the terms of the design,
// so that a slip in the table fails.
func TestRoleRules(t *testing.T) {
	referrers := "gp-practice pharmacy health-care-assistant social-care hospital-discharge local-agency multi-disciplinary-team person"
	clinical := "ServiceRequest Task Patient RelatedPerson Consent Condition Flag AllergyIntolerance RiskAssessment Observation QuestionnaireResponse Encounter CarePlan CareTeam Goal Communication Procedure DocumentReference Bundle Composition Provenance Appointment Binary MedicationStatement"
	notAll := strings.ReplaceAll(strings.ReplaceAll(designRoles, " importer", ""), " sandbox", "")
	tests := []struct {
		roles, types string
		may, mayNot  string
	}{
		{referrers, "ServiceRequest Patient Consent Condition Flag QuestionnaireResponse Observation Encounter RelatedPerson RiskAssessment AllergyIntolerance CareTeam DocumentReference", "crus", "d"},
		{referrers, "Task CarePlan Communication Provenance Goal", "rs", "cud"},
		{referrers + " police", "Practitioner PractitionerRole Organization Location", "crs", "d"},
		{"police", "ServiceRequest Patient", "crs", "d"},
		{"police", "CarePlan Goal AllergyIntolerance MedicationStatement CareTeam", "", "cruds"},
		{"link-worker service-manager", "ServiceRequest Task CarePlan Goal Communication Encounter Consent", "crus", "d"},
		{"community-provider", "ServiceRequest", "crs", "ud"}, // onward referrals
		{"community-provider", "Patient", "rs", "cud"},
		{"community-provider", "Task", "rus", "cd"},
		{"outcome-tool", "QuestionnaireResponse Observation", "crs", "ud"},
		{"outcome-tool", "ServiceRequest Task Patient Condition CarePlan", "", "cruds"},
		{"commissioner auditor administrator", clinical, "", "cruds"},
		{"auditor", "AuditEvent", "rs", "cud"},
		{strings.ReplaceAll(notAll, " auditor", ""), "AuditEvent", "", "cruds"},
		{notAll, "HealthcareService Organization Location Practitioner PractitionerRole Questionnaire ValueSet StructureDefinition", "rs", ""},
		{"administrator", "HealthcareService Organization Location Practitioner PractitionerRole Questionnaire", "cruds", ""},
		{"importer sandbox", clinical + " AuditEvent Medication Basic", "cruds", ""},
		{notAll, "Medication Basic Parameters Subscription", "", "cruds"},
	}
	for _, tt := range tests {
		for _, role := range strings.Fields(tt.roles) {
			for _, typ := range strings.Fields(tt.types) {
				has := Role(role).Letters(typ).String()
				for _, l := range tt.may {
					if !strings.ContainsRune(has, l) {
						t.Errorf("%s lacks %c on %s", role, l, typ)
					}
				}
				if strings.ContainsAny(has, tt.mayNot) && tt.mayNot != "" {
					t.Errorf("%s has %s on %s, must not have %s", role, has, typ, tt.mayNot)
				}
			}
		}
	}
}

func TestPublicType(t *testing.T) {
	for typ, want := range map[string]bool{"HealthcareService": true, "Questionnaire": true, "Patient": false, "Task": false, "AuditEvent": false, "Unknown": false, "*": false} {
		if PublicType(typ) != want {
			t.Errorf("PublicType(%s) = %t", typ, !want)
		}
	}
}

func TestParseRolesFaults(t *testing.T) {
	head := "[columns]\na x y\nb z\n[records]\n"
	for _, bad := range []string{"Patient cruds", "Patient cruds . .", "Patient sr .", "Patient x ."} {
		if _, err := parseRoles(head + bad); err == nil || !strings.Contains(err.Error(), "line 5") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if !strings.Contains(RolesTable(), "[records]") {
		t.Error("the published table is not the table")
	}
}

func principal(t *testing.T, id string, role Role, org, scope string) Principal {
	t.Helper()
	ss, err := ParseScopes(scope)
	if err != nil {
		t.Fatal(err)
	}
	return NewPrincipal(id, role, org, ss)
}

func TestGrant(t *testing.T) {
	tests := []struct {
		role             Role
		scope            string
		interaction, typ string
		want             bool
	}{
		{"gp-practice", "system/*.cruds", "create", "ServiceRequest", true},
		{"gp-practice", "system/*.cruds", "update", "ServiceRequest", true},
		{"gp-practice", "system/*.cruds", "patch", "ServiceRequest", true},
		{"gp-practice", "system/*.cruds", "delete", "ServiceRequest", false},
		{"gp-practice", "system/*.cruds", "create", "Task", false},
		{"gp-practice", "system/*.rs", "create", "ServiceRequest", false},
		{"gp-practice", "system/Patient.rs", "read", "ServiceRequest", false},
		{"gp-practice", "system/Patient.s", "read", "Patient", false},
		{"gp-practice", "system/Patient.s", "search-type", "Patient", true},
		{"gp-practice", "system/Patient.r", "vread", "Patient", true},
		{"gp-practice", "system/Patient.r", "history-instance", "Patient", true},
		{"gp-practice", "system/Patient.r", "history-type", "Patient", false},
		{"gp-practice", "system/*.cruds", "read", "AuditEvent", false},
		{"gp-practice", "system/*.cruds", "READ", "Patient", false},
		{"gp-practice", "system/*.cruds", "$everything", "Patient", false},
		{"gp-practice", "system/*.cruds", "read", "*", false},
		{"auditor", "system/*.cruds", "read", "AuditEvent", true},
		{"auditor", "system/*.cruds", "read", "Patient", false},
		{"auditor", "system/*.cruds", "create", "Patient", false},
		{"auditor", "system/*.cruds", "create", "AuditEvent", false},
		{"sandbox", "system/*.cruds", "delete", "Medication", true},
		{"sandbox", "system/Patient.rs", "read", "Medication", false},
		{"sandbox", "system/Patient.rs", "read", "Patient", true},
		{"unknown", "system/*.cruds", "read", "Patient", false},
	}
	for _, tt := range tests {
		p := principal(t, "c", tt.role, "", tt.scope)
		if got := p.Allow(tt.interaction, tt.typ); got != tt.want {
			t.Errorf("%s with %s: %s %s = %t", tt.role, tt.scope, tt.interaction, tt.typ, got)
		}
		if err := p.Require(tt.interaction, tt.typ); (err == nil) != tt.want {
			t.Errorf("Require(%s, %s) = %v", tt.interaction, tt.typ, err)
		} else if err != nil && !strings.Contains(Challenge(err), "insufficient_scope") {
			t.Errorf("challenge = %q", Challenge(err))
		}
	}
	if (Principal{}).Allow("read", "Patient") || (Principal{}).Owner() != "" || NewPrincipal("", "sandbox", "", nil).Owner() != "" {
		t.Error("nobody may do something")
	}
}

// Abuse case 10: the police see their own referrals and nobody else's.
func TestViews(t *testing.T) {
	police := principal(t, "force", "police", "P001", DefaultScope)
	gp := principal(t, "gp-1", "gp-practice", "A81001", DefaultScope)
	colleague := principal(t, "gp-2", "gp-practice", "A81001", DefaultScope)
	worker := principal(t, "sp", "link-worker", "SP001", DefaultScope)
	loner := principal(t, "loner", "person", "", DefaultScope)
	admin := principal(t, "admin", "administrator", "", DefaultScope)
	box := principal(t, "box", RoleSandbox, "", DefaultScope)
	referral := gp.Access("ServiceRequest", OrgParty("SP001"))
	service := worker.Access("HealthcareService")
	tests := []struct {
		name         string
		p            Principal
		typ          string
		a            Access
		sees, change bool
	}{
		{"own organisation", colleague, "ServiceRequest", referral, true, true},
		{"allocated", worker, "ServiceRequest", referral, true, true},
		{"police", police, "ServiceRequest", referral, false, false},
		{"another person", loner, "ServiceRequest", referral, false, false},
		{"own", loner, "ServiceRequest", loner.Access("ServiceRequest"), true, true},
		{"administrator", admin, "ServiceRequest", referral, false, false},
		{"sandbox", box, "ServiceRequest", referral, true, true},
		{"directory", police, "HealthcareService", service, true, false},
		{"directory of others", gp, "Organization", worker.Access("Organization"), true, false},
		{"own directory entry", colleague, "Organization", gp.Access("Organization"), true, true},
		{"nobody", Principal{}, "HealthcareService", service, false, false},
	}
	for _, tt := range tests {
		if got := tt.p.View("read").Sees(tt.typ, tt.a); got != tt.sees {
			t.Errorf("%s: sees = %t", tt.name, got)
		}
		if got := tt.p.View("update").Changes(tt.typ, tt.a); got != tt.change {
			t.Errorf("%s: changes = %t", tt.name, got)
		}
	}
	if referral.Owner != "org/A81001" || !slices.Equal(referral.Parties, []string{"org/A81001", "org/SP001"}) {
		t.Errorf("referral's access = %+v", referral)
	}
	if !slices.Contains(service.Parties, PartyPublic) || loner.Owner() != "client/loner" {
		t.Errorf("service's access = %+v", service)
	}
	if !box.UpdateAsCreate() || gp.UpdateAsCreate() || !box.Sandbox() || gp.Sandbox() {
		t.Error("wrong privileges")
	}
}
