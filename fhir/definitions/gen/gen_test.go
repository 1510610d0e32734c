package main

import (
	"os"
	"testing"

	"trellis.example/fhir/definitions"
)

// TestRegenerate checks that the embedded tables are what the generator makes
// of the official package.
func TestRegenerate(t *testing.T) {
	dir := os.Getenv("TRELLIS_R4_EXAMPLES")
	if dir == "" {
		dir = "../../../build/r4-examples/package"
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skip("the official R4 package is not here: set TRELLIS_R4_EXAMPLES or run make definitions")
	}
	text, err := Generate(dir)
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != definitions.Text() {
		t.Error("the embedded tables differ: run make definitions")
	}
}
