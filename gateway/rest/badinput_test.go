package rest_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/gateway/server/servertest"
	"trellis.example/profiles"
)

// TestBadInput: each fault of a document is named at its place, and nothing is
// stored.
func TestBadInput(t *testing.T) {
	v, err := profiles.New()
	if err != nil {
		t.Fatal(err)
	}
	g := start(t, servertest.Options{Validate: func(_ context.Context, p auth.Principal, r fhir.Resource, _ ...string) []fhir.Issue {
		return v.Validate(r, profiles.Options{BaseOnly: p.Sandbox()})
	}})
	tests := []struct {
		name, doc string
		status    int
		places    []string // expression or source of each fault
	}{
		{"wrong JSON", `{"resourceType":"Patient","active":tru}`, 400, []string{"line 1, column 39, /active"}},
		{"cut short", `{"resourceType":"Patient"`, 400, []string{"line 1, column 26"}},
		{"duplicate key", `{"resourceType":"Patient","active":true,"active":false}`, 400, []string{"line 1, column 41, /active"}},
		{"invalid UTF-8", "{\"resourceType\":\"Patient\",\"language\":\"\xff\"}", 400, []string{"line 1, column 39, /language"}},
		{"deep nesting", `{"resourceType":"Patient","a":` + strings.Repeat("[", 80) + strings.Repeat("]", 80) + `}`, 400, []string{""}},
		{"wrong type", `{"resourceType":"Patient","active":"yes"}`, 422, []string{"Patient.active"}},
		{"unknown element", `{"resourceType":"Patient","shoeSize":44}`, 422, []string{"Patient.shoeSize"}},
		{"wrong code", `{"resourceType":"Patient","gender":"x"}`, 422, []string{"Patient.gender"}},
		{"bad date", `{"resourceType":"Patient","birthDate":"1950-02-31"}`, 422, []string{"Patient.birthDate"}},
		{"wrong check digit", `{"resourceType":"Patient","identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9434765918"}]}`, 422, []string{"Patient.identifier[0].value"}},
		{"script", `{"resourceType":"Patient","text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><script>x</script></div>"}}`, 422, []string{"Patient.text.div"}},
		{"all at once", `{"resourceType":"Patient","active":"yes","gender":"x","birthDate":"1950-02-31","shoeSize":44}`, 422,
			[]string{"Patient.active", "Patient.birthDate", "Patient.gender", "Patient.shoeSize"}},
	}
	for _, tt := range tests {
		r := g.Do(t, "gp", "POST", "/fhir/Patient", tt.doc)
		wantStatus(t, tt.name, r, tt.status)
		if got := places(t, r); !slices.Equal(got, tt.places) {
			t.Errorf("%s: faults at %q, want %q; %s", tt.name, got, tt.places, r.Body)
		}
	}
	if r := g.Do(t, "importer", "GET", "/fhir/Patient?_summary=count", ""); resource(t, r).Root().Get("total").Text() != "0" {
		t.Errorf("something was stored: %s", r.Body)
	}
}

// places returns where the faults of an OperationOutcome are, sorted.
func places(t testing.TB, r servertest.Response) (out []string) {
	t.Helper()
	for is := range resource(t, r).Root().Get("issue").Items() {
		if s := is.Get("severity").Text(); s != "error" && s != "fatal" {
			continue
		}
		place := is.At("expression", 0).Text()
		for x := range is.Get("extension").Items() {
			if strings.HasSuffix(x.Get("url").Text(), "issue-source") {
				place = x.Get("valueString").Text()
			}
		}
		out = append(out, place)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// TestAnswersAreValid: what the server itself writes is valid R4.
func TestAnswersAreValid(t *testing.T) {
	v, err := profiles.New()
	if err != nil {
		t.Fatal(err)
	}
	g := start(t, servertest.Options{Sandbox: true})
	id := create(t, g, "gp", patient)
	for range 2 {
		create(t, g, "gp", patient)
	}
	wantStatus(t, "update", g.Do(t, "gp", "PUT", "/fhir/Patient/"+id, strings.Replace(patient, `"Patient"`, `"Patient","id":"`+id+`"`, 1)), 200)
	wantStatus(t, "delete", g.Do(t, "importer", "DELETE", "/fhir/Patient/"+id, ""), 204)
	for _, a := range [][2]string{
		{"gp", "/fhir/metadata"}, {"gp", "/fhir/Patient?_count=1"}, {"gp", "/fhir/Patient?active=false"}, {"gp", "/fhir/Patient?_count=0"},
		{"gp", "/fhir/Patient/" + id + "/_history"}, {"gp", "/fhir/Patient/" + id + "/_history?_count=2"},
		{"gp", "/fhir/Patient/none"}, {"gp", "/fhir/Patient?shoe=1"}, {"gp", "/fhir/Patient?shoe=1&lenient"}, {"auditor", "/fhir/AuditEvent?_count=3"},
	} {
		r := g.Do(t, a[0], "GET", a[1], "", "Prefer", "handling="+map[bool]string{true: "lenient", false: "strict"}[strings.Contains(a[1], "lenient")])
		if err := fhir.Faults(v.Validate(resource(t, r), profiles.Options{BaseOnly: true})); err != nil {
			t.Errorf("%s: %v\n%.2000s", a[1], err, r.Body)
		}
	}
}
