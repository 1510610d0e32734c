// Package mapping reads partners' documents into FHIR and writes FHIR back as
// partners' documents. Each format is one YAML map, compiled once at start;
// both directions come from the same rules. README.md explains the rule
// language.
//
// What the package promises:
//   - A value is never invented. Constants and defaults stand in the map, and a
//     default is reported as a [Loss].
//   - Nothing is dropped silently. Input that no rule consumed is a loss with
//     rule "residue"; FHIR that the format does not carry is listed by FHIRPath.
//   - All faults are found at once, each with its place in the sender's
//     document; no value of a document appears in a fault or a loss.
//   - The same document gives the same bytes.
package mapping
