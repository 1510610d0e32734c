package rest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/gateway/rest"
	"trellis.example/gateway/server/servertest"
	"trellis.example/gateway/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t testing.TB, o servertest.Options) *servertest.Gateway {
	t.Helper()
	return servertest.Start(t, servertest.OpenStore(t), o)
}

const (
	patient = `{"resourceType":"Patient","identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9434765919"}],"name":[{"family":"Testperson"}]}`
	flag    = `{"resourceType":"Flag","status":"active","code":{"text":"x"},"subject":{"reference":"Patient/%s"}}`
)

// create stores a document and returns its id.
func create(t testing.TB, g *servertest.Gateway, client, doc string) string {
	t.Helper()
	res, err := fhir.Decode([]byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	r := g.Do(t, client, "POST", "/fhir/"+res.Type(), doc)
	if r.Status != 201 {
		t.Fatalf("create %s: %d %s", res.Type(), r.Status, r.Body)
	}
	return resource(t, r).ID()
}

func resource(t testing.TB, r servertest.Response) fhir.Resource {
	t.Helper()
	res, err := fhir.Decode([]byte(r.Body))
	if err != nil {
		t.Fatalf("status %d, body %q: %v", r.Status, r.Body, err)
	}
	return res
}

func wantStatus(t testing.TB, what string, r servertest.Response, want int) {
	t.Helper()
	if r.Status != want {
		t.Errorf("%s: status %d, want %d; %s", what, r.Status, want, r.Body)
	}
	if r.Status < 400 || r.Body == "" {
		return
	}
	if typ := resource(t, r).Type(); typ != "OperationOutcome" {
		t.Errorf("%s: the error is a %s", what, typ)
	}
	if ct := r.Header.Get("Content-Type"); ct != "application/fhir+json" {
		t.Errorf("%s: the error's Content-Type is %q", what, ct)
	}
}

// TestLife follows one resource from create to 410, with every header.
func TestLife(t *testing.T) {
	g := start(t, servertest.Options{})
	r := g.Do(t, "gp", "POST", "/fhir/Patient", patient)
	wantStatus(t, "create", r, 201)
	id := resource(t, r).ID()
	path := "/fhir/Patient/" + id
	wantHeaders(t, "create", r, "Location", g.URL+path+"/_history/1", "Etag", `W/"1"`)
	if r.Header.Get("Last-Modified") == "" || resource(t, r).VersionID() != "1" {
		t.Errorf("create: no Last-Modified, or version %q", resource(t, r).VersionID())
	}
	if !strings.HasSuffix(r.Body, patient[len(`{"resourceType":"Patient"`):]) {
		t.Errorf("the bytes received are not kept: %s", r.Body)
	}

	read := g.Do(t, "gp", "GET", path, "")
	wantStatus(t, "read", read, 200)
	wantHeaders(t, "read", read, "Etag", `W/"1"`, "Content-Type", "application/fhir+json", "Cache-Control", "no-store")
	if read.Body != r.Body {
		t.Errorf("read differs from create:\n%s\n%s", read.Body, r.Body)
	}
	head := g.Do(t, "gp", "HEAD", path, "")
	wantStatus(t, "head", head, 200)
	if head.Body != "" || head.Header.Get("Content-Length") != read.Header.Get("Content-Length") {
		t.Errorf("head: body %q, length %s, want %s", head.Body, head.Header.Get("Content-Length"), read.Header.Get("Content-Length"))
	}
	wantStatus(t, "not modified", g.Do(t, "gp", "GET", path, "", "If-None-Match", `W/"1"`), 304)

	changed := strings.Replace(read.Body, "Testperson", "Other", 1)
	wantStatus(t, "stale If-Match", g.Do(t, "gp", "PUT", path, changed, "If-Match", `W/"7"`), 412)
	up := g.Do(t, "gp", "PUT", path, changed, "If-Match", `W/"1"`)
	wantStatus(t, "update", up, 200)
	wantHeaders(t, "update", up, "Etag", `W/"2"`)
	wantStatus(t, "If-Match of an old version", g.Do(t, "gp", "PUT", path, changed, "If-Match", `W/"1"`), 412)
	wantStatus(t, "update without If-Match", g.Do(t, "gp", "PUT", path, changed), 200)
	wantStatus(t, "other id in the body", g.Do(t, "gp", "PUT", path, strings.Replace(changed, id, "other", 1)), 400)

	old := g.Do(t, "gp", "GET", path+"/_history/1", "")
	wantStatus(t, "vread", old, 200)
	if old.Body != read.Body {
		t.Error("vread 1 is not what was created")
	}
	wantStatus(t, "vread of a version to come", g.Do(t, "gp", "GET", path+"/_history/9", ""), 404)
	wantStatus(t, "vread of no version", g.Do(t, "gp", "GET", path+"/_history/01", ""), 404)

	wantStatus(t, "delete by a role that may not", g.Do(t, "gp", "DELETE", path, ""), 403)
	wantStatus(t, "delete", g.Do(t, "importer", "DELETE", path, ""), 204)
	wantStatus(t, "delete again", g.Do(t, "importer", "DELETE", path, ""), 204)
	wantStatus(t, "read after delete", g.Do(t, "gp", "GET", path, ""), 410)
	wantStatus(t, "vread of the deletion", g.Do(t, "gp", "GET", path+"/_history/4", ""), 410)
	wantStatus(t, "vread before the deletion", g.Do(t, "gp", "GET", path+"/_history/2", ""), 200)
	wantStatus(t, "update after delete", g.Do(t, "gp", "PUT", path, changed), 410)
	wantStatus(t, "bring back", g.Do(t, "importer", "PUT", path, changed), 201)
	wantStatus(t, "delete of nothing", g.Do(t, "importer", "DELETE", "/fhir/Patient/none", ""), 404)
}

func wantHeaders(t testing.TB, what string, r servertest.Response, pairs ...string) {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if got := r.Header.Get(pairs[i]); got != pairs[i+1] {
			t.Errorf("%s: %s is %q, want %q", what, pairs[i], got, pairs[i+1])
		}
	}
}

