// Package published shows the definitions that a gateway works by as FHIR
// resources among those of its store: the profiles and extensions with their
// snapshots, in all their versions; the code systems, value sets, concept maps
// and questionnaires that documents are judged by; the search parameters it
// answers, the value sets of R4's required bindings, the operations, the
// compartments, and the messages that it takes.
//
// What the package promises:
//   - They are read and searched like every other resource of their type, by
//     whoever may read the type; nobody can change or delete one.
//   - They come last in an answer that is not sorted, as though they had been
//     stored before everything else, so that pages stay stable.
//   - They are made at the first request for their type: a gateway that nobody
//     asks keeps none in memory.
//
// They are the same in every gateway of one release and are not part of a
// dump, an export or a history of types.
package published
