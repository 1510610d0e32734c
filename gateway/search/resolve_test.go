package search

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/gateway/store"
)

func network(t testing.TB) *memory {
	m := newMemory(t, registry(),
		`{"resourceType":"Patient","id":"p1","name":[{"family":"Ali"}],"identifier":[{"system":"urn:s","value":"1"}],"birthDate":"1951-02-03","address":[{"postalCode":"ZZ99 3CZ"}],"generalPractitioner":[{"reference":"Practitioner/g"}]}`,
		`{"resourceType":"Patient","id":"p2","name":[{"family":"Baker"}],"link":[{"other":{"reference":"Patient/p1"},"type":"seealso"}]}`,
		`{"resourceType":"Group","id":"g1","type":"person","actual":true,"identifier":[{"system":"urn:s","value":"1"}]}`,
		`{"resourceType":"Practitioner","id":"g","name":[{"family":"Gray"}]}`,
		`{"resourceType":"Encounter","id":"e1","status":"planned","class":{"code":"AMB"},"subject":{"reference":"Patient/p1"}}`,
		`{"resourceType":"ServiceRequest","id":"r1","status":"active","intent":"order","subject":{"reference":"Patient/p1"},"encounter":{"reference":"Encounter/e1"},"specimen":[{"reference":"Specimen/s"}]}`,
		`{"resourceType":"ServiceRequest","id":"r2","status":"draft","intent":"order","subject":{"reference":"Patient/p2"},"replaces":[{"reference":"ServiceRequest/r1"}]}`,
		`{"resourceType":"ServiceRequest","id":"r4","status":"completed","intent":"order","subject":{"type":"Patient","identifier":{"system":"urn:s","value":"1"}}}`,
		`{"resourceType":"Observation","id":"o1","status":"final","code":{"coding":[{"code":"bp"}]},"subject":{"reference":"Patient/p1"},"encounter":{"reference":"Encounter/e1"}}`,
		`{"resourceType":"Observation","id":"o2","status":"final","code":{"coding":[{"code":"hr"}]},"subject":{"reference":"Patient/p2"}}`,
		`{"resourceType":"Location","id":"l1","position":{"latitude":51.5,"longitude":-0.1}}`,
		`{"resourceType":"HealthcareService","id":"h1","name":"Walks","location":[{"reference":"Location/l1"}]}`,
		`{"resourceType":"HealthcareService","id":"h2","name":"Lunch"}`,
		`{"resourceType":"Provenance","id":"v1","target":[{"reference":"ServiceRequest/r1"}],"recorded":"2026-01-01T00:00:00Z","agent":[{"who":{"reference":"Organization/o"}}]}`,
	)
	m.put(t, `{"resourceType":"Patient","id":"secret","name":[{"family":"Ali"}]}`, "police")
	m.put(t, `{"resourceType":"ServiceRequest","id":"r3","status":"active","intent":"order","subject":{"reference":"Patient/secret"}}`, "gp")
	m.put(t, `{"resourceType":"Observation","id":"o3","status":"final","code":{"coding":[{"code":"zz"}]},"subject":{"reference":"Patient/p1"}}`, "police")
	return m
}

