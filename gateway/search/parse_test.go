package search

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
)

// TestFaults: each of these is refused, saying what was expected.
func TestFaults(t *testing.T) {
	tests := []struct{ types, query, fault string }{
		{"Patient", "_text=x", "parameter _text: searching the narrative"},
		{"Patient", "_content=x", "parameter _content: searching the whole text"},
		{"Patient", "_list=x", "parameter _list: searching by membership"},
		{"Patient", "_filter=x", "parameter _filter: filter expressions"},
		{"Patient Task", "_query=x", "parameter _query: named queries"},
		{"Patient", "age=40", "parameter age: this search parameter is not supported: R4 does not say"},
		{"Patient", "part-agree=x", "parameter part-agree: this search parameter is not supported: R4's"},
		{"Patient Task", "birthdate=2000", "parameter birthdate: this search parameter is not supported for every type"},
		{"Patient", "name:missing=x", "parameter name:missing: :missing is true or false"},
		{"Patient", "birthdate:exact=2000", "parameter birthdate:exact: this modifier"},
		{"Patient", "name:Patient=x", "parameter name:Patient: this modifier"},
		{"Patient", "identifier:of-type=a|b", "parameter identifier:of-type: an identifier with its type is system|code|value"},
		{"Patient", "identifier:of-type=a||b", "parameter identifier:of-type: an identifier with its type is system|code|value"},
		{"Patient", "gender:of-type=a|b|c", "parameter gender:of-type: this modifier"},
		{"Patient", "gender:in=http://v.example/none", "parameter gender:in: the value set is not one"},
		{"Patient", "gender:in=http://hl7.org/fhir/ValueSet/mimetypes", "parameter gender:in: the value set is not one"},
		{"Patient", "_id:in=x", "parameter _id:in: this modifier"},
		{"Patient", "gender:above=x", "parameter gender:above: this modifier"},
		{"Patient", "gender=a|b|c", "parameter gender: a token is code"},
		{"Patient", "name=", "parameter name: a value is missing"},
		{"Patient", "name=a,,b", "parameter name: a value is missing"},
		{"Patient", "phonetic=123", "parameter phonetic: a value is missing"},
		{"Patient", "phonetic:exact=a", "parameter phonetic:exact: this modifier"},
		{"Patient", "name.family=x", "parameter name.family: name cannot be chained"},
		{"Patient", "organization.shoe=x", "parameter organization.shoe: the chain asks for a parameter"},
		{"Patient", "organization.partof.partof.name=x", "parameter organization.partof.partof.name: a chain has at most 2 steps"},
		{"Patient", "organization:Patient.name=x", "parameter organization:Patient.name: organization can be limited to Organization"},
		{"Patient", "organization.active=a|b|c", "parameter organization.active: a token is"},
		{"Patient", "_has:Observation:code=x", "parameter _has:Observation:code: _has:Type:reference:parameter was expected"},
		{"Patient", "_has:Shoe:patient:code=x", "parameter _has:Shoe:patient:code: _has:Type"},
		{"Patient", "_has:Claim:patient:use=x", "parameter _has:Claim:patient:use: _has:Type"}, // a type that is not held
		{"Patient", "_has:Observation:code:code=x", "parameter _has:Observation:code:code: the reference in _has"},
		{"Patient", "_has:Location:organization:name=x", "parameter _has:Location:organization:name: the reference in _has"},
		{"Patient", "_has:Observation:patient:shoe=x", "parameter _has:Observation:patient:shoe: _has asks for a parameter"},
		{"Patient", "_has:Observation:patient:encounter.episode-of-care.status=x", "parameter _has:Observation:patient:encounter.episode-of-care.status: a chain has"},
		{"Bundle", "message.code=x", "parameter message.code: message cannot be chained"},
		{"Observation", "value-quantity=x", "parameter value-quantity: a number is"},
		{"Observation", "value-quantity=1|b", "parameter value-quantity: a quantity is"},
		{"Observation", "value-quantity=1|b|", "parameter value-quantity: a quantity is"},
		{"Observation", "code-value-quantity=a", "parameter code-value-quantity: 2 values joined by $"},
		{"Observation", "code-value-quantity=a$b$c", "parameter code-value-quantity: 2 values joined by $"},
		{"Observation", "code-value-quantity=a$b", "parameter code-value-quantity: part 2: a number is"},
		{"Observation", "code-value-quantity:missing=true", "parameter code-value-quantity:missing: this modifier"},
		{"RiskAssessment", "probability=0x10", "parameter probability: a number is"},
		{"RiskAssessment", "probability=NaN", "parameter probability: a number is"},
		{"RiskAssessment", "probability=1e999", "parameter probability: a number is"},
		{"Location", "near=51", "parameter near: a place is"},
		{"Location", "near=91|0", "parameter near: a place is"},
		{"Location", "near=51|0|x", "parameter near: a place is"},
		{"Location", "near=51|0|1|parsec", "parameter near: a place is"},
		{"Location", "near=51|0|-1", "parameter near: a place is"},
		{"HealthcareService", "near:missing=true", "parameter near:missing: this modifier"},
		{"HealthcareService", "near=51", "parameter near: a place is"},
		{"ServiceRequest", "subject=a b", "parameter subject: a reference is"},
		{"ServiceRequest", "based-on=CarePlan/1/_history/2,CarePlan/3", "parameter based-on: give a version with all"},
		{"Task", "focus=1", "parameter focus: the reference may point to many"},
		{"Task", "_count=-1", "parameter _count: a whole number"},
		{"Task", "_count=1&_count=2", "parameter _count: this parameter can be given once"},
		{"Task", "_total=all", "parameter _total: supported values"},
		{"Task", "_summary=all", "parameter _summary: supported values"},
		{"Task", "_summary=true&_elements=status", "parameter _summary: ask for _summary or"},
		{"Task", "_elements=shoe", "parameter _elements: names of top-level"},
		{"Task", "_contained=true", "parameter _contained: contained"},
		{"Task", "_containedType=container", "parameter _containedType: contained"},
		{"Task", "_type=Patient", "parameter _type: _type chooses types where several"},
		{"Task", "_type=Task,Patient", "parameter _type: _type chooses types where several"},
		{"", "_type=Shoe", "parameter _type: a resource type that this server holds"},
		{"", "_type=Claim", "parameter _type: a resource type that this server holds"},
		{"", "_type=Task&_type=Flag", "parameter _type: this parameter can be given once"},
		{"Task", "_sort=_score", "parameter _sort: a search parameter that can be sorted by"},
		{"Task", "_sort=status,-status", "parameter _sort: a parameter can be sorted by once"},
		{"Location", "_sort=near", "parameter _sort: a search parameter that can be sorted by"},
		{"Observation", "_sort=code-value-quantity", "parameter _sort: a search parameter that can be sorted by"},
		{"Task Patient", "_sort=identifier,gender", "parameter _sort: a search parameter that can be sorted by"},
		{"Appointment Slot", "_sort=status,-_id,start", "parameter _sort: a search parameter that can be sorted by"},
		{"Task", "_include=Task", "parameter _include: Type:parameter"},
		{"Task", "_include=Patient:organization", "parameter _include: what is included goes out from"},
		{"Task", "_include:recurse=Task:focus", "parameter _include:recurse: the only modifier"},
		{"Task", "_include=Task:patient:Group", "parameter _include: the reference cannot point"},
		{"Task", "_revinclude=*", "parameter _revinclude: Type:parameter"},
		{"Task", "_include=*:nonsense", "parameter _include: of every type all parameters"},
		{"Task", "_revinclude=*:nonsense", "parameter _revinclude: of every type all parameters"},
		{"Task", "_include=*:*:Nonsense", "parameter _include: Type:parameter was expected"},
		{"Task", "_revinclude=Provenance:recorded", "parameter _revinclude: a reference parameter"},
		{"Task", "Bob=x&Ann=y", "parameter Ann: this search parameter"},
	}
	for _, tt := range tests {
		params, err := url.ParseQuery(escapeQuery(tt.query))
		if err != nil {
			t.Fatal(err)
		}
		_, err = registry().Parse(strings.Fields(tt.types), params, false)
		if err == nil {
			t.Errorf("%s?%s passed", tt.types, tt.query)
			continue
		}
		e := fhir.AsError(err)
		if got := e.Issues[0].Source + ": " + e.Issues[0].Text; !strings.HasPrefix(got, tt.fault) || e.HTTPStatus() != 400 {
			t.Errorf("%s?%s: %d %s\nwant 400 %s", tt.types, tt.query, e.HTTPStatus(), got, tt.fault)
		}
	}
}

