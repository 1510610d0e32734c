package terminology

import (
	"slices"
	"strings"
	"testing"

	"trellis.example/fhir"
)

func TestExpand(t *testing.T) {
	s := service(t, colours,
		`{"resourceType":"ValueSet","url":"urn:all","version":"3","name":"All","status":"active","compose":{"include":[{"system":"urn:colour"}]}}`,
		`{"resourceType":"ValueSet","url":"urn:few","compose":{"include":[{"system":"urn:colour","concept":[{"code":"blue","display":"Sky"},{"code":"red"}]},{"valueSet":["urn:all"]}],"exclude":[{"system":"urn:colour","concept":[{"code":"old"}]}]}}`)
	for _, tt := range []struct {
		q     ExpandRequest
		want  string
		total int
	}{
		{ExpandRequest{URL: "urn:all", Count: -1}, "red crimson blue purple old", 5}, // the abstract code is left out
		{ExpandRequest{URL: "urn:all|3", Count: -1, ActiveOnly: true}, "red crimson blue purple", 4},
		{ExpandRequest{URL: "urn:all", Count: -1, Filter: "deep CRIM"}, "crimson", 1},
		{ExpandRequest{URL: "urn:all", Count: -1, Filter: "pur"}, "purple", 1},
		{ExpandRequest{URL: "urn:all", Count: -1, Filter: "urple"}, "", 0}, // words by their beginning
		{ExpandRequest{URL: "urn:all", Count: 2, Offset: 1}, "crimson blue", 5},
		{ExpandRequest{URL: "urn:all", Count: 2, Offset: 9}, "", 5},
		{ExpandRequest{URL: "urn:all", Count: 0}, "", 5},
		{ExpandRequest{URL: "urn:few", Count: -1}, "blue red crimson purple", 4},
	} {
		x, err := s.Expand(tt.q)
		if err != nil {
			t.Errorf("%+v: %v", tt.q, err)
			continue
		}
		var got []string
		for _, m := range x.Contains {
			got = append(got, m.Code)
		}
		if strings.Join(got, " ") != tt.want || x.Total != tt.total {
			t.Errorf("%+v: %v of %d", tt.q, got, x.Total)
		}
	}
	x, _ := s.Expand(ExpandRequest{URL: "urn:few", Count: -1})
	if m := x.Contains[0]; m.Display != "Sky" || m.System != "urn:colour" || m.Version != "1.2.0" || len(m.Designations) != 1 {
		t.Errorf("%+v", m)
	}
	if !slices.Equal(x.Systems, []string{"urn:colour|1.2.0"}) {
		t.Errorf("systems %v", x.Systems)
	}
	inline, err := s.Expand(ExpandRequest{ValueSet: decode(t, `{"resourceType":"ValueSet","compose":{"include":[{"valueSet":["urn:few"]}]}}`), Count: -1})
	if err != nil || inline.Total != 4 {
		t.Errorf("inline: %v", err)
	}
}

