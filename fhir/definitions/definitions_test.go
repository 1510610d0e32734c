package definitions

import (
	"slices"
	"testing"
)

func TestType(t *testing.T) {
	d := R4()
	sr := d.Type("ServiceRequest")
	if sr == nil || sr.Kind != Resource || sr.Base != "DomainResource" {
		t.Fatalf("ServiceRequest: %+v", sr)
	}
	find := func(path string) *Element {
		for i := range sr.Elements {
			if sr.Elements[i].Path == path {
				return &sr.Elements[i]
			}
		}
		t.Fatalf("no element %s", path)
		return nil
	}
	if e := find("status"); e.Min != 1 || e.Max != 1 || !e.Modifier || e.ValueSet != "http://hl7.org/fhir/ValueSet/request-status" {
		t.Errorf("status: %+v", e)
	}
	if e := find("occurrence[x]"); !e.Choice() || e.Name() != "occurrence" || len(e.Types) != 3 {
		t.Errorf("occurrence: %+v", e)
	}
	if e := find("subject"); len(e.Types) != 1 || len(e.Types[0].Targets) != 4 || e.Types[0].Targets[0] != "Patient" {
		t.Errorf("subject: %+v", e)
	}
	if e := find("basedOn"); e.Max != -1 || len(e.Constraints) != 0 {
		t.Errorf("basedOn: %+v", e)
	}
	if d.Type("Nonsense") != nil {
		t.Error("a type that R4 does not have")
	}
}

func TestLookups(t *testing.T) {
	d := R4()
	if n := len(d.Resources()); n != 146 {
		t.Errorf("%d resource types, R4 has 146", n)
	}
	for name, want := range map[string]bool{"Patient": true, "HumanName": false, "DomainResource": false, "X": false} {
		if d.IsResource(name) != want {
			t.Errorf("IsResource(%s) is not %t", name, want)
		}
	}
	if !d.IsA("Age", "Quantity") || d.IsA("Age", "Period") {
		t.Error("an Age is a Quantity and no Period")
	}
	p := d.SearchParam("ServiceRequest", "patient")
	if p == nil || p.Type != "reference" || len(d.SearchParams("ServiceRequest")) != 21 {
		t.Errorf("patient: %+v of %d", p, len(d.SearchParams("ServiceRequest")))
	}
	if p := d.SearchParam("Task", "_lastUpdated"); p == nil || p.Type != "date" {
		t.Errorf("_lastUpdated: %+v", p)
	}
	if d.Compartment("Patient", "ServiceRequest")[0] != "subject" || d.Compartment("Patient", "Location") != nil {
		t.Error("compartments")
	}
}

func TestValueSet(t *testing.T) {
	d := R4()
	v := d.ValueSet("http://hl7.org/fhir/ValueSet/request-status|4.0.1")
	if v == nil || !v.HasCode("active") || v.HasCode("bogus") || v.Has("x", "active") || !v.Has("http://hl7.org/fhir/request-status", "active") {
		t.Error("request-status")
	}
	if v := d.ValueSet("http://hl7.org/fhir/ValueSet/mimetypes"); v == nil || !v.Open || !v.HasCode("text/plain") {
		t.Error("media types cannot be listed")
	}
}

// TestAllTypes reads every type and checks that what it refers to exists.
func TestAllTypes(t *testing.T) {
	d := R4()
	for name := range d.types {
		typ := d.Type(name)
		for i := range typ.Elements {
			e := &typ.Elements[i]
			if len(e.Types) == 0 && e.ContentRef == "" {
				t.Errorf("%s.%s has no type", name, e.Path)
			}
			if e.ValueSet != "" && d.ValueSet(e.ValueSet) == nil {
				t.Errorf("%s.%s: no value set %s", name, e.Path, e.ValueSet)
			}
			for _, r := range e.Types {
				if r.Code != "String" && d.Type(r.Code) == nil {
					t.Errorf("%s.%s: no type %q", name, e.Path, r.Code)
				}
			}
		}
	}
	for url, v := range d.valueSets {
		if !v.Open && v.Codes() == 0 {
			t.Errorf("%s has no codes", url)
		}
	}
}

func TestTable(t *testing.T) {
	d := R4()
	sr := d.Table("ServiceRequest")
	m := sr.Member("occurrencePeriod")
	if m == nil || m.Table().Type != "Period" || m.Many || sr.Slots[m.Slot].Name != "occurrence" || len(sr.Slot("occurrence").Members) != 3 {
		t.Fatalf("occurrencePeriod: %+v", m)
	}
	if sr.Member("occurrence") != nil || sr.Member("resourceType") != nil || sr.Member("_id") != nil {
		t.Error("names that are no members")
	}
	if m := sr.Member("contained"); m.Table() != nil || !m.Many {
		t.Errorf("contained: %+v", m)
	}
	item := d.TableAt("Questionnaire.item")
	if item == nil || item.Type != "BackboneElement" || item.Member("item").Table() != item {
		t.Error("Questionnaire.item must repeat itself")
	}
	if m := item.Member("linkId"); !m.Primitive() || m.Table().Kind != Primitive {
		t.Errorf("linkId: %+v", m)
	}
	for name := range d.types {
		table := d.Table(name)
		for _, s := range table.Slots {
			for _, m := range s.Members {
				if m.Table() == nil && m.Type.Code != "Resource" {
					t.Errorf("%s.%s has no table", name, m.Name)
				}
			}
		}
	}
}

func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		load()
	}
}

func TestLists(t *testing.T) {
	d := R4()
	if got := d.Compartments(); !slices.Equal(got, []string{"Device", "Encounter", "Patient", "Practitioner", "RelatedPerson"}) {
		t.Errorf("compartments %q", got)
	}
	for _, v := range d.ValueSets() {
		n := 0
		for system, codes := range v.Concepts() {
			n += len(codes)
			for _, c := range codes {
				if !v.Has(system, c) {
					t.Fatalf("%s does not have %s|%s", v.URL, system, c)
				}
			}
		}
		if n != v.Codes() && !v.Open {
			t.Errorf("%s lists %d codes and has %d", v.URL, n, v.Codes())
		}
	}
}
