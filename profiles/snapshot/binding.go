package snapshot

import (
	"slices"
	"strings"

	"trellis.example/fhir"
)

// strengths from the weakest.
var strengths = [...]string{"example", "preferred", "extensible", "required"}

const maxValueSet = core + "elementdefinition-maxValueSet"

// coded are the types that a binding is for (R4 eld-11).
var coded = [...]string{"code", "Coding", "CodeableConcept", "Quantity", "string", "uri"}

// binding sets the value set of a coded element; its strength may only grow. A
// required value set of the base stays required beside another one.
func (m *merger) binding(v fhir.Value) {
	b := &Binding{Strength: v.Get("strength").Text(), ValueSet: v.Get("valueSet").Text(), Description: v.Get("description").Text()}
	for x := range v.Get("extension").Items() {
		if x.Get("url").Text() == maxValueSet {
			b.Max = x.Get("valueCanonical").Text()
		}
	}
	rank := slices.Index(strengths[:], b.Strength)
	switch {
	case rank < 0:
		m.fault("the strength of a binding is required, extensible, preferred or example")
		return
	case b.ValueSet == "" && (b.Strength == "required" || b.Strength == "extensible") && !m.lenient:
		m.fault("a binding of strength %s without a value set cannot be enforced", b.Strength)
		return
	case !m.bindable():
		m.fault("a binding is for codes, codings, concepts, quantities, strings and URIs, not for %s", codeList(m.e.Types))
		return
	}
	if old := m.e.Binding; old != nil && !m.strengthens(old, b, rank) {
		return
	}
	m.e.Binding = b
}

func (m *merger) bindable() bool {
	return len(m.e.Types) == 0 || slices.ContainsFunc(m.e.Types, func(t Type) bool {
		return slices.Contains(coded[:], t.Code) || m.defs.IsA(t.Code, "Quantity") || m.defs.IsA(t.Code, "uri") || m.defs.IsA(t.Code, "string")
	})
}

func (m *merger) strengthens(old, b *Binding, rank int) bool {
	if rank < slices.Index(strengths[:], old.Strength) {
		m.fault("the binding is %s in the base and cannot become %s", old.Strength, b.Strength)
		return false
	}
	limits := []string{old.Max, b.Max}
	if old.Strength == "required" && !sameSetURL(old.ValueSet, b.ValueSet) {
		limits = append(limits, old.ValueSet)
	}
	b.Max = ""
	for _, l := range limits {
		switch {
		case l == "" || sameSetURL(l, b.ValueSet) && b.Strength == "required":
		case b.Max == "" || sameSetURL(l, b.Max):
			b.Max = l
		default:
			m.fault("besides its own value set the element would have to follow two others, %s and %s, which cannot be enforced", safe(b.Max), safe(l))
			return false
		}
	}
	return true
}

// sameSetURL compares value sets whatever their version.
func sameSetURL(a, b string) bool {
	a, _, _ = strings.Cut(a, "|")
	b, _, _ = strings.Cut(b, "|")
	return a == b
}