func TestAllFaultsAtOnce(t *testing.T) {
	_, err := registry().Parse([]string{"Task"}, url.Values{"_count": {"x"}, "status": {""}, "shoe": {"1"}, "modified": {"x"}, "_sort": {"y"}}, false)
	if n := len(fhir.AsError(err).Issues); n != 5 {
		t.Errorf("%d issues, want 5: %v", n, err)
	}
}

func TestShapes(t *testing.T) {
	tests := []struct{ types, query, want string }{
		{"Task", "_sort=-_lastUpdated", "[] 50 0 0 [] []"},
		{"Task", "_sort=status,-authored-on,_id", "[{status 1 false true false} {authored-on 3 true true false} {_id 1 false false false}] 50 0 0 [] []"},
		{"Task", "_sort=period", "[{period 3 false false true}] 50 0 0 [] []"},
		{"Task ServiceRequest", "_sort=status", "[{status 1 false true false}] 50 0 0 [] []"},
		{"Task", "_count=7&_total=none&_elements=status,for", "[] 7 1 0 [status for] []"},
		{"Task", "_count=5000&_summary=data", "[] 1000 0 3 [] []"},
		{"Task", "_count=9&_summary=count", "[] 0 2 4 [] []"},
		{"Task", "_type=Task&_count=3", "[] 3 0 0 [] []"},
		{"Task", "_count=0", "[] 0 2 0 [] []"},
		{"Task", "_include=Task:patient&_include=Task:patient&_include:iterate=Patient:organization", "[] 50 0 0 [] [{Task patient  false false} {Patient organization  false true}]"},
		{"Task", "_include=*&_include=Task:focus:ServiceRequest", "[] 50 0 0 [] [{* *  false false} {Task focus ServiceRequest false false}]"},
		{"Task", "_revinclude=Provenance:target&_revinclude:iterate=Task:*", "[] 50 0 0 [] [{Provenance target  true false} {Task *  true true}]"},
	}
	for _, tt := range tests {
		params, err := url.ParseQuery(escapeQuery(tt.query))
		if err != nil {
			t.Fatal(err)
		}
		q, err := registry().Parse(strings.Fields(tt.types), params, false)
		if err != nil {
			t.Errorf("%s: %v", tt.query, err)
			continue
		}
		if got := fmt.Sprint(q.Sort, q.Count, q.Total, q.Summary, q.Elements, q.Includes); got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.query, got, tt.want)
		}
		if again, err := registry().Parse(strings.Fields(tt.types), q.Applied, true); err != nil || fmt.Sprint(again.Sort, again.Count, again.Includes) != fmt.Sprint(q.Sort, q.Count, q.Includes) {
			t.Errorf("%s: what was applied, %v, reads otherwise: %v", tt.query, q.Applied, err)
		}
	}
}

