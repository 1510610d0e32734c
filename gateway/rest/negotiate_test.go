package rest

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

func TestAccepted(t *testing.T) {
	const none = format(9)
	tests := []struct {
		accept string
		want   format
	}{
		{"", formatJSON},
		{"*/*", formatJSON},
		{"application/*", formatJSON},
		{"application/fhir+json", formatJSON},
		{"application/json", formatJSON},
		{"application/fhir+json; fhirVersion=4.0", formatJSON},
		{"application/fhir+json;fhirVersion=5.0", none},
		{"application/fhir+xml", formatXML},
		{"application/fhir+xml;fhirVersion=4.0.1", formatXML},
		{"application/fhir+xml;fhirVersion=3.0", none},
		{"application/xml", formatXML},
		{"text/xml;charset=utf-8", formatXML},
		{"Application/FHIR+XML", formatXML},
		{"application/fhir+xml, application/fhir+json", formatJSON}, // both weigh the same
		{"application/fhir+xml, application/fhir+json;q=0.9", formatXML},
		{"application/fhir+xml;q=0.5, application/fhir+json;q=0.9", formatJSON},
		{"application/fhir+xml, */*;q=0.1", formatXML},
		{"application/fhir+json;q=0, */*", formatXML},
		{"application/fhir+json;q=0, application/fhir+xml;q=0", none},
		{"*/*;q=0", none},
		{"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", formatXML},
		{"text/html, */*", formatJSON},
		{"text/html", none},
		{"text/turtle", none},
		{"application/fhir+xml;q=x", none},
		{"xml;q=;", none},
	}
	for _, tt := range tests {
		got, err := accepted([]string{tt.accept})
		if tt.want == none && err == nil || tt.want != none && (err != nil || got != tt.want) {
			t.Errorf("%s: got %d, %v; want %d", tt.accept, got, err, tt.want)
		}
	}
	if got, err := accepted([]string{"text/html", "application/fhir+xml"}); err != nil || got != formatXML {
		t.Errorf("two headers: got %d, %v", got, err)
	}
}

func TestNamed(t *testing.T) {
	for _, s := range []string{"xml", "application/fhir+xml", "application/fhir xml", "text/xml", "application/xml"} {
		if f, err := named(s); err != nil || f != formatXML {
			t.Errorf("%s: got %d, %v", s, f, err)
		}
	}
	for _, s := range []string{"json", "application/fhir+json", "application/json;fhirVersion=4.0"} {
		if f, err := named(s); err != nil || f != formatJSON {
			t.Errorf("%s: got %d, %v", s, f, err)
		}
	}
	for _, s := range []string{"", "ttl", "html", "xml;fhirVersion=5.0", "*/*"} {
		if _, err := named(s); err == nil {
			t.Errorf("%s: accepted", s)
		}
	}
}

func TestContentFormat(t *testing.T) {
	tests := []struct {
		ct   string
		want format
		ok   bool
	}{
		{"application/fhir+xml", formatXML, true},
		{"application/fhir+xml; charset=UTF-8; fhirVersion=4.0", formatXML, true},
		{"text/xml", formatXML, true},
		{"application/fhir+json", formatJSON, true},
		{"application/fhir+xml; charset=iso-8859-1", formatXML, false},
		{"xml", formatXML, false},
		{"text/plain", formatJSON, false},
		{"", formatJSON, false},
	}
	for _, tt := range tests {
		if got, ok := contentFormat(tt.ct); ok != tt.ok || ok && got != tt.want {
			t.Errorf("%s: got %d, %t", tt.ct, got, ok)
		}
	}
}

// TestXMLBody: an XML body is read as JSON, once, within the limit of the JSON;
// the bytes received stay at hand.
func TestXMLBody(t *testing.T) {
	const doc = `<Patient xmlns="http://hl7.org/fhir"><active value="true"/></Patient>`
	const want = `{"resourceType":"Patient","active":true}`
	send := func(ct, body string) *http.Request {
		r := httptest.NewRequest(http.MethodPost, "/fhir/Patient", strings.NewReader(body))
		r.Header.Set("Content-Type", ct)
		return declareJSON(r)
	}
	r := send("application/xml", doc)
	if err := ContentType(r.Header); err != nil {
		t.Error(err)
	}
	for range 2 {
		if b, err := Body(r, len(want)); err != nil || string(b) != want {
			t.Errorf("got %s, %v", b, err)
		}
	}
	if got := receivedBytes(r, []byte(want)); string(got) != doc {
		t.Errorf("received %s", got)
	}
	if _, err := Body(send("text/xml", doc), len(want)-1); err == nil {
		t.Error("larger than the limit: accepted")
	}
	if _, err := Body(send("text/xml", doc+strings.Repeat(" ", 100)), len(want)); err == nil {
		t.Error("much larger than the limit: accepted")
	}
	if r := send("application/fhir+json", want); string(receivedBytes(r, []byte(want))) != want {
		t.Error("JSON must pass as it is")
	}
	if err := ContentType(send("application/fhir+xml;charset=utf-16", doc).Header); err == nil {
		t.Error("another charset: accepted")
	}
}

func TestFormatLink(t *testing.T) {
	tests := []struct{ query, want string }{
		{"", ""}, {"_format=json", ""}, {"_format=xml", "&_format=xml"}, {"_pretty=true", "&_pretty=true"}, {"_pretty=false&_format=text/xml", "&_format=xml"},
	}
	for _, tt := range tests {
		params, err := url.ParseQuery(tt.query)
		if err != nil {
			t.Fatal(err)
		}
		q := &Request{Request: httptest.NewRequest(http.MethodGet, "/fhir/Patient", http.NoBody), Params: params}
		if err := q.negotiate(); err != nil {
			t.Error(err)
		}
		if got := q.formatLink(); got != tt.want {
			t.Errorf("%s: got %s", tt.query, got)
		}
	}
}

func BenchmarkNegotiate(b *testing.B) {
	for _, accept := range []string{"application/fhir+json", "application/fhir+xml", "application/fhir+json, application/json;q=0.9, */*;q=0.1"} {
		b.Run(accept, func(b *testing.B) {
			q := &Request{Request: httptest.NewRequest(http.MethodGet, "/fhir/Patient", http.NoBody)}
			q.Header.Set("Accept", accept)
			b.ReportAllocs()
			for b.Loop() {
				if err := q.negotiate(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
