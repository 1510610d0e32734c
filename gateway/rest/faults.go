package rest

import (
	"errors"
	"net/http"
	"strings"

	"trellis.example/fhir"
	"trellis.example/gateway/store"
)

// faults gathers what is wrong with the entries of a transaction, so that all of
// it is named at once.
type faults struct {
	issues []fhir.Issue
	status int
	seen   map[[3]string]bool
}

// add notes an error of an entry; what is the server's own fault is returned.
func (f *faults) add(i int, err error) error {
	if err == nil {
		return nil
	}
	err = StoreError(err)
	e, ok := errors.AsType[*fhir.Error](err)
	if !ok || e.HTTPStatus() >= http.StatusInternalServerError {
		return err
	}
	f.note(i, e.HTTPStatus(), e.Issues)
	return nil
}

// note adds issues about the resource of an entry. With faults of several kinds
// the whole is unprocessable.
func (f *faults) note(i, status int, issues []fhir.Issue) {
	for _, is := range issues {
		is.Expression = within(i, is.Expression)
		f.whole(status, is)
	}
}

// whole adds an issue whose place is that of the Bundle, once.
func (f *faults) whole(status int, is fhir.Issue) {
	k := [3]string{string(is.Code), is.Expression, is.Text}
	if f.seen[k] {
		return
	}
	if f.seen == nil {
		f.seen = map[[3]string]bool{}
	}
	f.seen[k] = true
	f.issues = append(f.issues, is)
	switch {
	case !is.IsError():
	case f.status == 0:
		f.status = status
	case f.status != status:
		f.status = http.StatusUnprocessableEntity
	}
}

// err is the refusal of the transaction; nil when there was no fault.
func (f *faults) err() error {
	if f.status == 0 {
		return nil
	}
	return &fhir.Error{Status: f.status, Issues: f.issues}
}

// within turns the place in an entry's resource into the place in the Bundle.
func within(i int, expression string) string {
	switch {
	case expression == "":
		return place(i)
	case strings.HasPrefix(expression, "Bundle.entry["):
		return expression
	}
	end := strings.IndexAny(expression, ".[")
	if end < 0 {
		end = len(expression)
	}
	return place(i) + ".resource" + expression[end:]
}

func isNotFound(err error) bool { return errors.Is(err, store.ErrNotFound) }