// TestLenient: what nobody answers is left out with a warning, and does not show
// as applied; what is misused is an error all the same.
func TestManyIncludes(t *testing.T) {
	params := url.Values{}
	for _, r := range definitions.R4().Resources() {
		params.Add("_include", "*:*:"+r)
	}
	if _, err := registry().Parse([]string{"Task"}, params, false); err == nil || !strings.Contains(err.Error(), "at most 64") {
		t.Errorf("%d includes: %v, want a refusal", len(params["_include"]), err)
	}
}

func TestLenient(t *testing.T) {
	q, err := registry().Parse([]string{"Patient", "Task"}, url.Values{"shoe": {"1"}, "_text": {"x"}, "birthdate": {"2000"}, "identifier": {"a"}}, true)
	if err != nil || len(q.Warnings) != 3 || q.Conditions() != 1 || len(q.Applied) != 1 {
		t.Fatalf("got %+v, %v; want three warnings and one condition", q, err)
	}
	for _, w := range q.Warnings {
		if w.IsError() {
			t.Errorf("%s is an error", w.Source)
		}
	}
}

func TestManyConditions(t *testing.T) {
	many := strings.Repeat("a,", 300) + "a"
	for name, params := range map[string]url.Values{
		"values":       {"identifier": {many}},
		"conditions":   {"identifier": slices.Repeat([]string{"a"}, 33)},
		"combinations": {"code-value-quantity": {"a$1,b$2,c$3,d$4,e$5,f$6,g$7,h$8,i$9"}, "component-code-value-quantity": {"a$1,b$2,c$3,d$4,e$5,f$6,g$7,h$8"}},
		"alternatives": {"code-value-quantity": {strings.Repeat("a$1,", 64) + "a$1"}},
		"references":   {"subject": {many}},
	} {
		_, err := registry().Parse([]string{"Observation"}, params, false)
		if err == nil || fhir.AsError(err).Issues[0].Code != fhir.TooCostly {
			t.Errorf("many %s: %v, want too costly", name, err)
		}
	}
}

