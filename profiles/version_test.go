package profiles

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"trellis.example/fhir"
)

// TestDefinitionsRefused holds that a definition which describes no document, or
// whose rules cannot be enforced, is an error that names it and its element.
func TestDefinitionsRefused(t *testing.T) {
	good := string(definitionOf(t, "p", "Patient", "", `{"id":"Patient.name","path":"Patient.name","min":1}`).JSON())
	ours := string(newValidator(t).shelf.find(Base + "Patient").source.JSON())
	slice := func(rest string) string {
		return strings.Replace(good, `{"id":"Patient.name","path":"Patient.name","min":1}`, rest, 1)
	}
	tests := []struct{ name, doc, says string }{
		{"a logical model", strings.Replace(good, `"kind":"resource"`, `"kind":"logical"`, 1), "logical model"},
		{"an abstract type", strings.Replace(good, `"abstract":false`, `"abstract":true`, 1), "abstract type"},
		{"a constraint on an abstract type", strings.Replace(good, `"type":"Patient"`, `"type":"DomainResource"`, 1), "not abstract"},
		{"a type of its own", strings.Replace(good, `"derivation":"constraint"`, `"derivation":"specialization"`, 1), "constraint"},
		{"a type that R4 does not have", strings.Replace(good, `"type":"Patient"`, `"type":"Nonsense"`, 1), "constraint"},
		{"R4's own", strings.Replace(good, "http://a.example/p", "http://hl7.org/fhir/StructureDefinition/Patient", 1), "may not be replaced"},
		{"one of ours", ours, "defined twice"},
		{"no url", strings.Replace(good, `"url":"http://a.example/p",`, "", 1), "with a url"},
		{"an unknown base", strings.Replace(good, "http://hl7.org/fhir/StructureDefinition/Patient", "http://a.example/base", 1), "base"},
		{"an unknown element", slice(`{"id":"Patient.colour","path":"Patient.colour","min":1}`), "Patient.colour"},
		{"a cardinality that is wider", slice(`{"id":"Patient.active","path":"Patient.active","max":"*"}`), "Patient.active"},
		{"an unknown profile of a type", slice(`{"id":"Patient.address","path":"Patient.address","type":[{"code":"Address","profile":["http://a.example/none"]}]}`), "Patient.address"},
		{"a profile of another type", slice(`{"id":"Patient.address","path":"Patient.address","type":[{"code":"Address","profile":["https://trellis.example/fhir/StructureDefinition/Patient"]}]}`), "Patient.address"},
		{"an unknown target profile", slice(`{"id":"Patient.managingOrganization","path":"Patient.managingOrganization","type":[{"code":"Reference","targetProfile":["http://a.example/none"]}]}`), "Patient.managingOrganization"},
		{"a discriminator outside the subset", slice(`{"id":"Patient.identifier","path":"Patient.identifier","slicing":{"discriminator":[{"type":"value","path":"where(system='x')"}],"rules":"open"}},{"id":"Patient.identifier:a","path":"Patient.identifier","sliceName":"a"}`), "Patient.identifier"},
		{"a slice that nothing tells apart", slice(`{"id":"Patient.identifier","path":"Patient.identifier","slicing":{"discriminator":[{"type":"value","path":"system"}],"rules":"open"}},{"id":"Patient.identifier:a","path":"Patient.identifier","sliceName":"a"}`), "Patient.identifier:a"},
		{"no FHIRPath", slice(`{"id":"Patient.name","path":"Patient.name","constraint":[{"key":"x","severity":"error","human":"x","expression":"("}]}`), "Patient.name"},
		{"a limit of no time", slice(`{"id":"Patient.birthDate","path":"Patient.birthDate","minValueQuantity":{"value":1.5,"code":"a"}}`), "Patient.birthDate"},
	}
	for _, tt := range tests {
		r, err := fhir.Decode([]byte(tt.doc))
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		_, err = NewWith(r)
		if err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if _, ok := errors.AsType[*fhir.Error](err); !ok {
			t.Errorf("%s: the error is %T", tt.name, err)
		}
	}
	if _, err := NewWith(definitionOf(t, "p", "Patient", ""), definitionOf(t, "p", "Patient", "")); err == nil {
		t.Error("two definitions of one url and version")
	}
	cycle := definitionOf(t, "p", "Patient", "http://a.example/q")
	if _, err := NewWith(cycle, definitionOf(t, "q", "Patient", "http://a.example/p")); err == nil {
		t.Error("two profiles that build on each other")
	}
	bundle, err := fhir.Decode([]byte(`{"resourceType":"Patient"}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewWith(bundle); err == nil {
		t.Error("a Patient is no definition")
	}
}

// TestOursStayDefault holds that a user's definition never takes the place of
// our default profile of a type.
func TestOursStayDefault(t *testing.T) {
	newer := strings.Replace(string(definitionOf(t, "p", "Patient", "").JSON()), "http://a.example/p", Base+"Patient", 1)
	r, err := fhir.Decode([]byte(strings.Replace(newer, `"version":"1.0.0"`, `"version":"99.0.0"`, 1)))
	if err != nil {
		t.Fatal(err)
	}
	v, err := NewWith(r)
	if err != nil {
		t.Fatal(err)
	}
	if d := v.byType["Patient"]; d.Version == "99.0.0" {
		t.Error("a user's profile is the default")
	}
	if s := v.Structure(Base + "Patient"); s == nil || s.Version != "99.0.0" {
		t.Error("without a version the newest is meant")
	}
}

// TestManySlices holds that trying slices one within another, each known by what
// is fixed far below it, stays within bounds.
func TestManySlices(t *testing.T) {
	var elements []string
	const depth = 12
	id := "Questionnaire"
	for range depth {
		path := pathOfID(id + ".item")
		elements = append(elements, fmt.Sprintf(`{"id":"%s.item","path":%q,"slicing":{"rules":"closed","discriminator":[{"type":"value","path":"item"}]}}`, id, path),
			fmt.Sprintf(`{"id":"%s.item:a","path":%q,"sliceName":"a","min":1}`, id, path))
		id += ".item:a"
	}
	elements = append(elements, fmt.Sprintf(`{"id":"%s.item","path":"%s.item"}`, id, pathOfID(id)),
		fmt.Sprintf(`{"id":"%s.item.prefix","path":"%s.item.prefix","fixedString":"x"}`, id, pathOfID(id)))
	v, err := NewWith(definitionOf(t, "p", "Questionnaire", "", elements...))
	if err != nil {
		t.Fatal(err)
	}
	doc := `{"resourceType":"Questionnaire","status":"draft"`
	for i := range 20 {
		doc += fmt.Sprintf(`,"item":[{"linkId":"%d","type":"group","text":"x","prefix":"x"`, i)
	}
	r, err := fhir.Decode([]byte(doc + strings.Repeat("}]", 20) + "}"))
	if err != nil {
		t.Fatal(err)
	}
	w := newWalk(v, Options{BaseOnly: true, Profiles: []string{"http://a.example/p"}})
	w.size, w.visits = r.Root().Tree().Size(), freeVisits
	w.resourceAt(r.Root(), false)
	if w.effort > w.mayTry()+1000 {
		t.Errorf("%d checks were applied", w.effort)
	}
	t.Logf("%d checks were applied", w.effort)
	w.release()
}

func pathOfID(id string) string { return strings.ReplaceAll(id, ":a", "") }

// FuzzDefinition checks what must hold for any definition a user can give: it
// compiles or is refused with an error of ours, and a document can be judged by
// it without a panic.
func FuzzDefinition(f *testing.F) {
	for _, s := range []string{
		`{"id":"Patient.name","path":"Patient.name","min":1,"max":"2"}`,
		byValue + "," + sliceA + "," + sliceAS,
		`{"id":"Patient.contact.name","path":"Patient.contact.name","patternHumanName":{"given":["a"]}}`,
		`{"id":"Patient.extension:x","path":"Patient.extension","sliceName":"x","type":[{"code":"Extension","profile":["http://hl7.org/fhir/StructureDefinition/patient-birthPlace"]}]}`,
		`{"id":"Patient.deceased[x]:deceasedBoolean","path":"Patient.deceased[x]","sliceName":"deceasedBoolean","type":[{"code":"boolean"}],"fixedBoolean":true}`,
		`{"id":"Patient.birthDate","path":"Patient.birthDate","minValueDate":"1900","maxLength":4,"constraint":[{"key":"a","severity":"error","human":"b","expression":"$this > '1'"}]}`,
		`{"id":"Patient.generalPractitioner","path":"Patient.generalPractitioner","slicing":{"discriminator":[{"type":"profile","path":"resolve()"}],"rules":"closed"}}`,
	} {
		f.Add([]byte(definitionOf(f, "p", "Patient", "", s).JSON()))
	}
	docs := []string{
		`{"resourceType":"Patient","active":true,"name":[{"given":["a"]},{"text":"b"}],"identifier":[{"system":"urn:a","value":"1"}],"birthDate":"1980","deceasedBoolean":true,` +
			`"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/patient-birthPlace","valueAddress":{"city":"x"}}],"contact":[{"name":{"text":"x"}}],"generalPractitioner":[{"reference":"#p"}],"contained":[{"resourceType":"Practitioner","id":"p"}]}`,
		`{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":1},"component":[{"code":{"text":"x"},"valueString":"y"}]}`,
		`{"resourceType":"Questionnaire","status":"draft","item":[{"linkId":"1","type":"group","item":[{"linkId":"2","type":"string"}]}]}`,
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		r, err := fhir.Decode(bytes.Clone(in))
		if err != nil || r.Type() != "StructureDefinition" {
			return
		}
		v, err := newValidatorOf(&definitionFiles{}, []fhir.Resource{r})
		if err != nil {
			if _, ok := errors.AsType[*fhir.Error](err); !ok {
				t.Fatalf("the error is %T: %v", err, err)
			}
			return
		}
		for _, doc := range docs {
			d, err := fhir.Decode([]byte(doc))
			if err != nil {
				t.Fatal(err)
			}
			v.Validate(d, Options{BaseOnly: true, Profiles: []string{r.Root().Get("url").Text()}})
		}
	})
}

// TestTogether validates for the first time from many places at once.
func TestTogether(t *testing.T) {
	v := newValidator(t)
	r := plan(t)
	want := len(newValidator(t).Validate(r, Options{}))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if got := len(v.Validate(r, Options{})); got != want {
				t.Errorf("%d issues, alone %d", got, want)
			}
		})
	}
	wg.Wait()
}

func TestKnows(t *testing.T) {
	v, err := New()
	if err != nil {
		t.Fatal(err)
	}
	for canonical, want := range map[string]string{
		Base + "referral":                "ServiceRequest",
		Base + "ServiceRequest|1.0.0":    "ServiceRequest",
		Base + "ServiceRequest|7":        "",
		Base + "ext-cost":                "", // no document follows an extension
		"https://nobody.example/profile": "",
		"":                               "",
	} {
		if got := v.TypeOf(canonical); got != want || v.Knows(canonical) != (want != "") {
			t.Errorf("%s: %q, want %q", canonical, got, want)
		}
	}
}
