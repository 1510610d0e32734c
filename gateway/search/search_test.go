package search

import (
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
	"trellis.example/gateway/store"
)

const base = "https://gw.example/fhir"

func registry() *Registry { return NewRegistry(definitions.R4(), base) }

func show(ix store.Index) string {
	s := ix.Param + " "
	switch ix.Kind {
	case store.Token:
		s += ix.System + "|" + ix.Value
	case store.Date:
		s += fmt.Sprint(ix.Low, "..", ix.High)
	default:
		s += ix.Value
	}
	if ix.Common {
		s += " common"
	}
	if ix.Silent {
		s += " silent"
	}
	return s
}

func TestIndex(t *testing.T) {
	tests := []struct {
		doc  string
		want []string
	}{
		{`{"resourceType":"ServiceRequest","identifier":[{"system":"s","value":"1"},{"value":"2"}],"status":"active","intent":"order",
		   "category":[{"coding":[{"system":"c","code":"a"},{"code":"b"}]}],"subject":{"reference":"Patient/p"},
		   "requester":{"reference":"https://gw.example/fhir/Organization/o/_history/3"},"performer":[{"reference":"#in"},{"reference":"https://other.example/r4/HealthcareService/h"}],
		   "authoredOn":"2026-03"}`,
			[]string{
				"authored 1772323200000..1775001599999 common", "category c|a common", "category |b common",
				"identifier s|1", "identifier |2", "intent |order common", "patient Patient/p",
				"performer ", "performer https://other.example/r4/HealthcareService/h", "requester Organization/o", "requester:version Organization/o/_history/3 silent", "status |active common",
			}},
		{`{"resourceType":"Patient","active":true,"name":[{"family":"Müller ","given":["ÉVA","Ann"],"period":{"start":"2020"},"use":"official"}],"birthDate":"1950-01-02",
		   "telecom":[{"system":"email","value":"a@b.example"}],"link":[{"other":{"reference":"Patient/2"}}]}`,
			[]string{"_ref Patient/2", "active |true common", "birthdate -631065600000..-630979200001", "deceased |false silent", "email |a@b.example silent", "family muller", "given ann", "given eva", "link Patient/2 silent",
				"name ann", "name eva", "name muller", "phonetic a500 silent", "phonetic e100 silent", "phonetic m460 silent", "telecom |a@b.example"}},
		{`{"resourceType":"Organization","meta":{"tag":[{"system":"t","code":"x"}]},"name":"A","_name":{"id":"n"}}`, []string{"_tag t|x", "name a", "phonetic a000 silent"}},
		{`{"resourceType":"Condition","subject":{"reference":"Patient/1"},"onsetPeriod":{"start":"2020-01-01"},"code":{"text":"x"}}`,
			[]string{"code | common", "code:text x silent", "onset-date 1577836800000..253402300799999 common", "patient Patient/1"}},
		{`{"resourceType":"QuestionnaireResponse","questionnaire":"http://q.example/a|1.0","status":"completed"}`,
			[]string{"questionnaire http://q.example/a", "questionnaire:version http://q.example/a|1.0 silent", "status |completed common"}},
		{`{"resourceType":"Task","for":{"reference":"Patient/1"},"focus":{"reference":"ServiceRequest/9"},"businessStatus":{"coding":[{"code":"seen"}]}}`,
			[]string{"business-status |seen common", "focus ServiceRequest/9", "patient Patient/1"}},
		{`{"resourceType":"Observation","subject":{"reference":"urn:uuid:1"},"effectiveDateTime":"2026-01-01T10:00:00Z"}`,
			[]string{"date 1767261600000..1767261600999 common", "patient urn:uuid:1"}},
	}
	for _, tt := range tests {
		res, err := fhir.Decode([]byte(tt.doc))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, ix := range registry().Index(res) {
			got = append(got, show(ix))
		}
		slices.Sort(got)
		slices.Sort(tt.want)
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s:\n got %q\nwant %q", res.Type(), got, tt.want)
		}
	}
}

