package profiles

import (
	"os"
	"testing"

	"trellis.example/fhir"
)

func sample(tb testing.TB) (*Validator, []byte) {
	tb.Helper()
	b, err := os.ReadFile("testdata/servicerequest.json")
	if err != nil {
		tb.Fatal(err)
	}
	v, err := New()
	if err != nil {
		tb.Fatal(err)
	}
	return v, b
}

// BenchmarkServiceRequest parses and validates a referral against our profile.
func BenchmarkServiceRequest(b *testing.B) {
	v, doc := sample(b)
	b.ReportAllocs()
	b.SetBytes(int64(len(doc)))
	for b.Loop() {
		r, err := fhir.Decode(doc)
		if err != nil {
			b.Fatal(err)
		}
		if issues := v.Validate(r, Options{}); len(issues) > 0 {
			b.Fatal(issues)
		}
	}
}

func BenchmarkDecodeOnly(b *testing.B) {
	_, doc := sample(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := fhir.Decode(doc); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkNew measures what a start costs: the tables and our profiles.
func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		if _, err := New(); err != nil {
			b.Fatal(err)
		}
	}
}

// TestAllocations holds the number of allocations of the hot path.
func TestAllocations(t *testing.T) {
	v, doc := sample(t)
	n := testing.AllocsPerRun(100, func() {
		r, err := fhir.Decode(doc)
		if err != nil || len(v.Validate(r, Options{})) > 0 {
			t.Fatal("the sample must be valid")
		}
	})
	if n > 100 {
		t.Errorf("%v allocations to parse and validate, at most 100", n)
	}
}
