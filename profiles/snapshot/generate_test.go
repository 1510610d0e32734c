package snapshot

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
)

// profile writes a StructureDefinition with a differential.
func profile(t testing.TB, name, typ, base, elements string) fhir.Resource {
	t.Helper()
	if !strings.Contains(base, "/") {
		base = core + base
	}
	r, err := fhir.Decode(fmt.Appendf(nil, `{"resourceType":"StructureDefinition","id":%q,"url":"https://a.example/%s","version":"1","name":"X","status":"active",
		"kind":"resource","abstract":false,"type":%q,"baseDefinition":%q,"derivation":"constraint","differential":{"element":[%s]}}`, name, name, typ, base, elements))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// element writes an element of a differential; its path and slice follow from
// the id.
func element(id, members string) string {
	var path []string
	slice := ""
	for s := range strings.SplitSeq(id, ".") {
		name, sl, _ := strings.Cut(s, ":")
		path, slice = append(path, name), sl
	}
	out := fmt.Sprintf(`{"id":%q,"path":%q`, id, strings.Join(path, "."))
	if slice != "" {
		out += fmt.Sprintf(`,"sliceName":%q`, slice)
	}
	if members != "" {
		out += "," + members
	}
	return out + "}"
}

func elements(pairs ...string) string {
	var out []string
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, element(pairs[i], pairs[i+1]))
	}
	return strings.Join(out, ",")
}

const byValue = `"slicing":{"discriminator":[{"type":"value","path":"system"}],"rules":"open"}`

