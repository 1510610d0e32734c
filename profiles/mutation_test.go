package profiles

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
)

// A mutation breaks a valid document at one place.
type mutation struct {
	name string
	// at reports whether the mutation fits there.
	at func(v fhir.Value, m *definitions.Member, s *definitions.Slot) bool
	// with returns what stands there instead of the value.
	with func(v fhir.Value) string
	// expression tells where the fault must be reported, given the place.
	expression func(v fhir.Value) string
}

func here(v fhir.Value) string             { return v.Path() }
func child(v fhir.Value) string            { return v.Path() + ".colour" }
func isObject(v fhir.Value) bool           { return v.Kind() == fhir.Object }
func first(v fhir.Value) string            { return v.Path() + "[0]" }
func raw(s string) func(fhir.Value) string { return func(fhir.Value) string { return s } }

func isType(names ...string) func(fhir.Value, *definitions.Member, *definitions.Slot) bool {
	return func(v fhir.Value, m *definitions.Member, _ *definitions.Slot) bool {
		for _, n := range names {
			if m.Type.Code == n && v.Kind() != fhir.Array {
				return true
			}
		}
		return false
	}
}

var mutations = []mutation{
	{"code outside its value set", func(v fhir.Value, m *definitions.Member, s *definitions.Slot) bool {
		set := definitions.R4().ValueSet(s.ValueSet)
		return m.Type.Code == "code" && v.Kind() == fhir.String && set != nil && !set.Open
	}, raw(`"bogus-code"`), here},
	{"unknown member", func(v fhir.Value, m *definitions.Member, _ *definitions.Slot) bool {
		return isObject(v) && m.Type.Code != "Resource"
	}, func(v fhir.Value) string { return strings.TrimSuffix(string(v.Raw()), "}") + `,"colour":"red"}` }, child},
	{"object for a primitive", func(v fhir.Value, m *definitions.Member, _ *definitions.Slot) bool {
		return m.Primitive() && v.Kind() != fhir.Array
	}, raw(`{"a":1}`), here},
	{"string for an object", func(v fhir.Value, m *definitions.Member, _ *definitions.Slot) bool { return isObject(v) }, raw(`"text"`), here},
	{"array for a single value", func(v fhir.Value, m *definitions.Member, _ *definitions.Slot) bool {
		return !m.Many && v.Kind() != fhir.Array
	}, func(v fhir.Value) string { return "[" + string(v.Raw()) + "]" }, here},
	{"single value for an array", func(v fhir.Value, m *definitions.Member, _ *definitions.Slot) bool { return v.Kind() == fhir.Array },
		func(v fhir.Value) string { return string(v.First().Raw()) }, here},
	{"empty array", func(v fhir.Value, m *definitions.Member, _ *definitions.Slot) bool { return v.Kind() == fhir.Array }, raw(`[]`), here},
	{"null in an array", func(v fhir.Value, m *definitions.Member, _ *definitions.Slot) bool { return v.Kind() == fhir.Array },
		func(v fhir.Value) string { return "[null," + string(v.Raw()[1:]) }, first},
	{"empty object", func(v fhir.Value, m *definitions.Member, _ *definitions.Slot) bool {
		return isObject(v) && m.Type.Code != "Resource"
	}, raw(`{}`), here},
	{"null", func(v fhir.Value, _ *definitions.Member, _ *definitions.Slot) bool { return v.Kind() != fhir.Array }, raw(`null`), here},
	{"blank string", isType("string", "markdown", "uri", "code", "id", "canonical"), raw(`" "`), here},
	{"empty string", isType("string", "markdown", "uri", "code", "id", "canonical", "date", "dateTime", "instant"), raw(`""`), here},
	{"31 February", isType("date", "dateTime"), raw(`"2023-02-31"`), here},
	{"instant on 31 February", isType("instant"), raw(`"2023-02-31T10:00:00Z"`), here},
	{"time without zone", isType("dateTime", "instant"), raw(`"2023-02-01T10:00:00"`), here},
	{"number as string", isType("integer", "positiveInt", "unsignedInt", "decimal"), raw(`"1"`), here},
	{"fraction for an integer", isType("integer", "positiveInt", "unsignedInt"), raw(`1.5`), here},
	{"reference to another type", func(v fhir.Value, m *definitions.Member, _ *definitions.Slot) bool {
		return m.Type.Code == "Reference" && isObject(v) && len(m.Type.Targets) > 0 && m.Type.Targets[0] != "Resource"
	}, raw(`{"reference":"TestReport/1"}`), here},
	{"script in the narrative", isType("xhtml"), raw(`"<div xmlns=\"http://www.w3.org/1999/xhtml\"><script>x</script></div>"`), here},
}

