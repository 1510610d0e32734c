package rest_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"trellis.example/fhir"
	"trellis.example/gateway/server/servertest"
)

func ids(t testing.TB, bundle fhir.Resource) (out []string) {
	t.Helper()
	for e := range bundle.Root().Get("entry").Items() {
		if e.At("search", "mode").Text() == "match" {
			out = append(out, e.At("resource", "id").Text())
		}
	}
	return out
}

func link(bundle fhir.Resource, relation string) string {
	for l := range bundle.Root().Get("link").Items() {
		if l.Get("relation").Text() == relation {
			return l.Get("url").Text()
		}
	}
	return ""
}

func TestSearch(t *testing.T) {
	g := start(t, servertest.Options{})
	pat := create(t, g, "gp", patient)
	sr := func(status, code string) string {
		return create(t, g, "gp", `{"resourceType":"ServiceRequest","identifier":[{"system":"urn:ref","value":"`+code+`"}],"status":"`+status+`","intent":"order","code":{"coding":[{"system":"http://snomed.info/sct","code":"`+code+`"}]},"subject":{"reference":"Patient/`+pat+`"},"authoredOn":"2026-03-04"}`)
	}
	a, b := sr("active", "1"), sr("draft", "2")
	tests := []struct {
		query string
		want  []string
	}{
		{"", []string{b, a}}, // newest first
		{"status=active", []string{a}},
		{"status=active,draft", []string{b, a}},
		{"status=active&status=draft", nil},
		{"identifier=urn:ref%7C1", []string{a}},
		{"identifier=1", []string{a}},
		{"identifier=%7C1", nil},
		{"patient=" + pat, []string{b, a}},
		{"patient=Patient/" + pat, []string{b, a}},
		{"subject=" + url.QueryEscape(g.URL+"/fhir/Patient/"+pat), []string{b, a}},
		{"subject=Patient/none", nil},
		{"code=http://snomed.info/sct%7C2", []string{b}},
		{"_id=" + a + "," + b, []string{b, a}},
		{"_id=none", nil},
		{"authored=2026-03-04", []string{b, a}},
		{"authored=ge2026-03&authored=lt2026-04", []string{b, a}},
		{"authored=gt2026-03-04", nil},
		{"_lastUpdated=ge2000", []string{b, a}},
		{"_lastUpdated=lt2000", nil},
		{"_lastUpdated=gt" + url.QueryEscape(time.Now().Add(-time.Hour).Format(time.RFC3339)), []string{b, a}},
		{"_sort=-_lastUpdated&_total=accurate", []string{b, a}},
		{`identifier={"$gt":""}`, nil},
	}
	for _, tt := range tests {
		r := g.Do(t, "gp", "GET", "/fhir/ServiceRequest?"+strings.ReplaceAll(tt.query, `"`, "%22"), "")
		wantStatus(t, tt.query, r, 200)
		res := resource(t, r)
		got := ids(t, res)
		if tt.want != nil && slices.Equal(got, []string{a, b}) { // committed in one group: by id
			slices.Reverse(got)
		}
		if !slices.Equal(got, tt.want) || res.Root().Get("total").Text() != fmt.Sprint(len(tt.want)) {
			t.Errorf("%s: got %v, total %s; want %v", tt.query, got, res.Root().Get("total").Text(), tt.want)
		}
	}
	form := g.Do(t, "gp", "POST", "/fhir/ServiceRequest/_search", "status=active", "Content-Type", "application/x-www-form-urlencoded")
	if got := ids(t, resource(t, form)); !slices.Equal(got, []string{a}) {
		t.Errorf("POST _search: %v", got)
	}
	wantStatus(t, "POST _search with JSON", g.Do(t, "gp", "POST", "/fhir/ServiceRequest/_search", "{}"), 415)
}

