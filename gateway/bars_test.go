package gateway_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"trellis.example/fhir"
	"trellis.example/gateway"
)

const process = "/fhir/$process-message"

// edit returns the document with old replaced by new, which must be there.
func edit(t *testing.T, doc []byte, pairs ...string) []byte {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if !bytes.Contains(doc, []byte(pairs[i])) {
			t.Fatalf("the document has no %s", pairs[i])
		}
		doc = bytes.Replace(doc, []byte(pairs[i]), []byte(pairs[i+1]), 1)
	}
	return doc
}

// barsCode returns the error code and the issue code of a BaRS refusal.
func barsCode(t *testing.T, a answer) string {
	t.Helper()
	is := a.root(t).At("issue", 0)
	return is.At("details", "coding", 0, "code").Text() + " " + is.Get("code").Text()
}

func TestBaRSRefusals(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	good := document(t, "message.json", "1")
	tests := []struct {
		name   string
		status int
		code   string
		header func(http.Header)
		body   []byte
	}{
		{"no X-Request-Id", 400, "REC_BAD_REQUEST invalid", func(h http.Header) { h.Del("X-Request-Id") }, good},
		{"X-Correlation-Id is no UUID", 400, "REC_BAD_REQUEST invalid", func(h http.Header) { h.Set("X-Correlation-Id", "1") }, good},
		{"no target", 400, "REC_BAD_REQUEST invalid", func(h http.Header) { h.Del("NHSD-Target-Identifier") }, good},
		{"target is not base64", 400, "REC_BAD_REQUEST invalid", func(h http.Header) { h.Set("NHSD-Target-Identifier", "{}") }, good},
		{"organisation header is not FHIR", 400, "REC_BAD_REQUEST invalid", func(h http.Header) { h.Set("NHSD-End-User-Organisation", "e30=") }, good},
		{"not JSON", 400, "REC_BAD_REQUEST invalid", nil, []byte("{")},
		{"not a message", 400, "REC_BAD_REQUEST invalid", nil, edit(t, good, `"type": "message"`, `"type": "collection"`)},
		{"no version", 400, "REC_BAD_REQUEST invariant", nil, edit(t, good, `"versionId": "1.0.0",`, ``)},
		{"unsupported version", 422, "REC_UNPROCESSABLE_ENTITY not-supported", nil, edit(t, good, `"1.0.0"`, `"9.0.0"`)},
		{"other service", 400, "REC_BAD_REQUEST value", nil, edit(t, good, `dos-service-id|9900000001`, `dos-service-id|9900000009`)},
		{"plan not completed", 400, "REC_BAD_REQUEST invariant", nil, edit(t, good, `"status": "completed"`, `"status": "active"`)},
		{"update of an active request", 400, "REC_BAD_REQUEST invariant", nil, edit(t, good, `"code": "new"`, `"code": "update"`)},
		{"booking", 422, "REC_UNPROCESSABLE_ENTITY not-supported", nil, edit(t, good, `"servicerequest-request"`, `"booking-request"`)},
		{"response to nothing", 400, "REC_BAD_REQUEST required", nil, edit(t, good, `"servicerequest-request"`, `"servicerequest-response"`)},
		{"bad NHS number", 400, "REC_BAD_REQUEST", nil, edit(t, good, `9991234039`, `9991234038`)},
		{"X-Request-Id in braces", 400, "REC_BAD_REQUEST invalid", func(h http.Header) { h.Set("X-Request-Id", "{"+uuid.NewString()+"}") }, good},
		{"X-Request-Id without dashes", 400, "REC_BAD_REQUEST invalid", func(h http.Header) { h.Set("X-Request-Id", strings.ReplaceAll(uuid.NewString(), "-", "")) }, good},
		{"two X-Request-Ids", 400, "REC_BAD_REQUEST invalid", func(h http.Header) { h.Add("X-Request-Id", uuid.NewString()) }, good},
		{"organisation header is a person", 400, "REC_BAD_REQUEST invalid", func(h http.Header) { h.Set("NHSD-End-User-Organisation", base64Of("Patient")) }, good},
		{"practitioner header is no role", 400, "REC_BAD_REQUEST invalid", func(h http.Header) { h.Set("NHSD-Requesting-Practitioner", base64Of("Practitioner")) }, good},
		{"software header is no device", 400, "REC_BAD_REQUEST invalid", func(h http.Header) { h.Set("NHSD-Requesting-Software", base64Of("Organization")) }, good},
		{"XML", 415, "REC_BAD_REQUEST not-supported", func(h http.Header) { h.Set("Content-Type", "application/fhir+xml") }, good},
		{"no Content-Type", 415, "REC_BAD_REQUEST not-supported", func(h http.Header) { h.Set("Content-Type", "") }, good},
		{"Core version to come", 406, "REC_NOT_ACCEPTABLE processing", func(h http.Header) { h.Set("Accept", "application/fhir+json; version=2.0.0") }, good},
		{"Core version of old", 406, "REC_NOT_ACCEPTABLE processing", func(h http.Header) { h.Set("Accept", "application/fhir+json; version=1.0.1") }, good},
		{"pharmacy use case", 422, "REC_UNPROCESSABLE_ENTITY not-supported", nil, edit(t, good, `"sp1"`, `"a5t1"`, `"code": "871731000000106"`, `"code": "2140231000000104"`)},
		{"no contact", 400, "REC_BAD_REQUEST required", nil, edit(t, good, `"contact"`, `"photo"`)},
		{"reference to nothing here", 422, "REC_UNPROCESSABLE_ENTITY business-rule", nil, edit(t, good, `"requester": {`, `"supportingInfo": [{"reference": "Condition/none"}], "requester": {`)},
		{"subject that is not there", 400, "REC_BAD_REQUEST business-rule", nil, edit(t, good, `"subject": {
     "reference": "urn:uuid:7c1d0000-0000-4000-8000-000000000003"`, `"subject": {
     "reference": "urn:uuid:7c1d0000-0000-4000-8000-00000000dead"`)},
		{"unknown element", 400, "REC_BAD_REQUEST", nil, edit(t, good, `"gender"`, `"gendre"`)},
	}
	for _, tt := range tests {
		h := barsHeaders()
		if tt.header != nil {
			tt.header(h)
		}
		a := s.do("surgery", http.MethodPost, process, h, tt.body)
		if a.StatusCode != tt.status || !strings.HasPrefix(barsCode(t, a), tt.code) {
			t.Errorf("%s: got %d %s, want %d %s\n%s", tt.name, a.StatusCode, barsCode(t, a), tt.status, tt.code, a.body)
		}
		onlyFaultsHaveCodes(t, tt.name, a)
	}
	place := s.do("surgery", http.MethodPost, process, barsHeaders(), edit(t, good, `"sp1"`, `"a5t1"`, `"code": "871731000000106"`, `"code": "1"`)).root(t).At("issue", 0, "expression", 0).Text()
	if place != "Bundle.entry[1].resource.category" {
		t.Errorf("the use case is refused at %s", place)
	}
	// Refusals before the message is looked at carry the standard's codes too.
	h := barsHeaders()
	if got := barsCode(t, s.want(s.do("", http.MethodPost, process, h, good), 401)); got != "REC_UNAUTHORIZED forbidden" {
		t.Errorf("without a token: %s", got)
	}
	if got := barsCode(t, s.want(s.do("police", http.MethodPost, process, h, good), 403)); got != "REC_FORBIDDEN forbidden" {
		t.Errorf("as another role: %s", got)
	}
	if got := barsCode(t, s.want(s.do("surgery", http.MethodGet, process, h, nil), 405)); got != "SEND_METHOD_NOT_ALLOWED not-supported" {
		t.Errorf("GET: %s", got)
	}
	h.Set("Accept", "text/html")
	if got := barsCode(t, s.want(s.do("surgery", http.MethodPost, process, h, good), 406)); got != "REC_NOT_ACCEPTABLE processing" {
		t.Errorf("HTML wanted: %s", got)
	}
	if n := len(s.referrals("worker")); n != 0 {
		t.Errorf("refused messages left %d referrals", n)
	}
	s.logsAreClean()
}

