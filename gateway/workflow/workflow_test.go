package workflow

import (
	"strings"
	"testing"
	"time"

	"trellis.example/fhir"
)

var now = time.Date(2026, 3, 4, 10, 15, 30, 0, time.UTC)

func decode(t *testing.T, s string) fhir.Resource {
	t.Helper()
	r, err := fhir.Decode([]byte(s))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestIsReferral(t *testing.T) {
	tests := []struct {
		in   string
		want bool
	}{
		{`{"resourceType":"ServiceRequest","code":{"coding":[{"system":"http://snomed.info/sct","code":"871731000000106"}]}}`, true},
		{`{"resourceType":"ServiceRequest","category":[{"coding":[{"system":"https://trellis.example/fhir/CodeSystem/service-request-category","code":"social-prescribing"}]}]}`, true},
		{`{"resourceType":"ServiceRequest","category":[{"coding":[{"system":"x"},{"system":"https://sender.example/CodeSystem/local-usecases","code":"sp1"}]}]}`, true},
		{`{"resourceType":"ServiceRequest","code":{"coding":[{"system":"x","code":"871731000000106"}]}}`, false}, // same code, other system
		{`{"resourceType":"Task","code":{"coding":[{"system":"http://snomed.info/sct","code":"871731000000106"}]}}`, false},
		{`{"resourceType":"ServiceRequest"}`, false},
	}
	for _, tt := range tests {
		if got := IsReferral(decode(t, tt.in).Root()); got != tt.want {
			t.Errorf("IsReferral(%s) = %t", tt.in, got)
		}
	}
}

func TestTask(t *testing.T) {
	sr := decode(t, `{"resourceType":"ServiceRequest","status":"active","subject":{"reference":"Patient/p"},"requester":{"reference":"Practitioner/g"},"performer":[{"reference":"HealthcareService/h"}]}`)
	s := Start{Request: "ServiceRequest/s", Root: sr.Root(), Lawful: true, Now: now}
	got, err := Task(s)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"meta":{"profile":["https://trellis.example/fhir/StructureDefinition/Task"]},"basedOn":[{"reference":"ServiceRequest/s"}],"status":"requested","businessStatus":{"coding":[{"system":"https://trellis.example/fhir/CodeSystem/task-business-status","code":"created","display":"Created"}]},"intent":"order","code":{"coding":[{"system":"http://hl7.org/fhir/CodeSystem/task-code","code":"fulfill","display":"Fulfill the focal request"}]},"focus":{"reference":"ServiceRequest/s"},"for":{"reference":"Patient/p"},"authoredOn":"2026-03-04T10:15:30.000Z","lastModified":"2026-03-04T10:15:30.000Z","requester":{"reference":"Practitioner/g"},"owner":{"reference":"HealthcareService/h"},"resourceType":"Task"}`
	if string(got) != want {
		t.Errorf("Task\n got %s\nwant %s", got, want)
	}
	s.Lawful = false
	s.Missing = []fhir.Issue{{Severity: fhir.SeverityWarning, Rule: "prsb-risk", Text: "at least one risk entry"}, {Severity: fhir.SeverityInformation, Rule: "x", Text: "y"}}
	got, err = Task(s)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`"status":"on-hold"`, `"code":"awaiting-consent"`, `"statusReason":{"text":"No consent`, `"tag":[{"system":"https://trellis.example/fhir/CodeSystem/task-tag","code":"incomplete"}]`, `"note":[{"text":"Missing: at least one risk entry (prsb-risk)"}]`} {
		if !strings.Contains(string(got), part) {
			t.Errorf("Task without consent lacks %s:\n%s", part, got)
		}
	}
}

func TestEnd(t *testing.T) {
	for _, in := range []string{
		`{"resourceType":"Task","status":"requested","businessStatus":{"text":"x"},"lastModified":"2026-01-01T00:00:00Z"}`,
		`{"resourceType":"Task","status":"on-hold","statusReason":{"text":"why"}}`,
	} {
		got := decode(t, string(End(decode(t, in), Withdrawn, now))).Root()
		if s := got.Get("status").Text(); s != "cancelled" {
			t.Errorf("End(%s): status %q", in, s)
		}
		if s := got.At("statusReason", "text").Text(); s != Withdrawn.Reason {
			t.Errorf("End(%s): reason %q", in, s)
		}
		if s := got.At("businessStatus", "coding", 0, "code").Text(); s != "withdrawn" {
			t.Errorf("End(%s): business status %q", in, s)
		}
		if !IsClosed(got) {
			t.Errorf("End(%s) leaves the task open", in)
		}
	}
}

func TestProvenance(t *testing.T) {
	got, err := Provenance(Origin{Targets: []string{"ServiceRequest/s/_history/1"}, Org: "A81001", Client: "gp", Map: "hl7v2 1.0.0", Hash: "ab", Now: now})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"extension":[{"url":"https://trellis.example/fhir/StructureDefinition/provenance-map","valueString":"hl7v2 1.0.0"}],"target":[{"reference":"ServiceRequest/s/_history/1"}],"recorded":"2026-03-04T10:15:30.000Z","activity":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-DataOperation","code":"CREATE"}]},"agent":[{"type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/provenance-participant-type","code":"author","display":"author"}]},"who":{"type":"Organization","identifier":{"system":"https://fhir.nhs.uk/Id/ods-organization-code","value":"A81001"}}},{"type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/provenance-participant-type","code":"assembler","display":"assembler"}]},"who":{"display":"Trellis gateway"}}],"entity":[{"role":"source","what":{"identifier":{"system":"https://trellis.example/fhir/sid/original-sha256","value":"ab"}}}],"resourceType":"Provenance"}`
	if string(got) != want {
		t.Errorf("Provenance\n got %s\nwant %s", got, want)
	}
}
