package gateway_test

import (
	"bytes"
	"encoding/xml"
	"net/http"
	"os"
	"strings"
	"testing"
)

// partnerDoc is a worked example of a format.
func partnerDoc(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile("../mapping/formats/" + path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestITK3OverHTTP: a discharge summary is kept and answered by the
// infrastructure acknowledgement, and refers nobody.
func TestITK3OverHTTP(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	s.partner("ward", "hospital-discharge", "Z9H01", nil)
	doc := partnerDoc(t, "itk3-xml/testdata/discharge/in.xml")
	for i, tt := range []struct {
		name string
		body []byte
		code string
	}{
		{"taken", doc, "20013"},
		{"taken before", doc, "20007"},
		{"cut off", doc[:len(doc)/2], "10009"},
		{"without a person", bytes.ReplaceAll(doc, []byte("Patient>"), []byte("Group>")), "20009"},
	} {
		a := s.post("ward", "/intake/itk3-xml", "application/fhir+xml", tt.body)
		var any struct{ XMLName xml.Name }
		if err := xml.Unmarshal(a.body, &any); err != nil || any.XMLName.Local != "Bundle" || !strings.HasPrefix(a.Header.Get("Content-Type"), "application/fhir+xml") {
			t.Fatalf("%s: %s %s: %v\n%s", tt.name, a.Status, a.Header.Get("Content-Type"), err, a.body)
		}
		if !strings.Contains(string(a.body), `<code value="`+tt.code+`"/>`) || !strings.Contains(string(a.body), `ITK008M`) {
			t.Errorf("%d %s: want %s\n%s", i, tt.name, tt.code, a.body)
		}
		if tt.code < "20009" && tt.code != "10009" && !strings.Contains(string(a.body), "WARD-7-0042") {
			t.Errorf("%s: the sender's reference is not copied\n%s", tt.name, a.body)
		}
	}
	if n := len(s.referrals("ward")) + len(s.referrals("worker")); n != 0 {
		t.Errorf("%d referrals were made", n)
	}
	if n := s.want(s.get("ward", "/fhir/Communication"), 200).root(t).Get("entry").Len(); n != 2 {
		t.Errorf("%d sections were kept, want 2", n)
	}
	s.logsAreClean()
}

// TestERSOverHTTP: what e-RS holds is kept for reference and starts no work.
func TestERSOverHTTP(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	a := s.post("surgery", "/intake/ers-json", fhirType, partnerDoc(t, "ers-json/testdata/search/in.json"))
	if a.StatusCode >= 300 {
		t.Fatalf("%s\n%s", a.Status, a.body)
	}
	held := s.want(s.get("surgery", "/fhir/ServiceRequest?identifier=https://fhir.nhs.uk/Id/UBRN|000000990001"), 200).root(t)
	if n := held.Get("entry").Len(); n != 2 {
		t.Errorf("%d requests are held, want 2\n%s", n, a.body)
	}
	for e := range held.Get("entry").Items() {
		if st := e.At("resource", "status").Text(); st == "active" {
			t.Error("a request of e-RS is active")
		}
	}
	if n := s.want(s.get("surgery", "/fhir/Task"), 200).root(t).Get("entry").Len(); n != 0 {
		t.Errorf("%d Tasks were made", n)
	}
	if n := s.want(s.get("surgery", "/fhir/Patient"), 200).root(t).Get("entry").Len(); n != 0 {
		t.Errorf("%d Patients were made up", n)
	}
	refused := s.do("surgery", http.MethodPost, "/intake/ers-json", http.Header{"Content-Type": {fhirType}}, partnerDoc(t, "ers-json/testdata/pending/in.json"))
	if refused.StatusCode != 422 && refused.StatusCode != 400 || !strings.Contains(string(refused.body), "PENDING") || strings.Contains(string(refused.body), "Robin") {
		t.Errorf("%s\n%s", refused.Status, refused.body)
	}
	s.logsAreClean()
}