func TestExpandRefused(t *testing.T) {
	s := service(t)
	for name, tt := range map[string]struct {
		q      ExpandRequest
		status int
		code   fhir.Code
		text   string
	}{
		"not held":         {ExpandRequest{URL: "urn:none"}, 404, fhir.NotFound, "not held"},
		"nothing asked":    {ExpandRequest{}, 400, fhir.Required, "url"},
		"SNOMED CT":        {ExpandRequest{URL: "http://hl7.org/fhir/ValueSet/procedure-code", Count: 5}, 422, fhir.TooCostly, "http://snomed.info/sct"},
		"grammar":          {ExpandRequest{URL: "http://hl7.org/fhir/ValueSet/mimetypes"}, 422, fhir.TooCostly, "grammar"},
		"bad expression":   {ExpandRequest{ValueSet: decode(t, `{"resourceType":"ValueSet","compose":{"include":[{"system":"urn:x","filter":[{"property":"code","op":"regex","value":"("}]}]}}`)}, 422, fhir.BadValue, "RE2"},
		"too many filters": {ExpandRequest{ValueSet: decode(t, `{"resourceType":"ValueSet","compose":{"include":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","filter":[{"property":"child","op":"not-in","value":"x"}`+strings.Repeat(`,{"property":"child","op":"not-in","value":"x"}`, 50_000)+`]}]}}`)}, 403, fhir.TooCostly, "100"},
		"a long filter":    {ExpandRequest{ValueSet: decode(t, `{"resourceType":"ValueSet","compose":{"include":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","filter":[{"property":"display","op":"in","value":"x`+strings.Repeat(",x", 1<<20)+`"}]}]}}`)}, 403, fhir.TooCostly, "bytes"},
		"too many imports": {ExpandRequest{ValueSet: decode(t, `{"resourceType":"ValueSet","compose":{"include":[{"valueSet":["urn:a"`+strings.Repeat(`,"urn:a"`, 200)+`]}]}}`)}, 403, fhir.TooCostly, "200"},
		"too many parts":   {ExpandRequest{ValueSet: decode(t, `{"resourceType":"ValueSet","compose":{"include":[{"system":"a"}`+strings.Repeat(`,{"system":"a"}`, 200)+`]}}`)}, 403, fhir.TooCostly, "200"},
	} {
		_, err := s.Expand(tt.q)
		e := fhir.AsError(err)
		if err == nil || e.HTTPStatus() != tt.status || e.Issues[0].Code != tt.code || !strings.Contains(e.Issues[0].Text, tt.text) {
			t.Errorf("%s: %v (%d)", name, err, e.HTTPStatus())
		}
	}
}

func TestRest(t *testing.T) {
	s := service(t, colours,
		`{"resourceType":"ValueSet","url":"urn:open","compose":{"include":[
		  {"system":"urn:colour","concept":[{"code":"red"}]},
		  {"system":"http://snomed.info/sct","filter":[{"property":"concept","op":"in","value":"1373501000000105"}]},
		  {"valueSet":["urn:closed"]},{"valueSet":["urn:elsewhere"]}],
		  "exclude":[{"system":"http://snomed.info/sct","concept":[{"code":"267076002"}]}]}}`,
		`{"resourceType":"ValueSet","url":"urn:closed","compose":{"include":[{"system":"urn:colour"}]}}`,
		`{"resourceType":"ValueSet","url":"urn:narrow","compose":{"include":[{"system":"http://snomed.info/sct","valueSet":["urn:closed"]}]}}`)
	want := `{"compose":{"include":[{"filter":[{"op":"in","property":"concept","value":"1373501000000105"}],"system":"http://snomed.info/sct"},{"valueSet":["urn:elsewhere"]}]},"resourceType":"ValueSet","status":"active"}`
	if got := string(s.Undecided("urn:open", "http://snomed.info/sct")); got != want {
		t.Errorf("undecided:\n%s", got)
	}
	for _, u := range []string{"urn:closed", "urn:narrow", "urn:unheard"} {
		if b := s.Undecided(u, ""); b != nil {
			t.Errorf("%s: %s", u, b)
		}
	}
	x, err := s.Expand(ExpandRequest{URL: "urn:open", Count: -1, Filter: "soc", Rest: decode(t, `{"resourceType":"ValueSet","expansion":{"contains":[
	  {"system":"http://snomed.info/sct","code":"1","display":"Groups","abstract":true,"contains":[
	   {"system":"http://snomed.info/sct","code":"422650009","display":"Social isolation"},
	   {"system":"http://snomed.info/sct","code":"267076002","display":"Social but excluded"}]}]}}`)})
	if err != nil || x.Total != 1 || x.Contains[0].Code != "422650009" {
		t.Errorf("%+v %v", x, err)
	}
}