// base64Of is a header's value: a resource of the type.
func base64Of(typ string) string {
	return base64.StdEncoding.EncodeToString([]byte(`{"resourceType":"` + typ + `"}`))
}

// onlyFaultsHaveCodes checks that faults and nothing else carry an error code,
// and that none is at an entry that was not sent.
func onlyFaultsHaveCodes(t *testing.T, name string, a answer) {
	t.Helper()
	for is := range a.root(t).Get("issue").Items() {
		fault, coded := is.Get("severity").Text() == "error", is.Get("details").Exists()
		if fault != coded {
			t.Errorf("%s: %s", name, is.Raw())
		}
		if strings.HasPrefix(is.At("expression", 0).Text(), "Bundle.entry[13]") {
			t.Errorf("%s: an issue at an entry that was not sent: %s", name, is.Raw())
		}
	}
}

// TestBaRSAccepted: what differs from the demo's message and is good all the same.
func TestBaRSAccepted(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	plain := func(b []byte) []byte { return b }
	for i, tt := range []struct {
		name   string
		header func(http.Header)
		body   func([]byte) []byte
	}{
		{"Core 1.1", func(h http.Header) { h.Set("Accept", "application/fhir+json; version=1.1.6") }, plain},
		{"Core 1.4", func(h http.Header) { h.Set("Accept", "application/fhir+json;version=1.4.0-alpha") }, plain},
		{"one of two versions", func(h http.Header) {
			h.Set("Accept", "application/fhir+json; version=2.0.0, application/fhir+json; version=1.2.2")
		}, plain},
		{"JSON", func(h http.Header) { h.Set("Content-Type", "application/json; charset=utf-8") }, plain},
		{"all headers", func(h http.Header) {
			h.Set("NHSD-End-User-Organisation", base64Of("Organization"))
			h.Set("NHSD-Requesting-Practitioner", base64Of("PractitionerRole"))
			h.Set("NHSD-Requesting-Software", base64Of("Device"))
		}, plain},
		{"gzip", func(h http.Header) { h.Set("Content-Encoding", "gzip") }, func(b []byte) []byte {
			var out bytes.Buffer
			w := gzip.NewWriter(&out)
			w.Write(b)
			w.Close()
			return out.Bytes()
		}},
		{"Journey ID", func(http.Header) {}, func(b []byte) []byte {
			return edit(t, b, `"status": "finished",`, `"status": "finished", "episodeOfCare": [{"reference": "EpisodeOfCare/7d0d8769-295a-5d38-802e-2adf0635a28e"}],`)
		}},
		{"only the SNOMED CT code", func(http.Header) {}, func(b []byte) []byte { return edit(t, b, `"sp1"`, `"a5t1"`) }},
	} {
		h := barsHeaders()
		tt.header(h)
		a := s.do("surgery", http.MethodPost, process, h, tt.body(document(t, "message.json", strconv.Itoa(i))))
		if a.StatusCode != http.StatusOK {
			t.Errorf("%s: %s\n%s", tt.name, a.Status, a.body)
		}
		for _, name := range []string{"X-Request-Id", "X-Correlation-Id"} {
			if got := a.Header.Values(name); len(got) != 1 || got[0] != h.Get(name) {
				t.Errorf("%s: %s comes back as %q", tt.name, name, got)
			}
		}
	}
}

