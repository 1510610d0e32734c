package rest

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/gateway/audit"
	"trellis.example/gateway/store"
)

// A Noter is a ResponseWriter that wants to know why a request failed, for the
// log.
type Noter interface{ Note(error) }

// refusalTimeout bounds the wait for the audit of a refusal.
const refusalTimeout = 5 * time.Second

// refused audits a refusal and returns what is to be answered. Refusals of
// callers without a token are counted by whoever refused the token.
func (a *API) refused(q *Request, err error) error {
	err = StoreError(err)
	if q.Principal.ClientID != "" {
		q.entry.Outcome = audit.OutcomeOf(fhir.AsError(err).HTTPStatus())
		// A caller who hung up, or sent too slowly, was refused all the same.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(q.Context()), refusalTimeout)
		defer cancel()
		if aerr := a.Recorder.Write(ctx, q.entry); aerr != nil {
			err = auditDown(errors.Join(aerr, err))
		}
	}
	return err
}

// auditDown is the answer when the audit cannot be written: nothing that the
// store knows is disclosed, not even that something is absent.
func auditDown(cause error) error {
	return fhir.Wrap(cause, fhir.Transient, "the audit could not be written, so nothing is answered; try again")
}

// WriteError answers an error as an OperationOutcome, for requests that never
// reached an operation.
func WriteError(w http.ResponseWriter, r *http.Request, err error) {
	q := &Request{Request: r}
	q.negotiateError()
	writeError(w, q, StoreError(err))
}

// negotiateError finds the format of an error's answer.
func (q *Request) negotiateError() {
	if strings.HasPrefix(q.URL.Path, "/fhir") {
		q.Params = q.URL.Query()
		q.negotiate() //nolint:errcheck // JSON when nothing else is understood
	}
}

func writeError(w http.ResponseWriter, q *Request, err error) {
	if n, ok := w.(Noter); ok {
		n.Note(err)
	}
	e := fhir.AsError(err)
	resp := Response{Status: e.HTTPStatus()}
	if q.refusal != nil {
		resp.Body, resp.ContentType = q.refusal(q.Request, e)
	}
	if resp.Body == nil {
		resp.Body, resp.ContentType = fhir.Outcome(q.places(e.Issues)), ""
	}
	if c := auth.Challenge(err); c != "" {
		resp.Header = http.Header{"Www-Authenticate": {c}}
	}
	switch {
	case resp.Status == http.StatusServiceUnavailable:
		resp.Header = http.Header{"Retry-After": {"1"}}
	case resp.Status == http.StatusTooManyRequests && w.Header().Get("Retry-After") == "":
		resp.Header = http.Header{"Retry-After": {"60"}}
	}
	resp.write(w, q)
}

// StoreError says what a store's error means to the caller; hidden and absent
// look the same. Other errors are returned as they are.
func StoreError(err error) error {
	if _, ok := errors.AsType[*fhir.Error](err); ok {
		return err
	}
	if _, ok := errors.AsType[*store.Conflict](err); ok {
		return fhir.Wrap(err, fhir.Conflict, "another request changed the resource at the same time; read it again and repeat")
	}
	switch {
	case errors.Is(err, store.ErrNotFound):
		return notFound()
	case errors.Is(err, store.ErrForbidden):
		return fhir.Wrap(err, fhir.Forbidden, "this client may see the resource, but only its owner may change it")
	case errors.Is(err, store.ErrExpired):
		return &fhir.Error{Status: http.StatusGone, Issues: []fhir.Issue{{Code: fhir.Expired, Text: "this page is older than what can still be shown; begin the search again"}}}
	case errors.Is(err, store.ErrTooLarge):
		return fhir.Wrap(err, fhir.TooLong, "the request is larger than the store keeps")
	case errors.Is(err, store.ErrTooCostly):
		return fhir.Wrap(err, fhir.TooCostly, "the search would examine too many resources; add a parameter such as identifier, patient or a date")
	case errors.Is(err, store.ErrUnavailable):
		return fhir.Wrap(err, fhir.Transient, "the store is not available; try again")
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return fhir.Wrap(err, fhir.Timeout, "the request took too long; try again")
	}
	return err
}

// notFound is the one answer for what is absent and for what is hidden.
func notFound() error { return fhir.Errorf(fhir.NotFound, "there is no such resource") }

func gone() error {
	return fhir.Errorf(fhir.Deleted, "the resource was deleted")
}