func TestLookup(t *testing.T) {
	s := service(t, colours)
	r, err := s.Lookup("urn:colour", "", "red")
	if err != nil || r.Name != "Colours" || r.Version != "1.2.0" || r.Display != "Red" || len(r.Properties) != 1 ||
		!slices.Equal(r.Parents, []string{"any"}) || !slices.Equal(r.Children, []string{"crimson", "purple"}) {
		t.Errorf("%+v %v", r, err)
	}
	if r, err = s.Lookup("http://hl7.org/fhir/request-status", "4.0.1", "active"); err != nil || r.Display != "Active" {
		t.Errorf("%+v %v", r, err)
	}
	for _, q := range [][3]string{{"urn:none", "", "x"}, {"urn:colour", "", "green"}, {fhir.SNOMEDSystem, "", "871731000000106"}} {
		if _, err := s.Lookup(q[0], q[1], q[2]); fhir.AsError(err).HTTPStatus() != 404 {
			t.Errorf("%v: %v", q, err)
		}
	}
	if _, err := s.Lookup("", "", "x"); fhir.AsError(err).HTTPStatus() != 400 {
		t.Error("no system")
	}
}

func TestSubsumes(t *testing.T) {
	s := service(t, colours)
	for _, tt := range []struct {
		a, b string
		want Subsumption
	}{
		{"red", "red", Equivalent}, {"red", "crimson", Subsumes}, {"crimson", "any", SubsumedBy}, {"red", "blue", NotSubsumed}, {"blue", "purple", Subsumes}, {"red", "green", ""},
	} {
		got, err := s.Subsumes("urn:colour", "", tt.a, tt.b)
		if got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%s %s: %s %v", tt.a, tt.b, got, err)
		}
	}
	if _, err := s.Subsumes("urn:none", "", "a", "b"); err == nil {
		t.Error("a system that is not held")
	}
}

