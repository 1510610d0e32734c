package main

import (
	"os"
	"testing"

	"trellis.example/fhir"
	"trellis.example/mapping/formats"
	"trellis.example/profiles"
)

// BenchmarkMapped measures what a document costs until it is a judged bundle,
// piece by piece.
func BenchmarkMapped(b *testing.B) {
	v, err := profiles.New()
	if err != nil {
		b.Fatal(err)
	}
	for id, file := range map[string]string{"ppn-csv": "consented/in.csv", "hl7v2": "refer/in.hl7"} {
		f, _, err := formats.Lookup(id)
		if err != nil {
			b.Fatal(err)
		}
		doc, err := os.ReadFile("../../mapping/formats/" + id + "/testdata/" + file)
		if err != nil {
			b.Fatal(err)
		}
		bundle := f.Read(doc).Records[0].Bundle
		res, err := fhir.DecodeLimit(bundle, 1<<24)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(id+"/map", func(b *testing.B) {
			for b.Loop() {
				f.Read(doc)
			}
		})
		b.Run(id+"/decode", func(b *testing.B) {
			for b.Loop() {
				if _, err := fhir.DecodeLimit(bundle, 1<<24); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(id+"/validate", func(b *testing.B) {
			for b.Loop() {
				v.Validate(res, profiles.Options{})
			}
		})
	}
}
