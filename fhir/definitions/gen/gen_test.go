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
	texts, err := Generate(dir)
	if err != nil {
		t.Fatal(err)
	}
	for name, same := range map[string]bool{
		"r4.txt.gz":           string(texts.Types) == definitions.Text(),
		"r4codes.txt.gz":      string(texts.Codes) == definitions.CodesText(),
		"r4extensions.txt.gz": string(texts.Extensions) == definitions.ExtensionsText(),
	} {
		if !same {
			t.Errorf("the embedded %s differs: run make definitions", name)
		}
	}
}
