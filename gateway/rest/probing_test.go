package rest_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"trellis.example/gateway/server/servertest"
)

// TestProbing asks, as another practice, every question that might tell whether
// a resource is there: once of a referral that is hidden, once of one that never
// was. The answers are the same, to the byte.
func TestProbing(t *testing.T) {
	g := start(t, servertest.Options{})
	r := makeReferral(t, g)
	absent := referral{}
	for name, key := range r {
		typ, _, _ := strings.Cut(key, "/")
		absent[name] = typ + "/00000000-0000-7000-8000-0000000000" + map[bool]string{true: "0", false: ""}[len(name) < 10] + string(rune('0'+len(name)%10))
	}
	// A record of the other practice's that points at what it may not see: as it
	// is given to it by others, since it could not write such a reference itself.
	own := func(to referral) string {
		return create(t, g, "gp2", `{"resourceType":"Flag","status":"active","subject":{"reference":"https://elsewhere.example/fhir/`+to["patient"]+`"}}`)
	}
	own(r)
	questions := []string{
		"GET ServiceRequest?_id={request.id}&_include=ServiceRequest:patient",
		"GET ServiceRequest?_id={request.id}&_revinclude=Task:focus&_total=accurate",
		"GET ServiceRequest?patient={patient.id}&_total=accurate",
		"GET ServiceRequest?patient={patient.id}&_summary=count",
		"GET ServiceRequest?patient:Patient.family=Testperson",
		"GET ServiceRequest?subject={patient}&patient.name=Testperson&_total=accurate",
		"GET ServiceRequest?patient._id={patient.id}",
		"GET Patient?_has:ServiceRequest:patient:_id={request.id}",
		"GET Patient?_has:ServiceRequest:patient:status=active&_id={patient.id}&_total=accurate",
		"GET Patient?_id={patient.id}&_revinclude=ServiceRequest:patient&_revinclude:iterate=Task:focus",
		"GET Organization?_id=none&_revinclude=PractitionerRole:organization",
		"GET Provenance?target={task}",
		"GET Task?focus:ServiceRequest.patient={patient.id}",
		"GET ?_id={request.id}",
		"GET ?_type=ServiceRequest,Patient&_id={request.id},{patient.id}&_total=accurate",
		"GET Patient/{patient.id}/ServiceRequest",
		"GET Patient/{patient.id}/*?_total=accurate",
		"GET Encounter/{encounter.id}/*",
		"GET Patient/{patient.id}/$everything",
		"GET ServiceRequest/{request.id}/$everything",
		"GET ServiceRequest/{request.id}/$meta",
		"GET ServiceRequest/$meta",
		"GET ServiceRequest/{request.id}",
		"GET ServiceRequest/{request.id}?_summary=true",
		"GET ServiceRequest/{request.id}/_history",
		"GET ServiceRequest/{request.id}/_history?_since=2020-01-01T00:00:00Z",
		"GET ServiceRequest/{request.id}/_history/1",
		"GET ServiceRequest/_history",
		"GET ServiceRequest/_history?_at=2026",
		"GET Patient?_sort=family&_total=accurate&_id={patient.id}",
	}
	noise := regexp.MustCompile(`"url":"[^"]*"|"lastUpdated":"[^"]*"`)
	for _, qu := range questions {
		method, path, _ := strings.Cut(qu, " ")
		if !strings.HasPrefix(path, "?") {
			path = "/" + path
		}
		ask := func(about referral) (int, string) {
			a := g.Do(t, "gp2", method, "/fhir"+about.fill(path), "")
			body := noise.ReplaceAllString(a.Body, "")
			for _, key := range about {
				if _, id, _ := strings.Cut(key, "/"); strings.Contains(body, id) && !strings.Contains(key, "Practitioner") && !strings.Contains(key, "Organization") {
					t.Errorf("%s: the answer names what is hidden: %s", qu, a.Body)
				}
			}
			return a.Status, body
		}
		hs, hb := ask(r)
		as, ab := ask(absent)
		if hs != as || hb != ab {
			t.Errorf("%s: hidden and absent differ:\n%d %s\n%d %s", qu, hs, hb, as, ab)
		}
		if hs >= 500 || hs == 400 {
			t.Errorf("%s: %d %s", qu, hs, hb)
		}
	}
}

// TestIncludesAreAudited: whoever is shown by an include or an operation stands
// in the audit, and refusals do.
func TestReadingIsAudited(t *testing.T) {
	g := start(t, servertest.Options{})
	r := makeReferral(t, g)
	tests := []struct {
		client, path string
		want         string // interaction, outcome, entity, patients
	}{
		{"gp", "ServiceRequest?_id={request.id}&_include=ServiceRequest:patient", "E search-type 0 ServiceRequest?_id,_include {patient}"},
		{"gp", "Patient?_id=none&_revinclude=ServiceRequest:patient", "E search-type 0 Patient?_id,_revinclude "},
		{"gp", "?_type=Patient&family=testperson", "E search-system 0 ?_type,family {patient}"},
		{"gp2", "?_type=Patient&family=testperson", "E search-system 0 ?_type,family "},
		{"gp", "Patient/{patient.id}/Encounter?status=finished", "E search-type 0 {patient}/Encounter?status {patient}"},
		{"gp2", "Patient/{patient.id}/Encounter?status=finished", "E search-type 4 {patient}/Encounter? "},
		{"gp", "Patient/{other.id}/$everything", "E everything 0 {other}/$everything {other}"},
		{"gp2", "Patient/{other.id}/$everything", "E everything 4 {other}/$everything "},
		{"gp", "ServiceRequest/{theirs.id}/$everything", "E everything 0 {theirs}/$everything {other}"},
		{"gp", "Patient/{patient.id}/$meta", "R meta 0 {patient}/_history/1 {patient}"},
		{"gp2", "Patient/{patient.id}/$meta", "R meta 4 {patient} "},
		{"gp", "Encounter/_history?_since=2020-01-01T00:00:00Z", "E history-type 0 Encounter/_history?_since {patient}"},
		{"auditor", "Encounter/_history", "E history-type 4 Encounter/_history? "},
		{"gp2", "_history", "E history-system 0 _history? "},
		{"gp", "_history?nonsense=1", "E history-system 4 _history?nonsense "},
	}
	for _, tt := range tests {
		before := len(entries(t, g))
		path := "/" + r.fill(tt.path)
		if tt.path[0] == '?' {
			path = path[1:]
		}
		g.Do(t, tt.client, "GET", "/fhir"+path, "")
		all := entries(t, g)
		if len(all) != before+1 {
			t.Errorf("%s: %d entries, want 1", tt.path, len(all)-before)
			continue
		}
		e := all[len(all)-1].Entry
		slices.Sort(e.Patients)
		got := string(e.Action) + " " + e.Interaction + " " + e.Outcome + " " + strings.Join(e.Entities, ",") + " " + strings.Join(e.Patients, ",")
		if wanted := r.fill(tt.want); got != wanted {
			t.Errorf("%s %s:\n got %s\nwant %s", tt.client, tt.path, got, wanted)
		}
	}
}