// places yields every member of a document with its definition.
func places(v fhir.Value, t *definitions.Table, f func(v fhir.Value, m *definitions.Member, s *definitions.Slot)) {
	for c := range v.All() {
		m := t.Member(c.Key())
		if m == nil {
			continue
		}
		f(c, m, &t.Slots[m.Slot])
		for e := range c.Items() {
			if c.Kind() == fhir.Array {
				f(e, m, &t.Slots[m.Slot])
			}
			next := m.Table()
			if next == nil {
				next = definitions.R4().Table(e.Get("resourceType").Text())
			}
			if isObject(e) && next != nil {
				places(e, next, f)
			}
		}
	}
}

// TestMutations breaks valid documents at every place in every way that fits
// there, and checks that each is refused at that place.
func TestMutations(t *testing.T) {
	v, doc := sample(t)
	counts := map[string]int{}
	mutateAll(t, v, "servicerequest.json", doc, counts, 1)
	for _, m := range mutations[:12] {
		if counts[m.name] == 0 {
			t.Errorf("the sample gives no place for %q", m.name)
		}
	}
}

// TestMutationsOfExamples does the same at random places of the official
// examples.
func TestMutationsOfExamples(t *testing.T) {
	v := newValidator(t)
	refused := faultList(t)
	forEach(t, func(name string, body []byte) {
		if refused[name] != "" || len(body) > 40_000 || strings.HasPrefix(name, "SearchParameter-") || strings.HasPrefix(name, "StructureDefinition-") ||
			strings.HasPrefix(name, "ValueSet-") || strings.HasPrefix(name, "CodeSystem-") {
			return
		}
		mutateAll(t, v, name, body, map[string]int{}, 0.02)
	})
}

func mutateAll(t *testing.T, v *Validator, name string, doc []byte, counts map[string]int, share float64) {
	r, err := fhir.Decode(doc)
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(1, uint64(len(doc))))
	places(r.Root(), definitions.R4().Table(r.Type()), func(at fhir.Value, m *definitions.Member, s *definitions.Slot) {
		for _, mu := range mutations {
			if !mu.at(at, m, s) || share < 1 && rnd.Float64() > share {
				continue
			}
			counts[mu.name]++
			if msg := mutate(v, at, mu); msg != "" {
				t.Errorf("%s: %s at %s: %s", name, mu.name, at.Path(), msg)
			}
		}
	})
}

// mutate returns what is wrong with the answer to the broken document.
func mutate(v *Validator, at fhir.Value, mu mutation) string {
	ed := fhir.NewEditor(at)
	ed.SetRaw(at, []byte(mu.with(at)))
	r, err := fhir.Decode(bytes.Clone(ed.Bytes()))
	if err != nil {
		return "not decoded: " + err.Error()
	}
	want := mu.expression(at)
	var got []string
	for _, is := range v.Validate(r, Options{BaseOnly: true}) {
		if is.IsError() && is.Expression == want {
			return ""
		}
		got = append(got, is.Rule+"@"+is.Expression)
	}
	return fmt.Sprintf("no error at %s, got %v", want, got)
}

// TestMissingRequired takes out each required member in turn.
func TestMissingRequired(t *testing.T) {
	v, doc := sample(t)
	for _, name := range []string{"status", "intent", "subject"} {
		r, err := fhir.Decode(bytes.Replace(doc, []byte(`"`+name+`":`), []byte(`"_x`+name+`":`), 1))
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, is := range v.Validate(r, Options{}) {
			found = found || is.Code == fhir.Required && is.Expression == "ServiceRequest."+name
		}
		// the first "status" is the narrative's
		if !found && name != "status" {
			t.Errorf("%s may be missing", name)
		}
	}
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
