package search

import (
	"slices"

	"trellis.example/fhir"
	"trellis.example/gateway/store"
)

// Within narrows q to the compartment of a resource, such as ("Patient", id):
// R4 compartments. Types that are never in it find nothing.
func (r *Registry) Within(q *Query, code, id string) error {
	if !slices.Contains(r.defs.Compartments(), code) || !fhir.IsID(id) {
		return fhir.StatusErrorf(404, fhir.NotFound, "there is no such compartment")
	}
	for _, t := range q.types {
		c := condition{name: code, any: r.members(t.typ, code, id)}
		t.none = t.none || len(c.any) == 0
		t.where = append(t.where, c)
		if !t.fits() {
			return fhir.StatusErrorf(400, fhir.TooCostly, "the conditions have more than %d combinations of alternatives; ask for fewer at once", maxAlternatives)
		}
	}
	return nil
}

// members returns the alternatives by which a resource of the type belongs to a
// compartment.
func (r *Registry) members(typ, code, id string) (out []alternative) {
	if typ == code {
		out = append(out, alternative{idClause([]string{code + "/" + id})})
	}
	seen := map[string]bool{}
	for _, name := range r.defs.Compartment(code, typ) {
		p := r.Param(typ, name)
		if p == nil || p.kind != store.Reference || seen[p.stored] {
			continue
		}
		seen[p.stored] = true
		out = append(out, (&link{ref: p}).clauses([]string{code + "/" + id}))
	}
	return out
}

// Compartment returns the parts of a compartment for the types, or for all that
// are held when there are none, the resource itself among them.
func (r *Registry) Compartment(code, id string, types []string) []store.Part {
	if len(types) == 0 {
		types = r.Types()
	}
	var out []store.Part
	for _, typ := range types {
		for _, a := range r.members(typ, code, id) {
			out = append(out, store.Part{Type: typ, Where: a})
		}
	}
	return out
}
