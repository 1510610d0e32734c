package rest_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/gateway/server/servertest"
	"trellis.example/profiles"
)

func validated(t testing.TB) servertest.Options {
	t.Helper()
	v, err := profiles.New()
	if err != nil {
		t.Fatal(err)
	}
	return servertest.Options{ProfileType: v.TypeOf, Validate: func(_ context.Context, p auth.Principal, r fhir.Resource, _ ...string) []fhir.Issue {
		return v.Validate(r, profiles.Options{BaseOnly: p.Sandbox()})
	}}
}

const jsonPatch = "application/json-patch+json"

func pathPatch(typ, path, name, value string) string {
	s := `{"resourceType":"Parameters","parameter":[{"name":"operation","part":[{"name":"type","valueCode":"` + typ + `"},{"name":"path","valueString":"` + path + `"}`
	if name != "" {
		s += `,{"name":"name","valueString":"` + name + `"}`
	}
	if value != "" {
		s += `,{"name":"value",` + value + `}`
	}
	return s + `]}]}`
}

func TestPatch(t *testing.T) {
	g := start(t, validated(t))
	id := create(t, g, "gp", `{"resourceType":"Patient","identifier":[{"system":"s","value":"1"}],"name":[{"family":"Testperson"}],"gender":"male","multipleBirthInteger":1}`)
	other := create(t, g, "gp", `{"resourceType":"Patient","identifier":[{"system":"s","value":"2"}]}`)
	path := "/fhir/Patient/" + id
	tests := []struct {
		name, client, path, ct, body string
		want                         int
	}{
		{"JSON Patch", "gp", path, jsonPatch, `[{"op":"test","path":"/gender","value":"male"},{"op":"replace","path":"/gender","value":"female"}]`, 200},
		{"FHIRPath Patch", "gp", path, fhirJSON, pathPatch("replace", "Patient.gender", "", `"valueCode":"other"`), 200},
		{"FHIRPath Patch adds", "gp", path, fhirJSON, pathPatch("add", "Patient", "birthDate", `"valueDate":"1950-01-01"`), 200},
		{"a test that fails", "gp", path, jsonPatch, `[{"op":"test","path":"/gender","value":"male"}]`, 422},
		{"no place", "gp", path, jsonPatch, `[{"op":"replace","path":"/nowhere/at/all","value":1}]`, 422},
		{"not a patch", "gp", path, jsonPatch, `{}`, 400},
		{"not Parameters", "gp", path, fhirJSON, patient, 400},
		{"another media type", "gp", path, "text/turtle", `<a/>`, 415},
		{"XML that is not FHIR", "gp", path, "application/xml", `<a/>`, 400},
		{"merge patch", "gp", path, "application/merge-patch+json", `{"gender":null}`, 415},
		{"an invalid result", "gp", path, jsonPatch, `[{"op":"add","path":"/gender","value":"x"}]`, 422},
		{"the id", "gp", path, jsonPatch, `[{"op":"replace","path":"/id","value":"x"}]`, 422},
		{"no id", "gp", path, jsonPatch, `[{"op":"remove","path":"/id"}]`, 422},
		{"the type", "gp", path, jsonPatch, `[{"op":"replace","path":"/resourceType","value":"Person"}]`, 422},
		{"the version", "gp", path, jsonPatch, `[{"op":"replace","path":"/meta/versionId","value":"9"}]`, 422},
		{"no meta", "gp", path, jsonPatch, `[{"op":"remove","path":"/meta"}]`, 422},
		{"a label", "gp", path, jsonPatch, `[{"op":"add","path":"/meta/security","value":[{"system":"s","code":"V"}]}]`, 422},
		{"a reference to nobody", "gp", path, jsonPatch, `[{"op":"add","path":"/managingOrganization","value":{"reference":"Organization/none"}}]`, 422},
		{"hidden", "gp2", path, jsonPatch, `[]`, 404},
		{"absent", "importer", "/fhir/Patient/none", jsonPatch, `[]`, 404},
		{"a role that may not", "auditor", path, jsonPatch, `[]`, 403},
		{"by criteria", "gp", "/fhir/Patient?identifier=s|1", jsonPatch, `[{"op":"remove","path":"/gender"}]`, 200},
		{"nothing matches", "gp", "/fhir/Patient?identifier=s|3", jsonPatch, `[]`, 404},
		{"several match", "gp", "/fhir/Patient?identifier=s|1,s|2", jsonPatch, `[]`, 412},
		{"no criteria", "gp", "/fhir/Patient", jsonPatch, `[]`, 400},
	}
	for _, tt := range tests {
		wantStatus(t, tt.name, g.Do(t, tt.client, "PATCH", tt.path, tt.body, "Content-Type", tt.ct), tt.want)
	}
	r := g.Do(t, "gp", "GET", path, "")
	wantHeaders(t, "after", r, "Etag", `W/"5"`)
	if !strings.Contains(r.Body, `"birthDate":"1950-01-01"`) || strings.Contains(r.Body, "gender") || !strings.Contains(r.Body, `"multipleBirthInteger":1`) {
		t.Errorf("after: %s", r.Body)
	}
	if r := g.Do(t, "gp", "GET", "/fhir/Patient/"+other, ""); r.Header.Get("Etag") != `W/"1"` {
		t.Errorf("the other was changed: %s", r.Body)
	}
}

