package rest_test

import (
	"strings"
	"testing"

	"trellis.example/gateway/server/servertest"
)

// TestBinary: the content itself for who asks for its type, the resource for who
// asks for FHIR, and 406 otherwise.
func TestBinary(t *testing.T) {
	g := start(t, servertest.Options{})
	const binary = `{"resourceType":"Binary","contentType":"text/plain;charset=utf-8","data":"aGVsbG8="}`
	path := "/fhir/Binary/" + create(t, g, "gp", binary)
	tests := []struct {
		name, query, accept string
		status              int
		contentType, body   string
	}{
		{"nothing asked", "", "", 200, "application/fhir+json", `"data":"aGVsbG8="`},
		{"anything", "", "*/*", 200, "application/fhir+json", `"data"`},
		{"XML", "", "application/fhir+xml", 200, "application/fhir+xml", `<data value="aGVsbG8="/>`},
		{"its type", "", "text/plain", 200, "text/plain; charset=utf-8", "hello"},
		{"its kind", "", "text/*;q=0.5", 200, "text/plain; charset=utf-8", "hello"},
		{"a version", "/_history/1", "text/plain", 200, "text/plain; charset=utf-8", "hello"},
		{"FHIR goes first", "", "text/plain, application/fhir+json;q=0.1", 200, "application/fhir+json", `"data"`},
		{"another type", "", "image/png", 406, "application/fhir+json", "OperationOutcome"},
		{"its type refused", "", "text/plain;q=0.0", 406, "application/fhir+json", "OperationOutcome"},
		{"_format wins", "?_format=ttl", "text/plain", 406, "application/fhir+json", "OperationOutcome"},
		{"no Binary", "/_history", "text/plain", 406, "application/fhir+json", "OperationOutcome"},
	}
	for _, tt := range tests {
		r := g.Do(t, "gp", "GET", path+tt.query, "", "Accept", tt.accept)
		wantStatus(t, tt.name, r, tt.status)
		wantHeaders(t, tt.name, r, "Content-Type", tt.contentType)
		if !strings.Contains(r.Body, tt.body) {
			t.Errorf("%s: %s", tt.name, r.Body)
		}
		if tt.body == "hello" {
			wantHeaders(t, tt.name, r, "Content-Disposition", "attachment", "Etag", `W/"1"`)
		}
	}
	r := g.Do(t, "gp", "GET", "/fhir/Binary/none", "", "Accept", "text/plain")
	wantStatus(t, "absent", r, 404)
	wantStatus(t, "another resource", g.Do(t, "gp", "GET", "/fhir/Patient/none", "", "Accept", "text/plain"), 406)
}
