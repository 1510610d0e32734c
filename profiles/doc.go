// Package profiles says which documents the gateway accepts: it validates FHIR
// R4 resources of every type against the base definitions and against profiles
// of our own (data/), and judges a whole referral by PRSB's mandatory items.
//
// What the package promises:
//   - Every fault of a document is reported at once, each with the FHIRPath of
//     its place, the id of the rule broken and what was expected, never with a
//     value of the document; at most 200 errors and 200 warnings.
//   - The document is walked once. Validation keeps nothing of it, and does no I/O
//     but what the caller hands in: Options.Remote, Resolve and Questionnaire.
//   - meta.profile can only add rules, and so can a partner's agreement. A profile
//     that is not known here is a warning, and excuses from nothing. Each profile
//     is applied once; one that builds on another holds its rules.
//   - Nothing is filled in or repaired.
//
// Rule ids stand in hints.go: those of the structure, such as cardinality or
// reference-target. Of R4's invariants: the key the specification gives, such as
// per-1. Of our profiles: tr-…, prsb-… or "Profile#element.id". Of a
// Questionnaire: q-….
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
// Codes are judged by package terminology: value sets at their four strengths,
// displays, UCUM, the check digit of SNOMED CT. What is embedded cannot decide is
// asked of Options.Remote, or not remarked on.
//
// Profiles are StructureDefinitions with a differential (data/, and a user's by
// [NewWith]). Package snapshot merges each with its base; the snapshot is compiled
// once to a tree of checks that has only what R4 does not ask already, and that
// is walked beside the document. Enforced is all that an ElementDefinition says:
// cardinality, types and their profiles, target profiles, aggregation, fixed[x],
// pattern[x], minValue[x], maxValue[x], maxLength, bindings, constraints and
// slices, by every kind of discriminator. Dates of different precision and
// quantities of different units are not held against a limit.
//
// A reference is judged by the type that it names; by the resource itself where
// that is contained, in the Bundle or found by Options.Resolve: at most four
// references deep, each resource once for each profile.
//
// Every extension whose definition is held (ours, those that describe UK Core's, a
// user's, R4's own) is judged by it wherever it stands: its value, its parts, how
// often and on what it may stand, whether it modifies. An extension that is not
// known is kept and not remarked on. An unknown modifier extension is refused; in
// base-only mode it is a warning.
//
// # Bounds
//
// Invariants and slices that compare many values are given up, with an error,
// when they would take more time than the document's size warrants. Definitions
// of a user have at most 20,000 elements, 1,000 slices of one element and 40
// levels.
package profiles
