package intake

import (
	"errors"
	"io"
	"net/http"

	"trellis.example/fhir"
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
