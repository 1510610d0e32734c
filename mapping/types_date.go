package mapping

import (
	"slices"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // a machine without time zones must not shift a referral by an hour

	"trellis.example/fhir"
)

var (
	wantDate       = problem{fhir.BadValue, "expected a date: yyyy, yyyy-mm or yyyy-mm-dd"}
	wantDateTime   = problem{fhir.BadValue, "expected a date, or a date and time with offset: yyyy-mm-ddThh:mm:ss+00:00"}
	wantUKDate     = problem{fhir.BadValue, "expected a date that exists, as dd/mm/yyyy"}
	wantInstant    = problem{fhir.BadValue, "expected a date and time with seconds and offset: yyyy-mm-ddThh:mm:ss+00:00"}
	wantDatePart   = problem{fhir.BadValue, "expected a date: yyyy, yyyy-mm or yyyy-mm-dd, with or without a time of day"}
	wantTime       = problem{fhir.BadValue, "expected a time of day: hh:mm or hh:mm:ss"}
	wantUKPartial  = problem{fhir.BadValue, "expected a date that exists, as dd/mm/yyyy, mm/yyyy or yyyy"}
	wantUKDateTime = problem{fhir.BadValue, "expected a date and time that exist, as dd/mm/yyyy hh:mm"}
	wantDateOrUK   = problem{fhir.BadValue, "expected a date that exists, as yyyy-mm-dd or dd/mm/yyyy"}
	wantTimeOrUK   = problem{fhir.BadValue, "expected a date and time that exist, as yyyy-mm-ddThh:mm:ss+00:00 or dd/mm/yyyy hh:mm"}
	wantHL7Date    = problem{fhir.BadValue, "expected a date: yyyy, yyyymm or yyyymmdd"}
	wantHL7Time    = problem{fhir.BadValue, "expected a time stamp: yyyymmddhhmm[ss[.s]][+zzzz], or fewer digits of the date"}
	noSuchTime     = problem{fhir.BadValue, "this local time does not exist: the clocks go forward; send it with its offset, as in +01:00"}
	twoTimes       = problem{fhir.BadValue, "this local time occurs twice: the clocks go back; send it with its offset, as in +01:00"}
)

const (
	fhirDate   = "2006-01-02"
	fhirTime   = "2006-01-02T15:04:05-07:00"
	ukDate     = "02/01/2006"
	ukMinutes  = "02/01/2006 15:04"
	ukSeconds  = "02/01/2006 15:04:05"
	hl7Seconds = "20060102150405"
)

// london is the zone of times that UK partners send without an offset. The
// zone data is compiled in, so that loading cannot fail.
var london = sync.OnceValue(func() *time.Location {
	loc, err := time.LoadLocation("Europe/London")
	if err != nil {
		return time.UTC
	}
	return loc
})

// inLondon reads the wall clock of t as London's. It never guesses in the hour
// that is skipped or the one that occurs twice.
func inLondon(t time.Time) (time.Time, *problem) {
	at := time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), london())
	if at.Hour() != t.Hour() || at.Minute() != t.Minute() {
		return at, &noSuchTime
	}
	_, here := at.Zone()
	_, before := at.Add(-2 * time.Hour).Zone()
	_, after := at.Add(2 * time.Hour).Zone()
	if before != after {
		other := at.Add(time.Duration(here-before+here-after) * time.Second).In(london())
		if other.Hour() == at.Hour() && other.Minute() == at.Minute() {
			return at, &twoTimes
		}
	}
	return at, nil
}

func checkDate(s string) (string, *problem) {
	layout := ""
	switch len(s) {
	case 4:
		layout = "2006"
	case 7:
		layout = "2006-01"
	case 10:
		layout = fhirDate
	}
	if _, err := time.Parse(layout, s); err != nil || layout == "" || s[:4] == "0000" {
		return "", &wantDate
	}
	return s, nil
}

func checkDateTime(s string) (string, *problem) {
	if len(s) <= 10 {
		if _, p := checkDate(s); p != nil {
			return "", &wantDateTime
		}
		return s, nil
	}
	if _, err := time.Parse(time.RFC3339Nano, s); err != nil || s[10] != 'T' || strings.ContainsAny(s, "tz,") {
		return "", &wantDateTime
	}
	return s, nil
}

