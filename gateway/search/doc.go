// Package search knows by which parameters each resource type can be found,
// takes their values out of a document when it is stored, and reads a search
// request into the clauses that a store answers.
//
// What the package promises:
//   - Parameters come from the R4 SearchParameter definitions; [Held] narrows
//     them for the types that Trellis holds, every other type has all that can
//     be answered. Composite, quantity, number and special parameters are not
//     answered.
//   - What [Registry.Index] extracts and what [Registry.Parse] asks for go
//     through the same normalisation, so a value that was stored is found.
//   - A parameter, modifier, prefix or value that is not understood is an error
//     that names what is supported. Under lenient handling an unknown parameter
//     is a warning instead. No error shows a value.
//   - A cursor can be read only by the client that it was made for, and shows
//     nobody the values searched for.
//
// Two parameters that select the same element differ only in their filter
// ("patient" is "subject" when it is a Patient); they share one index entry.
package search
