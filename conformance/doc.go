// Package conformance keeps Trellis to its word from the outside: the import
// diagram of ARCHITECTURE.md is a test here. It imports no package of the
// gateway.
package conformance
