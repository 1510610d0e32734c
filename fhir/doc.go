// Package fhir holds FHIR R4 documents as the gateway sees them: the exact
// bytes a partner sent, plus the few header fields needed to route them.
//
// The bytes are the record. Decoding into typed structs drops what the structs
// do not know (primitive extensions, contained resources) and rewrites decimals,
// so no package may store or forward a re-encoded resource in place of the
// original; use [Resource.JSON] or [Resource.Stamp].
//
// What the package promises:
//   - [Decode] accepts strict JSON only: UTF-8, no duplicate names, no trailing
//     data, exact-case names, limits on size and depth.
//   - [Error] is the one error type that reaches an answer; no value of a
//     document appears in its issues.
//   - Nothing here performs I/O.
//
// Package fhir imports no other package of this module.
package fhir
