package server

import (
	"compress/gzip"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"trellis.example/gateway/audit"
)

// minGzip is the smallest answer in bytes that is worth compressing: below it a
// referral costs more time to compress than it saves on the wire.
const minGzip = 8 << 10

// A writer is what handlers write to. It keeps what the log event says, and
// compresses large answers for those who accept it.
type writer struct {
	http.ResponseWriter
	request *http.Request
	start   time.Time
	caller  audit.Caller

	route, client string
	status, bytes int
	err           error
	zip           *gzip.Writer
}

// note returns the writer behind w; handlers of this package are always given
// one.
func note(w http.ResponseWriter) *writer {
	if ww, ok := w.(*writer); ok {
		return ww
	}
	return &writer{ResponseWriter: w}
}

// Note keeps the reason of a failure for the log (rest.Noter).
func (w *writer) Note(err error) { w.err = err }

// Unwrap is for http.ResponseController.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *writer) routeName() string {
	if w.route == "" {
		return "none"
	}
	return w.route
}

// WriteHeader sends the header once.
func (w *writer) WriteHeader(status int) {
	if w.status != 0 {
		return
	}
	if status >= 200 {
		w.status = status
		w.compress()
	}
	w.ResponseWriter.WriteHeader(status)
}

var zippers = sync.Pool{New: func() any {
	z, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // the level is legal
	return z
}}

func (w *writer) compress() {
	h := w.Header()
	size, err := strconv.Atoi(h.Get("Content-Length"))
	if err == nil && size < minGzip || w.status == http.StatusNoContent || w.status == http.StatusNotModified ||
		h.Get("Content-Encoding") != "" || !textual(h.Get("Content-Type")) {
		return
	}
	h.Add("Vary", "Accept-Encoding")
	if w.request.Method == http.MethodHead || !acceptsGzip(w.request.Header) {
		return
	}
	h.Del("Content-Length")
	h.Set("Content-Encoding", "gzip")
	w.zip = zippers.Get().(*gzip.Writer) // the pool holds nothing else
	w.zip.Reset(w.ResponseWriter)
}

func textual(ct string) bool {
	return strings.HasPrefix(ct, "text/") || strings.Contains(ct, "json") || strings.Contains(ct, "xml")
}

func acceptsGzip(h http.Header) bool {
	for part := range strings.SplitSeq(h.Get("Accept-Encoding"), ",") {
		name, params, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.TrimSpace(name) == "gzip" && !strings.HasSuffix(strings.ReplaceAll(params, " ", ""), "q=0") {
			return true
		}
	}
	return false
}

// Write sends part of the body.
func (w *writer) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	w.bytes += len(b)
	if w.zip != nil {
		return w.zip.Write(b)
	}
	return w.ResponseWriter.Write(b)
}

// close ends the answer.
func (w *writer) close() {
	if w.zip != nil {
		w.zip.Close() //nolint:errcheck // the caller is gone
		zippers.Put(w.zip)
		w.zip = nil
	}
	if w.status == 0 {
		w.status = http.StatusOK
	}
}
