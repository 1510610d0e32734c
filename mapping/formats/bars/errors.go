package bars

import (
	"slices"
	"strconv"

	"trellis.example/fhir"
)

// ErrorSystem is the code system of BaRS errors.
const ErrorSystem = "https://fhir.nhs.uk/CodeSystem/http-error-codes"

// codes are the error codes by HTTP status: the receiver's, and the sender's
// where the receiver has none.
var codes = map[int]string{
	400: "REC_BAD_REQUEST", 401: "REC_UNAUTHORIZED", 403: "REC_FORBIDDEN", 404: "REC_NOT_FOUND",
	405: "SEND_METHOD_NOT_ALLOWED", 406: "REC_NOT_ACCEPTABLE", 408: "REC_TIMEOUT", 409: "REC_CONFLICT",
	422: "REC_UNPROCESSABLE_ENTITY", 425: "REC_TOO_EARLY", 429: "SEND_TOO_MANY_REQUESTS",
	500: "REC_SERVER_ERROR", 501: "REC_NOT_IMPLEMENTED", 503: "REC_SERVICE_UNAVAILABLE",
}

// nearest are the statuses that the standard has no code for, and whose code
// they are given.
var nearest = map[int]int{410: 404, 412: 409, 413: 400, 415: 400}

// issueCodes are the issue codes of statuses that the standard gives only one.
var issueCodes = map[int]fhir.Code{
	401: fhir.Forbidden, 406: fhir.Processing, 408: fhir.Timeout, 425: fhir.Duplicate, 503: fhir.Transient,
}

// Detail returns the BaRS coding for an HTTP status.
func Detail(status int) fhir.Coding {
	if s, ok := nearest[status]; ok {
		status = s
	}
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
	first := slices.IndexFunc(issues, fhir.Issue.IsError)
	if first < 0 {
		return nil
	}
	status := 400
	if issues[first].Details.Code == codes[422] {
		status = 422
	}
	return coded(fhir.Error{Issues: issues, Status: status})
}

// Decorate gives any error the BaRS coding of its status, and its faults the
// issue code where the standard has only one for the status.
func Decorate(err error) error {
	e := *fhir.AsError(err)
	e.Status = e.HTTPStatus()
	return coded(e)
}

// coded puts the faults first, where senders look for the code, and gives those
// that have no coding that of the error's status. What is no fault is left
// without.
func coded(e fhir.Error) error {
	e.Issues = slices.Clone(e.Issues)
	slices.SortStableFunc(e.Issues, func(a, b fhir.Issue) int {
		switch {
		case a.IsError() == b.IsError():
			return 0
		case a.IsError():
			return -1
		}
		return 1
	})
	for i := range e.Issues {
		is := &e.Issues[i]
		if !is.IsError() || is.Details.Code != "" {
			continue
		}
		is.Details = Detail(e.Status)
		if c, ok := issueCodes[e.Status]; ok {
			is.Code = c
		}
	}
	return &e
}

func single(is fhir.Issue) []fhir.Issue { return []fhir.Issue{is} }
