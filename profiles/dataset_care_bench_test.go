package profiles

import (
	"os"
	"testing"

	"trellis.example/fhir"
)

// BenchmarkCare validates documents of the care side that claim their strict
// profile; a plan has ten activities. Parsing is not in it.
func BenchmarkCare(b *testing.B) {
	v, err := New()
	if err != nil {
		b.Fatal(err)
	}
	for _, name := range []string{"personalised-plan/valid-ten-activities", "CarePlan/valid-ten-activities", "score/valid-computed", "message-back-bundle/valid-whole"} {
		doc, err := os.ReadFile("examples/" + name + ".json")
		if err != nil {
			b.Fatal(err)
		}
		r, err := fhir.Decode(doc)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := fhir.Faults(v.Validate(r, Options{})); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