const fhirJSON = "application/fhir+json"

// TestConcurrentPatches: patches that name no version all happen; of those that
// name the same, one does.
func TestConcurrentPatches(t *testing.T) {
	g := start(t, servertest.Options{})
	id := create(t, g, "gp", `{"resourceType":"Patient","name":[]}`)
	patch := func(i int, headers ...string) int {
		return g.Do(t, "gp", "PATCH", "/fhir/Patient/"+id, fmt.Sprintf(`[{"op":"add","path":"/name/-","value":{"text":"%d"}}]`, i),
			append([]string{"Content-Type", jsonPatch}, headers...)...).Status
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if s := patch(i); s != http.StatusOK {
				t.Errorf("without If-Match: %d", s)
			}
		})
	}
	wg.Wait()
	if n := resource(t, g.Do(t, "gp", "GET", "/fhir/Patient/"+id, "")).Root().Get("name").Len(); n != 8 {
		t.Errorf("%d of 8 patches took effect", n)
	}
	won := make([]bool, 8)
	for i := range won {
		wg.Go(func() { won[i] = patch(i, "If-Match", `W/"9"`) == http.StatusOK })
	}
	wg.Wait()
	n := 0
	for _, w := range won {
		if w {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d patches of one version, want 1", n)
	}
}

func TestMetaOperations(t *testing.T) {
	g := start(t, validated(t))
	id := create(t, g, "gp", `{"resourceType":"Patient","meta":{"source":"urn:x","tag":[{"system":"s","code":"a"}]},"gender":"male"}`)
	do := func(client, op, meta string) servertest.Response {
		return g.Do(t, client, "POST", "/fhir/Patient/"+id+"/$"+op, `{"resourceType":"Parameters","parameter":[{"name":"meta","valueMeta":`+meta+`}]}`)
	}
	tests := []struct {
		name, client, op, meta string
		want                   int
		version                string
	}{
		{"a tag", "gp", "meta-add", `{"tag":[{"system":"s","code":"b"}]}`, 200, "2"},
		{"the same tag", "gp", "meta-add", `{"tag":[{"system":"s","code":"b"}]}`, 200, "2"},
		{"take one away", "gp", "meta-delete", `{"tag":[{"system":"s","code":"a"}]}`, 200, "3"},
		{"take nothing away", "gp", "meta-delete", `{"tag":[{"system":"t","code":"b"}]}`, 200, "3"},
		{"an unknown profile", "gp", "meta-add", `{"profile":["https://elsewhere.example/p"]}`, 200, "4"},
		{"a label", "gp", "meta-add", `{"security":[{"system":"s","code":"V"}]}`, 422, "4"},
		{"a version", "gp", "meta-add", `{"versionId":"9"}`, 400, "4"},
		{"hidden", "gp2", "meta-add", `{"tag":[{"code":"b"}]}`, 404, "4"},
		{"a role that may not", "auditor", "meta-add", `{"tag":[{"code":"b"}]}`, 403, "4"},
	}
	for _, tt := range tests {
		r := do(tt.client, tt.op, tt.meta)
		wantStatus(t, tt.name, r, tt.want)
		if r.Status == 200 && resource(t, r).Root().At("parameter", 0, "valueMeta", "versionId").Text() != tt.version {
			t.Errorf("%s: %s", tt.name, r.Body)
		}
		if got := g.Do(t, "gp", "GET", "/fhir/Patient/"+id, "").Header.Get("Etag"); got != `W/"`+tt.version+`"` {
			t.Errorf("%s: now version %s, want %s", tt.name, got, tt.version)
		}
	}
	if r := g.Do(t, "gp", "GET", "/fhir/Patient/"+id, ""); !strings.Contains(r.Body, `"source":"urn:x"`) || !strings.Contains(r.Body, `"tag":[{"system":"s","code":"b"}]`) {
		t.Errorf("after: %s", r.Body)
	}
	wantStatus(t, "no parameter", g.Do(t, "gp", "POST", "/fhir/Patient/"+id+"/$meta-add", `{"resourceType":"Parameters"}`), 400)
}

