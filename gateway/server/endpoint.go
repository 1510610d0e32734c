package server

import (
	"net/http"
	"slices"
	"strings"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/gateway/audit"
	"trellis.example/gateway/rest"
)

// endpoint serves one route: which method, whose token, how often.
func (s *Server) endpoint(r route) http.Handler {
	template, allow := r.template(), r.allow()
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		note(w).route = template
		method := req.Method
		if method == http.MethodHead {
			method = http.MethodGet
		}
		h := r.methods[method]
		if h == nil {
			w.Header().Set("Allow", allow)
			s.otherMethod(w, req, r, allow)
			return
		}
		if r.open {
			s.open(h, w, req)
			return
		}
		s.closed(h, w, req)
	})
}

func (r route) allow() string {
	var names []string
	for m := range r.methods {
		names = append(names, m)
		if m == http.MethodGet {
			names = append(names, http.MethodHead)
		}
	}
	names = append(names, http.MethodOptions)
	slices.Sort(names)
	return strings.Join(names, ", ")
}

func (s *Server) otherMethod(w http.ResponseWriter, r *http.Request, rt route, allow string) {
	if !s.addresses.allow(audit.From(r.Context()).Address) {
		s.throttled(w, r, nil, s.addresses)
		return
	}
	if r.Method == http.MethodOptions {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	var only http.Handler
	for _, h := range rt.methods {
		only = h
	}
	refuse(w, r, only, fhir.StatusErrorf(http.StatusMethodNotAllowed, fhir.NotSupported, "this address allows %s", allow))
}

func (s *Server) open(h http.Handler, w http.ResponseWriter, r *http.Request) {
	if !s.addresses.allow(audit.From(r.Context()).Address) && !strings.HasPrefix(r.URL.Path, "/health/") {
		s.throttled(w, r, h, s.addresses)
		return
	}
	h.ServeHTTP(w, r)
}

// closed lets a request with a valid token through. An address pays for tokens
// that are not valid only, so that partners behind one address do not share one
// allowance.
func (s *Server) closed(h http.Handler, w http.ResponseWriter, r *http.Request) {
	address := audit.From(r.Context()).Address
	if !s.addresses.left(address) {
		s.throttled(w, r, h, s.addresses)
		return
	}
	p, err := s.deps.Auth.Authenticate(r)
	if err != nil {
		s.addresses.allow(address)
		refuse(w, r, h, err)
		return
	}
	note(w).client = p.ClientID
	if !p.Sandbox() && !s.clients.allow(p.ClientID) {
		s.throttled(w, r, h, s.clients)
		return
	}
	h.ServeHTTP(w, r.WithContext(auth.NewContext(r.Context(), p)))
}

// refuse answers a request that its handler never saw, in the handler's way.
func refuse(w http.ResponseWriter, r *http.Request, h http.Handler, err error) {
	if op, ok := h.(*rest.Operation); ok {
		op.Refuse(w, r, err)
		return
	}
	rest.WriteError(w, r, err)
}

func (s *Server) throttled(w http.ResponseWriter, r *http.Request, h http.Handler, l *limiter) {
	s.deps.Recorder.Count(audit.From(r.Context()), "throttled")
	w.Header().Set("Retry-After", l.retryAfter())
	refuse(w, r, h, fhir.Errorf(fhir.Throttled, "too many requests; wait as long as Retry-After says"))
}