func TestUpdateAsCreate(t *testing.T) {
	g := start(t, servertest.Options{})
	doc := `{"resourceType":"Organization","id":"chosen","name":"x"}`
	wantStatus(t, "practice", g.Do(t, "admin", "PUT", "/fhir/Organization/chosen", doc), 404)
	r := g.Do(t, "importer", "PUT", "/fhir/Organization/chosen", doc)
	wantStatus(t, "importer", r, 201)
	wantHeaders(t, "importer", r, "Location", g.URL+"/fhir/Organization/chosen/_history/1")
	wantStatus(t, "importer with If-Match", g.Do(t, "importer", "PUT", "/fhir/Organization/other", strings.Replace(doc, "chosen", "other", 1), "If-Match", `W/"1"`), 412)
	wantStatus(t, "public, but not ours to change", g.Do(t, "gp", "PUT", "/fhir/Organization/chosen", doc), 403)
}

func TestPrefer(t *testing.T) {
	g := start(t, servertest.Options{})
	if r := g.Do(t, "gp", "POST", "/fhir/Patient", patient, "Prefer", "return=minimal"); r.Status != 201 || r.Body != "" || r.Header.Get("Location") == "" {
		t.Errorf("minimal: %d %q", r.Status, r.Body)
	}
	if r := g.Do(t, "gp", "POST", "/fhir/Patient", patient, "Prefer", "return=OperationOutcome"); resource(t, r).Type() != "OperationOutcome" {
		t.Errorf("OperationOutcome: %s", r.Body)
	}
	if r := g.Do(t, "gp", "POST", "/fhir/Patient", patient, "Prefer", "return=representation"); resource(t, r).Type() != "Patient" {
		t.Errorf("representation: %s", r.Body)
	}
}

// TestUnknownPreference: RFC 7240 has servers pass over what they do not know;
// clients in use send such.
func TestUnknownPreference(t *testing.T) {
	g := start(t, servertest.Options{})
	r := g.Do(t, "gp", "POST", "/fhir/Patient", patient, "Prefer", "return=presentation")
	wantStatus(t, "create", r, 201)
	if resource(t, r).Type() != "Patient" {
		t.Errorf("the answer is %s", r.Body)
	}
}

