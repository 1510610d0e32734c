package terminology

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
)

// colours is a code system with a hierarchy, properties and an abstract code.
const colours = `{"resourceType":"CodeSystem","url":"urn:colour","version":"1.2.0","title":"Colours","content":"complete","caseSensitive":true,
 "property":[{"code":"warm","type":"boolean"}],
 "concept":[
  {"code":"any","display":"Any colour","property":[{"code":"notSelectable","valueBoolean":true}],"concept":[
   {"code":"red","display":"Red","property":[{"code":"warm","valueBoolean":true}],"concept":[{"code":"crimson","display":"Deep crimson","property":[{"code":"warm","valueBoolean":true}]}]},
   {"code":"blue","display":"Blue","designation":[{"language":"cy","value":"Glas"}]}]},
  {"code":"purple","display":"Purple","property":[{"code":"parent","valueCode":"red"},{"code":"parent","valueCode":"blue"}]},
  {"code":"old","display":"Old name","property":[{"code":"inactive","valueBoolean":true}]}]}`

func service(tb testing.TB, docs ...string) *Service {
	tb.Helper()
	var list []fhir.Resource
	for _, d := range docs {
		list = append(list, decode(tb, d))
	}
	s, err := New(definitions.R4(), list)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func decode(tb testing.TB, doc string) fhir.Resource {
	tb.Helper()
	r, err := fhir.Decode([]byte(doc))
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

func set(tb testing.TB, compose string) *Set {
	tb.Helper()
	s := service(tb, colours,
		`{"resourceType":"ValueSet","url":"urn:warm","compose":{"include":[{"system":"urn:colour","filter":[{"property":"warm","op":"=","value":"true"}]}]}}`,
		`{"resourceType":"ValueSet","url":"urn:test","version":"1","compose":`+compose+`}`)
	out, err := s.valueSet("urn:test")
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

func TestHas(t *testing.T) {
	const c = `"system":"urn:colour"`
	filter := func(p, op, v string) string {
		return `{"include":[{` + c + `,"filter":[{"property":"` + p + `","op":"` + op + `","value":"` + v + `"}]}]}`
	}
	for _, tt := range []struct{ name, compose, yes, no, unknown string }{
		{"whole system", `{"include":[{` + c + `}]}`, "red crimson blue purple old", "any green", ""},
		{"listed", `{"include":[{` + c + `,"concept":[{"code":"red"},{"code":"any"}]}]}`, "red any", "blue", ""},
		{"is-a", filter("concept", "is-a", "red"), "red crimson purple", "blue any", ""},
		{"descendent-of", filter("concept", "descendent-of", "red"), "crimson purple", "red blue", ""},
		{"is-not-a", filter("concept", "is-not-a", "red"), "blue old", "red crimson purple any", ""},
		{"generalizes", filter("code", "generalizes", "purple"), "red blue purple", "any crimson", ""},
		{"in", filter("concept", "in", "red, blue"), "red blue", "crimson", ""},
		{"not-in", filter("code", "not-in", "red,blue"), "crimson old", "red blue", ""},
		{"regex on code", filter("code", "regex", "r.*|b.*"), "red blue", "crimson", ""},
		{"regex is whole", filter("code", "regex", "re"), "", "red", ""},
		{"regex on display", filter("display", "regex", "Deep.*"), "crimson", "red", ""},
		{"equals", filter("warm", "=", "true"), "red crimson", "blue", ""},
		{"exists", filter("warm", "exists", "true"), "red crimson", "blue", ""},
		{"exists not", filter("warm", "exists", "false"), "blue old", "red", ""},
		{"parent", filter("parent", "=", "any"), "red blue", "crimson", ""},
		{"child", filter("child", "=", "purple"), "red blue", "crimson", ""},
		{"inactive", filter("inactive", "=", "true"), "old", "red", ""},
		{"property not held", filter("hue", "=", "1"), "", "", "red nonsense"},
		{"operator not known", filter("warm", "near", "1"), "", "", "red"},
		{"root not known", filter("concept", "is-a", "green"), "", "", "red"},
		{"two filters", `{"include":[{` + c + `,"filter":[{"property":"concept","op":"is-a","value":"red"},{"property":"warm","op":"exists","value":"false"}]}]}`, "purple", "red blue", ""},
		{"exclude", `{"include":[{` + c + `}],"exclude":[{` + c + `,"concept":[{"code":"red"}]}]}`, "blue", "red", ""},
		{"exclude unknown", `{"include":[{` + c + `}],"exclude":[{` + c + `,"filter":[{"property":"hue","op":"=","value":"1"}]}]}`, "", "any", "red"},
		{"no inactive", `{"inactive":false,"include":[{` + c + `}]}`, "red", "old", ""},
		{"import", `{"include":[{"valueSet":["urn:warm"]}]}`, "red crimson", "blue", ""},
		{"import narrows", `{"include":[{` + c + `,"concept":[{"code":"red"},{"code":"blue"}],"valueSet":["urn:warm"]}]}`, "red", "blue crimson", ""},
		{"import not held", `{"include":[{"valueSet":["urn:none"]}]}`, "", "", "red"},
		{"version not held", `{"include":[{` + c + `,"version":"9"}]}`, "red", "any", "green"},
	} {
		s := set(t, tt.compose)
		for want, codes := range map[Answer]string{Yes: tt.yes, No: tt.no, Unknown: tt.unknown} {
			for _, code := range strings.Fields(codes) {
				if got := s.Has("urn:colour", code); got != want {
					t.Errorf("%s: Has(%s) = %v, want %v", tt.name, code, got, want)
				}
				if got := s.HasCode(code); got != want {
					t.Errorf("%s: HasCode(%s) = %v, want %v", tt.name, code, got, want)
				}
			}
		}
		if got := s.Has("urn:other", "red"); got != No && tt.name != "import not held" {
			t.Errorf("%s: Has of another system = %v", tt.name, got)
		}
	}
}

// TestForms checks what the form of a code says where the system is not listed.
func TestForms(t *testing.T) {
	for _, tt := range []struct {
		system string
		codes  map[string]Answer
	}{
		{fhir.SNOMEDSystem, map[string]Answer{
			"871731000000106": Unknown, "871731000000107": No, "x": No, "": No, "0871731000000106": No,
			"413350009 : 246090004 = 300798006": Unknown, "413350009:246090004=300798006": Unknown, "413350008:246090004=300798006": No,
			"=== 413350009": Unknown,
		}},
		{"http://loinc.org", map[string]Answer{"44261-6": Unknown, "LA6568-5": Unknown, "44261": No, "PHQ": No, "-6": No}},
		{"http://unitsofmeasure.org", map[string]Answer{"mg": Unknown, "{score}": Unknown, "mm[Hg]": Unknown, "kg/m2": Unknown, "m g": No, "{score": No, "": No, "a]b[": No, "10*3/uL": Unknown}},
		{"urn:ietf:bcp:47", map[string]Answer{"en": Yes, "en-GB": Yes, "zh-Hant-TW": Yes, "x-pirate": Yes, "de-1996": Yes, "e": No, "en_GB": No, "en-": No, "": No, "englishlanguage": No, "x": No, "cy-x": No}},
		{"urn:ietf:bcp:13", map[string]Answer{"text/plain": Yes, "application/fhir+json; charset=utf-8": Yes, "text": No, "/x": No, "text/": No, "a/b/c": No}},
		{"urn:iso:std:iso:4217", map[string]Answer{"GBP": Yes, "gbp": No, "ZZZ": No, "": No, "AEDA": No, "D A": No}},
		{"urn:iso:std:iso:3166", map[string]Answer{"GB": Unknown, "GBR": Unknown, "826": Unknown, "UKXX": No, "gb": No}},
		{"urn:unheard", map[string]Answer{"anything": Unknown}},
	} {
		s := service(t)
		for code, want := range tt.codes {
			if got := s.Code(tt.system, code); got != want {
				t.Errorf("Code(%s, %q) = %v, want %v", tt.system, code, got, want)
			}
		}
	}
}

func TestBoundSets(t *testing.T) {
	s := service(t)
	const vs = "http://hl7.org/fhir/ValueSet/"
	for _, tt := range []struct {
		set, system, code string
		want              Answer
	}{
		{"languages", "urn:ietf:bcp:47", "en-GB", Yes},
		{"languages", "urn:ietf:bcp:47", "cy", No},
		{"all-languages", "urn:ietf:bcp:47", "cy", Yes},
		{"all-languages|4.0.1", "urn:ietf:bcp:47", "not a tag", No},
		{"mimetypes", "urn:ietf:bcp:13", "text/xml", Yes},
		{"currencies", "urn:iso:std:iso:4217", "GBP", Yes},
		{"marital-status", "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus", "M", Yes},
		{"marital-status", "http://terminology.hl7.org/CodeSystem/v3-NullFlavor", "UNK", Yes},
		{"procedure-code", fhir.SNOMEDSystem, "871731000000106", Unknown},
		{"procedure-code", fhir.SNOMEDSystem, "871731000000105", No},
		{"iso3166-1-3", "urn:iso:std:iso:3166", "GBR", Unknown},
		{"iso3166-1-3", "urn:iso:std:iso:3166", "GB", No},
	} {
		if got := s.Set(vs+tt.set).Has(tt.system, tt.code); got != tt.want {
			t.Errorf("%s has %s|%s: %v, want %v", tt.set, tt.system, tt.code, got, tt.want)
		}
	}
	if s.Set(vs+"languages|3.0.1") != nil || s.Set("urn:none") != nil {
		t.Error("sets and versions that are not held")
	}
	if c := s.Set(vs + "languages").Canonical(); c != vs+"languages|4.0.1" {
		t.Error(c)
	}
}

func TestCircle(t *testing.T) {
	s := service(t,
		`{"resourceType":"ValueSet","url":"urn:a","compose":{"include":[{"valueSet":["urn:b"]}]}}`,
		`{"resourceType":"ValueSet","url":"urn:b","compose":{"include":[{"valueSet":["urn:a"]}]}}`)
	if s.Set("urn:a") != nil {
		t.Error("a set that includes itself was compiled")
	}
	if _, err := s.Expand(ExpandRequest{URL: "urn:a"}); fhir.AsError(err).HTTPStatus() != 422 {
		t.Errorf("%v", err)
	}
}

func TestVersions(t *testing.T) {
	v := func(version, code string) string {
		return `{"resourceType":"ValueSet","url":"urn:v","version":"` + version + `","compose":{"include":[{"system":"urn:x","concept":[{"code":"` + code + `"}]}]}}`
	}
	s := service(t, v("1.9.0", "a"), v("1.10.0", "b"))
	if s.Set("urn:v").Has("urn:x", "b") != Yes || s.Set("urn:v|1.9.0").Has("urn:x", "a") != Yes || s.Set("urn:v|2") != nil {
		t.Error("the newest version unless one is named")
	}
	if _, err := New(definitions.R4(), []fhir.Resource{decode(t, v("1", "a")), decode(t, v("1", "b"))}); err == nil {
		t.Error("the same version twice")
	}
	if _, err := New(definitions.R4(), []fhir.Resource{decode(t, `{"resourceType":"ValueSet"}`)}); err == nil {
		t.Error("a value set without url")
	}
}

func BenchmarkHas(b *testing.B) {
	s := service(b)
	for name, q := range map[string][3]string{
		"listed":  {"http://hl7.org/fhir/ValueSet/request-status", "http://hl7.org/fhir/request-status", "active"},
		"large":   {"http://terminology.hl7.org/ValueSet/v3-ActCode", "http://terminology.hl7.org/CodeSystem/v3-ActCode", "AMB"},
		"grammar": {"http://hl7.org/fhir/ValueSet/all-languages", "urn:ietf:bcp:47", "en-GB"},
		"snomed":  {"http://hl7.org/fhir/ValueSet/procedure-code", fhir.SNOMEDSystem, "871731000000106"},
		"absent":  {"http://hl7.org/fhir/ValueSet/marital-status", "urn:x", "nonsense"},
	} {
		set := s.Set(q[0])
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				set.Has(q[1], q[2])
			}
		})
	}
}