// must generates one profile over R4 and the given others.
func must(t *testing.T, r fhir.Resource, others ...fhir.Resource) *Structure {
	t.Helper()
	s, err := try(t, r, others...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func try(t *testing.T, r fhir.Resource, others ...fhir.Resource) (*Structure, error) {
	t.Helper()
	lib, err := NewLibrary(definitions.R4(), append(others, r))
	if err != nil {
		t.Fatal(err)
	}
	return lib.Make(r.Root().Get("url").Text())
}

func at(t *testing.T, s *Structure, id string) *Element {
	t.Helper()
	for i := range s.Elements {
		if s.Elements[i].ID == id {
			return &s.Elements[i]
		}
	}
	t.Fatalf("there is no element %s", id)
	return nil
}

// line writes an element in a few words.
func (e *Element) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %d..%s", e.ID, e.Min, maxText(e.Max))
	for _, t := range e.Types {
		fmt.Fprintf(&b, " %s", t.Code)
		if len(t.Profiles)+len(t.TargetProfiles) > 0 {
			fmt.Fprintf(&b, "(%s)", strings.ReplaceAll(strings.Join(append(t.Profiles, t.TargetProfiles...), ","), core, ""))
		}
	}
	if e.Fixed.Exists() {
		fmt.Fprintf(&b, " =%s", e.Fixed.Raw())
	}
	if e.Pattern.Exists() {
		fmt.Fprintf(&b, " ~%s", e.Pattern.Raw())
	}
	if e.Binding != nil {
		fmt.Fprintf(&b, " %s:%s", e.Binding.Strength, e.Binding.ValueSet)
		if e.Binding.Max != "" {
			fmt.Fprintf(&b, "<=%s", e.Binding.Max)
		}
	}
	if e.MustSupport {
		b.WriteString(" must")
	}
	if e.Slicing != nil {
		fmt.Fprintf(&b, " %s", slicingText(e.Slicing))
	}
	return b.String()
}

const (
	identifier = "Patient.identifier"
	nhs        = "Patient.identifier:nhs"
)

// TestGenerate looks at single elements of what a differential makes.
func TestGenerate(t *testing.T) {
	base := profile(t, "base", "Patient", "Patient", elements(
		identifier, byValue+`,"mustSupport":true`, nhs, `"max":"1"`, nhs+".system", `"min":1,"fixedUri":"https://n.example"`,
		"Patient.maritalStatus", `"patternCodeableConcept":{"coding":[{"system":"https://m.example"}]}`,
		"Patient.generalPractitioner", `"max":"3","type":[{"code":"Reference","targetProfile":["`+core+`Organization","`+core+`Practitioner"]}]`))
	ext := profile(t, "ext", "Extension", "Extension", elements(
		"Extension.url", `"fixedUri":"https://a.example/ext"`, "Extension.value[x]", `"min":1,"type":[{"code":"string"},{"code":"code"}]`))
	tests := []struct {
		name, typ, base, elements string
		id, want                  string
	}{
		{"what is not touched stays", "Patient", "Patient", "", "Patient.gender",
			"Patient.gender 0..1 code required:http://hl7.org/fhir/ValueSet/administrative-gender"},
		{"cardinality", "Patient", "Patient", elements("Patient.name", `"min":1,"max":"2","mustSupport":true`), "Patient.name",
			"Patient.name 1..2 HumanName must"},
		{"a sparse differential walks into types", "Patient", "Patient", elements("Patient.contact.telecom.period.start", `"min":1`),
			"Patient.contact.telecom.period.start", "Patient.contact.telecom.period.start 1..1 dateTime"},
		{"siblings come with it", "Patient", "Patient", elements("Patient.name.family", `"min":1`), "Patient.name.given", "Patient.name.given 0..* string"},
		{"out of order", "Patient", "Patient", elements(nhs+".value", `"min":1`, nhs, `"min":1`, identifier, byValue), nhs + ".value",
			nhs + ".value 1..1 string"},
		{"a slice begins at none", "Patient", "Patient", elements("Patient.name", `"min":1,"slicing":{"discriminator":[{"type":"value","path":"use"}],"rules":"closed"}`,
			"Patient.name:official", ""), "Patient.name:official", "Patient.name:official 0..* HumanName"},
		{"a slice begins as what it divides", "Patient", "Patient", elements(nhs, "", identifier+".value", `"min":1`, identifier, byValue, nhs+".use", `"max":"0"`),
			nhs + ".value", nhs + ".value 1..1 string"},
		{"reslicing", "Patient", "https://a.example/base", elements(nhs, `"slicing":{"discriminator":[{"type":"value","path":"use"}],"rules":"open"}`,
			nhs+"/old", `"max":"1"`, nhs+"/old.use", `"fixedCode":"old"`), nhs + "/old.system", nhs + `/old.system 1..1 uri ="https://n.example"`},
		{"an inherited slice", "Patient", "https://a.example/base", elements(nhs, `"min":1`), nhs, nhs + " 1..1 Identifier must"},
		{"a slice in a slice that was inherited", "Patient", "https://a.example/base", elements(nhs+".extension:x", `"type":[{"code":"Extension","profile":["https://a.example/ext"]}]`),
			nhs + ".extension:x", nhs + ".extension:x 0..* Extension(https://a.example/ext)"},
		{"extensions are sliced by url", "Patient", "Patient", elements("Patient.extension:x", `"type":[{"code":"Extension","profile":["https://a.example/ext"]}]`),
			"Patient.extension", "Patient.extension 0..* Extension [{value url}] falseopen"},
		{"the children of a profile on a type", "Patient", "Patient", elements("Patient.extension:x", `"type":[{"code":"Extension","profile":["https://a.example/ext"]}]`,
			"Patient.extension:x.value[x]", `"type":[{"code":"code"}]`), "Patient.extension:x.value[x]", "Patient.extension:x.value[x] 1..1 code"},
		{"and what it fixes", "Patient", "Patient", elements("Patient.extension:x", `"type":[{"code":"Extension","profile":["https://a.example/ext"]}]`,
			"Patient.extension:x.value[x]", ""), "Patient.extension:x.url", `Patient.extension:x.url 1..1 uri ="https://a.example/ext"`},
		{"R4's own profiles of quantities", "Observation", "Observation", elements("Observation.referenceRange.low.value", `"min":1`),
			"Observation.referenceRange.low.comparator", "Observation.referenceRange.low.comparator 0..0 code required:http://hl7.org/fhir/ValueSet/quantity-comparator"},
		{"contentReference", "Questionnaire", "Questionnaire", elements("Questionnaire.item.item.text", `"min":1`), "Questionnaire.item.item.text", "Questionnaire.item.item.text 1..1 string"},
		{"where it was walked into", "Questionnaire", "Questionnaire", elements("Questionnaire.item.item.text", `"min":1`), "Questionnaire.item.item", "Questionnaire.item.item 0..* BackboneElement"},
		{"and one level down", "Questionnaire", "Questionnaire", elements("Questionnaire.item.item.text", `"min":1`), "Questionnaire.item.item.item", "Questionnaire.item.item.item 0..*"},
		{"a slice of a choice", "Observation", "Observation", elements("Observation.value[x]:valueQuantity", `"min":1`), "Observation.value[x]:valueQuantity", "Observation.value[x]:valueQuantity 1..1 Quantity"},
		{"leaves the other types", "Patient", "Patient", elements("Patient.deceased[x]:deceasedBoolean", ""), "Patient.deceased[x]", "Patient.deceased[x] 0..1 boolean dateTime [{type $this}] falseopen"},
		{"the short form of it does not", "Patient", "Patient", elements("Patient.deceasedBoolean", `"min":1`), "Patient.deceased[x]", "Patient.deceased[x] 0..1 boolean [{type $this}] falseclosed"},
		{"unless the types are listed", "Observation", "Observation", elements("Observation.value[x]", `"type":[{"code":"string"},{"code":"Quantity"}]`, "Observation.valueQuantity.code", `"min":1`),
			"Observation.value[x]", "Observation.value[x] 0..1 string Quantity [{type $this}] falseopen"},
		{"and makes the same slice", "Observation", "Observation", elements("Observation.valueQuantity.code", `"min":1,"fixedCode":"kg"`), "Observation.value[x]:valueQuantity.code", `Observation.value[x]:valueQuantity.code 1..1 code ="kg"`},
		{"a choice of one type is walked into", "Observation", "Observation", elements("Observation.value[x]", `"type":[{"code":"Quantity"}]`, "Observation.value[x].unit", `"min":1`), "Observation.value[x].unit", "Observation.value[x].unit 1..1 string"},
		{"all types of a choice have extensions", "Observation", "Observation", elements("Observation.value[x].extension", `"max":"0"`), "Observation.value[x].extension", "Observation.value[x].extension 0..0 Extension"},
		{"a resource within a Bundle", "Bundle", "Bundle", elements("Bundle.entry.resource", `"type":[{"code":"Patient"}]`, "Bundle.entry.resource.name", `"min":1`), "Bundle.entry.resource.name", "Bundle.entry.resource.name 1..* HumanName"},
		{"targets that are not repeated stay", "Patient", "https://a.example/base", elements("Patient.generalPractitioner", `"min":1,"type":[{"code":"Reference"}]`), "Patient.generalPractitioner", "Patient.generalPractitioner 1..3 Reference(Organization,Practitioner)"},
		{"a profile narrows a target", "Patient", "Patient", elements("Patient.managingOrganization", `"type":[{"code":"Reference","targetProfile":["https://a.example/org"]}]`), "Patient.managingOrganization", "Patient.managingOrganization 0..1 Reference(https://a.example/org)"},
		{"patterns are joined", "Patient", "https://a.example/base", elements("Patient.maritalStatus", `"patternCodeableConcept":{"text":"x"}`), "Patient.maritalStatus",
			`Patient.maritalStatus 0..1 CodeableConcept ~{"coding":[{"system":"https://m.example"}],"text":"x"} extensible:http://hl7.org/fhir/ValueSet/marital-status`},
		{"a pattern that says more replaces", "Patient", "https://a.example/base", elements("Patient.maritalStatus", `"patternCodeableConcept":{"coding":[{"system":"https://m.example","code":"M"}]}`), "Patient.maritalStatus",
			`Patient.maritalStatus 0..1 CodeableConcept ~{"coding":[{"system":"https://m.example","code":"M"}]} extensible:http://hl7.org/fhir/ValueSet/marital-status`},
		{"a fixed value that follows the pattern", "Patient", "https://a.example/base", elements("Patient.maritalStatus", `"fixedCodeableConcept":{"coding":[{"system":"https://m.example"}]}`), "Patient.maritalStatus",
			`Patient.maritalStatus 0..1 CodeableConcept ={"coding":[{"system":"https://m.example"}]} extensible:http://hl7.org/fhir/ValueSet/marital-status`},
		{"a stronger binding", "Patient", "Patient", elements("Patient.maritalStatus", `"binding":{"strength":"required","valueSet":"https://a.example/vs"}`), "Patient.maritalStatus",
			"Patient.maritalStatus 0..1 CodeableConcept required:https://a.example/vs"},
		{"beside one that is required", "Patient", "Patient", elements("Patient.gender", `"binding":{"strength":"required","valueSet":"https://a.example/vs"}`), "Patient.gender",
			"Patient.gender 0..1 code required:https://a.example/vs<=http://hl7.org/fhir/ValueSet/administrative-gender"},
		{"the maximum stays", "Patient", "Patient", elements("Patient.language", `"binding":{"strength":"extensible","valueSet":"https://a.example/vs"}`), "Patient.language",
			"Patient.language 0..1 code extensible:https://a.example/vs<=http://hl7.org/fhir/ValueSet/all-languages"},
		{"without an id", "Patient", "Patient", `{"path":"Patient.identifier",` + byValue + `},{"path":"Patient.identifier","sliceName":"nhs"},{"path":"Patient.identifier.system","min":1}`, nhs + ".system", nhs + ".system 1..1 uri"},
	}
	org := profile(t, "org", "Organization", "Organization", "")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := must(t, profile(t, "p", tt.typ, tt.base, tt.elements), base, ext, org)
			if got := at(t, s, tt.id).String(); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// TestFaults lists what a differential may not say.
func TestFaults(t *testing.T) {
	base := profile(t, "base", "Patient", "Patient", elements(
		"Patient", `"constraint":[{"key":"k-1","severity":"error","human":"h","expression":"name.exists()"}]`,
		identifier, `"slicing":{"discriminator":[{"type":"value","path":"system"}],"ordered":true,"rules":"closed"},"min":1,"max":"3","mustSupport":true`,
		nhs, `"min":1,"max":"1"`, nhs+".value", `"maxLength":10`,
		"Patient.birthDate", `"minValueDate":"1900-01-01"`,
		"Patient.active", `"fixedBoolean":true`,
		"Patient.maritalStatus", `"patternCodeableConcept":{"text":"a"},"binding":{"strength":"required","valueSet":"https://a.example/vs"}`,
		"Patient.multipleBirth[x]", `"type":[{"code":"integer"}]`,
		"Patient.generalPractitioner", `"type":[{"code":"Reference","targetProfile":["`+core+`Organization"],"aggregation":["contained"]}]`))
	const onBase = "https://a.example/base"
	tests := []struct{ name, base, elements, where, want string }{
		{"min", onBase, elements(identifier, `"min":0`), identifier, "min 0 is less than the 1 of https://a.example/base|1#Patient.identifier"},
		{"max", onBase, elements(identifier, `"max":"*"`), identifier, "max * is more than the 3"},
		{"max of R4", "Patient", elements("Patient.gender", `"max":"2"`), "Patient.gender", "max 2 is more than the 1 of http://hl7.org/fhir/StructureDefinition/Patient"},
		{"min above max", "Patient", elements("Patient.gender", `"min":2`), "Patient.gender", "min 2 is more than max 1"},
		{"max that is no number", "Patient", elements("Patient.gender", `"max":"one"`), "Patient.gender", "max must be a number"},
		{"min that is no number", "Patient", elements("Patient.gender", `"min":-1`), "Patient.gender", "min must be a number"},
		{"no such element", "Patient", elements("Patient.surname", `"min":1`), "Patient.surname", "Patient has no element of that name"},
		{"no such element of a type", "Patient", elements("Patient.name.surname", ""), "Patient.name.surname", "Patient.name has no element of that name"},
		{"another type's element", "Patient", elements("Person.name", ""), "Person.name", "not one of Patient"},
		{"below a choice", "Patient", elements("Patient.deceased[x].value", ""), "Patient.deceased[x].value", "no element of that name"},
		{"a short form that is none", "Patient", elements("Patient.deceasedString", ""), "Patient.deceasedString", "no element of that name"},
		{"twice", "Patient", elements("Patient.name", "", "Patient.name", ""), "Patient.name", "speaks of this element twice"},
		{"neither id nor path", "Patient", `{"min":1}`, "", "neither id nor path"},
		{"id and path differ", "Patient", `{"id":"Patient.name","path":"Patient.gender"}`, "Patient.name", "mean different elements"},
		{"id and sliceName differ", "Patient", `{"id":"Patient.name:a","path":"Patient.name","sliceName":"b"}`, "Patient.name:a", "mean different slices"},
		{"too deep", "Patient", elements("Patient"+strings.Repeat(".extension", 32), ""), "Patient" + strings.Repeat(".extension", 32), "too deep"},
		{"a type", "Patient", elements("Patient.deceased[x]", `"type":[{"code":"string"}]`), "Patient.deceased[x]", "the type string is not among those of the base: boolean, dateTime"},
		{"a type that was narrowed away", onBase, elements("Patient.multipleBirth[x]", `"type":[{"code":"boolean"}]`), "Patient.multipleBirth[x]", "the type boolean is not among"},
		{"a target", onBase, elements("Patient.generalPractitioner", `"type":[{"code":"Reference","targetProfile":["`+core+`Practitioner"]}]`), "Patient.generalPractitioner", "does not narrow those of the base: Organization"},
		{"an unknown target", "Patient", elements("Patient.generalPractitioner", `"type":[{"code":"Reference","targetProfile":["https://b.example/x"]}]`), "Patient.generalPractitioner", "not known here"},
		{"an unknown extension", "Patient", elements("Patient.extension:x", `"type":[{"code":"Extension","profile":["https://b.example/x"]}]`), "Patient.extension:x", "not known here"},
		{"aggregation", onBase, elements("Patient.generalPractitioner", `"type":[{"code":"Reference","aggregation":["referenced"]}]`), "Patient.generalPractitioner", "cannot be widened"},
		{"a type of what repeats another", "Questionnaire", elements("Questionnaire.item.item", `"type":[{"code":"BackboneElement"}]`), "Questionnaire.item.item", "can have no type"},
		{"another contentReference", "Questionnaire", elements("Questionnaire.item.item", `"contentReference":"#Questionnaire"`), "Questionnaire.item.item", "another contentReference"},
		{"fixed", onBase, elements("Patient.active", `"fixedBoolean":false`), "Patient.active", "the base fixes another value"},
		{"fixed and pattern", "Patient", elements("Patient.active", `"fixedBoolean":false,"patternBoolean":false`), "Patient.active", "not both"},
		{"fixed against a pattern", onBase, elements("Patient.maritalStatus", `"fixedCodeableConcept":{"text":"b"}`), "Patient.maritalStatus", "does not follow the pattern"},
		{"pattern against a pattern", onBase, elements("Patient.maritalStatus", `"patternCodeableConcept":{"text":"b"}`), "Patient.maritalStatus", "contradicts"},
		{"pattern against a fixed value", onBase, elements("Patient.active", `"patternBoolean":false`), "Patient.active", "does not follow the pattern"},
		{"fixed of another type", "Patient", elements("Patient.active", `"fixedString":"true"`), "Patient.active", "fixedString is not of the element's type boolean"},
		{"fixed on a choice", "Patient", elements("Patient.deceased[x]", `"fixedBoolean":true`), "Patient.deceased[x]", "one type"},
		{"binding", onBase, elements("Patient.maritalStatus", `"binding":{"strength":"preferred","valueSet":"https://a.example/vs"}`), "Patient.maritalStatus", "required in the base and cannot become preferred"},
		{"binding of no strength", "Patient", elements("Patient.maritalStatus", `"binding":{"strength":"strong"}`), "Patient.maritalStatus", "the strength of a binding"},
		{"binding to nothing", "Patient", elements("Patient.maritalStatus", `"binding":{"strength":"required","description":"x"}`), "Patient.maritalStatus", "without a value set"},
		{"binding of what has no code", "Patient", elements("Patient.active", `"binding":{"strength":"required","valueSet":"https://a.example/vs"}`), "Patient.active", "not for boolean"},
		{"three value sets", "Patient", elements("Patient.language", `"binding":{"strength":"required","valueSet":"https://a.example/1","extension":[{"url":"`+maxValueSet+`","valueCanonical":"https://a.example/2"}]}`), "Patient.language", "two others"},
		{"mustSupport", onBase, elements(identifier, `"mustSupport":false`), identifier, "cannot be taken back"},
		{"isModifier", "Patient", elements("Patient.gender", `"isModifier":true`), "Patient.gender", "cannot change isModifier"},
		{"isModifier off", "Patient", elements("Patient.active", `"isModifier":false`), "Patient.active", "cannot change isModifier"},
		{"a rule of the same key", onBase, elements("Patient", `"constraint":[{"key":"k-1","severity":"error","human":"h","expression":"true"}]`), "Patient", "the constraint k-1 has another expression than in https://a.example/base"},
		{"a rule made weaker", onBase, elements("Patient", `"constraint":[{"key":"k-1","severity":"warning","human":"h","expression":"name.exists()"}]`), "Patient", "cannot become a warning"},
		{"a rule that cannot be enforced", "Patient", elements("Patient", `"constraint":[{"key":"k-2","severity":"error","human":"h","xpath":"f:x"}]`), "Patient", "no FHIRPath expression"},
		{"a rule without key", "Patient", elements("Patient", `"constraint":[{"severity":"error","human":"h","expression":"true"}]`), "Patient", "must have a key"},
		{"maxLength", onBase, elements(nhs+".value", `"maxLength":11`), nhs + ".value", "maxLength 11 is more than the 10"},
		{"minValue", onBase, elements("Patient.birthDate", `"minValueDate":"1899-01-01"`), "Patient.birthDate", "wider than that of the base"},
		{"a limit of another kind", onBase, elements("Patient.birthDate", `"minValueDate":"1901"`), "Patient.birthDate", "cannot be compared"},
		{"no slicing", "Patient", elements("Patient.name:a", ""), "Patient.name:a", "has no slicing"},
		{"no discriminators", "Patient", elements("Patient.name", `"slicing":{"rules":"open","description":"x"}`), "Patient.name", "without discriminators"},
		{"a discriminator of no type", "Patient", elements("Patient.name", `"slicing":{"discriminator":[{"type":"position","path":"$this"}],"rules":"open"}`), "Patient.name", "a discriminator's type"},
		{"a discriminator that is a program", "Patient", elements("Patient.name", `"slicing":{"discriminator":[{"type":"value","path":"where(use='old').family"}],"rules":"open"}`), "Patient.name", "the path of a discriminator"},
		{"no rules", "Patient", elements("Patient.name", `"slicing":{"discriminator":[{"type":"value","path":"use"}]}`), "Patient.name", "the rules of a slicing"},
		{"slicing opened", onBase, elements(identifier, byValue), identifier, "closed in the base and cannot become open"},
		{"order given up", onBase, elements(identifier, `"slicing":{"discriminator":[{"type":"value","path":"system"}],"ordered":false,"rules":"closed"}`), identifier, "must stay so"},
		{"other discriminators", onBase, elements(identifier, `"slicing":{"discriminator":[{"type":"value","path":"use"}],"ordered":true,"rules":"closed"}`), identifier, "other discriminators"},
		{"a slice of a closed slicing", onBase, elements("Patient.identifier:b", ""), "Patient.identifier:b", "no slice may be added"},
		{"a slice that is not declared", "Patient", elements(identifier, byValue, nhs+".value", `"min":1`), nhs + ".value", "is not declared"},
		{"a reslice of no slice", "Patient", elements(identifier, byValue, nhs+"/a", ""), nhs + "/a", "divides a slice that is not declared"},
		{"a slice said to be inherited", "Patient", elements(identifier, byValue, nhs, `"sliceIsConstraining":true`), nhs, "none of that name"},
		{"slices ask for too much", "Patient", elements("Patient.name", `"max":"1","slicing":{"discriminator":[{"type":"value","path":"use"}],"rules":"open"}`,
			"Patient.name:a", `"min":1`, "Patient.name:b", `"min":1`), "Patient.name", "the slices ask for at least 2, more than the 1"},
		{"a default", "Patient", elements("Patient.active", `"defaultValueBoolean":true`), "Patient.active", "cannot be enforced"},
		{"something new", "Patient", elements("Patient.active", `"mustHaveValue":true`), "Patient.active", "mustHaveValue in an element of a profile cannot be enforced"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			typ := "Patient"
			if tt.base == "Questionnaire" {
				typ = "Questionnaire"
			}
			_, err := try(t, profile(t, "p", typ, tt.base, tt.elements), base)
			var e *fhir.Error
			if !errors.As(err, &e) {
				t.Fatalf("no fault was found (%v)", err)
			}
			if is := e.Issues[0]; is.Expression != safe(tt.where) || !strings.Contains(is.Text, tt.want) || len(e.Issues) != 1 {
				t.Errorf("got %+v\nwant %s: %s", e.Issues, tt.where, tt.want)
			}
		})
	}
}

// TestAllFaults reports every fault of a differential at once.
func TestAllFaults(t *testing.T) {
	_, err := try(t, profile(t, "p", "Patient", "Patient", elements(
		"Patient.gender", `"max":"2"`, "Patient.surname", "", "Patient.surname.x", "", "Patient.active", `"fixedString":"x","isModifier":false`)))
	if n := len(fhir.AsError(err).Issues); n != 4 { // below what is not there nothing more is said
		t.Errorf("%d faults: %v", n, err)
	}
}

// TestConstraintsAddUp keeps what the base asks for.
func TestConstraintsAddUp(t *testing.T) {
	base := profile(t, "base", "Patient", "Patient", elements("Patient", `"constraint":[{"key":"a-1","severity":"warning","human":"h","expression":"true"}]`))
	s := must(t, profile(t, "p", "Patient", "https://a.example/base", elements("Patient",
		`"constraint":[{"key":"a-1","severity":"error","human":"better","expression":"true"},{"key":"b-1","severity":"error","human":"h","expression":"true"}]`)), base)
	var got []string
	for _, c := range s.Elements[0].Constraints {
		got = append(got, fmt.Sprint(c.Key, " ", c.Warning, " ", strings.TrimPrefix(c.Source, core)))
	}
	want := "dom-2 false DomainResource,dom-3 false DomainResource,dom-4 false DomainResource,dom-5 false DomainResource,dom-6 true DomainResource,a-1 false https://a.example/base,b-1 false https://a.example/p"
	if strings.Join(got, ",") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, ","), want)
	}
}

