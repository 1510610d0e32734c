package profiles

import (
	"strings"

	"trellis.example/fhir"
)

// A primitive is a FHIR primitive type.
type primitive uint8

const (
	notPrimitive primitive = iota
	pBoolean
	pInteger
	pUnsignedInt
	pPositiveInt
	pDecimal
	pString
	pMarkdown
	pCode
	pID
	pURI
	pURL
	pCanonical
	pOID
	pUUID
	pBase64
	pDate
	pDateTime
	pInstant
	pTime
	pXHTML
)

// primitives gives each type's kind of JSON value and what is expected of it in
// words, for issues.
var primitives = [...]struct {
	name   string
	kind   fhir.Kind
	expect string
}{
	pBoolean:     {"boolean", fhir.Bool, "true or false"},
	pInteger:     {"integer", fhir.Number, "a whole number from -2147483648 to 2147483647"},
	pUnsignedInt: {"unsignedInt", fhir.Number, "a whole number from 0 to 2147483647"},
	pPositiveInt: {"positiveInt", fhir.Number, "a whole number from 1 to 2147483647"},
	pDecimal:     {"decimal", fhir.Number, "a number"},
	pString:      {"string", fhir.String, "text that is not blank, without control characters"},
	pMarkdown:    {"markdown", fhir.String, "text that is not blank, without control characters"},
	pCode:        {"code", fhir.String, "a code: no white space at its ends, single blanks within"},
	pID:          {"id", fhir.String, "1 to 64 letters, digits, '-' or '.'"},
	pURI:         {"uri", fhir.String, "a URI without white space"},
	pURL:         {"url", fhir.String, "a URL without white space"},
	pCanonical:   {"canonical", fhir.String, "a canonical URL without white space"},
	pOID:         {"oid", fhir.String, "an OID such as urn:oid:1.2.3"},
	pUUID:        {"uuid", fhir.String, "a UUID in lower case such as urn:uuid:c757873d-ec9a-4326-a141-556f43239520"},
	pBase64:      {"base64Binary", fhir.String, "base64"},
	pDate:        {"date", fhir.String, "a date that exists: YYYY, YYYY-MM or YYYY-MM-DD"},
	pDateTime:    {"dateTime", fhir.String, "a date that exists: YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss with a time zone"},
	pInstant:     {"instant", fhir.String, "a time YYYY-MM-DDThh:mm:ss with a time zone, on a date that exists"},
	pTime:        {"time", fhir.String, "a time hh:mm:ss"},
	pXHTML:       {"xhtml", fhir.String, "XHTML"},
}

func primitiveOf(typ string) primitive {
	for p := pBoolean; int(p) < len(primitives); p++ {
		if primitives[p].name == typ {
			return p
		}
	}
	return notPrimitive
}

// valid reports whether the literal or string content s is a value of type p.
func (p primitive) valid(s string) bool {
	switch p {
	case pBoolean, pXHTML:
		return true
	case pInteger:
		return isInteger(s, true)
	case pUnsignedInt:
		return isInteger(s, false)
	case pPositiveInt:
		return s != "0" && isInteger(s, false)
	case pDecimal:
		return true // the JSON grammar is FHIR's
	case pString, pMarkdown:
		return isText(s)
	case pCode:
		return isCode(s)
	case pID:
		return fhir.IsID(s)
	case pURI, pURL, pCanonical:
		return isURI(s)
	case pOID:
		return isOID(s)
	case pUUID:
		return strings.HasPrefix(s, "urn:uuid:") && isUUID(s[len("urn:uuid:"):])
	case pBase64:
		return isBase64(s)
	case pDate:
		return len(s) <= 10 && isDateTime(s)
	case pDateTime:
		return isDateTime(s)
	case pInstant:
		return len(s) > 10 && isDateTime(s)
	case pTime:
		return clock(s) == len(s) && s != ""
	}
	return false
}

// isInteger accepts decimal digits without leading zeros that fit 32 bits.
func isInteger(s string, signed bool) bool {
	const limit = 1<<31 - 1
	digits := s
	if signed {
		digits = strings.TrimPrefix(s, "-")
	}
	if digits == "" || len(digits) > 10 || digits[0] == '0' && len(digits) > 1 {
		return false
	}
	n := int64(0)
	for i := range len(digits) {
		d := digits[i] - '0'
		if d > 9 {
			return false
		}
		n = n*10 + int64(d)
	}
	return n <= limit || len(digits) < len(s) && n == limit+1
}