// TestBaRSReferenceToWhatIsHidden: a reference to another's resource is as one
// to nothing, and one to the sender's own is taken.
func TestBaRSReferenceToWhatIsHidden(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	created := s.want(s.post("other", "/fhir/Patient", fhirType, []byte(`{"resourceType":"Patient","gender":"female"}`)), 201)
	body := edit(t, document(t, "message.json", "1"), `"requester": {`, `"supportingInfo": [{"reference": "Patient/`+created.root(t).Get("id").Text()+`"}], "requester": {`)
	s.want(s.do("surgery", http.MethodPost, process, barsHeaders(), body), 422)
	s.want(s.do("other", http.MethodPost, process, barsHeaders(), asOther(t, body)), 200)
}

// asOther makes the message the other surgery's.
func asOther(t *testing.T, body []byte) []byte {
	t.Helper()
	return edit(t, body, `"value": "Y99001"`, `"value": "Y99002"`)
}

// TestBaRSEqualBundleIDs: ids are each sender's own.
func TestBaRSEqualBundleIDs(t *testing.T) {
	onStores(t, func(t *testing.T, s *system) {
		s.partners()
		body := document(t, "message.json", "1")
		first := s.want(s.do("surgery", http.MethodPost, process, barsHeaders(), body), 200).root(t)
		second := s.want(s.do("other", http.MethodPost, process, barsHeaders(), asOther(t, body)), 200).root(t)
		id, theirs := first.At("entry", 1, "resource", "id").Text(), second.At("entry", 1, "resource", "id").Text()
		if n := len(s.referrals("worker")); n != 2 || id == theirs {
			t.Fatalf("the service sees %d referrals, want 2", n)
		}
		resp := response(t, body, bundleID(t, body))
		if got := barsCode(t, s.want(s.do("worker", http.MethodPost, process, barsHeaders(), resp), 409)); got != "REC_CONFLICT conflict" {
			t.Errorf("a response to either: %s", got)
		}
		s.want(s.do("worker", http.MethodPost, process, barsHeaders(), edit(t, resp, `"status": "revoked"`, `"id": "`+id+`", "status": "revoked"`)), 200)
		byHeader := response(t, body, second.At("entry", 0, "resource", "id").Text())
		s.want(s.do("worker", http.MethodPost, process, barsHeaders(), byHeader), 200)
		for who, id := range map[string]string{"surgery": id, "other": theirs} {
			if got := s.task(who, id).Get("status").Text(); got != "failed" {
				t.Errorf("Task of %s is %s, want failed", who, got)
			}
		}
	})
}