// TestOnWrite: what the hook adds is committed with the resource or not at all,
// and it is not asked in the sandbox.
func TestOnWrite(t *testing.T) {
	var asked atomic.Int32
	g := start(t, servertest.Options{OnWrite: func(_ context.Context, c rest.Change) (store.Commit, error) {
		asked.Add(1)
		task, err := fhir.Decode([]byte(`{"resourceType":"Task","status":"requested","focus":{"reference":"` + c.Write.Key.String() + `"}}`))
		if err != nil {
			return store.Commit{}, err
		}
		k := store.Key{Type: "Task", ID: "t-" + c.Write.Key.ID}
		c.Write.Access.Parties = append(c.Write.Access.Parties, auth.OrgParty("SP1")) // shared with the service
		return store.Commit{
			Writes: []store.Write{{View: auth.SystemView(), Key: k, Body: task.Stamp(k.ID, 1, time.Now()), Updated: time.Now(), Access: c.Write.Access}},
			Claims: []store.Claim{{Scope: "test", Key: "one", Expires: time.Now().Add(time.Hour)}},
		}, nil
	}})
	id := create(t, g, "gp", patient)
	wantStatus(t, "the Task", g.Do(t, "gp", "GET", "/fhir/Task/t-"+id, ""), 200)
	wantStatus(t, "the service's view", g.Do(t, "manager", "GET", "/fhir/Patient/"+id, ""), 200)
	wantStatus(t, "a claim of the hook's that is taken", g.Do(t, "gp", "POST", "/fhir/Patient", patient), 409)
	if r := g.Do(t, "gp", "GET", "/fhir/Patient", ""); resource(t, r).Root().Get("total").Text() != "1" {
		t.Errorf("half a commit: %s", r.Body)
	}
	asked.Store(0)
	wantStatus(t, "sandbox", g.Do(t, "sandbox", "POST", "/fhir/Patient", patient), 201)
	if asked.Load() != 0 {
		t.Error("the hook was asked in the sandbox")
	}
}

func TestNegotiation(t *testing.T) {
	g := start(t, servertest.Options{})
	path := "/fhir/Patient/" + create(t, g, "gp", patient)
	tests := []struct {
		query, accept string
		want          int
	}{
		{"", "", 200},
		{"", "*/*", 200},
		{"", "application/json", 200},
		{"", "application/fhir+json; fhirVersion=4.0", 200},
		{"", "application/fhir+json; fhirVersion=3.0", 406},
		{"", "application/fhir+xml", 200},
		{"", "application/fhir+turtle", 406},
		{"", "application/fhir+xml, application/fhir+json;q=0.5", 200},
		{"", "application/fhir+xml;q=0, text/turtle, */*;q=0", 406},
		{"", "text/html,application/xhtml+xml,*/*;q=0.8", 200},
		{"?_format=json", "application/fhir+xml", 200},
		{"?_format=application/fhir+json", "", 200},
		{"?_format=xml", "", 200},
		{"?_format=ttl", "", 406},
		{"?_format=", "", 406},
		{"?_pretty=true", "", 200},
		{"?_elements=id", "", 200},
		{"?_elements=contact.name", "", 400},
		{"?_elements=nonsense", "", 400},
		{"?_summary=count", "", 400},
		{"?a=%zz", "", 400},
	}
	for _, tt := range tests {
		wantStatus(t, tt.query+" "+tt.accept, g.Do(t, "gp", "GET", path+tt.query, "", "Accept", tt.accept), tt.want)
	}
	if r := g.Do(t, "gp", "GET", path+"?_pretty=true", ""); !strings.Contains(r.Body, "\n  \"resourceType\"") {
		t.Errorf("_pretty: %s", r.Body)
	}
	for ct, want := range map[string]int{
		"application/fhir+json": 201, "application/json; charset=UTF-8": 201, "application/fhir+json; fhirVersion=4.0": 201,
		"": 415, "application/fhir+xml": 400, "application/fhir+xml; fhirVersion=5.0": 415, "text/turtle": 415, "text/plain": 415, "application/fhir+json; fhirVersion=5.0": 415, "application/json; charset=latin1": 415,
	} {
		wantStatus(t, "Content-Type "+ct, g.Do(t, "gp", "POST", "/fhir/Patient", patient, "Content-Type", ct), want)
	}
}