func TestValidate(t *testing.T) {
	g := start(t, validated(t))
	id := create(t, g, "gp", patient)
	ref := create(t, g, "gp", fmt.Sprintf(flag, id))
	const good, bad = `{"resourceType":"Patient","gender":"male"}`, `{"resourceType":"Patient","gender":"x","shoeSize":1}`
	params := func(more ...string) string {
		return `{"resourceType":"Parameters","parameter":[` + strings.Join(more, ",") + `]}`
	}
	res := `{"name":"resource","resource":%s}`
	mode := `{"name":"mode","valueCode":"%s"}`
	tests := []struct {
		name, client, method, path, body string
		want                             int
		finds                            string
	}{
		{"good", "gp", "POST", "Patient/$validate", good, 200, ""},
		{"bad", "gp", "POST", "Patient/$validate", bad, 200, "Patient.shoeSize"},
		{"not JSON", "gp", "POST", "Patient/$validate", `{"resourceType":`, 200, "line 1"},
		{"another type", "gp", "POST", "Patient/$validate", `{"resourceType":"Flag"}`, 200, "not of the type"},
		{"Parameters", "gp", "POST", "Patient/$validate", params(fmt.Sprintf(res, bad)), 200, "Patient.gender"},
		{"create", "gp", "POST", "Patient/$validate", params(fmt.Sprintf(res, good), fmt.Sprintf(mode, "create")), 200, ""},
		{"create, a reference to nobody", "gp", "POST", "Flag/$validate?mode=create", fmt.Sprintf(flag, "none"), 200, "does not exist"},
		{"create, may", "admin", "POST", "Slot/$validate?mode=create", `{"resourceType":"Slot","status":"free","start":"2026-01-01T00:00:00Z","end":"2026-01-01T01:00:00Z","schedule":{"reference":"https://x.example/Schedule/1"}}`, 200, ""},
		{"create, hidden and absent look the same", "gp2", "POST", "Flag/$validate?mode=create", fmt.Sprintf(flag, id), 200, "does not exist"},
		{"update", "gp", "POST", "Patient/" + id + "/$validate?mode=update", `{"resourceType":"Patient","id":"` + id + `"}`, 200, ""},
		{"update, another id", "gp", "POST", "Patient/" + id + "/$validate?mode=update", good, 200, "Patient.id"},
		{"update of what is hidden", "gp2", "POST", "Patient/" + id + "/$validate?mode=update", good, 404, "no such resource"},
		{"delete", "importer", "POST", "Patient/" + id + "/$validate", params(fmt.Sprintf(mode, "delete")), 200, "Flag/" + ref},
		{"delete, may not", "gp", "POST", "Patient/" + id + "/$validate", params(fmt.Sprintf(mode, "delete")), 200, "do not allow delete"},
		{"delete, could", "importer", "POST", "Flag/" + ref + "/$validate", params(fmt.Sprintf(mode, "delete")), 200, ""},
		{"an instance", "gp", "GET", "Patient/" + id + "/$validate", "", 200, ""},
		{"an instance that is hidden", "gp2", "GET", "Patient/" + id + "/$validate", "", 404, "no such resource"},
		{"a profile that nobody knows", "gp", "POST", "Patient/$validate?mode=profile&profile=https://x.example/p", good, 422, "no such profile"},
		{"the type's own definition", "gp", "POST", "Patient/$validate?profile=http://hl7.org/fhir/StructureDefinition/Patient", good, 200, ""},
		{"the type's own definition, of R4", "gp", "POST", "Patient/$validate?profile=http://hl7.org/fhir/StructureDefinition/Patient%7C4.0.1", bad, 200, "Patient.shoeSize"},
		{"another type's definition", "gp", "POST", "Patient/$validate?profile=http://hl7.org/fhir/StructureDefinition/Flag", good, 422, "no such profile"},
		{"another type's profile", "gp", "POST", "Patient/$validate?profile=https://trellis.example/fhir/StructureDefinition/ServiceRequest", good, 422, "is one of ServiceRequest"},
		{"two resources", "gp", "POST", "Patient/$validate", params(fmt.Sprintf(res, good), fmt.Sprintf(res, bad)), 400, "Parameters.parameter[1]"},
		{"profile without a name", "gp", "POST", "Patient/$validate?mode=profile", good, 400, "profile"},
		{"no such mode", "gp", "POST", "Patient/$validate?mode=poem", good, 400, "mode is"},
		{"no such parameter", "gp", "POST", "Patient/$validate", params(`{"name":"shoe","valueCode":"x"}`), 400, "Parameters.parameter[0]"},
		{"nothing", "gp", "POST", "Patient/$validate", params(), 400, "no resource"},
		{"create at an instance", "gp", "POST", "Patient/" + id + "/$validate?mode=create", good, 400, "at the type"},
		{"a role without the type", "auditor", "POST", "Patient/$validate", good, 403, ""},
		{"another media type", "gp", "POST", "Patient/$validate", good, 415, ""},
	}
	for _, tt := range tests {
		var headers []string
		if tt.want == 415 {
			headers = []string{"Content-Type", "text/plain"}
		}
		r := g.Do(t, tt.client, tt.method, "/fhir/"+tt.path, tt.body, headers...)
		faulty := strings.Contains(r.Body, `"severity":"error"`)
		if r.Status != tt.want || !strings.Contains(r.Body, tt.finds) || faulty != (tt.finds != "" || tt.want != 200) || resource(t, r).Type() != "OperationOutcome" {
			t.Errorf("%s: %d, want %d with %q: %s", tt.name, r.Status, tt.want, tt.finds, r.Body)
		}
	}
	if got := count(t, g, "importer", "Patient?_total=accurate"); got != "1" {
		t.Errorf("validating stored something: %s patients", got)
	}
}
