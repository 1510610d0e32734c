package profiles

import (
	"strings"
	"testing"

	"trellis.example/fhir"
)

// A featureTest is a profile "p" of a user, perhaps with others, and documents
// with the faults that it finds in them.
type featureTest struct {
	name  string
	typ   string
	p     []string // elements of the differential
	more  []fhir.Resource
	cases []featureCase
}

type featureCase struct{ doc, want string }

// run checks every document against the profile alone.
func (f featureTest) run(t *testing.T) {
	t.Helper()
	v, err := NewWith(append(f.more, definitionOf(t, "p", f.typ, "", f.p...))...)
	if err != nil {
		t.Errorf("%s: %v", f.name, err)
		return
	}
	for _, c := range f.cases {
		doc := `{"resourceType":"` + f.typ + `"` + c.doc + `}`
		got := strings.Join(faults(t, v, doc, Options{BaseOnly: true, Profiles: []string{"http://a.example/p"}}), " ")
		if got != c.want {
			t.Errorf("%s: %s\n got %q\nwant %q", f.name, doc, got, c.want)
		}
	}
}

const (
	byValue = `{"id":"Patient.identifier","path":"Patient.identifier","slicing":{"discriminator":[{"type":"value","path":"system"}],"rules":"open"}}`
	sliceA  = `{"id":"Patient.identifier:a","path":"Patient.identifier","sliceName":"a","min":1,"max":"1"}`
	sliceAS = `{"id":"Patient.identifier:a.system","path":"Patient.identifier.system","min":1,"fixedUri":"urn:a"}`
	sliceAV = `{"id":"Patient.identifier:a.value","path":"Patient.identifier.value","min":1}`
)

func withRules(s, rules string) string { return strings.Replace(s, `"rules":"open"`, rules, 1) }

func identifiers(list ...string) string {
	out := make([]string, len(list))
	for i, s := range list {
		system, value, _ := strings.Cut(s, "|")
		out[i] = `{"system":"` + system + `"`
		if value != "" {
			out[i] += `,"value":"` + value + `"`
		}
		out[i] += "}"
	}
	return `,"identifier":[` + strings.Join(out, ",") + "]"
}

