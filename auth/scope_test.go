package auth

import (
	"slices"
	"strings"
	"testing"
)

func TestParseScope(t *testing.T) {
	tests := []struct {
		in, typ, letters string // typ "" : refused
		constraints      []string
	}{
		{"system/ServiceRequest.cruds", "ServiceRequest", "cruds", nil},
		{"system/*.rs", "*", "rs", nil},
		{"system/Patient.r", "Patient", "r", nil},
		{"system/Patient.read", "Patient", "rs", nil},
		{"system/Patient.write", "Patient", "cud", nil},
		{"system/Patient.*", "Patient", "cruds", nil},
		{"system/*.*", "*", "cruds", nil},
		{"system/Task.rs?status=active", "Task", "rs", []string{"status=active"}},
		{"system/Task.rs?status=active&code=a%7Cb", "Task", "rs", []string{"code=a|b", "status=active"}},
		{"system/Task.rs?_security=x", "Task", "rs", []string{"_security=x"}},
		{in: "patient/Patient.r"}, {in: "user/Patient.r"}, {in: "openid"}, {in: "launch"}, {in: ""},
		{in: "system/Patient"}, {in: "system/Patient."}, {in: "system/.r"}, {in: "system/patient.r"},
		{in: "system/Patient.sr"}, {in: "system/Patient.rr"}, {in: "system/Patient.x"}, {in: "system/Patient.R"},
		{in: "system/Patient.rs?"}, {in: "system/Patient.rs?status"}, {in: "system/Patient.rs?status="},
		{in: "system/Patient.rs?=x"}, {in: "system/Patient.rs?a=%zz"}, {in: "system/Patient.rs?a=b&"},
		{in: "system/Patient.read?a=b"}, {in: "System/Patient.r"}, {in: "system/Patient.r\n"}, {in: "system/**.r"},
	}
	for _, tt := range tests {
		s, err := ParseScope(tt.in)
		if tt.typ == "" {
			if err == nil {
				t.Errorf("ParseScope(%q) = %v, want an error", tt.in, s)
			}
			continue
		}
		if err != nil || s.Type != tt.typ || s.Letters.String() != tt.letters || !slices.Equal(s.Constraints, tt.constraints) {
			t.Errorf("ParseScope(%q) = %+v, %v", tt.in, s, err)
		}
	}
}

func TestCover(t *testing.T) {
	tests := []struct {
		have, want string
		covered    bool
	}{
		{"system/*.rs", "system/ServiceRequest.rs", true},
		{"system/*.rs", "system/ServiceRequest.r", true},
		{"system/*.read", "system/ServiceRequest.rs", true},
		{"system/Patient.r system/Patient.s", "system/Patient.rs", true},
		{"system/*.r system/Patient.s", "system/Patient.rs", true},
		{"system/Patient.rs", "system/Patient.rs?_id=1", true}, // narrower
		{"system/Patient.rs?_id=1", "system/Patient.rs?_id=1", true},
		{"system/Patient.rs?_id=1", "system/Patient.rs?_id=1&gender=male", true},
		{"system/Patient.rs?_id=1", "system/Patient.rs", false},        // the constraint was dropped
		{"system/Patient.rs?_id=1", "system/Patient.rs?_id=2", false},  //
		{"system/Patient.rs", "system/Patient.crs", false},             //
		{"system/Patient.rs", "system/*.rs", false},                    //
		{"system/Patient.rs", "system/PatientX.rs", false},             //
		{"system/Patient.r system/Task.s", "system/Patient.rs", false}, //
		{"system/*.r system/Patient.s", "system/*.rs", false},          //
		{"", "system/Patient.r", false},                                //
	}
	for _, tt := range tests {
		have, err := ParseScopes(tt.have)
		if err != nil {
			t.Fatal(err)
		}
		want, err := ParseScope(tt.want)
		if err != nil {
			t.Fatal(err)
		}
		if got := have.Cover(want); got != tt.covered {
			t.Errorf("%q covers %q = %t", tt.have, tt.want, got)
		}
		if got := coverStrategy(have.Texts(), tt.want); got != tt.covered {
			t.Errorf("strategy: %q covers %q = %t", tt.have, tt.want, got)
		}
	}
	if (Scopes{{Type: "*", Letters: allLetters}}).Cover(Scope{Type: "Patient"}) {
		t.Error("nothing is covered")
	}
	if coverStrategy([]string{"system/*.cruds", "junk"}, "junk") {
		t.Error("junk covers junk")
	}
}

// TestConstrainedGrantsNothing: a constraint that slipped through would not be
// enforced, so it grants nothing.
func TestConstrainedGrantsNothing(t *testing.T) {
	ss, err := ParseScopes("system/Task.rs?status=active")
	if err != nil {
		t.Fatal(err)
	}
	for _, role := range []Role{"gp-practice", RoleSandbox} {
		if NewPrincipal("c", role, "", ss).Allow("read", "Task") {
			t.Errorf("%s reads", role)
		}
	}
}

func TestParseScopesLimits(t *testing.T) {
	if _, err := ParseScopes(strings.Repeat("x", maxScopeText+1)); err == nil {
		t.Error("too long a text was accepted")
	}
	var b strings.Builder
	for i := range maxScopes + 1 {
		b.WriteString("system/T" + strings.Repeat("a", i%20) + strings.Repeat("b", i/20) + ".r ")
	}
	if _, err := ParseScopes(b.String()); err == nil {
		t.Error("too many scopes were accepted")
	}
	ss, err := ParseScopes("system/Task.r  system/Task.r system/Patient.read")
	if err != nil || ss.String() != "system/Task.r system/Patient.read" {
		t.Errorf("got %q, %v", ss, err)
	}
}

// FuzzParseScope: whatever parses prints as itself, covers itself, and is
// covered by everything without its constraints.
func FuzzParseScope(f *testing.F) {
	for _, s := range []string{"system/Patient.rs", "system/*.*", "system/A.cud?x=1&y=%20", "patient/*.r", "system/Task.read"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		s, err := ParseScope(in)
		if err != nil {
			return
		}
		if s.String() != in || s.Letters == 0 || s.Type == "" {
			t.Errorf("%q parsed as %+v", in, s)
		}
		if !(Scopes{s}).Cover(s) || !(Scopes{{Type: "*", Letters: allLetters}}).Cover(s) {
			t.Errorf("%q is not covered", in)
		}
		if len(s.Constraints) > 0 && (Scopes{s}).Cover(Scope{Type: s.Type, Letters: s.Letters}) {
			t.Errorf("%q covers itself without its constraints", in)
		}
		again, err := ParseScope(Scope{Type: s.Type, Letters: s.Letters, Constraints: s.Constraints}.String())
		if err != nil || !slices.Equal(again.Constraints, s.Constraints) || again.Letters != s.Letters {
			t.Errorf("%q printed as %q: %v", in, again, err)
		}
	})
}
