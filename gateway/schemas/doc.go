// Package schemas serves the JSON Schemas of our profiles and of R4's types
// below /schemas/, to anyone: partners check their documents by them before they
// send.
package schemas