// TestHeld guards against a name in the table of held types that R4 does not
// have or that cannot be answered.
func TestHeld(t *testing.T) {
	r := registry()
	for _, h := range HeldTypes() {
		if !r.IsResource(h.Type) {
			t.Errorf("%s is no R4 type", h.Type)
		}
		pl := r.plan(h.Type)
		for _, name := range h.Params {
			if pl.byName[name] == nil {
				t.Errorf("%s has no parameter %s that can be answered", h.Type, name)
			}
		}
	}
}

func TestEveryTypeCompiles(t *testing.T) {
	r := NewSandboxRegistry(definitions.R4(), base)
	for _, typ := range definitions.R4().Resources() {
		if len(r.Params(typ)) < 4 { // _profile, _security, _source, _tag
			t.Errorf("%s has %d parameters", typ, len(r.Params(typ)))
		}
	}
	for _, name := range []string{"name", "address", "phone", "link", "_profile"} {
		if r.plan("Patient").byName[name] == nil {
			t.Errorf("Patient has no %s", name)
		}
	}
}

func TestParse(t *testing.T) {
	tests := []struct{ typ, query, want, fault string }{
		{typ: "ServiceRequest", query: "status=active,draft", want: "status=[{ active true 0 0 0 } { draft true 0 0 0 }]"},
		{typ: "ServiceRequest", query: "identifier=s%7C1", want: "identifier=[{s 1 false 0 0 0 }]"},
		{typ: "ServiceRequest", query: "identifier=%7C1", want: "identifier=[{ 1 false 0 0 0 }]"},
		{typ: "ServiceRequest", query: `identifier=a%5C,b`, want: "identifier=[{ a,b true 0 0 0 }]"},
		{typ: "ServiceRequest", query: "patient=9", want: "patient=[{ Patient/9 false 0 0 0 }]"},
		{typ: "ServiceRequest", query: "subject=Group/9", want: "patient=[{ Group/9 false 0 0 0 }]"},
		{typ: "ServiceRequest", query: "subject:Patient=9", want: "patient=[{ Patient/9 false 0 0 0 }]"},
		{typ: "ServiceRequest", query: "patient=https://gw.example/fhir/Patient/9", want: "patient=[{ Patient/9 false 0 0 0 }]"},
		{typ: "ServiceRequest", query: "_lastUpdated=ge2026-01-01T00:00:00Z", want: "_lastUpdated=[{  false 1767225600000 1767225600999 0 ge}]"},
		{typ: "ServiceRequest", query: "_id=a,b", want: "_id=[{ a true 0 0 0 } { b true 0 0 0 }]"},
		{typ: "Patient", query: "family=MÜL", want: "family=[{ mul false 0 0 0 }]"},
		{typ: "ServiceRequest", query: `identifier={"$gt":""}`, want: `identifier=[{ {"$gt":""} true 0 0 0 }]`},
		{typ: "ServiceRequest", query: "patient=Group/9", fault: "parameter patient: a reference to a Patient was expected"},
		{typ: "ServiceRequest", query: "status=", fault: "parameter status: a value is missing"},
		{typ: "ServiceRequest", query: "status:above=active", fault: "parameter status:above: this modifier is not supported for status"},
		{typ: "ServiceRequest", query: "identifier=s%7C", want: "identifier=[{s  false 0 0 0 system}]"},
		{typ: "ServiceRequest", query: "identifier=%7C", fault: "parameter identifier: a token is code"},
		{typ: "ServiceRequest", query: "authored=31-12-2026", fault: "parameter authored: a date is"},
		{typ: "ServiceRequest", query: "$where=1", fault: "parameter ?: this search parameter is not supported; supported are _id"},
		{typ: "ServiceRequest", query: "status.x=1", fault: "parameter status.x: status cannot be chained"},
		{typ: "ServiceRequest", query: "_include=ServiceRequest:status", fault: "parameter _include: a reference parameter"},
		{typ: "ServiceRequest", query: "_sort=shoe", fault: "parameter _sort: a search parameter that can be sorted by"},
		{typ: "ServiceRequest", query: "_count=x", fault: "parameter _count: a whole number"},
		{typ: "ServiceRequest", query: "status[$ne]=x", fault: "parameter ?: this"},
	}
	for _, tt := range tests {
		params, err := url.ParseQuery(tt.query)
		if err != nil {
			t.Fatal(err)
		}
		q, err := registry().Parse([]string{tt.typ}, params, false)
		if err != nil {
			is := fhir.AsError(err).Issues[0]
			if got := is.Source + ": " + is.Text; tt.fault == "" || !strings.HasPrefix(got, tt.fault) {
				t.Errorf("%s: fault %q, want %q", tt.query, got, tt.fault)
			}
			continue
		}
		if tt.fault != "" {
			t.Errorf("%s: accepted, want %q", tt.query, tt.fault)
			continue
		}
		if got := fmt.Sprintf("%s=%v", q.types[0].where[0].any[0][0].Param, q.types[0].where[0].any[0][0].Any); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.query, got, tt.want)
		}
	}
}

