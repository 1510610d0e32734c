package definitions

import (
	"maps"
	"slices"
	"strings"
	"sync"
)

// R4 returns the definitions of FHIR R4.
func R4() *Definitions { return r4() }

var r4 = sync.OnceValue(load)

// Definitions is one version of FHIR, immutable.
type Definitions struct {
	types        map[string]*lazyType
	tables       map[string]*lazyTable
	resources    []string
	valueSets    map[string]*ValueSet
	params       map[string][]*SearchParam // by base type
	compartments map[string]map[string][]string
	modifiers    []string
	codes        codeTable
	extensions   extensionTable
}

type lazyType struct {
	once sync.Once
	text string
	typ  Type
}

// A Kind tells resources, complex data types and primitive types apart.
type Kind byte

// The kinds of type.
const (
	Resource  Kind = 'r'
	Complex   Kind = 'c'
	Primitive Kind = 'p'
)

// A Type is a data type or a resource type.
type Type struct {
	Name     string
	Kind     Kind
	Abstract bool
	// Base is the type it specialises, such as "DomainResource"; "" for none.
	Base string
	// Regex is a primitive's pattern as the specification prints it, or "".
	Regex string
	// Elements are all elements below the type, inherited ones too, in document
	// order: parents before children.
	Elements    []Element
	Constraints []Constraint
}

// An Element is one line of a type's definition.
type Element struct {
	// Path is relative to the type: "participant.actor", "value[x]".
	Path string
	// Min and Max are the cardinality; Max is -1 for "*".
	Min, Max int
	Modifier bool
	Summary  bool
	// Types is empty when ContentRef is set.
	Types []TypeRef
	// ContentRef is the full path of the element whose content this one repeats,
	// such as "Questionnaire.item".
	ContentRef string
	// ValueSet is the URL of the value set of a required (or maximum) binding.
	ValueSet string
	// Binding is the element's binding; its Strength is "" where there is none,
	// and where it is only an example.
	Binding     Binding
	Constraints []Constraint
}

// A Binding says which codes an element should have.
type Binding struct {
	// Strength is required, extensible or preferred, or "".
	Strength string
	// ValueSet is the canonical URL of the value set, without version.
	ValueSet string
	// Max is the value set that is required whatever the strength
	// (elementdefinition-maxValueSet), or "".
	Max string
}

// Name returns the last part of the path without "[x]".
func (e *Element) Name() string {
	return strings.TrimSuffix(e.Path[strings.LastIndexByte(e.Path, '.')+1:], "[x]")
}

// Choice reports whether the element is a choice of types, such as "value[x]".
func (e *Element) Choice() bool { return strings.HasSuffix(e.Path, "[x]") }

// A TypeRef is one type that an element may have.
type TypeRef struct {
	Code string
	// Profiles the value must follow, such as "SimpleQuantity".
	Profiles []string
	// Targets are the resource types a Reference or canonical may point to;
	// empty or holding "Resource" means any.
	Targets []string
}

// A Constraint is an invariant.
type Constraint struct {
	Key string
	// Error is false for a best-practice warning.
	Error      bool
	Expression string
	Human      string
}

// Type returns the type with that name, or nil.
func (d *Definitions) Type(name string) *Type {
	l := d.types[name]
	if l == nil {
		return nil
	}
	l.once.Do(func() { l.typ = parseType(l.text) })
	return &l.typ
}

// IsResource reports whether name is a concrete resource type.
func (d *Definitions) IsResource(name string) bool {
	_, ok := slices.BinarySearch(d.resources, name)
	return ok
}

// Resources returns the names of all concrete resource types, sorted.
func (d *Definitions) Resources() []string { return d.resources }

// IsA reports whether a type is another or one of its specialisations:
// IsA("Age", "Quantity").
func (d *Definitions) IsA(name, ancestor string) bool {
	for name != "" {
		if name == ancestor {
			return true
		}
		t := d.Type(name)
		if t == nil {
			return false
		}
		name = t.Base
	}
	return false
}

// ModifierExtension reports whether R4 itself defines the modifier extension.
func (d *Definitions) ModifierExtension(url string) bool { return slices.Contains(d.modifiers, url) }

// A SearchParam is an R4 SearchParameter.
type SearchParam struct {
	Code string
	// Type is number, date, string, token, reference, composite, quantity, uri
	// or special.
	Type string
	URL  string
	// Bases are the resource types it applies to.
	Bases []string
	// Targets are the resource types a reference parameter may point to.
	Targets []string
	// Expression is FHIRPath over all bases; package path takes the part of one.
	Expression string
	Components []Component
}

// A Component is a part of a composite search parameter.
type Component struct {
	// Definition is the URL of the part's own SearchParameter.
	Definition string
	// Expression is relative to the composite's expression.
	Expression string
}

// SearchParams returns the parameters defined for a resource type by itself,
// without those of Resource and DomainResource, sorted by code.
func (d *Definitions) SearchParams(resource string) []*SearchParam { return d.params[resource] }

// SearchParam returns one parameter of a resource type or of all resources, or
// nil.
func (d *Definitions) SearchParam(resource, code string) *SearchParam {
	for _, base := range [...]string{resource, "DomainResource", "Resource"} {
		for _, p := range d.params[base] {
			if p.Code == code {
				return p
			}
		}
	}
	return nil
}

// Compartment returns the reference parameters by which a resource type belongs
// to a compartment such as "Patient"; nil when it does not.
func (d *Definitions) Compartment(code, resource string) []string {
	return d.compartments[code][resource]
}

// Compartments returns the codes of the compartments, sorted.
func (d *Definitions) Compartments() []string {
	return slices.Sorted(maps.Keys(d.compartments))
}