func TestSearchHandling(t *testing.T) {
	g := start(t, servertest.Options{})
	r := g.Do(t, "gp", "GET", "/fhir/Patient?shoe-size=44&active=true", "")
	wantStatus(t, "by default", r, 400)
	if !strings.Contains(r.Body, "birthdate") {
		t.Errorf("the refusal does not say what is supported: %s", r.Body)
	}
	wantStatus(t, "strict", g.Do(t, "gp", "GET", "/fhir/Patient?shoe-size=44", "", "Prefer", "handling=strict"), 400)
	r = g.Do(t, "gp", "GET", "/fhir/Patient?shoe-size=44&active=true", "", "Prefer", "handling=lenient")
	wantStatus(t, "lenient", r, 200)
	for _, path := range []string{"Patient", "Patient/_history", "_history", "AuditEvent"} {
		wantStatus(t, path+" with an empty cursor", g.Do(t, map[bool]string{true: "auditor", false: "gp"}[path == "AuditEvent"], "GET", "/fhir/"+path+"?_cursor=", ""), 400)
	}
	res := resource(t, r)
	if self := link(res, "self"); strings.Contains(self, "shoe") || !strings.Contains(self, "active=true") {
		t.Errorf("self link %s does not say what was applied", self)
	}
	if res.Root().At("entry", 0, "search", "mode").Text() != "outcome" {
		t.Errorf("no remark on the ignored parameter: %s", r.Body)
	}
	create(t, g, "gp", patient)
	create(t, g, "gp", patient)
	for query, want := range map[string]string{ // counting costs, so not everything is counted
		"_count=5": "2", "_count=1": "", "_count=1&_total=accurate": "2", "_count=1&identifier=9434765919": "", "_count=2&identifier=9434765919": "2", "_count=1&identifier=9434765919&_total=none": "",
	} {
		if got := resource(t, g.Do(t, "gp", "GET", "/fhir/Patient?"+query, "")).Root().Get("total").Text(); got != want {
			t.Errorf("%s: total %q, want %q", query, got, want)
		}
	}
	r = g.Do(t, "gp2", "GET", "/fhir/Patient?_count=0", "")
	if root := resource(t, r).Root(); root.Get("entry").Exists() || root.Get("total").Text() != "0" {
		t.Errorf("_count=0: %s", r.Body)
	}
}

// TestPagesAreStable: a walk shows the store as it was when it began.
func TestPagesAreStable(t *testing.T) {
	g := start(t, servertest.Options{})
	var want []string
	for range 25 {
		want = append(want, create(t, g, "gp", patient))
	}
	r := g.Do(t, "gp", "GET", "/fhir/Patient?identifier=9434765919&_count=10&_total=accurate", "")
	var got []string
	for page := 1; ; page++ {
		wantStatus(t, fmt.Sprint("page ", page), r, 200)
		res := resource(t, r)
		got = append(got, ids(t, res)...)
		if total := res.Root().Get("total").Text(); total != "25" {
			t.Errorf("page %d: total %s", page, total)
		}
		next := link(res, "next")
		if next == "" {
			break
		}
		if strings.Contains(next, "9434765919") {
			t.Error("the page link shows what was searched for")
		}
		path := strings.TrimPrefix(next, g.URL)
		create(t, g, "gp", patient) // written meanwhile: not on later pages
		wantStatus(t, "another client's cursor", g.Do(t, "gp2", "GET", path, ""), 400)
		wantStatus(t, "a changed cursor", g.Do(t, "gp", "GET", path[:len(path)-3]+"AAA", ""), 400)
		wantStatus(t, "a cursor for another type", g.Do(t, "gp", "GET", strings.Replace(path, "Patient", "Task", 1), ""), 400)
		wantStatus(t, "a cursor with a parameter", g.Do(t, "gp", "GET", path+"&active=true", ""), 400)
		if page == 1 { // what was on the list and changes keeps its place
			id := want[0]
			wantStatus(t, "update meanwhile", g.Do(t, "gp", "PUT", "/fhir/Patient/"+id, `{"resourceType":"Patient","id":"`+id+`"}`), 200)
		}
		r = g.Do(t, "gp", "GET", path, "")
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got %d resources (%d different), want the 25 there were", len(got), len(slices.Compact(slices.Clone(got))))
	}
}

