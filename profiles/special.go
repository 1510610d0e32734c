package profiles

import (
	"slices"
	"strings"

	"trellis.example/fhir"
)

// special checks what no table expresses, on a value of the node's type.
func (w *walk) special(v fhir.Value, n *node) {
	switch n.special {
	case isExtension:
		w.extension(v)
	case isNarrative:
		w.narrativeStatus(v)
	case isIdentifier:
		w.identifier(v)
	case isCoding:
		w.coding(v)
	case isQuantity:
		w.quantity(v)
	case isEntry:
		w.entry(v)
	case isBundle:
		w.bundleOf(v)
	case isDomainResource:
		if w.inside {
			w.containedMeta(v)
		}
	}
}

// extension checks ext-1 and refuses modifier extensions nobody here knows: a
// receiver that ignores one may read the opposite of what was meant (R4
// extensibility, section 2.1.3.2).
func (w *walk) extension(v fhir.Value) {
	value, nested := false, v.Get("extension").Exists()
	for c := v.First(); c.Exists(); c = c.Next() {
		key := c.Key()
		value = value || strings.HasPrefix(key, "value") || strings.HasPrefix(key, "_value")
	}
	if value == nested {
		w.add(v, "", fhir.Issue{Severity: fhir.SeverityError, Code: fhir.Invariant, Rule: ruleExtension,
			Text:     "an extension must have either a value or extensions, not both",
			Expected: "either a value or extensions", Found: neitherOrBoth(value)})
	}
	url := v.Get("url").Text()
	if w.knownExtension(v, url) {
		return
	}
	if holder := v.Parent(); holder.Key() == "modifierExtension" && url != "" && !w.v.nodes.defs.ModifierExtension(url) {
		is := fhir.Issue{Severity: fhir.SeverityError, Code: fhir.Extension, Rule: ruleModifier,
			Text:     "this modifier extension is not known here; the document cannot be understood safely",
			Expected: "a modifier extension that is known here", Found: "an unknown modifier extension"}
		if w.o.BaseOnly { // valid R4: what to make of it is the receiver's choice
			is.Severity = fhir.SeverityWarning
		}
		w.add(v, "", is)
	}
}

func neitherOrBoth(value bool) string {
	if value {
		return "both"
	}
	return "neither"
}

func foundContained(id string) string {
	if id == "" {
		return "a contained resource without id"
	}
	return "no reference to it"
}

// identifier checks NHS numbers wherever they stand.
func (w *walk) identifier(v fhir.Value) {
	value := v.Get("value")
	if value.Kind() == fhir.String && fhir.IsNHSNumberSystem(v.Get("system").Text()) && !fhir.NHSNumber(value.Text()) {
		w.expected(value, fhir.BadValue, ruleNHSNumber, "an NHS number: ten digits, the last a Modulus 11 check digit")
	}
}

// coding checks that a code exists where that is known, and the form and check
// digit of SNOMED CT codes.
func (w *walk) coding(v fhir.Value) {
	w.known(v)
	code := v.Get("code")
	if code.Kind() == fhir.String && v.Get("system").Text() == fhir.SNOMEDSystem && !w.o.BaseOnly && !isSNOMED(code.Text()) {
		w.expected(code, fhir.CodeInvalid, ruleSNOMED, "a SNOMED CT code: 6 to 18 digits, the last a Verhoeff check digit")
	}
}

// isSNOMED also admits post-coordinated expressions, which FHIR allows as code:
// their parts are checked when they begin with a concept.
func isSNOMED(s string) bool {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return fhir.SNOMED(s[:n]) && (n == len(s) || strings.IndexByte(" :|+", s[n]) >= 0)
}

// containedMeta checks dom-4 and dom-5.
func (w *walk) containedMeta(v fhir.Value) {
	meta := v.Get("meta")
	if meta.Get("versionId").Exists() || meta.Get("lastUpdated").Exists() {
		w.add(meta, "", fhir.Issue{Severity: fhir.SeverityError, Code: fhir.Invariant, Rule: ruleContainedMeta,
			Text: "a contained resource may not have meta.versionId or meta.lastUpdated", Expected: "meta without versionId and lastUpdated", Found: "a version or its time"})
	}
	if meta.Get("security").Exists() {
		w.add(meta, "", fhir.Issue{Severity: fhir.SeverityError, Code: fhir.Invariant, Rule: ruleContainedLabel,
			Text: "a contained resource may not have security labels", Expected: "meta without security", Found: "security labels"})
	}
}