func TestValidateCode(t *testing.T) {
	s := service(t, colours,
		`{"resourceType":"ValueSet","url":"urn:warm","compose":{"include":[{"system":"urn:colour","filter":[{"property":"concept","op":"is-a","value":"any"}]},{"system":"urn:tone","concept":[{"code":"blue"}]}]}}`,
		`{"resourceType":"CodeSystem","url":"urn:part","content":"fragment","concept":[{"code":"a","display":"Aye"}]}`)
	c := func(system, code, display string) []Coding {
		return []Coding{{System: system, Code: code, Display: display}}
	}
	for _, tt := range []struct {
		name string
		q    ValidateRequest
		want Answer
		text string
	}{
		{"in", ValidateRequest{URL: "urn:warm", Codings: c("urn:colour", "red", "")}, Yes, ""},
		{"display", ValidateRequest{URL: "urn:warm", Codings: c("urn:colour", "red", " rEd ")}, Yes, ""},
		{"designation", ValidateRequest{Codings: c("urn:colour", "blue", "glas")}, Yes, ""},
		{"wrong display", ValidateRequest{Codings: c("urn:colour", "red", "Blue")}, No, `it is "Red"`},
		{"display of a fragment", ValidateRequest{Codings: c("urn:part", "a", "B")}, Yes, "not among those held"},
		{"out", ValidateRequest{URL: "urn:warm", Codings: c("urn:colour", "old", "")}, No, "exists and is not in the value set"},
		{"no such code", ValidateRequest{URL: "urn:warm", Codings: c("urn:colour", "green", "")}, No, "has no such code"},
		{"no such code in the system", ValidateRequest{Codings: c("urn:colour", "green", "")}, No, "has no such code"},
		{"other system", ValidateRequest{URL: "urn:warm", Codings: c("urn:x", "red", "")}, No, "no codes of that system"},
		{"abstract", ValidateRequest{URL: "urn:warm", Codings: c("urn:colour", "any", "")}, No, "groups others"},
		{"abstract allowed", ValidateRequest{URL: "urn:warm", Codings: c("urn:colour", "any", ""), Abstract: true}, Yes, ""},
		{"one of several", ValidateRequest{URL: "urn:warm", Codings: append(c("urn:x", "red", ""), c("urn:colour", "red", "")...)}, Yes, ""},
		{"inferred", ValidateRequest{URL: "urn:warm", Codings: c("", "red", ""), InferSystem: true}, Yes, ""},
		{"in two systems", ValidateRequest{URL: "urn:warm", Codings: c("", "blue", ""), InferSystem: true}, Yes, "several systems"},
		{"in none", ValidateRequest{URL: "urn:warm", Codings: c("", "green", ""), InferSystem: true}, No, "in no system"},
		{"not held", ValidateRequest{Codings: c("urn:unheard", "a", "")}, Unknown, "unable to check"},
		{"fragment", ValidateRequest{Codings: c("urn:part", "z", "")}, Unknown, "not held here in full"},
		{"SNOMED check digit", ValidateRequest{Codings: c(fhir.SNOMEDSystem, "871731000000107", "")}, No, "check digit"},
		{"SNOMED", ValidateRequest{Codings: c(fhir.SNOMEDSystem, "871731000000106", "")}, Unknown, "unable to check"},
		{"language", ValidateRequest{URL: "http://hl7.org/fhir/ValueSet/all-languages", Codings: c("urn:ietf:bcp:47", "en-GB", "")}, Yes, ""},
	} {
		r, err := s.ValidateCode(tt.q)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		} else if r.Answer != tt.want || !strings.Contains(r.Message, tt.text) || tt.text == "" && r.Message != "" {
			t.Errorf("%s: %v %q", tt.name, r.Answer, r.Message)
		}
	}
	for name, q := range map[string]ValidateRequest{
		"nothing":            {},
		"value set not held": {URL: "urn:none", Codings: c("urn:x", "a", "")},
		"no system":          {URL: "urn:warm", Codings: c("", "red", "")},
	} {
		if _, err := s.ValidateCode(q); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

const swatches = `{"resourceType":"ConceptMap","url":"urn:map","version":"1","sourceUri":"urn:all","group":[
 {"source":"urn:colour","target":"urn:paint","element":[
  {"code":"red","target":[{"code":"p1","equivalence":"wider","comment":"any red"}]},
  {"code":"crimson","target":[{"code":"p1","equivalence":"equivalent"}]},
  {"code":"blue","target":[{"equivalence":"unmatched"}]}],
  "unmapped":{"mode":"fixed","code":"p0","display":"Other"}},
 {"source":"urn:paint","target":"urn:shop","element":[],"unmapped":{"mode":"provided"}},
 {"source":"urn:tone","target":"urn:shop","unmapped":{"mode":"other-map","url":"urn:map2"}}]}`

const swatches2 = `{"resourceType":"ConceptMap","url":"urn:map2","version":"1","group":[
 {"source":"urn:tone","target":"urn:shop","element":[{"code":"t","target":[{"code":"s","equivalence":"equal"}]}],"unmapped":{"mode":"other-map","url":"urn:map2"}}]}`

func TestTranslate(t *testing.T) {
	s := service(t, colours, swatches, swatches2)
	for _, tt := range []struct {
		name   string
		q      TranslateRequest
		result bool
		want   string // equivalence code, of each match
	}{
		{"by url", TranslateRequest{URL: "urn:map", Codings: []Coding{{System: "urn:colour", Code: "red"}}}, true, "wider p1"},
		{"by target system", TranslateRequest{TargetSystem: "urn:paint", Codings: []Coding{{System: "urn:colour", Code: "crimson"}}}, true, "equivalent p1"},
		{"by source set", TranslateRequest{Source: "urn:all", Codings: []Coding{{System: "urn:colour", Code: "crimson"}}}, true, "equivalent p1"},
		{"unmatched", TranslateRequest{URL: "urn:map|1", Codings: []Coding{{System: "urn:colour", Code: "blue"}}}, false, "unmatched "},
		{"fixed", TranslateRequest{URL: "urn:map", Codings: []Coding{{System: "urn:colour", Code: "purple"}}}, true, "inexact p0"},
		{"provided", TranslateRequest{URL: "urn:map", Codings: []Coding{{System: "urn:paint", Code: "p7"}}}, true, "equal p7"},
		{"other map", TranslateRequest{URL: "urn:map", Codings: []Coding{{System: "urn:tone", Code: "t"}}}, true, "equal s"},
		{"other map in a circle", TranslateRequest{URL: "urn:map", Codings: []Coding{{System: "urn:tone", Code: "u"}}}, false, ""},
		{"reverse", TranslateRequest{URL: "urn:map", Reverse: true, Codings: []Coding{{System: "urn:paint", Code: "p1"}}}, true, "narrower red equivalent crimson"},
		{"no code of the map", TranslateRequest{URL: "urn:map", Codings: []Coding{{System: "urn:x", Code: "red"}}}, false, ""},
		{"inline", TranslateRequest{ConceptMap: decode(t, swatches2), Codings: []Coding{{System: "urn:tone", Code: "t"}}}, true, "equal s"},
	} {
		r, err := s.Translate(tt.q)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		var got []string
		for _, m := range r.Matches {
			got = append(got, m.Equivalence+" "+m.Code)
		}
		if strings.Join(got, " ") != tt.want || r.Result != tt.result || r.Result == (r.Message != "") {
			t.Errorf("%s: %t %q %q", tt.name, r.Result, got, r.Message)
		}
	}
	r, _ := s.Translate(TranslateRequest{URL: "urn:map", Reverse: true, Codings: []Coding{{System: "urn:paint", Code: "p1"}}})
	if m := r.Matches[0]; m.System != "urn:colour" || m.Display != "Red" || m.Source != "urn:map|1" || m.Comment != "any red" {
		t.Errorf("%+v", m)
	}
	for name, q := range map[string]TranslateRequest{
		"nothing": {}, "map not held": {URL: "urn:none", Codings: []Coding{{System: "a", Code: "b"}}}, "no map": {Codings: []Coding{{System: "a", Code: "b"}}},
	} {
		if _, err := s.Translate(q); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// FuzzInline checks that no definition a stranger may send with a question makes
// trouble: no panic, only our own errors, and a listed code is in the set.
func FuzzInline(f *testing.F) {
	f.Add([]byte(`{"resourceType":"ValueSet","compose":{"include":[{"system":"urn:colour","filter":[{"property":"concept","op":"is-a","value":"red"}],"valueSet":["urn:x"]}]}}`))
	f.Add([]byte(`{"resourceType":"ValueSet","compose":{"include":[{"system":"urn:colour"}],"exclude":[{"system":"urn:colour","concept":[{"code":"red"}]}]}}`))
	f.Add([]byte(swatches))
	f.Add([]byte(`{"resourceType":"ValueSet","compose":{"include":{"valueSet":"http://hl7.org/fhir/ValueSet/languages"}}}`))
	s := service(f, colours)
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := fhir.Decode(b)
		if err != nil {
			return
		}
		_, err = s.Translate(TranslateRequest{ConceptMap: r, URL: "urn:none", Codings: []Coding{{System: "urn:colour", Code: "red"}}})
		known(t, err)
		_, err = s.ValidateCode(ValidateRequest{ValueSet: r, Codings: []Coding{{System: "urn:colour", Code: "red"}}})
		known(t, err)
		x, err := s.Expand(ExpandRequest{ValueSet: r, Count: 100, Filter: "r"})
		known(t, err)
		if err != nil || r.Type() != "ValueSet" {
			return
		}
		set, _ := s.asked("", r)
		for _, m := range x.Contains {
			if set.Has(m.System, m.Code) != Yes {
				t.Errorf("%s is listed and not in the set", m.Code)
			}
		}
	})
}

func known(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	if e := fhir.AsError(err); e.HTTPStatus() >= 500 {
		t.Errorf("%v", err)
	}
}