// refused are the parameters of R4 that are not answered for the types held;
// beside them stand _text, _content, _list, _filter and _query of every type.
var refused = []string{
	"Patient.age: R4 does not say which element it means",
	"Patient.birthOrderBoolean: R4 does not say which element it means",
	"Patient.part-agree: R4's expression selects nothing of this type",
}

// TestEveryParameterIsAnswered: whatever R4 defines for a type that is held is
// answered, or listed here with the reason.
func TestEveryParameterIsAnswered(t *testing.T) {
	r := registry()
	var got []string
	n := 0
	for _, typ := range r.Types() {
		for _, ref := range r.Refused(typ) {
			got = append(got, typ+"."+ref.Name+": "+ref.Why)
		}
		for _, sp := range slices.Concat(r.defs.SearchParams(typ), r.defs.SearchParams("DomainResource"), r.defs.SearchParams("Resource")) {
			n++
			p := r.Param(typ, sp.Code)
			listed := answeredNowhere[sp.Code] != "" || slices.ContainsFunc(r.Refused(typ), func(f Refusal) bool { return f.Name == sp.Code })
			if (p == nil) != listed {
				t.Errorf("%s.%s is neither answered nor refused", typ, sp.Code)
			}
			if p != nil && (p.Doc() == "" || p.URL == "" || p.Type != sp.Type) {
				t.Errorf("%s.%s: %q %q %q", typ, sp.Code, p.Type, p.URL, p.Doc())
			}
		}
	}
	if !slices.Equal(got, refused) {
		t.Errorf("refused are\n%s", strings.Join(got, "\n"))
	}
	t.Logf("%d parameters of %d types", n, len(r.Types()))
}

// TestLeads: what the table of types names leads, and so does what hangs on it.
func TestLeads(t *testing.T) {
	r := registry()
	for _, h := range HeldTypes() {
		for _, name := range h.Params {
			if p := r.Param(h.Type, name); p == nil || !p.Leads() {
				t.Errorf("%s.%s does not lead", h.Type, name)
			}
		}
	}
	for name, want := range map[string]bool{
		"ServiceRequest.specimen": true, "Patient.email": true, "Observation.code-value-quantity": true, "HealthcareService.near": true, "Location.near": true,
		"Patient.deceased": false, "Observation.value-quantity": false, "Observation.component-code-value-quantity": false, "Bundle.message": false,
	} {
		typ, param, _ := strings.Cut(name, ".")
		if r.Param(typ, param).Leads() != want {
			t.Errorf("%s: leads is not %t", name, want)
		}
	}
}

func TestFingerprint(t *testing.T) {
	a, b := registry().Fingerprint(), registry().Fingerprint()
	if a != b || len(a) != 32 || a == NewSandboxRegistry(registry().defs, base).Fingerprint() || a == NewRegistry(registry().defs, "https://other.example/fhir").Fingerprint() {
		t.Error("the fingerprint must be the same for the same registry, and differ for another")
	}
}

func TestSoundex(t *testing.T) {
	for word, want := range map[string]string{
		"Robert": "r163", "Rupert": "r163", "Rubin": "r150", "Ashcraft": "a261", "Tymczak": "t522", "Pfister": "p236", "Honeyman": "h555", "Lee": "l000", "O'Hara": "o600", "Müller": "m460", "42": "",
	} {
		if got := soundex(word); got != want {
			t.Errorf("soundex(%s) = %s, want %s", word, got, want)
		}
	}
}

// TestCountIsApplied: a page size above the largest is cut, and what was applied
// says so.
func TestCountIsApplied(t *testing.T) {
	for asked, want := range map[string]string{"7": "7", "1000": "1000", "1001": "1000", "5000": "1000"} {
		q, err := registry().Parse([]string{"Patient"}, url.Values{"_count": {asked}}, false)
		if err != nil || q.Applied.Get("_count") != want {
			t.Errorf("_count=%s: %v, %v; want %s", asked, q.Applied, err, want)
		}
	}
}
