// Package definitions holds the FHIR R4 (4.0.1) definitions that the gateway
// needs to judge and search documents: the element tables of every data type
// and X
//
// What the package promises:
//   - The tables are generated from the official package and embedded; see
//     SOURCE.md. Nothing is read from disk or network.
//   - [R4] reads the tables at its first call, in about 10 ms; a type's elements
//     and a value set's codes are built when first asked for. Code systems, the
//     composition of value sets and extensions are not even decompressed before.
//   - Everything returned is shared and must not be modified; every method is
//     safe for concurrent use.
package definitions