func TestParseLenient(t *testing.T) {
	q, err := registry().Parse([]string{"Patient"}, url.Values{"shoe-size": {"44"}, "active": {"true"}}, true)
	if err != nil || len(q.Warnings) != 1 || q.Conditions() != 1 || q.Applied.Get("shoe-size") != "" {
		t.Errorf("got %+v, %v; want one warning and one clause", q, err)
	}
	if _, err := registry().Parse([]string{"Patient"}, url.Values{"active:above": {"true"}}, true); err == nil {
		t.Error("a known parameter used wrongly passed under lenient handling")
	}
}

func TestCursor(t *testing.T) {
	cs, err := NewCursors(make([]byte, CursorKeySize))
	if err != nil {
		t.Fatal(err)
	}
	in := Cursor{Path: "Patient", Query: "identifier=9434765919", Snapshot: 7, Seq: 5, ID: "x", Total: 3}
	s, err := cs.Seal("gp", in)
	if err != nil || strings.Contains(s, "9434765919") {
		t.Fatalf("Seal: %q, %v", s, err)
	}
	if got, err := cs.Open("gp", "Patient", s); err != nil || !reflect.DeepEqual(got, in) {
		t.Errorf("Open = %+v, %v; want %+v", got, err, in)
	}
	for name, f := range map[string]func() error{
		"other client": func() error { _, err := cs.Open("police", "Patient", s); return err },
		"other path":   func() error { _, err := cs.Open("gp", "Task", s); return err },
		"changed":      func() error { _, err := cs.Open("gp", "Patient", s[:len(s)-2]+"AA"); return err },
		"cut":          func() error { _, err := cs.Open("gp", "Patient", s[:9]); return err },
		"not base64":   func() error { _, err := cs.Open("gp", "Patient", "§§"); return err },
	} {
		if err := f(); err == nil || fhir.AsError(err).HTTPStatus() != 400 {
			t.Errorf("%s: %v, want 400", name, err)
		}
	}
}