// checkInstant accepts a FHIR instant (R4, section 2.24.0.1): to the second at
// least, with its offset.
func checkInstant(s string) (string, *problem) {
	if len(s) < len("2006-01-02T15:04:05Z") {
		return "", &wantInstant
	}
	if _, p := checkDateTime(s); p != nil {
		return "", &wantInstant
	}
	return s, nil
}

// datePart is the date of a date and time; the time of day is a loss.
func datePart(*rule) (converter, error) {
	return converter{
		in: func(dst []byte, s string) ([]byte, verdict) {
			date, v := s, verdict{}
			if len(s) > 10 && (s[10] == 'T' || s[10] == ' ') {
				date, v.loss = s[:10], "the time of day is left out"
			}
			if _, p := checkDate(date); p != nil {
				return dst, verdict{fault: &wantDatePart}
			}
			return fhir.AppendString(dst, date), v
		},
		out: func(v fhir.Value) (string, bool) { return v.Text(), v.Text() != "" },
	}, nil
}

// timeIn reads a time of day; without seconds it is the whole minute.
func timeIn(s string) (string, *problem) {
	if len(s) == len("15:04") {
		s += ":00"
	}
	if _, err := time.Parse("15:04:05", s); err != nil || len(s) < 8 || strings.Contains(s, ",") {
		return "", &wantTime
	}
	return s, nil
}

// timeOut leaves out seconds that are zero.
func timeOut(s string) (string, bool) {
	_, p := timeIn(s)
	if len(s) == 8 {
		s = strings.TrimSuffix(s, ":00")
	}
	return s, p == nil
}

// dateOrUKIn reads a date as a form or as a spreadsheet has it.
func dateOrUKIn(s string) (string, *problem) {
	if d, p := checkDate(s); p == nil {
		return d, nil
	}
	if d, p := ukDateIn(s); p == nil {
		return d, nil
	}
	return "", &wantDateOrUK
}

func sameDate(s string) (string, bool) {
	_, p := checkDate(s)
	return s, p == nil
}

// dateTimeOrUKIn reads a date and time as a form or as a spreadsheet has it,
// and the date without a time.
func dateTimeOrUKIn(s string) (string, *problem) {
	if d, p := checkDateTime(s); p == nil {
		return d, nil
	}
	switch d, p := ukDateTimeIn(s); p {
	case nil:
		return d, nil
	case &noSuchTime, &twoTimes:
		return "", p
	}
	if d, p := ukDateIn(s); p == nil {
		return d, nil
	}
	return "", &wantTimeOrUK
}

func sameDateTime(s string) (string, bool) {
	_, p := checkDateTime(s)
	return s, p == nil
}

// ukPartialIn reads a day, a month or a year in the order used in the UK, and
// keeps its precision.
func ukPartialIn(s string) (string, *problem) {
	switch len(s) {
	case 4:
		if d, p := checkDate(s); p == nil {
			return d, nil
		}
	case 7:
		if m, y, ok := strings.Cut(s, "/"); ok {
			if d, p := checkDate(y + "-" + m); p == nil {
				return d, nil
			}
		}
	case 10:
		if d, p := ukDateIn(s); p == nil {
			return d, nil
		}
	}
	return "", &wantUKPartial
}

func ukPartialOut(s string) (string, bool) {
	_, p := checkDate(s)
	parts := strings.Split(s, "-")
	slices.Reverse(parts)
	return strings.Join(parts, "/"), p == nil
}

func ukDateIn(s string) (string, *problem) {
	t, err := time.Parse(ukDate, s)
	if err != nil || len(s) != len(ukDate) || t.Year() == 0 {
		return "", &wantUKDate
	}
	return t.Format(fhirDate), nil
}

func ukDateOut(s string) (string, bool) {
	t, err := time.Parse(fhirDate, s)
	return t.Format(ukDate), err == nil
}