func TestChains(t *testing.T) {
	tests := []struct {
		types, query string
		want         []string
	}{
		{"ServiceRequest", "patient.name=ali", []string{"r1"}}, // r3's patient is hidden
		{"ServiceRequest", "patient.name=ali,baker", []string{"r1", "r2"}},
		{"ServiceRequest", "patient.name:exact=Ali", []string{"r1"}},
		{"ServiceRequest", "patient.name=ali&status=draft", []string{}},
		{"ServiceRequest", "subject:Patient.identifier=urn:s|1", []string{"r1"}},
		{"ServiceRequest", "subject.identifier=urn:s|1", []string{"r1"}},
		{"ServiceRequest", "encounter.patient.name=ali", []string{"r1"}},
		{"ServiceRequest", "encounter.class=AMB", []string{"r1"}},
		{"ServiceRequest", "patient.general-practitioner.name=gray", []string{"r1"}},
		{"ServiceRequest", "patient.name=nobody", []string{}},
		{"ServiceRequest", "patient:identifier=urn:s|1", []string{"r1", "r4"}}, // r4 has the identifier in the reference
		{"ServiceRequest", "patient:identifier=urn:s|2", []string{}},
		{"ServiceRequest", "subject:identifier=urn:s|1", []string{"r4"}}, // R4's own meaning alone
		{"ServiceRequest", "patient:name=ali", []string{"r1"}},
		{"ServiceRequest", "patient:name=ali&patient:birthdate=1951-02-03&patient:address-postalcode=ZZ99", []string{"r1"}},
		{"ServiceRequest", "patient:name=ali&patient:birthdate=1951-02-04", []string{}},
		{"ServiceRequest", "patient:name=baker&status=active", []string{}},
		{"ServiceRequest", "patient._id=p2", []string{"r2"}},
		{"ServiceRequest", "patient.link=p1", []string{"r2"}},
		{"Patient", "_has:Observation:patient:code=bp", []string{"p1"}},
		{"Patient", "_has:Observation:patient:code=bp,hr", []string{"p1", "p2"}},
		{"Patient", "_has:Observation:patient:code=bp&_has:ServiceRequest:subject:status=active", []string{"p1"}},
		{"Patient", "_has:Observation:patient:code=zz", []string{}}, // hidden
		{"Patient", "_has:Encounter:patient:_has:Observation:encounter:code=bp", []string{"p1"}},
		{"Patient", "_has:Encounter:patient:_has:Observation:encounter:code=hr", []string{}},
		{"ServiceRequest", "patient._has:Observation:patient:code=hr", []string{"r2"}},
		{"Practitioner", "_has:Patient:general-practitioner:name=ali", []string{"g"}},
		{"ServiceRequest", "_has:Provenance:target:agent=Organization/o", []string{"r1"}},
		{"ServiceRequest", "_has:ServiceRequest:replaces:status=draft", []string{"r1"}}, // by a silent reference
		{"ServiceRequest", "replaces.status=active", []string{"r2"}},
		{"ServiceRequest", "replaces=r1", []string{"r2"}},
		{"HealthcareService", "near=51.5|-0.1|1|km", []string{"h1"}},
		{"HealthcareService", "near=51.5|-0.1|1|km&name=lunch", []string{}},
		{"HealthcareService", "location.near=51.5|-0.1", []string{"h1"}},
		{"Patient Practitioner", "name=gray,ali", []string{"g", "p1"}},
		{"", "_type=Patient,Observation&_id=p1,o1", []string{"o1", "p1"}},
		{"", "_id=p1,o1,o3", []string{"o1", "p1"}},
		{"Observation ServiceRequest", "patient.name=ali", []string{"o1", "r1"}},
	}
	m := network(t)
	for name, s := range map[string]Searcher{"memory": m, "store": m.inStore(t)} {
		for _, tt := range tests {
			got, err := ask(t, m.reg, s, tt.types, escapeQuery(tt.query), "gp")
			if slices.Sort(got); err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("%s: %s?%s: got %v, %v; want %v", name, tt.types, tt.query, got, err, tt.want)
			}
		}
	}
}

// TestNobodySees: a view of no type finds nothing, by whatever way.
func TestNobodySees(t *testing.T) {
	m := network(t)
	for _, query := range []string{"patient.name=ali", "_has:Provenance:target:agent=Organization/o"} {
		params, _ := url.ParseQuery(query)
		q, err := m.reg.Parse([]string{"ServiceRequest"}, params, false)
		if err != nil {
			t.Fatal(err)
		}
		view := auth.NewView([]string{"gp"}, []string{"ServiceRequest"}, nil)
		sq, err := m.reg.Resolve(t.Context(), m, view, q, 0)
		if err != nil {
			t.Fatal(err)
		}
		if page, err := m.Search(t.Context(), sq); err != nil || len(page.Versions) != 0 {
			t.Errorf("%s: found %v, %v through a type that may not be seen", query, page.Versions, err)
		}
	}
}

// TestOneSnapshot: what a chain asks first decides what is looked at after it.
func TestOneSnapshot(t *testing.T) {
	m := network(t)
	rec := &recorder{memory: m}
	for snapshot, want := range map[int64][]int64{0: {0, 7}, 5: {5}} {
		q, err := m.reg.Parse([]string{"ServiceRequest"}, url.Values{"encounter.patient.name": {"ali"}}, false)
		if err != nil {
			t.Fatal(err)
		}
		rec.seen = nil
		sq, err := m.reg.Resolve(t.Context(), rec, auth.SystemView(), q, snapshot)
		seen := slices.Compact(rec.seen)
		if err != nil || !slices.Equal(seen, want) || sq.Snapshot != want[len(want)-1] {
			t.Errorf("snapshot %d: asked at %v, then %d, %v; want %v and the last again", snapshot, seen, sq.Snapshot, err, want)
		}
	}
	q, err := m.reg.Parse([]string{"ServiceRequest"}, url.Values{"status": {"active"}}, false)
	if err != nil {
		t.Fatal(err)
	}
	if sq, err := m.reg.Resolve(t.Context(), rec, auth.SystemView(), q, 0); err != nil || sq.Snapshot != 0 {
		t.Errorf("without a chain: snapshot %d, %v; want 0", sq.Snapshot, err)
	}
}

