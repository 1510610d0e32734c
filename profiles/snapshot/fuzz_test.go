package snapshot

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
)

// FuzzGenerate checks what must hold for any differential a stranger can send:
// no panic, only our own error type without a word of theirs that is no name,
// and a snapshot that keeps every rule of its base.
func FuzzGenerate(f *testing.F) {
	for _, s := range []string{
		elements("Observation.category", byValue, "Observation.category:a.coding", `"min":1`, "Observation.category:a", `"min":1`),
		elements("Observation.valueQuantity", `"min":1`, "Observation.component:x", ""),
		elements("Observation.value[x]:valueString", `"maxLength":3`, "Observation.value[x]", `"type":[{"code":"string"}]`),
		elements("Observation.extension:a.extension:b/c.value[x]", `"fixedString":"\u0000"`),
		elements("Observation.code", `"patternCodeableConcept":{"coding":[{"code":"a"}],"text":1}`),
		elements("Observation.component.referenceRange.low.value", `"minValueDecimal":1e400`),
		elements("Observation.status", `"binding":{"strength":"required","valueSet":"x"},"constraint":[{"key":"k","expression":"true"}],"min":1.5`),
		`{"path":"Observation.category"},{"path":"Observation.category","sliceName":"a"},{"id":":","path":":"},{"id":"Observation."},{"id":".","path":"."}`,
		`null,1,[],{"id":{},"path":[]}`,
	} {
		f.Add(s, false)
		f.Add(s, true)
	}
	f.Fuzz(func(t *testing.T, list string, ready bool) {
		member := "differential"
		if ready {
			member = "snapshot"
		}
		r, err := fhir.Decode(fmt.Appendf(nil, `{"resourceType":"StructureDefinition","url":"https://a.example/p","type":"Observation","kind":"resource",
			"baseDefinition":"%sObservation","derivation":"constraint",%q:{"element":[%s]}}`, core, member, list))
		if err != nil {
			return
		}
		s, err := Generate(definitions.R4(), nil, r)
		if err != nil {
			if e, ok := errors.AsType[*fhir.Error](err); !ok || len(e.Issues) == 0 {
				t.Fatalf("error %T", err)
			}
			return
		}
		keeps(t, Base(definitions.R4(), "Observation"), s)
		b, err := s.Publish()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fhir.Decode(b); err != nil {
			t.Fatalf("published: %v\n%s", err, b)
		}
	})
}

// keeps checks that a snapshot weakens nothing of its base and that it hangs
// together.
func keeps(t *testing.T, base, s *Structure) {
	t.Helper()
	byID := map[string]*Element{}
	for i := range s.Elements {
		e := &s.Elements[i]
		parent, _ := cutLast(e.ID)
		if byID[e.ID] != nil || i > 0 && byID[parent] == nil {
			t.Fatalf("%q is there twice or stands alone", e.ID)
		}
		byID[e.ID] = e
		if wider(e.Min, e.Max) {
			t.Errorf("%s: %d..%d", e.ID, e.Min, e.Max)
		}
	}
	for i := range base.Elements {
		b := &base.Elements[i]
		e := byID[b.ID]
		if e == nil || e.Min < b.Min || wider(e.Max, b.Max) || e.IsModifier != b.IsModifier && i > 0 {
			t.Fatalf("%s: %v is weaker than %v", b.ID, e, b)
		}
		for _, c := range b.Constraints {
			if !slices.ContainsFunc(e.Constraints, func(x Constraint) bool {
				return x.Key == c.Key && x.Expression == c.Expression && (!x.Warning || c.Warning)
			}) {
				t.Errorf("%s lost %s", b.ID, c.Key)
			}
		}
		for _, x := range e.Types {
			if !slices.ContainsFunc(b.Types, func(y Type) bool { return y.Code == x.Code }) && b.ContentRef == "" && !slices.ContainsFunc(b.Types, func(y Type) bool { return y.Code == "Resource" }) {
				t.Errorf("%s: type %s", b.ID, x.Code)
			}
		}
		if b.Binding != nil && b.Binding.Strength == "required" && (e.Binding == nil || e.Binding.Strength != "required" ||
			!sameSetURL(e.Binding.ValueSet, b.Binding.ValueSet) && !sameSetURL(e.Binding.Max, b.Binding.ValueSet)) {
			t.Errorf("%s lost its value set", b.ID)
		}
	}
}
