package profiles

import (
	"fmt"
	"slices"
	"strings"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
	"trellis.example/profiles/snapshot"
)

// A profile is a snapshot compiled to a tree of checks, immutable. The tree has
// only what R4's own definitions do not ask already.
type profile struct {
	def       *definition
	structure *snapshot.Structure
	root      *check // nil: it asks for nothing more than R4
	bases     []*definition
	extension *extensionRules // of a profile of Extension
}

// A check is what a profile asks of one element, or of one slice of it.
type check struct {
	id         string // of the element
	rule, line string // "Profile#id" and "url|version#id", for issues
	name       string // of the element, without "[x]"
	slice      string // name of the slice, or ""
	min, max   int    // 0 and -1 where R4 asks for no less

	types          *typeRules // nil: any that R4 allows
	fixed, pattern fhir.Value
	limits         []limit // of minValue and maxValue
	maxLength      int     // characters; 0: not restricted
	binding        *binding
	rules          []rule
	// late are invariants on an element whose type only the document tells.
	late []rule

	children []*check
	content  *check // whose children are those of this element too
	slicing  *slicing
}

// A compiler makes the checks of one structure.
type compiler struct {
	v         *Validator
	def       *definition
	structure *snapshot.Structure
	byID      map[string]*outline
	checks    map[*outline]*check
	pending   []*check // whose content is still to be found
	content   map[*check]string
	depth     int
}

// maxElementDepth bounds the nesting of elements in a definition.
const maxElementDepth = 40

// compile makes the checks of a definition.
func (v *Validator) compile(d *definition) (*profile, error) {
	s, err := v.shelf.structure(d)
	if err != nil {
		return nil, err
	}
	return v.compileStructure(d, s)
}

func (v *Validator) compileStructure(d *definition, s *snapshot.Structure) (*profile, error) {
	c := &compiler{v: v, def: d, structure: s, checks: map[*outline]*check{}, content: map[*check]string{}}
	root, err := c.outline(s)
	if err != nil {
		return nil, err
	}
	p := &profile{def: d, structure: s, bases: v.basesOf(s)}
	table := v.nodes.defs.Table(s.Type)
	if table == nil {
		return nil, fmt.Errorf("%s: R4 has no type %s", s.URL, fhir.SafeName(s.Type))
	}
	if p.root, err = c.check(root, place{table: table, path: s.Type}, nil); err != nil {
		return nil, fmt.Errorf("%s: %w", s.Canonical(), err)
	}
	c.bindContent()
	if !p.root.useful(nil) {
		p.root = nil
	} else {
		p.root.prune()
	}
	if s.Type == "Extension" {
		p.extension, err = c.extensionRules(root)
	}
	return p, err
}

// basesOf returns the definitions that a structure builds on, nearest first: its
// snapshot holds their rules.
func (v *Validator) basesOf(s *snapshot.Structure) []*definition {
	var out []*definition
	for base := v.shelf.find(s.Base); base != nil && len(out) < maxElementDepth; {
		out = append(out, base)
		base = v.shelf.find(base.source.Root().Get("baseDefinition").Text())
	}
	return out
}

// check compiles an element with all below it. like is the check of the element
// that a slice divides: what it asks already is not asked again.
func (c *compiler) check(o *outline, at place, like *check) (*check, error) {
	if c.depth++; c.depth > maxElementDepth {
		return nil, fmt.Errorf("%s: the elements are nested too deep", o.e.ID)
	}
	defer func() { c.depth-- }()
	k := c.newCheck(o)
	if o.e.By != "" {
		if err := c.own(k, o, at, like); err != nil {
			return nil, fmt.Errorf("%s: %w", o.e.ID, err)
		}
	}
	for _, child := range o.children {
		below, err := c.below(at, child)
		if err != nil {
			return nil, err
		}
		kc, err := c.check(child, below, like.child(child.name))
		if err != nil {
			return nil, err
		}
		k.children = append(k.children, kc)
	}
	if o.e.ContentRef != "" {
		c.pending = append(c.pending, k)
		c.content[k] = o.e.ContentRef
	}
	c.checks[o] = k
	if len(o.slices) == 0 {
		return k, nil
	}
	var err error
	k.slicing, err = c.slicing(k, o, at)
	return k, err
}