// TestBaRSAtOnce: of many messages with one Bundle.id one is the referral.
func TestBaRSAtOnce(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	s.token("surgery")
	body := document(t, "message.json", "1")
	status := make([]int, 8)
	var wg sync.WaitGroup
	for i := range status {
		wg.Go(func() { status[i] = s.do("surgery", http.MethodPost, process, barsHeaders(), body).StatusCode })
	}
	wg.Wait()
	slices.Sort(status)
	if status[0] != 200 || status[1] != 409 || status[7] != 409 {
		t.Errorf("answers %v, want one 200 and seven 409", status)
	}
	id := only(t, s.referrals("worker"))
	if got := s.want(s.get("worker", "/fhir/ServiceRequest/"+id), 200).root(t).At("meta", "versionId").Text(); got != "1" {
		t.Errorf("the referral is at version %s", got)
	}
}

// TestBaRSResponseRights: who may answer.
func TestBaRSResponseRights(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	s.partner("provider", "community-provider", service, nil)
	body := document(t, "message.json", "1")
	body = edit(t, body, `"resourceType": "MessageHeader",`, `"resourceType": "MessageHeader", "id": "senders-own-id",`)
	s.want(s.do("surgery", http.MethodPost, process, barsHeaders(), body), 200)
	id := only(t, s.referrals("worker"))
	resp := response(t, body, bundleID(t, body))
	s.want(s.do("surgery", http.MethodPost, process, barsHeaders(), resp), 404)  // its owner does not answer it
	s.want(s.do("provider", http.MethodPost, process, barsHeaders(), resp), 403) // may read it, but not change it
	for _, status := range []string{"active", "completed"} {
		got := barsCode(t, s.want(s.do("worker", http.MethodPost, process, barsHeaders(), edit(t, resp, `"status": "revoked"`, `"status": "`+status+`"`)), 422))
		if got != "REC_UNPROCESSABLE_ENTITY not-supported" {
			t.Errorf("response with %s: %s", status, got)
		}
	}
	s.want(s.do("worker", http.MethodPost, process, barsHeaders(), edit(t, resp, `"code": "new"`, `"code": "update"`)), 422)
	if got := s.task("worker", id).Get("status").Text(); got != "requested" {
		t.Errorf("Task is %s after refusals only", got)
	}
	s.want(s.do("worker", http.MethodPost, process, barsHeaders(), response(t, body, "senders-own-id")), 200)
}

