package gateway_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
)

func patientCalled(value string) []byte {
	return fmt.Appendf(nil, `{"resourceType":"Patient","identifier":[{"system":"https://a.example/id","value":%q}],"name":[{"family":"Example","given":["Rowan"]}],"birthDate":"1951-06-02"}`, value)
}

// count asks for a total.
func (s *system) count(who, query string) string {
	s.t.Helper()
	sep := "?"
	if strings.Contains(query, "?") {
		sep = "&"
	}
	return s.want(s.get(who, "/fhir/"+query+sep+"_total=accurate&_count=1"), 200).root(s.t).Get("total").Text()
}

// TestFiftyKeys: fifty keys, each posted by eight at once, are fifty resources;
// by POST with If-None-Exist, by PUT with criteria, and by transactions.
func TestFiftyKeys(t *testing.T) {
	doors := map[string]func(s *system, key string) answer{
		"create": func(s *system, key string) answer {
			return s.do("surgery", http.MethodPost, "/fhir/Patient", http.Header{"Content-Type": {fhirType}, "If-None-Exist": {"identifier=https://a.example/id|" + key}}, patientCalled(key))
		},
		"update": func(s *system, key string) answer {
			return s.do("surgery", http.MethodPut, "/fhir/Patient?identifier=https://a.example/id|"+key, http.Header{"Content-Type": {fhirType}}, patientCalled(key))
		},
		"transaction": func(s *system, key string) answer {
			return s.post("surgery", "/fhir", fhirType, fmt.Appendf(nil, `{"resourceType":"Bundle","type":"transaction","entry":[{"resource":%s,"request":{"method":"POST","url":"Patient","ifNoneExist":"identifier=https://a.example/id|%s"}}]}`, patientCalled(key), key))
		},
	}
	onStores(t, func(t *testing.T, s *system) {
		s.partners()
		s.token("surgery")
		for name, send := range doors {
			var wg sync.WaitGroup
			for i := range 50 {
				for range 8 {
					wg.Go(func() {
						if a := send(s, fmt.Sprintf("%s-%d", name, i)); a.StatusCode/100 != 2 {
							t.Errorf("%s: %s %s", name, a.Status, a.body)
						}
					})
				}
				if i%10 == 9 {
					wg.Wait()
				}
			}
			wg.Wait()
			for i := range 50 {
				if got := s.count("surgery", fmt.Sprintf("Patient?identifier=https://a.example/id|%s-%d", name, i)); got != "1" {
					t.Errorf("%s: key %d has %s resources, want 1", name, i, got)
				}
			}
		}
	})
}

// TestReferralAmongOthers: a referral in a transaction that does much else gets
// its Task, its Provenance and its place with the service, and so does what it
// brings; a resource that is updated beside it is shared too.
func TestReferralAmongOthers(t *testing.T) {
	onStores(t, func(t *testing.T, s *system) {
		s.partners()
		known := s.want(s.post("surgery", "/fhir/Patient", fhirType, patientCalled("known")), 201).root(t).Get("id").Text()
		doc := document(t, "referral.json", "1")
		more := fmt.Sprintf(`"entry": [
			{"resource": {"resourceType":"Patient","id":%q,"name":[{"family":"Example","given":["Robin"]}],"birthDate":"1951-06-02"}, "request": {"method":"PUT","url":"Patient/%s","ifMatch":"W/\"1\""}},
			{"resource": {"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/%s"}}, "request": {"method":"POST","url":"Observation"}},`, known, known, known)
		doc = edit(t, doc, `"entry": [`, more)
		h := http.Header{"Content-Type": {fhirType}, "Idempotency-Key": {"one"}}
		first := s.want(s.do("surgery", http.MethodPost, "/fhir", h, doc), 200)
		again := s.want(s.do("surgery", http.MethodPost, "/fhir", h, doc), 200)
		if string(first.body) != string(again.body) {
			t.Errorf("the repeat differs:\n%s\n%s", first.body, again.body)
		}
		id := only(t, s.referrals("worker"))
		if got := s.task("worker", id).Get("status").Text(); got != "requested" {
			t.Errorf("Task is %s", got)
		}
		if !s.hasProvenance(id) {
			t.Error("no Provenance")
		}
		s.want(s.get("worker", "/fhir/Patient/"+known), 200)
		if v := s.get("worker", "/fhir/Patient/"+known).root(t).At("meta", "versionId").Text(); v != "2" {
			t.Errorf("the Patient is at version %s, want 2", v)
		}
		s.want(s.get("other", "/fhir/Patient/"+known), 404)

		// The sender takes it back by another transaction.
		sr := s.want(s.get("surgery", "/fhir/ServiceRequest/"+id), 200).body
		revoke := fmt.Appendf(nil, `{"resourceType":"Bundle","type":"transaction","entry":[{"resource":%s,"request":{"method":"PUT","url":"ServiceRequest/%s"}}]}`, edit(t, sr, `"status": "active"`, `"status": "revoked"`), id)
		s.want(s.post("surgery", "/fhir", fhirType, revoke), 200)
		if got := s.task("worker", id).Get("status").Text(); got != "cancelled" {
			t.Errorf("Task is %s, want cancelled", got)
		}
		s.logsAreClean()
	})
}

