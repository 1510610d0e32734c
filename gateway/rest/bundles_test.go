package rest_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"trellis.example/fhir"
	"trellis.example/gateway/server/servertest"
	"trellis.example/gateway/store"
)

// bundle writes a batch or transaction; entries are those of [entry].
func bundle(kind string, entries ...string) string {
	return `{"resourceType":"Bundle","type":"` + kind + `","entry":[` + strings.Join(entries, ",") + `]}`
}

// entry writes one: members are name, value pairs of the request; "fullUrl"
// and "resource" are the entry's own.
func entry(method, url string, members ...string) string {
	own, req := "", `"method":"`+method+`","url":"`+url+`"`
	for i := 0; i < len(members); i += 2 {
		switch name, value := members[i], members[i+1]; name {
		case "resource":
			own += `"resource":` + value + `,`
		case "fullUrl":
			own += `"fullUrl":"` + value + `",`
		default:
			req += `,"` + name + `":"` + strings.ReplaceAll(value, `"`, `\"`) + `"`
		}
	}
	return `{` + own + `"request":{` + req + `}}`
}

const (
	uuid1 = "urn:uuid:3f0a1c52-0000-4000-8000-000000000001"
	uuid2 = "urn:uuid:3f0a1c52-0000-4000-8000-000000000002"
)

func identified(value string) string {
	return `{"resourceType":"Patient","identifier":[{"system":"s","value":"` + value + `"}]}`
}

func flagOf(ref string) string {
	return `{"resourceType":"Flag","status":"active","code":{"text":"x"},"subject":{"reference":"` + ref + `"}}`
}

// statuses returns what each entry of a response Bundle says, "201" and so on.
func statuses(t testing.TB, r servertest.Response) string {
	t.Helper()
	var out []string
	for e := range resource(t, r).Root().Get("entry").Items() {
		s, _, _ := strings.Cut(e.At("response", "status").Text(), " ")
		out = append(out, s)
	}
	return strings.Join(out, " ")
}

// idAt returns the id in the location of an entry.
func idAt(t testing.TB, r servertest.Response, i int) string {
	t.Helper()
	parts := strings.Split(resource(t, r).Root().At("entry", i, "response", "location").Text(), "/")
	if len(parts) < 4 {
		t.Fatalf("entry %d has no location: %s", i, r.Body)
	}
	return parts[len(parts)-3]
}

// TestTransaction tells one story: everything that a transaction can hold.
func TestTransaction(t *testing.T) {
	g := start(t, validated(t))
	updated := create(t, g, "importer", identified("updated"))
	patched := create(t, g, "importer", identified("patched"))
	deleted := create(t, g, "importer", identified("deleted"))
	referrer := create(t, g, "importer", flagOf("Patient/"+deleted))
	r := g.Do(t, "importer", "POST", "/fhir", bundle("transaction",
		entry("GET", "Patient?identifier=s|new"),
		entry("PUT", "Patient/"+updated, "ifMatch", `W/"1"`, "resource", `{"resourceType":"Patient","id":"`+updated+`","gender":"male"}`),
		entry("PATCH", "Patient/"+patched, "resource", pathPatch("add", "Patient", "birthDate", `"valueDate":"1950-01-01"`)),
		entry("POST", "Patient", "fullUrl", uuid1, "resource", identified("new")),
		entry("POST", "Flag", "fullUrl", uuid2, "resource", flagOf(uuid1)),
		entry("POST", "Patient", "ifNoneExist", "identifier=s|patched", "resource", identified("patched")),
		entry("PUT", "Patient?identifier=s|upserted", "resource", identified("upserted")),
		entry("POST", "Flag", "resource", flagOf("Patient?identifier=s|upserted")),
		entry("POST", "Flag", "resource", flagOf("Patient?identifier=s|patched")),
		entry("DELETE", "Patient/"+deleted),
		entry("DELETE", "Flag/"+referrer),
		entry("DELETE", "Flag?identifier=nobody"),
		entry("HEAD", "Patient/"+updated),
		entry("GET", "Patient/"+updated, "ifNoneMatch", `W/"2"`),
	))
	wantStatus(t, "transaction", r, 200)
	if got, want := statuses(t, r), "200 200 200 201 201 200 201 201 201 204 204 204 200 304"; got != want {
		t.Fatalf("statuses %s, want %s\n%s", got, want, r.Body)
	}
	root := resource(t, r).Root()
	if got := root.At("entry", 0, "resource", "total").Text(); got != "1" {
		t.Errorf("the search inside sees %s of what was written", got)
	}
	if root.At("entry", 3, "resource").Exists() || root.At("entry", 3, "response", "etag").Text() != `W/"1"` || root.At("entry", 1, "response", "etag").Text() != `W/"2"` {
		t.Errorf("a change shows what nobody asked for, or not its version: %s", r.Body)
	}
	for i, want := range map[int]string{4: "Patient/" + idAt(t, r, 3), 7: "Patient/" + idAt(t, r, 6), 8: "Patient/" + patched} {
		doc := g.Do(t, "importer", "GET", "/fhir/Flag/"+idAt(t, r, i), "")
		if got := resource(t, doc).Root().At("subject", "reference").Text(); got != want {
			t.Errorf("entry %d refers to %s, want %s", i, got, want)
		}
	}
	if idAt(t, r, 5) != patched {
		t.Errorf("the conditional create made %s", idAt(t, r, 5))
	}
	wantStatus(t, "deleted", g.Do(t, "importer", "GET", "/fhir/Patient/"+deleted, ""), 410)
}

