// Package snapshot merges the differential of a StructureDefinition into the
// snapshot of its base (R4 profiling, section 5.1.0.11 and following).
//
// What the package promises: every rule of the base and of the differential is
// in the snapshot, none weakened; a differential that would weaken its base,
// names an element that does not exist, or says something that cannot be
// enforced is an error that names the element.
package snapshot
