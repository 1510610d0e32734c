package profiles

import (
	"fmt"
	"strings"
	"time"

	"trellis.example/fhir"
	"trellis.example/profiles/snapshot"
)

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
