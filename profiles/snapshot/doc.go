// Package snapshot merges the differential of a StructureDefinition into the
// snapshot of its base (R4 profiling, section 5.1.0.11 and following), and
// publishes the definition with it.
//
// What the package promises:
//   - Every rule of the base and of the differential is in the snapshot, none
//     weakened. A differential that would weaken its base, names an element that
//     does not exist, or says something that cannot be enforced is refused; the
//     error names every such element and what it contradicts.
//   - A differential may be sparse and in any order. A snapshot has at most
//     20,000 elements, at most 32 deep, and profiles build on each other at most
//     32 times: a definition may come from a stranger.
//   - What is returned is immutable and may be shared.
//
// How a snapshot is to be read. An entry of a list that is in a slice must follow
// the line of the slice and that of the element it divides; a slice begins as a
// clone of that element, so that its children say everything. A slice without
// children of its own has those of the element it divides.
//
// Where R4 leaves a choice: what a differential spells out below a
// contentReference starts from R4's own definition; where it spells out nothing,
// the reference stays, and package profiles applies the profile's own element to
// what nests; a choice that is named by one type (valueQuantity) is narrowed to
// that type unless its types are listed; profiles and targets that a differential
// does not repeat stay; a required value set of the base stays in force beside
// another one, as its maximum. testdata/official.txt says where R4's own
// snapshots differ.
package snapshot
