package terminology

import (
	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
)

// A Service answers from the definitions of R4 and a set of resources.
type Service struct {
	defs *definitions.Definitions
}

// New returns a service over R4's definitions and the CodeSystems, ValueSets
// and ConceptMaps among resources; others are passed over.
func New(defs *definitions.Definitions, resources []fhir.Resource) (*Service, error) {
	return &Service{defs: defs}, nil
}

// Set returns the value set with that canonical, compiled, or nil when it is
// not held.
func (s *Service) Set(canonical string) *Set { return nil }

// Code says whether the code is one of the code system's.
func (s *Service) Code(system, code string) Answer { return Unknown }

// Display returns the code's preferred text; false when it is not known here.
func (s *Service) Display(system, code string) (string, bool) { return "", false }

// A Set is a compiled value set, immutable.
type Set struct{ canonical string }

// Canonical returns url|version.
func (s *Set) Canonical() string { return s.canonical }

// Has says whether the code of that system is in the set. It does not allocate.
func (s *Set) Has(system, code string) Answer { return Unknown }

// HasCode says whether the code is in the set in any of its systems: the rule
// for elements of type code. It does not allocate.
func (s *Set) HasCode(code string) Answer { return Unknown }
