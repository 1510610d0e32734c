package path

import (
	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
)

// A chain is an expression of member names alone, such as "entry.resource",
// with its members bound to tables: it is followed in the document without a
// stack. The empty chain stands for the focus.
type chain []link

// A link is one member of a chain.
type link struct {
	name, shadow string
	m            *definitions.Member
}

// chainOf binds an expression to the table of its focus. It refuses choices,
// members of primitives, and what lies in resources, whose tables only the
// document names.
func chainOf(x expr, t *definitions.Table) (c chain, last *definitions.Table, ok bool) {
	switch x := x.(type) {
	case thisExpr:
		return nil, t, t != nil
	case childExpr:
		c, t, ok = chainOf(x.of, t)
		if !ok || t == nil || t.Kind == definitions.Primitive {
			return nil, nil, false
		}
		s := t.Slot(x.name)
		if s == nil || s.Choice() {
			return nil, nil, false
		}
		m := s.Members[0]
		return append(c, link{name: s.Name, shadow: "_" + s.Name, m: m}), m.Table(), true
	}
	return nil, nil, false
}

// each yields the items of the chain below v in order, as evaluation would
// push them, until yield returns false. A shadow is a primitive of which only
// "_name" is there.
func (c chain) each(v fhir.Value, yield func(v fhir.Value, shadow bool) bool) bool {
	if len(c) == 0 {
		return yield(v, false)
	}
	val := v.Get(c[0].name)
	switch {
	case !val.Exists() && c[0].m.Primitive():
		return eachShadow(v.Get(c[0].shadow), yield)
	case val.Kind() == fhir.Array:
		for e := val.First(); e.Exists(); e = e.Next() {
			if e.Kind() != fhir.Null && !c[1:].each(e, yield) {
				return false
			}
		}
	case val.Exists() && val.Kind() != fhir.Null:
		return c[1:].each(val, yield)
	}
	return true
}

func eachShadow(v fhir.Value, yield func(v fhir.Value, shadow bool) bool) bool {
	if v.Kind() == fhir.Object {
		return yield(v, true)
	}
	for e := v.First(); e.Exists(); e = e.Next() {
		if e.Kind() == fhir.Object && !yield(e, true) {
			return false
		}
	}
	return true
}

// any reports whether the chain gives anything below v.
func (c chain) any(v fhir.Value) bool {
	if len(c) == 0 {
		return true
	}
	val := v.Get(c[0].name)
	switch {
	case !val.Exists() && c[0].m.Primitive():
		return anyShadow(v.Get(c[0].shadow))
	case val.Kind() == fhir.Array:
		for e := val.First(); e.Exists(); e = e.Next() {
			if e.Kind() != fhir.Null && c[1:].any(e) {
				return true
			}
		}
		return false
	}
	return val.Exists() && val.Kind() != fhir.Null && c[1:].any(val)
}

func anyShadow(v fhir.Value) bool {
	if v.Kind() == fhir.Object {
		return true
	}
	for e := v.First(); e.Exists(); e = e.Next() {
		if e.Kind() == fhir.Object {
			return true
		}
	}
	return false
}

// one returns the string that a chain gives below v: none says that it gives
// nothing, !ok that it gives something else than a single string.
func (c chain) one(v fhir.Value) (s string, none, ok bool) {
	for i := range c {
		val := v.Get(c[i].name)
		switch {
		case !val.Exists() && c[i].m.Primitive():
			return "", true, !v.Get(c[i].shadow).Exists()
		case !val.Exists() || val.Kind() == fhir.Null:
			return "", true, true
		case val.Kind() == fhir.Array:
			return "", false, false
		}
		v = val
	}
	return v.Text(), false, v.Kind() == fhir.String
}
