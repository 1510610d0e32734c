package questionnaire

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"trellis.example/fhir"
)

// A verdict is an answer to a question that may be left open.
type verdict uint8

const (
	no verdict = iota
	yes
	open
)

func verdictOf(b bool) verdict {
	if b {
		return yes
	}
	return no
}

// compare orders two values of the same kind; ok is false when they cannot be
// ordered: different units, dates of a precision that leaves it open.
func compare(k kind, a, b fhir.Value) (order int, ok bool) {
	switch k {
	case decimal, integer:
		return compareNumbers(a.Text(), b.Text())
	case date, dateTime:
		return compareDates(a.Text(), b.Text())
	case clock, text, uri:
		return cmp.Compare(a.Text(), b.Text()), true
	case quantity:
		if unitOf(a) != unitOf(b) || a.Get("comparator").Exists() || b.Get("comparator").Exists() {
			return 0, false
		}
		return compareNumbers(a.Get("value").Text(), b.Get("value").Text())
	}
	return 0, false
}

// equal reports whether two values of the same kind are equal.
func equal(k kind, a, b fhir.Value) verdict {
	switch k {
	case boolean:
		return verdictOf(a.Text() == b.Text())
	case coding:
		return verdictOf(codeOf(a) == codeOf(b))
	case reference:
		return verdictOf(a.Get("reference").Text() == b.Get("reference").Text())
	case attachment:
		return verdictOf(string(a.Raw()) == string(b.Raw()))
	}
	order, ok := compare(k, a, b)
	if !ok {
		return open
	}
	return verdictOf(order == 0)
}

// A code is what tells one Coding from another. One without a code is known by
// its display.
type code struct{ system, code, display string }

func codeOf(v fhir.Value) code {
	var c code
	for m := v.First(); m.Exists(); m = m.Next() {
		switch m.Key() {
		case "system":
			c.system = m.Text()
		case "code":
			c.code = m.Text()
		case "display":
			c.display = m.Text()
		}
	}
	if c.code != "" {
		c.display = ""
	}
	return c
}

// unitOf returns the unit of a Quantity: its code where it has one.
func unitOf(v fhir.Value) code {
	if c := v.Get("code").Text(); c != "" {
		return code{system: v.Get("system").Text(), code: c}
	}
	return code{display: v.Get("unit").Text()}
}

// number reads a decimal; ok is false for what float64 cannot hold.
func number(s string) (n float64, ok bool) {
	n, err := strconv.ParseFloat(s, 64)
	return n, err == nil
}

func compareNumbers(a, b string) (int, bool) {
	x, ok1 := number(a)
	y, ok2 := number(b)
	return cmp.Compare(x, y), ok1 && ok2
}

// compareDates orders two dates or times of any precision.
func compareDates(a, b string) (int, bool) {
	if len(a) > 10 && len(b) > 10 {
		x, err1 := time.Parse(time.RFC3339Nano, a)
		y, err2 := time.Parse(time.RFC3339Nano, b)
		return x.Compare(y), err1 == nil && err2 == nil
	}
	n := min(len(a), len(b), 10)
	order := strings.Compare(a[:n], b[:n])
	if len(a) > 10 || len(b) > 10 {
		return order, false // a day's bounds depend on the time zone
	}
	return order, order != 0 || len(a) == len(b)
}
