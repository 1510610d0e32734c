package profiles

import (
	"fmt"
	"slices"
	"strings"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
	"trellis.example/profiles/snapshot"
)

// typeRules say of what types a value may be, and what each must be besides.
type typeRules struct {
	narrowed bool // some types that R4 allows are not allowed here
	list     []typeRule
}

// A typeRule is what a value of one type must be.
type typeRule struct {
	code     string
	quantity quantityForm
	// profiles the value must follow, one of them; nil: none.
	profiles []*definition
	// targets are what a reference may lead to, one of them; nil: as R4 has it.
	targets     []target
	aggregation aggregation
}

// A target is a resource type that a reference may lead to, and the profile that
// the resource must follow, if any.
type target struct {
	typ string
	def *definition
}

// aggregation is a set of the ways in which a reference may be given; 0: any.
type aggregation uint8

const (
	contained aggregation = 1 << iota
	referenced
	bundled
)

var aggregations = map[string]aggregation{"contained": contained, "referenced": referenced, "bundled": bundled}

// quantityForm is one of R4's own profiles of Quantity.
type quantityForm uint8

const (
	anyQuantity quantityForm = iota
	simpleQuantity
	moneyQuantity
)

// types compiles what an element allows that is narrower than R4's own, or nil.
func (c *compiler) types(e *snapshot.Element, slot *definitions.Slot) (*typeRules, error) {
	r := &typeRules{narrowed: narrows(e.Types, slot)}
	useful := r.narrowed
	for _, t := range e.Types {
		rule, err := c.typeRule(t, slot)
		if err != nil {
			return nil, err
		}
		useful = useful || rule.asks()
		r.add(rule)
	}
	if !useful || len(e.Types) == 0 {
		return nil, nil
	}
	return r, nil
}

// add joins the rules of one type: R4 may state it more than once.
func (r *typeRules) add(rule typeRule) {
	for i := range r.list {
		if have := &r.list[i]; have.code == rule.code {
			have.profiles = append(have.profiles, rule.profiles...)
			have.targets = append(have.targets, rule.targets...)
			have.aggregation |= rule.aggregation
			return
		}
	}
	r.list = append(r.list, rule)
}

func (t *typeRule) asks() bool {
	return t.quantity != anyQuantity || len(t.profiles) > 0 || len(t.targets) > 0 || t.aggregation != 0
}

// narrows reports whether a type that R4 allows is not among the types.
func narrows(types []snapshot.Type, slot *definitions.Slot) bool {
	if slot == nil {
		return false
	}
	for _, m := range slot.Members {
		if !slices.ContainsFunc(types, func(t snapshot.Type) bool { return t.Code == m.Type.Code || isSystemType(t.Code) }) {
			return true
		}
	}
	return false
}

// isSystemType reports whether a code is one of FHIRPath's own types, by which
// R4 describes ids and the values of primitives.
func isSystemType(code string) bool { return strings.HasPrefix(code, "http://hl7.org/fhirpath/") }

func (c *compiler) typeRule(t snapshot.Type, slot *definitions.Slot) (typeRule, error) {
	r := typeRule{code: t.Code}
	own := memberOf(slot, t.Code)
	for _, p := range t.Profiles {
		if err := c.typeProfile(&r, p, own); err != nil {
			return r, err
		}
	}
	for _, a := range t.Aggregation {
		if aggregations[a] == 0 {
			return r, fmt.Errorf("expected contained, referenced or bundled as aggregation")
		}
		r.aggregation |= aggregations[a]
	}
	if t.Code != "Reference" {
		return r, nil // a canonical or CodeableReference is not followed
	}
	for _, p := range t.TargetProfiles {
		found, err := c.target(p)
		if err != nil {
			return r, err
		}
		r.targets = append(r.targets, found)
	}
	if sameTargets(r.targets, own) {
		r.targets = nil
	}
	return r, nil
}

// memberOf returns the member of a slot with a type, or nil.
func memberOf(slot *definitions.Slot, code string) *definitions.Member {
	if slot == nil {
		return nil
	}
	for _, m := range slot.Members {
		if m.Type.Code == code {
			return m
		}
	}
	return nil
}

// typeProfile adds a profile that a value must follow.
func (c *compiler) typeProfile(r *typeRule, canonical string, own *definitions.Member) error {
	if own != nil && slices.Contains(own.Type.Profiles, lastPart(canonical)) {
		return nil // R4's own, which the walk applies
	}
	switch fhir.ParseCanonical(canonical).URL {
	case r4Base + "SimpleQuantity":
		r.quantity = simpleQuantity
		return nil
	case r4Base + "MoneyQuantity":
		r.quantity = moneyQuantity
		return nil
	}
	if typ := ownType(c.v.nodes.defs, canonical); typ != "" {
		return nil // the type itself
	}
	d := c.v.shelf.find(canonical)
	switch {
	case d == nil && r.code == "Extension" && c.v.nodes.defs.Extension(fhir.ParseCanonical(canonical).URL) != nil:
		return nil // one of R4's, which the walk applies wherever it stands
	case d == nil:
		return fmt.Errorf("the profile %s is not known here", lastPart(canonical))
	case !c.v.nodes.defs.IsA(d.Type, r.code):
		return fmt.Errorf("the profile %s is for %s, not for %s", lastPart(canonical), d.Type, r.code)
	case r.code == "Extension" && d == c.v.shelf.find(d.URL):
		return nil // the walk applies it wherever it stands
	}
	r.profiles = append(r.profiles, d)
	return nil
}

func (c *compiler) target(canonical string) (target, error) {
	if typ := ownType(c.v.nodes.defs, canonical); typ != "" {
		return target{typ: typ}, nil
	}
	d := c.v.shelf.find(canonical)
	if d == nil {
		return target{}, fmt.Errorf("the target profile %s is not known here", lastPart(canonical))
	}
	return target{typ: d.Type, def: d}, nil
}

// sameTargets reports whether the targets are R4's own.
func sameTargets(list []target, own *definitions.Member) bool {
	if own == nil || len(list) != len(own.Type.Targets) {
		return false
	}
	for _, t := range list {
		if t.def != nil || !slices.Contains(own.Type.Targets, t.typ) {
			return false
		}
	}
	return true
}

// of returns the rule of a type, or nil. A type stands for its specialisations
// only when it is abstract: a code may not stand where a string is asked for,
// because its member would have another name (R4 ElementDefinition, type.code).
func (r *typeRules) of(defs *definitions.Definitions, typ string) *typeRule {
	for i := range r.list {
		if r.list[i].code == typ {
			return &r.list[i]
		}
	}
	for i := range r.list {
		if code := r.list[i].code; isSystemType(code) || standsFor(defs, code, typ) {
			return &r.list[i]
		}
	}
	return nil
}

// standsFor reports whether a type is one of an abstract one.
func standsFor(defs *definitions.Definitions, abstract, typ string) bool {
	t := defs.Type(abstract)
	return t != nil && t.Abstract && typ != "" && defs.IsA(typ, abstract)
}

// String names the types.
func (r *typeRules) String() string {
	names := make([]string, 0, len(r.list))
	for i := range r.list {
		if !slices.Contains(names, r.list[i].code) {
			names = append(names, r.list[i].code)
		}
	}
	return strings.Join(names, " or ")
}
