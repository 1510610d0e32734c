// Package check is the command trellis validate: it finds documents in files,
// folders and standard input, judges them in parallel and prints what it found
// as a table, JSON or JUnit.
//
// What the package promises: documents are reported in the order in which they
// were found, whatever the number of workers; memory is bounded by the documents
// that are being judged, so a file of any number of lines can be checked; no
// value of a document is printed.
package check