// TestBaRSCancelOnlyWhatIsCurrent: not what was changed here, not what somebody
// works on.
func TestBaRSCancelOnlyWhatIsCurrent(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	send := func(run string) (body []byte, id string) {
		body = document(t, "message.json", run)
		return body, s.want(s.do("surgery", http.MethodPost, process, barsHeaders(), body), 200).root(t).At("entry", 1, "resource", "id").Text()
	}
	put := func(who, path, old, new string) {
		t.Helper()
		is := s.want(s.get(who, path), 200)
		h := http.Header{"Content-Type": {fhirType}, "If-Match": {is.Header.Get("ETag")}}
		s.want(s.do(who, http.MethodPut, path, h, edit(t, is.body, old, new)), 200)
	}
	tests := []struct {
		name   string
		change func(id, task string)
		want   int
	}{
		{"request changed", func(id, _ string) {
			put("worker", "/fhir/ServiceRequest/"+id, `"intent":`, `"patientInstruction": "Bring a letter.", "intent":`)
		}, 409},
		{"work begun", func(_, task string) {
			put("worker", "/fhir/Task/"+task, `"status":"requested"`, `"status":"in-progress"`)
		}, 409},
		{"work done", func(_, task string) {
			put("worker", "/fhir/Task/"+task, `"status":"requested"`, `"status":"completed"`)
		}, 409},
		{"a note on the Task", func(_, task string) {
			put("worker", "/fhir/Task/"+task, `"intent":"order"`, `"description":"Call on Monday.","intent":"order"`)
		}, 200},
	}
	for i, tt := range tests {
		body, id := send(strconv.Itoa(i))
		tt.change(id, s.task("worker", id).Get("id").Text())
		a := s.do("surgery", http.MethodPost, process, barsHeaders(), cancellation(t, body, id))
		if a.StatusCode != tt.want {
			t.Errorf("%s: %s, want %d\n%s", tt.name, a.Status, tt.want, a.body)
		}
		if tt.want == 409 && barsCode(t, a) != "REC_CONFLICT conflict" {
			t.Errorf("%s: %s", tt.name, barsCode(t, a))
		}
	}
}

// TestBaRSConversation: new, repeat, cancel, cancel again.
func TestBaRSConversation(t *testing.T) {
	onStores(t, func(t *testing.T, s *system) {
		s.partners()
		h, body := barsHeaders(), document(t, "message.json", "1")
		first := s.want(s.do("surgery", http.MethodPost, process, h, body), 200)
		echoesWithIDs(t, body, first)
		id := only(t, s.referrals("worker"))
		if got := first.root(t).At("entry", 1, "resource", "id").Text(); got != id {
			t.Errorf("the echo names ServiceRequest %s, stored is %s", got, id)
		}
		for name, again := range map[string][]byte{"same": body, "other body": edit(t, body, "Robin", "Robyn")} {
			h.Set("X-Request-Id", strings.ToUpper(h.Get("X-Request-Id"))) // the same UUID
			a := s.do("surgery", http.MethodPost, process, h, again)
			if got := barsCode(t, s.want(a, 409)); got != "REC_CONFLICT duplicate" {
				t.Errorf("%s message id again: %s", name, got)
			}
		}
		s.want(s.do("surgery", http.MethodPost, process, barsHeaders(), body), 409) // same Bundle.id, new message id

		cancel := cancellation(t, body, id)
		s.want(s.do("other", http.MethodPost, process, barsHeaders(), cancel), 404) // not theirs: as absent
		echo := s.want(s.do("surgery", http.MethodPost, process, barsHeaders(), cancel), 200)
		if got := echo.root(t).At("entry", 1, "resource", "id").Text(); got != id {
			t.Errorf("the cancellation's echo names %s, want %s", got, id)
		}
		sr := s.want(s.get("worker", "/fhir/ServiceRequest/"+id), 200).root(t)
		if st, why := sr.Get("status").Text(), sr.At("reasonCode", 0, "text").Text(); st != "revoked" || why != "Moved away." {
			t.Errorf("cancelled request is %s (%s)", st, why)
		}
		if got := s.task("worker", id).Get("status").Text(); got != "cancelled" {
			t.Errorf("Task of the cancelled request is %s", got)
		}
		withProvenance(t, s, "ServiceRequest/"+id+"/_history/2", s.task("worker", id).Get("id").Text())
		again := s.want(s.do("surgery", http.MethodPost, process, barsHeaders(), cancel), 409)
		if got := barsCode(t, again); got != "REC_CONFLICT conflict" {
			t.Errorf("second cancellation: %s", got)
		}
	})
}

