package definitions

import (
	"slices"
	"testing"
)

func TestCodeSystem(t *testing.T) {
	d := R4()
	cs := d.CodeSystem("http://hl7.org/fhir/request-status")
	if cs == nil || cs.Content != "complete" || !cs.CaseSensitive || cs.Version != "4.0.1" || len(cs.Concepts) != 7 {
		t.Fatalf("request-status: %+v", cs)
	}
	if c := cs.Concepts[0]; c.Code != "draft" || c.Display != "Draft" || c.Parents != nil {
		t.Errorf("first code: %+v", c)
	}
	if d.CodeSystem("http://snomed.info/sct").Content != "not-present" || d.CodeSystem("urn:none") != nil {
		t.Error("systems that are not held")
	}
}

// TestHierarchy follows nesting and the child property.
func TestHierarchy(t *testing.T) {
	cs := R4().CodeSystem("http://terminology.hl7.org/CodeSystem/v3-NullFlavor")
	at := func(code string) int {
		return slices.IndexFunc(cs.Concepts, func(c CodeConcept) bool { return c.Code == code })
	}
	ni, unk, qs := at("NI"), at("UNK"), at("QS")
	if !slices.Equal(cs.Concepts[unk].Parents, []int32{int32(ni)}) || !slices.Contains(cs.Concepts[qs].Parents, int32(unk)) {
		t.Errorf("parents of UNK %v, of QS %v", cs.Concepts[unk].Parents, cs.Concepts[qs].Parents)
	}
	for _, url := range R4().CodeSystems() {
		for _, c := range R4().CodeSystem(url).Concepts {
			if c.Code == "" {
				t.Errorf("%s has a code without a code", url)
			}
		}
	}
	if n := len(R4().CodeSystems()); n != 1061 {
		t.Errorf("%d code systems, R4 has 1061 without supplements", n)
	}
}

const vs = "http://hl7.org/fhir/ValueSet/"

func TestCompose(t *testing.T) {
	d := R4()
	c := d.Compose("http://hl7.org/fhir/ValueSet/patient-contactrelationship")
	if c == nil || len(c.Include) != 1 || !slices.Equal(c.Include[0].Filters, []Filter{{"concept", "is-not-a", "O"}}) {
		t.Fatalf("patient-contactrelationship: %+v", c)
	}
	if n := len(d.Composes()); n != 1316 {
		t.Errorf("%d value sets, R4 has 1316", n)
	}
	for _, url := range d.Composes() {
		c := d.Compose(url)
		if len(c.Include) == 0 || c.URL != url {
			t.Errorf("%s: %+v", url, c)
		}
		for _, inc := range append(c.Include, c.Exclude...) {
			if inc.System == "" && len(inc.ValueSets) == 0 {
				t.Errorf("%s includes nothing", url)
			}
			for _, u := range inc.ValueSets {
				if d.Compose(u) == nil && u != vs+"dicom-cid29" && u != vs+"usps-state" { // R4 does not publish these two
					t.Errorf("%s includes %s, which is not there", url, u)
				}
			}
		}
	}
}

func TestBindings(t *testing.T) {
	d := R4()
	find := func(typ, path string) Binding {
		for _, e := range d.Type(typ).Elements {
			if e.Path == path {
				return e.Binding
			}
		}
		t.Fatalf("no element %s.%s", typ, path)
		return Binding{}
	}
	for _, tt := range []struct {
		typ, path string
		want      Binding
	}{
		{"ServiceRequest", "status", Binding{"required", vs + "request-status", ""}},
		{"Patient", "maritalStatus", Binding{"extensible", vs + "marital-status", ""}},
		{"Patient", "communication.language", Binding{"preferred", vs + "languages", vs + "all-languages"}},
		{"ServiceRequest", "code", Binding{}}, // an example
		{"ServiceRequest", "subject", Binding{}},
	} {
		if got := find(tt.typ, tt.path); got != tt.want {
			t.Errorf("%s.%s: %+v, want %+v", tt.typ, tt.path, got, tt.want)
		}
	}
}

func TestExtension(t *testing.T) {
	d := R4()
	x := d.Extension("http://hl7.org/fhir/StructureDefinition/patient-nationality")
	if x == nil || x.Modifier || x.Max != -1 || len(x.Types) != 0 || len(x.Parts) != 2 || !slices.Equal(x.Contexts, []Context{{"element", "Patient"}}) {
		t.Fatalf("patient-nationality: %+v", x)
	}
	if p := x.Parts[0]; p.URL != "code" || p.Max != 1 || p.Types[0].Code != "CodeableConcept" {
		t.Errorf("its code: %+v", p)
	}
	if x := d.Extension("http://hl7.org/fhir/StructureDefinition/data-absent-reason"); x.Types[0].Code != "code" || x.Binding.Strength != "required" {
		t.Errorf("data-absent-reason: %+v", x)
	}
	for _, url := range d.modifiers {
		if x := d.Extension(url); x == nil || !x.Modifier {
			t.Errorf("%s is a modifier", url)
		}
	}
	deep := 0
	for _, url := range d.Extensions() {
		x := d.Extension(url)
		if (len(x.Types) == 0) == (len(x.Parts) == 0) || len(x.Contexts) == 0 {
			t.Errorf("%s has %d types, %d parts, %d contexts", url, len(x.Types), len(x.Parts), len(x.Contexts))
		}
		for _, p := range x.Parts {
			deep += len(p.Parts)
		}
	}
	if len(d.Extensions()) != 393 || deep != 4 {
		t.Errorf("%d extensions with %d parts of parts", len(d.Extensions()), deep)
	}
	if d.Extension("urn:none") != nil {
		t.Error("an extension that R4 does not have")
	}
}

func BenchmarkCodes(b *testing.B) {
	for b.Loop() {
		var t codeTable
		t.load()
	}
}