// TestTransactionRefused: each fault at its place, all at once, and nothing is
// stored.
func TestTransactionRefused(t *testing.T) {
	g := start(t, validated(t))
	id := create(t, g, "gp", identified("a"))
	twice := create(t, g, "gp", identified("twice"))
	create(t, g, "gp", identified("twice"))
	create(t, g, "gp", flagOf("Patient/"+id))
	good := entry("POST", "Patient", "resource", identified("good"))
	self := `{"resourceType":"Patient","id":"` + id + `"}`
	tests := []struct {
		name, client string
		want         int
		places       string
		entries      []string
	}{
		{"no entry", "gp", 422, "Bundle.entry", nil},
		{"method", "gp", 400, "Bundle.entry[1].request.method", []string{good, entry("OPTIONS", "Patient")}},
		{"address", "gp", 400, "Bundle.entry[1].request.url", []string{good, entry("POST", "Patient/"+id, "resource", identified("x"))}},
		{"foreign address", "gp", 400, "Bundle.entry[1].request.url", []string{good, entry("GET", "https://elsewhere.example/fhir/Patient/1")}},
		{"type", "gp", 400, "Bundle.entry[1].request.url", []string{good, entry("POST", "Flag", "resource", identified("x"))}},
		{"type not held", "gp", 400, "Bundle.entry[1].request.url", []string{good, entry("POST", "Basic", "resource", `{"resourceType":"Basic"}`)}},
		{"resource of a deletion", "importer", 400, "Bundle.entry[1].resource", []string{good, entry("DELETE", "Patient/"+id, "resource", self)}},
		{"may not", "gp", 403, "Bundle.entry[1]", []string{good, entry("DELETE", "Patient/"+id)}},
		{"may not read", "tool", 403, "Bundle.entry[0]", []string{entry("GET", "Patient/"+id)}},
		{"two kinds of fault", "gp", 422, "Bundle.entry[0] Bundle.entry[1].request.url", []string{entry("DELETE", "Patient/"+id), entry("PUT", "Patient", "resource", self)}},
		{"invalid", "gp", 422, "Bundle.entry[0].resource.gender Bundle.entry[2].resource.shoeSize", []string{entry("POST", "Patient", "resource", `{"resourceType":"Patient","gender":"x"}`), good, entry("POST", "Patient", "resource", `{"resourceType":"Patient","shoeSize":44}`)}},
		{"stale", "gp", 412, "Bundle.entry[1]", []string{good, entry("PUT", "Patient/"+id, "ifMatch", `W/"7"`, "resource", self)}},
		{"there", "gp", 412, "Bundle.entry[1]", []string{good, entry("PUT", "Patient/"+id, "ifNoneMatch", "*", "resource", self)}},
		{"hidden", "gp2", 404, "Bundle.entry[1]", []string{good, entry("PUT", "Patient/"+id, "resource", self)}},
		{"absent", "gp", 404, "Bundle.entry[1]", []string{good, entry("PUT", "Patient/none", "resource", `{"resourceType":"Patient","id":"none"}`)}},
		{"read of nothing", "gp", 404, "Bundle.entry[1]", []string{good, entry("GET", "Patient/none")}},
		{"search that cannot be", "gp", 400, "Bundle.entry[1]", []string{good, entry("GET", "Patient?shoe=44")}},
		{"several", "gp", 412, "Bundle.entry[1]", []string{good, entry("POST", "Patient", "ifNoneExist", "identifier=s|twice", "resource", identified("twice"))}},
		{"criteria", "gp", 400, "Bundle.entry[1]", []string{good, entry("PUT", "Patient?shoe=44", "resource", identified("x"))}},
		{"referred to", "importer", 409, "Bundle.entry[0]", []string{entry("DELETE", "Patient/"+id)}},
		{"referred to by what is new", "importer", 409, "Bundle.entry[0]", []string{entry("DELETE", "Patient/"+twice), entry("POST", "Flag", "resource", flagOf("Patient/"+twice))}},
		{"twice", "gp", 400, "Bundle.entry[1].request", []string{entry("PUT", "Patient/"+id, "resource", self), entry("PUT", "Patient?identifier=s|a", "resource", identified("a"))}},
		{"reference to no entry", "gp", 422, "Bundle.entry[0].resource.subject.reference", []string{entry("POST", "Flag", "resource", flagOf(uuid2))}},
		{"reference to nobody", "gp", 422, "Bundle.entry[0].resource.subject.reference", []string{entry("POST", "Flag", "resource", flagOf("Patient/none"))}},
		{"reference to what is deleted", "importer", 422, "", []string{entry("DELETE", "Patient?identifier=s|gone"), entry("POST", "Flag", "resource", flagOf("Patient/none"))}},
		{"search finds nothing", "gp", 422, "Bundle.entry[0].resource.subject.reference", []string{entry("POST", "Flag", "resource", flagOf("Patient?identifier=s|none"))}},
		{"search finds several", "gp", 412, "Bundle.entry[0].resource.subject.reference", []string{entry("POST", "Flag", "resource", flagOf("Patient?identifier=s|twice"))}},
		{"search finds what is hidden", "gp2", 422, "Bundle.entry[0].resource.subject.reference", []string{entry("POST", "Flag", "resource", flagOf("Patient?identifier=s|a"))}},
		{"a label", "gp", 422, "Bundle.entry[0].resource.meta.security[0]", []string{entry("POST", "Patient", "resource", `{"resourceType":"Patient","meta":{"security":[{"system":"s","code":"V"}]}}`)}},
		{"a patch of the id", "gp", 422, "Bundle.entry[0].resource.id", []string{entry("PATCH", "Patient/"+id, "resource", pathPatch("replace", "Patient.id", "", `"valueId":"x"`))}},
	}
	before := count(t, g, "importer", "Patient?_total=accurate")
	for _, tt := range tests {
		r := g.Do(t, tt.client, "POST", "/fhir", bundle("transaction", tt.entries...))
		wantStatus(t, tt.name, r, tt.want)
		if r.Status == 200 {
			continue
		}
		for p := range strings.FieldsSeq(tt.places) {
			if !strings.Contains(r.Body, `"`+p+`"`) {
				t.Errorf("%s: %s is not named: %s", tt.name, p, r.Body)
			}
		}
	}
	if after := count(t, g, "importer", "Patient?_total=accurate"); after != before {
		t.Errorf("%s patients, want %s", after, before)
	}
}

