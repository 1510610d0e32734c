package mapping

import (
	"strings"

	"trellis.example/fhir"
)

var wantLocalDateTime = problem{fhir.BadValue, "expected a date and time that exist, as yyyy-mm-dd hh:mm or yyyy-mm-dd hh:mm:ss"}

// localDateTimeIn reads what databases write: local time of London, years first
// and no offset but in the hour that occurs twice.
func localDateTimeIn(s string) (string, *problem) {
	day, clock, ok := strings.Cut(s, " ")
	if !ok || len(day) != len(fhirDate) || day[4] != '-' || day[7] != '-' {
		return "", &wantLocalDateTime
	}
	out, p := ukDateTimeIn(day[8:] + "/" + day[5:7] + "/" + day[:4] + " " + clock)
	if p == &wantUKDateTime {
		p = &wantLocalDateTime
	}
	return out, p
}

// localDateTimeOut writes it back; a date without time has no form here.
func localDateTimeOut(s string) (string, bool) {
	out, ok := ukDateTimeOut(s)
	if !ok {
		return "", false
	}
	return out[6:10] + "-" + out[3:5] + "-" + out[:2] + out[10:], true
}
