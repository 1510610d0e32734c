package rest_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"trellis.example/gateway/server/servertest"
)

const nhs = "identifier=https://fhir.nhs.uk/Id/nhs-number|"

func count(t testing.TB, g *servertest.Gateway, client, query string) string {
	t.Helper()
	r := g.Do(t, client, "GET", "/fhir/"+query, "")
	if r.Status != 200 {
		t.Fatalf("%s: %d %s", query, r.Status, r.Body)
	}
	return resource(t, r).Root().Get("total").Text()
}

// TestConditionalUpdate: none creates, one updates, several are refused.
func TestConditionalUpdate(t *testing.T) {
	g := start(t, servertest.Options{})
	put := func(client, body string, headers ...string) servertest.Response {
		return g.Do(t, client, "PUT", "/fhir/Patient?"+nhs+"9434765919", body, headers...)
	}
	wantStatus(t, "with an id of the client's", put("gp", strings.Replace(patient, `"Patient",`, `"Patient","id":"mine",`, 1)), 400)
	wantStatus(t, "If-Match of nothing", put("gp", patient, "If-Match", `W/"1"`), 412)
	wantStatus(t, "a role that may not create", put("admin", patient), 403)
	r := put("gp", patient)
	wantStatus(t, "no match", r, 201)
	id := resource(t, r).ID()
	wantHeaders(t, "no match", r, "Etag", `W/"1"`, "Location", g.URL+"/fhir/Patient/"+id+"/_history/1")
	r = put("gp", patient)
	wantStatus(t, "one match", r, 200)
	wantHeaders(t, "one match", r, "Etag", `W/"2"`)
	wantStatus(t, "one match, its own id", put("gp", r.Body), 200)
	wantStatus(t, "one match, another id", put("gp", strings.Replace(r.Body, id, "another", 1)), 400)
	wantStatus(t, "stale", put("gp", patient, "If-Match", `W/"1"`), 412)
	wantStatus(t, "fresh", put("gp", patient, "If-Match", `W/"3"`), 200)
	wantStatus(t, "If-None-Match", put("gp", patient, "If-None-Match", "*"), 412)
	wantStatus(t, "unknown parameter", g.Do(t, "gp", "PUT", "/fhir/Patient?shoe=44", patient), 400)
	wantStatus(t, "hidden is absent", put("gp2", patient), 201)
	create(t, g, "gp", patient)
	wantStatus(t, "two matches", put("gp", patient), 412)
	wantStatus(t, "importer chooses the id", g.Do(t, "importer", "PUT", "/fhir/Organization?identifier=x", `{"resourceType":"Organization","id":"chosen","identifier":[{"value":"x"}]}`), 201)
	wantStatus(t, "an id that is there and does not match", g.Do(t, "importer", "PUT", "/fhir/Organization?identifier=y", `{"resourceType":"Organization","id":"chosen","identifier":[{"value":"y"}]}`), 409)
}

// TestIfNoneMatchOnUpdate: * asks for what is not there yet.
func TestIfNoneMatchOnUpdate(t *testing.T) {
	g := start(t, servertest.Options{})
	put := func(headers ...string) servertest.Response {
		return g.Do(t, "importer", "PUT", "/fhir/Patient/p", `{"resourceType":"Patient","id":"p"}`, headers...)
	}
	wantStatus(t, "a version", put("If-None-Match", `W/"1"`), 400)
	wantStatus(t, "both", put("If-None-Match", "*", "If-Match", `W/"1"`), 400)
	wantStatus(t, "new", put("If-None-Match", "*"), 201)
	wantStatus(t, "there", put("If-None-Match", "*"), 412)
	wantStatus(t, "delete", g.Do(t, "importer", "DELETE", "/fhir/Patient/p", "", "If-None-Match", "*"), 400)
	wantStatus(t, "delete", g.Do(t, "importer", "DELETE", "/fhir/Patient/p", ""), 204)
	wantStatus(t, "deleted", put("If-None-Match", "*"), 201)
}

// TestConcurrentConditionalUpdates: of many that match nothing one creates, and
// the others update what it made; whether or not it meets the criteria.
func TestConcurrentConditionalUpdates(t *testing.T) {
	g := start(t, servertest.Options{})
	for _, criteria := range []string{nhs + "9434765919", nhs + "9999999999"} {
		var wg sync.WaitGroup
		made, ids := make([]bool, 8), make([]string, 8)
		for i := range made {
			wg.Go(func() {
				r := g.Do(t, "gp", "PUT", "/fhir/Patient?"+criteria, patient)
				made[i], ids[i] = r.Status == 201, resource(t, r).ID()
			})
		}
		wg.Wait()
		n := 0
		for i := range made {
			if made[i] {
				n++
			}
			if ids[i] != ids[0] {
				t.Errorf("%s: ids %v", criteria, ids)
			}
		}
		if n != 1 {
			t.Errorf("%s: %d created, want 1", criteria, n)
		}
	}
}