// TestBatch: each entry for itself, as if it had come alone.
func TestBatch(t *testing.T) {
	g := start(t, validated(t))
	id := create(t, g, "gp", identified("a"))
	r := g.Do(t, "gp", "POST", "/fhir", bundle("batch",
		entry("GET", "Patient/"+id),
		entry("GET", "Patient/none"),
		entry("DELETE", "Patient/"+id),
		entry("POST", "Patient", "resource", identified("b")),
		entry("POST", "Patient", "resource", `{"resourceType":"Patient","gender":"x"}`),
		entry("PUT", "Patient/"+id, "ifMatch", `W/"1"`, "resource", `{"resourceType":"Patient","id":"`+id+`"}`),
		entry("PATCH", "Patient?identifier=s|b", "resource", `{"resourceType":"Binary","contentType":"application/json-patch+json","data":"W3sib3AiOiJhZGQiLCJwYXRoIjoiL2dlbmRlciIsInZhbHVlIjoibWFsZSJ9XQ=="}`),
		entry("GET", "Patient?identifier=s|b"),
		entry("GET", "Patient/"+id+"/_history/1"),
		entry("POST", "Patient/$validate", "resource", identified("c")),
		entry("POST", "", "resource", identified("c")),
		entry("LOCK", "Patient/"+id),
		entry("POST", "Patient", "fullUrl", uuid1, "resource", identified("d")),
		entry("POST", "Flag", "resource", flagOf(uuid1)),
		entry("GET", "metadata"),
		entry("GET", "https://elsewhere.example/Patient/1"),
	))
	wantStatus(t, "batch", r, 200)
	if got, want := statuses(t, r), "200 404 403 201 422 200 200 200 200 200 400 400 201 422 404 400"; got != want {
		t.Fatalf("statuses\n%s, want\n%s\n%s", got, want, r.Body)
	}
	root := resource(t, r).Root()
	if root.At("entry", 0, "resource", "id").Text() != id || root.At("entry", 7, "resource", "entry", 0, "resource", "gender").Text() != "male" {
		t.Errorf("a read shows something else: %s", r.Body)
	}
	if root.At("entry", 1, "response", "outcome", "resourceType").Text() != "OperationOutcome" || root.At("entry", 1, "resource").Exists() {
		t.Errorf("a refusal has no outcome: %s", r.Body)
	}
	if got := count(t, g, "gp", "Patient?_total=accurate"); got != "3" {
		t.Errorf("%s patients, want 3", got)
	}
	wantStatus(t, "a Bundle in a Bundle's place", g.Do(t, "gp", "POST", "/fhir", patient), 400)
	wantStatus(t, "a collection", g.Do(t, "gp", "POST", "/fhir", bundle("collection")), 400)
	wantStatus(t, "too many", g.Do(t, "gp", "POST", "/fhir", bundle("batch", strings.Split(strings.Repeat("{} ", 1001), " ")[:1001]...)), 413)
}

