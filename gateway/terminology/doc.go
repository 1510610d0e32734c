// Package terminology serves FHIR's terminology operations over what package
// profiles/terminology holds and, where one is configured, a terminology server:
//
//	ValueSet/$expand, ValueSet/$validate-code
//	CodeSystem/$lookup, CodeSystem/$validate-code, CodeSystem/$subsumes
//	ConceptMap/$translate
//
// What the package promises:
//   - Any authenticated client may ask: vocabularies hold nothing personal. Value
//     sets that somebody stored here are read as far as the caller may see them.
//   - A code that cannot be decided is an OperationOutcome that says "unable to
//     check", never result false.
//   - [Client] tells a terminology server systems, codes and value sets, never a
//     display, a filter or other free text. It asks the configured host alone, at
//     most [MaxAtOnce] questions at a time, waits [Timeout] at most, remembers
//     answers for a while, and stops asking a server that does not answer.
package terminology