// maxString is the longest string FHIR allows, in bytes here (R4 datatypes,
// string: 1 MB).
const maxString = 1 << 20

func isText(s string) bool {
	if len(s) > maxString {
		return false
	}
	blank := true
	for i := range len(s) {
		switch c := s[i]; {
		case c > ' ':
			blank = false
		case c != ' ' && c != '\t' && c != '\r' && c != '\n':
			return false
		}
	}
	return !blank
}

func isCode(s string) bool {
	space := true
	for i := range len(s) {
		if c := s[i]; c > ' ' {
			space = false
		} else if space || c != ' ' {
			return false
		} else {
			space = true
		}
	}
	return !space
}

func isURI(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' {
			return false
		}
	}
	return s != ""
}

func isOID(s string) bool {
	s, ok := strings.CutPrefix(s, "urn:oid:")
	if !ok || s == "" || s[0] > '2' || s[0] < '0' || len(s) < 3 {
		return false
	}
	return isArcs(s[1:])
}

// isArcs accepts ".1.0.23": dots and numbers without leading zeros.
func isArcs(s string) bool {
	for s != "" {
		if s[0] != '.' {
			return false
		}
		n := 1
		for n < len(s) && s[n] >= '0' && s[n] <= '9' {
			n++
		}
		if n == 1 || s[1] == '0' && n > 2 {
			return false
		}
		s = s[n:]
	}
	return true
}

// isUUID accepts 8-4-4-4-12 lower-case hexadecimal digits.
func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if c != '-' {
				return false
			}
		} else if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// isBase64 accepts groups of four, white space between groups.
func isBase64(s string) bool {
	n, pad := 0, 0
	for i := range len(s) {
		switch c := s[i]; {
		case n%4 == 0 && (c == ' ' || c == '\t' || c == '\r' || c == '\n'):
			continue
		case c == '=':
			pad++
		case pad > 0, (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') && c != '+' && c != '/':
			return false
		}
		n++
	}
	return n > 0 && n%4 == 0 && pad <= 2
}

// isDateTime accepts any precision that FHIR allows for a dateTime.
func isDateTime(s string) bool {
	y, ok := digits(s, 0, 4)
	if !ok || y == 0 {
		return false
	}
	if len(s) == 4 {
		return true
	}
	m, ok := digits(s, 5, 2)
	if !ok || s[4] != '-' || m < 1 || m > 12 {
		return false
	}
	if len(s) == 7 {
		return true
	}
	d, ok := digits(s, 8, 2)
	if !ok || s[7] != '-' || d < 1 || d > daysIn(y, m) {
		return false
	}
	if len(s) == 10 {
		return true
	}
	if s[10] != 'T' {
		return false
	}
	n := clock(s[11:])
	return n > 0 && isZone(s[11+n:])
}

func daysIn(y, m int) int {
	switch m {
	case 2:
		if y%4 == 0 && (y%100 != 0 || y%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

// clock returns the length of the hh:mm:ss[.f] at the start of s, or 0.
func clock(s string) int {
	h, ok1 := digits(s, 0, 2)
	m, ok2 := digits(s, 3, 2)
	sec, ok3 := digits(s, 6, 2)
	if !ok1 || !ok2 || !ok3 || s[2] != ':' || s[5] != ':' || h > 23 || m > 59 || sec > 60 {
		return 0
	}
	if len(s) == 8 || s[8] != '.' {
		return 8
	}
	n := 9
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	if n == 9 {
		return 0
	}
	return n
}

// isZone accepts Z and offsets up to 14:00.
func isZone(s string) bool {
	if s == "Z" {
		return true
	}
	h, ok1 := digits(s, 1, 2)
	m, ok2 := digits(s, 4, 2)
	return ok1 && ok2 && len(s) == 6 && (s[0] == '+' || s[0] == '-') && s[3] == ':' &&
		m < 60 && (h < 14 || h == 14 && m == 0)
}

// digits reads n decimal digits at i.
func digits(s string, i, n int) (int, bool) {
	if len(s) < i+n {
		return 0, false
	}
	v := 0
	for _, c := range []byte(s[i : i+n]) {
		if c < '0' || c > '9' {
			return 0, false
		}
		v = v*10 + int(c-'0')
	}
	return v, true
}