// TestBundlePreferences: what the answer shows of what was written.
func TestBundlePreferences(t *testing.T) {
	g := start(t, servertest.Options{})
	for _, kind := range []string{"batch", "transaction"} {
		send := func(prefer string) fhir.Value {
			r := g.Do(t, "gp", "POST", "/fhir", bundle(kind, entry("POST", "Patient", "resource", identified("a"))), "Prefer", prefer)
			wantStatus(t, kind+" "+prefer, r, 200)
			return resource(t, r).Root().At("entry", 0)
		}
		if e := send("return=minimal"); e.Get("resource").Exists() || e.At("response", "outcome").Exists() || e.At("response", "lastModified").Text() == "" {
			t.Errorf("%s, minimal: %s", kind, e.Raw())
		}
		if e := send("return=representation"); e.At("resource", "meta", "versionId").Text() != "1" {
			t.Errorf("%s, representation: %s", kind, e.Raw())
		}
		if e := send("return=OperationOutcome"); e.At("response", "outcome", "resourceType").Text() != "OperationOutcome" {
			t.Errorf("%s, outcome: %s", kind, e.Raw())
		}
	}
	wantStatus(t, "a preference nobody knows", g.Do(t, "gp", "POST", "/fhir", bundle("batch", entry("GET", "Patient")), "Prefer", "return=poem"), 200)
}

