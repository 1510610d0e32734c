package profiles

import (
	"strings"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
)

func (w *walk) primitive(v fhir.Value, info *member) {
	p := info.prim
	if p == notPrimitive {
		return
	}
	want := &primitives[p]
	if v.Kind() != want.kind {
		w.wrong(v, fhir.Structure, ruleType, want.expect+" ("+want.name+") as JSON "+kindName(want.kind), "", kindHint(v, want.kind))
		return
	}
	s := v.Text()
	switch {
	case !p.valid(s):
		w.malformed(v, s, p)
	case p == pXHTML:
		if rule, expect := checkNarrative(s); rule != "" {
			w.narrative(v, rule, expect)
		}
	case info.set != nil && !info.set.HasCode(s):
		w.wrong(v, fhir.CodeInvalid, ruleBinding, "a code of the value set "+info.set.URL, "a code that is not in the value set", codeHint(s, info.set.HasCode))
	case info.format != anyFormat && !info.format.valid(s):
		w.wrong(v, fhir.CodeInvalid, ruleBinding, info.format.expect(), "a code of another form", formHint)
	case s != "" && s[0] == '#' && (p == pCanonical || p == pURI || p == pURL):
		w.locals = append(w.locals, local{at: v, id: s[1:]})
	case p == pCanonical && strings.IndexByte(s, ':') < 0:
		w.relativeCanonical(v)
	case info.bind != nil:
		w.bound(v, want.name, info.bind)
	}
	w.rules(v, info.rules)
}

// relativeCanonical remarks on a canonical that is no absolute URL (R4
// datatypes, canonical): HL7's own examples have some, and nobody finds what they
// name.
func (w *walk) relativeCanonical(v fhir.Value) {
	w.add(v, "", fhir.Issue{Severity: fhir.SeverityWarning, Code: fhir.BadValue, Rule: ruleCanonical,
		Text: "a canonical is an absolute URL", Expected: "an absolute URL, or # and the id of a contained resource", Found: "a relative address"})
}

// malformed reports a value that is not one of its primitive type.
func (w *walk) malformed(v fhir.Value, s string, p primitive) {
	class, hint := shapeOf(s, p)
	w.wrong(v, fhir.BadValue, ruleFormat, primitives[p].expect+" ("+primitives[p].name+")", class, hint)
}

// codeHint sees a code that only its letter case keeps out of a set. The code
// that would be right is the set's, but naming it would show the document's.
func codeHint(s string, has func(code string) bool) string {
	if lower := strings.ToLower(s); lower != s && has(lower) {
		return "Write the code in lower case."
	}
	if upper := strings.ToUpper(s); upper != s && has(upper) {
		return "Write the code in upper case."
	}
	if trimmed := strings.TrimSpace(s); trimmed != s && has(trimmed) {
		return "Take the blanks around the code away."
	}
	return ""
}

func kindName(k fhir.Kind) string {
	switch k {
	case fhir.Bool:
		return "boolean"
	case fhir.Number:
		return "number"
	}
	return "string"
}

// shadow validates "_name": the id and extensions of a primitive.
func (w *walk) shadow(parent, c fhir.Value, m *definitions.Member) {
	values := parent.Get(m.Name)
	if !m.Many {
		w.shadowValue(c, values.Exists())
		return
	}
	if c.Kind() != fhir.Array || c.Len() == 0 {
		w.wrong(c, fhir.Structure, ruleType, "an array beside that of the values", "", "Give one entry for each value, null where there is nothing to say.")
		return
	}
	if values.Kind() == fhir.Array && values.Len() != c.Len() {
		w.wrong(c, fhir.Structure, ruleType, "as many entries as there are values, null where there is nothing to say", valuesFound(c.Len()),
			"Give one entry for each value, null where there is nothing to say.")
	}
	value := values.First()
	for e := c.First(); e.Exists(); e = e.Next() {
		switch {
		case e.Kind() != fhir.Null:
			w.shadowValue(e, value.Exists() && value.Kind() != fhir.Null)
		case !values.Exists():
			w.expected(e, fhir.Structure, ruleEmpty, "id or extension where there is no value")
		}
		value = value.Next()
	}
}

func (w *walk) shadowValue(v fhir.Value, hasValue bool) {
	if v.Kind() != fhir.Object {
		w.wrong(v, fhir.Structure, ruleType, "a JSON object with id or extension", "", "Put the value into the member without the underscore.")
		return
	}
	w.object(v, w.v.element)
	if !hasValue && v.Len() == 1 && v.Get("id").Exists() {
		w.childless(v)
	}
}
