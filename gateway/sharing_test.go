package gateway_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"trellis.example/gateway"
)

// names returns the types of what the caller sees, with their numbers.
func (s *system) sees(who, typ string) int {
	s.t.Helper()
	return s.want(s.get(who, "/fhir/"+typ+"?_count=200"), 200).root(s.t).Get("entry").Len()
}

// TestRestrictedPartsStayWithTheSender: officer and log references of a police
// notice never reach the service.
func TestRestrictedPartsStayWithTheSender(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	s.want(s.post("police", "/intake/ppn-csv", "text/csv", notices(t, "1")), 200)
	if a := s.get("worker", "/fhir/Provenance"); bytes.Contains(a.body, []byte("PC Demo")) {
		t.Error("the service sees the officer")
	}
	if a := s.get("police", "/fhir/Provenance"); !bytes.Contains(a.body, []byte("PC Demo")) {
		t.Errorf("the force does not see its own record:\n%s", a.body)
	}
}

// TestNoConsentIsNotShared: without a basis the service sees nothing, the
// sender sees a Task on hold, and consent that comes later releases both.
func TestNoConsentIsNotShared(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	file := notices(t, "1")
	s.want(s.post("police", "/intake/ppn-csv", "text/csv", edit(t, file, ",Yes,Consent,Yes,", ",No,,Yes,")), 200)
	id := only(t, s.referrals("police"))
	if n := s.sees("worker", "Patient") + s.sees("worker", "ServiceRequest") + s.sees("worker", "Task"); n != 0 {
		t.Errorf("without consent the service sees %d resources", n)
	}
	if got := s.task("police", id).Get("status").Text(); got != "on-hold" {
		t.Errorf("the sender's Task is %s, want on-hold", got)
	}
	s.want(s.post("police", "/intake/ppn-csv", "text/csv", file), 200)
	if got := s.task("worker", id).Get("status").Text(); got != "requested" {
		t.Errorf("after consent the Task is %s, want requested", got)
	}
	if n := s.sees("worker", "Patient"); n != 1 {
		t.Errorf("after consent the service sees %d Patients, want 1", n)
	}
}

// TestDenialIsNotShared: a Consent that denies keeps the referral with its
// sender, whatever the role.
func TestDenialIsNotShared(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	s.want(s.post("surgery", "/fhir", fhirType, edit(t, document(t, "referral.json", "1"), `"permit"`, `"deny"`)), 200)
	if n := s.sees("worker", "ServiceRequest") + s.sees("worker", "Patient"); n != 0 {
		t.Errorf("a denied referral is seen by the service (%d resources)", n)
	}
	if got := s.task("surgery", only(t, s.referrals("surgery"))).Get("status").Text(); got != "on-hold" {
		t.Errorf("the Task is %s, want on-hold", got)
	}
}

// TestOnlyReferralsAreShared: another kind of request goes to nobody.
func TestOnlyReferralsAreShared(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	other := edit(t, document(t, "referral.json", "1"), "871731000000106", "3457005", "Referral to social prescribing service", "Patient referral")
	s.want(s.post("surgery", "/fhir", fhirType, other), 200)
	if n := s.sees("worker", "ServiceRequest") + s.sees("worker", "Patient"); n != 0 {
		t.Errorf("the service sees %d resources of a request that is none of its business", n)
	}
}

// TestPerformerThatIsNotKnown: a referral to a service that cannot be found is
// not given to another one.
func TestPerformerThatIsNotKnown(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	doc := edit(t, document(t, "referral.json", "1"), `{"type": "Organization", "identifier": {"system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": "Z9D01"}, "display": "Demo Link Workers"}`,
		`{"reference": "https://elsewhere.example/fhir/HealthcareService/7", "display": "A support group"}`)
	s.want(s.post("surgery", "/fhir", fhirType, doc), 200)
	if n := s.sees("worker", "ServiceRequest"); n != 0 {
		t.Error("the default service sees a referral to another one")
	}
	task := s.task("surgery", only(t, s.referrals("surgery")))
	if !bytes.Contains(task.Raw(), []byte("the service referred to is not known here")) {
		t.Errorf("the Task does not say that nobody is addressed: %s", task.Raw())
	}
}

