package profiles

import (
	"slices"
	"strings"

	"trellis.example/fhir"
)

// reference checks the form of a reference and, as far as the document tells,
// the type of what it points to.
func (w *walk) reference(v fhir.Value, targets []string) {
	typ := strings.TrimPrefix(v.Get("type").Text(), "http://hl7.org/fhir/StructureDefinition/")
	if typ != "" && w.v.nodes.defs.IsResource(typ) && !isTarget(typ, targets) {
		w.wrongTarget(v, targets)
		return
	}
	s := v.Get("reference")
	if s.Kind() != fhir.String {
		return
	}
	ref, ok := fhir.ParseReference(s.Text())
	if ok && w.o.Resolve != nil {
		w.followed(v, s, ref, targets)
	}
	switch {
	case !ok:
		w.expected(s, fhir.BadValue, ruleReference, "a URL, Type/id, #id or a urn")
	case ref.Kind == fhir.RefContained:
		w.locals = append(w.locals, local{at: v, id: ref.Fragment, targets: targets})
	case ref.Kind == fhir.RefURN:
		w.target(v, w.typeInBundle(ref.URI), typ, targets)
		w.urn(s, ref.URI)
	case ref.Kind == fhir.RefRelative || ref.Kind == fhir.RefConditional:
		if !w.v.nodes.defs.IsResource(ref.Type) {
			w.add(s, "", fhir.Issue{Severity: fhir.SeverityError, Code: fhir.BadValue, Rule: ruleReference,
				Text:     "a relative reference must begin with an R4 resource type",
				Expected: "Type/id with an R4 resource type", Found: "another name before the slash"})
			return
		}
		w.target(v, ref.Type, typ, targets)
	case ref.Kind == fhir.RefAbsolute && w.v.nodes.defs.IsResource(ref.Type):
		w.target(v, ref.Type, typ, targets)
	case ref.Kind == fhir.RefOther && !strings.Contains(ref.URI, ":"):
		w.expected(s, fhir.BadValue, ruleReference, "a URL, Type/id, #id or a urn")
	}
}

// followed checks, where the caller asked for it, that a reference leads to a
// resource, and that it is of the type that the reference and R4 say. What is
// not an address (a condition) or stands in the document (#id) is left out.
func (w *walk) followed(v, s fhir.Value, ref fhir.Reference, targets []string) {
	if ref.Kind == fhir.RefContained || ref.Kind == fhir.RefConditional || ref.Kind == fhir.RefOther && !strings.Contains(ref.URI, ":") {
		return
	}
	at := w.entryOf(ref)
	if !at.Exists() {
		at = w.elsewhere(ref)
	}
	switch typ := at.Get("resourceType").Text(); {
	case !at.Exists():
		w.wrong(s, fhir.NotFound, ruleUnresolved, "a reference to a resource that is there", "a reference to nothing that was found", "")
	case ref.Type != "" && typ != ref.Type:
		w.wrong(s, fhir.BadValue, ruleUnresolved, "a resource of the type that the reference names", "a resource of another type", "")
	case !isTarget(typ, targets):
		w.wrongTarget(v, targets)
	}
}

// urn checks that an entry of the Bundle has the address: a urn is nobody's
// address outside (R4 Bundle, section 2.36.4.1).
func (w *walk) urn(s fhir.Value, uri string) {
	if !w.bundle.Exists() || w.entryAt(uri).Exists() {
		return
	}
	is := fhir.Issue{Severity: fhir.SeverityWarning, Code: fhir.BusinessRule, Rule: ruleBundleReference,
		Text: "no entry of the Bundle has this address", Expected: "the fullUrl of an entry", Found: "an address that no entry has"}
	switch w.addressesOf().typ {
	case "transaction", "message", "document":
		is.Severity = fhir.SeverityError
	}
	w.add(s, "", is)
}

// target checks the type found in the literal reference; "" is not known.
func (w *walk) target(v fhir.Value, found, declared string, targets []string) {
	switch {
	case found == "":
	case !isTarget(found, targets):
		w.wrongTarget(v, targets)
	case declared != "" && declared != found:
		w.add(v.Get("type"), "", fhir.Issue{Severity: fhir.SeverityError, Code: fhir.BadValue, Rule: ruleReference,
			Text: "the type differs from that of the reference", Expected: "the type " + found, Found: "another type",
			Hint: "Leave type out, or make it the type of the reference."})
	}
}

func isTarget(typ string, targets []string) bool {
	return len(targets) == 0 || slices.Contains(targets, typ)
}

func (w *walk) wrongTarget(v fhir.Value, targets []string) {
	w.wrong(v, fhir.BadValue, ruleTarget, "a reference to "+strings.Join(targets, " or "), "a reference to another type", "")
}