// TestBaseIsNotChanged generates two profiles of one base: what one adds is not
// in the other.
func TestBaseIsNotChanged(t *testing.T) {
	rule := func(key string) string {
		return elements("Patient", `"constraint":[{"key":"`+key+`","severity":"error","human":"h","expression":"true"}]`, "Patient.name.family", `"min":1`,
			"Patient.deceasedBoolean", "", identifier, byValue, nhs, "")
	}
	lib, err := NewLibrary(definitions.R4(), []fhir.Resource{
		profile(t, "base", "Patient", "Patient", elements("Patient.name", "")),
		profile(t, "a", "Patient", "https://a.example/base", rule("a")), profile(t, "b", "Patient", "https://a.example/base", rule("b")),
	})
	if err != nil {
		t.Fatal(err)
	}
	made, err := lib.All()
	if err != nil || len(made) != 3 {
		t.Fatal(len(made), err)
	}
	for _, s := range made {
		n := len(s.Elements[0].Constraints)
		if want := map[string]int{"https://a.example/base": 5}[s.URL]; want == 0 && n != 6 || want != 0 && n != want {
			t.Errorf("%s has %d constraints", s.URL, n)
		}
	}
	if base := lib.Find("https://a.example/base"); at(t, base, "Patient.deceased[x]").Slicing != nil || len(base.Elements) != len(Base(definitions.R4(), "Patient").Elements) {
		t.Error("the base was changed")
	}
}

