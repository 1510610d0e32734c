package gateway_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"trellis.example/fhir"
	"trellis.example/fhir/xml"
)

const xmlType = "application/fhir+xml"

// inXML returns a document as XML.
func inXML(t *testing.T, doc string) []byte {
	t.Helper()
	b, err := xml.Encode([]byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// fromXML checks that an answer is XML and returns it as JSON.
func fromXML(t *testing.T, a answer) fhir.Value {
	t.Helper()
	if ct := a.Header.Get("Content-Type"); ct != xmlType {
		t.Fatalf("%s: Content-Type %s\n%s", a.Request.URL.Path, ct, a.body)
	}
	b, err := xml.Decode(a.body, 64<<20)
	if err != nil {
		t.Fatalf("%v\n%s", err, a.body)
	}
	r, err := fhir.DecodeLimit(b, 64<<20)
	if err != nil {
		t.Fatal(err)
	}
	return r.Root()
}

const xmlPatient = `{"resourceType":"Patient","text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>Rowan &lt; Example</p></div>"},"identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9991234004"}],"name":[{"family":"Example","given":["Rowan"]}],"birthDate":"1951-06-02","_birthDate":{"id":"b"}}`

// TestXML: created in XML, a resource is read in both formats and found by
// search; what is stored is the same as if it had come in JSON.
func TestXML(t *testing.T) {
	onStores(t, func(t *testing.T, s *system) {
		s.partners()
		accept := http.Header{"Accept": {xmlType}}
		created := s.want(s.do("surgery", http.MethodPost, "/fhir/Patient", http.Header{"Content-Type": {xmlType}, "Accept": {xmlType}}, inXML(t, xmlPatient)), 201)
		id := fromXML(t, created).Get("id").Text()
		address := "/fhir/Patient/" + id

		asJSON := s.want(s.get("surgery", address), 200)
		if got := asJSON.root(t); got.Get("birthDate").Text() != "1951-06-02" || got.At("_birthDate", "id").Text() != "b" || !strings.Contains(got.At("text", "div").Text(), "<p>Rowan &lt; Example</p>") {
			t.Errorf("stored: %s", asJSON.body)
		}
		asXML := s.want(s.do("surgery", http.MethodGet, address, accept, nil), 200)
		if fromXML(t, asXML).Get("birthDate").Text() != "1951-06-02" {
			t.Errorf("read: %s", asXML.body)
		}
		for _, a := range []answer{asJSON, asXML} {
			if a.Header.Get("Etag") != `W/"1"` || !strings.Contains(strings.Join(a.Header.Values("Vary"), ","), "Accept,") && !strings.HasSuffix(strings.Join(a.Header.Values("Vary"), ","), "Accept") {
				t.Errorf("Etag %s, Vary %v", a.Header.Get("Etag"), a.Header.Values("Vary"))
			}
		}
		if b, err := xml.Encode(asJSON.body); err != nil || !bytes.Equal(b, asXML.body) {
			t.Errorf("the formats differ: %v\n%s\n%s", err, b, asXML.body)
		}
		head := s.want(s.do("surgery", http.MethodHead, address, accept, nil), 200)
		if len(head.body) > 0 || head.ContentLength != int64(len(asXML.body)) || head.Header.Get("Content-Type") != xmlType {
			t.Errorf("HEAD: %d bytes, length %d, want %d", len(head.body), head.ContentLength, len(asXML.body))
		}
		s.want(s.do("surgery", http.MethodGet, address, http.Header{"Accept": {xmlType}, "If-None-Match": {`W/"1"`}}, nil), 304)

		// The XML that was answered can be sent back.
		changed := bytes.Replace(asXML.body, []byte("1951-06-02"), []byte("1951-06-03"), 1)
		updated := s.want(s.do("surgery", http.MethodPut, address, http.Header{"Content-Type": {"text/xml; charset=utf-8"}, "If-Match": {`W/"1"`}}, changed), 200)
		if updated.root(t).Get("birthDate").Text() != "1951-06-03" {
			t.Errorf("updated: %s", updated.body)
		}
		s.searchedInXML(address)
		s.logsAreClean()
	})
}

func (s *system) searchedInXML(address string) {
	t := s.t
	t.Helper()
	for _, a := range []answer{
		s.want(s.get("surgery", "/fhir/Patient?birthdate=1951-06-03&_format=xml&_pretty=true"), 200),
		s.want(s.do("surgery", http.MethodPost, "/fhir/Patient/_search", http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Accept": {xmlType}}, []byte("birthdate=1951-06-03")), 200),
		s.want(s.post("surgery", "/fhir/Patient/_search", "application/x-www-form-urlencoded", []byte("birthdate=1951-06-03&_format=xml")), 200),
		s.want(s.do("surgery", http.MethodPost, "/fhir/Patient/_search?_format=application/fhir+xml", http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Accept": {fhirType}}, []byte("birthdate=1951-06-03")), 200),
	} {
		root := fromXML(t, a)
		if root.Get("type").Text() != "searchset" || root.Get("entry").Len() != 1 || "/fhir/Patient/"+root.At("entry", 0, "resource", "id").Text() != address {
			t.Errorf("found: %s", a.body)
		}
	}
	history := fromXML(t, s.want(s.get("surgery", address+"/_history?_format=xml"), 200))
	if history.Get("entry").Len() != 2 {
		t.Errorf("history: %s", history.Raw())
	}
}

// TestXMLPages: links lead to pages of the same format.
func TestXMLPages(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	for i := range 3 {
		s.want(s.post("surgery", "/fhir/Patient", xmlType, inXML(t, fmt.Sprintf(`{"resourceType":"Patient","name":[{"family":"Example","given":["Rowan %d"]}]}`, i))), 201)
	}
	next := "/fhir/Patient?_count=1&_format=xml&_pretty=true"
	pages := 0
	for ; next != ""; pages++ {
		root := fromXML(t, s.want(s.get("surgery", next), 200))
		next = ""
		for l := range root.Get("link").Items() {
			if l.Get("relation").Text() == "next" {
				next = strings.TrimPrefix(l.Get("url").Text(), s.g.PublicURL)
			}
		}
	}
	if pages != 3 {
		t.Errorf("%d pages", pages)
	}
}

// TestXMLFaults: refusals are in the format asked for; they name the place in the
// XML and as FHIRPath.
func TestXMLFaults(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	patient := func(content string) []byte {
		return []byte(`<Patient xmlns="http://hl7.org/fhir">` + content + `</Patient>`)
	}
	tests := []struct {
		name       string
		body       []byte
		status     int
		expression string
		source     string
	}{
		{"not well-formed", []byte(`<Patient xmlns="http://hl7.org/fhir"><active`), 400, "Patient", "/Patient, line 1, column 38"},
		{"DTD", append([]byte(`<!DOCTYPE Patient>`), patient("")...), 400, "", "line 1, column 1"},
		{"unknown element", patient("<nme/>"), 400, "Patient.nme", "/Patient/nme, line 1, column 38"},
		{"order", patient(`<gender value="female"/><name><family value="Example"/></name>`), 400, "Patient.name", "/Patient/name, line 1, column 62"},
		{"wrong code", patient(`<name><family value="Example"/></name><gender value="woman"/>`), 422, "Patient.gender", "/Patient/gender"},
		{"wrong date", patient(`<contact><name><family value="Example"/></name><period><start value="1951-02-31"/></period></contact>`), 422, "Patient.contact[0].period.start", "/Patient/contact[1]/period/start"},
		{"JSON", []byte(`{"resourceType":"Patient"}`), 400, "", "line 1, column 27"},
	}
	for _, tt := range tests {
		a := s.do("surgery", http.MethodPost, "/fhir/Patient", http.Header{"Content-Type": {xmlType}, "Accept": {xmlType}}, tt.body)
		issue := fromXML(t, a).At("issue", 0)
		if a.StatusCode != tt.status || issue.At("expression", 0).Text() != tt.expression || issue.At("extension", 0, "valueString").Text() != tt.source {
			t.Errorf("%s: %s %s", tt.name, a.Status, a.body)
		}
	}
	missing := s.want(s.get("surgery", "/fhir/Patient/none?_format=xml"), 404)
	if fromXML(t, missing).Get("resourceType").Text() != "OperationOutcome" {
		t.Errorf("absent: %s", missing.body)
	}
	if a := s.want(s.do("", http.MethodGet, "/fhir/Patient/x", http.Header{"Accept": {xmlType}}, nil), 401); fromXML(t, a).Get("resourceType").Text() != "OperationOutcome" {
		t.Errorf("without a token: %s", a.body)
	}
	s.want(s.do("surgery", http.MethodGet, "/fhir/Patient", http.Header{"Accept": {"text/turtle"}}, nil), 406)
	s.want(s.post("surgery", "/fhir/Patient", "text/turtle", nil), 415)
	s.want(s.post("surgery", "/fhir/Patient", xmlType+"; charset=iso-8859-1", patient("")), 415)
	s.want(s.post("surgery", "/fhir/Patient", xmlType+"; fhirVersion=3.0", patient("")), 415)
	s.logsAreClean()
}

// TestXMLTransaction: a transaction in XML, under an Idempotency-Key, which
// stands for the bytes that came.
func TestXMLTransaction(t *testing.T) {
	onStores(t, func(t *testing.T, s *system) {
		s.partners()
		body := inXML(t, string(document(t, "referral.json", "1")))
		h := http.Header{"Content-Type": {xmlType}, "Accept": {xmlType}, "Idempotency-Key": {"key-x"}}
		first := s.want(s.do("surgery", http.MethodPost, "/fhir", h, body), 200)
		if root := fromXML(t, first); root.Get("type").Text() != "transaction-response" || root.Get("entry").Len() == 0 {
			t.Errorf("answer: %s", first.body)
		}
		again := s.want(s.do("surgery", http.MethodPost, "/fhir", h, body), 200)
		if !bytes.Equal(again.body, first.body) {
			t.Errorf("the same request again: %s", again.body)
		}
		only(t, s.referrals("surgery"))
		s.want(s.do("surgery", http.MethodPost, "/fhir", h, append(body, '\n')), 422)

		faulty := edit(t, body, `<gender value="female"/>`, `<gender value="woman"/>`)
		refused := s.want(s.do("surgery", http.MethodPost, "/fhir", http.Header{"Content-Type": {xmlType}, "Accept": {xmlType}}, faulty), 422)
		if !strings.Contains(string(refused.body), "/Bundle/entry[1]/resource/Patient/gender") || !strings.Contains(string(refused.body), "Bundle.entry[0].resource.gender") {
			t.Errorf("refused: %s", refused.body)
		}
		s.logsAreClean()
	})
}

// TestXMLMetadata: the CapabilityStatement says that both formats are spoken, and
// is given in both.
func TestXMLMetadata(t *testing.T) {
	s := newSystem(t, noChange)
	inJSON := s.want(s.get("", "/fhir/metadata"), 200)
	root := fromXML(t, s.want(s.get("", "/fhir/metadata?_format=xml"), 200))
	var names []string
	for f := range root.Get("format").Items() {
		names = append(names, f.Text())
	}
	if got := strings.Join(names, " "); got != "application/fhir+json application/fhir+xml json xml" {
		t.Errorf("format: %s", got)
	}
	var a, b any
	if err := json.Unmarshal(inJSON.body, &a); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(root.Raw(), &b); err != nil {
		t.Fatal(err)
	}
	if x, y := fmt.Sprint(a), fmt.Sprint(b); x != y {
		t.Error("the two formats differ")
	}
	pretty := s.want(s.get("", "/fhir/metadata?_format=xml&_pretty=true"), 200)
	if !bytes.HasPrefix(pretty.body, []byte("<CapabilityStatement xmlns=\"http://hl7.org/fhir\">\n  <")) {
		t.Errorf("_pretty: %.200s", pretty.body)
	}
}

// TestXMLPatch: a FHIRPath Patch may come in XML too, and its faults name their
// place there.
func TestXMLPatch(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	created := s.want(s.post("surgery", "/fhir/Patient", xmlType, inXML(t, xmlPatient)), 201)
	address := "/fhir/Patient/" + created.root(t).Get("id").Text()
	patch := func(path string) []byte {
		return inXML(t, `{"resourceType":"Parameters","parameter":[{"name":"operation","part":[{"name":"type","valueCode":"replace"},{"name":"path","valueString":"`+path+`"},{"name":"value","valueDate":"1951-06-03"}]}]}`)
	}
	h := http.Header{"Content-Type": {xmlType}, "Accept": {xmlType}}
	done := s.want(s.do("surgery", http.MethodPatch, address, h, patch("Patient.birthDate")), 200)
	if got := fromXML(t, done).Get("birthDate").Text(); got != "1951-06-03" {
		t.Errorf("birthDate %s", got)
	}
	refused := fromXML(t, s.want(s.do("surgery", http.MethodPatch, address, h, patch("Patient.deceased")), 422)).At("issue", 0)
	if got := refused.At("extension", 0, "valueString").Text(); got != "/Parameters/parameter[1]/part[2]" {
		t.Errorf("place %s: %s", got, refused.Raw())
	}
}
