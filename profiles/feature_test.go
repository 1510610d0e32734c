package profiles

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"trellis.example/fhir"
)

const observation = `,"status":"final","code":{"text":"x"}`

// TestElementRules covers what an element can say of its values.
func TestElementRules(t *testing.T) {
	el := func(path, rest string) []string {
		return []string{`{"id":"` + path + `","path":"` + path + `",` + rest + `}`}
	}
	tests := []featureTest{
		{"cardinality", "Patient", el("Patient.name", `"min":1,"max":"2"`), nil, []featureCase{
			{`,"name":[{"text":"a"}]`, ""},
			{"", "p#Patient.name@Patient.name"},
			{`,"name":[{"text":"a"},{"text":"b"},{"text":"c"}]`, "p#Patient.name@Patient.name"},
		}},
		{"max 0", "Patient", el("Patient.photo", `"max":"0"`), nil, []featureCase{
			{`,"photo":[{"title":"x"}]`, "p#Patient.photo@Patient.photo"},
		}},
		{"a child counts for each parent", "Patient", el("Patient.name.family", `"min":1`), nil, []featureCase{
			{"", ""},
			{`,"name":[{"family":"a"},{"text":"b"}]`, "p#Patient.name.family@Patient.name[1].family"},
		}},
		{"a primitive that has only an extension is there", "Patient", el("Patient.birthDate", `"min":1`), nil, []featureCase{
			{`,"_birthDate":{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"unknown"}]}`, ""},
		}},
		{"an extension of a primitive", "Patient", []string{
			`{"id":"Patient.birthDate.extension","path":"Patient.birthDate.extension","slicing":{"discriminator":[{"type":"value","path":"url"}],"rules":"open"}}`,
			`{"id":"Patient.birthDate.extension:time","path":"Patient.birthDate.extension","sliceName":"time","min":1,"type":[{"code":"Extension","profile":["http://hl7.org/fhir/StructureDefinition/patient-birthTime"]}]}`}, nil, []featureCase{
			{`,"birthDate":"1980-01-01","_birthDate":{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/patient-birthTime","valueDateTime":"1980-01-01T10:00:00Z"}]}`, ""},
			{`,"birthDate":"1980-01-01"`, "p#Patient.birthDate.extension:time@Patient.birthDate.extension"},
		}},
		{"types of a choice", "Observation", el("Observation.value[x]", `"type":[{"code":"Quantity"},{"code":"string"}]`), nil, []featureCase{
			{observation + `,"valueString":"x"`, ""},
			{observation + `,"valueInteger":1`, "p#Observation.value[x]@Observation.valueInteger"},
		}},
		{"quantities of R4's own profiles", "Observation", el("Observation.value[x]", `"type":[{"code":"Quantity","profile":["http://hl7.org/fhir/StructureDefinition/SimpleQuantity"]}]`), nil, []featureCase{
			{observation + `,"valueQuantity":{"value":1}`, ""},
			{observation + `,"valueQuantity":{"value":1,"comparator":"<"}`, "p#Observation.value[x]@Observation.valueQuantity"},
		}},
		{"fixed, with the precision of decimals", "Observation", el("Observation.value[x]", `"type":[{"code":"Quantity"}],"fixedQuantity":{"value":1.50,"unit":"kg"}`), nil, []featureCase{
			{observation + `,"valueQuantity":{"unit":"kg","value":1.50}`, ""},
			{observation + `,"valueQuantity":{"unit":"kg","value":1.5}`, "p#Observation.value[x]@Observation.valueQuantity"},
			{observation + `,"valueQuantity":{"unit":"kg","value":1.50,"system":"urn:u"}`, "p#Observation.value[x]@Observation.valueQuantity"},
		}},
		{"pattern, decimals by value", "Observation", el("Observation.value[x]", `"type":[{"code":"Quantity"}],"patternQuantity":{"value":1.50}`), nil, []featureCase{
			{observation + `,"valueQuantity":{"unit":"kg","value":1.5}`, ""},
			{observation + `,"valueQuantity":{"value":15e-1}`, ""},
			{observation + `,"valueQuantity":{"value":1.51}`, "p#Observation.value[x]@Observation.valueQuantity"},
		}},
		{"pattern, deep", "Patient", el("Patient.maritalStatus", `"patternCodeableConcept":{"coding":[{"system":"urn:a","code":"1"},{"system":"urn:b"}]}`), nil, []featureCase{
			{`,"maritalStatus":{"coding":[{"system":"urn:b","code":"9"},{"system":"urn:a","code":"1","display":"x"}]}`, "~binding@Patient.maritalStatus"},
			{`,"maritalStatus":{"coding":[{"system":"urn:b","code":"1"},{"system":"urn:a"}]}`, "~binding@Patient.maritalStatus p#Patient.maritalStatus@Patient.maritalStatus"},
		}},
		{"least and most of dates", "Patient", el("Patient.birthDate", `"minValueDate":"1900-01-01","maxValueDate":"2020-06-30"`), nil, []featureCase{
			{`,"birthDate":"1900-01-01"`, ""},
			{`,"birthDate":"2020-06"`, ""},
			{`,"birthDate":"1899-12-31"`, "p#Patient.birthDate@Patient.birthDate"},
			{`,"birthDate":"2020-07"`, "p#Patient.birthDate@Patient.birthDate"},
			{`,"birthDate":"2021"`, "p#Patient.birthDate@Patient.birthDate"},
		}},
		{"a limit counted from now", "Patient", el("Patient.birthDate", `"minValueQuantity":{"value":130,"system":"http://unitsofmeasure.org","code":"a"}`), nil, []featureCase{
			{`,"birthDate":"1980"`, ""},
			{`,"birthDate":"1780"`, "p#Patient.birthDate@Patient.birthDate"},
		}},
		{"least and most of numbers", "Observation", el("Observation.value[x]", `"type":[{"code":"integer"}],"minValueInteger":1,"maxValueInteger":10`), nil, []featureCase{
			{observation + `,"valueInteger":10`, ""},
			{observation + `,"valueInteger":0`, "p#Observation.value[x]@Observation.valueInteger"},
			{observation + `,"valueInteger":11`, "p#Observation.value[x]@Observation.valueInteger"},
		}},
		{"least of a quantity, of the same unit", "Observation", el("Observation.value[x]", `"type":[{"code":"Quantity"}],"minValueQuantity":{"value":10,"system":"http://unitsofmeasure.org","code":"g"}`), nil, []featureCase{
			{observation + `,"valueQuantity":{"value":9.99,"system":"http://unitsofmeasure.org","code":"g"}`, "p#Observation.value[x]@Observation.valueQuantity"},
			{observation + `,"valueQuantity":{"value":9.99,"system":"http://unitsofmeasure.org","code":"kg"}`, ""},
			{observation + `,"valueQuantity":{"value":10.0,"system":"http://unitsofmeasure.org","code":"g"}`, ""},
		}},
		{"length, in characters", "Patient", el("Patient.name.text", `"maxLength":3`), nil, []featureCase{
			{`,"name":[{"text":"äöü"}]`, ""},
			{`,"name":[{"text":"abcd"}]`, "p#Patient.name.text@Patient.name[0].text"},
		}},
		{"a binding that is stricter than R4's", "Patient", el("Patient.maritalStatus", `"binding":{"strength":"required","valueSet":"http://hl7.org/fhir/ValueSet/administrative-gender"}`), nil, []featureCase{
			{`,"maritalStatus":{"coding":[{"system":"http://hl7.org/fhir/administrative-gender","code":"male"}]}`, "~binding@Patient.maritalStatus"},
			{`,"maritalStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-MaritalStatus","code":"M"}]}`, "p#Patient.maritalStatus@Patient.maritalStatus"},
		}},
		{"invariants on an element", "Patient", el("Patient.name", `"constraint":[{"key":"x-1","severity":"error","human":"x","expression":"family.exists() or text.exists()"},{"key":"x-2","severity":"warning","human":"x","expression":"use.exists()"}]`), nil, []featureCase{
			{`,"name":[{"text":"a","use":"old"}]`, ""},
			{`,"name":[{"given":["a"]}]`, "x-1@Patient.name[0] ~x-2@Patient.name[0]"},
		}},
		{"invariants on a choice of types", "Observation", el("Observation.value[x]", `"constraint":[{"key":"x-1","severity":"error","human":"x","expression":"($this is Quantity) implies unit.exists()"}]`), nil, []featureCase{
			{observation + `,"valueString":"x"`, ""},
			{observation + `,"valueQuantity":{"value":1,"unit":"kg"}`, ""},
			{observation + `,"valueQuantity":{"value":1}`, "x-1@Observation.valueQuantity"},
		}},
		{"invariants on any resource", "Bundle", el("Bundle.entry.resource", `"constraint":[{"key":"x-1","severity":"error","human":"x","expression":"($this is Patient) implies gender.exists()"}]`), nil, []featureCase{
			{`,"type":"collection","entry":[{"resource":{"resourceType":"Organization","name":"x"}},{"resource":{"resourceType":"Patient","gender":"male"}}]`, ""},
			{`,"type":"collection","entry":[{"resource":{"resourceType":"Patient","active":true}}]`, "x-1@Bundle.entry[0].resource"},
		}},
		{"a binding of some types of a choice", "Observation", el("Observation.value[x]", `"binding":{"strength":"required","valueSet":"http://hl7.org/fhir/ValueSet/administrative-gender"}`), nil, []featureCase{
			{observation + `,"valueBoolean":true`, ""},
			{observation + `,"valuePeriod":{"start":"2026"}`, ""},
			{observation + `,"valueCodeableConcept":{"coding":[{"system":"http://hl7.org/fhir/administrative-gender","code":"male"}]}`, ""},
			{observation + `,"valueCodeableConcept":{"text":"x"}`, "p#Observation.value[x]@Observation.valueCodeableConcept"},
		}},
		{"what repeats itself", "Questionnaire", el("Questionnaire.item.text", `"min":1`), nil, []featureCase{
			{`,"status":"draft","item":[{"linkId":"1","type":"group","text":"a","item":[{"linkId":"2","type":"string","text":"b"}]}]`, ""},
			{`,"status":"draft","item":[{"linkId":"1","type":"group","text":"a","item":[{"linkId":"2","type":"group","text":"b","item":[{"linkId":"3","type":"string"}]}]}]`, "p#Questionnaire.item.text@Questionnaire.item[0].item[0].item[0].text"},
		}},
		{"what repeats itself by two ways", "QuestionnaireResponse", el("QuestionnaireResponse.item.text", `"min":1`), nil, []featureCase{
			{`,"status":"completed","item":[{"linkId":"1","text":"a","answer":[{"valueString":"x","item":[{"linkId":"2"}]}]}]`, "p#QuestionnaireResponse.item.text@QuestionnaireResponse.item[0].answer[0].item[0].text"},
		}},
		{"a profile of a datatype", "Patient", el("Patient.address", `"type":[{"code":"Address","profile":["http://a.example/address"]}]`),
			[]fhir.Resource{definitionOf(t, "address", "Address", "", `{"id":"Address.postalCode","path":"Address.postalCode","min":1}`)}, []featureCase{
				{`,"address":[{"postalCode":"x"}]`, ""},
				{`,"address":[{"city":"x"}]`, "address#Address.postalCode@Patient.address[0].postalCode"},
			}},
		{"one of two profiles", "Patient", el("Patient.address", `"type":[{"code":"Address","profile":["http://a.example/post","http://a.example/city"]}]`),
			[]fhir.Resource{
				definitionOf(t, "post", "Address", "", `{"id":"Address.postalCode","path":"Address.postalCode","min":1}`),
				definitionOf(t, "city", "Address", "", `{"id":"Address.city","path":"Address.city","min":1}`),
			}, []featureCase{
				{`,"address":[{"postalCode":"x"},{"city":"y"}]`, ""},
				{`,"address":[{"country":"x"}]`, "p#Patient.address@Patient.address[0]"},
			}},
		{"a profile of what an entry holds", "Bundle", el("Bundle.entry.resource", `"type":[{"code":"Patient","profile":["http://a.example/named"]}]`),
			[]fhir.Resource{definitionOf(t, "named", "Patient", "", `{"id":"Patient.name","path":"Patient.name","min":1}`)}, []featureCase{
				{`,"type":"collection","entry":[{"resource":{"resourceType":"Patient","name":[{"text":"x"}]}}]`, ""},
				{`,"type":"collection","entry":[{"resource":{"resourceType":"Patient"}}]`, "named#Patient.name@Bundle.entry[0].resource.name"},
				{`,"type":"collection","entry":[{"resource":{"resourceType":"Organization","name":"x"}}]`, "p#Bundle.entry.resource@Bundle.entry[0].resource"},
			}},
		{"a profile of what is contained", "Patient", el("Patient.contained", `"type":[{"code":"Organization","profile":["http://a.example/org"]}]`),
			[]fhir.Resource{definitionOf(t, "org", "Organization", "", `{"id":"Organization.telecom","path":"Organization.telecom","min":1}`)}, []featureCase{
				{`,"managingOrganization":{"reference":"#o"},"contained":[{"resourceType":"Organization","id":"o","name":"x"}]`, "org#Organization.telecom@Patient.contained[0].telecom"},
			}},
	}
	for _, tt := range tests {
		tt.run(t)
	}
}

