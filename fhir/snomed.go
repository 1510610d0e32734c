package fhir

// SNOMEDSystem is the code system of SNOMED CT.
const SNOMEDSystem = "http://snomed.info/sct"

// SNOMED reports whether s has the form of a SNOMED CT identifier: 6 to 18
// digits without a leading zero, a partition that SNOMED CT defines and the
// Verhoeff check digit (release file specification, section 5). It does not say
// that the code exists.
func SNOMED(s string) bool {
	if len(s) < 6 || len(s) > 18 || s[0] == '0' {
		return false
	}
	c := 0
	for i := len(s) - 1; i >= 0; i-- {
		d := int(s[i]) - '0'
		if d < 0 || d > 9 {
			return false
		}
		c = verhoeffMultiply(c, verhoeffPermute(len(s)-1-i, d))
	}
	partition := s[len(s)-3 : len(s)-1]
	return c == 0 && (partition[0] == '0' || partition[0] == '1') && partition[1] <= '2'
}

// SNOMEDConcept is [SNOMED] for the identifier of a concept rather than of a
// description or relationship: its partition is 00 or 10.
func SNOMEDConcept(s string) bool {
	return SNOMED(s) && s[len(s)-2] == '0'
}

// verhoeffMultiply multiplies in the dihedral group of order 10: 0–4 are
// rotations, 5–9 reflections.
func verhoeffMultiply(a, b int) int {
	switch {
	case a < 5 && b < 5:
		return (a + b) % 5
	case a < 5:
		return 5 + (a+b)%5
	case b < 5:
		return 5 + (a-b+5)%5
	}
	return (a - b + 5) % 5
}

// verhoeffPermute applies Verhoeff's permutation pos times to d.
func verhoeffPermute(pos, d int) int {
	for range pos % 8 {
		d = int("1576283094"[d] - '0')
	}
	return d
}