// withProvenance checks that a Provenance says who made the version, of the
// Task too, and from which original.
func withProvenance(t *testing.T, s *system, version, task string) {
	t.Helper()
	key, _, _ := strings.Cut(version, "/_history")
	for e := range s.want(s.get("surgery", "/fhir/Provenance?target="+key), 200).root(t).Get("entry").Items() {
		raw := string(e.Get("resource").Raw())
		if strings.Contains(raw, version) {
			for _, part := range []string{"Task/" + task + "/_history/2", `"Y99001"`, "original-sha256", "UPDATE", "bars 1.0.0"} {
				if !strings.Contains(raw, part) {
					t.Errorf("the Provenance of %s lacks %s: %s", version, part, raw)
				}
			}
			return
		}
	}
	t.Errorf("%s has no Provenance", version)
}

// TestBaRSPublishedSamples sends the standard's samples, where they are: a
// referral, its cancellation, and one of another use case.
func TestBaRSPublishedSamples(t *testing.T) {
	sample := func(name string) []byte {
		b, err := os.ReadFile("../../shared/standards/samples/bars/" + name)
		if err != nil {
			t.Skip("no published samples beside the project")
		}
		return b
	}
	request := sample("02-social-prescribing-request-new.json")
	s := newSystem(t, noChange)
	s.partner("riverside", "gp-practice", "A81001", nil)
	to := func(service string) http.Header {
		h := barsHeaders()
		h.Set("NHSD-Target-Identifier", base64.StdEncoding.EncodeToString([]byte(`{"value":"`+service+`","system":"https://fhir.nhs.uk/Id/dos-service-id"}`)))
		return h
	}
	a := s.want(s.do("riverside", http.MethodPost, process, to("2000099001"), request), 200)
	cancel := edit(t, sample("03-social-prescribing-request-cancel.json"), "71d2b38e-b81c-4894-a522-6a65265b1d58", a.root(t).At("entry", 1, "resource", "id").Text())
	s.want(s.do("riverside", http.MethodPost, process, to("2000099001"), cancel), 200)
	pharmacy := edit(t, sample("01-refreq03-gp-to-community-pharmacy.json"), "1.0.0-beta", "1.1.2", "3478526985", "9991234039")
	if got := barsCode(t, s.want(s.do("riverside", http.MethodPost, process, to("111111111"), pharmacy), 422)); got != "REC_UNPROCESSABLE_ENTITY not-supported" {
		t.Errorf("a referral to a pharmacy: %s", got)
	}
}

// TestBaRSInTheSandbox: a test client may send and cancel; it has no Task.
func TestBaRSInTheSandbox(t *testing.T) {
	s := newSystem(t, func(c *gateway.Config) { c.Sandbox = true })
	s.partner("kit", "sandbox", "", nil)
	body := document(t, "message.json", "1")
	id := s.want(s.do("kit", http.MethodPost, process, barsHeaders(), body), 200).root(t).At("entry", 1, "resource", "id").Text()
	s.want(s.do("kit", http.MethodPost, process, barsHeaders(), cancellation(t, body, id)), 200)
	if got := s.want(s.get("kit", "/fhir/ServiceRequest/"+id), 200).root(t).Get("status").Text(); got != "revoked" {
		t.Errorf("request is %s, want revoked", got)
	}
}

// TestBaRSResponse: the service says that the person did not attend.
func TestBaRSResponse(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	body := document(t, "message.json", "1")
	s.want(s.do("surgery", http.MethodPost, process, barsHeaders(), body), 200)
	id := only(t, s.referrals("worker"))
	resp := response(t, body, bundleID(t, body))
	s.want(s.do("worker", http.MethodPost, process, barsHeaders(), response(t, body, uuid.NewString())), 404)
	s.want(s.do("other", http.MethodPost, process, barsHeaders(), resp), 404) // hidden: as absent
	s.want(s.do("worker", http.MethodPost, process, barsHeaders(), resp), 200)
	if got := s.task("surgery", id).Get("status").Text(); got != "failed" {
		t.Errorf("Task is %s, want failed", got)
	}
	if got := s.want(s.get("surgery", "/fhir/ServiceRequest/"+id), 200).root(t).Get("status").Text(); got != "revoked" {
		t.Errorf("request is %s, want revoked", got)
	}
	if n := len(s.referrals("surgery")); n != 1 {
		t.Errorf("the response left %d referrals, want 1", n)
	}
}