// TestOneReferralPerDocument: with two, one service would see the other's
// patient.
func TestOneReferralPerDocument(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	doc := document(t, "referral.json", "1")
	i, j := bytes.Index(doc, []byte(`    {
      "fullUrl": "urn:uuid:3f0a1c52-0000-4000-8000-000000000003"`)), bytes.Index(doc, []byte(`    {
      "fullUrl": "urn:uuid:3f0a1c52-0000-4000-8000-000000000004"`))
	second := bytes.Replace(doc[i:j], []byte("000000000003"), []byte("000000000009"), 1)
	doc = append(append(bytes.Clone(doc[:j]), second...), doc[j:]...)
	a := s.want(s.post("surgery", "/fhir", fhirType, doc), 422)
	if !bytes.Contains(a.body, []byte("Bundle.entry[3].resource")) {
		t.Errorf("the fault has no place: %s", a.body)
	}
}

// TestReaddressed: the new service sees everything, the old one nothing more.
func TestReaddressed(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	s.partner("worker2", "link-worker", "Z9D02", nil)
	doc := document(t, "referral.json", "1")
	s.want(s.post("surgery", "/intake/fhir", fhirType, doc), 201)
	s.want(s.post("surgery", "/intake/fhir", fhirType, edit(t, doc, `"value": "Z9D01"`, `"value": "Z9D02"`)), 201)
	for _, typ := range []string{"Patient", "ServiceRequest", "Task", "Consent"} {
		if got := s.sees("worker2", typ); got != 1 {
			t.Errorf("the new service sees %d %s, want 1", got, typ)
		}
		if got := s.sees("worker", typ); got != 0 {
			t.Errorf("the old service sees %d %s, want 0", got, typ)
		}
	}
}

// TestReceiverSeesAStoredPatient: a referral about a Patient stored before.
func TestReceiverSeesAStoredPatient(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	a := s.want(s.post("surgery", "/fhir/Patient", fhirType, []byte(`{"resourceType":"Patient","name":[{"family":"Example"}],"birthDate":"1951-06-02"}`)), 201)
	patient := "Patient/" + a.root(t).Get("id").Text()
	sr := `{"resourceType":"ServiceRequest","identifier":[{"system":"urn:x","value":"1"}],"status":"active","intent":"order","code":{"coding":[{"system":"http://snomed.info/sct","code":"871731000000106"}]},"subject":{"reference":"` + patient + `"},"authoredOn":"2026-03-04T10:15:30Z","requester":{"identifier":{"system":"https://fhir.nhs.uk/Id/ods-organization-code","value":"Y99001"}}}`
	s.want(s.post("surgery", "/intake/fhir", fhirType, []byte(sr)), 201)
	s.want(s.get("worker", "/fhir/"+patient), 200)
	b := s.want(s.get("auditor", "/fhir/AuditEvent?patient="+patient+"&_count=50"), 200).body
	if !bytes.Contains(b, []byte("intake-fhir")) {
		t.Error("the audit does not name the patient of a bare request")
	}
}

// TestClosedReferralStaysClosed: what was taken back does not come back
// without anyone to see it.
func TestClosedReferralStaysClosed(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	msg := document(t, "referral.hl7", "1")
	send := func(control, event string, more ...string) string {
		t.Helper()
		return s.hl7(edit(t, msg, append([]string{"DEMO1", control, "I12^", event + "^"}, more...)...))
	}
	for _, step := range []struct {
		control, event, code string
		more                 []string
	}{
		{"DEMO2", "I12", "AA", nil},
		{"DEMO3", "I14", "AA", nil},
		{"DEMO4", "I12", "AE", nil},
		{"DEMO5", "I13", "AE", []string{"Would like help", "Would like more help"}},
	} {
		if ack := send(step.control, step.event, step.more...); !strings.Contains(ack, "\nMSA|"+step.code+"|"+step.control) {
			t.Errorf("%s %s: want %s\n%s", step.control, step.event, step.code, ack)
		}
	}
	if got := s.referrals("worker")[only(t, s.referrals("worker"))].Get("status").Text(); got != "revoked" {
		t.Errorf("the request is %s, want revoked", got)
	}
}