// TestHasAllocates holds the promise of the doc comment.
func TestHasAllocates(t *testing.T) {
	s := service(t)
	set := s.Set("http://hl7.org/fhir/ValueSet/marital-status")
	if n := testing.AllocsPerRun(100, func() {
		set.Has("http://terminology.hl7.org/CodeSystem/v3-MaritalStatus", "M")
		set.HasCode("nonsense")
		s.Set("http://hl7.org/fhir/ValueSet/marital-status")
		s.Code(fhir.SNOMEDSystem, "871731000000106")
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestKeepsNoDocument holds that systems and sets are remembered under names of
// their own: a part of a document would keep all of it in memory.
func TestKeepsNoDocument(t *testing.T) {
	b := []byte(`{"resourceType":"Basic","system":"http://hl7.org/fhir/request-status","set":"http://hl7.org/fhir/ValueSet/request-status"}`)
	r, err := fhir.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	s := service(t)
	s.Code(r.Root().Get("system").Text(), "active")
	s.Set(r.Root().Get("set").Text())
	for i := range b {
		b[i] = '?'
	}
	for _, url := range append(slices.Collect(maps.Keys(s.systems.m)), slices.Collect(maps.Keys(s.sets.m))...) {
		if strings.Contains(url, "?") {
			t.Error("kept under a name of the document")
		}
	}
}

// TestWithoutCompose: a value set may be published as its expansion alone; one that
// says nothing of its codes leaves each undecided.
func TestWithoutCompose(t *testing.T) {
	set := func(id, rest string) fhir.Resource {
		return decode(t, `{"resourceType":"ValueSet","url":"https://a.example/`+id+`","status":"active"`+rest+`}`)
	}
	s, err := New(definitions.R4(), []fhir.Resource{
		set("listed", `,"expansion":{"timestamp":"2026-01-01","contains":[{"system":"urn:s","abstract":true,"display":"group","contains":[{"system":"urn:s","code":"a","display":"A"}]},{"system":"urn:t","code":"b"}]}`),
		set("page", `,"expansion":{"timestamp":"2026-01-01","total":9,"contains":[{"system":"urn:s","code":"a"}]}`),
		set("silent", ``),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		id, system, code string
		want             Answer
	}{
		{"listed", "urn:s", "a", Yes}, {"listed", "urn:t", "b", Yes}, {"listed", "urn:t", "a", No}, {"listed", "urn:s", "c", No},
		{"page", "urn:s", "c", Unknown}, {"silent", "urn:s", "a", Unknown},
	} {
		v := s.Set("https://a.example/" + tt.id)
		if got := v.Has(tt.system, tt.code); got != tt.want {
			t.Errorf("%s: %s#%s is %v, want %v", tt.id, tt.system, tt.code, got, tt.want)
		}
	}
	if x, err := s.Expand(ExpandRequest{URL: "https://a.example/listed", Count: -1}); err != nil || x.Total != 2 {
		t.Errorf("%v %v", x, err)
	}
	for _, id := range []string{"page", "silent"} {
		if _, err := s.Expand(ExpandRequest{URL: "https://a.example/" + id, Count: -1}); err == nil {
			t.Errorf("%s was listed", id)
		}
	}
}
