package profiles

import (
	"fmt"
	"strings"
	"time"

	"trellis.example/fhir"
	"trellis.example/profiles/snapshot"
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

// A limit is a minValue[x] or maxValue[x].
type limit struct {
	most  bool
	value fhir.Value
	// span is set where the limit is a length of time from now (a Duration on a
	// date): years, months and days, or a duration.
	span *span
}

type span struct {
	years, months, days int
	time                time.Duration
}

// limitsOf reads the limits of an element.
func limitsOf(e *snapshot.Element) ([]limit, error) {
	var out []limit
	for _, l := range [...]limit{{value: e.MinValue}, {value: e.MaxValue, most: true}} {
		if !l.value.Exists() {
			continue
		}
		if l.value.Kind() == fhir.Object && len(e.Types) == 1 && isDateType(e.Types[0].Code) {
			var err error
			if l.span, err = spanOf(l.value); err != nil {
				return nil, err
			}
		}
		out = append(out, l)
	}
	return out, nil
}

func isDateType(typ string) bool { return typ == "date" || typ == "dateTime" || typ == "instant" }

// spanOf reads a Duration of whole UCUM units.
func spanOf(v fhir.Value) (*span, error) {
	d := decimalOf(v.Get("value").Text())
	n := smallInt(strings.TrimPrefix(v.Get("value").Text(), "-"))
	if d.places != 0 || n > 100_000 {
		return nil, fmt.Errorf("expected a whole number of time units as limit of a date")
	}
	if d.negative {
		n = -n
	}
	s := &span{}
	switch v.Get("code").Text() {
	case "a":
		s.years = n
	case "mo":
		s.months = n
	case "wk":
		s.days = 7 * n
	case "d":
		s.days = n
	case "h":
		s.time = time.Duration(n) * time.Hour
	case "min":
		s.time = time.Duration(n) * time.Minute
	case "s":
		s.time = time.Duration(n) * time.Second
	default:
		return nil, fmt.Errorf("expected a UCUM unit of time as limit of a date")
	}
	return s, nil
}

// text is the limit as a date: a minimum lies before now, a maximum after.
func (l *limit) text(now time.Time) string {
	if l.span == nil {
		return l.value.Text()
	}
	s := *l.span
	if !l.most {
		s = span{-s.years, -s.months, -s.days, -s.time}
	}
	at := now.AddDate(s.years, s.months, s.days).Add(s.time)
	if s.time == 0 {
		return at.Format(time.DateOnly)
	}
	return at.Format(time.RFC3339)
}

// broken reports whether v lies beyond the limit. Values that cannot be compared
// (dates of different precision, quantities of different units) do not.
func (l *limit) broken(v fhir.Value, typ string) bool {
	var c int
	ok := true
	switch {
	case v.Kind() == fhir.Number:
		c = decimalOf(v.Text()).compare(decimalOf(l.value.Text()))
	case v.Kind() == fhir.Object:
		c, ok = compareQuantities(v, l.value)
	case isDateType(typ):
		c, ok = compareDates(v.Text(), l.text(time.Now()))
	case typ == "time":
		c = strings.Compare(v.Text(), l.value.Text())
	default:
		return false
	}
	return ok && (l.most && c > 0 || !l.most && c < 0)
}

// compareQuantities orders quantities of one unit.
func compareQuantities(v, limit fhir.Value) (c int, ok bool) {
	if v.Get("value").Kind() != fhir.Number || limit.Get("value").Kind() != fhir.Number || v.Get("comparator").Exists() {
		return 0, false
	}
	for _, name := range [...]string{"system", "code"} {
		if v.Get(name).Text() != limit.Get(name).Text() {
			return 0, false
		}
	}
	if !limit.Get("code").Exists() && v.Get("unit").Text() != limit.Get("unit").Text() {
		return 0, false
	}
	return decimalOf(v.Get("value").Text()).compare(decimalOf(limit.Get("value").Text())), true
}

// compareDates orders two dates of any precision at the coarser one; it is
// undecided when they are equal there.
func compareDates(a, b string) (c int, ok bool) {
	if len(a) > 10 && len(b) > 10 {
		x, errX := time.Parse(time.RFC3339Nano, a)
		y, errY := time.Parse(time.RFC3339Nano, b)
		return x.Compare(y), errX == nil && errY == nil
	}
	n := min(len(a), len(b), 10)
	c = strings.Compare(a[:n], b[:n])
	return c, c != 0 || len(a) == len(b)
}

func (l *limit) String() string {
	word := "at least "
	if l.most {
		word = "at most "
	}
	if l.span != nil {
		if l.most {
			return "a time no further ahead than the profile allows"
		}
		return "a time no longer ago than the profile allows"
	}
	if l.value.Kind() == fhir.Object {
		return word + l.value.Get("value").Text() + " " + l.value.Get("code").Text()
	}
	return word + l.value.Text()
}