func TestRefused(t *testing.T) {
	g := start(t, servertest.Options{})
	tests := []struct {
		client, method, path, body string
		want                       int
	}{
		{"", "GET", "/fhir/Patient/1", "", 401},
		{"nobody", "GET", "/fhir/Patient/1", "", 401},
		{"gp", "GET", "/fhir/Patient/1", "", 404},
		{"gp", "GET", "/fhir/Nonsense/1", "", 404},
		{"gp", "GET", "/fhir/MolecularSequence/1", "", 404}, // not held
		{"gp", "GET", "/fhir/Patient/" + strings.Repeat("a", 65), "", 404},
		{"readonly", "POST", "/fhir/ServiceRequest", `{"resourceType":"ServiceRequest"}`, 403},
		{"readonly", "GET", "/fhir/Patient/1", "", 403},
		{"auditor", "GET", "/fhir/ServiceRequest/1", "", 403},
		{"auditor", "GET", "/fhir/ServiceRequest", "", 403},
		{"auditor", "GET", "/fhir/Patient/1/_history", "", 403},
		{"auditor", "POST", "/fhir/Patient", patient, 403},
		{"gp", "GET", "/fhir/AuditEvent", "", 403},
		{"gp", "GET", "/fhir/AuditEvent/1-0", "", 403},
		{"auditor", "POST", "/fhir/AuditEvent", `{"resourceType":"AuditEvent"}`, 405},
		{"sandbox", "PUT", "/fhir/AuditEvent/1-0", `{"resourceType":"AuditEvent","id":"1-0"}`, 405},
		{"gp", "POST", "/fhir/Patient", `{"resourceType":"Patient"`, 400},
		{"gp", "POST", "/fhir/Patient", `{"resourceType":"Patient","a":1,"a":2}`, 400},
		{"gp", "POST", "/fhir/Patient", "{\"resourceType\":\"Patient\",\"x\":\"\xff\"}", 400},
		{"gp", "POST", "/fhir/Patient", `{"resourceType":"Task"}`, 400},
		{"gp", "POST", "/fhir/Patient", `[]`, 400},
		{"gp", "POST", "/fhir/Patient", strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100), 400},
		{"gp", "POST", "/fhir/Patient?_id=1", patient, 400},
		{"gp", "PUT", "/fhir/Patient/" + "fresh", `{"resourceType":"Patient","id":"fresh"}`, 404},
		{"gp", "PUT", "/fhir/Patient", patient, 400},
		{"gp", "PUT", "/fhir/Patient?_count=1", patient, 400},
		{"gp", "PATCH", "/fhir/Patient/1", "{}", 400},
		{"gp", "PATCH", "/fhir/Patient", "{}", 400},
		{"gp", "DELETE", "/fhir/Patient", "", 403},
		{"importer", "DELETE", "/fhir/Patient", "", 400},
		{"gp", "GET", "/fhir/Patient?$where=1", "", 400},
		{"gp", "GET", "/fhir/Patient?identifier.a=1", "", 400},
	}
	for _, tt := range tests {
		r := g.Do(t, tt.client, tt.method, tt.path, tt.body)
		wantStatus(t, tt.client+" "+tt.method+" "+tt.path, r, tt.want)
		if tt.want == 401 && !strings.HasPrefix(r.Header.Get("WWW-Authenticate"), "Bearer") {
			t.Errorf("%s %s: WWW-Authenticate %q", tt.method, tt.path, r.Header.Get("WWW-Authenticate"))
		}
		if tt.want == 405 && r.Header.Get("Allow") == "" {
			t.Errorf("%s %s: no Allow", tt.method, tt.path)
		}
	}
	if r := g.Do(t, "importer", "GET", "/fhir/Patient?_summary=count", ""); resource(t, r).Root().Get("total").Text() != "0" {
		t.Errorf("refused documents were stored: %s", r.Body)
	}
}

// TestFaultsAreAllNamed: every fault at its place, and nothing stored.
func TestFaultsAreAllNamed(t *testing.T) {
	g := start(t, servertest.Options{Validate: func(_ context.Context, _ auth.Principal, r fhir.Resource, _ ...string) []fhir.Issue {
		return []fhir.Issue{
			{Severity: fhir.SeverityWarning, Code: fhir.BusinessRule, Text: "a remark"},
			{Code: fhir.Structure, Text: "one", Expression: "Patient.a"}, {Code: fhir.CodeInvalid, Text: "two", Expression: "Patient.b"},
		}
	}})
	doc := `{"resourceType":"Patient","managingOrganization":{"reference":"Organization/none"}}`
	r := g.Do(t, "gp", "POST", "/fhir/Patient", doc)
	wantStatus(t, "create", r, 422)
	var got []string
	for is := range resource(t, r).Root().Get("issue").Items() {
		got = append(got, is.At("expression", 0).Text())
	}
	if want := []string{"", "Patient.a", "Patient.b", "Patient.managingOrganization.reference"}; !slices.Equal(got, want) {
		t.Errorf("expressions %q, want %q", got, want)
	}
}

