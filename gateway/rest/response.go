package rest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"time"

	"trellis.example/fhir"
	"trellis.example/fhir/xml"
	"trellis.example/gateway/store"
)

// A Response is what an operation answers.
type Response struct {
	// Status is the HTTP status; 0 means 200.
	Status int
	// Body is FHIR JSON unless ContentType says otherwise; nil sends none.
	Body        []byte
	ContentType string
	// Content, when not nil, is sent in place of Body, Size bytes of it, and
	// closed. It is for answers that are too large for memory; ContentType is
	// required.
	Content io.ReadCloser
	Size    int64
	// Version, when not 0, gives the ETag.
	Version int
	// Updated, when not zero, gives Last-Modified.
	Updated time.Time
	// Location is absolute, or "".
	Location string
	// Header has further headers; may be nil.
	Header http.Header
}

// versioned returns the answer that shows a version.
func versioned(status int, v store.Version) Response {
	return Response{Status: status, Body: v.Body, Version: v.Number, Updated: v.Updated}
}

func (resp Response) write(w http.ResponseWriter, q *Request) {
	body, contentType, err := resp.rendered(q)
	if err != nil {
		q.format = formatJSON
		writeError(w, q, err)
		return
	}
	h := w.Header()
	for k, v := range resp.Header {
		h[k] = v
	}
	if resp.Version > 0 {
		h["Etag"] = []string{`W/"` + strconv.Itoa(resp.Version) + `"`}
	}
	if !resp.Updated.IsZero() {
		h["Last-Modified"] = []string{resp.Updated.UTC().Format(http.TimeFormat)}
	}
	if resp.Location != "" {
		h["Location"] = []string{resp.Location}
	}
	if h["Cache-Control"] == nil {
		h["Cache-Control"] = noStore
	}
	if resp.ContentType == "" {
		h["Vary"] = append(h["Vary"], "Accept")
	}
	status := resp.Status
	if status == 0 {
		status = http.StatusOK
	}
	if resp.Content != nil {
		resp.stream(w, q, status)
		return
	}
	if body == nil {
		w.WriteHeader(status)
		return
	}
	h["Content-Type"] = contentType
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(status)
	if q == nil || q.Method != http.MethodHead {
		w.Write(body) //nolint:errcheck,gosec // the caller is gone; the media type is ours, never HTML
	}
}

// patience is how long a caller may take over each piece of a large answer.
const (
	patience  = 30 * time.Second
	pieceSize = 1 << 20
)

// stream sends the content piece by piece, however long the whole takes.
func (resp *Response) stream(w http.ResponseWriter, q *Request, status int) {
	defer resp.Content.Close()
	h, rc := w.Header(), http.NewResponseController(w)
	h["Content-Type"] = []string{resp.ContentType}
	h["Content-Length"] = []string{strconv.FormatInt(resp.Size, 10)}
	_ = rc.SetWriteDeadline(time.Now().Add(patience))
	w.WriteHeader(status)
	for q.Method != http.MethodHead {
		_ = rc.SetWriteDeadline(time.Now().Add(patience))
		if n, err := io.CopyN(w, resp.Content, pieceSize); err != nil || n < pieceSize {
			return // the end, or the caller is gone
		}
	}
}

// rendered returns the body in the format that was asked for. What XML cannot
// carry is an error for a request that only reads; the answer to what has been
// done is JSON then.
func (resp *Response) rendered(q *Request) (body []byte, contentType []string, err error) {
	if q != nil && q.native {
		if err := resp.native(q); err != nil {
			return nil, nil, err
		}
	}
	switch {
	case resp.Body == nil:
		return nil, nil, nil
	case resp.ContentType != "":
		return resp.Body, []string{resp.ContentType}, nil
	case q == nil:
		return resp.Body, fhirJSON, nil
	}
	if q.format == formatXML {
		encode := xml.Encode
		if q.pretty() {
			encode = xml.EncodeIndent
		}
		if body, err = encode(resp.Body); err == nil {
			return body, fhirXML, nil
		}
		if q.Method == http.MethodGet || q.Method == http.MethodHead {
			return nil, nil, errNoXML(err)
		}
	}
	if q.pretty() {
		return indent(resp.Body), fhirJSON, nil
	}
	return resp.Body, fhirJSON, nil
}

var (
	fhirJSON = []string{MediaType}
	fhirXML  = []string{MediaTypeXML}
	// noStore: personal data is not for caches. Answers carry ETags all the
	// same, for If-Match and If-None-Match.
	noStore = []string{"no-store"}
)

func indent(b []byte) []byte {
	var out bytes.Buffer
	if json.Indent(&out, b, "", "  ") != nil {
		return b
	}
	return out.Bytes()
}

// location is the address of a version.
func (a *API) location(k store.Key, version int) string {
	return a.base + "/" + k.Type + "/" + k.ID + "/_history/" + strconv.Itoa(version)
}

// preferred answers a write as Prefer: return= asks (R4 http, section 3.1.0.3).
// A preference that is not known is passed over (RFC 7240, section 2).
func (q *Request) preferred(resp Response, issues []fhir.Issue) Response {
	if resp.Status == http.StatusNoContent {
		return resp
	}
	switch q.prefer("return") {
	case "minimal":
		resp.Body = nil
	case "OperationOutcome":
		resp.Body = fhir.Outcome(q.places(issues))
	}
	return resp
}
