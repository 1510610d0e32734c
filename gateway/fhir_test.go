package gateway_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"trellis.example/fhir"
	"trellis.example/gateway"
)

const fhirType = "application/fhir+json"

// TestTransactionIsAllOrNothing: one bad entry and nothing is stored; all
// faults are named at their place.
func TestTransactionIsAllOrNothing(t *testing.T) {
	onStores(t, func(t *testing.T, s *system) {
		s.partners()
		good := document(t, "referral.json", "1")
		tests := []struct {
			name   string
			status int
			places []string
			body   []byte
		}{
			{"wrong code", 422, []string{"Bundle.entry[0].resource.gender"}, edit(t, good, `"female"`, `"woman"`)},
			{"three faults", 422, []string{"Bundle.entry[0].resource.gender", "Bundle.entry[0].resource.birthDate", "Bundle.entry[2].resource.status"},
				edit(t, good, `"female"`, `"woman"`, "1951-06-02", "1951-02-31", `"status": "active",
        "intent"`, `"status": "activ",
        "intent"`)},
			{"check digit", 422, []string{"Bundle.entry[0].resource.identifier[0]"}, edit(t, good, "9991234004", "9991234005")},
			{"dangling reference", 422, []string{"Bundle.entry[1].resource.patient.reference"}, edit(t, good, `"patient": {"reference": "urn:uuid:3f0a1c52-0000-4000-8000-000000000001"}`, `"patient": {"reference": "urn:uuid:3f0a1c52-0000-4000-8000-00000000000f"}`)},
			{"reference to nobody", 422, []string{"Bundle.entry[1].resource.patient.reference"}, edit(t, good, `"patient": {"reference": "urn:uuid:3f0a1c52-0000-4000-8000-000000000001"}`, `"patient": {"reference": "Patient/nobody"}`)},
			{"somebody else's name", 422, []string{"Bundle.entry[2].resource.requester"}, edit(t, good, "Y99001\"}, \"display\": \"Demo Surgery", "Y99002\"}, \"display\": \"Demo Surgery")},
			{"own security label", 422, []string{"Bundle.entry[1].resource.meta.security[0]"}, edit(t, good, `"resourceType": "Consent",`, `"resourceType": "Consent", "meta": {"security": [{"code": "R"}]},`)},
			{"PUT", 400, []string{"Bundle.entry[0].request.url"}, edit(t, good, `"method": "POST"`, `"method": "PUT"`)},
			{"not a type of this role", 403, nil, edit(t, good, `"resourceType": "RiskAssessment"`, `"resourceType": "CarePlan"`, `"url": "RiskAssessment"`, `"url": "CarePlan"`)},
			{"collection", 400, nil, edit(t, good, `"transaction"`, `"collection"`)},
			{"duplicate key", 400, nil, edit(t, good, `"type": "transaction"`, `"type": "transaction", "type": "batch"`)},
			{"not UTF-8", 400, nil, edit(t, good, "Rowan", "R\xffwan")},
			{"cut short", 400, nil, good[:len(good)/2]},
		}
		for _, tt := range tests {
			a := s.post("surgery", "/fhir", fhirType, tt.body)
			if a.StatusCode != tt.status {
				t.Errorf("%s: got %s, want %d\n%s", tt.name, a.Status, tt.status, a.body)
			}
			for _, place := range tt.places {
				if !bytes.Contains(a.body, []byte(place)) {
					t.Errorf("%s: the answer does not name %s:\n%s", tt.name, place, a.body)
				}
			}
		}
		for _, typ := range []string{"Patient", "Consent", "ServiceRequest", "RiskAssessment", "Task"} {
			if n := s.want(s.get("surgery", "/fhir/"+typ), 200).root(t).Get("entry").Len(); n != 0 {
				t.Errorf("refused transactions left %d %s", n, typ)
			}
		}
		s.logsAreClean()
	})
}

