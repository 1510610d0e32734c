package server

import (
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"trellis.example/fhir"
	"trellis.example/gateway/audit"
	"trellis.example/gateway/rest"
)

// serve does for every request what no route may forget.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	ww := &writer{ResponseWriter: w, request: r, start: time.Now()}
	ww.caller = audit.Caller{Address: s.address(r), RequestID: requestID(r)}
	s.metrics.inFlight.Inc()
	defer s.finish(ww, r)
	s.headers(ww.Header(), r, ww.caller.RequestID)
	if s.preflight(ww, r) {
		return
	}
	body := r.Body
	defer drain(ww, body)
	r = r.WithContext(audit.NewContext(r.Context(), &ww.caller))
	limit, from := s.cfg.Limits.MaxBody, body
	if strings.HasPrefix(r.URL.Path, "/intake/") {
		limit = s.cfg.Limits.MaxFile
		from = &longBody{ReadCloser: body, rc: http.NewResponseController(w), within: s.cfg.Limits.Read}
	}
	r.Body = http.MaxBytesReader(ww, from, limit)
	if p := r.URL.Path; strings.HasPrefix(p, "/fhir/") && strings.HasSuffix(p, "/") && !strings.HasSuffix(p, "//") {
		u := *r.URL
		u.Path, u.RawPath = strings.TrimSuffix(p, "/"), strings.TrimSuffix(u.RawPath, "/")
		r.URL = &u
	}
	s.router.ServeHTTP(ww, r)
}

// finish answers for a panic, and writes the one log event and the metrics.
func (s *Server) finish(w *writer, r *http.Request) {
	if p := recover(); p != nil {
		s.panicked(w, r, p)
	}
	w.close()
	s.metrics.inFlight.Dec()
	took := time.Since(w.start)
	method := knownMethod(r.Method)
	s.metrics.observe(method, w.routeName(), w.status, took)
	level := slog.LevelInfo
	attrs := make([]slog.Attr, 0, 10)
	attrs = append(attrs, slog.String("method", method), slog.String("route", w.routeName()), slog.Int("status", w.status),
		slog.Float64("ms", float64(took.Microseconds())/1000), slog.Int("bytes", w.bytes), slog.String("request_id", w.caller.RequestID))
	if w.client != "" {
		attrs = append(attrs, slog.String("client", w.client))
	}
	if w.err != nil {
		e := fhir.AsError(w.err)
		attrs = append(attrs, slog.String("reason", string(e.Issues[0].Code)))
		if cause := e.Unwrap(); cause != nil && w.status >= 500 {
			level = slog.LevelError
			attrs = append(attrs, slog.String("error", cause.Error()))
		}
	}
	s.deps.Logger.LogAttrs(r.Context(), level, "request", attrs...)
}

// panicked turns a panic into 500. What was panicked with may hold a document's
// value, so only its type and the stack are logged.
func (s *Server) panicked(w *writer, r *http.Request, p any) {
	s.metrics.panics.Inc()
	s.deps.Logger.LogAttrs(r.Context(), slog.LevelError, "panic", slog.String("type", fmt.Sprintf("%T", p)),
		slog.String("request_id", w.caller.RequestID), slog.String("stack", string(debug.Stack())))
	if w.status == 0 {
		rest.WriteError(w, r, fhir.Errorf(fhir.Exception, "internal error"))
	}
}

// maxDrain is how much of a refused body is read and thrown away, in bytes. A
// caller that is still sending when the connection closes would never see why.
const maxDrain = 64 << 20

// drainTime bounds how long a caller may hold the connection with it.
const drainTime = 5 * time.Second

func drain(w *writer, body io.ReadCloser) {
	r := w.request
	large := w.status == http.StatusRequestEntityTooLarge || r.ContentLength > 256<<10 // net/http drains less itself
	if w.status >= 400 && large && r.Header.Get("Expect") == "" {
		rc := http.NewResponseController(w.ResponseWriter)
		_ = rc.Flush() // the answer first: who reads while sending need not wait
		_ = rc.SetReadDeadline(time.Now().Add(drainTime))
		io.CopyN(io.Discard, body, maxDrain) //nolint:errcheck // best effort
	}
}

// headers sets what every answer has.
func (s *Server) headers(h http.Header, r *http.Request, requestID string) {
	h["X-Request-Id"] = []string{requestID}
	if c := r.Header["X-Correlation-Id"]; len(c) > 0 && sane(c[0]) {
		h["X-Correlation-Id"] = c[:1]
	}
	h["X-Content-Type-Options"] = nosniff
	h["Content-Security-Policy"] = policy
	h["Referrer-Policy"] = noReferrer
	if len(s.origins) == 0 {
		return
	}
	h["Vary"] = append(h["Vary"], "Origin")
	if o := r.Header.Get("Origin"); s.origins[o] {
		h.Set("Access-Control-Allow-Origin", o)
		h.Set("Access-Control-Expose-Headers", "ETag, Location, Last-Modified, Retry-After, WWW-Authenticate, X-Request-ID, X-Correlation-ID")
	}
}

var (
	nosniff    = []string{"nosniff"}
	policy     = []string{"default-src 'none'; frame-ancestors 'none'"}
	noReferrer = []string{"no-referrer"}
)

// preflight answers a CORS preflight; without an allowed origin it has no CORS
// headers, and the browser refuses.
func (s *Server) preflight(w *writer, r *http.Request) bool {
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	w.route = "preflight"
	if s.origins[r.Header.Get("Origin")] {
		h := w.Header()
		h.Set("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, DELETE")
		h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Accept, Prefer, If-Match, If-None-Match, If-None-Exist, Idempotency-Key, X-Request-ID, X-Correlation-ID")
		h.Set("Access-Control-Max-Age", "600")
	}
	w.WriteHeader(http.StatusNoContent)
	return true
}

// address is the caller's network address, for limits and the audit.
func (s *Server) address(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	if len(s.cfg.TrustedProxies) == 0 || !s.trusted(host) {
		return host
	}
	hops := strings.Split(strings.Join(r.Header["X-Forwarded-For"], ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop := strings.TrimSpace(hops[i])
		if _, err := netip.ParseAddr(hop); err != nil {
			return host
		}
		if host = hop; !s.trusted(hop) {
			return hop
		}
	}
	return host
}

func (s *Server) trusted(host string) bool {
	a, err := netip.ParseAddr(host)
	return err == nil && slices.ContainsFunc(s.cfg.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(a.Unmap()) })
}

func requestID(r *http.Request) string {
	if v := r.Header["X-Request-Id"]; len(v) == 1 && sane(v[0]) {
		return v[0]
	}
	return rand.Text()
}

// sane reports whether an id of the caller's may be echoed and logged.
func sane(s string) bool {
	for i := range len(s) {
		c := s[i]
		alnum := c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !alnum && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

func knownMethod(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return m
	}
	return "other"
}
