package terminology

import (
	"testing"

	"trellis.example/fhir/definitions"
)

func r4(tb testing.TB) *Service {
	tb.Helper()
	s, err := New(definitions.R4(), nil)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// TestAllSetsCompile compiles every value set of R4 and holds it against the
// expansions of required bindings that definitions made on its own.
func TestAllSetsCompile(t *testing.T) {
	s := r4(t)
	listed, unlisted := 0, 0
	for _, url := range s.defs.Composes() {
		set, err := s.valueSet(url)
		if err != nil || set == nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		if ok, _ := set.Listed(); ok {
			listed++
		} else {
			unlisted++
		}
	}
	if listed != 1217 || unlisted != 99 {
		t.Errorf("%d sets can be listed and %d cannot", listed, unlisted)
	}
	for _, v := range s.defs.ValueSets() {
		set := s.Set(v.URL)
		n := 0
		for system, codes := range v.Concepts() {
			for _, c := range codes {
				known := s.concept(system, "", c)
				if known != nil && known.Abstract {
					continue
				}
				n++
				if set.Has(system, c) != Yes || set.HasCode(c) != Yes {
					t.Errorf("%s does not have %s|%s: %v", v.URL, system, c, set.Has(system, c))
				}
			}
		}
		if v.Open {
			continue
		}
		x, err := s.Expand(ExpandRequest{URL: v.URL, Count: -1})
		if err != nil {
			t.Errorf("%s: %v", v.URL, err)
			continue
		}
		if x.Total != n {
			t.Errorf("%s expands to %d codes, want %d", v.URL, x.Total, n)
		}
		for _, m := range x.Contains {
			if !v.Has(m.System, m.Code) {
				t.Errorf("%s should not have %s|%s", v.URL, m.System, m.Code)
			}
		}
	}
}

func BenchmarkCompileAll(b *testing.B) {
	for b.Loop() {
		s := r4(b)
		for _, url := range s.defs.Composes() {
			s.Set(url)
		}
	}
}
