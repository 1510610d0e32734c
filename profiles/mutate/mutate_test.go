package mutate_test

import (
	"bytes"
	"os"
	"slices"
	"testing"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
	"trellis.example/profiles/mutate"
)

func sample(t *testing.T) fhir.Resource {
	t.Helper()
	b, err := os.ReadFile("../testdata/servicerequest.json")
	if err != nil {
		t.Fatal(err)
	}
	r, err := fhir.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestFaults checks what must hold for every fault: it is another document that
// can be read, says where it lies, and is of a kind that is listed.
func TestFaults(t *testing.T) {
	r, names := sample(t), mutate.Names()
	if sorted := slices.Sorted(slices.Values(names)); len(slices.Compact(sorted)) != len(names) || len(names) < 90 {
		t.Errorf("%d kinds of mutation, %d with names of their own", len(names), len(slices.Compact(sorted)))
	}
	n := 0
	for f := range mutate.New(definitions.R4(), nil, 1, 1).Faults(r) {
		n++
		if bytes.Equal(f.Doc, r.JSON()) || f.Path == "" || !slices.Contains(names, f.Mutation) || f.Profile {
			t.Errorf("%s at %q", f.Mutation, f.Path)
		}
		if _, err := fhir.Decode(f.Doc); err != nil {
			t.Errorf("%s at %s: %v", f.Mutation, f.Path, err)
		}
	}
	if n < 1000 {
		t.Errorf("%d faults", n)
	}
}

// TestSeed checks that a seed decides which faults are made, and that who stops
// early gets no more.
func TestSeed(t *testing.T) {
	r := sample(t)
	list := func(seed uint64) (out []string) {
		for f := range mutate.New(definitions.R4(), nil, seed, 0.1).Faults(r) {
			out = append(out, f.Mutation+" "+f.Path)
		}
		return out
	}
	one := list(1)
	if again := list(1); !slices.Equal(one, again) {
		t.Error("the same seed gives other faults")
	}
	if slices.Equal(one, list(2)) || len(one) < 50 || len(one) > 250 {
		t.Errorf("%d faults, the same for every seed: %t", len(one), slices.Equal(one, list(2)))
	}
	n := 0
	for range mutate.New(definitions.R4(), nil, 1, 1).Faults(r) {
		if n++; n == 3 {
			break
		}
	}
	if n != 3 {
		t.Errorf("%d faults after a stop", n)
	}
}