// TestHiddenIsAbsent asks every question about another practice's resource and
// about none, and wants the same answers.
func TestHiddenIsAbsent(t *testing.T) {
	g := start(t, servertest.Options{})
	hidden, absent := create(t, g, "gp", patient), "00000000-0000-4000-8000-000000000000"
	tests := []struct{ name, method, path, body, header, value string }{
		{"read", "GET", "/fhir/Patient/%s", "", "", ""},
		{"vread", "GET", "/fhir/Patient/%s/_history/1", "", "", ""},
		{"history", "GET", "/fhir/Patient/%s/_history", "", "", ""},
		{"update", "PUT", "/fhir/Patient/%s", `{"resourceType":"Patient","id":"%s"}`, "", ""},
		{"update with If-Match", "PUT", "/fhir/Patient/%s", `{"resourceType":"Patient","id":"%s"}`, "If-Match", `W/"9"`},
		{"search by id", "GET", "/fhir/Patient?_id=%s", "", "", ""},
		{"reference", "POST", "/fhir/Flag", flag, "", ""},
		{"search by reference", "GET", "/fhir/Flag?patient=%s", "", "", ""},
	}
	for _, tt := range tests {
		ask := func(id string) string {
			fill := func(s string) string { return strings.ReplaceAll(s, "%s", id) }
			r := g.Do(t, "gp2", tt.method, fill(tt.path), fill(tt.body), tt.header, tt.value)
			return fmt.Sprint(r.Status, strings.ReplaceAll(r.Body, id, "ID"))
		}
		if h, a := ask(hidden), ask(absent); h != a {
			t.Errorf("%s: hidden and absent differ:\n%s\n%s", tt.name, h, a)
		}
	}
	r := g.Do(t, "gp2", "GET", "/fhir/Patient?identifier=9434765919", "")
	if root := resource(t, r).Root(); root.Get("total").Text() != "0" || root.Get("entry").Exists() {
		t.Errorf("search by identifier tells: %s", r.Body)
	}
	if r := g.Do(t, "gp2", "POST", "/fhir/Patient", patient, "If-None-Exist", "identifier=9434765919"); r.Status != 201 {
		t.Errorf("If-None-Exist tells of a hidden resource: %d", r.Status)
	}
}

// TestReferences: what a document refers to on this server must exist for the
// caller's party, whether or not its role may read it.
func TestReferences(t *testing.T) {
	g := start(t, servertest.Options{})
	id := create(t, g, "gp", patient)
	doc := func(ref string) string {
		return `{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"` + ref + `"}}`
	}
	tests := []struct {
		client, ref string
		want        int
	}{
		{"gp", "Patient/" + id, 201},
		{"gp", g.URL + "/fhir/Patient/" + id, 201},
		{"gp", "Patient/" + id + "/_history/1", 201},
		{"gp", "Patient/" + id + "/_history/2", 422},
		{"gp", "Patient/none", 422},
		{"gp", g.URL + "/fhir/Patient/none", 422},
		{"gp", "https://elsewhere.example/fhir/Patient/1", 201},
		{"gp", "Patient?identifier=1", 422},
		{"tool", "Patient/" + id, 201}, // may not read patients, but shares this one
		{"gp2", "Patient/" + id, 422},
		{"sandbox", "Patient/none", 201},
	}
	for _, tt := range tests {
		wantStatus(t, tt.client+" "+tt.ref, g.Do(t, tt.client, "POST", "/fhir/Observation", doc(tt.ref)), tt.want)
	}
}

