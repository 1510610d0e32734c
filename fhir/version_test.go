package fhir

import "testing"

func TestCompareVersions(t *testing.T) {
	// In order; each is later than all before it.
	ordered := []string{"", "0.9", "1.0", "1.0.0-draft", "1.0.0", "1.0.1", "1.1.0-1", "1.1.0-2", "1.1.0-11", "1.1.0-a", "1.1.0", "1.9.0", "1.10.0", "2", "a", "b"}
	for i, a := range ordered {
		for j, b := range ordered {
			if got := CompareVersions(a, b); got < 0 != (i < j) || got > 0 != (i > j) {
				t.Errorf("CompareVersions(%q, %q) = %d", a, b, got)
			}
		}
	}
	if CompareVersions("1.0.0+build", "1.0.0") != 0 || CompareVersions("1.00.0", "1.0.0") != 0 {
		t.Error("builds and leading zeros are no difference")
	}
}
