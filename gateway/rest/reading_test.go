package rest_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"trellis.example/fhir"
	"trellis.example/gateway/server/servertest"
)

// A referral is a whole one of the practice's, by the names of its parts.
type referral map[string]string

// makeReferral stores a referral with everything around it, and a second Patient
// with one that has nothing to do with it.
func makeReferral(t testing.TB, g *servertest.Gateway) referral {
	t.Helper()
	r := referral{}
	add := func(name, client, doc string) {
		t.Helper()
		for n, ref := range r {
			doc = strings.ReplaceAll(doc, "{"+n+"}", ref)
		}
		res, err := fhir.Decode([]byte(doc))
		if err != nil {
			t.Fatal(err)
		}
		r[name] = res.Type() + "/" + create(t, g, client, doc)
	}
	add("org", "admin", `{"resourceType":"Organization","name":"Surgery"}`)
	add("practitioner", "admin", `{"resourceType":"Practitioner","name":[{"family":"Doctor"}]}`)
	add("role", "admin", `{"resourceType":"PractitionerRole","practitioner":{"reference":"{practitioner}"},"organization":{"reference":"{org}"}}`)
	add("patient", "gp", `{"resourceType":"Patient","name":[{"family":"Testperson"}],"generalPractitioner":[{"reference":"{role}"}]}`)
	add("other", "gp", `{"resourceType":"Patient","name":[{"family":"Other"}]}`)
	add("encounter", "gp", `{"resourceType":"Encounter","status":"finished","class":{"code":"AMB"},"subject":{"reference":"{patient}"},"participant":[{"individual":{"reference":"{practitioner}"}}]}`)
	add("condition", "gp", `{"resourceType":"Condition","subject":{"reference":"{patient}"},"onsetDateTime":"2025-01-01","code":{"text":"c"}}`)
	add("request", "gp", `{"resourceType":"ServiceRequest","status":"active","intent":"order","authoredOn":"2026-03-04","subject":{"reference":"{patient}"},"requester":{"reference":"{role}"},"encounter":{"reference":"{encounter}"},"reasonReference":[{"reference":"{condition}"}]}`)
	add("unrelated", "gp", `{"resourceType":"ServiceRequest","status":"active","intent":"order","authoredOn":"2020-01-01","subject":{"reference":"{patient}"}}`)
	add("theirs", "gp", `{"resourceType":"ServiceRequest","status":"active","intent":"order","subject":{"reference":"{other}"}}`)
	add("task", "importer", `{"resourceType":"Task","status":"requested","intent":"order","focus":{"reference":"{request}"},"for":{"reference":"{patient}"}}`)
	add("subtask", "importer", `{"resourceType":"Task","status":"requested","intent":"order","partOf":[{"reference":"{task}"}],"for":{"reference":"{patient}"}}`)
	add("plan", "importer", `{"resourceType":"CarePlan","status":"active","intent":"plan","subject":{"reference":"{patient}"},"activity":[{"reference":{"reference":"{request}"}}]}`)
	add("goal", "importer", `{"resourceType":"Goal","lifecycleStatus":"active","subject":{"reference":"{patient}"},"addresses":[{"reference":"{request}"}],"description":{"text":"g"}}`)
	add("answers", "gp", `{"resourceType":"QuestionnaireResponse","status":"completed","authored":"2026-04-01","subject":{"reference":"{patient}"},"basedOn":[{"reference":"{request}"}]}`)
	add("provenance", "importer", `{"resourceType":"Provenance","recorded":"2026-03-04T10:00:00Z","target":[{"reference":"{task}"}],"agent":[{"who":{"display":"x"}}]}`)
	return r
}