// TestLargePages: a page is put together from several reads of the store, and a
// page of large resources ends early.
func TestLargePages(t *testing.T) {
	g := start(t, servertest.Options{})
	for range 230 {
		create(t, g, "gp", `{"resourceType":"Patient","active":true}`)
	}
	r := g.Do(t, "gp", "GET", "/fhir/Patient?active=true&_count=220", "")
	res := resource(t, r)
	if got := ids(t, res); len(got) != 220 || len(slices.Compact(slices.Sorted(slices.Values(got)))) != 220 || link(res, "next") == "" {
		t.Errorf("%d resources, next %q; want 220 different ones and a next page", len(got), link(res, "next"))
	}
	large := `{"resourceType":"Patient","active":false,"name":[{"text":"` + strings.Repeat("x", 3<<20) + `"}]}`
	var id string
	for range 3 {
		id = create(t, g, "gp", large)
	}
	for range 6 {
		wantStatus(t, "update", g.Do(t, "gp", "PUT", "/fhir/Patient/"+id, strings.Replace(large, `"Patient"`, `"Patient","id":"`+id+`"`, 1), "Prefer", "return=minimal"), 200)
	}
	for path, want := range map[string]int{"?active=false&_count=200": 3, "/" + id + "/_history?_count=200": 7} {
		if n := strings.Count(g.Do(t, "gp", "GET", "/fhir/Patient"+path, "").Body, `"fullUrl"`); n != want {
			t.Errorf("%s: %d entries, want %d", path, n, want)
		}
	}
}

func TestOldPageIsGone(t *testing.T) {
	g := start(t, servertest.Options{})
	for range 3 {
		create(t, g, "gp", patient)
	}
	id := create(t, g, "gp", patient)
	r := g.Do(t, "gp", "GET", "/fhir/Patient?_count=2", "")
	next := strings.TrimPrefix(link(resource(t, r), "next"), g.URL)
	wantStatus(t, "update", g.Do(t, "gp", "PUT", "/fhir/Patient/"+id, `{"resourceType":"Patient","id":"`+id+`"}`), 200)
	if err := g.Store.Sweep(t.Context(), time.Now().Add(20*time.Minute)); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, "a page from before the sweep", g.Do(t, "gp", "GET", next, ""), 410)
}

func TestHistory(t *testing.T) {
	g := start(t, servertest.Options{})
	id := create(t, g, "gp", patient)
	path := "/fhir/Patient/" + id
	for range 4 {
		wantStatus(t, "update", g.Do(t, "gp", "PUT", path, `{"resourceType":"Patient","id":"`+id+`"}`), 200)
	}
	wantStatus(t, "delete", g.Do(t, "importer", "DELETE", path, ""), 204)
	next := path + "/_history?_count=4"
	var etags []string
	for next != "" {
		r := g.Do(t, "gp", "GET", next, "")
		wantStatus(t, "history", r, 200)
		res := resource(t, r)
		if total := res.Root().Get("total").Text(); total != "6" {
			t.Errorf("total %s, want 6", total)
		}
		for e := range res.Root().Get("entry").Items() {
			etags = append(etags, e.At("request", "method").Text()+e.At("response", "etag").Text())
		}
		next = strings.TrimPrefix(link(res, "next"), g.URL)
	}
	want := []string{`DELETEW/"6"`, `PUTW/"5"`, `PUTW/"4"`, `PUTW/"3"`, `PUTW/"2"`, `POSTW/"1"`}
	if !slices.Equal(etags, want) {
		t.Errorf("got %q, want %q", etags, want)
	}
	wantStatus(t, "bad _count", g.Do(t, "gp", "GET", path+"/_history?_count=x", ""), 400)
	wantStatus(t, "_since", g.Do(t, "gp", "GET", path+"/_history?_since=2020", ""), 400)
	wantStatus(t, "hidden", g.Do(t, "gp2", "GET", path+"/_history", ""), 404)
}