// TestIdempotencyKey: the first answer again for the same body, 422 for
// another, and one winner among eight at once.
func TestIdempotencyKey(t *testing.T) {
	onStores(t, func(t *testing.T, s *system) {
		s.partners()
		body := document(t, "referral.json", "1")
		h := http.Header{"Content-Type": {fhirType}, "Idempotency-Key": {"key-1"}}
		s.token("surgery")
		var wg sync.WaitGroup
		answers := make([]answer, 8)
		for i := range answers {
			wg.Go(func() { answers[i] = s.do("surgery", http.MethodPost, "/fhir", h, body) })
		}
		wg.Wait()
		for _, a := range answers {
			if a.StatusCode != 200 || !bytes.Equal(a.body, answers[0].body) {
				t.Errorf("got %s, want the first answer\n%s", a.Status, a.body)
			}
		}
		only(t, s.referrals("surgery"))
		s.want(s.do("surgery", http.MethodPost, "/fhir", h, edit(t, body, "Rowan", "Robin")), 422)
	})
}

// TestPlainServiceRequest: created piece by piece, a referral reaches the
// service with what it refers to, and nothing else does.
func TestPlainServiceRequest(t *testing.T) {
	onStores(t, func(t *testing.T, s *system) {
		s.partners()
		create := func(typ, body string) string {
			t.Helper()
			a := s.want(s.post("surgery", "/fhir/"+typ, fhirType, []byte(body)), 201)
			return typ + "/" + a.root(t).Get("id").Text()
		}
		patient := create("Patient", `{"resourceType":"Patient","identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9991234004"}],"name":[{"family":"Example","given":["Rowan"]}],"birthDate":"1951-06-02"}`)
		private := create("Patient", `{"resourceType":"Patient","name":[{"family":"Example","given":["Rowan"]}],"birthDate":"1951-06-02"}`)
		request := func(status string) string {
			return fmt.Sprintf(`{"resourceType":"ServiceRequest","status":%q,"intent":"order","code":{"coding":[{"system":"http://snomed.info/sct","code":"871731000000106"}]},"subject":{"reference":%q},"authoredOn":"2026-03-04T10:15:30Z","requester":{"identifier":{"system":"https://fhir.nhs.uk/Id/ods-organization-code","value":"Y99001"}},"performer":[{"type":"Organization","identifier":{"system":"https://fhir.nhs.uk/Id/ods-organization-code","value":%q}}]}`, status, patient, service)
		}
		ref := create("ServiceRequest", request("active"))
		id := strings.TrimPrefix(ref, "ServiceRequest/")
		s.want(s.get("worker", "/fhir/"+ref), 200)
		s.want(s.get("worker", "/fhir/"+patient), 200)
		s.want(s.get("worker", "/fhir/"+private), 404)
		s.want(s.get("other", "/fhir/"+patient), 404)
		if got := s.task("worker", id).Get("status").Text(); got != "on-hold" { // no consent is recorded
			t.Errorf("Task is %s, want on-hold", got)
		}
		if !s.hasProvenance(id) {
			t.Error("no Provenance")
		}
		revoke := strings.Replace(request("revoked"), `{"resourceType":"ServiceRequest",`, `{"resourceType":"ServiceRequest","id":"`+id+`",`, 1)
		s.want(s.do("surgery", http.MethodPut, "/fhir/"+ref, http.Header{"Content-Type": {fhirType}, "If-Match": {`W/"1"`}}, []byte(revoke)), 200)
		if got := s.task("worker", id).Get("status").Text(); got != "cancelled" {
			t.Errorf("Task is %s, want cancelled", got)
		}
	})
}

