package intake

import (
	"io"
	"net/http"
)

// An Answer is what a handler says; the server writes it.
type Answer struct {
	Status int
	Type   string // media type
	Header http.Header
	Body   []byte
	// Content, when not nil, stands in place of Body: Size bytes, to be closed
	// once they are sent.
	Content io.ReadCloser
	Size    int64
}

// Media types of the answers.
const (
	FHIRJSON = "application/fhir+json; charset=utf-8"
	JSON     = "application/json; charset=utf-8"
	CSV      = "text/csv; charset=utf-8"
	HL7      = "application/hl7-v2; charset=utf-8"
)
