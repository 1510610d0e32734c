package path

import (
	"errors"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
)

// ErrComputed means that an expression gives a computed value where a place in
// the document is asked for.
var ErrComputed = errors.New("the expression computes a value and selects no element")

// A Selected is an element that an expression selects.
type Selected struct {
	Value fhir.Value
	// Table is the element's definition.
	Table *definitions.Table
	// Shadow marks a primitive that has an id or extensions but no value; Value
	// is the object that carries them.
	Shadow bool
}

// Select returns the elements that the expression selects in v, a value of the
// root type, in the order of evaluation. visits is how many values the
// evaluations that share it may still visit; this one takes off what it used. It
// fails with [ErrTooCostly] or [ErrComputed].
func (p *Path) Select(v fhir.Value, visits *int) ([]Selected, error) {
	e := newEnv(v, p.table)
	defer e.release()
	e.limit = min(e.limit, *visits)
	p.root.eval(e, e.root)
	*visits -= min(e.visits, *visits)
	if e.costly() {
		return nil, ErrTooCostly
	}
	out := make([]Selected, 0, len(e.stack))
	for _, it := range e.stack {
		if it.kind != kindNode {
			return nil, ErrComputed
		}
		out = append(out, Selected{it.v, it.t, it.shadow})
	}
	return out, nil
}
