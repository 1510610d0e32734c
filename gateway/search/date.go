package search

import (
	"strings"
	"time"

	"trellis.example/fhir"
	"trellis.example/gateway/store"
)

// Bounds of an open period: what Unix milliseconds of the years 0001 and 9999
// are, so that every date lies between.
const (
	minMillis = -62135596800000
	maxMillis = 253402300799999
)

// dateRange returns the first and last millisecond that a FHIR date, dateTime
// or instant covers; partial dates cover the whole year, month, day, minute or
// second. A value without a zone counts as UTC, which FHIR leaves to the
// server.
func dateRange(s string) (low, high int64, ok bool) {
	for _, f := range dateFormats {
		if len(s) < f.min || len(s) > f.max {
			continue
		}
		t, err := time.Parse(f.layout, s)
		if err != nil {
			continue
		}
		return t.UnixMilli(), f.end(t).UnixMilli() - 1, true
	}
	return 0, 0, false
}

type dateFormat struct {
	layout   string
	min, max int
	end      func(time.Time) time.Time
}

func plusSecond(t time.Time) time.Time { return t.Truncate(time.Second).Add(time.Second) }
func plusMilli(t time.Time) time.Time {
	return t.Truncate(time.Millisecond).Add(time.Millisecond)
}

// A layout with seconds also reads a fraction; the order tells them apart.
var dateFormats = [...]dateFormat{
	{"2006-01-02", 10, 10, func(t time.Time) time.Time { return t.AddDate(0, 0, 1) }},
	{"2006-01-02T15:04:05Z07:00", 20, 20, plusSecond},
	{"2006-01-02T15:04:05-07:00", 25, 25, plusSecond},
	{"2006-01-02T15:04:05Z07:00", 21, 35, plusMilli},
	{"2006", 4, 4, func(t time.Time) time.Time { return t.AddDate(1, 0, 0) }},
	{"2006-01", 7, 7, func(t time.Time) time.Time { return t.AddDate(0, 1, 0) }},
	{"2006-01-02T15:04Z07:00", 17, 22, func(t time.Time) time.Time { return t.Add(time.Minute) }},
	{"2006-01-02T15:04", 16, 16, func(t time.Time) time.Time { return t.Add(time.Minute) }},
	{"2006-01-02T15:04:05", 19, 19, plusSecond},
}

func dateTaker(typ string) taker {
	switch typ {
	case "date", "dateTime", "instant":
		return (*extractor).date
	case "Period":
		return (*extractor).period
	case "Timing":
		return (*extractor).timing
	}
	return nil
}

func (x *extractor) date(v fhir.Value, p *Param) {
	if low, high, ok := dateRange(v.Text()); ok {
		x.span(p, low, high)
	}
}

// span indexes a range; a period that ends before it begins is not found.
func (x *extractor) span(p *Param, low, high int64) {
	e := p.entry(store.Date)
	if e.Low, e.High = low, high; low <= high {
		x.add(e)
	}
}

func (x *extractor) period(v fhir.Value, p *Param) {
	if low, high, ok := periodRange(v); ok {
		x.span(p, low, high)
	}
}

func periodRange(v fhir.Value) (low, high int64, ok bool) {
	low, high = minMillis, maxMillis
	if l, _, found := dateRange(v.Get("start").Text()); found {
		low, ok = l, true
	}
	if _, h, found := dateRange(v.Get("end").Text()); found {
		high, ok = h, true
	}
	return low, high, ok
}

// timing indexes the outer limits of a Timing (R4 search, date: only they
// matter).
func (x *extractor) timing(v fhir.Value, p *Param) {
	low, high, ok := periodRange(v.At("repeat", "boundsPeriod"))
	for e := range v.Get("event").Items() {
		l, h, found := dateRange(e.Text())
		switch {
		case !found:
			continue
		case !ok:
			low, high, ok = l, h, true
		}
		low, high = min(low, l), max(high, h)
	}
	if ok {
		x.span(p, low, high)
	}
}

// ParseDate reads the value of a date parameter; text says what is wrong with it.
func ParseDate(v string) (m store.Match, text string) {
	op, v := prefixOf(v)
	// A "+" of a zone that was not escaped arrives as a space.
	low, high, ok := dateRange(strings.Replace(v, " ", "+", 1))
	if !ok {
		return m, "a date is YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm[:ss[.sss]][Z|±hh:mm], with an optional prefix eq, ne, gt, lt, ge, le, sa, eb or ap"
	}
	if op == "ap" { // as far again as the date is long
		low, high = low-(high-low+1), high+(high-low+1)
	}
	return store.Match{Low: low, High: high, Op: op}, ""
}
