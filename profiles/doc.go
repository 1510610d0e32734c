// Package profiles says which documents the gateway accepts: it validates FHIR
// R4 resources against the base definitions and against profiles of our own.
package profiles
