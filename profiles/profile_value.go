package profiles

import (
	"strings"

	"trellis.example/fhir"
)

// equals reports whether v is exactly the fixed value (R4 ElementDefinition,
// fixed[x]): the same members, arrays in the same order, decimals of the same
// value and precision.
func equals(v, fixed fhir.Value) bool {
	if v.Kind() != fixed.Kind() || v.Len() != fixed.Len() {
		return false
	}
	switch fixed.Kind() {
	case fhir.Object:
		for m := fixed.First(); m.Exists(); m = m.Next() {
			if !equals(v.Get(m.Key()), m) {
				return false
			}
		}
		return true
	case fhir.Array:
		c := v.First()
		for m := fixed.First(); m.Exists(); m = m.Next() {
			if !equals(c, m) {
				return false
			}
			c = c.Next()
		}
		return true
	case fhir.Number:
		a, b := decimalOf(v.Text()), decimalOf(fixed.Text())
		return a.places == b.places && a.equal(b)
	}
	return v.Text() == fixed.Text()
}

// includes reports whether v has all that the pattern has (R4 ElementDefinition,
// pattern[x]): members of objects, entries of arrays in any order, decimals by
// value.
func includes(v, pattern fhir.Value) bool {
	if v.Kind() != pattern.Kind() {
		return false
	}
	switch pattern.Kind() {
	case fhir.Object:
		for m := pattern.First(); m.Exists(); m = m.Next() {
			if !includes(v.Get(m.Key()), m) {
				return false
			}
		}
		return true
	case fhir.Array:
		for want := pattern.First(); want.Exists(); want = want.Next() {
			if !hasItem(v, want) {
				return false
			}
		}
		return true
	case fhir.Number:
		return v.Text() == pattern.Text() || decimalOf(v.Text()).equal(decimalOf(pattern.Text()))
	}
	return v.Text() == pattern.Text()
}

func hasItem(list, want fhir.Value) bool {
	for c := list.First(); c.Exists(); c = c.Next() {
		if includes(c, want) {
			return true
		}
	}
	return false
}

// leaves counts the primitive values of a pattern that v has too: how nearly it
// is met.
func leaves(v, pattern fhir.Value) int {
	n := 0
	switch pattern.Kind() {
	case fhir.Object:
		for m := pattern.First(); m.Exists(); m = m.Next() {
			n += leaves(v.Get(m.Key()), m)
		}
	case fhir.Array:
		for want := pattern.First(); want.Exists(); want = want.Next() {
			best := 0
			for c := v.First(); c.Exists(); c = c.Next() {
				best = max(best, leaves(c, want))
			}
			n += best
		}
	case fhir.Absent, fhir.Null:
	default:
		if includes(v, pattern) {
			n = 1
		}
	}
	return n
}

// A decimal is a JSON number taken apart, so that no precision is lost.
type decimal struct {
	negative bool
	digits   string // without leading and trailing zeros; "" is zero
	point    int    // where the decimal point stands, counted from the first of digits
	places   int    // digits written after the point, less the exponent
}

func decimalOf(s string) decimal {
	var d decimal
	s, d.negative = strings.CutPrefix(s, "-")
	exponent := 0
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		exponent = smallInt(s[i+1:])
		s = s[:i]
	}
	whole, fraction, _ := strings.Cut(s, ".")
	d.places = len(fraction) - exponent
	d.point = len(whole) + exponent
	all := whole + fraction
	trimmed := strings.TrimLeft(all, "0")
	d.point -= len(all) - len(trimmed)
	d.digits = strings.TrimRight(trimmed, "0")
	if d.digits == "" {
		d.negative, d.point = false, 0
	}
	return d
}

// smallInt reads an exponent; those beyond reason are cut off.
func smallInt(s string) int {
	s = strings.TrimPrefix(s, "+")
	s, negative := strings.CutPrefix(s, "-")
	n := 0
	for i := range len(s) {
		if n = n*10 + int(s[i]-'0'); n > 1_000_000 {
			break
		}
	}
	if negative {
		return -n
	}
	return n
}

func (d decimal) equal(o decimal) bool {
	return d.negative == o.negative && d.digits == o.digits && d.point == o.point
}

// compare orders two decimals by value.
func (d decimal) compare(o decimal) int {
	switch {
	case d.negative != o.negative:
		if d.negative {
			return -1
		}
		return 1
	case d.negative:
		return magnitude(o, d)
	}
	return magnitude(d, o)
}

func magnitude(a, b decimal) int {
	switch {
	case a.digits == "" || b.digits == "":
		return len(a.digits) - len(b.digits)
	case a.point != b.point:
		return a.point - b.point
	}
	return strings.Compare(a.digits, b.digits)
}