// TestTargets covers what a reference may lead to.
func TestTargets(t *testing.T) {
	named := definitionOf(t, "named", "Patient", "", `{"id":"Patient.name","path":"Patient.name","min":1}`)
	old := definitionOf(t, "old", "Patient", "", `{"id":"Patient.birthDate","path":"Patient.birthDate","min":1}`)
	self := definitionOf(t, "self", "Patient", "", `{"id":"Patient.link.other","path":"Patient.link.other","type":[{"code":"Reference","targetProfile":["http://a.example/self"]}]}`,
		`{"id":"Patient.birthDate","path":"Patient.birthDate","min":1}`)
	subject := func(targets, rest string) []string {
		return []string{`{"id":"Observation.subject","path":"Observation.subject","type":[{"code":"Reference","targetProfile":[` + targets + `]` + rest + `}]}`}
	}
	const one, two = `"http://a.example/named"`, `"http://a.example/named","http://a.example/old"`
	contained := func(patient string) string {
		return observation + `,"subject":{"reference":"#s"},"contained":[{"resourceType":"Patient","id":"s"` + patient + `}]`
	}
	tests := []featureTest{
		{"by type alone", "Observation", subject(one, ""), []fhir.Resource{named}, []featureCase{
			{observation + `,"subject":{"reference":"Patient/1"}`, ""},
			{observation + `,"subject":{"reference":"Group/1"}`, "reference-target@Observation.subject"},
			{observation + `,"subject":{"type":"Group","identifier":{"value":"x"}}`, "reference-target@Observation.subject"},
			{observation + `,"subject":{"display":"x"}`, ""},
			{contained(`,"name":[{"text":"x"}]`), ""},
			{contained(""), "named#Patient.name@Observation.contained[0].name"},
		}},
		{"one of two", "Observation", subject(two, ""), []fhir.Resource{named, old}, []featureCase{
			{contained(`,"birthDate":"1980"`), ""},
			{contained(""), "p#Observation.subject@Observation.subject"},
		}},
		{"of R4 or a profile", "Observation", subject(`"http://hl7.org/fhir/StructureDefinition/Patient",`+one, ""), []fhir.Resource{named}, []featureCase{
			{contained(""), ""},
		}},
		{"only contained", "Observation", subject(`"http://hl7.org/fhir/StructureDefinition/Patient"`, `,"aggregation":["contained"]`), nil, []featureCase{
			{contained(""), ""},
			{observation + `,"subject":{"reference":"Patient/1"}`, "p#Observation.subject@Observation.subject"},
		}},
		{"only referenced", "Observation", subject(`"http://hl7.org/fhir/StructureDefinition/Patient"`, `,"aggregation":["referenced"]`), nil, []featureCase{
			{contained(""), "p#Observation.subject@Observation.subject"},
			{observation + `,"subject":{"reference":"Patient/1"}`, ""},
		}},
		{"what refers to itself", "Observation", subject(`"http://a.example/self"`, ""), []fhir.Resource{self}, []featureCase{
			{observation + `,"subject":{"reference":"#s"},"contained":[{"resourceType":"Patient","id":"s","birthDate":"1980","link":[{"other":{"reference":"#s"},"type":"seealso"}]}]`, ""},
			{observation + `,"subject":{"reference":"#s"},"contained":[{"resourceType":"Patient","id":"s","link":[{"other":{"reference":"#s"},"type":"seealso"}]}]`, "self#Patient.birthDate@Observation.contained[0].birthDate"},
		}},
	}
	for _, tt := range tests {
		tt.run(t)
	}
}