func TestNobodyElsesName(t *testing.T) {
	g := start(t, servertest.Options{})
	org := func(ods string) string {
		return create(t, g, "admin", `{"resourceType":"Organization","identifier":[{"system":"https://fhir.nhs.uk/Id/ods-organization-code","value":"`+ods+`"}]}`)
	}
	ours, theirs := org("A81001"), org("A81002")
	role := create(t, g, "admin", `{"resourceType":"PractitionerRole","organization":{"reference":"Organization/`+theirs+`"}}`)
	request := func(requester string) string {
		return `{"resourceType":"ServiceRequest","status":"draft","intent":"order","subject":{"reference":"https://x.example/fhir/Patient/1"},"requester":` + requester + `}`
	}
	tests := []struct {
		name, doc string
		want      int
	}{
		{"our organisation", request(`{"reference":"Organization/` + ours + `"}`), 201},
		{"another organisation", request(`{"reference":"Organization/` + theirs + `"}`), 422},
		{"another's role", request(`{"reference":"PractitionerRole/` + role + `"}`), 422},
		{"another by identifier", request(`{"identifier":{"system":"https://fhir.nhs.uk/Id/ods-organization-code","value":"A81002"}}`), 422},
		{"us by identifier", request(`{"identifier":{"system":"https://fhir.nhs.uk/Id/ods-organization-code","value":"A81001"}}`), 201},
		{"a label", `{"resourceType":"ServiceRequest","meta":{"security":[{"system":"s","code":"VIP"}]},"status":"draft"}`, 422},
	}
	for _, tt := range tests {
		wantStatus(t, tt.name, g.Do(t, "gp", "POST", "/fhir/ServiceRequest", tt.doc), tt.want)
	}
}

func TestIdempotencyKey(t *testing.T) {
	g := start(t, servertest.Options{})
	send := func(client, key, body string) servertest.Response {
		return g.Do(t, client, "POST", "/fhir/Patient", body, "Idempotency-Key", key)
	}
	first := send("gp", "k1", patient)
	wantStatus(t, "first", first, 201)
	again := send("gp", "k1", patient)
	if again.Status != 201 || again.Body != first.Body || again.Header.Get("Location") != first.Header.Get("Location") {
		t.Errorf("again: %d %s", again.Status, again.Body)
	}
	wantStatus(t, "another body", send("gp", "k1", strings.Replace(patient, "Test", "Best", 1)), 422)
	if other := send("gp2", "k1", patient); other.Status != 201 || other.Body == first.Body {
		t.Errorf("another client's key: %d", other.Status)
	}
	wantStatus(t, "bad key", send("gp", strings.Repeat("k", 256), patient), 400)

	answers := make([]servertest.Response, 8)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() { answers[i] = send("gp", "k2", patient) })
	}
	wg.Wait()
	for _, a := range answers {
		if a.Status != 201 || a.Header.Get("Location") != answers[0].Header.Get("Location") {
			t.Errorf("of 8 at once: %d %s, want all the same", a.Status, a.Header.Get("Location"))
		}
	}

	id := resource(t, first).ID()
	put := func() servertest.Response {
		return g.Do(t, "gp", "PUT", "/fhir/Patient/"+id, first.Body, "If-Match", `W/"1"`, "Idempotency-Key", "k3")
	}
	wantStatus(t, "update", put(), 200)
	if r := put(); r.Status != 200 || r.Header.Get("Etag") != `W/"2"` {
		t.Errorf("update again: %d %s, want the first answer", r.Status, r.Header.Get("Etag"))
	}
}

// TestConcurrentUpdates: of updates that name the same version one wins; those
// that name none all happen, one after the other.
func TestConcurrentUpdates(t *testing.T) {
	g := start(t, servertest.Options{})
	id := create(t, g, "gp", patient)
	all := func(headers ...string) []int {
		statuses := make([]int, 8)
		var wg sync.WaitGroup
		for i := range statuses {
			wg.Go(func() {
				statuses[i] = g.Do(t, "gp", "PUT", "/fhir/Patient/"+id, `{"resourceType":"Patient","id":"`+id+`"}`, headers...).Status
			})
		}
		wg.Wait()
		slices.Sort(statuses)
		return statuses
	}
	if got := all("If-Match", `W/"1"`); !slices.Equal(got, []int{200, 412, 412, 412, 412, 412, 412, 412}) {
		t.Errorf("If-Match: %v, want one 200", got)
	}
	if got := all(); !slices.Equal(got, []int{200, 200, 200, 200, 200, 200, 200, 200}) {
		t.Errorf("without: %v", got)
	}
	if r := g.Do(t, "gp", "GET", "/fhir/Patient/"+id, ""); resource(t, r).VersionID() != "10" {
		t.Errorf("version %s, want 10", resource(t, r).VersionID())
	}
}