// TestParallelReferralsForOnePatient: eight requests at once that all share
// the same new Patient with the service are all stored.
func TestParallelReferralsForOnePatient(t *testing.T) {
	onStores(t, func(t *testing.T, s *system) {
		s.partners()
		a := s.want(s.post("surgery", "/fhir/Patient", fhirType, []byte(`{"resourceType":"Patient","name":[{"family":"Example"}],"birthDate":"1951-06-02"}`)), 201)
		patient := "Patient/" + a.root(t).Get("id").Text()
		body := fmt.Appendf(nil, `{"resourceType":"ServiceRequest","status":"active","intent":"order","code":{"coding":[{"system":"http://snomed.info/sct","code":"871731000000106"}]},"subject":{"reference":%q},"authoredOn":"2026-03-04T10:15:30Z","requester":{"identifier":{"system":"https://fhir.nhs.uk/Id/ods-organization-code","value":"Y99001"}}}`, patient)
		var wg sync.WaitGroup
		status := make([]int, 8)
		for i := range status {
			wg.Go(func() { status[i] = s.post("surgery", "/fhir/ServiceRequest", fhirType, body).StatusCode })
		}
		wg.Wait()
		for _, st := range status {
			if st != 201 {
				t.Errorf("statuses %v, want 201 for all", status)
				break
			}
		}
		if n := len(s.referrals("worker")); n != 8 {
			t.Errorf("the worker sees %d, want 8", n)
		}
	})
}

// TestIntakeFHIR: a ServiceRequest alone, and a dry run.
func TestIntakeFHIR(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	body := document(t, "referral.json", "1")
	a := s.want(s.post("surgery", "/intake/fhir?dryRun=true", fhirType, body), 200)
	if a.root2(t)["accepted"] != true {
		t.Errorf("dry run: %s", a.body)
	}
	if n := len(s.referrals("surgery")); n != 0 {
		t.Errorf("a dry run left %d referrals", n)
	}
	a = s.want(s.post("surgery", "/intake/fhir", fhirType, body), 201)
	if l := a.Header.Get("Location"); !strings.Contains(l, "/fhir/ServiceRequest/") {
		t.Errorf("Location %q", l)
	}
	s.want(s.post("surgery", "/intake/nothing", fhirType, body), 404)
	s.want(s.post("surgery", "/intake/fhir", "text/csv", body), 415)
	s.want(s.post("surgery", "/intake/fhir?dryRun=perhaps", fhirType, body), 422)
	s.want(s.post("", "/intake/fhir", fhirType, body), 401)
}

// TestLargeAndDeep: what is too large or too deep is refused, quickly and with
// nothing stored.
func TestLargeAndDeep(t *testing.T) {
	s := newSystem(t, func(c *gateway.Config) { c.MaxFile = 32 << 20 })
	s.partners()
	big := bytes.Repeat([]byte(" "), 50<<20)
	for path, typ := range map[string]string{"/fhir": fhirType, "/fhir/Patient": fhirType, "/intake/hl7v2": hl7Type, "/intake/fhir": fhirType} {
		who := "surgery"
		s.want(s.post(who, path, typ, big), 413)
	}
	s.want(s.post("police", "/intake/ppn-csv", "text/csv", big), 413)
	deep := strings.Repeat(`{"extension":[`, 5000)
	s.want(s.post("surgery", "/fhir/Patient", fhirType, []byte(`{"resourceType":"Patient","x":`+deep)), 400)
	if fhir.MaxDepth > 100 {
		t.Error("the depth limit is no limit")
	}
}

