package rest_test

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"time"

	"trellis.example/gateway/audit"
	"trellis.example/gateway/server/servertest"
	"trellis.example/gateway/store"
)

// entries returns every audit record but those of tokens, oldest first.
func entries(t testing.TB, g *servertest.Gateway) []audit.Record {
	t.Helper()
	rs, err := g.Store.AuditEntries(t.Context(), store.AuditPosition{}, 1000)
	if err != nil {
		t.Fatal(err)
	}
	return rs
}

func TestEverythingIsAudited(t *testing.T) {
	g := start(t, servertest.Options{})
	id := create(t, g, "gp", patient)
	key := "Patient/" + id
	tests := []struct {
		client, method, path, body string
		want                       string // interaction, outcome, entity, patients
	}{
		{"gp", "GET", "/fhir/" + key, "", "R read 0 " + key + "/_history/1 [" + key + "]"},
		{"gp", "HEAD", "/fhir/" + key, "", "R read 0 " + key + "/_history/1 [" + key + "]"},
		{"gp", "GET", "/fhir/" + key + "/_history/1", "", "R vread 0 " + key + "/_history/1 [" + key + "]"},
		{"gp", "GET", "/fhir/" + key + "/_history", "", "R history-instance 0 " + key + "/_history [" + key + "]"},
		{"gp", "GET", "/fhir/Patient?identifier=9434765919&active=true", "", "E search-type 0 Patient?active,identifier []"},
		{"gp", "GET", "/fhir/Patient?identifier=9434765919", "", "E search-type 0 Patient?identifier [" + key + "]"},
		{"gp", "PUT", "/fhir/" + key, `{"resourceType":"Patient","id":"` + id + `"}`, "U update 0 " + key + "/_history/2 [" + key + "]"},
		{"gp", "POST", "/fhir/Flag", strings.ReplaceAll(flag, "%s", "none"), "C create 4 Flag []"},
		{"gp", "POST", "/fhir/Patient", "{", "C create 4 Patient []"},
		{"gp2", "GET", "/fhir/" + key, "", "R read 4 " + key + " []"},
		{"auditor", "GET", "/fhir/" + key, "", "R read 4 " + key + " []"},
		{"gp", "GET", "/fhir/Patient?shoe=1", "", "E search-type 4 Patient? []"},
		{"importer", "DELETE", "/fhir/" + key, "", "D delete 0 " + key + " [" + key + "]"},
		{"gp", "GET", "/fhir/" + key, "", "R read 4 " + key + " []"},
	}
	for _, tt := range tests {
		before := len(entries(t, g))
		g.Do(t, tt.client, tt.method, tt.path, tt.body, "X-Request-ID", "request-0001")
		all := entries(t, g)
		if len(all) != before+1 {
			t.Errorf("%s %s: %d entries, want 1", tt.method, tt.path, len(all)-before)
			continue
		}
		e := all[len(all)-1].Entry
		got := string(e.Action) + " " + e.Interaction + " " + e.Outcome + " " + strings.Join(e.Entities, ",") + " [" + strings.Join(e.Patients, ",") + "]"
		if got != tt.want {
			t.Errorf("%s %s %s:\n got %s\nwant %s", tt.client, tt.method, tt.path, got, tt.want)
		}
		if e.Client != tt.client || e.Address != "127.0.0.1" || e.RequestID != "request-0001" {
			t.Errorf("%s %s: client %q, address %q, request %q", tt.method, tt.path, e.Client, e.Address, e.RequestID)
		}
	}
}

