package gateway_test

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

const ods = "https://fhir.nhs.uk/Id/ods-organization-code"

// request is a ServiceRequest of the surgery; more is put before its end.
func request(more string) []byte {
	return []byte(`{"resourceType":"ServiceRequest","status":"active","intent":"order","code":{"coding":[{"system":"http://snomed.info/sct","code":"871731000000106"}]},"subject":{"display":"A person"},"authoredOn":"2026-03-04"` + more + `}`)
}

// TestRequesterByAnyWay: nobody asks in another organisation's name, however
// the organisation is named.
func TestRequesterByAnyWay(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	inside := `,"contained":[{"resourceType":"Organization","id":"o","identifier":[{"system":"` + ods + `","value":"Y99002"}]}],"requester":{`
	for name, more := range map[string]string{
		"identifier":          `,"requester":{"identifier":{"system":"` + ods + `","value":"Y99002"}}`,
		"contained":           inside + `"reference":"#o"}`,
		"contained behind id": inside + `"identifier":{"system":"` + ods + `","value":"Y99001"},"reference":"#o"}`,
	} {
		if a := s.post("surgery", "/fhir/ServiceRequest", fhirType, request(more)); a.StatusCode != 422 {
			t.Errorf("%s by create: %s", name, a.Status)
		}
		if a := s.post("surgery", "/intake/fhir", fhirType, request(more)); a.StatusCode != 422 {
			t.Errorf("%s by intake: %s", name, a.Status)
		}
	}
}

// TestDirectoryIsNotPoisoned: an Organization written under another's code is
// nobody's entry, does not change its code, and is not followed.
func TestDirectoryIsNotPoisoned(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	org := func(code string) string {
		return `{"resourceType":"Organization","name":"Link Workers","identifier":[{"system":"` + ods + `","value":"` + code + `"}]}`
	}
	a := s.want(s.post("other", "/fhir/Organization", fhirType, []byte(org("Z9D01"))), 201)
	id := a.root(t).Get("id").Text()
	s.want(s.get("surgery", "/fhir/Organization/"+id), 404)
	mine := strings.Replace(org("Y99002"), `"name"`, `"id":"`+id+`","name"`, 1)
	s.want(s.do("other", http.MethodPut, "/fhir/Organization/"+id, http.Header{"Content-Type": {fhirType}}, []byte(mine)), 422)
}

// TestReaddressedByPut: the Task goes with the request; only the sender does it.
func TestReaddressedByPut(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	s.partner("worker2", "link-worker", "Z9D02", nil)
	to := func(code string) string {
		return `,"requester":{"identifier":{"system":"` + ods + `","value":"Y99001"}},"performer":[{"type":"Organization","identifier":{"system":"` + ods + `","value":"` + code + `"}}]`
	}
	a := s.want(s.post("surgery", "/fhir/ServiceRequest", fhirType, request(to("Z9D01"))), 201)
	id := a.root(t).Get("id").Text()
	put := func(who, code string) answer {
		body := strings.Replace(string(request(to(code))), `"status"`, `"id":"`+id+`","status"`, 1)
		return s.do(who, http.MethodPut, "/fhir/ServiceRequest/"+id, http.Header{"Content-Type": {fhirType}}, []byte(body))
	}
	s.want(put("worker", "Z9D02"), 422)
	s.want(put("surgery", "Z9D02"), 200)
	s.task("worker2", id)
	if n := s.sees("worker", "Task") + s.sees("worker", "ServiceRequest"); n != 0 {
		t.Errorf("the old service still sees %d resources", n)
	}
}

// TestDraftIsShownToNobody: nobody is asked until the request is active.
func TestDraftIsShownToNobody(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	s.want(s.post("surgery", "/fhir/ServiceRequest", fhirType, []byte(strings.Replace(string(request("")), "active", "draft", 1))), 201)
	if n := s.sees("worker", "ServiceRequest"); n != 0 {
		t.Error("the service sees a draft")
	}
}

// TestFrameWithoutMessage: a good frame around nothing gets AR.
func TestFrameWithoutMessage(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	c, err := net.Dial("tcp", s.g.MLLP)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(5 * time.Second))
	io.WriteString(c, "\x0bgarbage\x1c\x0d")
	b := make([]byte, 1024)
	n, err := c.Read(b)
	if err != nil || !strings.Contains(string(b[:n]), "MSA|AR") {
		t.Errorf("got %q, %v", b[:n], err)
	}
}

// TestIntakeParameters: a mistyped dryRun must not store anything.
func TestIntakeParameters(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	for _, q := range []string{"?dryrun=true", "?dryRun=", "?dryRun=true&dryRun=false", "?x=1"} {
		if a := s.post("police", "/intake/ppn-csv"+q, "text/csv", notices(t, "1")); a.StatusCode != 400 && a.StatusCode != 422 {
			t.Errorf("%s: %s", q, a.Status)
		}
	}
	s.want(s.post("police", "/intake/ppn-csv", "text/csv", nil), 400)
	if n := len(s.referrals("police")); n != 0 {
		t.Errorf("%d referrals", n)
	}
}
