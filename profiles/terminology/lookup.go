package terminology

import (
	"net/http"

	"trellis.example/fhir"
)

// A LookupResult says what is known of a code (R4 CodeSystem $lookup).
type LookupResult struct {
	// Name and Version are the code system's.
	Name, Version string
	Concept
	// Parents and Children are codes of the hierarchy.
	Parents, Children []string
}

// Lookup describes a code. A system or code that is not held is not-found; the
// text says which, and whether it could exist elsewhere.
func (s *Service) Lookup(system, version, code string) (*LookupResult, error) {
	if system == "" || code == "" {
		return nil, fhir.StatusErrorf(http.StatusBadRequest, fhir.Required, "a look-up needs system and code")
	}
	sys := s.system(system, version)
	if sys == nil {
		return nil, fhir.Errorf(fhir.NotFound, "the code system is not held here")
	}
	i := sys.find(code)
	if i < 0 {
		text := "the code system has no such code"
		if sys.has(code) == Unknown {
			text = "the code is not held here; the code system is not held in full"
		}
		return nil, fhir.Errorf(fhir.NotFound, "%s", text)
	}
	out := &LookupResult{Name: sys.label(), Version: sys.version, Concept: sys.concepts[i]}
	for _, p := range sys.concepts[i].parents {
		out.Parents = append(out.Parents, sys.concepts[p].Code)
	}
	sys.childMatches(i, func(child string) bool {
		out.Children = append(out.Children, child)
		return false
	})
	return out, nil
}

// label is the name of the system for people; the operation must return one.
func (s *system) label() string {
	switch {
	case s.title != "":
		return s.title
	case s.name != "":
		return s.name
	}
	return s.url
}

// A Subsumption is a code of http://hl7.org/fhir/concept-subsumption-outcome.
type Subsumption string

// The outcomes of [Service.Subsumes].
const (
	Equivalent  Subsumption = "equivalent"
	Subsumes    Subsumption = "subsumes"
	SubsumedBy  Subsumption = "subsumed-by"
	NotSubsumed Subsumption = "not-subsumed"
)

// Subsumes compares two codes of a system by the hierarchy held (R4 CodeSystem
// $subsumes). It is an error when the system or a code is not held.
func (s *Service) Subsumes(system, version, a, b string) (Subsumption, error) {
	sys := s.system(system, version)
	if sys == nil {
		return "", fhir.Errorf(fhir.NotFound, "the code system is not held here")
	}
	i, j := sys.find(a), sys.find(b)
	switch {
	case i < 0 || j < 0:
		return "", fhir.Errorf(fhir.NotFound, "the code system as held here does not have both codes")
	case i == j:
		return Equivalent, nil
	case !sys.complete:
		return "", fhir.StatusErrorf(http.StatusUnprocessableEntity, fhir.NotSupported, "the hierarchy of the code system is not held here")
	case sys.isA(j, i):
		return Subsumes, nil
	case sys.isA(i, j):
		return SubsumedBy, nil
	}
	return NotSubsumed, nil
}