// TestRefusalsWithoutTokenAreCounted: a flood becomes one entry a minute.
func TestRefusalsWithoutTokenAreCounted(t *testing.T) {
	g := start(t, servertest.Options{})
	for range 20 {
		wantStatus(t, "no token", g.Do(t, "", "GET", "/fhir/Patient/1", ""), 401)
	}
	if n := len(entries(t, g)); n != 0 {
		t.Fatalf("%d entries before the minute is over", n)
	}
	g.Clock.Advance(time.Minute)
	if err := g.Recorder.Flush(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, e := range entries(t, g) {
		n += e.Count
	}
	if got := entries(t, g); len(got) > 2 || n != 20 {
		t.Errorf("%d entries that count %d, want at most 2 that count 20", len(got), n)
	}
}

// TestNothingIsDisclosedWithoutAudit: with the audit down every answer is 503,
// the same for what exists and what does not, and nothing is stored.
func TestNothingIsDisclosedWithoutAudit(t *testing.T) {
	g := start(t, servertest.Options{})
	id := create(t, g, "gp", patient)
	g.Store.SetAuditDown(true)
	for _, tt := range [][3]string{
		{"GET", "/fhir/Patient/" + id, ""}, {"GET", "/fhir/Patient/none", ""}, {"GET", "/fhir/Patient/" + id + "/_history", ""},
		{"GET", "/fhir/Patient/" + id + "/_history/1", ""}, {"GET", "/fhir/Patient?identifier=9434765919", ""},
		{"POST", "/fhir/Patient", patient}, {"POST", "/fhir/Patient", "{"},
		{"PUT", "/fhir/Patient/" + id, `{"resourceType":"Patient","id":"` + id + `","active":true}`},
	} {
		r := g.Do(t, "gp", tt[0], tt[1], tt[2])
		wantStatus(t, tt[0]+" "+tt[1], r, 503)
		if strings.Contains(r.Body, id) || r.Header.Get("Etag") != "" || r.Header.Get("Retry-After") == "" {
			t.Errorf("%s %s discloses: %v %s", tt[0], tt[1], r.Header, r.Body)
		}
	}
	g.Store.SetAuditDown(false)
	r := g.Do(t, "gp", "GET", "/fhir/Patient?_count=10", "")
	if res := resource(t, r); res.Root().Get("total").Text() != "1" || res.Root().At("entry", 0, "resource", "meta", "versionId").Text() != "1" {
		t.Errorf("something was stored while the audit was down: %s", r.Body)
	}
}

func TestAuditEvents(t *testing.T) {
	g := start(t, servertest.Options{})
	id := create(t, g, "gp", patient)
	g.Do(t, "gp", "GET", "/fhir/Patient/"+id, "")
	g.Do(t, "gp", "GET", "/fhir/Patient?identifier=9434765919", "")
	g.Do(t, "gp2", "GET", "/fhir/Patient/"+id, "")
	tests := []struct {
		query string
		want  int
	}{
		{"agent=gp", 3}, {"agent=gp2", 1}, {"agent=nobody", 0},
		{"patient=" + id, 3}, {"patient=Patient/" + id, 3},
		{"entity=Patient/" + id, 3}, {"entity=Patient/" + id + "&agent=gp2", 1},
		{"action=C", 1}, {"action=R&agent=gp", 1},
		{"date=ge2000&agent=gp", 3}, {"date=lt2000", 0},
		{"date=" + time.Now().UTC().Format("2006-01-02") + "&agent=gp", 3},
		{"_lastUpdated=gt2100", 0},
	}
	for _, tt := range tests {
		r := g.Do(t, "auditor", "GET", "/fhir/AuditEvent?"+tt.query, "")
		wantStatus(t, tt.query, r, 200)
		if got := len(ids(t, resource(t, r))); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.query, got, tt.want)
		}
	}
	for _, bad := range []string{"patient=x%20y", "action=X", "entity=Patient", "agent-name=x", "date=yesterday", "_count=0", "agent=a&agent=b", "date=ne2026"} {
		wantStatus(t, bad, g.Do(t, "auditor", "GET", "/fhir/AuditEvent?"+bad, ""), 400)
	}
	first := ids(t, resource(t, g.Do(t, "auditor", "GET", "/fhir/AuditEvent?agent=gp&action=C", "")))[0]
	r := g.Do(t, "auditor", "GET", "/fhir/AuditEvent/"+first, "")
	wantStatus(t, "read", r, 200)
	if got := resource(t, r).Root().At("entity", 1, "what", "reference").Text(); got != "Patient/"+id {
		t.Errorf("patient entity %q", got)
	}
	for _, none := range []string{"99999-0", "1-9", "x", "0-0", first + "0"} {
		wantStatus(t, none, g.Do(t, "auditor", "GET", "/fhir/AuditEvent/"+none, ""), 404)
	}
}

func TestAuditPages(t *testing.T) {
	g := start(t, servertest.Options{})
	for range 7 {
		create(t, g, "gp", patient)
	}
	path, seen := "/fhir/AuditEvent?agent=gp&_count=3", []string{}
	for path != "" {
		r := g.Do(t, "auditor", "GET", path, "")
		wantStatus(t, "page", r, 200)
		res := resource(t, r)
		seen = append(seen, ids(t, res)...)
		path = strings.TrimPrefix(link(res, "next"), g.URL)
		create(t, g, "gp", patient)
	}
	if n := len(slices.Compact(slices.Sorted(slices.Values(seen)))); n != 7 || len(seen) != 7 {
		t.Errorf("%d records, %d different; want 7", len(seen), n)
	}
}

// TestAnAuditEventIsValid: what is rendered is FHIR, and holds no value.
func TestSearchAuditShowsNoValue(t *testing.T) {
	g := start(t, servertest.Options{})
	create(t, g, "gp", patient)
	g.Do(t, "gp", "GET", "/fhir/Patient?identifier=9434765919", "")
	r := g.Do(t, "auditor", "GET", "/fhir/AuditEvent?agent=gp&action=E", "")
	var query string
	for e := range resource(t, r).Root().At("entry", 0, "resource", "entity").Items() {
		if q := e.Get("query").Text(); q != "" {
			b, err := base64.StdEncoding.DecodeString(q)
			if err != nil {
				t.Fatal(err)
			}
			query = string(b)
		}
	}
	if query != "Patient?identifier" || strings.Contains(r.Body, "9434765919") {
		t.Errorf("query %q; %s", query, r.Body)
	}
}

// TestLogsAreClean: no NHS number, id, name or query string reaches the log.
func TestLogsAreClean(t *testing.T) {
	g := start(t, servertest.Options{})
	id := create(t, g, "gp", patient)
	g.Do(t, "gp", "GET", "/fhir/Patient/"+id, "")
	g.Do(t, "gp", "GET", "/fhir/Patient/9434765919", "")
	g.Do(t, "gp", "GET", "/fhir/Patient?identifier=9434765919", "")
	g.Do(t, "gp", "GET", "/nowhere/9434765919", "")
	g.Do(t, "gp", "POST", "/fhir/Patient", `{"resourceType":"Patient","9434765919":1,"9434765919":2}`)
	g.Do(t, "gp", "POST", "/fhir/Patient/_search", "identifier=9434765919", "Content-Type", "application/x-www-form-urlencoded")
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
	logs := g.Logs.String()
	for _, secret := range []string{"9434765919", id, "Testperson", "identifier="} {
		if strings.Contains(logs, secret) {
			t.Errorf("the log holds %q:\n%s", secret, logs)
		}
	}
	if !strings.Contains(logs, `"route":"/fhir/{type}/{id}"`) {
		t.Errorf("the log names no route: %s", logs)
	}
}
