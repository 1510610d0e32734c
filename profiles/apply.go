package profiles

import (
	"strings"

	"trellis.example/fhir"
)

// profiles applies, to a resource that has been walked, the profiles it claims,
// those its sender agreed to and ours for its type.
func (w *walk) profiles(v fhir.Value, typ string) {
	for c := v.At("meta", "profile").First(); c.Exists(); c = c.Next() {
		w.claimed(v, c, typ)
	}
	for _, url := range w.o.Profiles {
		if p := w.v.find(url); p != nil && p.Type == typ {
			w.profile(v, p)
		}
	}
	if p := w.v.byType[typ]; p != nil && !w.o.BaseOnly {
		w.profile(v, p)
	}
}

// claimed applies a profile named in meta.profile. One that is not ours can
// neither be checked nor excuse the document from ours.
func (w *walk) claimed(v, c fhir.Value, typ string) {
	p := w.v.find(c.Text())
	switch {
	case c.Text() == "http://hl7.org/fhir/StructureDefinition/"+typ:
		// base R4, checked already
	case p != nil && p == w.v.byType[typ] && !w.o.BaseOnly:
		// ours, applied to every document
	case p == nil:
		w.add(c, "", fhir.Issue{Severity: fhir.SeverityWarning, Code: fhir.NotSupported, Rule: "unknown-profile",
			Text: "this profile is not known here and was not checked"})
	case p.Type != typ:
		w.fault(c, fhir.BadValue, "profile-type", "the profile is for "+p.Type+", not for "+typ)
	default:
		w.profile(v, p)
		if base := w.v.byURL[p.base]; base != nil {
			w.profile(v, base)
		}
	}
}

func (w *walk) profile(v fhir.Value, p *profile) {
	w.profileRules(v, p.rules)
	for i := range p.checks {
		k := &p.checks[i]
		if k.parent == nil {
			w.check(v, k)
			continue
		}
		k.parent.Eval(v, func(parent fhir.Value, _ string) bool {
			w.check(parent, k)
			return true
		})
	}
}

// profileRules evaluates a profile's constraints. PRSB's items are judged on the
// parts of a Bundle together, by Referral; as warnings they are given here only
// for a resource that stands alone.
func (w *walk) profileRules(v fhir.Value, list []rule) {
	if !v.Parent().Exists() {
		w.rules(v, list)
		return
	}
	for i := range list {
		if !list[i].warning || !strings.HasPrefix(list[i].key, "prsb-") {
			w.rules(v, list[i:i+1])
		}
	}
}

func (w *walk) check(parent fhir.Value, k *check) {
	if k.min > 0 || k.max >= 0 {
		switch n := k.child.Count(parent); {
		case n < k.min:
			w.add(parent, k.name, fhir.Issue{Severity: fhir.SeverityError, Code: fhir.Required, Rule: k.rule,
				Text: k.name + " is required here"})
		case k.max >= 0 && n > k.max:
			w.add(parent, k.name, fhir.Issue{Severity: fhir.SeverityError, Code: fhir.BusinessRule, Rule: k.rule,
				Text: "there are more of " + k.name + " than are allowed here"})
		}
	}
	if !k.fixed.Exists() && !k.pattern.Exists() && len(k.targets) == 0 && len(k.rules) == 0 {
		return
	}
	k.child.Eval(parent, func(v fhir.Value, _ string) bool {
		w.checkValue(v, k)
		return true
	})
}

func (w *walk) checkValue(v fhir.Value, k *check) {
	switch {
	case k.fixed.Exists() && !(includes(v, k.fixed) && includes(k.fixed, v)):
		w.fault(v, fhir.BadValue, k.rule, "expected exactly the value that the profile fixes")
	case k.pattern.Exists() && !includes(v, k.pattern):
		w.fault(v, fhir.BadValue, k.rule, "expected the values that the profile's pattern gives")
	}
	if len(k.targets) > 0 && v.Kind() == fhir.Object {
		w.narrowed(v, k)
	}
	w.rules(v, k.rules)
}

// narrowed checks a reference against the profile's targets; what it points to
// in R4's terms has been checked by the walk.
func (w *walk) narrowed(v fhir.Value, k *check) {
	ref, _ := fhir.ParseReference(v.Get("reference").Text())
	typ := ref.Type
	switch ref.Kind {
	case fhir.RefURN:
		typ = w.typeInBundle(ref.URI)
	case fhir.RefContained:
		typ = containedByID(w.root.Get("contained"), ref.Fragment).Get("resourceType").Text()
	}
	if typ == "" {
		typ = v.Get("type").Text()
	}
	if w.v.nodes.defs.IsResource(typ) && !isTarget(typ, k.targets) {
		w.wrongTarget(v, k.targets)
	}
}

// includes reports whether v has all that the pattern has (R4 ElementDefinition,
// pattern[x]): members of objects, entries of arrays in any order.
func includes(v, pattern fhir.Value) bool {
	if v.Kind() != pattern.Kind() {
		return false
	}
	switch pattern.Kind() {
	case fhir.Object:
		for m := range pattern.All() {
			if !includes(v.Get(m.Key()), m) {
				return false
			}
		}
	case fhir.Array:
		for want := range pattern.All() {
			if !hasItem(v, want) {
				return false
			}
		}
	default:
		return v.Text() == pattern.Text()
	}
	return true
}

func hasItem(list, want fhir.Value) bool {
	for c := range list.All() {
		if includes(c, want) {
			return true
		}
	}
	return false
}