// contained checks, when a resource has been walked, that its local references
// lead to contained resources of the right type (ref-1) and that every
// contained resource is used (dom-3).
func (w *walk) contained(v fhir.Value, first int) {
	list := v.Get("contained")
	locals := w.locals[first:]
	if !list.Exists() && len(locals) == 0 {
		return
	}
	types := make(map[string]string, list.Len()) // of the contained resources, by id
	for c := list.First(); c.Exists(); c = c.Next() {
		types[c.Get("id").Text()] = c.Get("resourceType").Text()
	}
	used := make(map[string]bool, len(locals))
	var upward []int // where contained resources refer to their container
	for _, l := range locals {
		used[l.id] = true
		if l.id == "" {
			at, _ := l.at.Span()
			upward = append(upward, at)
		} else {
			w.localTarget(l, types)
		}
	}
	slices.Sort(upward)
	for c := list.First(); c.Exists(); c = c.Next() {
		id := c.Get("id").Text()
		if c.Kind() == fhir.Object && (id == "" || !used[id]) && !anyWithin(upward, c) {
			w.add(c, "", fhir.Issue{Severity: fhir.SeverityError, Code: fhir.Invariant, Rule: ruleContainedUsed,
				Text:     "a contained resource must be referred to by the resource that contains it",
				Expected: "a reference to it by #id", Found: foundContained(id)})
		}
	}
}

// localTarget checks one reference to a contained resource. A fragment in a uri
// or canonical may mean anything.
func (w *walk) localTarget(l local, types map[string]string) {
	if l.at.Kind() != fhir.Object {
		return
	}
	typ, ok := types[l.id]
	switch {
	case !ok:
		w.add(l.at, "reference", fhir.Issue{Severity: fhir.SeverityError, Code: fhir.Invariant, Rule: ruleLocal,
			Text: "there is no contained resource with this id", Expected: "the id of a contained resource", Found: "an id that none of them has"})
	case !isTarget(typ, l.targets):
		w.wrongTarget(l.at, l.targets)
	}
}

// anyWithin reports whether one of the sorted offsets lies in v.
func anyWithin(offsets []int, v fhir.Value) bool {
	start, end := v.Span()
	i, _ := slices.BinarySearch(offsets, start)
	return i < len(offsets) && offsets[i] < end
}

func containedByID(list fhir.Value, id string) fhir.Value {
	for c := list.First(); c.Exists(); c = c.Next() {
		if c.Get("id").Text() == id {
			return c
		}
	}
	return fhir.Value{}
}

// binding checks a CodeableConcept, Coding or Quantity against a required value
// set: one of its codings must be in it.
func (w *walk) binding(v fhir.Value, typ string, info *member) {
	switch typ {
	case "CodeableConcept":
		for c := v.Get("coding").First(); c.Exists(); c = c.Next() {
			if info.has(c) {
				return
			}
		}
	default:
		if info.has(v) {
			return
		}
	}
	if info.set != nil {
		w.wrong(v, fhir.CodeInvalid, ruleBinding, "a code of the value set "+info.set.URL, foundCode(v, typ), "")
		w.unknownCodes(v, typ)
	} else {
		w.wrong(v, fhir.CodeInvalid, ruleBinding, info.format.expect(), foundCode(v, typ), formHint)
	}
}

// has reports whether a coding or quantity is in the member's value set.
func (info *member) has(coding fhir.Value) bool {
	code := coding.Get("code").Text()
	if info.set == nil {
		return info.format.valid(code)
	}
	return info.set.Has(coding.Get("system").Text(), code)
}

// foundCode is the class of a coded value that is not in the set asked for.
func foundCode(v fhir.Value, typ string) string {
	switch {
	case typ == "CodeableConcept" && !v.Get("coding").Exists():
		return "text without a code"
	case typ == "CodeableConcept":
		return "codes that are not in the value set"
	case !v.Get("code").Exists():
		return "no code"
	case !v.Get("system").Exists():
		return "a code without its system"
	}
	return "a code that is not in the value set"
}
