package intake

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"

	"trellis.example/fhir"
)

const (
	formType      = "application/x-www-form-urlencoded"
	multipartType = "multipart/form-data"
	// decoy is the field of a form that people do not see and leave empty;
	// programs that fill in every field give themselves away by it.
	decoy = "website"
	// maxParts bounds the fields of a multipart form.
	maxParts = 1000
)

// form prepares a received document for its format. The boundary of a multipart
// form stands in its media type and nowhere else, so that such a form is read as
// the urlencoded one with the same fields; the bytes as received are kept.
func form(r *http.Request, body []byte) (receivedDocument, error) {
	name, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type")) // it was checked
	d := receivedDocument{body: body, read: body, mediaType: name}
	var err error
	if name == multipartType {
		if d.read, err = urlencoded(body, params["boundary"]); err != nil {
			return d, err
		}
	}
	if name == multipartType || name == formType {
		if q, err := url.ParseQuery(string(d.read)); err == nil && q.Get(decoy) != "" {
			return d, &fhir.Error{Status: http.StatusUnprocessableEntity, Issues: []fhir.Issue{{Code: fhir.BusinessRule, Rule: "decoy", Source: decoy,
				Text: "this field is no part of the form: people do not see it, and it stays empty"}}}
		}
	}
	return d, nil
}

// urlencoded returns the fields of a multipart form in their order (RFC 7578).
func urlencoded(body []byte, boundary string) ([]byte, error) {
	if boundary == "" {
		return nil, fhir.Errorf(fhir.Invalid, "the Content-Type of a multipart form says its boundary")
	}
	parts := multipart.NewReader(bytes.NewReader(body), boundary)
	var out strings.Builder
	for n := 0; ; n++ {
		p, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return []byte(out.String()), nil
		}
		if err != nil || n == maxParts {
			return nil, fhir.Wrap(err, fhir.Invalid, "the multipart form is not well formed, or has too many fields")
		}
		if p.FileName() != "" {
			return nil, fhir.Errorf(fhir.NotSupported, "a form brings no files here; send its fields")
		}
		text, err := io.ReadAll(p)
		if err != nil {
			return nil, fhir.Wrap(err, fhir.Invalid, "the multipart form is cut off")
		}
		if out.Len() > 0 {
			out.WriteByte('&')
		}
		out.WriteString(url.QueryEscape(p.FormName()) + "=" + url.QueryEscape(string(text)))
	}
}