// TestCycles refuses definitions that build on themselves, and lets profiles
// refer to each other.
func TestCycles(t *testing.T) {
	tests := []struct {
		name string
		list []fhir.Resource
		want string
	}{
		{"itself", []fhir.Resource{profile(t, "a", "Patient", "https://a.example/a", "")}, "builds on itself"},
		{"each other", []fhir.Resource{profile(t, "a", "Patient", "https://a.example/b", ""), profile(t, "b", "Patient", "https://a.example/a", "")}, "builds on itself"},
		{"an unknown base", []fhir.Resource{profile(t, "a", "Patient", "https://a.example/b", "")}, "not known here"},
		{"another type", []fhir.Resource{profile(t, "a", "Patient", "Person", "")}, "the definition is for Patient, its base for Person"},
		{"mutual references", []fhir.Resource{
			profile(t, "a", "Patient", "Patient", elements("Patient.link.other", `"type":[{"code":"Reference","targetProfile":["https://a.example/b"]}]`)),
			profile(t, "b", "RelatedPerson", "RelatedPerson", elements("RelatedPerson.patient", `"type":[{"code":"Reference","targetProfile":["https://a.example/a"]}]`)),
		}, ""},
		{"a reference to itself", []fhir.Resource{
			profile(t, "a", "Task", "Task", elements("Task.partOf", `"type":[{"code":"Reference","targetProfile":["https://a.example/a"]}]`)),
		}, ""},
	}
	for _, tt := range tests {
		lib, err := NewLibrary(definitions.R4(), tt.list)
		if err != nil {
			t.Fatal(err)
		}
		_, err = lib.All()
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
}

// TestChain builds profiles on each other to the limit and beyond.
func TestChain(t *testing.T) {
	var list []fhir.Resource
	for i := range maxChain + 2 {
		base := "Patient"
		if i > 0 {
			base = fmt.Sprintf("https://a.example/p%d", i-1)
		}
		list = append(list, profile(t, fmt.Sprintf("p%d", i), "Patient", base, elements("Patient.name", fmt.Sprintf(`"max":"%d"`, 100-i))))
	}
	lib, err := NewLibrary(definitions.R4(), list)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lib.Make(fmt.Sprintf("https://a.example/p%d", maxChain+1)); err == nil {
		t.Error("a chain without end was followed")
	}
	lib, _ = NewLibrary(definitions.R4(), list[:maxChain])
	s, err := lib.Make(fmt.Sprintf("https://a.example/p%d", maxChain-1))
	if err != nil || at(t, s, "Patient.name").Max != 100-(maxChain-1) {
		t.Errorf("a chain of %d: %v", maxChain, err)
	}
}

// TestBound refuses a snapshot that grows beyond all measure.
func TestBound(t *testing.T) {
	var b strings.Builder
	b.WriteString(element(identifier, byValue))
	for i := range 2500 { // each slice walks into Identifier and below
		fmt.Fprintf(&b, ",%s,%s", element(fmt.Sprintf("%s:s%d", identifier, i), ""), element(fmt.Sprintf("%s:s%d.value", identifier, i), `"min":1`))
	}
	_, err := try(t, profile(t, "p", "Patient", "Patient", b.String()))
	if err == nil || !strings.Contains(err.Error(), "more than 20000 elements") {
		t.Errorf("got %v", err)
	}
}

// TestVersions finds the newest version unless one is named.
func TestVersions(t *testing.T) {
	v := func(version string, elements string) fhir.Resource {
		r, err := fhir.Decode([]byte(strings.Replace(string(profile(t, "v", "Patient", "Patient", elements).JSON()), `"version":"1"`, `"version":"`+version+`"`, 1)))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	lib, err := NewLibrary(definitions.R4(), []fhir.Resource{v("1.9.0", ""), v("1.10.0", ""), v("1.10.0-draft", "")})
	if err != nil {
		t.Fatal(err)
	}
	for canonical, want := range map[string]string{"https://a.example/v": "1.10.0", "https://a.example/v|1.9.0": "1.9.0", "https://a.example/v|1.10.0-draft": "1.10.0-draft", "https://a.example/v|2": ""} {
		got := ""
		if s := lib.Find(canonical); s != nil {
			got = s.Version
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", canonical, got, want)
		}
	}
	if _, err := NewLibrary(definitions.R4(), []fhir.Resource{v("1", ""), v("1", "")}); err == nil {
		t.Error("two definitions of one url and version were taken")
	}
}

// TestSnapshotOnly takes a definition that has no differential, or whose base is
// not known, by its snapshot.
func TestSnapshotOnly(t *testing.T) {
	tests := []struct{ name, elements, id, want string }{
		{"rules", elements("Patient", "", "Patient.name", `"min":1,"max":"*"`, "Patient.gender", `"min":0,"max":"1"`), "Patient.name", "Patient.name 1..* HumanName"},
		{"slices", elements("Patient", "", identifier, byValue, nhs, `"min":1,"max":"1"`, nhs+".system", `"min":1,"max":"1","fixedUri":"x"`), nhs + ".system", nhs + `.system 1..1 uri ="x"`},
		{"weaker than R4", elements("Patient", "", "Patient.gender", `"min":0,"max":"2"`), "", "max 2 is more than the 1"},
		{"unknown to R4", elements("Patient", "", "Patient.surname", `"min":0,"max":"2"`), "", "no element of that name"},
	}
	for _, tt := range tests {
		r := profile(t, "p", "Patient", "https://unknown.example/base", tt.elements)
		r, err := fhir.Decode([]byte(strings.Replace(string(r.JSON()), `"differential"`, `"snapshot"`, 1)))
		if err != nil {
			t.Fatal(err)
		}
		s, err := try(t, r)
		switch {
		case tt.id == "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: got %v, want %s", tt.name, err, tt.want)
		case tt.id != "" && err != nil:
			t.Errorf("%s: %v", tt.name, err)
		case tt.id != "":
			if got := at(t, s, tt.id).String(); got != tt.want {
				t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
			}
		}
	}
}

// TestPublish publishes what has a source, and keeps what its author wrote.
func TestPublish(t *testing.T) {
	if _, err := Base(definitions.R4(), "Patient").Publish(); err == nil {
		t.Error("a type of R4 was published")
	}
	r := profile(t, "p", "Patient", "https://unknown.example/base", elements("Patient", "", "Patient.name", `"min":1,"max":"*"`))
	r, err := fhir.Decode([]byte(strings.Replace(string(r.JSON()), `"differential"`, `"text":{"status":"generated","div":"<div>old</div>"},"snapshot"`, 1)))
	if err != nil {
		t.Fatal(err)
	}
	b, err := must(t, r).PublishWith("<div>new</div>")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := fhir.Decode(b)
	if err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	root := doc.Root()
	if got := root.At("text", "div").Text(); got != "<div>new</div>" || strings.Contains(string(b), "old") {
		t.Errorf("the narrative is %s", got)
	}
	if n := root.At("snapshot", "element").Len(); n != len(Base(definitions.R4(), "Patient").Elements) {
		t.Errorf("%d elements", n)
	}
	for _, key := range []string{"url", "version", "baseDefinition"} {
		if string(root.Get(key).Raw()) != string(r.Root().Get(key).Raw()) {
			t.Errorf("%s was changed", key)
		}
	}
}

// TestUnusable refuses what is no profile of a type of R4.
func TestUnusable(t *testing.T) {
	tests := []string{
		`{"resourceType":"Patient"}`,
		`{"resourceType":"StructureDefinition","type":"Patient","derivation":"constraint","kind":"resource"}`,
		`{"resourceType":"StructureDefinition","url":"x","type":"Foo","derivation":"specialization","kind":"resource"}`,
		`{"resourceType":"StructureDefinition","url":"x","type":"Foo","derivation":"constraint","kind":"logical"}`,
		`{"resourceType":"StructureDefinition","url":"x","type":"Foo","derivation":"constraint","kind":"resource","baseDefinition":"x"}`,
		`{"resourceType":"StructureDefinition","url":"x","type":"Foo","derivation":"constraint","kind":"resource","snapshot":{"element":[{"id":"Foo"}]}}`,
	}
	for _, doc := range tests {
		r, err := fhir.Decode([]byte(doc))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Generate(definitions.R4(), nil, r); err == nil {
			t.Errorf("%s was taken", doc)
		}
	}
}
