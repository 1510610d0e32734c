package gateway_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"trellis.example/fhir"
)

const ndjson = "application/fhir+ndjson"

// patients returns NDJSON of n Patients with a Condition each.
func patients(n int) []byte {
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, `{"resourceType":"Patient","id":"bulk-%d","active":true,"name":[{"family":"Bulk","given":["Test"]}]}`+"\n", i)
		fmt.Fprintf(&b, `{"resourceType":"Condition","id":"need-%d","subject":{"reference":"Patient/bulk-%d"}}`+"\n", i, i)
	}
	return b.Bytes()
}

// counts reads the answer of $import.
func counts(t *testing.T, a answer) map[string]string {
	t.Helper()
	out := map[string]string{}
	for p := range a.root(t).Get("parameter").Items() {
		out[p.Get("name").Text()] += p.Get("valueInteger").Text()
	}
	return out
}

func (s *system) importBulk(n int) {
	s.t.Helper()
	a := s.want(s.post("loader", "/fhir/$import", ndjson, patients(n)), 200)
	if got := counts(s.t, a); got["created"] != fmt.Sprint(2*n) || got["refused"] != "0" {
		s.t.Fatalf("import: %v", got)
	}
}

func TestImport(t *testing.T) {
	onStores(t, func(t *testing.T, s *system) {
		s.partners()
		s.partner("loader", "importer", "Y99001", nil)
		s.importBulk(30)
		s.want(s.get("surgery", "/fhir/Patient/bulk-7"), 200) // owned by the loader's organisation
		s.want(s.get("other", "/fhir/Patient/bulk-7"), 404)

		again := counts(t, s.want(s.post("loader", "/fhir/$import", ndjson, patients(30)), 200))
		if again["unchanged"] != "60" || again["updated"] != "0" {
			t.Errorf("the same again: %v, want all unchanged", again)
		}
		lines := `{"resourceType":"Patient","id":"bulk-1","active":false}
{"resourceType":"Patient","id":"bad","active":"maybe"}

{"resourceType":"Patient","active":true}
not JSON
{"resourceType":"Patient","id":"bulk-2","active":false}
{"resourceType":"Patient","id":"bulk-2","active":false}
{"resourceType":"Patient","id":"new","active":true}`
		a := s.want(s.post("loader", "/fhir/$import", ndjson, []byte(lines)), 200)
		got := counts(t, a)
		if got["created"] != "1" || got["updated"] != "2" || got["refused"] != "4" {
			t.Errorf("mixed lines: %v", got)
		}
		var at []string
		for p := range a.root(t).Get("parameter").Items() {
			for part := range p.Get("part").Items() {
				if part.Get("name").Text() == "line" {
					at = append(at, part.Get("valueInteger").Text())
				}
			}
		}
		if !slices.Equal(at, []string{"2", "4", "5", "7"}) {
			t.Errorf("faults at lines %v", at)
		}
		if v := s.want(s.get("loader", "/fhir/Patient/bulk-1"), 200).root(t); v.At("meta", "versionId").Text() != "2" {
			t.Error("a changed resource did not become a new version")
		}
		s.want(s.post("surgery", "/fhir/$import", ndjson, patients(1)), 403)
		s.want(s.post("loader", "/fhir/$import", "application/fhir+json", patients(1)), 415)
		audits := s.want(s.get("auditor", "/fhir/AuditEvent?entity=Patient/bulk-7&action=C"), 200).root(t)
		if audits.Get("entry").Len() != 1 {
			t.Errorf("the import of a resource is audited %d times, want once", audits.Get("entry").Len())
		}
	})
}

