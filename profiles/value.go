package profiles

import (
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
		w.fault(v, fhir.Structure, "type", "expected "+want.expect+" ("+want.name+") as JSON "+kindName(want.kind))
		return
	}
	s := v.Text()
	switch {
	case !p.valid(s):
		w.fault(v, fhir.BadValue, "format", "expected "+want.expect+" ("+want.name+")")
	case p == pXHTML:
		if rule, expect := checkNarrative(s); rule != "" {
			w.fault(v, fhir.Invariant, rule, expect)
		}
	case info.set != nil && !info.set.HasCode(s):
		w.fault(v, fhir.CodeInvalid, "binding", "expected a code of the value set "+info.set.URL)
	case info.format != anyFormat && !info.format.valid(s):
		w.fault(v, fhir.CodeInvalid, "binding", "expected "+info.format.expect())
	case s != "" && s[0] == '#' && (p == pCanonical || p == pURI || p == pURL):
		w.locals = append(w.locals, local{at: v, id: s[1:]})
	}
	w.rules(v, info.rules)
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
		w.fault(c, fhir.Structure, "type", "expected an array beside that of the values")
		return
	}
	if values.Kind() == fhir.Array && values.Len() != c.Len() {
		w.fault(c, fhir.Structure, "type", "expected as many entries as there are values, null where there is nothing to say")
	}
	value := values.First()
	for e := c.First(); e.Exists(); e = e.Next() {
		switch {
		case e.Kind() != fhir.Null:
			w.shadowValue(e, value.Exists() && value.Kind() != fhir.Null)
		case !values.Exists():
			w.fault(e, fhir.Structure, "empty", "expected id or extension where there is no value")
		}
		value = value.Next()
	}
}

func (w *walk) shadowValue(v fhir.Value, hasValue bool) {
	if v.Kind() != fhir.Object {
		w.fault(v, fhir.Structure, "type", "expected a JSON object with id or extension")
		return
	}
	w.object(v, w.v.element)
	if !hasValue && v.Len() == 1 && v.Get("id").Exists() {
		w.fault(v, fhir.Structure, "ele-1", "an element must have a value or children")
	}
}
