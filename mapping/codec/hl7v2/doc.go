// Package hl7v2 reads and writes the syntax of HL7 version 2 messages (the
// vertical-bar encoding of HL7 v2.3 to v2.8, chapter 2). It knows separators,
// escapes, repetitions, components, character sets and places; what a segment
// means is for the map.
//
// It promises:
//   - Separators come from MSH-1 and MSH-2, never from habit.
//   - The character set is the one MSH-18 states. Bytes that do not belong to
//     it are a fault; nothing is guessed.
//   - The explicit null ("") and the empty field stay different: a [Value]
//     tells IsNull from Empty.
//   - Every fault and every value has its place in the sender's own notation:
//     "PID-7.1", "PRD[2]-3.1", "PID-3[2].1" (counting from 1; the first
//     occurrence carries no number).
//   - No fault text holds a value of the message.
//
// Package hl7v2 imports only fhir, for the one error type.
package hl7v2
