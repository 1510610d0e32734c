package patch

import (
	"strconv"
	"strings"

	"trellis.example/fhir"
)

// equal compares two values as RFC 6902, section 4.6 does: objects without
// regard to order, numbers by their amount, so that 1.0 equals 1.00.
func equal(a, b fhir.Value) bool {
	if a.Kind() != b.Kind() || a.Len() != b.Len() {
		return false
	}
	switch a.Kind() {
	case fhir.Object:
		members := make(map[string]fhir.Value, b.Len()) // an object may have very many
		for m := range b.All() {
			members[m.Key()] = m
		}
		for m := range a.All() {
			if !equal(m, members[m.Key()]) {
				return false
			}
		}
		return true
	case fhir.Array:
		x, y := a.First(), b.First()
		for x.Exists() && equal(x, y) {
			x, y = x.Next(), y.Next()
		}
		return !x.Exists()
	case fhir.Number:
		return canonical(a.Text()) == canonical(b.Text())
	}
	return a.Text() == b.Text()
}

// A decimal is a number in one form: digits without zeros at either end, times
// ten to the power of exp.
type decimal struct {
	negative bool
	digits   string
	exp      int
}

// canonical never computes a power, so that 1e999999999 costs nothing. An
// exponent beyond what an int holds is cut off at its end.
func canonical(s string) decimal {
	var d decimal
	s, d.negative = strings.CutPrefix(s, "-")
	mantissa, e, _ := strings.Cut(strings.ReplaceAll(s, "E", "e"), "e")
	d.exp, _ = strconv.Atoi(e)
	whole, fraction, _ := strings.Cut(mantissa, ".")
	d.exp -= len(fraction)
	d.digits = strings.TrimLeft(whole+fraction, "0")
	n := len(d.digits)
	d.digits = strings.TrimRight(d.digits, "0")
	d.exp += n - len(d.digits)
	if d.digits == "" {
		return decimal{}
	}
	return d
}
