// Package page renders one page for each profile and extension, for the people
// who decide what is sent as much as for those who build it: as Markdown for
// docs/profiles and as XHTML narrative for the published definition.
//
// What the package promises:
//   - The tables are made of the snapshot that documents are judged by, so that
//     page and validator cannot say different things; the prose is the
//     definition's own purpose.
//   - The narrative is XHTML as FHIR allows it (R4 narrative, section 2.4.0.1),
//     whatever a definition's author wrote: it holds no markup of theirs.
//   - The same structures give the same pages, byte for byte.
package page
