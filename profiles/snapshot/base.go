package snapshot

import (
	"strings"

	"trellis.example/fhir/definitions"
)

// core is the canonical base of R4's own definitions, release their version.
const (
	core    = "http://hl7.org/fhir/StructureDefinition/"
	release = "4.0.1"
)

// Base returns one of R4's own types as a Structure, or nil when R4 has no type
// of that name. SimpleQuantity and MoneyQuantity, which R4's types refer to, are
// given as the profiles of Quantity that they are. Each call makes a new one; a
// [Library] keeps them.
func Base(defs *definitions.Definitions, typ string) *Structure {
	t := defs.Type(typ)
	if t == nil {
		return quantity(defs, typ)
	}
	b := baseMaker{defs: defs, typ: t}
	s := &Structure{
		URL: core + t.Name, Version: release, Name: t.Name, Title: t.Name, Type: t.Name,
		Kind: kindOf[t.Kind], Abstract: t.Abstract,
	}
	if t.Base != "" {
		s.Base = core + t.Base
	}
	s.Elements = make([]Element, 0, len(t.Elements)+1)
	s.Elements = append(s.Elements, b.root())
	for i := range t.Elements {
		s.Elements = append(s.Elements, b.element(&t.Elements[i]))
	}
	return s
}

// quantity returns the two profiles that R4's own types use.
func quantity(defs *definitions.Definitions, name string) *Structure {
	var rule Constraint
	switch name {
	case "SimpleQuantity":
		rule = Constraint{Key: "sqty-1", Human: "The comparator is not used on a SimpleQuantity", Expression: "comparator.empty()"}
	case "MoneyQuantity":
		rule = Constraint{
			Key: "mqty-1", Human: "There SHALL be a code if there is a value and it SHALL be an expression of currency. If system is present, it SHALL be ISO 4217.",
			Expression: "(code.exists() or value.empty()) and (system.empty() or system = 'urn:iso:std:iso:4217')",
		}
	default:
		return nil
	}
	s := Base(defs, "Quantity")
	s.Base, s.URL, s.Name, s.Title, s.Constraint = s.URL, core+name, name, name, true
	rule.Source = s.URL
	root := &s.Elements[0]
	root.Constraints = append(root.Constraints, rule)
	for i := range s.Elements {
		if e := &s.Elements[i]; e.Path == "Quantity.comparator" && name == "SimpleQuantity" {
			e.Max, e.By = 0, s.Canonical()
		}
	}
	return s
}

var kindOf = map[definitions.Kind]string{
	definitions.Resource: "resource", definitions.Complex: "complex-type", definitions.Primitive: "primitive-type",
}

type baseMaker struct {
	defs *definitions.Definitions
	typ  *definitions.Type
	own  []Constraint // ele-1, shared by most elements
	ext  []Constraint // ele-1 and ext-1, shared by extensions
}

func (b *baseMaker) root() Element {
	e := Element{ID: b.typ.Name, Path: b.typ.Name, Max: -1}
	if b.typ.Kind != definitions.Resource {
		e.Constraints = append(e.Constraints, ele1())
	}
	if b.typ.Name == "Extension" {
		e.Constraints = append(e.Constraints, ext1())
	}
	for _, c := range b.typ.Constraints {
		e.Constraints = append(e.Constraints, b.constraint(c, b.origin(c.Key)))
	}
	return e
}

// origin finds the type that first states an invariant which its
// specialisations repeat.
func (b *baseMaker) origin(key string) string {
	t, from := b.typ, b.typ.Name
	for t.Base != "" {
		if t = b.defs.Type(t.Base); t == nil {
			break
		}
		for _, c := range t.Constraints {
			if c.Key == key {
				from = t.Name
			}
		}
	}
	return from
}

func (b *baseMaker) constraint(c definitions.Constraint, typ string) Constraint {
	return Constraint{Key: c.Key, Human: c.Human, Expression: c.Expression, Warning: !c.Error, Source: core + typ}
}

func (b *baseMaker) element(d *definitions.Element) Element {
	id := b.typ.Name + "." + d.Path
	e := Element{
		ID: id, Path: id, Min: d.Min, Max: d.Max, IsModifier: d.Modifier, IsSummary: d.Summary,
		Binding: bindingOf(d), Constraints: b.common(d),
	}
	if d.ContentRef != "" {
		e.ContentRef = "#" + d.ContentRef
	}
	for _, t := range d.Types {
		e.Types = append(e.Types, typeOf(t))
	}
	for _, c := range d.Constraints {
		e.Constraints = append(e.Constraints[:len(e.Constraints):len(e.Constraints)], b.constraint(c, b.typ.Name))
	}
	return e
}

func typeOf(t definitions.TypeRef) Type {
	out := Type{Code: t.Code}
	if t.Code == "String" { // xhtml.id, which the specification spells so
		out.Code = "string"
	}
	for _, p := range t.Profiles {
		out.Profiles = append(out.Profiles, core+p)
	}
	for _, p := range t.Targets {
		out.TargetProfiles = append(out.TargetProfiles, core+p)
	}
	return out
}

func bindingOf(d *definitions.Element) *Binding {
	if d.Binding.Strength == "" {
		return nil
	}
	return &Binding{Strength: d.Binding.Strength, ValueSet: d.Binding.ValueSet, Max: d.Binding.Max}
}

// common are the invariants that nearly every element has and that the tables
// therefore leave out.
func (b *baseMaker) common(d *definitions.Element) []Constraint {
	if b.bare(d) {
		return nil
	}
	if len(d.Types) == 1 && d.Types[0].Code == "Extension" {
		if b.ext == nil {
			b.ext = []Constraint{ele1(), ext1()}
		}
		return b.ext
	}
	if b.own == nil {
		b.own = []Constraint{ele1()}
	}
	return b.own
}

// bare reports whether an element holds a plain string of the format or a whole
// resource, neither of which is an Element in the sense of ele-1.
func (b *baseMaker) bare(d *definitions.Element) bool {
	if len(d.Types) != 1 {
		return false
	}
	return systemType(b.typ.Name+"."+d.Path, d.Types[0].Code) || d.Types[0].Code == "Resource"
}

// systemType reports whether an element's content is written with one of
// FHIRPath's own types: an XML attribute in R4.
func systemType(path, code string) bool {
	return path == "Extension.url" || strings.HasSuffix(path, ".id") && strings.EqualFold(code, "string") ||
		path[0] >= 'a' && strings.HasSuffix(path, ".value")
}

func ele1() Constraint {
	return Constraint{
		Key: "ele-1", Human: "All FHIR elements must have a @value or children",
		Expression: "hasValue() or (children().count() > id.count())", Source: core + "Element",
	}
}

func ext1() Constraint {
	return Constraint{
		Key: "ext-1", Human: "Must have either extensions or value[x], not both",
		Expression: "extension.exists() != value.exists()", Source: core + "Extension",
	}
}