func TestConditionalDelete(t *testing.T) {
	g := start(t, servertest.Options{})
	make5 := func() {
		for i := range 5 {
			create(t, g, "importer", fmt.Sprintf(`{"resourceType":"Organization","name":"gone","identifier":[{"system":"s","value":"%d"}]}`, i))
		}
	}
	make5()
	tests := []struct {
		name, client, query string
		want                int
		left                string
	}{
		{"no criteria", "importer", "", 400, "5"},
		{"only _count", "importer", "?_count=5", 400, "5"},
		{"unknown", "importer", "?shoe=44", 400, "5"},
		{"a role that may not", "gp", "?name=gone", 403, "5"},
		{"several", "importer", "?name=gone", 412, "5"},
		{"more than asked for", "importer", "?name=gone&_count=4", 412, "5"},
		{"too many", "importer", "?name=gone&_count=101", 400, "5"},
		{"none", "importer", "?identifier=s|9", 204, "5"},
		{"one", "importer", "?identifier=s|1", 204, "4"},
		{"one again", "importer", "?identifier=s|1", 204, "4"},
		{"all", "importer", "?name=gone&_count=100", 204, "0"},
	}
	for _, tt := range tests {
		wantStatus(t, tt.name, g.Do(t, tt.client, "DELETE", "/fhir/Organization"+tt.query, ""), tt.want)
		if got := count(t, g, "importer", "Organization?name=gone&_total=accurate"); got != tt.left {
			t.Errorf("%s: %s left, want %s", tt.name, got, tt.left)
		}
	}
	make5()
	r := g.Do(t, "importer", "DELETE", "/fhir/Organization?name=gone&_count=10", "", "Prefer", "return=OperationOutcome")
	if r.Status != 200 || !strings.Contains(r.Body, "5 deleted") {
		t.Errorf("with an outcome: %d %s", r.Status, r.Body)
	}
}

// TestReferentialIntegrity: what is referred to is not deleted; those who refer
// are named to who sees them.
func TestReferentialIntegrity(t *testing.T) {
	g := start(t, servertest.Options{})
	id := create(t, g, "gp", patient)
	ref := create(t, g, "gp", fmt.Sprintf(flag, id))
	r := g.Do(t, "importer", "DELETE", "/fhir/Patient/"+id, "")
	wantStatus(t, "referred to", r, 409)
	if !strings.Contains(r.Body, "Flag/"+ref) {
		t.Errorf("the referrer is not named: %s", r.Body)
	}
	wantStatus(t, "by criteria", g.Do(t, "importer", "DELETE", "/fhir/Patient?"+nhs+"9434765919", ""), 409)
	// An administrator keeps the directory and sees no records.
	org := create(t, g, "admin", `{"resourceType":"Organization","name":"x"}`)
	hidden := create(t, g, "gp", `{"resourceType":"Patient","managingOrganization":{"reference":"Organization/`+org+`"}}`)
	r = g.Do(t, "admin", "DELETE", "/fhir/Organization/"+org, "")
	wantStatus(t, "referred to by what is hidden", r, 409)
	if strings.Contains(r.Body, hidden) || strings.Contains(r.Body, "Patient") {
		t.Errorf("a hidden referrer is named: %s", r.Body)
	}
	wantStatus(t, "let go", g.Do(t, "gp", "PUT", "/fhir/Patient/"+hidden, `{"resourceType":"Patient","id":"`+hidden+`"}`), 200)
	wantStatus(t, "history alone does not hold", g.Do(t, "admin", "DELETE", "/fhir/Organization/"+org, ""), 204)
	wantStatus(t, "the referrer", g.Do(t, "importer", "DELETE", "/fhir/Flag/"+ref, ""), 204)
	wantStatus(t, "now", g.Do(t, "importer", "DELETE", "/fhir/Patient/"+id, ""), 204)
}

// TestIfNoneExistThroughAReference: criteria may go through what the client may
// search and not create.
func TestIfNoneExistThroughAReference(t *testing.T) {
	g := start(t, servertest.Options{})
	org := create(t, g, "gp", `{"resourceType":"Organization","identifier":[{"system":"s","value":"o"}]}`)
	body := `{"resourceType":"Observation","status":"final","code":{"text":"x"},"performer":[{"reference":"Organization/` + org + `"}]}`
	wantStatus(t, "first", g.Do(t, "tool", "POST", "/fhir/Observation", body), 201)
	wantStatus(t, "second", g.Do(t, "tool", "POST", "/fhir/Observation", body, "If-None-Exist", "performer:Organization.identifier=s|o"), 200)
	r := g.Do(t, "tool", "POST", "/fhir", bundle("transaction", entry("POST", "Observation", "ifNoneExist", "performer:Organization.identifier=s|o", "resource", body)))
	if got := statuses(t, r); got != "200" {
		t.Errorf("in a transaction: %s", r.Body)
	}
}

// TestIfNoneExistShowsNothing to a client that may create and not read.
func TestIfNoneExistShowsNothing(t *testing.T) {
	g := start(t, servertest.Options{})
	create(t, g, "gp", identified("a"))
	r := g.Do(t, "creator", "POST", "/fhir/Patient", identified("a"), "If-None-Exist", "identifier=s|a", "Prefer", "return=representation")
	if wantStatus(t, "found", r, 200); r.Body != "" {
		t.Errorf("shown to who may not read: %s", r.Body)
	}
	r = g.Do(t, "creator", "POST", "/fhir", bundle("transaction", entry("POST", "Patient", "ifNoneExist", "identifier=s|a", "resource", identified("a"))), "Prefer", "return=representation")
	if got := statuses(t, r); got != "200" || resource(t, r).Root().At("entry", 0, "resource").Exists() {
		t.Errorf("in a transaction: %s", r.Body)
	}
}
