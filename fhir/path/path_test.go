package path

import (
	"errors"
	"strings"
	"testing"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
)

const patient = `{"resourceType":"Patient","id":"p","name":[{"use":"official","family":"Test","given":["A","B"],"_given":[null,{"extension":[{"url":"http://x","valueString":"ext"}]}]}],
"telecom":[{"system":"phone","value":"1"},{"system":"email","value":"2"}],"_birthDate":{"extension":[{"url":"http://y","valueCode":"u"}]},
"deceasedDateTime":"2020-01-02","generalPractitioner":[{"reference":"Organization/1"},{"reference":"#c"},{"reference":"urn:uuid:1","type":"Practitioner"}],
"contained":[{"resourceType":"Organization","id":"c","name":"Contained"}],
"contact":[{"name":{"family":"K"}},{"period":{"start":"2020-01-01","end":"2019"}}],
"identifier":[{"system":"s","value":"v"}],"multipleBirthInteger":3}`

func eval(t *testing.T, expr, root, doc string) string {
	t.Helper()
	p, err := Compile(expr, root)
	if err != nil {
		t.Errorf("Compile(%q): %v", expr, err)
		return ""
	}
	r, err := fhir.Decode([]byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	p.Eval(r.Root(), func(v fhir.Value, typ string) bool {
		text := v.Text()
		if v.Kind() == fhir.Object {
			text = v.Path()
		}
		out = append(out, typ+":"+text)
		return true
	})
	return strings.Join(out, " ")
}

func TestEval(t *testing.T) {
	tests := []struct{ expr, want string }{
		{"Patient.name.given", "string:A string:B"},
		{"name.family | name.given", "string:Test string:A string:B"},
		{"Patient.name | Practitioner.name", "HumanName:Patient.name[0]"},
		{"Practitioner.name", ""},
		{"Resource.id", "string:p"},
		{"Patient.telecom.where(system='phone').value", "string:1"},
		{"Patient.telecom[1].value", "string:2"},
		{"Patient.deceased", "dateTime:2020-01-02"},
		{"(Patient.deceased as dateTime)", "dateTime:2020-01-02"},
		{"Patient.deceased.as(boolean)", ""},
		{"Patient.deceased.ofType(dateTime)", "dateTime:2020-01-02"},
		{"Patient.deceased.exists() and Patient.deceased != false", "boolean:true"},
		{"Patient.multipleBirth", "integer:3"},
		{"Patient.multipleBirth is integer", "boolean:true"},
		{"Patient.generalPractitioner.where(resolve() is Organization)", "Reference:Patient.generalPractitioner[0] Reference:Patient.generalPractitioner[1]"},
		{"Patient.generalPractitioner.where(resolve() is Practitioner)", "Reference:Patient.generalPractitioner[2]"},
		{"Patient.generalPractitioner.resolve().ofType(Organization).name", "string:Contained"},
		{"Patient.birthDate", ""},
		{"Patient.birthDate.exists()", "boolean:true"},
		{"Patient.birthDate.hasValue()", "boolean:false"},
		{"Patient.birthDate.extension('http://y').value", "code:u"},
		{"Patient.name.given.extension('http://x').value", "string:ext"},
		{"Patient.name.given.hasExtension('http://z')", "boolean:false"},
		{"Patient.contact.name", "HumanName:Patient.contact[0].name"},
		{"Patient.contact", "BackboneElement:Patient.contact[0] BackboneElement:Patient.contact[1]"},
		{"Patient.contained", "Organization:Patient.contained[0]"},
		{"Patient.descendants().where(family = 'K').exists()", "boolean:true"},
		{"contact.all(name.exists())", "boolean:false"},
		{"name.given.count() > 1 and 2 + 1 = 3", "boolean:true"},
		{"name.given.first() & '-' & name.given.last() = 'A-B'", "boolean:true"},
		{"'x' in ('y' | 'x')", "boolean:true"},
		{"name.use in ('official' | 'usual')", "boolean:true"},
		{"name.given.isDistinct()", "boolean:true"},
		{"name.given.combine(name.given).isDistinct()", "boolean:false"},
		{"name.family.matches('[A-Z].*')", "boolean:true"},
		{"name.family.startsWith('Te') xor name.family.contains('zz')", "boolean:true"},
		{"iif(name.exists(), name.family, id)", "string:Test"},
		{"birthDate.empty() implies false", "boolean:true"},
		{"contact.period.select(start <= end)", "boolean:false"},
		{"identifier.system = 's' and identifier.value.empty().not()", "boolean:true"},
		{"name.given.tail()", "string:B"},
		{"name.family.substring(1).length() = 3", "boolean:true"},
	}
	for _, tt := range tests {
		if got := eval(t, tt.expr, "Patient", patient); got != tt.want {
			t.Errorf("%s\n got %s\nwant %s", tt.expr, got, tt.want)
		}
	}
}

func TestCompileRefuses(t *testing.T) {
	for _, s := range []string{"", "a.", "a..b", "a(", "a.where(", "where()", "nofunction()", "'open", "a b", "%unknown", "a[x]", "matches(name)", "a ~", "\x00"} {
		if _, err := Compile(s, "Patient"); err == nil {
			t.Errorf("Compile(%q) accepted", s)
		}
	}
	if _, err := Compile("id", "Nothing"); err == nil {
		t.Error("a type that R4 does not have")
	}
}

// TestSearchParameters compiles every expression of R4 for each of its bases.
func TestSearchParameters(t *testing.T) {
	d := definitions.R4()
	n := 0
	for _, typ := range append(d.Resources(), "Resource", "DomainResource") {
		for _, p := range d.SearchParams(typ) {
			if p.Expression == "" {
				continue
			}
			n++
			c, err := Compile(p.Expression, typ)
			if err != nil {
				t.Errorf("%s %s: %v", typ, p.Code, err)
			} else if c.Empty() != (typ == "Patient" && p.Code == "part-agree") { // R4 gives it the wrong base
				t.Errorf("%s %s: no branch for the type", typ, p.Code)
			}
		}
	}
	if n < 1400 {
		t.Errorf("only %d expressions seen", n)
	}
}

// TestInvariants compiles every invariant of R4; those outside the subset are
// listed, each with the check that replaces it.
func TestInvariants(t *testing.T) {
	elsewhere := map[string]string{
		"txt-1": "the narrative check of package profiles", "txt-2": "the narrative check of package profiles",
	}
	d := definitions.R4()
	check := func(c definitions.Constraint, root string) {
		if _, err := Compile(c.Expression, root); err != nil && elsewhere[c.Key] == "" {
			t.Errorf("%s %s: %v: %s", root, c.Key, err, c.Expression)
		}
	}
	for _, name := range append(d.Resources(), "Period", "Timing", "Range", "Ratio", "Quantity", "Reference", "ElementDefinition") {
		typ := d.Type(name)
		for _, c := range typ.Constraints {
			check(c, name)
		}
		for _, e := range typ.Elements {
			for _, c := range e.Constraints {
				check(c, name+"."+strings.ReplaceAll(e.Path, "[x]", ""))
			}
		}
	}
}

func TestHolds(t *testing.T) {
	tests := []struct {
		expr, root, doc string
		want            bool
	}{
		{"start.hasValue().not() or end.hasValue().not() or (start <= end)", "Period", `{"start":"2020-01-02","end":"2020-01-01"}`, false},
		{"start.hasValue().not() or end.hasValue().not() or (start <= end)", "Period", `{"start":"2020-01-02","end":"2020-01"}`, true}, // undecided
		{"start.hasValue().not() or end.hasValue().not() or (start <= end)", "Period", `{"start":"2020-01-02T10:00:00+01:00","end":"2020-01-02T09:30:00Z"}`, true},
		{"low.empty() or high.empty() or (low <= high)", "Range", `{"low":{"value":10},"high":{"value":9.5}}`, false},
		{"low.empty() or high.empty() or (low <= high)", "Range", `{"low":{"value":10,"unit":"g"},"high":{"value":1,"unit":"kg"}}`, true},
	}
	for _, tt := range tests {
		p, err := Compile(tt.expr, tt.root)
		if err != nil {
			t.Fatal(err)
		}
		tree, err := fhir.Parse([]byte(tt.doc), 1000)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := p.Holds(tree.Root(), Context{}); got != tt.want || err != nil {
			t.Errorf("%s on %s: %t, %v", tt.expr, tt.doc, got, err)
		}
	}
}

func TestHoldsGivesUp(t *testing.T) {
	doc := `{"resourceType":"Patient","contact":[` + strings.Repeat(`{"gender":"male"},`, 5000) + `{}]}`
	p, err := Compile("contact.all(%resource.contact.gender.count() > 1)", "Patient")
	if err != nil {
		t.Fatal(err)
	}
	r, err := fhir.Decode([]byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Holds(r.Root(), Context{}); !errors.Is(err, ErrTooCostly) {
		t.Errorf("got %v", err)
	}
}

func TestEvalDoesNotAllocate(t *testing.T) {
	p, err := Compile("Patient.generalPractitioner.where(resolve() is Organization) | Patient.telecom.where(system='phone').value", "Patient")
	if err != nil {
		t.Fatal(err)
	}
	r, err := fhir.Decode([]byte(patient))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	count := func(fhir.Value, string) bool { n++; return true }
	if a := testing.AllocsPerRun(200, func() { p.Eval(r.Root(), count) }); a > 0 || n == 0 {
		t.Errorf("%v allocations, %d values", a, n)
	}
}

func FuzzCompile(f *testing.F) {
	f.Add("Patient.telecom.where(system='phone').value | a.b[0]")
	f.Add("``")
	f.Add("iif(name.exists(), -1 + 2, 'x' in (%resource.id | $this))")
	f.Add("name.matches('[A-Z]').not() implies children().descendants() is string")
	r, err := fhir.Decode([]byte(patient))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(_ *testing.T, expr string) {
		if p, err := Compile(expr, "Patient"); err == nil && len(expr) < 100 {
			p.Eval(r.Root(), func(fhir.Value, string) bool { return true })
		}
	})
}

func BenchmarkEval(b *testing.B) {
	p, err := Compile("Patient.generalPractitioner.where(resolve() is Organization)", "Patient")
	if err != nil {
		b.Fatal(err)
	}
	r, err := fhir.Decode([]byte(patient))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		p.Eval(r.Root(), func(fhir.Value, string) bool { return true })
	}
}
