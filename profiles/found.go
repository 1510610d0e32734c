package profiles

import (
	"strconv"
	"strings"

	"trellis.example/fhir"
)

// classOf says what kind of thing stands at v, never what it says.
func classOf(v fhir.Value) string {
	switch v.Kind() {
	case fhir.Absent:
		return "nothing"
	case fhir.Null:
		return "null"
	case fhir.Bool:
		return "true or false"
	case fhir.Number:
		return "a number"
	case fhir.String:
		return classOfString(v.Text())
	case fhir.Array:
		return classOfArray(v)
	}
	if v.Len() == 0 {
		return "an empty object"
	}
	return "an object"
}

func classOfString(s string) string {
	switch {
	case s == "":
		return "an empty string"
	case strings.TrimSpace(s) == "":
		return "a blank string"
	}
	return "a string"
}

func classOfArray(v fhir.Value) string {
	switch v.Len() {
	case 0:
		return "an empty array"
	case 1:
		return "an array of one value"
	}
	return "an array of " + strconv.Itoa(v.Len()) + " values"
}

// valuesFound is the class of a count.
func valuesFound(n int) string {
	switch n {
	case 0:
		return "nothing"
	case 1:
		return "1 value"
	}
	return strconv.Itoa(n) + " values"
}

// shapeOf says what is the matter with a string or number that is no value of
// the primitive type: the class, and what to do where that is plain.
func shapeOf(s string, p primitive) (class, hint string) {
	switch p {
	case pDate, pDateTime, pInstant:
		if class, hint = dateShape(s, p); class != "" {
			return class, hint
		}
	case pTime:
		if len(s) == 5 && clock(s+":00") == 8 {
			return "a time without seconds", "Add the seconds: hh:mm:ss."
		}
	case pInteger, pUnsignedInt, pPositiveInt:
		return numberShape(s, p)
	case pUUID, pOID:
		if !strings.HasPrefix(s, "urn:") {
			return "a string without urn:", "Write urn:" + primitives[p].name + ": before the identifier."
		}
	}
	return textShape(s)
}

func textShape(s string) (class, hint string) {
	switch {
	case strings.TrimSpace(s) == "":
		return classOfString(s), "Leave the element out when there is nothing to say."
	case len(s) > maxString:
		return "text of more than a megabyte", "Shorten the text, or send it as an attachment."
	case hasControl(s):
		return "text with control characters", "Take the control characters out; only tab and line breaks may stand in text."
	case s != strings.TrimSpace(s):
		return "a string with white space at its ends", "Take the white space at the ends away."
	case strings.ContainsAny(s, " \t\r\n"):
		return "a string with white space", "Take the white space out."
	}
	return "a string", ""
}

func numberShape(s string, p primitive) (class, hint string) {
	switch {
	case strings.ContainsAny(s, ".eE"):
		return "a number with a fraction or an exponent", "Write a whole number without a decimal point."
	case strings.HasPrefix(s, "-"):
		return "a negative number", ""
	case s == "0" && p == pPositiveInt:
		return "zero", "Count from 1."
	}
	return "a number too large", ""
}

// dateShape names the ways in which dates go wrong in practice.
func dateShape(s string, p primitive) (class, hint string) {
	day, rest, timed := strings.Cut(s, "T")
	_, known := isoDay(day)
	switch {
	case len(s) == 10 && !isDateTime(s) && known:
		return "a date that does not exist", "Check the day and the month."
	case isDayFirst(s):
		return "a date with the day or month first", "Write the year first: YYYY-MM-DD."
	case isCompact(s):
		return "a date without hyphens", "Write hyphens: YYYY-MM-DD."
	case p == pDate && isDateTime(s):
		return "a date with a time", "Leave the time out: YYYY-MM-DD."
	case p == pInstant && isDateTime(s):
		return "a date without a time", "Add the time and its zone: YYYY-MM-DDThh:mm:ss+01:00."
	case timed && isDateTime(day) && len(rest) == 5 && clock(rest+":00") == 8,
		timed && isDateTime(day) && len(rest) > 5 && clock(rest[:5]+":00") == 8 && isZone(rest[5:]):
		return "a time without seconds", "Add the seconds and the zone: hh:mm:ss+01:00."
	case timed && isDateTime(day) && clock(rest) == len(rest) && rest != "":
		return "a date without a zone", "Add the time zone: Z for UTC, +01:00 for British Summer Time."
	case len(s) > 10 && s[10] == ' ' && isDateTime(s[:10]):
		return "a date and time with a blank between them", "Write T between the date and the time."
	}
	return "", ""
}

// isoDay reports whether s has the shape of YYYY-MM-DD.
func isoDay(s string) (n int, ok bool) {
	if len(s) != 10 || s[4] != '-' || s[7] != '-' {
		return 0, false
	}
	_, y := digits(s, 0, 4)
	_, m := digits(s, 5, 2)
	n, d := digits(s, 8, 2)
	return n, y && m && d
}

// isDayFirst sees DD/MM/YYYY, D.M.YY and the like.
func isDayFirst(s string) bool {
	parts := strings.FieldsFunc(s, func(r rune) bool { return r == '/' || r == '.' || r == '-' })
	if len(parts) != 3 || len(parts[0]) > 2 || len(parts[1]) > 3 || len(parts[2]) != 4 && len(parts[2]) != 2 {
		return false
	}
	return isDigits(parts[0]) && isDigits(parts[2])
}

func isCompact(s string) bool {
	return len(s) == 8 && isDigits(s) && isDateTime(s[:4]+"-"+s[4:6]+"-"+s[6:])
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

func hasControl(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' && c != '\r' && c != '\n' {
			return true
		}
	}
	return false
}
