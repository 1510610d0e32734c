package bars

import (
	"slices"
	"strconv"

	"trellis.example/fhir"
)

// ErrorSystem is the code system of BaRS errors.
const ErrorSystem = "https://fhir.nhs.uk/CodeSystem/http-error-codes"

// codes are the receiver's error codes by HTTP status.
var codes = map[int]string{
	400: "REC_BAD_REQUEST", 401: "REC_UNAUTHORIZED", 403: "REC_FORBIDDEN", 404: "REC_NOT_FOUND",
	405: "REC_METHOD_NOT_ALLOWED", 406: "REC_NOT_ACCEPTABLE", 408: "REC_TIMEOUT", 409: "REC_CONFLICT",
	413: "REC_BAD_REQUEST", 415: "REC_BAD_REQUEST", 422: "REC_UNPROCESSABLE_ENTITY", 425: "REC_TOO_EARLY",
	429: "REC_TOO_MANY_REQUESTS", 500: "REC_SERVER_ERROR", 501: "REC_NOT_IMPLEMENTED", 503: "REC_SERVICE_UNAVAILABLE",
}

// Detail returns the BaRS coding for an HTTP status.
func Detail(status int) fhir.Coding {
	c := codes[status]
	if c == "" {
		c, status = codes[500], 500
	}
	return fhir.Coding{System: ErrorSystem, Code: c, Display: strconv.Itoa(status) + " - " + c}
}

// BadRequest is a fault of the message, answered with 400.
func BadRequest(code fhir.Code, expression, text string) fhir.Issue {
	return fhir.Issue{Code: code, Expression: expression, Text: text, Details: Detail(400)}
}

// Unprocessable is something a good message asks that is not done here,
// answered with 422.
func Unprocessable(code fhir.Code, expression, text string) fhir.Issue {
	return fhir.Issue{Code: code, Expression: expression, Text: text, Details: Detail(422)}
}

// Refusal turns issues into the error that BaRS answers with: 422 when the
// first fault says so, else 400. Nil when no issue is a fault.
func Refusal(issues []fhir.Issue) error {
	if fhir.Faults(issues) == nil {
		return nil
	}
	status := 400
	for _, is := range issues {
		if is.IsError() {
			if is.Details.Code == codes[422] {
				status = 422
			}
			break
		}
	}
	for i := range issues {
		if issues[i].Details.Code == "" && issues[i].IsError() {
			issues[i].Details = Detail(status)
		}
	}
	return &fhir.Error{Issues: issues, Status: status}
}

// Decorate gives any error the BaRS coding of its status.
func Decorate(err error) error {
	e := *fhir.AsError(err)
	e.Issues = slices.Clone(e.Issues)
	for i := range e.Issues {
		if e.Issues[i].Details.Code == "" {
			e.Issues[i].Details = Detail(e.HTTPStatus())
		}
	}
	return &e
}

func one(is fhir.Issue) []fhir.Issue { return []fhir.Issue{is} }
