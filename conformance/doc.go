// Package conformance keeps Trellis to its word from the outside: the import
// diagram of ARCHITECTURE.md as a test, and black-box cases over HTTP. It
// imports no package of the gateway.
package conformance