func TestSlicing(t *testing.T) {
	sliceB := []string{
		`{"id":"Patient.identifier:b","path":"Patient.identifier","sliceName":"b","max":"2"}`,
		`{"id":"Patient.identifier:b.system","path":"Patient.identifier.system","fixedUri":"urn:b"}`,
	}
	concept := func(disc string) string {
		return `{"id":"Observation.category","path":"Observation.category","slicing":{"discriminator":[` + disc + `],"rules":"closed"}}`
	}
	const obs = `,"status":"final","code":{"text":"x"}`
	tests := []featureTest{
		{"by value, open", "Patient", []string{byValue, sliceA, sliceAS, sliceAV}, nil, []featureCase{
			{identifiers("urn:a|1"), ""},
			{identifiers("urn:b|1", "urn:a|1"), ""},
			{identifiers("urn:b|1"), "p#Patient.identifier:a@Patient.identifier"},
			{"", "p#Patient.identifier:a@Patient.identifier"},
			{identifiers("urn:a|1", "urn:a|2"), "p#Patient.identifier:a@Patient.identifier"},
			{identifiers("urn:a"), "p#Patient.identifier:a.value@Patient.identifier[0].value"},
			{`,"identifier":[{"system":"urn:a","_value":{"extension":[{"url":"http://x","valueCode":"m"}]}}]`, ""},
		}},
		{"max 0 of a slice", "Patient", append([]string{byValue, strings.Replace(strings.Replace(sliceA, `"min":1`, `"min":0`, 1), `"max":"1"`, `"max":"0"`, 1)}, sliceAS), nil, []featureCase{
			{identifiers("urn:b|1"), ""},
			{identifiers("urn:a|1"), "p#Patient.identifier:a@Patient.identifier"},
		}},
		{"closed", "Patient", append([]string{withRules(byValue, `"rules":"closed"`), sliceA, sliceAS}, sliceB...), nil, []featureCase{
			{identifiers("urn:a|1", "urn:b|2"), ""},
			{identifiers("urn:a|1", "urn:c|2"), "p#Patient.identifier@Patient.identifier[1]"},
		}},
		{"ordered", "Patient", append([]string{withRules(byValue, `"ordered":true,"rules":"open"`), sliceA, sliceAS}, sliceB...), nil, []featureCase{
			{identifiers("urn:a|1", "urn:b|2", "urn:c|2"), ""},
			{identifiers("urn:c|2", "urn:a|1", "urn:c|3", "urn:b|2"), ""},
			{identifiers("urn:b|1", "urn:a|2"), "p#Patient.identifier@Patient.identifier[1]"},
		}},
		{"open at the end", "Patient", append([]string{withRules(byValue, `"rules":"openAtEnd"`), sliceA, sliceAS}, sliceB...), nil, []featureCase{
			{identifiers("urn:b|1", "urn:a|2", "urn:c|2"), ""},
			{identifiers("urn:a|1", "urn:c|2", "urn:b|3"), "p#Patient.identifier@Patient.identifier[2]"},
		}},
		{"default", "Patient", []string{withRules(byValue, `"rules":"closed"`), sliceA, sliceAS,
			`{"id":"Patient.identifier:@default","path":"Patient.identifier","sliceName":"@default","max":"1"}`,
			`{"id":"Patient.identifier:@default.use","path":"Patient.identifier.use","min":1}`}, nil, []featureCase{
			{identifiers("urn:a|1"), ""},
			{`,"identifier":[{"system":"urn:a"},{"system":"urn:z","use":"old"}]`, ""},
			{`,"identifier":[{"system":"urn:a"},{"system":"urn:z"}]`, "p#Patient.identifier:@default.use@Patient.identifier[1].use"},
			{`,"identifier":[{"system":"urn:a"},{"system":"urn:z","use":"old"},{"system":"urn:y","use":"old"}]`, "p#Patient.identifier:@default@Patient.identifier"},
		}},
		{"resliced", "Patient", []string{byValue,
			`{"id":"Patient.identifier:a","path":"Patient.identifier","sliceName":"a","min":1,"slicing":{"discriminator":[{"type":"value","path":"use"}],"rules":"closed"}}`, sliceAS,
			`{"id":"Patient.identifier:a/old","path":"Patient.identifier","sliceName":"a/old","max":"1"}`,
			`{"id":"Patient.identifier:a/old.use","path":"Patient.identifier.use","min":1,"fixedCode":"old"}`,
			`{"id":"Patient.identifier:a/usual","path":"Patient.identifier","sliceName":"a/usual","min":1,"max":"1"}`,
			`{"id":"Patient.identifier:a/usual.use","path":"Patient.identifier.use","min":1,"fixedCode":"usual"}`}, nil, []featureCase{
			{`,"identifier":[{"system":"urn:a","use":"usual"},{"system":"urn:a","use":"old"},{"system":"urn:b","use":"temp"}]`, ""},
			{`,"identifier":[{"system":"urn:a","use":"old"}]`, "p#Patient.identifier:a/usual@Patient.identifier"},
			{`,"identifier":[{"system":"urn:a","use":"usual"},{"system":"urn:a","use":"temp"}]`, "p#Patient.identifier:a@Patient.identifier[1]"},
		}},
		{"by pattern on $this", "Observation", []string{concept(`{"type":"pattern","path":"$this"}`),
			`{"id":"Observation.category:k","path":"Observation.category","sliceName":"k","min":1,"max":"1","patternCodeableConcept":{"coding":[{"system":"urn:k","code":"k"}]}}`}, nil, []featureCase{
			{obs + `,"category":[{"coding":[{"system":"urn:x","code":"x"},{"system":"urn:k","code":"k","display":"y"}]}]`, ""},
			{obs + `,"category":[{"coding":[{"system":"urn:k","code":"x"}]}]`, "p#Observation.category@Observation.category[0] p#Observation.category:k@Observation.category"},
		}},
		{"by a path into a pattern, two discriminators", "Observation", []string{concept(`{"type":"value","path":"coding.system"},{"type":"value","path":"coding.code"}`),
			`{"id":"Observation.category:k","path":"Observation.category","sliceName":"k","min":1,"patternCodeableConcept":{"coding":[{"system":"urn:k","code":"k"}]}}`}, nil, []featureCase{
			{obs + `,"category":[{"coding":[{"system":"urn:k","code":"k"}]}]`, ""},
			{obs + `,"category":[{"coding":[{"system":"urn:k","code":"z"}]}]`, "p#Observation.category@Observation.category[0] p#Observation.category:k@Observation.category"},
		}},
		{"by existence", "Patient", []string{
			`{"id":"Patient.contact","path":"Patient.contact","slicing":{"discriminator":[{"type":"exists","path":"organization"}],"rules":"closed"}}`,
			`{"id":"Patient.contact:org","path":"Patient.contact","sliceName":"org","max":"1"}`,
			`{"id":"Patient.contact:org.organization","path":"Patient.contact.organization","min":1}`,
			`{"id":"Patient.contact:person","path":"Patient.contact","sliceName":"person"}`,
			`{"id":"Patient.contact:person.name","path":"Patient.contact.name","min":1}`,
			`{"id":"Patient.contact:person.organization","path":"Patient.contact.organization","max":"0"}`}, nil, []featureCase{
			{`,"contact":[{"organization":{"display":"x"}},{"name":{"text":"y"}}]`, ""},
			{`,"contact":[{"telecom":[{"system":"phone","value":"1"}]}]`, "p#Patient.contact:person.name@Patient.contact[0].name"},
			{`,"contact":[{"organization":{"display":"x"}},{"organization":{"display":"x"}}]`, "p#Patient.contact:org@Patient.contact"},
		}},
		{"by type of a choice", "Observation", []string{
			`{"id":"Observation.value[x]","path":"Observation.value[x]","slicing":{"discriminator":[{"type":"type","path":"$this"}],"rules":"closed"}}`,
			`{"id":"Observation.value[x]:valueQuantity","path":"Observation.value[x]","sliceName":"valueQuantity","type":[{"code":"Quantity"}]}`,
			`{"id":"Observation.value[x]:valueQuantity.code","path":"Observation.value[x].code","min":1,"fixedCode":"kg"}`}, nil, []featureCase{
			{obs + `,"valueQuantity":{"value":1,"system":"http://unitsofmeasure.org","code":"kg"}`, ""},
			{obs + `,"valueQuantity":{"value":1,"system":"http://unitsofmeasure.org","code":"g"}`, "p#Observation.value[x]:valueQuantity.code@Observation.valueQuantity.code"},
			{obs + `,"valueQuantity":{"value":1}`, "p#Observation.value[x]:valueQuantity.code@Observation.valueQuantity.code"},
			{obs + `,"valueString":"x"`, "p#Observation.value[x]@Observation.valueString"},
		}},
		{"the short form of a choice", "Observation", []string{
			`{"id":"Observation.valueQuantity","path":"Observation.valueQuantity","type":[{"code":"Quantity"}]}`,
			`{"id":"Observation.valueQuantity.code","path":"Observation.valueQuantity.code","min":1}`}, nil, []featureCase{
			{obs, ""},
			{obs + `,"valueString":"x"`, "p#Observation.value[x]@Observation.valueString"}, // R4: the short form leaves one type
			{obs + `,"valueQuantity":{"value":1}`, "p#Observation.value[x]:valueQuantity.code@Observation.valueQuantity.code"},
		}},
		{"on extensions by url", "Patient", []string{
			`{"id":"Patient.extension","path":"Patient.extension","slicing":{"discriminator":[{"type":"value","path":"url"}],"rules":"open"}}`,
			`{"id":"Patient.extension:place","path":"Patient.extension","sliceName":"place","min":1,"type":[{"code":"Extension","profile":["http://hl7.org/fhir/StructureDefinition/patient-birthPlace"]}]}`}, nil, []featureCase{
			{`,"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/patient-birthPlace","valueAddress":{"city":"x"}}]`, ""},
			{`,"extension":[{"url":"http://x","valueString":"x"}]`, "p#Patient.extension:place@Patient.extension"},
		}},
		{"on a part of an extension", "Patient", []string{
			`{"id":"Patient.contact","path":"Patient.contact","slicing":{"discriminator":[{"type":"value","path":"extension('http://hl7.org/fhir/StructureDefinition/data-absent-reason').value"}],"rules":"open"}}`,
			`{"id":"Patient.contact:u","path":"Patient.contact","sliceName":"u","max":"1"}`,
			`{"id":"Patient.contact:u.extension","path":"Patient.contact.extension","slicing":{"discriminator":[{"type":"value","path":"url"}],"rules":"open"}}`,
			`{"id":"Patient.contact:u.extension:r","path":"Patient.contact.extension","sliceName":"r","min":1,"type":[{"code":"Extension","profile":["http://hl7.org/fhir/StructureDefinition/data-absent-reason"]}]}`,
			`{"id":"Patient.contact:u.extension:r.value[x]","path":"Patient.contact.extension.value[x]","type":[{"code":"code"}],"fixedCode":"unknown"}`}, nil, []featureCase{
			{`,"contact":[{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"unknown"}],"name":{"text":"x"}},{"name":{"text":"x"}},{"name":{"text":"y"}}]`, ""},
			{`,"contact":[{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"unknown"}],"name":{"text":"x"}},{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"unknown"}],"name":{"text":"x"}}]`, "p#Patient.contact:u@Patient.contact"},
		}},
		{"by ofType", "Observation", []string{
			`{"id":"Observation.component","path":"Observation.component","slicing":{"discriminator":[{"type":"value","path":"value.ofType(CodeableConcept)"}],"rules":"open"}}`,
			`{"id":"Observation.component:c","path":"Observation.component","sliceName":"c","min":1}`,
			`{"id":"Observation.component:c.value[x]","path":"Observation.component.value[x]","min":1,"type":[{"code":"CodeableConcept"}],"patternCodeableConcept":{"text":"c"}}`}, nil, []featureCase{
			{obs + `,"component":[{"code":{"text":"1"},"valueString":"c"},{"code":{"text":"2"},"valueCodeableConcept":{"text":"c"}}]`, ""},
			{obs + `,"component":[{"code":{"text":"1"},"valueString":"c"}]`, "p#Observation.component:c@Observation.component"},
		}},
		{"by the type of what is referred to", "ServiceRequest", []string{
			`{"id":"ServiceRequest.performer","path":"ServiceRequest.performer","slicing":{"discriminator":[{"type":"type","path":"resolve()"}],"rules":"closed"}}`,
			`{"id":"ServiceRequest.performer:org","path":"ServiceRequest.performer","sliceName":"org","max":"1","type":[{"code":"Reference","targetProfile":["http://hl7.org/fhir/StructureDefinition/Organization"]}]}`}, nil, []featureCase{
			{`,"status":"draft","intent":"order","subject":{"display":"x"},"performer":[{"reference":"Organization/1"}]`, ""},
			{`,"status":"draft","intent":"order","subject":{"display":"x"},"performer":[{"type":"Organization","identifier":{"value":"1"}}]`, ""},
			{`,"status":"draft","intent":"order","subject":{"display":"x"},"performer":[{"reference":"Practitioner/1"}]`, "p#ServiceRequest.performer@ServiceRequest.performer[0]"},
			{`,"status":"draft","intent":"order","subject":{"display":"x"},"performer":[{"reference":"#o"}],"contained":[{"resourceType":"Organization","id":"o","name":"x"}]`, ""},
		}},
		{"by profile", "Bundle", []string{
			`{"id":"Bundle.entry","path":"Bundle.entry","slicing":{"discriminator":[{"type":"profile","path":"resource"}],"rules":"open"}}`,
			`{"id":"Bundle.entry:named","path":"Bundle.entry","sliceName":"named","min":1}`,
			`{"id":"Bundle.entry:named.resource","path":"Bundle.entry.resource","min":1,"type":[{"code":"Patient","profile":["http://a.example/named"]}]}`},
			[]fhir.Resource{definitionOf(t, "named", "Patient", "", `{"id":"Patient.name","path":"Patient.name","min":1}`)}, []featureCase{
				{`,"type":"collection","entry":[{"resource":{"resourceType":"Patient"}},{"resource":{"resourceType":"Patient","name":[{"text":"x"}]}}]`, ""},
				{`,"type":"collection","entry":[{"resource":{"resourceType":"Patient"}}]`, "p#Bundle.entry:named@Bundle.entry"},
			}},
		{"slices within slices", "Patient", []string{
			`{"id":"Patient.contact","path":"Patient.contact","slicing":{"discriminator":[{"type":"value","path":"gender"}],"rules":"open"}}`,
			`{"id":"Patient.contact:w","path":"Patient.contact","sliceName":"w"}`,
			`{"id":"Patient.contact:w.gender","path":"Patient.contact.gender","min":1,"fixedCode":"female"}`,
			`{"id":"Patient.contact:w.telecom","path":"Patient.contact.telecom","slicing":{"discriminator":[{"type":"value","path":"system"}],"rules":"open"}}`,
			`{"id":"Patient.contact:w.telecom:phone","path":"Patient.contact.telecom","sliceName":"phone","min":1}`,
			`{"id":"Patient.contact:w.telecom:phone.system","path":"Patient.contact.telecom.system","min":1,"fixedCode":"phone"}`}, nil, []featureCase{
			{`,"contact":[{"gender":"female","telecom":[{"system":"phone","value":"1"}]},{"gender":"male","name":{"text":"x"}}]`, ""},
			{`,"contact":[{"gender":"female","telecom":[{"system":"email","value":"1"}]}]`, "p#Patient.contact:w.telecom:phone@Patient.contact[0].telecom"},
		}},
		{"invariants on slices", "Patient", []string{byValue, strings.Replace(sliceA, `"min":1`, `"min":0,"constraint":[{"key":"x-1","severity":"error","human":"three characters","expression":"value.length() = 3"}]`, 1), sliceAS}, nil, []featureCase{
			{identifiers("urn:a|123", "urn:b|1"), ""},
			{identifiers("urn:a|12"), "x-1@Patient.identifier[0]"},
		}},
		{"by a required value set", "Patient", []string{
			`{"id":"Patient.contact","path":"Patient.contact","slicing":{"discriminator":[{"type":"value","path":"gender"}],"rules":"closed"}}`,
			`{"id":"Patient.contact:any","path":"Patient.contact","sliceName":"any"}`,
			`{"id":"Patient.contact:any.gender","path":"Patient.contact.gender","min":1}`}, nil, []featureCase{
			{`,"contact":[{"gender":"female","name":{"text":"x"}}]`, ""},
			{`,"contact":[{"name":{"text":"x"}}]`, "p#Patient.contact@Patient.contact[0]"},
		}},
		{"by what slices below it fix", "Observation", []string{
			`{"id":"Observation.category","path":"Observation.category","slicing":{"discriminator":[{"type":"value","path":"coding"}],"rules":"open"}}`,
			`{"id":"Observation.category:k","path":"Observation.category","sliceName":"k","min":1}`,
			`{"id":"Observation.category:k.coding","path":"Observation.category.coding","slicing":{"discriminator":[{"type":"value","path":"system"}],"rules":"open"}}`,
			`{"id":"Observation.category:k.coding:one","path":"Observation.category.coding","sliceName":"one","min":1}`,
			`{"id":"Observation.category:k.coding:one.system","path":"Observation.category.coding.system","min":1,"fixedUri":"urn:k"}`}, nil, []featureCase{
			{obs + `,"category":[{"coding":[{"system":"urn:x","code":"x"}]},{"coding":[{"system":"urn:y","code":"x"},{"system":"urn:k","code":"x"}]}]`, ""},
			{obs + `,"category":[{"coding":[{"system":"urn:x","code":"x"}]}]`, "p#Observation.category:k@Observation.category"},
		}},
		{"deep in a datatype", "Patient", []string{byValue, strings.Replace(sliceA, `"min":1`, `"min":0`, 1), sliceAS,
			`{"id":"Patient.identifier:a.type","path":"Patient.identifier.type","min":1}`,
			`{"id":"Patient.identifier:a.type.coding","path":"Patient.identifier.type.coding","min":1}`,
			`{"id":"Patient.identifier:a.type.coding.system","path":"Patient.identifier.type.coding.system","min":1,"fixedUri":"http://terminology.hl7.org/CodeSystem/v2-0203"}`}, nil, []featureCase{
			{`,"identifier":[{"system":"urn:a","type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v2-0203","code":"MR"}]}}]`, ""},
			{`,"identifier":[{"system":"urn:a","type":{"coding":[{"system":"urn:u","code":"x"}]}}]`, "~binding@Patient.identifier[0].type p#Patient.identifier:a.type.coding.system@Patient.identifier[0].type.coding[0].system"},
			{`,"identifier":[{"system":"urn:a","type":{"text":"x"}}]`, "p#Patient.identifier:a.type.coding@Patient.identifier[0].type.coding"},
		}},
	}
	for _, tt := range tests {
		tt.run(t)
	}
}