// TestIntakeFHIRAsksTheRole: the door for documents opens no type that POST
// /fhir does not.
func TestIntakeFHIRAsksTheRole(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	good := document(t, "referral.json", "1")
	for _, forged := range []string{
		`{"resourceType": "Provenance", "target": [{"reference": "urn:uuid:3f0a1c52-0000-4000-8000-000000000003"}], "recorded": "2026-03-04T10:15:30Z", "agent": [{"who": {"display": "somebody else"}}]}`,
		`{"resourceType": "CarePlan", "status": "active", "intent": "plan", "subject": {"reference": "urn:uuid:3f0a1c52-0000-4000-8000-000000000001"}}`,
		`{"resourceType": "Task", "status": "completed", "intent": "order", "focus": {"reference": "urn:uuid:3f0a1c52-0000-4000-8000-000000000003"}}`,
	} {
		s.want(s.post("surgery", "/intake/fhir", fhirType, withEntry(t, good, forged)), 403)
	}
	if n := len(s.referrals("surgery")); n != 0 {
		t.Errorf("refused documents left %d referrals", n)
	}
	s.want(s.post("surgery", "/intake/fhir", fhirType, good), 201)
}

// withEntry returns a transaction with one resource more.
func withEntry(t *testing.T, bundle []byte, resource string) []byte {
	t.Helper()
	typ := strings.Split(resource, `"`)[3]
	return edit(t, bundle, `"entry": [`, fmt.Sprintf(`"entry": [{"fullUrl": "urn:uuid:3f0a1c52-0000-4000-8000-0000000000aa", "resource": %s, "request": {"method": "POST", "url": %q}},`, resource, typ))
}

// audits counts the audit entries of an interaction.
func (s *system) audits(interaction string) int {
	s.t.Helper()
	n := 0
	for e := range s.want(s.get("auditor", "/fhir/AuditEvent?_count=200"), 200).root(s.t).Get("entry").Items() {
		if bytes.Contains(e.Raw(), []byte(`"`+interaction+`"`)) {
			n++
		}
	}
	return n
}

// TestFirstAnswerAgain: an Idempotency-Key gets its first answer whole, status
// and Location included, each time audited, and stands for one request only.
func TestFirstAnswerAgain(t *testing.T) {
	onStores(t, func(t *testing.T, s *system) {
		s.partners()
		body := document(t, "referral.json", "1")
		h := http.Header{"Content-Type": {fhirType}, "Idempotency-Key": {"key-1"}}
		first := s.want(s.do("surgery", http.MethodPost, "/intake/fhir", h, body), 201)
		before := s.audits("intake-fhir")
		again := s.want(s.do("surgery", http.MethodPost, "/intake/fhir", h, body), 201)
		if l := again.Header.Get("Location"); l == "" || l != first.Header.Get("Location") || !bytes.Equal(again.body, first.body) {
			t.Errorf("the repeat got Location %q and\n%s\nwant %q and\n%s", l, again.body, first.Header.Get("Location"), first.body)
		}
		if n := s.audits("intake-fhir"); n != before+1 {
			t.Errorf("the repeat left %d audit entries, want 1", n-before)
		}
		patient := []byte(`{"resourceType":"Patient","name":[{"family":"Example"}],"birthDate":"1951-06-02"}`)
		s.want(s.do("surgery", http.MethodPost, "/fhir", h, body), 422)
		s.want(s.do("surgery", http.MethodPost, "/intake/fhir", h, edit(t, body, "Rowan", "Robin")), 422)
		s.want(s.do("surgery", http.MethodPost, "/fhir/Patient", h, patient), 422)
		h.Set("Idempotency-Key", "key-2")
		s.want(s.do("surgery", http.MethodPost, "/fhir/Patient", h, patient), 201)
		s.want(s.do("surgery", http.MethodPost, "/fhir", h, body), 422)
		only(t, s.referrals("surgery"))
		// What stands here already is answered 200, and so is its repeat.
		h.Set("Idempotency-Key", "key-3")
		s.want(s.do("surgery", http.MethodPost, "/intake/fhir", h, body), 200)
		s.want(s.do("surgery", http.MethodPost, "/intake/fhir", h, body), 200)
		s.want(s.do("surgery", http.MethodPost, "/intake/fhir", h, edit(t, body, "Rowan", "Robin")), 422)
	})
}

