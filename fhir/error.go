package fhir

import (
	"errors"
	"fmt"
	"strings"
)

// A Severity is a code of http://hl7.org/fhir/issue-severity.
type Severity string

// The issue severities of FHIR R4.
const (
	SeverityFatal       Severity = "fatal"
	SeverityError       Severity = "error"
	SeverityWarning     Severity = "warning"
	SeverityInformation Severity = "information"
)

// A Code is a code of http://hl7.org/fhir/issue-type.
type Code string

// The issue types that Trellis uses.
const (
	Invalid      Code = "invalid"
	Structure    Code = "structure"
	Required     Code = "required"
	BadValue     Code = "value"
	Invariant    Code = "invariant"
	Security     Code = "security"
	Login        Code = "login"
	Expired      Code = "expired"
	Forbidden    Code = "forbidden"
	Processing   Code = "processing"
	NotSupported Code = "not-supported"
	Duplicate    Code = "duplicate"
	NotFound     Code = "not-found"
	Deleted      Code = "deleted"
	TooLong      Code = "too-long"
	CodeInvalid  Code = "code-invalid"
	Extension    Code = "extension"
	TooCostly    Code = "too-costly"
	BusinessRule Code = "business-rule"
	Conflict     Code = "conflict"
	MultipleHits Code = "multiple-matches"
	Transient    Code = "transient"
	NoStore      Code = "no-store"
	Exception    Code = "exception"
	Timeout      Code = "timeout"
	Throttled    Code = "throttled"
	Information  Code = "informational"
)

// An Issue is one fault or remark. Every field is public: it may be shown to
// the caller, so none may hold a value taken from a document.
type Issue struct {
	// Severity is error unless set.
	Severity Severity
	Code     Code
	// Details is an optional coding, such as a BaRS http-error-code.
	Details Coding
	// Text says what is wrong and what was expected (OperationOutcome
	// issue.diagnostics).
	Text string
	// Expression is the FHIRPath of the faulty element, such as
	// "ServiceRequest.subject" or "Bundle.entry[3].resource.status".
	Expression string
	// Source is the place in the sender's own document, such as "PID-7.1",
	// "/patient/dob" or "row 4, Event End Date".
	Source string
	// Rule is the id of the rule that was broken, such as "ele-1" or a map's
	// rule id.
	Rule string
	// Expected says what would have been accepted, in a few words: "a date
	// YYYY-MM-DD", "a code of the value set …".
	Expected string
	// Found is the class of what stands there instead, such as "a string" or
	// "2 values"; never a value of the document.
	Found string
	// Profile is the line that makes the rule: the canonical of a
	// StructureDefinition with version, "#" and an element id.
	Profile string
	// Hint says what to do about it, in one sentence.
	Hint string
}

// Coding is a code with its system.
type Coding struct{ System, Code, Display string }

// An Error is the only error type that reaches a response body. Its issues are
// public; the wrapped cause is private and is written to the log alone.
type Error struct {
	Issues []Issue
	// Status is the HTTP status to answer with; 0 means the status that
	// [Error.HTTPStatus] derives from the issues.
	Status int
	cause  error
}

// Errorf returns an error with a single issue. It returns error rather than
// *Error so that a nil result compares equal to nil. The arguments must not be
// values of a document.
func Errorf(code Code, format string, args ...any) error {
	return &Error{Issues: []Issue{{Code: code, Text: fmt.Sprintf(format, args...)}}}
}

// StatusErrorf is [Errorf] with an HTTP status that the code alone does not
// give, such as 415 or 428.
func StatusErrorf(status int, code Code, format string, args ...any) error {
	return &Error{Status: status, Issues: []Issue{{Code: code, Text: fmt.Sprintf(format, args...)}}}
}

// Wrap returns an error that tells the caller only code and text, and the log
// also cause.
func Wrap(cause error, code Code, text string) error {
	return &Error{Issues: []Issue{{Code: code, Text: text}}, cause: cause}
}

// Faults returns an error with the issues, or nil when none of them is of
// severity error or fatal.
func Faults(issues []Issue) error {
	for _, is := range issues {
		if is.IsError() {
			return &Error{Issues: issues}
		}
	}
	return nil
}

// IsError reports whether the issue refuses the document.
func (is Issue) IsError() bool {
	return is.Severity == "" || is.Severity == SeverityError || is.Severity == SeverityFatal
}

// Error lists the issues; it does not show the cause.
func (e *Error) Error() string {
	var b strings.Builder
	for i, is := range e.Issues {
		if i > 0 {
			b.WriteString("; ")
		}
		if is.Expression != "" {
			b.WriteString(is.Expression)
			b.WriteString(": ")
		}
		b.WriteString(is.Text)
	}
	return b.String()
}

// Unwrap returns the private cause, for logs and errors.Is.
func (e *Error) Unwrap() error { return e.cause }

// AsError returns err as an *Error. Any other error is treated as internal, so
// forgetting to classify an error leaks nothing.
func AsError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Issues: []Issue{{Code: Exception, Text: "internal error"}}, cause: err}
}

var statusOf = map[Code]int{
	Invalid: 400, Structure: 400, Required: 422, BadValue: 422, Invariant: 422,
	Security: 403, Login: 401, Expired: 401, Forbidden: 403, Processing: 422,
	NotSupported: 400, Duplicate: 409, NotFound: 404, Deleted: 410, TooLong: 413,
	CodeInvalid: 422, Extension: 422, TooCostly: 403, BusinessRule: 422,
	Conflict: 409, MultipleHits: 412, Transient: 503, NoStore: 503,
	Exception: 500, Timeout: 503, Throttled: 429,
}

// HTTPStatus returns the status to answer with: Status when set, else that of
// the first issue that is an error.
func (e *Error) HTTPStatus() int {
	if e.Status != 0 {
		return e.Status
	}
	for _, is := range e.Issues {
		if s := statusOf[is.Code]; s != 0 && is.IsError() {
			return s
		}
	}
	return 500
}