// TestDraftBecomesActiveWithItsConsent: a request and the Consent that permits
// it, in one transaction.
func TestDraftBecomesActiveWithItsConsent(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	patient := s.want(s.post("surgery", "/fhir/Patient", fhirType, patientCalled("p")), 201).root(t).Get("id").Text()
	request := func(id, status string) string {
		return fmt.Sprintf(`{"resourceType":"ServiceRequest",%s"status":%q,"intent":"order","code":{"coding":[{"system":"http://snomed.info/sct","code":"871731000000106"}]},"subject":{"reference":"Patient/%s"},"authoredOn":"2026-03-04T10:15:30Z","requester":{"identifier":{"system":"https://fhir.nhs.uk/Id/ods-organization-code","value":"Y99001"}}}`, id, status, patient)
	}
	id := s.want(s.post("surgery", "/fhir/ServiceRequest", fhirType, []byte(request("", "draft"))), 201).root(t).Get("id").Text()
	consent := fmt.Sprintf(`{"resourceType":"Consent","status":"active","scope":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/consentscope","code":"patient-privacy"}]},"category":[{"coding":[{"system":"http://loinc.org","code":"59284-0"}]}],"patient":{"reference":"Patient/%s"},"dateTime":"2026-03-04","policyRule":{"text":"x"},"provision":{"type":"permit"}}`, patient)
	doc := fmt.Sprintf(`{"resourceType":"Bundle","type":"transaction","entry":[{"resource":%s,"request":{"method":"PUT","url":"ServiceRequest/%s"}},{"resource":%s,"request":{"method":"POST","url":"Consent"}}]}`,
		request(`"id":"`+id+`",`, "active"), id, consent)
	s.want(s.post("surgery", "/fhir", fhirType, []byte(doc)), 200)
	if got := s.task("worker", id).Get("status").Text(); got != "requested" {
		t.Errorf("Task is %s, want requested", got)
	}
}

// TestBatchOverHTTP: allowed and forbidden entries, each answered by itself and
// audited by itself; as a transaction the same is refused whole.
func TestBatchOverHTTP(t *testing.T) {
	onStores(t, func(t *testing.T, s *system) {
		s.partners()
		entries := fmt.Sprintf(`[{"resource":%s,"request":{"method":"POST","url":"Patient"}},{"resource":{"resourceType":"CarePlan","status":"active","intent":"plan","subject":{"display":"x"}},"request":{"method":"POST","url":"CarePlan"}},{"request":{"method":"GET","url":"Patient?identifier=https://a.example/id|b"}}]`, patientCalled("b"))
		a := s.want(s.post("surgery", "/fhir", fhirType, []byte(`{"resourceType":"Bundle","type":"batch","entry":`+entries+`}`)), 200).root(t)
		for i, want := range []string{"201 Created", "403 Forbidden", "200 OK"} {
			if got := a.At("entry", i, "response", "status").Text(); got != want {
				t.Errorf("entry %d: %s, want %s", i, got, want)
			}
		}
		for _, interaction := range []string{"create", "search-type", "batch"} {
			if s.audits(interaction) == 0 {
				t.Errorf("the audit lacks %s", interaction)
			}
		}
		s.want(s.post("surgery", "/fhir", fhirType, []byte(`{"resourceType":"Bundle","type":"transaction","entry":`+entries+`}`)), 403)
		if got := s.count("surgery", "Patient"); got != "1" {
			t.Errorf("%s patients, want 1", got)
		}
	})
}