func TestLongValuesAreFound(t *testing.T) {
	long := strings.Repeat("v", 300)
	res, err := fhir.Decode([]byte(`{"resourceType":"Patient","identifier":[{"system":"s","value":"` + long + `"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	ix := registry().Index(res)
	q, err := registry().Parse([]string{"Patient"}, url.Values{"identifier": {"s|" + long}}, false)
	if err != nil || len(ix) != 2 || !q.types[0].where[0].any[0][0].Any[0].Holds(store.Token, ix[0]) {
		t.Errorf("index %v, query %+v, %v: a long value is not found", ix, q, err)
	}
}

// FuzzParse: whatever a stranger asks, the answer is a query that a store can be
// asked, and that reads the same again, or a 400 that does not repeat what was
// asked.
func FuzzParse(f *testing.F) {
	f.Add("ServiceRequest", "status", "active")
	f.Add("ServiceRequest", "identifier", `a\|b|c,d`)
	f.Add("Task", "_lastUpdated", "ge2026-01-01T00:00:00+01:00")
	f.Add("Task", "subject:Patient", "1")
	f.Add("ServiceRequest", "encounter.patient.name:exact", "Ann")
	f.Add("Patient", "_has:Observation:patient:code-value-quantity", "a$gt5.4|http://unitsofmeasure.org|mg")
	f.Add("Location", "near", "51.5|-0.12|2|km")
	f.Add("Patient", "identifier:of-type", "a|b|c")
	f.Add("ValueSet", "url:above", "http://a.example/b/c")
	f.Add("Task", "_sort", "-status,_id")
	f.Add("Task", "_revinclude:iterate", "Provenance:target")
	f.Add("RiskAssessment", "probability", "ap1.50e-3")
	f.Add("", "_type", "Task,Patient")
	r := registry()
	f.Fuzz(func(t *testing.T, typ, name, value string) {
		var types []string
		if r.IsResource(typ) {
			types = []string{typ}
		}
		q, err := r.Parse(types, url.Values{name: {value}}, false)
		if err == nil {
			again, err := r.Parse(types, q.Applied, false)
			if err != nil || again.Conditions() != q.Conditions() || !reflect.DeepEqual(again.Sort, q.Sort) {
				t.Fatalf("what was applied reads otherwise: %v", err)
			}
			if _, err := r.Resolve(t.Context(), &memory{reg: r, seq: 1}, auth.SystemView(), q, 0); err != nil {
				t.Fatalf("Resolve over nothing: %v", err)
			}
			return
		}
		e := fhir.AsError(err)
		if e.HTTPStatus() != 400 {
			t.Fatalf("status %d", e.HTTPStatus())
		}
		for _, is := range e.Issues {
			if len(value) > 12 && strings.Contains(strings.TrimPrefix(is.Source, "parameter "+name)+is.Text, value) {
				t.Fatalf("the error repeats the value %q", value)
			}
		}
	})
}

// FuzzIndex: any resource can be indexed, and each entry is narrow.
func FuzzIndex(f *testing.F) {
	f.Add([]byte(`{"resourceType":"ServiceRequest","subject":{"reference":"Patient/1"},"category":[{"coding":7}],"occurrenceTiming":{"event":["2020"]}}`))
	for _, doc := range []string{patientDoc, requestDoc, observationDoc, riskDoc, conditionDoc, locationDoc, documentDoc, vsDoc, bundleDoc} {
		f.Add([]byte(doc))
	}
	r := registry()
	f.Fuzz(func(t *testing.T, in []byte) {
		res, err := fhir.Decode(in)
		if err != nil || !r.IsResource(res.Type()) {
			return
		}
		checkIndex(t, res.Type(), r.Index(res))
	})
}

func BenchmarkIndex(b *testing.B) {
	res, err := fhir.Decode([]byte(`{"resourceType":"ServiceRequest","identifier":[{"system":"s","value":"1"}],"status":"active","intent":"order","category":[{"coding":[{"system":"c","code":"a"}]}],"code":{"coding":[{"system":"http://snomed.info/sct","code":"871731000000106"}]},"subject":{"reference":"Patient/p"},"requester":{"reference":"Organization/o"},"authoredOn":"2026-03-01T10:00:00Z","note":[{"text":"x"}]}`))
	if err != nil {
		b.Fatal(err)
	}
	r := registry()
	b.ReportAllocs()
	for b.Loop() {
		r.Index(res)
	}
}

func BenchmarkParse(b *testing.B) {
	params := url.Values{"patient": {"Patient/1"}, "status": {"active,draft"}, "authored": {"ge2026-01-01"}, "_count": {"20"}, "_sort": {"-authored"}}
	r := registry()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Parse([]string{"ServiceRequest"}, params, false); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReferrers(b *testing.B) {
	r := registry()
	b.ReportAllocs()
	for b.Loop() {
		r.Referrers(store.Key{Type: "Patient", ID: "p"})
	}
}