// ukDateTimeIn reads local time of London, or any time with an offset.
func ukDateTimeIn(s string) (string, *problem) {
	for _, layout := range [...]string{ukMinutes, ukSeconds} {
		if t, err := time.Parse(layout, s); err == nil && len(s) == len(layout) && t.Year() != 0 {
			at, p := inLondon(t)
			if p != nil {
				return "", p
			}
			return at.Format(fhirTime), nil
		}
		for _, zone := range [...]string{"Z07:00", "-07:00"} {
			if t, err := time.Parse(layout+zone, s); err == nil && t.Year() != 0 {
				return t.Format(fhirTime), nil
			}
		}
	}
	return "", &wantUKDateTime
}

// ukDateTimeOut writes local time of London, with the offset in the hour that
// occurs twice. A date without time has no form here, nor has a fraction of a
// second.
func ukDateTimeOut(s string) (string, bool) {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || t.Nanosecond() != 0 {
		return "", false
	}
	layout := ukMinutes
	if t.Second() != 0 {
		layout = ukSeconds
	}
	local := t.In(london())
	_, sent := t.Zone()
	_, here := local.Zone()
	if _, p := inLondon(local); p != nil || sent != here {
		return t.Format(layout + "-07:00"), true
	}
	return local.Format(layout), true
}

// hl7DateIn reads the date of a time stamp; its time and zone, if any, are left
// out.
func hl7DateIn(s string) (string, *problem) {
	if i := strings.IndexAny(s, ".+-"); i == 12 || i == 14 {
		s = s[:i]
	}
	if !isDigits(s) || len(s) < 4 {
		return "", &wantHL7Date
	}
	n := min(len(s), 8)
	layout := "20060102"[:n]
	t, err := time.Parse(layout, s[:n])
	if err != nil || n%2 != 0 || t.Year() == 0 || len(s) > 14 {
		return "", &wantHL7Date
	}
	switch n {
	case 4:
		return s[:4], nil
	case 6:
		return s[:4] + "-" + s[4:6], nil
	}
	return s[:4] + "-" + s[4:6] + "-" + s[6:8], nil
}

func hl7DateOut(s string) (string, bool) {
	_, p := checkDate(s)
	return strings.ReplaceAll(s, "-", ""), p == nil
}

// hl7TimeIn keeps the precision that was sent. FHIR has no hour without
// minutes, so that form is a fault rather than a guess.
func hl7TimeIn(s string) (string, *problem) {
	stamp, zone := s, ""
	if i := strings.IndexAny(s, "+-"); i >= 0 {
		stamp, zone = s[:i], s[i:]
	}
	if len(stamp) <= 8 && zone == "" {
		d, p := hl7DateIn(stamp)
		if p != nil {
			return "", &wantHL7Time
		}
		return d, nil
	}
	whole, frac, dot := strings.Cut(stamp, ".")
	if len(whole) == 12 && !dot {
		whole += "00"
	}
	t, err := time.Parse(hl7Seconds, whole)
	if err != nil || len(whole) != 14 || dot && (!isDigits(frac) || len(frac) > 4) || t.Year() == 0 {
		return "", &wantHL7Time
	}
	if dot {
		frac = "." + frac
	}
	if zone == "" {
		at, p := inLondon(t)
		if p != nil {
			return "", p
		}
		return at.Format("2006-01-02T15:04:05") + frac + at.Format("-07:00"), nil
	}
	z, err := time.Parse("-0700", zone)
	if err != nil {
		return "", &wantHL7Time
	}
	return whole[:4] + "-" + whole[4:6] + "-" + whole[6:8] + "T" + whole[8:10] + ":" + whole[10:12] + ":" + whole[12:14] + frac + z.Format("-07:00"), nil
}

func hl7TimeOut(s string) (string, bool) {
	if len(s) <= 10 {
		return hl7DateOut(s)
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return "", false
	}
	frac := ""
	if s[19] == '.' {
		frac = s[19:strings.LastIndexAny(s, "+-Z")]
	}
	if len(frac) > 5 {
		return "", false
	}
	return t.Format(hl7Seconds) + frac + t.Format("-0700"), true
}