// export starts an export and returns its manifest.
func (s *system) export(who, path string) (status string, m manifest) {
	s.t.Helper()
	a := s.want(s.do(who, http.MethodGet, path, http.Header{"Prefer": {"respond-async"}, "Accept": {"application/fhir+json"}}, nil), 202)
	status = strings.TrimPrefix(a.Header.Get("Content-Location"), s.g.PublicURL)
	for range 300 {
		a = s.get(who, status)
		if a.StatusCode != http.StatusAccepted {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	s.want(a, 200)
	if err := json.Unmarshal(a.body, &m); err != nil {
		s.t.Fatal(err)
	}
	return status, m
}

type manifest struct {
	TransactionTime     time.Time
	Request             string
	RequiresAccessToken bool
	Output, Deleted     []struct {
		Type, URL string
		Count     int
	}
}

// keys fetches all files and returns what is in them.
func (s *system) keys(who string, m manifest) []string {
	s.t.Helper()
	var out []string
	for _, o := range m.Output {
		a := s.want(s.do(who, http.MethodGet, strings.TrimPrefix(o.URL, s.g.PublicURL), http.Header{"Accept": {ndjson}}, nil), 200)
		n := 0
		for line := range bytes.Lines(a.body) {
			res, err := fhir.Decode(bytes.TrimSpace(line))
			if err != nil || res.Type() != o.Type {
				s.t.Fatalf("a line of %s: %s %v", o.Type, res.Type(), err)
			}
			out = append(out, res.Type()+"/"+res.ID())
			n++
		}
		if n != o.Count {
			s.t.Errorf("a file of %s has %d lines, the manifest says %d", o.Type, n, o.Count)
		}
	}
	slices.Sort(out)
	return out
}

func TestExport(t *testing.T) {
	onStores(t, func(t *testing.T, s *system) {
		s.partners()
		s.partner("loader", "importer", "Y99001", nil)
		s.importBulk(20)
		status, m := s.export("surgery", "/fhir/$export?_type=Patient,Condition")
		if want := s.g.PublicURL + "/fhir/$export?_type=Patient,Condition"; m.Request != want {
			t.Errorf("the manifest says the request was %s, want %s", m.Request, want)
		}
		if !m.RequiresAccessToken {
			t.Error("files need a token, and the manifest does not say so")
		}
		s.want(s.do("loader", http.MethodPost, "/fhir/$import", http.Header{"Content-Type": {ndjson}}, []byte(`{"resourceType":"Patient","id":"later","active":true}`)), 200)
		got := s.keys("surgery", m)
		if len(got) != 40 || slices.Contains(got, "Patient/later") {
			t.Errorf("the export has %d resources, want the 40 of its moment", len(got))
		}
		if _, other := s.export("other", "/fhir/$export?_type=Patient"); len(other.Output) != 0 {
			t.Errorf("another practice is told of %d files", len(other.Output))
		}
		s.want(s.get("other", status), 404)
		s.want(s.do("other", http.MethodGet, strings.TrimPrefix(m.Output[0].URL, s.g.PublicURL), nil, nil), 404)

		// Each page is audited with the patients it is about.
		for range 2 {
			audits := s.want(s.get("auditor", "/fhir/AuditEvent?patient=Patient/bulk-3&agent=surgery"), 200).root(t)
			if n := audits.Get("entry").Len(); n != 2 { // one file of Patient, one of Condition
				t.Errorf("the export of a patient is audited %d times, want 2", n)
			}
		}
		s.want(s.do("surgery", http.MethodDelete, status, nil, nil), 202)
		s.want(s.get("surgery", status), 404)
		s.want(s.do("surgery", http.MethodGet, strings.TrimPrefix(m.Output[0].URL, s.g.PublicURL), nil, nil), 404)
	})
}

func TestExportOfGroupsAndChanges(t *testing.T) {
	onStores(t, func(t *testing.T, s *system) {
		s.partners()
		s.partner("loader", "importer", "Y99001", nil)
		s.importBulk(5)
		group := s.want(s.post("surgery", "/fhir/Group", "application/fhir+json", []byte(`{"resourceType":"Group","type":"person","actual":true,"member":[
			{"entity":{"reference":"Patient/bulk-1"}},{"entity":{"reference":"Patient/bulk-3"},"inactive":true},{"entity":{"reference":"Patient/bulk-4"}}]}`)), 201).root(t)
		_, m := s.export("surgery", "/fhir/Group/"+group.Get("id").Text()+"/$export")
		if got := s.keys("surgery", m); !slices.Equal(got, []string{"Condition/need-1", "Condition/need-4", "Patient/bulk-1", "Patient/bulk-4"}) {
			t.Errorf("the Group's export has %v", got)
		}
		_, m = s.export("surgery", "/fhir/Patient/$export?_type=Patient")
		if got := s.keys("surgery", m); len(got) != 5 {
			t.Errorf("the export of patients has %v", got)
		}
		since := time.Now().UTC().Add(time.Millisecond).Format("2006-01-02T15:04:05.000Z")
		time.Sleep(5 * time.Millisecond)
		s.want(s.do("loader", http.MethodPost, "/fhir/$import", http.Header{"Content-Type": {ndjson}}, []byte(`{"resourceType":"Patient","id":"bulk-2","active":false}`)), 200)
		s.want(s.do("loader", http.MethodDelete, "/fhir/Condition/need-0", nil, nil), 204)
		_, m = s.export("loader", "/fhir/$export?_type=Patient,Condition&_since="+since)
		if got := s.keys("loader", m); !slices.Equal(got, []string{"Patient/bulk-2"}) {
			t.Errorf("since then changed: %v", got)
		}
		if len(m.Deleted) != 1 || m.Deleted[0].Count != 1 {
			t.Fatalf("deleted: %+v", m.Deleted)
		}
		a := s.want(s.get("loader", strings.TrimPrefix(m.Deleted[0].URL, s.g.PublicURL)), 200)
		if !bytes.Contains(a.body, []byte(`"method":"DELETE","url":"Condition/need-0"`)) {
			t.Errorf("deleted: %s", a.body)
		}
	})
}

// TestExportOfPatientsIsWhole: what belongs to a patient by any element of the
// compartment is in the export, as it is in $everything.
func TestExportOfPatientsIsWhole(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	s.partner("loader", "importer", "Y99001", nil)
	lines := fmt.Sprintf(`{"resourceType":"Patient","id":"p","active":true}
{"resourceType":"FamilyMemberHistory","id":"f","status":"completed","patient":{"reference":"Patient/p"},"relationship":{"text":"mother"}}
{"resourceType":"CommunicationRequest","id":"c","status":"active","subject":{"reference":"Patient/p"}}
{"resourceType":"List","id":"l","status":"current","mode":"working","subject":{"reference":"Patient/p"}}
{"resourceType":"Appointment","id":"a","status":"proposed","participant":[{"actor":{"display":"room"},"status":"accepted"},{"actor":{"reference":"Patient/p"},"status":"accepted"}]}
{"resourceType":"Condition","id":"absolute","subject":{"reference":"%s/fhir/Patient/p"}}
{"resourceType":"List","id":"of-nobody","status":"current","mode":"working"}
{"resourceType":"Group","id":"g","type":"person","actual":true,"member":[{"entity":{"reference":"%[1]s/fhir/Patient/p"}}]}`, s.g.PublicURL)
	if got := counts(t, s.want(s.post("loader", "/fhir/$import", ndjson, []byte(lines)), 200)); got["created"] != "8" {
		t.Fatalf("import: %v", got)
	}
	want := []string{"Appointment/a", "CommunicationRequest/c", "Condition/absolute", "FamilyMemberHistory/f", "List/l", "Patient/p"}
	for _, path := range []string{"/fhir/Patient/$export", "/fhir/Group/g/$export"} {
		_, m := s.export("surgery", path)
		if got := s.keys("surgery", m); !slices.Equal(got, want) {
			t.Errorf("%s has %v, want %v", path, got, want)
		}
	}
}

// TestImportGoesOn: a line that cannot be stored is reported and left out, and
// those after it are stored.
func TestImportGoesOn(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	s.partner("loader", "importer", "Y99001", nil)
	long := `{"resourceType":"Patient","id":"long","language":"` + strings.Repeat("x", fhir.MaxResource+3<<20) + `"}`
	lines := strings.Join([]string{
		`{"resourceType":"Patient","id":"before","active":true}`, long,
		`{"resourceType":"CompartmentDefinition","id":"patient","url":"http://x.example/c","name":"C","status":"active","code":"Patient","search":true}`,
		`{"resourceType":"Patient","id":"after","active":true}`, long[:len(long)-1],
	}, "\n")
	got := counts(t, s.want(s.post("loader", "/fhir/$import", ndjson, []byte(lines)), 200))
	if got["created"] != "2" || got["refused"] != "3" {
		t.Errorf("import: %v, want 2 created and 3 refused", got)
	}
	s.want(s.get("loader", "/fhir/Patient/after"), 200)
	s.want(s.do("loader", http.MethodPost, "/fhir/$import", http.Header{"Content-Type": {ndjson}, "Content-Encoding": {"gzip"}}, []byte("x")), 415)
}

func TestExportFaults(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	async := http.Header{"Prefer": {"respond-async"}}
	s.want(s.do("surgery", http.MethodGet, "/fhir/$export", nil, nil), 400)
	a := s.want(s.do("surgery", http.MethodGet, "/fhir/$export?_type=Nothing&_since=yesterday&_typeFilter=x&_outputFormat=csv", async, nil), 400)
	if n := a.root(t).Get("issue").Len(); n != 4 {
		t.Errorf("%d faults are named, want 4 at once", n)
	}
	s.want(s.do("auditor", http.MethodGet, "/fhir/$export?_type=Patient", async, nil), 403)
	s.want(s.do("surgery", http.MethodGet, "/fhir/Group/absent/$export", async, nil), 404)
	s.want(s.get("surgery", "/fhir/$export/00000000-0000-0000-0000-000000000000"), 404)
	for i := range 11 {
		want := 202
		if i == 10 {
			want = 429
		}
		s.want(s.do("surgery", http.MethodGet, "/fhir/$export?_type=Patient", async, nil), want)
	}
}