func (c *compiler) newCheck(o *outline) *check {
	by := o.e.By
	if by == "" {
		by = c.structure.Canonical()
	}
	name, _, _ := strings.Cut(o.name, "[x]")
	return &check{id: o.e.ID, rule: lastPart(by) + "#" + o.e.ID, line: by + "#" + o.e.ID, name: name, slice: o.slice, max: -1}
}

// lastPart is the name at the end of a canonical.
func lastPart(canonical string) string {
	url := fhir.ParseCanonical(canonical).URL
	return url[strings.LastIndexByte(url, '/')+1:]
}

// own compiles what an element itself asks.
func (c *compiler) own(k *check, o *outline, at place, like *check) error {
	e := o.e
	k.cardinality(e, at.slot, o)
	if like == nil {
		like = &check{}
	}
	if e.Fixed != like.fixed {
		k.fixed = e.Fixed
	}
	if e.Pattern != like.pattern {
		k.pattern = e.Pattern
	}
	if e.MaxLength != like.maxLength {
		k.maxLength = e.MaxLength
	}
	var err error
	if k.limits, err = limitsOf(e); err != nil {
		return err
	}
	if k.types, err = c.types(e, at.slot); err != nil {
		return err
	}
	c.bind(k, e, at.slot)
	return c.constraints(k, e, at, like)
}

// cardinality keeps what is narrower than R4's own; a slice counts its members.
func (k *check) cardinality(e *snapshot.Element, slot *definitions.Slot, o *outline) {
	if o.root() {
		return
	}
	if slot == nil || o.slice != "" || e.Min > slot.Min {
		k.min = e.Min
	}
	if e.Max >= 0 && (slot == nil || slot.Max < 0 || e.Max < slot.Max || o.slice != "" && slot.Max != 1) {
		k.max = e.Max
	}
}

// bind compiles a binding that differs from R4's.
func (c *compiler) bind(k *check, e *snapshot.Element, slot *definitions.Slot) {
	b := e.Binding
	if b == nil || slot != nil && b.Strength == slot.Binding.Strength && b.ValueSet == slot.Binding.ValueSet && b.Max == slot.Binding.Max {
		return
	}
	k.binding = newBinding(b.Strength, b.ValueSet, b.Max, k.rule, k.line)
}

// constraints compiles the invariants that are not R4's own, which the walk of
// the base definitions evaluates.
func (c *compiler) constraints(k *check, e *snapshot.Element, at place, like *check) error {
	for _, s := range e.Constraints {
		if s.Source == "" || ownType(c.v.nodes.defs, s.Source) != "" || like.hasRule(s.Key) {
			continue
		}
		line := s.Source
		if d := c.v.shelf.find(s.Source); d != nil && d.Version != "" {
			line = d.URL + "|" + d.Version
		}
		if fhir.ParseCanonical(e.By).URL == fhir.ParseCanonical(s.Source).URL {
			line = e.By
		}
		r, err := c.v.nodes.constraint(s, at.path, line+"#"+e.ID)
		switch {
		case err != nil:
			return fmt.Errorf("constraint %s: %w", fhir.SafeName(s.Key), err)
		case at.late():
			k.late = append(k.late, r)
		default:
			k.rules = append(k.rules, r)
		}
	}
	return nil
}

func (k *check) hasRule(key string) bool {
	has := func(r rule) bool { return r.key == key }
	return slices.ContainsFunc(k.rules, has) || slices.ContainsFunc(k.late, has)
}

// child returns the check of a child element that is no slice, or nil.
func (k *check) child(name string) *check {
	if k == nil {
		return nil
	}
	for _, c := range k.children {
		if c.name == strings.TrimSuffix(name, "[x]") {
			return c
		}
	}
	return nil
}

// bindContent finds what elements repeat, when all are compiled.
func (c *compiler) bindContent() {
	for _, k := range c.pending {
		if o := c.byID[strings.TrimPrefix(c.content[k], "#")]; o != nil {
			k.content = c.checks[o]
		}
	}
}

// constraint compiles an invariant that a profile states.
func (n *nodes) constraint(s snapshot.Constraint, root, line string) (rule, error) {
	if root == "" || root == "Resource" {
		root = "Element"
	}
	return n.invariant(rule{key: s.Key, human: s.Human, expression: s.Expression, line: line, warning: s.Warning}, root)
}