// TestRepeatTakesItsMessageID: an unchanged record uses its control id up.
func TestRepeatTakesItsMessageID(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	msg := document(t, "referral.hl7", "1")
	s.hl7(msg)
	s.hl7(edit(t, msg, "DEMO1", "DEMO2"))
	if ack := s.hl7(edit(t, msg, "DEMO1", "DEMO2", "Specimen", "Another")); !strings.Contains(ack, "MSA|AE|DEMO2") || !strings.Contains(ack, "|205^") {
		t.Errorf("the control id of a repeat was used again:\n%s", ack)
	}
}

// TestLocalChangeIsNotOverwritten: the link worker's note survives the
// sender's next document.
func TestLocalChangeIsNotOverwritten(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	doc := document(t, "referral.json", "1")
	s.want(s.post("surgery", "/intake/fhir", fhirType, doc), 201)
	id := only(t, s.referrals("worker"))
	body := s.want(s.get("worker", "/fhir/ServiceRequest/"+id), 200).body
	noted := edit(t, body, `"status": "active"`, `"note":[{"text":"Prefers mornings."}],"status": "active"`)
	s.want(s.do("worker", http.MethodPut, "/fhir/ServiceRequest/"+id, http.Header{"Content-Type": {fhirType}}, noted), 200)
	a := s.want(s.post("surgery", "/intake/fhir", fhirType, edit(t, doc, "Lives alone", "Living alone")), 422)
	if !bytes.Contains(a.body, []byte("changed-here")) {
		t.Errorf("the refusal does not say why: %s", a.body)
	}
	if b := s.get("surgery", "/fhir/ServiceRequest/"+id).body; !bytes.Contains(b, []byte("Prefers mornings.")) {
		t.Error("the note is gone")
	}
}

// TestDraftThatBecomesActive: the Task that a PUT made is the Task of the
// sender's next document too.
func TestDraftThatBecomesActive(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	draft := edit(t, document(t, "referral.json", "1"), "\"status\": \"active\",\n        \"intent\"", "\"status\": \"draft\",\n        \"intent\"")
	s.want(s.post("surgery", "/intake/fhir", fhirType, draft), 201)
	id := only(t, s.referrals("surgery"))
	if n := s.sees("surgery", "Task"); n != 0 {
		t.Errorf("a draft has %d Tasks", n)
	}
	s.want(s.post("surgery", "/intake/fhir", fhirType, document(t, "referral.json", "1")), 201)
	if got := s.task("worker", id).Get("status").Text(); got != "requested" {
		t.Errorf("the Task is %s", got)
	}
}

// TestTooLargeEntry: an entry over the limit refuses the whole, it does not
// vanish.
func TestTooLargeEntry(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	big := edit(t, document(t, "referral.json", "1"), `"No known risks"`, `"`+strings.Repeat("x", 4<<20)+`"`)
	a := s.post("surgery", "/fhir", fhirType, big)
	if a.StatusCode != 413 && a.StatusCode != 422 {
		t.Errorf("got %s", a.Status)
	}
	if n := len(s.referrals("surgery")); n != 0 {
		t.Errorf("%d referrals of a refused transaction", n)
	}
	s.want(s.post("surgery", "/fhir", fhirType, []byte(`{"resourceType":"Bundle","type":"transaction","entry":[]}`)), 422)
	s.want(s.post("surgery", "/fhir", fhirType, []byte(`{"resourceType":"Bundle","type":"transaction"}`)), 422)
}

// TestLabelsOutliveAnUpdate: who set a label for good keeps it there.
func TestLabelsOutliveAnUpdate(t *testing.T) {
	s := newSystem(t, func(c *gateway.Config) {})
	s.partners()
	s.partner("importer", "importer", "", nil)
	doc := document(t, "referral.json", "1")
	s.want(s.post("surgery", "/intake/fhir", fhirType, doc), 201)
	id := only(t, s.referrals("worker"))
	body := s.want(s.get("importer", "/fhir/ServiceRequest/"+id), 200).body
	labelled := edit(t, body, `"meta":{`, `"meta":{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"V"}],`)
	s.want(s.do("importer", http.MethodPut, "/fhir/ServiceRequest/"+id, http.Header{"Content-Type": {fhirType}}, labelled), 200)
	s.want(s.get("worker", "/fhir/ServiceRequest/"+id), 404)
	s.post("surgery", "/intake/fhir", fhirType, edit(t, doc, "Lives alone", "Living alone"))
	s.want(s.get("worker", "/fhir/ServiceRequest/"+id), 404)
}