// TestTargetsAtHand covers targets in a Bundle and those that a caller finds.
func TestTargetsAtHand(t *testing.T) {
	v, err := NewWith(
		definitionOf(t, "named", "Patient", "", `{"id":"Patient.name","path":"Patient.name","min":1}`),
		definitionOf(t, "p", "Observation", "", `{"id":"Observation.subject","path":"Observation.subject","type":[{"code":"Reference","targetProfile":["http://a.example/named"]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	const claim = `{"resourceType":"Observation","meta":{"profile":["http://a.example/p|1.0.0"]}` + observation
	const uuid = "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"
	bundle := func(patient string) string {
		return `{"resourceType":"Bundle","type":"collection","entry":[{"resource":` + claim + `,"subject":{"reference":"` + uuid + `"}}},{"fullUrl":"` + uuid + `","resource":{"resourceType":"Patient"` + patient + `}}]}`
	}
	asked := 0
	resolve := func(ref string) (fhir.Resource, bool) {
		asked++
		doc := map[string]string{"Patient/named": `{"resourceType":"Patient","name":[{"text":"x"}]}`, "Patient/bare": `{"resourceType":"Patient"}`}[ref]
		r, err := fhir.Decode([]byte(doc))
		return r, err == nil
	}
	tests := []struct {
		doc, want string
		o         Options
	}{
		{bundle(`,"name":[{"text":"x"}]`), "", Options{BaseOnly: true}},
		{bundle(""), "named#Patient.name@Bundle.entry[1].resource.name", Options{BaseOnly: true}},
		{claim + `,"subject":{"reference":"Patient/bare"}}`, "", Options{BaseOnly: true}},
		{claim + `,"subject":{"reference":"Patient/named"}}`, "", Options{BaseOnly: true, Resolve: resolve}},
		{claim + `,"subject":{"reference":"Patient/bare"}}`, "p#Observation.subject@Observation.subject", Options{BaseOnly: true, Resolve: resolve}},
	}
	for _, tt := range tests {
		var got []string
		for _, f := range faults(t, v, tt.doc, tt.o) {
			if !strings.HasPrefix(f, "~") {
				got = append(got, f)
			}
		}
		if g := strings.Join(got, " "); g != tt.want {
			t.Errorf("%s\n got %q\nwant %q", tt.doc, g, tt.want)
		}
	}
	if asked == 0 {
		t.Error("nothing was resolved")
	}
}

// TestVersions covers versions side by side and what claims may do.
func TestVersions(t *testing.T) {
	version := func(r fhir.Resource, v string) fhir.Resource {
		out, err := fhir.Decode([]byte(strings.Replace(string(r.JSON()), `"version":"1.0.0"`, `"version":"`+v+`"`, 1)))
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	first := definitionOf(t, "p", "Patient", "", `{"id":"Patient.name","path":"Patient.name","min":1}`)
	second := version(definitionOf(t, "p", "Patient", "", `{"id":"Patient.gender","path":"Patient.gender","min":1}`), "1.10.0")
	ninth := version(definitionOf(t, "p", "Patient", "", `{"id":"Patient.photo","path":"Patient.photo","min":1}`), "1.9.0")
	derived := definitionOf(t, "d", "Patient", "http://a.example/p|1.0.0", `{"id":"Patient.telecom","path":"Patient.telecom","min":1}`)
	v, err := NewWith(first, second, ninth, derived)
	if err != nil {
		t.Fatal(err)
	}
	doc := func(claims ...string) string {
		return `{"resourceType":"Patient","active":true,"meta":{"profile":["` + strings.Join(claims, `","`) + `"]}}`
	}
	const p, d = "http://a.example/p", "http://a.example/d"
	tests := []struct {
		doc, want string
		o         Options
	}{
		{doc(p), "p#Patient.gender@Patient.gender", Options{}},
		{doc(p + "|1.9.0"), "p#Patient.photo@Patient.photo", Options{}},
		{doc(p+"|1.0.0", p), "p#Patient.name@Patient.name p#Patient.gender@Patient.gender", Options{}},
		{doc(p+"|1.0.0", p+"|1.0.0"), "p#Patient.name@Patient.name", Options{}},
		{doc(p + "|7"), "~unknown-profile@Patient.meta.profile[0]", Options{}},
		{doc(d), "p#Patient.name@Patient.name d#Patient.telecom@Patient.telecom", Options{}},
		{doc(d, p+"|1.0.0"), "p#Patient.name@Patient.name d#Patient.telecom@Patient.telecom", Options{}},
		{`{"resourceType":"Patient","active":true}`, "p#Patient.photo@Patient.photo", Options{Profiles: []string{p + "|1.9.0"}}},
		{`{"resourceType":"Group","type":"person","actual":false}`, "", Options{Profiles: []string{p}}},
	}
	for _, tt := range tests {
		tt.o.BaseOnly = true
		got := faults(t, v, tt.doc, tt.o)
		want := strings.Fields(tt.want)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s\n got %q\nwant %q", tt.doc, got, want)
		}
	}
	if s := v.Structure(p); s == nil || s.Version != "1.10.0" {
		t.Errorf("the newest is %+v", s)
	}
	for _, canonical := range []string{p, p + "|1.0.0", d, Base + "ServiceRequest|1.0.0"} {
		if !v.Knows(canonical) {
			t.Errorf("%s is not known", canonical)
		}
	}
	if v.Knows(p+"|2") || v.Structure(p+"|2") != nil {
		t.Error("a version that there is not")
	}
}

func TestClaimsNeverEscape(t *testing.T) {
	v, err := NewWith(definitionOf(t, "p", "ServiceRequest", ""))
	if err != nil {
		t.Fatal(err)
	}
	const bare = `{"resourceType":"ServiceRequest","status":"active","intent":"order","subject":{"reference":"Group/1"}`
	for _, claim := range []string{"http://a.example/p", Base + "ServiceRequest|1.0.0", "http://hl7.org/fhir/StructureDefinition/ServiceRequest", "http://unknown.example/x"} {
		found := false
		for _, f := range faults(t, v, bare+`,"meta":{"profile":["`+claim+`"]}}`, Options{Profiles: []string{"http://a.example/p"}}) {
			found = found || f == "reference-target@ServiceRequest.subject"
		}
		if !found {
			t.Errorf("claiming %s escapes our profile", claim)
		}
	}
}

// TestExplain shows the path of a document through a profile.
func TestExplain(t *testing.T) {
	v, err := NewWith(definitionOf(t, "p", "Patient", "", byValue, sliceA, sliceAS))
	if err != nil {
		t.Fatal(err)
	}
	r, err := fhir.Decode([]byte(`{"resourceType":"Patient"` + identifiers("urn:b|1", "urn:a|1") + `}`))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	v.Validate(r, Options{BaseOnly: true, Profiles: []string{"http://a.example/p"}, Explain: func(x Explanation) {
		got = append(got, x.Path+" "+x.Profile+" "+x.Slice+" "+strings.Join(x.Checks, ","))
	}})
	want := "Patient.identifier[1] http://a.example/p|1.0.0#Patient.identifier:a a at least 1,at most 1"
	if !slices.ContainsFunc(got, func(s string) bool { return s == want }) {
		t.Errorf("got %q, want %q among them", got, want)
	}
}

// TestFaultSays holds that a fault of a profile says all that an issue can.
func TestFaultSays(t *testing.T) {
	v, err := NewWith(definitionOf(t, "p", "Patient", "", `{"id":"Patient.name","path":"Patient.name","min":1}`))
	if err != nil {
		t.Fatal(err)
	}
	r, err := fhir.Decode([]byte(`{"resourceType":"Patient","active":true}`))
	if err != nil {
		t.Fatal(err)
	}
	got := v.Validate(r, Options{BaseOnly: true, Profiles: []string{"http://a.example/p"}})
	if len(got) != 1 || got[0].Profile != "http://a.example/p|1.0.0#Patient.name" || got[0].Expected != "at least 1 value" ||
		got[0].Found != "nothing" || got[0].Hint == "" || got[0].Rule != "p#Patient.name" || got[0].Code != fhir.Required {
		t.Errorf("got %+v", got)
	}
}

// TestEmptyDifferential holds that a profile that says nothing changes nothing.
func TestEmptyDifferential(t *testing.T) {
	v := newValidator(t)
	var list []fhir.Resource
	var names []string
	for _, typ := range v.nodes.defs.Resources() {
		list = append(list, definitionOf(t, "empty-"+typ, typ, "", `{"id":"`+typ+`","path":"`+typ+`"}`))
		names = append(names, "http://a.example/empty-"+typ)
	}
	with, err := NewWith(list...)
	if err != nil {
		t.Fatal(err)
	}
	forEach(t, func(name string, body []byte) {
		r, err := fhir.DecodeLimit(body, 64<<20)
		if err != nil {
			return
		}
		got := with.Validate(r, Options{BaseOnly: true, Profiles: names})
		if want := v.Validate(r, Options{BaseOnly: true}); !slices.Equal(got, want) {
			t.Errorf("%s: %d issues with empty profiles, %d without", name, len(got), len(want))
		}
	})
}

// TestTrialsReportLater holds that what was only tried is still reported where
// it is asked for in earnest.
func TestTrialsReportLater(t *testing.T) {
	v, err := NewWith(
		definitionOf(t, "org", "Organization", "", `{"id":"Organization.telecom","path":"Organization.telecom","min":1}`),
		definitionOf(t, "q", "Patient", "", `{"id":"Patient.managingOrganization","path":"Patient.managingOrganization","type":[{"code":"Reference","targetProfile":["http://a.example/org"]}]}`),
		definitionOf(t, "r", "Patient", "", `{"id":"Patient.name","path":"Patient.name","min":1}`),
		definitionOf(t, "p", "Observation", "", `{"id":"Observation.subject","path":"Observation.subject","type":[{"code":"Reference","targetProfile":["http://a.example/q","http://a.example/r"]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	const uuid = "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"
	doc := `{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Observation","meta":{"profile":["http://a.example/p"]}` + observation + `,"subject":{"reference":"` + uuid + `"}}},` +
		`{"fullUrl":"` + uuid + `","resource":{"resourceType":"Patient","meta":{"profile":["http://a.example/q"]},"managingOrganization":{"reference":"#o"},"contained":[{"resourceType":"Organization","id":"o","name":"x"}]}}]}`
	got := strings.Join(faults(t, v, doc, Options{BaseOnly: true}), " ")
	if want := "p#Observation.subject@Bundle.entry[0].resource.subject org#Organization.telecom@Bundle.entry[1].resource.contained[0].telecom"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestLongChains holds that a profile which applies from reference to reference
// through a Bundle reaches the last entry, and refuses none for the length.
func TestLongChains(t *testing.T) {
	v, err := NewWith(definitionOf(t, "self", "Patient", "", `{"id":"Patient.name","path":"Patient.name","min":1}`,
		`{"id":"Patient.link.other","path":"Patient.link.other","type":[{"code":"Reference","targetProfile":["http://a.example/self"]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	const length = 500
	id := func(i int) string { return fmt.Sprintf("urn:uuid:c757873d-ec9a-4326-a141-%012d", i) }
	chain := func(nameless int) string {
		entries := make([]string, length)
		for i := range entries {
			rest := ""
			if i == 0 {
				rest += `,"meta":{"profile":["http://a.example/self"]}`
			}
			if i != nameless {
				rest += `,"name":[{"text":"x"}]`
			}
			if i < length-1 {
				rest += `,"link":[{"type":"seealso","other":{"reference":"` + id(i+1) + `"}}]`
			}
			entries[i] = `{"fullUrl":"` + id(i) + `","resource":{"resourceType":"Patient"` + rest + `}}`
		}
		return `{"resourceType":"Bundle","type":"collection","entry":[` + strings.Join(entries, ",") + `]}`
	}
	for _, nameless := range []int{-1, 1, 5, 100, 133, 134, 200, length - 1} {
		want := ""
		if nameless >= 0 {
			want = fmt.Sprintf("self#Patient.name@Bundle.entry[%d].resource.name", nameless)
		}
		if got := strings.Join(faults(t, v, chain(nameless), Options{BaseOnly: true}), " "); got != want {
			t.Errorf("%d: got %q, want %q", nameless, got, want)
		}
	}
}
