package search

import "time"

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
