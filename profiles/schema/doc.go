// Package schema turns FHIR R4 types and profiles into JSON Schemas (draft
// 2020-12), so that a partner can check a document with any validator before
// sending it.
//
// What the package promises:
//   - Nothing that package profiles accepts fails the schema of its type or of a
//     profile it follows. Where a rule cannot be said soundly it is left out.
//   - What a schema leaves out is listed in its $comment, one rule a line.
//   - A schema is one document without references to others; recursion is by
//     $ref within it. Patterns mean the same in ECMA-262 and RE2.
//   - Schemas are made when first asked for and then kept; a [Set] is safe for
//     concurrent use.
//
// Names. The schema of a profile is called after the last part of its canonical:
// "referral" is the newest version, "referral-1.1.0" that version. The schema of
// a type of R4 itself is "r4-" and the type: "r4-Patient".
package schema
