package terminology_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
	"trellis.example/profiles"
	"trellis.example/profiles/terminology"
)

const base = "https://trellis.example/fhir/"

// resources reads the data files of the kinds that the package knows.
func resources(tb testing.TB) []fhir.Resource {
	tb.Helper()
	var out []fhir.Resource
	for _, folder := range []string{"codesystems", "valuesets", "conceptmaps"} {
		files, err := filepath.Glob("../data/" + folder + "/*.json")
		if err != nil || len(files) == 0 {
			tb.Fatalf("no files in %s (err %v)", folder, err)
		}
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				tb.Fatal(err)
			}
			r, err := fhir.Decode(b)
			if err != nil {
				tb.Fatalf("%s: %v", f, err)
			}
			if want := r.Type() + "-" + r.ID() + ".json"; filepath.Base(f) != want {
				tb.Errorf("%s should be called %s", f, want)
			}
			out = append(out, r)
		}
	}
	return out
}

func ours(tb testing.TB) *terminology.Service {
	tb.Helper()
	s, err := terminology.New(definitions.R4(), resources(tb))
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// TestDataIsR4 validates every file against base R4.
func TestDataIsR4(t *testing.T) {
	v, err := profiles.New()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range resources(t) {
		for _, is := range v.Validate(r, profiles.Options{BaseOnly: true}) {
			if is.IsError() || is.Severity == fhir.SeverityWarning {
				t.Errorf("%s %s: %s: %s (%s)", r.Type(), r.ID(), is.Expression, is.Text, is.Rule)
			}
		}
	}
}

// TestHeaders holds each file to the same header.
func TestHeaders(t *testing.T) {
	for _, r := range resources(t) {
		root := r.Root()
		for _, name := range []string{"url", "version", "name", "title", "status", "date", "publisher", "description", "copyright"} {
			if root.Get(name).Text() == "" {
				t.Errorf("%s %s has no %s", r.Type(), r.ID(), name)
			}
		}
		if u := root.Get("url").Text(); strings.HasPrefix(u, base) && u != base+r.Type()+"/"+r.ID() && r.ID() != "snomed-starter" {
			t.Errorf("%s %s has the url %s", r.Type(), r.ID(), u)
		}
	}
}

// TestSetsHoldCodesThatExist checks every code that a value set names against
// its system, and the form and check digit of SNOMED CT identifiers.
func TestSetsHoldCodesThatExist(t *testing.T) {
	s := ours(t)
	check := func(where, system, code string) {
		if s.Code(system, code) == terminology.No {
			t.Errorf("%s: %s has no code %s", where, system, code)
		}
		if system == fhir.SNOMEDSystem && !fhir.SNOMEDConcept(code) {
			t.Errorf("%s: %s is no concept identifier", where, code)
		}
	}
	n := 0
	for _, r := range resources(t) {
		for _, side := range []string{"include", "exclude"} {
			for inc := range r.Root().At("compose", side).Items() {
				for c := range inc.Get("concept").Items() {
					check(r.ID(), inc.Get("system").Text(), c.Get("code").Text())
					n++
				}
			}
		}
		for c := range r.Root().Get("concept").Items() {
			for p := range c.Get("property").Items() {
				if v := p.Get("valueCoding"); v.Exists() {
					check(r.ID(), v.Get("system").Text(), v.Get("code").Text())
				}
			}
			if r.ID() == "snomed-starter" {
				check(r.ID(), fhir.SNOMEDSystem, c.Get("code").Text())
				n++
			}
		}
		for g := range r.Root().Get("group").Items() {
			for e := range g.Get("element").Items() {
				check(r.ID(), g.Get("source").Text(), e.Get("code").Text())
				for to := range e.Get("target").Items() {
					if c := to.Get("code"); c.Exists() {
						check(r.ID(), g.Get("target").Text(), c.Text())
					}
				}
			}
		}
	}
	if n < 300 {
		t.Errorf("only %d codes looked at", n)
	}
}

// TestAllSetsCompile lists those that can be listed from what is held.
func TestAllSetsCompile(t *testing.T) {
	s := ours(t)
	for _, r := range resources(t) {
		if r.Type() != "ValueSet" {
			continue
		}
		url := r.Root().Get("url").Text()
		set := s.Set(url)
		if set == nil {
			t.Errorf("%s does not compile", url)
			continue
		}
		if ok, _ := set.Listed(); !ok {
			continue
		}
		x, err := s.Expand(terminology.ExpandRequest{URL: url, Count: -1})
		if err != nil || x.Total == 0 {
			t.Errorf("%s: %v", url, err)
			continue
		}
		for _, m := range x.Contains {
			if m.Display == "" && m.System != "http://loinc.org" {
				t.Errorf("%s: %s has no display", url, m.Code)
			}
			if set.Has(m.System, m.Code) != terminology.Yes {
				t.Errorf("%s lists %s and does not have it", url, m.Code)
			}
		}
	}
}

// TestSetsByName names the value sets that profiles bind, with a code that each
// must have, one that it must not, and one that only a server can tell.
func TestSetsByName(t *testing.T) {
	s := ours(t)
	const sct = fhir.SNOMEDSystem
	own := func(name string) string { return base + "CodeSystem/" + name }
	for _, tt := range []struct {
		set, system, code string
		want              terminology.Answer
	}{
		{"referral-source", own("referral-source"), "police", terminology.Yes},
		{"referral-source", sct, "889801000000100", terminology.Yes},
		{"referral-source", sct, "267076002", terminology.Unknown}, // a terminology server knows the hierarchy
		{"referral-source", sct, "267076003", terminology.No},
		{"need", own("need"), "loneliness", terminology.Yes},
		{"need", sct, "267076002", terminology.Yes},
		{"need", sct, "185086009", terminology.Unknown},
		{"need-refset", sct, "267076002", terminology.Unknown},
		{"need-starter", sct, "185086009", terminology.No},
		{"support-offered", own("support-offered"), "cookery", terminology.Yes},
		{"support-offered", own("support-offered"), "creative", terminology.No}, // groups others
		{"support-list", own("support-offered"), "singing", terminology.Yes},
		{"referral-method", own("referral-method"), "fax", terminology.Yes},
		{"business-status", own("task-business-status"), "created", terminology.Yes},
		{"business-status", own("task-business-status"), "awaiting-consent", terminology.Yes},
		{"capacity", own("capacity"), "waitlist", terminology.Yes},
		{"cost", own("cost"), "free", terminology.Yes},
		{"consent-scope", own("consent-scope"), "codes", terminology.Yes},
		{"risk-category", own("risk-category"), "lone-working", terminology.Yes},
		{"request-category", own("service-request-category"), "social-prescribing", terminology.Yes},
		{"contact-outcome", own("contact-outcome"), "did-not-attend", terminology.Yes},
		{"time-point", own("time-point"), "baseline", terminology.Yes},
		{"plan-agreement", own("plan-agreement"), "best-interests", terminology.Yes},
		{"signpost", sct, "1083401000000103", terminology.Yes},
		{"flag-category", "http://terminology.hl7.org/CodeSystem/flag-category", "safety", terminology.Yes},
		{"flag-category", own("flag-category"), "safeguarding", terminology.Yes},
		{"observation-category", own("observation-category"), "strength", terminology.Yes},
		{"observation-category", "http://terminology.hl7.org/CodeSystem/observation-category", "survey", terminology.Yes},
		{"relationship", "http://terminology.hl7.org/CodeSystem/v3-RoleCode", "MTH", terminology.Yes},
		{"relationship", "http://terminology.hl7.org/CodeSystem/v2-0131", "N", terminology.Yes},
		{"relationship", own("relationship"), "advocate", terminology.Yes},
		{"score", "http://loinc.org", "44261-6", terminology.Yes},
		{"security-label", "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "R", terminology.Yes},
		{"accessibility", own("accessibility"), "nonsense", terminology.No},
	} {
		set := s.Set(base + "ValueSet/" + tt.set)
		if set == nil {
			t.Errorf("no value set %s", tt.set)
		} else if got := set.Has(tt.system, tt.code); got != tt.want {
			t.Errorf("%s has %s: %v, want %v", tt.set, tt.code, got, tt.want)
		}
	}
	uk := s.Set("https://fhir.hl7.org.uk/ValueSet/UKCore-EthnicCategory")
	if uk.Has("https://fhir.hl7.org.uk/CodeSystem/UKCore-EthnicCategoryEngland", "Q") != terminology.No ||
		uk.Has("https://fhir.hl7.org.uk/CodeSystem/UKCore-EthnicCategoryWales", "A") != terminology.Unknown {
		t.Error("England's list is held, that of Wales is not")
	}
}

// TestBoundSetsAreHeld finds each value set of ours that a profile binds or a
// questionnaire answers with.
func TestBoundSetsAreHeld(t *testing.T) {
	s := ours(t)
	n := 0
	for _, pattern := range []string{"../data/*/*.json", "../data/*/*/*.json"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range boundSet.FindAllSubmatch(b, -1) {
				n++
				if s.Set(string(m[1])) == nil {
					t.Errorf("%s: no value set %s", f, m[1])
				}
			}
		}
	}
	if n < 20 {
		t.Errorf("only %d bindings seen", n)
	}
}

var boundSet = regexp.MustCompile(`"(?:valueSet|answerValueSet)": "(https://trellis\.example/[^"]*|http://[^"]*hl7\.org/[^"]*)"`)

// TestMapsCoverTheirSource checks that a map decides every code of its source,
// if only by saying that there is no match.
func TestMapsCoverTheirSource(t *testing.T) {
	s := ours(t)
	for _, r := range resources(t) {
		if r.Type() != "ConceptMap" {
			continue
		}
		for g := range r.Root().Get("group").Items() {
			system := g.Get("source").Text()
			decided := map[string]bool{}
			for e := range g.Get("element").Items() {
				decided[e.Get("code").Text()] = true
				if e.Get("target").Len() == 0 {
					t.Errorf("%s: %s has no target", r.ID(), e.Get("code").Text())
				}
			}
			for _, code := range sourceCodes(t, s, r.Root().Get("sourceUri").Text(), system) {
				if !decided[code] {
					t.Errorf("%s does not decide %s", r.ID(), code)
				}
				delete(decided, code)
			}
			if left := slices.Sorted(maps.Keys(decided)); len(left) > 0 {
				t.Errorf("%s maps codes that its source has not: %v", r.ID(), left)
			}
		}
	}
}

// sourceCodes lists what a map starts from: the codes of a system that its
// source value set holds, or all that are held of the system.
func sourceCodes(t *testing.T, s *terminology.Service, valueSet, system string) []string {
	t.Helper()
	q := terminology.ExpandRequest{URL: valueSet, Count: -1}
	if set := s.Set(valueSet); set == nil || !listed(set) {
		q = terminology.ExpandRequest{Count: -1, ValueSet: whole(t, system)}
	}
	x, err := s.Expand(q)
	if err != nil {
		t.Fatalf("%s %s: %v", valueSet, system, err)
	}
	var out []string
	for _, m := range x.Contains {
		if m.System == system {
			out = append(out, m.Code)
		}
	}
	return out
}

func listed(s *terminology.Set) bool {
	ok, _ := s.Listed()
	return ok
}

// whole is a value set of all codes held of a system, fragments included.
func whole(t *testing.T, system string) fhir.Resource {
	t.Helper()
	doc := `{"resourceType":"ValueSet","compose":{"include":[{"system":"` + system + `","concept":[`
	first := true
	for _, r := range resources(t) {
		if r.Type() != "CodeSystem" || r.Root().Get("url").Text() != system {
			continue
		}
		for c := range r.Root().Get("concept").Items() {
			if !first {
				doc += ","
			}
			first = false
			doc += `{"code":"` + c.Get("code").Text() + `"}`
		}
	}
	if first {
		return whole0283(t)
	}
	return mustDecode(t, doc+`]}]}}`)
}

// whole0283 is the one system of R4 from which a map without value set starts.
func whole0283(t *testing.T) fhir.Resource {
	t.Helper()
	return mustDecode(t, `{"resourceType":"ValueSet","compose":{"include":[{"system":"http://terminology.hl7.org/CodeSystem/v2-0283"}]}}`)
}

func mustDecode(t *testing.T, doc string) fhir.Resource {
	t.Helper()
	r, err := fhir.Decode([]byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestDocumentsInCirculation holds the codes that the gateway already writes.
func TestDocumentsInCirculation(t *testing.T) {
	s := ours(t)
	for system, codes := range map[string]string{
		"service-request-category":           "social-prescribing",
		"task-business-status":               "created awaiting-consent withdrawn declined-by-service",
		"task-tag":                           "incomplete",
		"partner-role":                       "gp-practice police person link-worker outcome-tool sandbox",
		"police-risk-grade":                  "standard medium high",
		"police-notice-type":                 "adult child domestic-abuse",
		"government-security-classification": "official official-sensitive",
		"audit-interaction":                  "token-issued access-refused process-message meta everything validate",
	} {
		for c := range strings.FieldsSeq(codes) {
			if s.Code(base+"CodeSystem/"+system, c) != terminology.Yes {
				t.Errorf("%s has no code %s", system, c)
			}
		}
	}
}

func BenchmarkNew(b *testing.B) {
	list := resources(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := terminology.New(definitions.R4(), list); err != nil {
			b.Fatal(err)
		}
	}
}
