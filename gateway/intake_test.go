package gateway_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
)

// TestResultAgain: the result of a file is there to be fetched again, for its
// sender alone; what became of rows is counted without anybody's data.
func TestResultAgain(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	s.partner("police-2", "police", "P98", nil)
	file := notices(t, "1", "2")
	want := s.want(s.post("police", "/intake/ppn-csv", "text/csv", file), 200)
	sum := sha256.Sum256(file)
	at := "/intake/ppn-csv/results/" + hex.EncodeToString(sum[:])
	if a := s.want(s.get("police", at), 200); !bytes.Equal(a.body, want.body) || a.Header.Get("Trellis-Rows") != "2" {
		t.Errorf("the result fetched again is another:\n%s", a.body)
	}
	absent := s.want(s.get("police", "/intake/ppn-csv/results/"+strings.Repeat("0", 64)), 404)
	if a := s.want(s.get("police-2", at), 404); !bytes.Equal(a.body, absent.body) {
		t.Errorf("another's result is not as if absent: %s", a.body)
	}
	s.want(s.get("surgery", at), 403)
	s.want(s.get("police", "/intake/ppn-csv/results/x"), 404)
	s.want(s.do("police", http.MethodDelete, at, nil, nil), 405)
	resp, err := http.Get("http://" + s.g.Admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	metrics, err := io.ReadAll(resp.Body)
	if err != nil || !bytes.Contains(metrics, []byte(`trellis_intake_records_total{format="ppn-csv",status="created"} 2`)) {
		t.Errorf("the rows are not counted: %v", err)
	}
	s.logsAreClean()
}

// TestIncidents: police systems that speak JSON:API post below the base URL, are
// answered in its shape, and again when they repeat themselves.
func TestIncidents(t *testing.T) {
	doc, err := os.ReadFile("../mapping/formats/sdm-json/testdata/notice/in.json")
	if err != nil {
		t.Fatal(err)
	}
	const api = "application/vnd.api+json"
	s := newSystem(t, noChange)
	s.partners()
	first := s.want(s.post("police", "/intake/sdm-json/incidents", api, doc), 201)
	if ct := first.Header.Get("Content-Type"); ct != api || !bytes.Contains(first.body, []byte(`"humanReference":"SP-`)) {
		t.Errorf("%s: %s", ct, first.body)
	}
	for _, path := range []string{"/intake/sdm-json/incidents", "/intake/sdm-json"} {
		if again := s.want(s.post("police", path, api, doc), 201); !bytes.Equal(again.body, first.body) {
			t.Errorf("%s is answered otherwise when it repeats itself:\n%s\n%s", path, again.body, first.body)
		}
	}
	for name, a := range map[string]answer{
		"not JSON":          s.want(s.post("police", "/intake/sdm-json/incidents", api, []byte("{")), 400),
		"no such role":      s.want(s.post("surgery", "/intake/sdm-json/incidents", api, doc), 403),
		"no token":          s.want(s.post("", "/intake/sdm-json/incidents", api, doc), 401),
		"other media type":  s.want(s.post("police", "/intake/sdm-json", "text/csv", doc), 415),
		"unknown parameter": s.want(s.post("police", "/intake/sdm-json?x=1", api, doc), 400),
	} {
		if ct := a.Header.Get("Content-Type"); ct != api || !bytes.HasPrefix(a.body, []byte(`{"errors":[{`)) {
			t.Errorf("%s: %s %s", name, ct, a.body)
		}
	}
	s.want(s.post("police", "/intake/ppn-csv/incidents", "text/csv", doc), 404)
	s.logsAreClean()
}

// TestOutcomeTool: a tool that sees a referral's service posts what was measured,
// by the reference that it knows; the care team sees it. A referral that the tool
// does not see is as one that does not exist.
func TestOutcomeTool(t *testing.T) {
	onStores(t, func(t *testing.T, s *system) {
		s.partners()
		s.partner("tool", "outcome-tool", service, nil)
		s.partner("tool-2", "outcome-tool", "Z9D99", nil)
		const reference = `{"system":"https://trellis.example/fhir/Id/client-reference","value":"SP-5541"}`
		s.want(s.post("surgery", "/fhir/ServiceRequest", fhirType, []byte(`{"resourceType":"ServiceRequest","identifier":[`+reference+`],"status":"active","intent":"order",
			"code":{"coding":[{"system":"http://snomed.info/sct","code":"871731000000106"}]},"subject":{"display":"A person"},"authoredOn":"2026-03-04","requester":{"display":"A practice"}}`)), 201)
		response := func(reference string) []byte {
			return fmt.Appendf(nil, `{"resourceType":"QuestionnaireResponse","identifier":{"system":"urn:x","value":"%[1]d"},"questionnaire":"https://example.org/q|1","status":"completed","subject":{"display":"A person"},
				"authored":"2026-03-04T10:00:00Z","basedOn":[{"reference":"ServiceRequest?identifier=https://trellis.example/fhir/Id/client-reference|%[2]s"}],"item":[{"linkId":"1","answer":[{"valueInteger":7}]}]}`, len(reference), reference)
		}
		s.want(s.post("tool", "/intake/fhir", fhirType, response("SP-5541")), 201)
		absent := s.want(s.post("tool", "/intake/fhir", fhirType, response("SP-0000")), 422)
		hidden := s.want(s.post("tool-2", "/intake/fhir", fhirType, response("SP-5541")), 422)
		if !bytes.Equal(absent.body, hidden.body) || !bytes.Contains(absent.body, []byte("QuestionnaireResponse.basedOn[0].reference")) && !bytes.Contains(absent.body, []byte("resource.basedOn[0].reference")) {
			t.Errorf("hidden and absent differ:\n%s\n%s", hidden.body, absent.body)
		}
		for who, want := range map[string]int{"worker": 1, "surgery": 1, "tool": 1, "other": 0, "tool-2": 0} {
			a := s.want(s.get(who, "/fhir/QuestionnaireResponse?_summary=count"), 200)
			if !bytes.Contains(a.body, fmt.Appendf(nil, `"total":%d`, want)) {
				t.Errorf("%s sees otherwise than %d: %s", who, want, a.body)
			}
		}
		if n := s.audits("intake-fhir"); n != 1 {
			t.Errorf("%d audit entries of what was taken, want 1", n)
		}
		s.logsAreClean()
	})
}

// worked returns a file of a format's worked examples.
func worked(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile("../mapping/formats/" + path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestSelfReferral: a portal sends a person's form urlencoded, as multipart or as
// JSON, and gets a receipt to show; the same form again gets the same one.
func TestSelfReferral(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	s.partner("portal", "person", "Y99001", nil)
	form := worked(t, "self-referral-form/testdata/page/in.txt")
	fields, err := url.ParseQuery(string(bytes.TrimSpace(form)))
	if err != nil {
		t.Fatal(err)
	}
	var multi bytes.Buffer
	w := multipart.NewWriter(&multi)
	for name, values := range fields {
		for _, v := range values {
			if err := w.WriteField(name, v); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	first := s.want(s.post("portal", "/intake/self-referral-form", "application/x-www-form-urlencoded", bytes.TrimSpace(form)), 201)
	again := s.want(s.post("portal", "/intake/self-referral-form", w.FormDataContentType(), multi.Bytes()), 201)
	if !bytes.Equal(first.body, again.body) || !bytes.Contains(first.body, []byte(`"humanReference":"SP-`)) {
		t.Errorf("the receipts differ:\n%s\n%s", first.body, again.body)
	}
	s.want(s.post("portal", "/intake/self-referral-json", "application/json", worked(t, "self-referral-json/testdata/full/in.json")), 201)
	s.want(s.post("surgery", "/intake/self-referral-form", "application/x-www-form-urlencoded", form), 403)
	spam := append(bytes.TrimSpace(form), "&website=x"...)
	if a := s.want(s.post("portal", "/intake/self-referral-form", "application/x-www-form-urlencoded", spam), 422); !bytes.Contains(a.body, []byte(`"status":"refused"`)) {
		t.Errorf("%s", a.body)
	}
	s.logsAreClean()
	// A document of many records is answered by a result file.
	s.partner("team", "multi-disciplinary-team", "Y99003", nil)
	list := s.want(s.post("team", "/intake/mdt-json", "application/json", worked(t, "mdt-json/testdata/full/in.json")), 200)
	if got := statuses(t, list); !strings.HasPrefix(got, "created created") {
		t.Errorf("the people of a meeting: %s\n%s", got, list.body)
	}
	s.logsAreClean()
}