type recorder struct {
	*memory
	seen []int64
}

func (r *recorder) Search(ctx context.Context, q store.Query) (store.Page, error) {
	r.seen = append(r.seen, q.Snapshot)
	return r.memory.Search(ctx, q)
}

// TestTooMany: an inner search that finds too much is tried the other way round
// if the rest of the query leads, else refused.
func TestTooMany(t *testing.T) {
	m := newMemory(t, registry())
	m.costly = true
	for i := range 1200 {
		m.put(t, fmt.Sprintf(`{"resourceType":"Patient","id":"p%d","active":true,"name":[{"family":"Ali"}]}`, i), "gp")
		m.put(t, fmt.Sprintf(`{"resourceType":"Observation","id":"o%d","status":"final","code":{"coding":[{"code":"bp"}]},"subject":{"reference":"Patient/p%d"}}`, i, i), "gp")
	}
	m.put(t, `{"resourceType":"ServiceRequest","id":"r","status":"active","intent":"order","identifier":[{"value":"9"}],"subject":{"reference":"Patient/p1100"}}`, "gp")
	tests := []struct {
		typ, query string
		want       []string // nil: too costly
	}{
		{"ServiceRequest", "patient.name=ali", nil},
		{"ServiceRequest", "patient.name=ali&identifier=9", []string{"r"}},
		{"ServiceRequest", "patient.name=nobody&identifier=9", []string{}},
		{"ServiceRequest", "patient.name=ali&priority:not=urgent", nil}, // does not lead
		{"ServiceRequest", "patient.deceased=false", nil},               // the inner one does not lead
		{"ServiceRequest", "patient.deceased=false&identifier=9", []string{"r"}},
		{"ServiceRequest", "patient.deceased=true&identifier=9", []string{}},
		{"ServiceRequest", "patient._has:Observation:patient:code=bp&identifier=9", []string{"r"}},
		{"Patient", "_has:Observation:patient:code=bp", nil},
		{"Patient", "_has:Observation:patient:code=bp&_id=p7", []string{"p7"}},
	}
	for _, tt := range tests {
		got, err := m.ask(t, tt.typ, escapeQuery(tt.query), "gp")
		switch {
		case tt.want == nil:
			if err == nil || fhir.AsError(err).Issues[0].Code != fhir.TooCostly || strings.Contains(err.Error(), "ali") {
				t.Errorf("%s?%s: %v, %v; want too costly", tt.typ, tt.query, got, err)
			}
		case err != nil || !slices.Equal(got, tt.want):
			t.Errorf("%s?%s: got %v, %v; want %v", tt.typ, tt.query, got, err, tt.want)
		}
	}
}