// TestTransactionReferences: what cannot be followed is refused at its place,
// and no value is shown.
func TestTransactionReferences(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	s.partner("branch", "gp-practice", "Y99001", nil)
	body := document(t, "referral.json", "1")
	stored := s.want(s.post("surgery", "/fhir/Patient", fhirType, []byte(`{"resourceType":"Patient","name":[{"family":"Example"}],"birthDate":"1951-06-02"}`)), 201)
	patient := s.g.PublicURL + "/fhir/Patient/" + stored.root(t).Get("id").Text()
	tests := []struct {
		who, reference string
		status         int
	}{
		{"surgery", "Patient?identifier=https://fhir.nhs.uk/Id/nhs-number|99912340041", 422}, // finds nothing
		{"surgery", s.g.PublicURL + "/fhir/Patient/9991234004", 422},
		{"surgery", patient + "/_history/2", 422},
		{"other", patient, 422}, // not shared with it
		{"surgery", "urn:oid:1.2.9991234004", 422},
		{"surgery", patient, 200},
		{"branch", patient + "/_history/1", 200},
		{"surgery", "https://elsewhere.example/fhir/Patient/1", 200},
	}
	for _, tt := range tests {
		doc := edit(t, body, `"resourceType": "RiskAssessment",`, fmt.Sprintf(`"resourceType": "RiskAssessment", "basis": [{"reference": %q}],`, tt.reference))
		if tt.who == "other" {
			doc = edit(t, doc, "Y99001", "Y99002")
		}
		a := s.post(tt.who, "/fhir", fhirType, doc)
		if a.StatusCode != tt.status {
			t.Errorf("%s: got %s, want %d\n%s", tt.reference, a.Status, tt.status, a.body)
		}
		if tt.status == 422 && (!bytes.Contains(a.body, []byte("Bundle.entry[3].resource.basis[0].reference")) || bytes.Contains(a.body, []byte("9991234004"))) {
			t.Errorf("%s: the answer does not name the place alone:\n%s", tt.reference, a.body)
		}
		if b := s.post(tt.who, "/intake/fhir", fhirType, doc); b.StatusCode/100 != tt.status/100 {
			t.Errorf("/intake/fhir, %s: got %s", tt.reference, b.Status)
		}
	}
}

// TestBodies: what both doors say of encodings, media types and sizes.
func TestBodies(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	body := document(t, "referral.json", "1")
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	z.Write(body)
	z.Close()
	many := []byte(`{"resourceType":"Bundle","type":"transaction","entry":[` + strings.Repeat(`{},`, 1000) + `{}]}`)
	tests := []struct {
		path, contentType, encoding string
		body                        []byte
		status                      int
	}{
		{"/fhir", fhirType, "gzip", zipped.Bytes(), 200},
		{"/intake/fhir", fhirType, "gzip", zipped.Bytes(), 201},
		{"/fhir", fhirType, "br", body, 415},
		{"/intake/fhir", fhirType, "br", body, 415},
		{"/fhir", fhirType, "gzip", body, 400},
		{"/fhir", "text/plain", "", body, 415},
		{"/fhir", "", "", body, 415},
		{"/fhir", "application/fhir+xml", "", body, 400}, // it is not XML
		{"/fhir", fhirType, "", many, 413},
		{"/intake/fhir", fhirType, "", many, 413},
		{"/intake/fhir", fhirType, "", edit(t, many, "transaction", "collection"), 413},
		{"/intake/fhir?dryRun=true", fhirType, "", many, 413},
	}
	for _, tt := range tests {
		h := http.Header{"Content-Type": {tt.contentType}}
		if tt.encoding != "" {
			h.Set("Content-Encoding", tt.encoding)
		}
		if a := s.do("surgery", http.MethodPost, tt.path, h, tt.body); a.StatusCode != tt.status {
			t.Errorf("%s %q %q: got %s, want %d\n%.300s", tt.path, tt.contentType, tt.encoding, a.Status, tt.status, a.body)
		}
	}
}
