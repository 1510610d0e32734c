// Package profiles says which documents the gateway accepts: it validates FHIR
// R4 resources of every type against the base definitions and against profiles
// of our own (data/), and judges a whole referral by PRSB's mandatory items.
//
// What the package promises:
//   - Every fault of a document is reported at once, each with the FHIRPath of
//     its place, the id of the rule broken and what was expected, never with a
//     value of the document; at most 200 errors and 200 warnings.
//   - The document is walked once. Validation does no I/O and keeps nothing.
//   - meta.profile can only add rules. A profile that is not known here is a
//     warning, and excuses from nothing.
//   - Nothing is filled in or repaired.
//
// Rule ids. Of the structure: type, unknown-element, cardinality, choice, empty,
// ele-1, format, binding, reference, reference-target, full-url, ext-1,
// modifier-extension, dom-2 to dom-5, ref-1, txt-1, txt-2, sqty-1, nhs-number,
// snomed. Of R4's invariants: the key the specification gives, such as per-1. Of
// our profiles: tr-…, prsb-… or "Profile#element".
//
// # What is checked
//
// From the base definitions of all R4 types: member names, JSON kinds,
// cardinality, choices of type, the formats of primitives (dates must exist),
// "_name" siblings and their alignment, empty arrays, objects and strings,
// required bindings to code systems that FHIR defines, reference targets (by
// literal type, by Reference.type, by contained resource and by fullUrl within a
// Bundle), contained resources, Bundle entries, extensions, the XHTML of
// narratives, and resources nested anywhere.
//
// Every invariant of R4 is enforced: ele-1, ext-1, ref-1, txt-1, txt-2 and dom-2
// to dom-5 by hand, the rest through package path. Left out is dom-6 alone (best
// practice: a narrative), as it would remark on nearly every document. An
// invariant that cannot be decided from the document (dates of different
// precision, quantities of different units) is not held against it.
//
// Codes of systems outside FHIR are checked by form where there is one: media
// types, language tags, currencies; SNOMED CT by length, partition and Verhoeff
// digit, except in base-only mode. That a code exists in SNOMED CT, LOINC or
// UCUM is not checked, nor are extensible and preferred bindings, nor the content
// of extensions. Modifier extensions that R4 does not define are refused; in
// base-only mode they are a warning.
package profiles
