package profiles

import (
	"strings"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
)

// complete fills what an issue does not say yet: what stands there, the line of
// the definition and what to do. Only faults pay for it.
func (w *walk) complete(is *fhir.Issue, v fhir.Value, missing string) {
	r := remedyOf(is.Rule)
	if is.Found == "" && missing != "" {
		is.Found = "nothing"
	}
	found, hint := sharper(is, v)
	is.Found = firstOf(is.Found, found, classOf(v))
	is.Hint = firstOf(is.Hint, hint, r.hint)
	switch {
	case is.Profile != "":
	case r.at != "":
		is.Profile = lineOf(r.at)
	default:
		if is.Profile = w.line(v, missing); is.Profile == "" { // not of R4 at all
			is.Profile = lineOf("Resource")
		}
	}
}

func firstOf(list ...string) string {
	for _, s := range list {
		if s != "" {
			return s
		}
	}
	return ""
}

// lineOf returns the line of R4 that defines an element: "Patient.birthDate" is
// http://hl7.org/fhir/StructureDefinition/Patient|4.0.1#Patient.birthDate.
func lineOf(path string) string {
	typ, _, _ := strings.Cut(path, ".")
	return "http://hl7.org/fhir/StructureDefinition/" + typ + "|4.0.1#" + path
}

// line returns the line of R4 that defines the element at v, or a member of it
// that is not there; "" where the document is not of R4 at all.
func (w *walk) line(v fhir.Value, missing string) string {
	t, path := w.place(v)
	if missing == "" {
		if path == "" {
			return ""
		}
		return lineOf(path)
	}
	switch {
	case t == nil && path == "":
		return ""
	case t == nil:
		return lineOf(path)
	}
	if s := t.Slot(missing); s != nil {
		return lineOf(slotPath(t, s))
	}
	return lineOf(t.Path)
}

func slotPath(t *definitions.Table, s *definitions.Slot) string {
	typ, _, _ := strings.Cut(t.Path, ".")
	return typ + "." + s.Path
}

// place finds the table of v's own type and the definition path of the element
// it stands at. Of a member that no type has, the path is that of its holder.
func (w *walk) place(v fhir.Value) (own *definitions.Table, path string) {
	defs := w.v.nodes.defs
	p, key := v.Parent(), v.Key()
	if p.Kind() == fhir.Array {
		p, key = p.Parent(), p.Key()
	}
	if !p.Exists() {
		if own = defs.Table(v.Get("resourceType").Text()); own != nil {
			path = own.Path
		}
		return own, path
	}
	holder, holderPath := w.place(p)
	if holder == nil {
		return nil, holderPath
	}
	m := holder.Member(strings.TrimPrefix(key, "_"))
	switch {
	case m == nil:
		return nil, holder.Path
	case key[0] == '_':
		own = defs.Table("Element")
	case m.Type.Code == "Resource":
		own = defs.Table(v.Get("resourceType").Text())
	default:
		own = m.Table()
	}
	return own, slotPath(holder, &holder.Slots[m.Slot])
}
