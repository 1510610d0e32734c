package fhir

import "strings"

// NHSNumberSystem is the identifier system of NHS numbers. Partners spell it in
// several ways: compare with [IsNHSNumberSystem].
const NHSNumberSystem = "https://fhir.nhs.uk/Id/nhs-number"

// IsNHSNumberSystem reports whether an identifier system means NHS numbers.
// Letter case and http for https are disregarded, because published material
// mixes them.
func IsNHSNumberSystem(system string) bool {
	const rest = "://fhir.nhs.uk/Id/nhs-number"
	if len(system) < len("http") || !strings.EqualFold(system[:4], "http") {
		return false
	}
	s := system[4:]
	if len(s) > 0 && s[0]|0x20 == 's' {
		s = s[1:]
	}
	return strings.EqualFold(s, rest)
}

// NHSNumber reports whether s is an NHS number as it is stored: ten digits, the
// last of which is the Modulus 11 check digit. Blanks and hyphens are not
// accepted; [CleanNHSNumber] removes them.
func NHSNumber(s string) bool {
	if len(s) != 10 {
		return false
	}
	sum := 0
	for i := range 9 {
		d := int(s[i]) - '0'
		if d < 0 || d > 9 {
			return false
		}
		sum += d * (10 - i)
	}
	check := (11 - sum%11) % 11 // 10 never equals a digit: such numbers are not issued
	return check == int(s[9])-'0'
}

// CleanNHSNumber removes the blanks and hyphens with which people write NHS
// numbers. ok is whether the rest is an NHS number.
func CleanNHSNumber(s string) (clean string, ok bool) {
	clean = strings.Map(func(r rune) rune {
		switch r {
		case ' ', '\t', '\u00a0', '-', '\u2010', '\u2011', '\u2013':
			return -1
		}
		return r
	}, s)
	return clean, NHSNumber(clean)
}