func TestIfNoneExist(t *testing.T) {
	g := start(t, servertest.Options{})
	var wg sync.WaitGroup
	statuses := make([]int, 8)
	ids := make([]string, 8)
	for i := range statuses {
		wg.Go(func() {
			r := g.Do(t, "gp", "POST", "/fhir/Patient", patient, "If-None-Exist", "identifier=https://fhir.nhs.uk/Id/nhs-number|9434765919")
			statuses[i], ids[i] = r.Status, resource(t, r).ID()
		})
	}
	wg.Wait()
	slices.Sort(statuses)
	if want := []int{200, 200, 200, 200, 200, 200, 200, 201}; !slices.Equal(statuses, want) || len(slices.Compact(slices.Sorted(slices.Values(ids)))) != 1 {
		t.Errorf("statuses %v, ids %v", statuses, ids)
	}
	create(t, g, "gp", patient)
	wantStatus(t, "two matches", g.Do(t, "gp", "POST", "/fhir/Patient", patient, "If-None-Exist", "identifier=9434765919"), 412)
	wantStatus(t, "no criteria", g.Do(t, "gp", "POST", "/fhir/Patient", patient, "If-None-Exist", "_count=1"), 400)
	wantStatus(t, "unknown criteria", g.Do(t, "gp", "POST", "/fhir/Patient", patient, "If-None-Exist", "shoe=44"), 400)
}

// TestSandboxHoldsEverything: all of R4, no rules.
func TestSandboxHoldsEverything(t *testing.T) {
	g := start(t, servertest.Options{Sandbox: true})
	wantStatus(t, "create", g.Do(t, "sandbox", "POST", "/fhir/MolecularSequence", `{"resourceType":"MolecularSequence","coordinateSystem":1}`), 201)
	wantStatus(t, "update as create", g.Do(t, "sandbox", "PUT", "/fhir/Basic/b", `{"resourceType":"Basic","id":"b","code":{"text":"x"}}`), 201)
	wantStatus(t, "search", g.Do(t, "sandbox", "GET", "/fhir/Basic?_id=b", ""), 200)
	wantStatus(t, "no such type", g.Do(t, "sandbox", "POST", "/fhir/Nonsense", `{"resourceType":"Nonsense"}`), 404)
	wantStatus(t, "abstract type", g.Do(t, "sandbox", "POST", "/fhir/DomainResource", `{"resourceType":"DomainResource"}`), 404)
}

// TestCapabilities: what the statement claims is served, and what it does not
// claim is 405.
func TestCapabilities(t *testing.T) {
	g := start(t, servertest.Options{})
	r := g.Do(t, "", "GET", "/fhir/metadata", "")
	wantStatus(t, "metadata", r, 200)
	var cs struct {
		Rest []struct {
			Resource []struct {
				Type        string
				Interaction []struct{ Code string }
				SearchParam []struct{ Name string }
			}
		}
	}
	if err := json.Unmarshal([]byte(r.Body), &cs); err != nil {
		t.Fatal(err)
	}
	probes := map[string][2]string{
		"read": {"GET", "/none"}, "vread": {"GET", "/none/_history/1"}, "history-instance": {"GET", "/none/_history"},
		"update": {"PUT", "/none"}, "delete": {"DELETE", "/none"}, "create": {"POST", ""}, "search-type": {"GET", ""}, "patch": {"PATCH", "/none"},
	}
	seen := 0
	for _, res := range cs.Rest[0].Resource {
		claimed := map[string]bool{}
		for _, i := range res.Interaction {
			claimed[i.Code] = true
		}
		for code, p := range probes {
			got := g.Do(t, "importer", p[0], "/fhir/"+res.Type+p[1], "").Status
			refused := got == http.StatusMethodNotAllowed || res.Type == "AuditEvent" && got == 404
			if code != "read" && refused == claimed[code] {
				t.Errorf("%s %s: claimed %t, but the answer is %d", res.Type, code, claimed[code], got)
			}
		}
		for _, sp := range res.SearchParam {
			value := "x"
			if strings.Contains(sp.Name, "date") || strings.Contains(sp.Name, "_lastUpdated") {
				value = "2026"
			}
			got := g.Do(t, "importer", "GET", "/fhir/"+res.Type+"?"+sp.Name+"="+value, "")
			if strings.Contains(got.Body, "is not supported; supported are") {
				t.Errorf("%s: the statement names %s, which is not supported", res.Type, sp.Name)
			}
		}
		seen++
	}
	if seen < 30 {
		t.Errorf("only %d types", seen)
	}
}