// names returns the names of the entries of a mode, sorted.
func (r referral) names(t testing.TB, bundle fhir.Resource, mode string) (out []string) {
	t.Helper()
	for e := range bundle.Root().Get("entry").Items() {
		if e.At("search", "mode").Text() != mode {
			continue
		}
		key := e.At("resource", "resourceType").Text() + "/" + e.At("resource", "id").Text()
		name := "?" + key
		for n, k := range r {
			if k == key {
				name = n
			}
		}
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

func (r referral) fill(s string) string {
	for n, ref := range r {
		_, id, _ := strings.Cut(ref, "/")
		s = strings.ReplaceAll(strings.ReplaceAll(s, "{"+n+"}", ref), "{"+n+".id}", id)
	}
	return s
}

func want(t testing.TB, what string, got []string, wanted string) {
	t.Helper()
	if s := strings.Join(got, " "); s != wanted {
		t.Errorf("%s:\n got %s\nwant %s", what, s, wanted)
	}
}

func TestIncludes(t *testing.T) {
	g := start(t, servertest.Options{})
	r := makeReferral(t, g)
	tests := []struct{ client, path, match, include string }{
		{"gp", "ServiceRequest?_id={request.id}&_include=ServiceRequest:patient", "request", "patient"},
		{"gp", "ServiceRequest?_id={request.id}&_include=ServiceRequest:subject:Patient&_include=ServiceRequest:requester", "request", "patient role"},
		{"gp", "ServiceRequest?_id={request.id}&_include=ServiceRequest:subject:Group", "request", ""},
		{"gp", "ServiceRequest?_id={request.id}&_include=ServiceRequest:requester&_include:iterate=PractitionerRole:organization", "request", "org role"},
		{"gp", "ServiceRequest?_id={request.id}&_include=ServiceRequest:requester&_include=ServiceRequest:patient&_include:iterate=PractitionerRole:*", "request", "org patient practitioner role"},
		{"gp", "ServiceRequest?_id={request.id}&_include=*", "request", "condition encounter patient role"},
		{"gp", "ServiceRequest?patient={patient.id}&_include=ServiceRequest:patient", "request unrelated", "patient"},
		{"gp", "ServiceRequest?_id={request.id}&_revinclude=Task:focus", "request", ""}, // the importer's own
		{"importer", "ServiceRequest?_id={request.id}&_revinclude=Task:focus", "request", "task"},
		{"importer", "ServiceRequest?_id={request.id}&_revinclude=Task:focus&_revinclude:iterate=Task:part-of", "request", "subtask task"},
		{"importer", "ServiceRequest?_id={request.id}&_revinclude=Task:focus&_revinclude:iterate=Provenance:target", "request", "provenance task"},
		{"gp", "ServiceRequest?_id={request.id}&_revinclude=QuestionnaireResponse:based-on", "request", "answers"},
		{"gp", "Patient?_id={patient.id}&_revinclude=ServiceRequest:subject", "patient", "request unrelated"},
		{"gp", "Patient?_id={patient.id}&_revinclude=ServiceRequest:patient&_include=Patient:general-practitioner", "patient", "request role unrelated"},
		{"tool", "Observation?_include=Observation:patient", "", ""},
	}
	for _, tt := range tests {
		a := g.Do(t, tt.client, "GET", "/fhir/"+r.fill(tt.path), "")
		wantStatus(t, tt.path, a, 200)
		want(t, tt.path, r.names(t, resource(t, a), "match"), tt.match)
		want(t, tt.path+" includes", r.names(t, resource(t, a), "include"), tt.include)
	}
	for _, bad := range []string{"_include=nonsense", "_include=ServiceRequest:nonsense", "_include:strange=ServiceRequest:patient", "_revinclude=Task:status"} {
		wantStatus(t, bad, g.Do(t, "gp", "GET", "/fhir/ServiceRequest?"+bad, ""), 400)
	}
}

// TestIncludesAreCapped: more than a page takes is cut, with a remark.
func TestIncludesAreCapped(t *testing.T) {
	g := start(t, servertest.Options{})
	pat := create(t, g, "gp", patient)
	for range 1005 {
		create(t, g, "gp", `{"resourceType":"Flag","subject":{"reference":"Patient/`+pat+`"}}`)
	}
	b := resource(t, g.Do(t, "gp", "GET", "/fhir/Patient?_id="+pat+"&_revinclude=Flag:patient", ""))
	if n := len(referral{}.names(t, b, "include")); n != 1000 {
		t.Errorf("%d included, want 1000", n)
	}
	if n := len(referral{}.names(t, b, "outcome")); n != 1 {
		t.Errorf("%d remarks, want 1", n)
	}
}

func TestSystemAndCompartments(t *testing.T) {
	g := start(t, servertest.Options{})
	r := makeReferral(t, g)
	tests := []struct {
		client, path string
		status       int
		match        string
	}{
		{"gp", "?_type=Patient,Encounter", 200, "encounter other patient"},
		{"gp", "?_type=Patient&family=test", 200, "patient"},
		{"gp", "?_type=ServiceRequest,QuestionnaireResponse&patient={patient.id}", 200, "answers request unrelated"},
		{"gp", "?_id={request.id},{patient.id}", 200, "patient request"},
		{"gp", "?_type=Nonsense", 400, ""},
		{"gp", "?_type=CarePlan,AuditEvent", 403, ""},
		{"gp2", "?_type=Patient,ServiceRequest", 200, ""},
		{"auditor", "?_type=Patient", 403, ""},
		{"gp", "/Patient/{patient.id}/ServiceRequest", 200, "request unrelated"},
		{"gp", "/Patient/{patient.id}/ServiceRequest?authored=gt2025", 200, "request"},
		{"gp", "/Patient/{patient.id}/*", 200, "answers condition encounter patient request unrelated"},
		{"gp", "/Patient/{patient.id}/*?_type=Encounter,Condition", 200, "condition encounter"},
		{"gp", "/Patient/{patient.id}/Organization", 400, ""},
		{"gp", "/Patient/{patient.id}/Nonsense", 400, ""},
		{"gp", "/Patient/none/ServiceRequest", 404, ""},
		{"gp2", "/Patient/{patient.id}/ServiceRequest", 404, ""},
		{"tool", "/Patient/{patient.id}/Observation", 403, ""},
		{"gp", "/Encounter/{encounter.id}/ServiceRequest", 200, "request"},
		{"gp", "/Practitioner/{practitioner.id}/Encounter", 200, "encounter"},
		{"gp", "/Practitioner/{practitioner.id}/PractitionerRole", 200, "role"},
		{"gp", "/Organization/{org.id}/Patient", 404, ""},
		{"gp", "/Patient/{patient.id}/*?nonsense=1", 400, ""},
	}
	for _, tt := range tests {
		a := g.Do(t, tt.client, "GET", "/fhir"+r.fill(tt.path), "")
		wantStatus(t, tt.client+" "+tt.path, a, tt.status)
		if a.Status == 200 {
			want(t, tt.path, r.names(t, resource(t, a), "match"), tt.match)
		}
	}
	form := func(path, body string) fhir.Resource {
		return resource(t, g.Do(t, "gp", "POST", "/fhir"+r.fill(path), body, "Content-Type", "application/x-www-form-urlencoded"))
	}
	want(t, "POST _search", r.names(t, form("/_search", "_type=Patient&family=test"), "match"), "patient")
	want(t, "POST compartment", r.names(t, form("/Patient/{patient.id}/ServiceRequest/_search", "authored=gt2025"), "match"), "request")
	want(t, "POST whole compartment", r.names(t, form("/Patient/{patient.id}/_search", "_type=Encounter"), "match"), "encounter")
}

// TestShapedSearch: _summary and _elements of a search, decimals untouched.
func TestShapedSearch(t *testing.T) {
	g := start(t, servertest.Options{})
	r := makeReferral(t, g)
	get := func(query string) string {
		a := g.Do(t, "gp", "GET", "/fhir/ServiceRequest?_id="+r.fill("{request.id}")+"&_include=ServiceRequest:requester&"+query, "")
		wantStatus(t, query, a, 200)
		return a.Body
	}
	tests := []struct {
		query         string
		has, lacks    []string
		tagged, entry int
	}{
		{"_summary=true", []string{`"requester"`, `"PractitionerRole"`}, nil, 2, 2},
		{"_summary=data", []string{`"reasonReference"`}, nil, 2, 2},
		{"_summary=false", []string{`"reasonReference"`}, nil, 0, 2},
		{"_summary=count", []string{`"total":1`}, []string{"requester\":{"}, 0, 0},
		{"_elements=requester,authoredOn", []string{`"requester"`, `"authoredOn"`, `"status"`, `"subject"`, `"organization"`}, []string{`"encounter"`, `"reasonReference"`}, 1, 2},
	}
	for _, tt := range tests {
		body := get(tt.query)
		for _, s := range tt.has {
			if !strings.Contains(body, s) {
				t.Errorf("%s lacks %s: %s", tt.query, s, body)
			}
		}
		for _, s := range tt.lacks {
			if strings.Contains(body, s) {
				t.Errorf("%s has %s: %s", tt.query, s, body)
			}
		}
		if n := strings.Count(body, "SUBSETTED"); n != tt.tagged {
			t.Errorf("%s: %d tags, want %d", tt.query, n, tt.tagged)
		}
		if n := strings.Count(body, `"fullUrl"`); n != tt.entry {
			t.Errorf("%s: %d entries, want %d", tt.query, n, tt.entry)
		}
	}
	wantStatus(t, "_summary=text with _include", g.Do(t, "gp", "GET", "/fhir/ServiceRequest?_summary=text&_include=ServiceRequest:requester", ""), 400)
	wantStatus(t, "_elements of nothing", g.Do(t, "gp", "GET", "/fhir/ServiceRequest?_elements=nonsense", ""), 400)
}

// pages walks from a path to the end and returns each page.
func pages(t testing.TB, g *servertest.Gateway, client, path string, meanwhile func(page int)) (out []fhir.Resource) {
	t.Helper()
	for path != "" {
		a := g.Do(t, client, "GET", path, "")
		if a.Status != 200 || len(out) > 200 {
			t.Fatalf("page %d: %d %s", len(out), a.Status, a.Body)
		}
		res := resource(t, a)
		if link(res, "self") == "" || link(res, "first") == "" {
			t.Errorf("page %d: no self or first link", len(out))
		}
		out = append(out, res)
		if meanwhile != nil {
			meanwhile(len(out))
		}
		path = strings.TrimPrefix(link(res, "next"), g.URL)
	}
	return out
}

// TestSortedPages: a walk in an order of its own shows everything once.
func TestSortedPages(t *testing.T) {
	g := start(t, servertest.Options{})
	var wanted []string
	for i := range 25 {
		wanted = append(wanted, fmt.Sprintf("name%02d", i/2))
		create(t, g, "gp", fmt.Sprintf(`{"resourceType":"Patient","name":[{"family":"name%02d"}],"birthDate":"2000-01-%02d"}`, i/2, 1+i%2))
	}
	for _, order := range []string{"family,birthdate", "-family,-birthdate", "family", "birthdate,family"} {
		var got, ids []string
		for _, p := range pages(t, g, "gp", "/fhir/Patient?_count=4&_sort="+order, func(page int) {
			create(t, g, "gp", `{"resourceType":"Patient","name":[{"family":"late`+fmt.Sprint(page)+`"}]}`)
		}) {
			for e := range p.Root().Get("entry").Items() {
				if name := e.At("resource", "name", 0, "family").Text(); strings.HasPrefix(name, "name") {
					got = append(got, strings.Clone(name))
					ids = append(ids, strings.Clone(e.At("resource", "id").Text()))
				}
			}
		}
		if order[0] == '-' {
			slices.Reverse(got)
		}
		if order != "birthdate,family" && !slices.Equal(got, wanted) || len(got) != 25 {
			t.Errorf("%s: %q", order, got)
		}
		slices.Sort(ids)
		if len(slices.Compact(ids)) != 25 {
			t.Errorf("%s: repeats", order)
		}
	}
	wantStatus(t, "no such order", g.Do(t, "gp", "GET", "/fhir/Patient?_sort=nonsense", ""), 400)
}

func TestHistories(t *testing.T) {
	g := start(t, servertest.Options{})
	a, b := create(t, g, "gp", patient), create(t, g, "gp2", patient)
	put := func(client, id string) {
		t.Helper()
		wantStatus(t, "update", g.Do(t, client, "PUT", "/fhir/Patient/"+id, `{"resourceType":"Patient","id":"`+id+`"}`), 200)
	}
	put("gp", a)
	put("gp2", b)
	wantStatus(t, "delete", g.Do(t, "importer", "DELETE", "/fhir/Patient/"+a, ""), 204)
	f := create(t, g, "gp", `{"resourceType":"Flag","status":"active"}`)
	read := func(client, path string) (out []string) {
		t.Helper()
		for _, p := range pages(t, g, client, path, nil) {
			if typ := p.Root().Get("type").Text(); typ != "history" {
				t.Errorf("%s: a %s", path, typ)
			}
			for e := range p.Root().Get("entry").Items() {
				name := map[string]string{a: "a", b: "b", f: "f"}[e.Get("fullUrl").Text()[strings.LastIndexByte(e.Get("fullUrl").Text(), '/')+1:]]
				tag := strings.Trim(e.At("response", "etag").Text(), `W/"`)
				out = append(out, e.At("request", "method").Text()+" "+name+tag+" "+e.At("response", "status").Text())
			}
		}
		return out
	}
	wanted := "DELETE a3 204 PUT a2 200 POST a1 201"
	want(t, "type", read("gp", "/fhir/Patient/_history"), wanted)
	want(t, "type in pages", read("gp", "/fhir/Patient/_history?_count=1"), wanted)
	want(t, "instance in pages", read("gp", "/fhir/Patient/"+a+"/_history?_count=1"), wanted)
	want(t, "system", read("gp", "/fhir/_history"), "POST f1 201 "+wanted)
	want(t, "everybody's", read("importer", "/fhir/Patient/_history?_count=2"), "DELETE a3 204 PUT b2 200 PUT a2 200 POST b1 201 POST a1 201")
	want(t, "_since tomorrow", read("gp", "/fhir/_history?_since=2999-01-01T00:00:00Z"), "")
	want(t, "_since", read("gp", "/fhir/Patient/_history?_since=2000-01-01T00:00:00%2B01:00&_count=2"), wanted)
	want(t, "_at before", read("gp", "/fhir/Patient/_history?_at=2000"), "")
	want(t, "_at this century", read("gp", "/fhir/Patient/_history?_at="+fmt.Sprint(g.Clock.Now().Year())), wanted)
	for path, status := range map[string]int{
		"/fhir/Patient/_history?_since=2020": 400, "/fhir/Patient/_history?_at=ge2020": 400, "/fhir/Patient/_history?_count=0": 400,
		"/fhir/Patient/_history?status=x": 400, "/fhir/_history?_since=x": 400, "/fhir/Nonsense/_history": 404,
		"/fhir/Patient/_history?_count=1&_count=2": 400, "/fhir/_history?_cursor=x": 400,
	} {
		wantStatus(t, path, g.Do(t, "gp", "GET", path, ""), status)
	}
	wantStatus(t, "auditor", g.Do(t, "auditor", "GET", "/fhir/Patient/_history", ""), 403)
	wantStatus(t, "POST", g.Do(t, "gp", "POST", "/fhir/_history", ""), 405)
	wantStatus(t, "bring back", g.Do(t, "importer", "PUT", "/fhir/Patient/"+a, `{"resourceType":"Patient","id":"`+a+`"}`), 201)
	want(t, "brought back", read("gp", "/fhir/Patient/"+a+"/_history"), "PUT a4 201 "+wanted)
}

func TestEverything(t *testing.T) {
	g := start(t, servertest.Options{})
	r := makeReferral(t, g)
	tests := []struct{ client, path, match, include string }{
		{"gp", "Patient/{patient.id}/$everything", "answers condition encounter patient request unrelated", "org practitioner role"},
		{"importer", "Patient/{patient.id}/$everything", "answers condition encounter goal patient plan request subtask task unrelated", "org practitioner role"},
		{"gp", "Patient/{patient.id}/$everything?start=2026-01-01", "answers encounter patient request", "org practitioner role"},
		{"gp", "Patient/{patient.id}/$everything?end=2025-12-31", "condition encounter patient unrelated", "org practitioner role"},
		{"gp", "Patient/{patient.id}/$everything?start=2026-03-01&end=2026-03-31", "encounter patient request", "org practitioner role"},
		{"gp", "Patient/{patient.id}/$everything?_type=Condition,Encounter", "condition encounter", ""},
		{"gp", "Patient/{patient.id}/$everything?_type=CarePlan", "", ""},
		{"gp", "Patient/{patient.id}/$everything?_since=2999-01-01T00:00:00Z", "", ""},
		{"gp", "Patient/{other.id}/$everything", "other theirs", ""},
		{"gp", "ServiceRequest/{request.id}/$everything", "answers request", "condition encounter org patient practitioner role"},
		{"importer", "ServiceRequest/{request.id}/$everything", "answers goal plan provenance request subtask task", "condition encounter org patient practitioner role"},
		{"importer", "ServiceRequest/{request.id}/$everything?_type=Task,Patient", "subtask task", "patient"},
		{"importer", "ServiceRequest/{request.id}/$everything?_since=2999-01-01T00:00:00Z", "", ""},
		{"gp", "ServiceRequest/{theirs.id}/$everything", "theirs", "other"},
	}
	for _, tt := range tests {
		for _, count := range []string{"", "1", "3"} {
			path := "/fhir/" + r.fill(tt.path)
			if count != "" {
				u, err := url.Parse(path)
				if err != nil {
					t.Fatal(err)
				}
				q := u.Query()
				q.Set("_count", count)
				path = u.Path + "?" + q.Encode()
			}
			var match, include []string
			for _, p := range pages(t, g, tt.client, path, func(page int) {
				if page == 2 { // written meanwhile: not on this walk
					create(t, g, "gp2", `{"resourceType":"Flag","status":"active"}`)
				}
			}) {
				match, include = append(match, r.names(t, p, "match")...), append(include, r.names(t, p, "include")...)
			}
			slices.Sort(match)
			slices.Sort(include)
			want(t, tt.client+" "+tt.path+" by "+count, match, tt.match)
			want(t, tt.client+" "+tt.path+" by "+count+", beside it", slices.Compact(include), tt.include)
		}
	}
	for path, status := range map[string]int{
		"Patient/{patient.id}/$everything?nonsense=1": 400, "Patient/{patient.id}/$everything?start=ge2020": 400,
		"ServiceRequest/{request.id}/$everything?start=2020": 400, "Patient/{patient.id}/$everything?_type=Nonsense": 400,
		"Patient/none/$everything": 404, "Observation/1/$everything": 404, "Patient/{patient.id}/$everything?_cursor=x": 400,
	} {
		wantStatus(t, path, g.Do(t, "gp", "GET", "/fhir/"+r.fill(path), ""), status)
	}
	for _, path := range []string{"Patient/{patient.id}/$everything", "ServiceRequest/{request.id}/$everything"} {
		wantStatus(t, "hidden", g.Do(t, "gp2", "GET", "/fhir/"+r.fill(path), ""), 404)
		wantStatus(t, "tool", g.Do(t, "tool", "GET", "/fhir/"+r.fill(path), ""), 403)
	}
	params := `{"resourceType":"Parameters","parameter":[{"name":"_type","valueCode":"Encounter"},{"name":"_count","valueInteger":5}]}`
	a := g.Do(t, "gp", "POST", "/fhir/"+r.fill("Patient/{patient.id}/$everything"), params)
	wantStatus(t, "POST", a, 200)
	want(t, "POST", r.names(t, resource(t, a), "match"), "encounter")
	wantStatus(t, "POST of nothing", g.Do(t, "gp", "POST", "/fhir/"+r.fill("Patient/{patient.id}/$everything"), ""), 200)
	wantStatus(t, "POST of a Patient", g.Do(t, "gp", "POST", "/fhir/"+r.fill("Patient/{patient.id}/$everything"), patient), 400)
}

func TestMeta(t *testing.T) {
	g := start(t, servertest.Options{})
	tagged := func(code string) string {
		return create(t, g, "gp", `{"resourceType":"Patient","meta":{"profile":["https://x.example/p"],"tag":[{"system":"s","code":"`+code+`"}]}}`)
	}
	id := tagged("one")
	tagged("two")
	create(t, g, "gp2", `{"resourceType":"Patient","meta":{"tag":[{"code":"hidden"}]}}`)
	create(t, g, "gp", `{"resourceType":"Flag","meta":{"tag":[{"code":"flag"}]}}`)
	one := g.Do(t, "gp", "GET", "/fhir/Patient/"+id+"/$meta", "")
	wantStatus(t, "instance", one, 200)
	if m := resource(t, one).Root().At("parameter", 0, "valueMeta"); m.Get("versionId").Text() != "1" || m.At("tag", 0, "code").Text() != "one" {
		t.Errorf("instance: %s", one.Body)
	}
	for path, wanted := range map[string]string{
		"/fhir/Patient/$meta": `{"resourceType":"Parameters","parameter":[{"name":"return","valueMeta":{"profile":["https://x.example/p"],"tag":[{"system":"s","code":"one"},{"system":"s","code":"two"}]}}]}`,
		"/fhir/$meta":         `{"resourceType":"Parameters","parameter":[{"name":"return","valueMeta":{"profile":["https://x.example/p"],"tag":[{"code":"flag"},{"system":"s","code":"one"},{"system":"s","code":"two"}]}}]}`,
		"/fhir/Task/$meta":    `{"resourceType":"Parameters","parameter":[{"name":"return"}]}`,
	} {
		if r := g.Do(t, "gp", "GET", path, ""); r.Status != 200 || r.Body != wanted {
			t.Errorf("%s: %d %s", path, r.Status, r.Body)
		}
	}
	wantStatus(t, "hidden", g.Do(t, "gp2", "GET", "/fhir/Patient/"+id+"/$meta", ""), 404)
	wantStatus(t, "auditor", g.Do(t, "auditor", "GET", "/fhir/Patient/$meta", ""), 403)
}