func TestCompartments(t *testing.T) {
	m := network(t)
	r := m.reg
	keys := func(parts []store.Part) (out []string) {
		if len(parts) == 0 {
			return nil
		}
		page, err := m.Search(t.Context(), store.Query{View: auth.NewView([]string{"gp"}, []string{"*"}, nil), Type: parts[0].Type, Where: parts[0].Where, Or: parts[1:], Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range page.Versions {
			out = append(out, v.Key.String())
		}
		slices.Sort(out)
		return out
	}
	for name, tt := range map[string]struct{ got, want []string }{
		"all of p1":       {keys(r.Compartment("Patient", "p1", nil)), []string{"Encounter/e1", "Observation/o1", "Patient/p1", "Patient/p2", "ServiceRequest/r1"}},
		"some of p2":      {keys(r.Compartment("Patient", "p2", []string{"Observation", "Location"})), []string{"Observation/o2"}},
		"referring to e1": {keys(r.Referrers(store.Key{Type: "Encounter", ID: "e1"})), []string{"Observation/o1", "ServiceRequest/r1"}},
		"referring to p1": {keys(r.Referrers(store.Key{Type: "Patient", ID: "p1"})), []string{"Encounter/e1", "Observation/o1", "Patient/p2", "ServiceRequest/r1"}},
		"by no parameter": {keys(r.Referrers(store.Key{Type: "Specimen", ID: "s"})), []string{"ServiceRequest/r1"}},
		"to nobody":       {keys(r.Referrers(store.Key{Type: "Task", ID: "x"})), nil},
	} {
		if !slices.Equal(tt.got, tt.want) {
			t.Errorf("%s: got %v, want %v", name, tt.got, tt.want)
		}
	}
	for _, p := range slices.Concat(r.Compartment("Patient", "p1", nil), r.Referrers(store.Key{Type: "Patient", ID: "p1"})) {
		if !slices.ContainsFunc(p.Where, store.Clause.Leads) {
			t.Errorf("%s: %v does not lead", p.Type, p.Where)
		}
	}
}

func TestWithin(t *testing.T) {
	m := network(t)
	for types, want := range map[string][]string{
		"Observation": {"o1"}, "ServiceRequest": {"r1"}, "Location": {}, "Patient": {"p1", "p2"}, "Observation Location Encounter": {"e1", "o1"},
	} {
		q, err := m.reg.Parse(strings.Fields(types), url.Values{}, false)
		if err == nil {
			err = m.reg.Within(q, "Patient", "p1")
		}
		if err != nil {
			t.Fatal(err)
		}
		sq, err := m.reg.Resolve(t.Context(), m, auth.NewView([]string{"gp"}, []string{"*"}, nil), q, 0)
		if err != nil {
			t.Fatal(err)
		}
		sq.Limit = 100
		page, err := m.Search(t.Context(), sq)
		got := []string{}
		for _, v := range page.Versions {
			got = append(got, v.Key.ID)
		}
		if slices.Sort(got); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s within Patient/p1: %v, %v; want %v", types, got, err, want)
		}
	}
	q, err := m.reg.Parse([]string{"Task"}, url.Values{}, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range [][2]string{{"Location", "x"}, {"Patient", "a b"}, {"", ""}} {
		if err := m.reg.Within(q, k[0], k[1]); err == nil || fhir.AsError(err).HTTPStatus() != 404 {
			t.Errorf("within %v: %v, want 404", k, err)
		}
	}
}

func TestReferences(t *testing.T) {
	r := registry()
	res, err := fhir.Decode([]byte(requestDoc))
	if err != nil {
		t.Fatal(err)
	}
	for param, want := range map[string][]string{
		"subject": {"Patient/p"}, "patient": {"Patient/p"}, "encounter": {"Encounter/e"}, "specimen": {"Specimen/s"}, "performer": nil, "status": nil, "nonsense": nil,
		"requester": {"https://other.example/fhir/Organization/o"}, "instantiates-canonical": {"http://c.example/pd"},
		"*": {"Encounter/e", "Patient/p", "Specimen/s", "http://c.example/pd", "https://other.example/fhir/Organization/o"},
	} {
		got := r.References(res, param)
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", param, got, want)
		}
	}
	group, err := fhir.Decode([]byte(conditionDoc))
	if err != nil {
		t.Fatal(err)
	}
	if got := r.References(group, "patient"); got != nil {
		t.Errorf("a Group is no patient, got %v", got)
	}
	parts, err := r.Referring("Condition", "patient", []string{"Patient/1", "Group/g"})
	if err != nil || len(parts) != 1 || len(parts[0].Where[0].Any) != 1 {
		t.Errorf("Referring by patient: %+v, %v; want the Patient alone", parts, err)
	}
	if parts, err := r.Referring("Condition", "patient", []string{"Group/g"}); err != nil || len(parts) != 0 {
		t.Errorf("Referring by patient to a Group: %+v, %v; want nothing", parts, err)
	}
	if _, err := r.Referring("Condition", "code", []string{"Patient/1"}); err == nil {
		t.Error("Referring by a token passed")
	}
}

func TestManyParts(t *testing.T) {
	m := network(t)
	many := strings.TrimSuffix(strings.Repeat("a$1,", 60), ",")
	q, err := m.reg.Parse([]string{"Observation"}, url.Values{"code-value-quantity": {many}}, false)
	if err != nil {
		t.Fatal(err)
	}
	if sq, err := m.reg.Resolve(t.Context(), m, auth.SystemView(), q, 0); err != nil || len(sq.Parts()) != 60 {
		t.Errorf("%d alternatives, %v; want 60", len(sq.Parts()), err)
	}
	q.types = slices.Repeat(q.types, 10)
	if _, err := m.reg.Resolve(t.Context(), m, auth.SystemView(), q, 0); err == nil || fhir.AsError(err).HTTPStatus() != 400 {
		t.Errorf("600 alternatives: %v, want 400", err)
	}
}