// TestBundlesOnce: the same key with the same Bundle is answered, not done again.
func TestBundlesOnce(t *testing.T) {
	g := start(t, servertest.Options{})
	for _, kind := range []string{"batch", "transaction"} {
		doc := bundle(kind, entry("POST", "Patient", "resource", identified(kind)), entry("GET", "Patient?identifier=s|"+kind))
		first := g.Do(t, "gp", "POST", "/fhir", doc, "Idempotency-Key", kind)
		again := g.Do(t, "gp", "POST", "/fhir", doc, "Idempotency-Key", kind)
		if first.Status != 200 || first.Body != again.Body {
			t.Errorf("%s:\n%s\n%s", kind, first.Body, again.Body)
		}
		if got := count(t, g, "gp", "Patient?identifier=s|"+kind); got != "1" {
			t.Errorf("%s: %s stored", kind, got)
		}
	}
	other := bundle("transaction", entry("POST", "Patient", "resource", identified("other")))
	wantStatus(t, "another body", g.Do(t, "gp", "POST", "/fhir", other, "Idempotency-Key", "transaction"), 422)
}

// TestTransactionCreatesOnce: two entries with the same criteria make one, and
// both are referred to.
func TestTransactionCreatesOnce(t *testing.T) {
	g := start(t, servertest.Options{})
	r := g.Do(t, "gp", "POST", "/fhir", bundle("transaction",
		entry("POST", "Patient", "fullUrl", uuid1, "ifNoneExist", "identifier=s|x", "resource", identified("x")),
		entry("POST", "Patient", "fullUrl", uuid2, "ifNoneExist", "identifier=s|x", "resource", identified("x")),
		entry("POST", "Flag", "resource", flagOf(uuid2)),
	))
	if got := statuses(t, r); got != "201 200 201" || idAt(t, r, 0) != idAt(t, r, 1) {
		t.Errorf("%s: %s", got, r.Body)
	}
}

// TestTransactionAudit: each kind of change is audited, with the patients.
func TestTransactionAudit(t *testing.T) {
	g := start(t, servertest.Options{})
	id := create(t, g, "importer", identified("a"))
	wantStatus(t, "transaction", g.Do(t, "importer", "POST", "/fhir", bundle("transaction",
		entry("POST", "Patient", "resource", identified("b")), entry("DELETE", "Patient/"+id))), 200)
	records, _, err := g.Store.AuditSearch(t.Context(), store.AuditQuery{Limit: 2})
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, rec := range records {
		got += fmt.Sprint(rec.Action, rec.Interaction, len(rec.Entities), len(rec.Patients), " ")
	}
	if !strings.Contains(got, "C transaction 1 1") && !strings.Contains(got, "Ctransaction1 1") || !strings.Contains(got, "D") {
		t.Errorf("audited %q", got)
	}
}

// TestTransactionAuditsWhatItFinds: what a conditional create shows is audited
// with its patient beside what the transaction changes.
func TestTransactionAuditsWhatItFinds(t *testing.T) {
	g := start(t, servertest.Options{})
	id := create(t, g, "gp", identified("a"))
	find := entry("POST", "Patient", "ifNoneExist", "identifier=s|a", "resource", identified("a"))
	for _, entries := range [][]string{{find}, {find, entry("POST", "Organization", "resource", `{"resourceType":"Organization","name":"x"}`)}} {
		r := g.Do(t, "gp", "POST", "/fhir", bundle("transaction", entries...), "Prefer", "return=representation")
		if !strings.HasPrefix(statuses(t, r), "200") {
			t.Fatalf("%s", r.Body)
		}
		records, _, err := g.Store.AuditSearch(t.Context(), store.AuditQuery{Limit: len(entries)})
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, rec := range records {
			found = found || rec.Interaction == "transaction" && strings.Join(rec.Patients, " ") == "Patient/"+id && strings.Join(rec.Entities, " ") == "Patient/"+id+"/_history/1"
		}
		if !found {
			t.Errorf("%d entries: audited %+v, want the Patient that was found", len(entries), records)
		}
	}
}

