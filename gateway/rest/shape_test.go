package rest_test

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"trellis.example/fhir"
	"trellis.example/gateway/server/servertest"
	"trellis.example/profiles"
)

const shaped = `{"resourceType":"DocumentReference","meta":{"profile":["https://x.example/p"],"tag":[{"code":"mine"}]},` +
	`"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>"},` +
	`"contained":[{"resourceType":"Practitioner","id":"p"}],"extension":[{"url":"https://x.example/e","valueDecimal":1.50}],` +
	`"identifier":[{"value":"1","extension":[{"url":"https://x.example/e","valueBoolean":true}]}],` +
	`"status":"current","_status":{"id":"s"},"author":[{"reference":"#p"}],"custodian":{"display":"c"},"description":"a",` +
	`"content":[{"attachment":{"contentType":"text/plain","data":"eA==","size":1.0},"format":{"code":"f","extension":[{"url":"https://x.example/e","valueBoolean":true}]}}],` +
	`"context":{"event":[{"text":"gone"}],"period":{"start":"2026"}}}`

// TestShapes: each shape shows what it should, byte for byte, and says that it
// is a part.
func TestShapes(t *testing.T) {
	g := start(t, servertest.Options{})
	path := "/fhir/DocumentReference/" + create(t, g, "gp", shaped)
	const (
		text      = `,"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>"}`
		extension = `,"extension":[{"url":"https://x.example/e","valueDecimal":1.50}]`
		status    = `,"status":"current","_status":{"id":"s"}`
		author    = `,"author":[{"reference":"#p"}]`
		contained = `,"contained":[{"resourceType":"Practitioner","id":"p"}]`
		content   = `,"content":[{"attachment":{"contentType":"text/plain","data":"eA==","size":1.0},"format":{"code":"f","extension":[{"url":"https://x.example/e","valueBoolean":true}]}}]`
	)
	tests := []struct{ query, want string }{
		{"_summary=true", `,"identifier":[{"value":"1"}]` + status + author + `,"description":"a","content":[{"attachment":{"contentType":"text/plain","size":1.0},"format":{"code":"f"}}],"context":{"period":{"start":"2026"}}` + contained},
		{"_summary=text", text + status + content},
		{"_summary=data", contained + extension + `,"identifier":[{"value":"1","extension":[{"url":"https://x.example/e","valueBoolean":true}]}]` + status + author + `,"custodian":{"display":"c"},"description":"a"` + content + `,"context":{"event":[{"text":"gone"}],"period":{"start":"2026"}}`},
		{"_elements=description,author", status + author + `,"description":"a"` + content + contained},
		{"_elements=description", status + `,"description":"a"` + content},
	}
	meta := regexp.MustCompile(`^\{"resourceType":"DocumentReference","id":"[^"]+","meta":\{[^{]*"tag":\[\{"code":"mine"\},\{[^}]*"SUBSETTED"\}\]\}`)
	for _, tt := range tests {
		r := g.Do(t, "gp", "GET", path+"?"+tt.query, "")
		wantStatus(t, tt.query, r, 200)
		head := meta.FindString(r.Body)
		if got := strings.TrimSuffix(strings.TrimPrefix(r.Body, head), "}"); head == "" || got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.query, r.Body, tt.want)
		}
	}
	full := g.Do(t, "gp", "GET", path, "")
	if r := g.Do(t, "gp", "GET", path+"?_summary=false", ""); r.Body != full.Body {
		t.Errorf("_summary=false: %s", r.Body)
	}
	if r := g.Do(t, "gp", "GET", path+"/_history/1?_summary=text", ""); !strings.Contains(r.Body, "SUBSETTED") {
		t.Errorf("a version: %s", r.Body)
	}
}

// TestSummariesAreValid: a summary of a valid document has no fault.
func TestSummariesAreValid(t *testing.T) {
	docs := samples(t)
	v, err := profiles.New()
	if err != nil {
		t.Fatal(err)
	}
	g := start(t, servertest.Options{Sandbox: true})
	n := 0
	for _, res := range docs {
		if fhir.Faults(v.Validate(res, profiles.Options{BaseOnly: true})) != nil {
			continue
		}
		path := "/fhir/" + res.Type() + "/" + create(t, g, "sandbox", string(res.JSON()))
		for _, q := range []string{"true", "data"} { // that of text has the mandatory elements alone
			part := resource(t, g.Do(t, "sandbox", "GET", path+"?_summary="+q, ""))
			for _, is := range v.Validate(part, profiles.Options{BaseOnly: true}) {
				if is.IsError() {
					t.Errorf("%s, _summary=%s: %s %s", res.Type(), q, is.Expression, is.Text)
				}
			}
			n++
		}
	}
	if n < 30 {
		t.Errorf("only %d summaries", n)
	}
}

// samples returns the shared sample documents that are FHIR, and what their
// Bundles hold.
func samples(t *testing.T) (docs []fhir.Resource) {
	t.Helper()
	files, err := filepath.Glob("../../../shared/standards/samples/*/*.json")
	if err != nil || len(files) == 0 {
		t.Skip("the shared samples are not beside the module")
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		res, err := fhir.Decode(b)
		if err != nil {
			continue
		}
		for _, e := range res.Entries() {
			if inner, err := e.Decode(); err == nil {
				docs = append(docs, inner)
			}
		}
		docs = append(docs, res)
	}
	return docs
}

// TestConditionalRead: If-None-Match goes before If-Modified-Since.
func TestConditionalRead(t *testing.T) {
	g := start(t, servertest.Options{})
	path := "/fhir/Patient/" + create(t, g, "gp", patient)
	now := time.Now().UTC().Add(time.Second).Format(http.TimeFormat)
	old := time.Now().UTC().Add(-time.Hour).Format(http.TimeFormat)
	tests := []struct {
		headers []string
		want    int
	}{
		{nil, 200},
		{[]string{"If-None-Match", `W/"1"`}, 304},
		{[]string{"If-None-Match", `"1"`}, 304},
		{[]string{"If-None-Match", `W/"2", W/"1"`}, 304},
		{[]string{"If-None-Match", `W/"2"`}, 200},
		{[]string{"If-None-Match", "*"}, 304},
		{[]string{"If-Modified-Since", now}, 304},
		{[]string{"If-Modified-Since", old}, 200},
		{[]string{"If-Modified-Since", "yesterday"}, 200}, // RFC 9110 13.1.3: ignored
		{[]string{"If-Modified-Since", now, "If-None-Match", `W/"2"`}, 200},
	}
	for _, tt := range tests {
		for _, method := range []string{"GET", "HEAD"} {
			r := g.Do(t, "gp", method, path, "", tt.headers...)
			if r.Status != tt.want || r.Header.Get("Etag") != `W/"1"` || r.Header.Get("Last-Modified") == "" {
				t.Errorf("%s %q: %d, Etag %q; want %d", method, tt.headers, r.Status, r.Header.Get("Etag"), tt.want)
			}
			if (r.Body != "") != (tt.want == 200 && method == "GET") {
				t.Errorf("%s %q: body %q", method, tt.headers, r.Body)
			}
		}
	}
}
