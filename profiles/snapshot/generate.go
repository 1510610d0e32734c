package snapshot

import (
	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
)

// Generate merges the differential of a StructureDefinition into the snapshot of
// its base. find returns the structures that it builds on or names, by canonical
// with or without version, nil for an unknown one; R4's own types need not be
// found. The error is a *fhir.Error with every fault of the differential.
//
// A profile whose Elements are not yet made may be returned by find for its head
// alone (Type and Base): that is how two profiles may refer to each other.
// [Library] does so, and should be preferred to a find of one's own.
func Generate(_ *definitions.Definitions, _ func(canonical string) *Structure, _ fhir.Resource) (*Structure, error) {
	return nil, fhir.Errorf(fhir.NotSupported, "snapshots are not made yet")
}
