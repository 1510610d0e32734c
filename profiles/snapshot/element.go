package snapshot

import "trellis.example/fhir"

// An Element is one line of a snapshot: the merged rules of one element of a
// type or of one slice of it (R4 ElementDefinition). Elements are immutable;
// those a profile does not touch are shared with its base.
type Element struct {
	// ID is the element id, such as "Patient.identifier:nhsNumber.value"; Path
	// is the same without slice names.
	ID, Path string
	// SliceName is the last segment's, or "".
	SliceName string
	// Min and Max are the cardinality; Max is -1 for "*".
	Min, Max int
	// Types are the types allowed; empty when ContentRef is set, and on the first
	// element.
	Types []Type
	// ContentRef is the id of the element whose content this one repeats, with
	// "#" before it, or "".
	ContentRef string
	// Fixed and Pattern are the values of fixed[x] and pattern[x].
	Fixed, Pattern fhir.Value
	// MinValue and MaxValue are the values of minValue[x] and maxValue[x]; their
	// member names tell the type.
	MinValue, MaxValue fhir.Value
	// MaxLength bounds a string in characters; 0: not restricted.
	MaxLength int
	// Binding is nil where there is none.
	Binding *Binding
	// Constraints are the invariants, inherited ones first.
	Constraints []Constraint
	// Slicing is set on an element that is sliced.
	Slicing                 *Slicing
	MustSupport, IsModifier bool
	IsSummary               bool
	// Short is the one-line description, "" where the base gives none here.
	Short string
	// Diff is the element of the differential that touched this one, nearest
	// profile first, for publication and for messages; absent on inherited ones.
	Diff fhir.Value
	// By is the canonical, with version, of the profile that made the last
	// change to the element: where a message sends the reader. "" for R4's own.
	By string
}

// A Type is one type that an element may have.
type Type struct {
	Code string
	// Profiles the value must follow, any of them; TargetProfiles what a
	// Reference or canonical may point to, any of them. Canonicals as written.
	Profiles, TargetProfiles []string
	// Aggregation is how a reference may be given: contained, referenced,
	// bundled; empty: any.
	Aggregation []string
}

// A Binding is the value set of a coded element. Strength is required,
// extensible, preferred or example.
type Binding struct {
	Strength, ValueSet string
	// Max is the value set that is required whatever the strength
	// (elementdefinition-maxValueSet), or "".
	Max         string
	Description string
}

// A Constraint is an invariant of an element.
type Constraint struct {
	Key, Human, Expression string
	// Warning is true for a best practice.
	Warning bool
	// Source is the canonical of the StructureDefinition that states it.
	Source string
}

// A Slicing says how the slices of an element are told apart.
type Slicing struct {
	Discriminators []Discriminator
	Ordered        bool
	// Rules are open, closed or openAtEnd.
	Rules string
}

// A Discriminator is one test: Type is value, pattern, exists, type or profile,
// Path the FHIRPath subset of R4 profiling, section 5.1.0.13, "$this" included.
type Discriminator struct{ Type, Path string }

// A Structure is a StructureDefinition with its snapshot.
type Structure struct {
	URL, Version, Name, Title string
	// Type is the type it describes or constrains; Base the canonical of what it
	// builds on, "" for none.
	Type, Base string
	// Kind is resource, complex-type, primitive-type or logical.
	Kind     string
	Abstract bool
	// Constraint is true for a profile, false for a type of R4.
	Constraint bool
	// Elements are in document order: the first describes the type itself.
	Elements []Element
	// Contexts say where an extension may stand; ContextInvariants are FHIRPath
	// on the element that holds it.
	Contexts          []Context
	ContextInvariants []string
	// Source is the StructureDefinition as written; absent for R4's types.
	Source fhir.Resource
}

// Canonical returns url|version.
func (s *Structure) Canonical() string {
	if s.Version == "" {
		return s.URL
	}
	return s.URL + "|" + s.Version
}

// A Context is a place where an extension may stand: Type is element, fhirpath
// or extension.
type Context struct{ Type, Expression string }
