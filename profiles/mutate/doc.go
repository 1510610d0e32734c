// Package mutate breaks valid FHIR documents in known ways, so that a validator
// can be held to refuse each at the right place: ours, a JSON Schema, or that of
// somebody else.
//
// What the package promises:
//   - Every [Fault] is a document that FHIR R4, or the profile the [Generator]
//     was given, refuses; nothing but that one place differs from the valid
//     document.
//   - Where the fault must be reported and by which rules is known beforehand,
//     not learned from a validator.
//   - The same document and seed give the same faults in the same order.
package mutate
