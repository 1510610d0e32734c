// Package patch changes FHIR resources as JSON Patch (RFC 6902) and FHIRPath
// Patch (R4 fhirpatch) say.
//
// What the package promises:
//   - A patch applies whole or not at all; the document given is never changed.
//   - Values that a patch does not name keep their bytes: decimals, escapes and
//     the order of members stay as they were received.
//   - A patch has at most [MaxOperations] operations, its result at most
//     [fhir.MaxResource] bytes and [fhir.MaxDepth] levels, and what it makes the
//     machine read again is bounded whatever it copies.
//   - Every fault names its place in the patch (a JSON pointer, or the FHIRPath
//     in the Parameters) and what was expected, and no value of either document.
//     A patch that is not well formed is code invalid, structure or required; one
//     that does not fit the document is code processing.
//   - Elements without content do not exist in FHIR: a FHIRPath Patch that
//     deletes the last child of an element deletes the element too. JSON Patch
//     does exactly what it says.
//
// Whether the result is valid, and whether it may change its id, is for the
// caller.
package patch
