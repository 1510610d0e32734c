package gateway_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"

	"trellis.example/fhir"
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
		again := s.want(s.do("surgery", http.MethodPost, process, barsHeaders(), cancel), 409)
		if got := barsCode(t, again); got != "REC_CONFLICT conflict" {
			t.Errorf("second cancellation: %s", got)
		}
	})
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
