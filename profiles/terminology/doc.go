// Package terminology answers questions about codes: is this code in that value
// set, what is it called, what does it become in another vocabulary.
//
// It knows the code systems and value sets of FHIR R4, those of Trellis, and
// the grammar of vocabularies that are too large to list (language tags, media
// types, currencies, UCUM, SNOMED CT identifiers). What the package promises:
//   - It never guesses. [Unknown] is the answer wherever what is embedded does
//     not decide; a value set that cannot be listed is refused as too costly.
//   - It does no I/O. A terminology server is asked by those who hold a [Remote].
//   - [New] compiles nothing: a code system or value set is read when first
//     asked for. R4's own are decompressed when first needed.
//   - Everything is safe for concurrent use; [Set.Has] does not allocate.
//   - No code or display of a request appears in an error.
package terminology
