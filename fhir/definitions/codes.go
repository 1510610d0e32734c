package definitions

// A CodeSystem is a code system of R4 as far as its content is published with
// the specification.
type CodeSystem struct {
	URL, Version, Name string
	// Content is complete, fragment, example, not-present or supplement.
	Content       string
	CaseSensitive bool
	// Concepts are in document order: parents before children.
	Concepts []CodeConcept
}

// A CodeConcept is one code of a code system.
type CodeConcept struct {
	Code, Display string
	// Parents are indexes into Concepts: by nesting, and by the subsumedBy
	// property with which the v3 systems give a second parent.
	Parents []int32
	// Abstract and Inactive are the properties notSelectable and status.
	Abstract, Inactive bool
}

// CodeSystem returns R4's code system with that URL, or nil. The first call
// decompresses the code systems of R4.
func (d *Definitions) CodeSystem(url string) *CodeSystem { return nil }

// A Compose is how R4 defines one of its value sets.
type Compose struct {
	URL, Version, Name string
	Include, Exclude   []Include
}

// An Include is one part of a value set: the codes of System, or Concepts of
// it, that pass every filter and are in every one of ValueSets.
type Include struct {
	System    string
	Concepts  []CodeConcept
	Filters   []Filter
	ValueSets []string
}

// A Filter selects codes by a property (ValueSet.compose.include.filter).
type Filter struct{ Property, Op, Value string }

// Compose returns the definition of R4's value set with that URL, or nil.
func (d *Definitions) Compose(url string) *Compose { return nil }