// TestNobodyWritesAuditEvents: the log is the gateway's own, by whatever door.
func TestNobodyWritesAuditEvents(t *testing.T) {
	g := start(t, servertest.Options{})
	event := `{"resourceType":"AuditEvent","id":"x","type":{"code":"rest"},"recorded":"2026-01-01T00:00:00Z","agent":[{"requestor":true}],"source":{"observer":{"display":"x"}}}`
	for _, e := range []string{entry("PUT", "AuditEvent/x", "resource", event), entry("POST", "AuditEvent", "resource", event), entry("DELETE", "AuditEvent/x")} {
		r := g.Do(t, "importer", "POST", "/fhir", bundle("transaction", e))
		wantStatus(t, "transaction", r, 405)
	}
}

// TestManyConditionalReferences: what the transaction itself writes is read once,
// however many references look for it.
func TestManyConditionalReferences(t *testing.T) {
	g := start(t, servertest.Options{})
	var entries []string
	for i := range 6 {
		var members []string
		for j := range 199 {
			members = append(members, fmt.Sprintf(`{"entity":{"reference":"Patient?identifier=s|%d-%d"}}`, i, j))
		}
		entries = append(entries, entry("POST", "Group", "resource", `{"resourceType":"Group","type":"person","actual":true,"member":[`+strings.Join(members, ",")+`]}`))
	}
	wantStatus(t, "too many", g.Do(t, "gp", "POST", "/fhir", bundle("transaction", entries...)), 413)
}

// TestBatchSaysWhatIsDone: an entry that was done never says that it was refused.
func TestBatchSaysWhatIsDone(t *testing.T) {
	g := start(t, servertest.Options{})
	big := `{"resourceType":"Patient","identifier":[{"system":"s","value":"big"}],"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">` + strings.Repeat("x", 3<<20) + `</div>"}}`
	create(t, g, "gp", big)
	var entries []string
	for range 20 {
		entries = append(entries, entry("POST", "Patient", "ifNoneExist", "identifier=s|big", "resource", identified("big")))
	}
	for i := range 20 {
		entries = append(entries, entry("POST", "Patient", "resource", identified(fmt.Sprint("small-", i))))
	}
	r := g.Do(t, "gp", "POST", "/fhir", bundle("batch", entries...), "Prefer", "return=representation")
	created := strings.Count(r.Body, `"status":"201`)
	if got := count(t, g, "gp", "Patient?_count=0"); got != fmt.Sprint(created+1) {
		t.Errorf("%d entries say 201, and there are %s Patients with the first", created, got)
	}
}

// TestTransactionPatchesAreBounded: the patches of one transaction make the
// gateway read no more together than a few large ones.
func TestTransactionPatchesAreBounded(t *testing.T) {
	g := start(t, servertest.Options{})
	big := `{"resourceType":"Patient","text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">` + strings.Repeat("x", 300<<10) + `</div>"}}`
	ops := "[" + strings.TrimSuffix(strings.Repeat(`{"op":"add","path":"/active","value":true},`, 180), ",") + "]"
	var entries []string
	for range 6 {
		id := create(t, g, "gp", big)
		entries = append(entries, entry("PATCH", "Patient/"+id, "resource",
			`{"resourceType":"Binary","contentType":"application/json-patch+json","data":"`+base64.StdEncoding.EncodeToString([]byte(ops))+`"}`))
	}
	wantStatus(t, "too much together", g.Do(t, "gp", "POST", "/fhir", bundle("transaction", entries...)), 413)
	wantStatus(t, "one", g.Do(t, "gp", "POST", "/fhir", bundle("transaction", entries[0])), 200)
}

// TestTransactionOfManyValues: one transaction does not hold the store's writer
// for a long time.
func TestTransactionOfManyValues(t *testing.T) {
	g := start(t, servertest.Options{})
	var entries []string
	for p := range 5 {
		ids := make([]string, 45_000)
		for i := range ids {
			ids[i] = fmt.Sprintf(`{"value":"%d-%d"}`, p, i)
		}
		entries = append(entries, `{"resource":{"resourceType":"Patient","identifier":[`+strings.Join(ids, ",")+`]},"request":{"method":"POST","url":"Patient"}}`)
	}
	wantStatus(t, "many values", g.Do(t, "gp", "POST", "/fhir", bundle("transaction", entries...)), 413)
}