// TestNearly holds that a value of no slice is told which it nearly is in.
func TestNearly(t *testing.T) {
	v, err := NewWith(definitionOf(t, "p", "Observation", "",
		`{"id":"Observation.category","path":"Observation.category","slicing":{"discriminator":[{"type":"pattern","path":"$this"}],"rules":"closed"}}`,
		`{"id":"Observation.category:a","path":"Observation.category","sliceName":"a","patternCodeableConcept":{"coding":[{"system":"urn:a","code":"1"}]}}`,
		`{"id":"Observation.category:b","path":"Observation.category","sliceName":"b","patternCodeableConcept":{"coding":[{"system":"urn:b","code":"2"}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	for category, want := range map[string]string{
		`{"coding":[{"system":"urn:b","code":"9"}]}`: "slice b",
		`{"coding":[{"system":"urn:c","code":"9"}]}`: "",
	} {
		r, err := fhir.Decode([]byte(`{"resourceType":"Observation","status":"final","code":{"text":"x"},"category":[` + category + `]}`))
		if err != nil {
			t.Fatal(err)
		}
		issues := v.Validate(r, Options{BaseOnly: true, Profiles: []string{"http://a.example/p"}})
		if len(issues) != 1 || want != "" && !strings.Contains(issues[0].Hint, want) || want == "" && strings.Contains(issues[0].Hint, "nearest") {
			t.Errorf("%s: %+v", category, issues)
		}
	}
}
