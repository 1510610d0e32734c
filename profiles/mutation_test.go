package profiles

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
	"trellis.example/profiles/mutate"
)

// A tally counts, by kind of mutation, how many documents were broken and how
// many of them were not refused where they should be.
type tally struct {
	mu          sync.Mutex
	made, wrong map[string]int
	shown       map[string]int
}

func newTally() *tally {
	return &tally{made: map[string]int{}, wrong: map[string]int{}, shown: map[string]int{}}
}

func (c *tally) count(t *testing.T, name string, f mutate.Fault, wrong string) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.made[f.Mutation]++
	if wrong == "" {
		return
	}
	c.wrong[f.Mutation]++
	if c.shown[f.Mutation]++; c.shown[f.Mutation] <= 3 {
		t.Logf("%s: %s: %s", name, f.Mutation, wrong)
	}
}

// report prints the table. Every mutation of every kind must have been refused
// at the right place by the right rule: there are no exceptions.
func (c *tally) report(t *testing.T, kinds, documents int) {
	t.Helper()
	made, wrong := 0, 0
	for _, k := range slices.Sorted(maps.Keys(c.made)) {
		t.Logf("%6d made %4d not refused where they should be  %s", c.made[k], c.wrong[k], k)
		made, wrong = made+c.made[k], wrong+c.wrong[k]
	}
	t.Logf("%6d made %4d not refused where they should be, in %d ways", made, wrong, len(c.made))
	if wrong > 0 {
		t.Errorf("%d of %d not refused at the right place", wrong, made)
	}
	if len(c.made) < kinds || made < documents {
		t.Errorf("%d documents broken in %d ways; want %d in %d at least", made, len(c.made), documents, kinds)
	}
}

// judged returns what is wrong with the answer to a broken document, or "".
func judged(v *Validator, f mutate.Fault, o Options) string {
	r, err := fhir.DecodeLimit(bytes.Clone(f.Doc), 64<<20)
	if err != nil {
		return "not decoded: " + err.Error()
	}
	var got []string
	for _, is := range v.Validate(r, o) {
		if !is.IsError() {
			continue
		}
		if is.Expression == f.Path && named(f, is.Rule) {
			return ""
		}
		if len(got) < 8 {
			got = append(got, is.Rule+"@"+is.Expression)
		}
	}
	return fmt.Sprintf("no %s at %s, got %s", strings.Join(f.Rules, " or "), f.Path, strings.Join(got, " "))
}

// named reports whether a rule may name the fault: one of those listed, or the
// profile's element.
func named(f mutate.Fault, rule string) bool {
	if f.Rules != nil {
		return slices.Contains(f.Rules, rule)
	}
	return f.Element == "" || strings.HasSuffix(rule, "#"+f.Element)
}

// TestMutations breaks a valid referral at every place in every way that fits
// there, and checks that each is refused at that place.
func TestMutations(t *testing.T) {
	v, doc := sample(t)
	r, err := fhir.Decode(doc)
	if err != nil {
		t.Fatal(err)
	}
	c := newTally()
	for f := range mutate.New(definitions.R4(), nil, 1, 1).Faults(r) {
		c.count(t, "servicerequest.json", f, judged(v, f, Options{}))
	}
	c.report(t, 55, 1_000)
}

// TestMutationsOfExamples does the same at random places of the official
// examples, judged by R4 alone.
func TestMutationsOfExamples(t *testing.T) {
	v, refused, c := newValidator(t), faultList(t), newTally()
	g := mutate.New(definitions.R4(), nil, 1, 0.02)
	forEach(t, func(name string, body []byte) {
		if refused[name] != "" || len(body) > 40_000 || isDefinition(name) {
			return
		}
		r, err := fhir.Decode(body)
		if err != nil {
			t.Error(err)
			return
		}
		for f := range g.Faults(r) {
			if !f.Strict {
				c.count(t, name, f, judged(v, f, Options{BaseOnly: true}))
			}
		}
	})
	c.report(t, 65, 10_000)
}

// TestMutationsOfProfiles breaks the valid examples of our profiles, by what R4
// and by what their profile asks.
func TestMutationsOfProfiles(t *testing.T) {
	v, c := newValidator(t), newTally()
	files, err := filepath.Glob("examples/*/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples of our profiles: %v", err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		r, err := fhir.Decode(b)
		if err != nil {
			t.Fatal(err)
		}
		folder := filepath.Base(filepath.Dir(f))
		o := Options{Profiles: []string{Base + folder}}
		if fhir.Faults(v.Validate(r, o)) != nil {
			continue // one that is wrong on purpose
		}
		g := mutate.New(definitions.R4(), v.Structure(Base+folder), 2, 0.1)
		for m := range g.Faults(r) {
			c.count(t, folder+"/"+filepath.Base(f), m, judged(v, m, o))
		}
	}
	c.report(t, 85, 10_000)
}

// isDefinition names the types that make up most of the examples and are no
// part of a care record.
func isDefinition(name string) bool {
	for _, typ := range []string{"SearchParameter-", "StructureDefinition-", "ValueSet-", "CodeSystem-"} {
		if strings.HasPrefix(name, typ) {
			return true
		}
	}
	return false
}

// FuzzValidate checks what must hold for any document a stranger sends: no
// panic, every issue complete, and the same answer twice.
func FuzzValidate(f *testing.F) {
	v, doc := sample(f)
	f.Add(doc)
	f.Add([]byte(`{"resourceType":"Bundle","type":"message","entry":[{"fullUrl":"urn:uuid:x","resource":{"resourceType":"Patient","contained":[{"resourceType":"Bundle"}]}}]}`))
	f.Add([]byte(`{"resourceType":"Patient","_birthDate":{"id":"x"},"name":[{"given":[null],"_given":[{"extension":[{"url":"u","valueReference":{"reference":"#"}}]}]}]}`))
	f.Add([]byte(`{"resourceType":"Questionnaire","status":"active","item":[{"linkId":"1","type":"group","item":[{"item":[]}]}]}`))
	f.Add([]byte(`{"resourceType":"StructureDefinition","snapshot":{"element":[{"path":"a.b","type":[{"code":"x"}]}]}}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		r, err := fhir.Decode(bytes.Clone(in))
		if err != nil {
			return
		}
		issues := v.Validate(r, Options{})
		again := v.Validate(r, Options{})
		if len(issues) != len(again) {
			t.Errorf("%d issues, then %d", len(issues), len(again))
		}
		for _, is := range issues {
			if is.Text == "" || is.Code == "" || is.Rule == "" || is.Severity == "" {
				t.Errorf("incomplete issue %+v", is)
			}
		}
		v.Referral([]fhir.Resource{r})
	})
}
