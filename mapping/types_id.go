package mapping

import (
	"net/url"
	"regexp"
	"strings"

	"trellis.example/fhir"
)

var (
	wantNHSNumber = problem{fhir.BadValue, "expected an NHS number: 10 digits with a valid Modulus 11 check digit"}
	wantPostcode  = problem{fhir.BadValue, "expected a UK postcode such as TS1 1AA"}
	wantPhone     = problem{fhir.BadValue, "expected a telephone number of 3 to 15 digits"}
	wantEmail     = problem{fhir.BadValue, "expected an e-mail address such as name@host.example"}
	wantDigits    = problem{fhir.BadValue, "expected digits only"}
	wantODS       = problem{fhir.BadValue, "expected an ODS code: 3 to 12 letters and digits"}
	wantSNOMED    = problem{fhir.BadValue, "expected a SNOMED CT identifier: 6 to 18 digits with a valid check digit"}
	wantURI       = problem{fhir.BadValue, "expected an absolute URI"}
)

var postcodePattern = regexp.MustCompile(`^([A-Z]{1,2}[0-9][A-Z0-9]?) ?([0-9][A-Z]{2})$`)

// checkNHSNumber accepts the forms of formats.md 0.3: spaces and hyphens are
// removed, the check digit must hold.
func checkNHSNumber(s string) (string, *problem) {
	if isDigits(s) && fhir.NHSNumber(s) {
		return s, nil
	}
	s = strings.Map(func(r rune) rune {
		if r == ' ' || r == '-' {
			return -1
		}
		return r
	}, s)
	if !fhir.NHSNumber(s) {
		return "", &wantNHSNumber
	}
	return s, nil
}

// checkPostcode returns the postcode in upper case with one space.
func checkPostcode(s string) (string, *problem) {
	s = strings.ToUpper(strings.Join(strings.Fields(s), " "))
	m := postcodePattern.FindStringSubmatchIndex(s)
	if m == nil {
		return "", &wantPostcode
	}
	if s[m[3]] == ' ' {
		return s, nil
	}
	return s[:m[3]] + " " + s[m[4]:], nil
}

// checkPhone keeps the number as given: normalising is for matching.
func checkPhone(s string) (string, *problem) {
	digits := 0
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			digits++
		case c < ' ':
			return "", &wantPhone
		}
	}
	if digits < 3 || digits > 15 {
		return "", &wantPhone
	}
	return s, nil
}

func checkEmail(s string) (string, *problem) {
	local, host, ok := strings.Cut(s, "@")
	if !ok || local == "" || host == "" || len(s) > 254 || strings.ContainsAny(s, " \t\r\n,;<>\"") || strings.Contains(host, "@") {
		return "", &wantEmail
	}
	return s, nil
}

func checkDigits(s string) (string, *problem) {
	if !isDigits(s) {
		return "", &wantDigits
	}
	return s, nil
}

// checkODS returns the code of an organisation in upper case.
func checkODS(s string) (string, *problem) {
	s = strings.ToUpper(s)
	for i := range len(s) {
		if c := s[i]; (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return "", &wantODS
		}
	}
	if len(s) < 3 || len(s) > 12 {
		return "", &wantODS
	}
	return s, nil
}

func checkSNOMED(s string) (string, *problem) {
	if !fhir.SNOMED(s) {
		return "", &wantSNOMED
	}
	return s, nil
}

func checkURI(s string) (string, *problem) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme == "" || strings.ContainsAny(s, " \t\r\n") {
		return "", &wantURI
	}
	return s, nil
}
