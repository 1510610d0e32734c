package search

import (
	"slices"

	"trellis.example/fhir/definitions"
	"trellis.example/gateway/store"
)

// A Param is a search parameter of one resource type.
type Param struct {
	Name string
	// Type is the FHIR search type: token, reference, date, uri, string, number,
	// quantity, composite or special.
	Type string
	// URL is the canonical of the SearchParameter.
	URL string
	// Targets are the resource types that a reference may point to; empty
	// means any.
	Targets []string

	kind store.Kind
	// stored is the name under which the index holds it: another parameter's
	// when both select the same element.
	stored string
	// names are those of its further indexes.
	names names
	// common, silent and single are as store.Clause has them.
	common, silent, single bool
	// only is the type that a shared reference parameter is limited to.
	only string
	// filtered: parameters with other limits share its index.
	filtered bool
	// byRef: all its elements are references that no leading parameter covers,
	// so that the entries of [anyReference] lead to them.
	byRef bool
	// ledBy is a leading parameter over the same elements without a filter, or
	// nil: what it does not find, this one does not.
	ledBy *Param
	// datatypes of the elements it selects, sorted.
	datatypes []string
	// sets are the required bindings of the codes it selects: such codes are
	// indexed without their system.
	sets []*definitions.ValueSet
	// composites are the alternatives of a composite, each a list of parts.
	composites [][]*Param
	// leaders are the leading parameters that select the same as a part of a
	// composite with one alternative; nil where there is none.
	leaders []*Param
	// through names the reference by which the parameter is answered: what
	// leads to another type's parameter of the same name.
	through string
	// sounds: compared by how it sounds.
	sounds bool
}

// names of the indexes that modifiers look into.
type names struct{ text, ofType, identifier, version string }

// anyReference is the index of the references that no leading parameter covers.
const anyReference = "_ref"

func namesOf(stored string) names {
	return names{stored + ":text", stored + ":of-type", stored + ":identifier", stored + ":version"}
}

func (p *Param) has(datatype string) bool { return slices.Contains(p.datatypes, datatype) }

// Leads reports whether the parameter alone finds its matches by an index;
// others are compared with what a leading one finds, or the type has.
func (p *Param) Leads() bool {
	return p.kind != 0 && (!p.silent || p.byRef || p.ledBy != nil) || p.through != "" || slices.ContainsFunc(p.leaders, func(l *Param) bool { return l != nil })
}

// Modifiers returns what may stand after the name and a colon, sorted; a
// reference may have a type as well.
func (p *Param) Modifiers() []string {
	var out []string
	switch p.Type {
	case "string":
		out = []string{"contains", "exact"}
		if p.sounds {
			out = nil
		}
	case "token":
		if out = []string{"in", "not", "not-in"}; p.Name == "_id" {
			out = []string{"not"}
		}
		if p.has("CodeableConcept") || p.has("Coding") || p.has("Identifier") {
			out = append(out, "text")
		}
		if p.has("Identifier") {
			out = append(out, "of-type")
		}
	case "reference":
		out = []string{"identifier"}
	case "uri":
		out = []string{"above", "below"}
	}
	if p.Type != "composite" && p.through == "" {
		out = append(out, "missing")
	}
	slices.Sort(out)
	return out
}

// Comparators returns the prefixes that a value may have.
func (p *Param) Comparators() []string {
	switch p.Type {
	case "date", "number", "quantity":
		return prefixes[:]
	}
	return nil
}

// Chains reports whether a parameter of what it refers to may follow a dot.
func (p *Param) Chains() bool { return p.kind == store.Reference && p.has("Reference") }

// Doc says in a few words what a request may ask of the parameter.
func (p *Param) Doc() string {
	switch p.Type {
	case "string":
		if p.sounds {
			return "Sounds like the value (Soundex)."
		}
		return "Begins with the value, whatever its case and accents."
	case "token":
		return "code, system|code, |code or system|; several values with a comma."
	case "reference":
		return "Type/id, an absolute URL, or an id where few types are possible."
	case "date":
		return "A date with an optional prefix eq, ne, gt, lt, ge, le, sa, eb or ap; ap reaches as far again as the date is long on either side."
	case "number":
		return "A number with an optional prefix; its digits say how exact it is. ap is within a tenth."
	case "quantity":
		return "number, number|system|code or number||code, with an optional prefix; units are not converted. ap is within a tenth."
	case "composite":
		return "The values of its parts, joined by $, found in one element."
	case "special":
		return "latitude|longitude, or latitude|longitude|distance with the unit km (the default), m, [mi_i] or [ft_i] as a fourth part; 10 km when no distance is given."
	}
	return "Compared exactly."
}

// leader is a part of a composite that leads, and its position; nil without one.
func (p *Param) leader() (*Param, int) {
	for i, l := range p.leaders {
		if l != nil {
			return l, i
		}
	}
	return nil, 0
}
