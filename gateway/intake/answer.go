package intake

import (
	"errors"
	"io"
	"net/http"

	"trellis.example/fhir"
	"trellis.example/gateway/store"
)

// An Answer is what a handler says; the server writes it.
type Answer struct {
	Status int
	Type   string // media type
	Header http.Header
	Body   []byte
}

// Media types of the answers.
const (
	FHIRJSON = "application/fhir+json; charset=utf-8"
	JSON     = "application/json; charset=utf-8"
	CSV      = "text/csv; charset=utf-8"
	HL7      = "application/hl7-v2; charset=utf-8"
)

// StoreError turns an error of the store into the answer the caller gets.
// Hidden and absent look the same.
func StoreError(err error) error {
	if _, ok := errors.AsType[*fhir.Error](err); ok {
		return err
	}
	if _, ok := errors.AsType[*store.Conflict](err); ok {
		return fhir.Wrap(err, fhir.Conflict, "the resource was changed by someone else meanwhile")
	}
	switch {
	case errors.Is(err, store.ErrNotFound):
		return fhir.Wrap(err, fhir.NotFound, "there is no such resource")
	case errors.Is(err, store.ErrForbidden):
		return fhir.Wrap(err, fhir.Forbidden, "this resource is not yours to change")
	case errors.Is(err, store.ErrTooLarge):
		return fhir.Wrap(err, fhir.TooLong, "the resource is too large to store")
	case errors.Is(err, store.ErrUnavailable):
		return fhir.Wrap(err, fhir.Transient, "the store cannot be reached; try again later")
	}
	return err
}

// readBody reads at most limit bytes.
func readBody(r *http.Request, limit int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
	if _, over := errors.AsType[*http.MaxBytesError](err); over || int64(len(b)) > limit {
		return nil, fhir.Errorf(fhir.TooLong, "the body is larger than %d bytes", limit)
	}
	if err != nil {
		return nil, fhir.Wrap(err, fhir.Invalid, "the body could not be read to its end")
	}
	return b, nil
}