// TestThousandEntries: the most that a transaction takes is stored whole.
func TestThousandEntries(t *testing.T) {
	onStores(t, func(t *testing.T, s *system) {
		s.partners()
		var b strings.Builder
		b.WriteString(`{"resourceType":"Bundle","type":"transaction","entry":[`)
		for i := range 1000 {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, `{"fullUrl":"urn:uuid:3f0a1c52-0000-4000-8000-%012d","resource":{"resourceType":"Observation","status":"final","code":{"text":"x"},"hasMember":[{"reference":"urn:uuid:3f0a1c52-0000-4000-8000-%012d"}]},"request":{"method":"POST","url":"Observation"}}`, i, (i+1)%1000)
		}
		b.WriteString(`]}`)
		s.want(s.post("surgery", "/fhir", fhirType, []byte(b.String())), 200)
		if got := s.count("surgery", "Observation"); got != "1000" {
			t.Errorf("%s stored, want 1000", got)
		}
	})
}

// TestDeletedWhileReferredTo: of a deletion and a reference at the same moment
// one is refused; nothing refers to what is not there.
func TestDeletedWhileReferredTo(t *testing.T) {
	onStores(t, func(t *testing.T, s *system) {
		s.partners()
		s.partner("importer", "importer", "", nil)
		s.token("surgery")
		s.token("importer")
		for range 20 {
			id := s.want(s.post("importer", "/fhir/Patient", fhirType, patientCalled("r")), 201).root(t).Get("id").Text()
			flag := fmt.Appendf(nil, `{"resourceType":"Flag","status":"active","code":{"text":"x"},"subject":{"reference":"Patient/%s"}}`, id)
			var wg sync.WaitGroup
			var deleted answer
			flags := make([]answer, 4)
			wg.Go(func() { deleted = s.do("importer", http.MethodDelete, "/fhir/Patient/"+id, nil, nil) })
			for i := range flags {
				wg.Go(func() { flags[i] = s.post("importer", "/fhir/Flag", fhirType, flag) })
			}
			wg.Wait()
			for _, f := range flags {
				if f.StatusCode != 201 && f.StatusCode != 422 && f.StatusCode != 409 || f.StatusCode == 201 && deleted.StatusCode == 204 {
					t.Fatalf("the deletion got %s, a reference %s", deleted.Status, f.Status)
				}
			}
			want := 200
			if deleted.StatusCode == 204 {
				want = 410
			}
			s.want(s.get("importer", "/fhir/Patient/"+id), want)
		}
	})
}

// TestParallelTransactionsForOnePatient: eight referrals at once that all share
// the same stored Patient with the service are all stored.
func TestParallelTransactionsForOnePatient(t *testing.T) {
	onStores(t, func(t *testing.T, s *system) {
		s.partners()
		patient := s.want(s.post("surgery", "/fhir/Patient", fhirType, patientCalled("p")), 201).root(t).Get("id").Text()
		doc := []byte(`{"resourceType":"Bundle","type":"transaction","entry":[{"resource":{"resourceType":"ServiceRequest","status":"active","intent":"order","code":{"coding":[{"system":"http://snomed.info/sct","code":"871731000000106"}]},"subject":{"reference":"Patient?identifier=https://a.example/id|p"},"authoredOn":"2026-03-04T10:15:30Z","requester":{"identifier":{"system":"https://fhir.nhs.uk/Id/ods-organization-code","value":"Y99001"}}},"request":{"method":"POST","url":"ServiceRequest"}}]}`)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if a := s.post("surgery", "/fhir", fhirType, doc); a.StatusCode != http.StatusOK {
					t.Errorf("%s %s", a.Status, a.body)
				}
			})
		}
		wg.Wait()
		if n := len(s.referrals("worker")); n != 8 {
			t.Errorf("the worker sees %d, want 8", n)
		}
		s.want(s.get("worker", "/fhir/Patient/"+patient), 200)
	})
}