func bundleID(t *testing.T, body []byte) string {
	t.Helper()
	b, err := fhir.Decode(body)
	if err != nil {
		t.Fatal(err)
	}
	return b.ID()
}

// echoesWithIDs checks the success answer: every resource has an id, and a
// planned Encounter with the reference for people is added.
func echoesWithIDs(t *testing.T, sent []byte, a answer) {
	t.Helper()
	b, err := fhir.Decode(sent)
	if err != nil {
		t.Fatal(err)
	}
	entries := a.root(t).Get("entry")
	if want := b.Root().Get("entry").Len() + 1; entries.Len() != want {
		t.Fatalf("the echo has %d entries, want %d", entries.Len(), want)
	}
	for e := range entries.Items() {
		if !fhir.IsID(e.At("resource", "id").Text()) {
			t.Errorf("the echo's %s has no id", e.At("resource", "resourceType").Text())
		}
	}
	last := entries.At(entries.Len()-1, "resource")
	if last.Get("status").Text() != "planned" || !strings.HasPrefix(last.At("identifier", 0, "value").Text(), "SP-") {
		t.Errorf("the last entry is no planned Encounter with a reference: %s", last.Raw())
	}
}

// pick keeps only the entries of those types, in order.
func pick(t *testing.T, body []byte, types ...string) []byte {
	t.Helper()
	b, err := fhir.Decode(body)
	if err != nil {
		t.Fatal(err)
	}
	out := []byte("[")
	for _, e := range b.Entries() {
		for _, typ := range types {
			if e.Type() == typ {
				if len(out) > 1 {
					out = append(out, ',')
				}
				out = append(out, e.Value.Raw()...)
			}
		}
	}
	ed := fhir.NewEditor(b.Root())
	ed.SetRaw(b.Root().Get("entry"), append(out, ']'))
	return ed.Bytes()
}

func cancellation(t *testing.T, body []byte, id string) []byte {
	t.Helper()
	out := pick(t, body, "MessageHeader", "ServiceRequest", "Patient", "Organization")
	return edit(t, lean(t, out), `"code": "new"`, `"code": "update"`,
		`bars-message-servicerequest-request-referral`, `bars-message-servicerequest-request-cancelled`,
		`"status": "active"`, `"id": "`+id+`", "reasonCode": [{"text": "Moved away."}], "status": "revoked"`)
}

// lean takes out what refers to entries that a short message does not carry.
func lean(t *testing.T, body []byte) []byte {
	t.Helper()
	b, err := fhir.Decode(body)
	if err != nil {
		t.Fatal(err)
	}
	sr := b.Root().At("entry", 1, "resource")
	ed := fhir.NewEditor(b.Root())
	ed.SetRaw(sr.Get("basedOn"), []byte(`[{"display": "plan"}]`))
	ed.SetRaw(sr.Get("encounter"), []byte(`{"display": "contact"}`))
	ed.SetRaw(sr.Get("requester"), []byte(`{"display": "referrer"}`))
	ed.SetRaw(sr.Get("performer"), []byte(`[{"display": "service"}]`))
	return ed.Bytes()
}

func response(t *testing.T, body []byte, to string) []byte {
	t.Helper()
	out := pick(t, body, "MessageHeader", "ServiceRequest", "Patient", "Organization")
	return edit(t, lean(t, out), `"servicerequest-request"`, `"servicerequest-response"`, `"status": "active"`, `"status": "revoked"`,
		`bars-message-servicerequest-request-referral`, `bars-message-servicerequest-response-referral`,
		`"focus": [`, `"response": {"identifier": "`+to+`", "code": "ok"}, "focus": [`)
}
