package ersjson

import (
	"strconv"

	"trellis.example/fhir"
)

// ErrorSystem is the system of e-RS's error codes.
const ErrorSystem = "https://fhir.nhs.uk/CodeSystem/ers-error-codes"

// errorCodes are the documented codes, with what the reader of e-RS can do.
var errorCodes = map[string]string{
	"PENDING":                "a file is still being scanned: ask again after five minutes",
	"NO_RELATIONSHIP":        "the organisation has no relationship to this referral in e-RS",
	"PATIENT_ERROR":          "e-RS cannot use this person's record",
	"INVALID_VALUE":          "a value of the question is not allowed",
	"MISSING_VALUE":          "a value of the question is missing",
	"INVALID_REQUEST_STATE":  "the referral is in a state that does not allow this",
	"INAPPROPRIATE_VALUE":    "a value of the question does not fit",
	"REFERENCE_NOT_FOUND":    "e-RS does not know what was asked for",
	"INVALID_CODE":           "a code of the question is not known",
	"UNEXPECTED_FIELD":       "the question has a field too many",
	"VALUE_IS_REQUIRED":      "a value of the question is missing",
	"INVALID_FHIR_STRUCTURE": "the question is not FHIR as e-RS wants it",
	"DUPLICATE_FILENAME":     "two files have one name",
	"SNOMED_NOT_FOUND":       "a SNOMED CT code is not known to e-RS",
	"ORGANISATION_IS_CLOSED": "the organisation is closed",
	"CONFLICTING_VALUES":     "values of the question contradict each other",
	"TOO_MANY_ITEMS":         "the question has too many items",
}

// refused turns an OperationOutcome into faults of the answer: it is no
// referral. What e-RS says in its own words stays in the original.
func refused(v fhir.Value, at string) []fhir.Issue {
	var out []fhir.Issue
	i := 0
	for is := range v.Get("issue").Items() {
		f := fault(at+"/issue/"+strconv.Itoa(i), "OperationOutcome.issue", "answer", "")
		i++
		switch is.Get("severity").Text() {
		case "warning", "information":
			f.Severity = fhir.SeverityWarning
		}
		code := ""
		for c := range is.At("details", "coding").Items() {
			code = c.Get("code").Text()
		}
		if why := errorCodes[code]; why != "" {
			f.Code, f.Text = fhir.Processing, "e-RS answered "+code+", not with a referral: "+why
		} else {
			f.Code, f.Text = fhir.Processing, "e-RS answered with an error, not with a referral; its words are in the original"
		}
		out = append(out, f)
	}
	if len(out) == 0 {
		out = append(out, fault(at, "OperationOutcome.issue", "answer", "e-RS answered with an error, not with a referral"))
	}
	return out
}
