package rest

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"

	"trellis.example/fhir"
)

// Body reads the request's body, at most limit bytes after decompression. Too
// much is 413, a content coding other than gzip 415, and a body that the
// sender did not finish in time 408. FHIR in XML is returned as JSON.
func Body(r *http.Request, limit int) ([]byte, error) {
	if x, ok := r.Body.(*xmlBody); ok {
		return x.read(limit)
	}
	return readBody(r, limit)
}

// An ErrWrite is trouble with the place that a body was to be copied to.
type ErrWrite struct{ error }

// Unwrap returns the cause.
func (e *ErrWrite) Unwrap() error { return e.error }

// CopyBody writes the body to w, piece by piece, with the errors of [Body]; those
// of w are *ErrWrite. It returns the number of bytes.
func CopyBody(w io.Writer, r *http.Request, limit int) (int64, error) {
	src, _, err := decoded(r, limit)
	if err != nil {
		return 0, err
	}
	buf := make([]byte, 256<<10)
	for n := int64(0); ; {
		k, err := src.Read(buf)
		if n += int64(k); n > int64(limit) {
			return n, tooLarge(limit)
		}
		if _, werr := w.Write(buf[:k]); werr != nil {
			return n, &ErrWrite{werr}
		}
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, bodyError(err, limit)
		}
	}
}

// decoded returns the body without its content coding, and its length when that
// is known.
func decoded(r *http.Request, limit int) (io.Reader, int64, error) {
	switch r.Header.Get("Content-Encoding") {
	case "", "identity":
		if r.ContentLength > int64(limit) {
			return nil, 0, tooLarge(limit)
		}
		return r.Body, r.ContentLength, nil
	case "gzip":
		zr, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, 0, bodyError(err, limit)
		}
		return zr, -1, nil
	}
	return nil, 0, fhir.StatusErrorf(http.StatusUnsupportedMediaType, fhir.NotSupported, "Content-Encoding may be gzip only")
}

func readBody(r *http.Request, limit int) ([]byte, error) {
	src, size, err := decoded(r, limit)
	if err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	if size > 0 {
		buf.Grow(int(size) + bytes.MinRead) // no growth and no copy while reading
	}
	n, err := buf.ReadFrom(io.LimitReader(src, int64(limit)+1))
	if err != nil {
		return nil, bodyError(err, limit)
	}
	if n > int64(limit) {
		return nil, tooLarge(limit)
	}
	return buf.Bytes(), nil
}

func tooLarge(limit int) error {
	return fhir.Errorf(fhir.TooLong, "the body is larger than %d bytes", limit)
}

func bodyError(err error, limit int) error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLarge(limit)
	}
	if errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) {
		return fhir.Wrap(err, fhir.Invalid, "the body is not a valid gzip stream")
	}
	if t, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err); ok && t.Timeout() {
		return fhir.StatusErrorf(http.StatusRequestTimeout, fhir.Timeout, "the body did not arrive in time")
	}
	return fhir.Wrap(err, fhir.Invalid, "the body could not be read to its end")
}

// received reads the body as a resource.
func (q *Request) received() (fhir.Resource, error) {
	if err := ContentType(q.Header); err != nil {
		return fhir.Resource{}, err
	}
	b, err := Body(q.Request, fhir.MaxResource)
	if err != nil {
		return fhir.Resource{}, err
	}
	return fhir.Decode(b)
}

// resource reads the body as a resource of the address's type.
func (q *Request) resource() (fhir.Resource, error) {
	res, err := q.received()
	if err != nil {
		return res, err
	}
	if res.Type() != q.Type {
		return res, &fhir.Error{Status: 400, Issues: []fhir.Issue{{Code: fhir.Invalid, Expression: "Resource", Text: "the resource is not of the type that the address names"}}}
	}
	return res, nil
}

// parameters reads the body as a Parameters resource.
func (q *Request) parameters() (fhir.Resource, error) {
	res, err := q.received()
	if err == nil && res.Type() != "Parameters" {
		err = fhir.Errorf(fhir.Invalid, "the body must be a Parameters resource")
	}
	return res, err
}
