package fhir

import (
	"cmp"
	"strings"
)

// CompareVersions orders the business versions of an artefact, as cmp.Compare
// does: numbers by value, part by part, and a pre-release (1.0.0-draft) before
// its release, as semantic versioning has it.
func CompareVersions(a, b string) int {
	a, _, _ = strings.Cut(a, "+")
	b, _, _ = strings.Cut(b, "+")
	coreA, preA, isPreA := strings.Cut(a, "-")
	coreB, preB, isPreB := strings.Cut(b, "-")
	if c := compareVersionParts(coreA, coreB); c != 0 {
		return c
	}
	switch {
	case isPreA && isPreB:
		return compareVersionParts(preA, preB)
	case isPreA:
		return -1
	case isPreB:
		return 1
	}
	return 0
}

func compareVersionParts(a, b string) int {
	for a != "" || b != "" {
		var x, y string
		x, a, _ = strings.Cut(a, ".")
		y, b, _ = strings.Cut(b, ".")
		if c := compareVersionPart(x, y); c != 0 {
			return c
		}
	}
	return 0
}

// compareVersionPart orders numbers by value and before words.
func compareVersionPart(x, y string) int {
	nx, ny := isNumber(x), isNumber(y)
	switch {
	case nx && ny:
		x, y = strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
		return cmp.Or(cmp.Compare(len(x), len(y)), strings.Compare(x, y))
	case nx != ny && x != "" && y != "":
		if nx {
			return -1
		}
		return 1
	}
	return strings.Compare(x, y)
}

func isNumber(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
