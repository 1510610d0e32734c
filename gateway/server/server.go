package server

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gorilla/mux"
	"github.com/prometheus/client_golang/prometheus"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/gateway/audit"
	"trellis.example/gateway/rest"
	"trellis.example/gateway/terminology"
)

// Config is how the server behaves. The zero Config is usable.
type Config struct {
	// CORSOrigins are the origins (scheme://host[:port]) of browser
	// applications that may read answers. Empty: none.
	CORSOrigins []string
	Limits      Limits
	// TrustedProxies are the networks of load balancers whose X-Forwarded-For
	// is believed; the caller's address is then the last one in it that is
	// not theirs. Empty: the address of the connection.
	TrustedProxies []netip.Prefix
	// DrainDelay is how long the server still accepts connections after it
	// has said on /health/ready that it is going; default 0.
	DrainDelay time.Duration
	// ShutdownTimeout bounds how long requests under way may take once the
	// server shuts down; default 20 s.
	ShutdownTimeout time.Duration
}

// Limits bound what callers may use. A zero field means its default, a negative
// rate no limit.
type Limits struct {
	// MaxBody is the largest body in bytes that any route reads; default 64 MB.
	// The FHIR interactions read at most fhir.MaxResource.
	MaxBody int64
	// MaxFile is the same for partners' documents below /intake/, where batch
	// files are received piece by piece; default 1 GB.
	MaxFile int64
	// MaxHeader is the largest request header in bytes; default 64 KB.
	MaxHeader int
	// ReadHeader, Read, Write and Idle are the timeouts of a connection;
	// default 5 s, 30 s, 60 s and 120 s.
	ReadHeader, Read, Write, Idle time.Duration
	// ClientRate is the requests a second of one client, in the long run, and
	// ClientBurst at once; default 20,000 and 20,000.
	ClientRate  float64
	ClientBurst int
	// AddressRate and AddressBurst are the same for requests without a valid
	// token, by network address; default 500 and 2,000.
	AddressRate  float64
	AddressBurst int
}

// An Authenticator tells who sent a request; its errors are *fhir.Error.
type Authenticator interface {
	Authenticate(*http.Request) (auth.Principal, error)
}

// Deps is what the server serves. Handlers that are nil are not routed.
type Deps struct {
	REST     *rest.API
	Auth     Authenticator
	Recorder *audit.Recorder
	Logger   *slog.Logger
	// Metrics takes the server's metrics and is what /metrics shows.
	Metrics *prometheus.Registry
	// Ready proves that the gateway could do its work: store.Ping.
	Ready func(context.Context) error
	Clock func() time.Time

	// Token, JWKS and SMART are auth's handlers.
	Token, JWKS, SMART http.Handler
	// Transaction serves POST /fhir, Message POST /fhir/$process-message.
	Transaction, Message *rest.Operation
	// Export serves bulk exports, Import POST /fhir/$import.
	Export Export
	Import *rest.Operation
	// Terminology serves the operations on code systems, value sets and concept
	// maps.
	Terminology *terminology.Operations
	// Intake serves POST /intake/{format}, Results GET
	// /intake/{format}/results/{digest}.
	Intake, Results http.Handler
	// Directory serves GET below /openreferral/v3, Schemas below /schemas/;
	// both without a token.
	Directory, Schemas http.Handler
}

// An Export is how a bulk export is started, followed, cancelled and fetched;
// the zero Export is none.
type Export struct {
	Start, Status, Cancel *rest.Operation
	File                  http.Handler
}

// A Server is the gateway's HTTP side.
type Server struct {
	cfg       Config
	deps      Deps
	router    *mux.Router
	metrics   *metrics
	clients   *limiter
	addresses *limiter
	ready     readiness
	draining  atomic.Bool
	origins   map[string]bool
}

// New returns a server with every route in place.
func New(c Config, d Deps) (*Server, error) {
	if d.REST == nil || d.Auth == nil || d.Recorder == nil || d.Logger == nil || d.Metrics == nil || d.Ready == nil || d.Clock == nil {
		return nil, errors.New("server: REST, Auth, Recorder, Logger, Metrics, Ready and Clock are required")
	}
	c.defaults()
	s := &Server{cfg: c, deps: d, origins: map[string]bool{}}
	for _, o := range c.CORSOrigins {
		s.origins[o] = true
	}
	s.clients = newLimiter(c.Limits.ClientRate, c.Limits.ClientBurst, d.Clock)
	s.addresses = newLimiter(c.Limits.AddressRate, c.Limits.AddressBurst, d.Clock)
	s.metrics = newMetrics(d.Metrics)
	return s, s.route()
}

func (c *Config) defaults() {
	l := &c.Limits
	orDefault(&l.MaxBody, 64<<20)
	orDefault(&l.MaxFile, 1<<30)
	orDefault(&l.MaxHeader, 64<<10)
	orDefault(&l.ReadHeader, 5*time.Second)
	orDefault(&l.Read, 30*time.Second)
	orDefault(&l.Write, time.Minute)
	orDefault(&l.Idle, 2*time.Minute)
	orDefault(&l.ClientRate, 20_000)
	orDefault(&l.ClientBurst, 20_000)
	orDefault(&l.AddressRate, 500)
	orDefault(&l.AddressBurst, 2000)
	orDefault(&c.ShutdownTimeout, 20*time.Second)
}

func orDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// Handler returns the public side: every route with everything around it.
func (s *Server) Handler() http.Handler { return http.HandlerFunc(s.serve) }

// route builds the router from the one page of routes. The CapabilityStatement
// is made of the same page, so it cannot say what is not there.
func (s *Server) route() error {
	s.router = mux.NewRouter().SkipClean(true)
	routes := s.routes()
	var routed []rest.Routed
	for _, r := range routes {
		routed = append(routed, r.routed()...)
	}
	metadata, err := s.deps.REST.Capabilities(routed, len(s.origins) > 0)
	if err != nil {
		return err
	}
	routes = append(routes, route{path: "/fhir/metadata", open: true, methods: methods{http.MethodGet: metadata}})
	routes = append(routes, route{path: "/openapi.json", open: true, methods: methods{http.MethodGet: s.openAPI(routes)}})
	for _, r := range routes {
		h := s.endpoint(r)
		if r.prefix {
			s.router.PathPrefix(r.path).Handler(h)
		} else {
			s.router.Path(r.path).Handler(h)
		}
	}
	s.router.NotFoundHandler = http.HandlerFunc(s.notFound)
	s.deps.REST.Serve(s.entries(routes))
	return nil
}

// entries finds the operations that the entries of a Bundle ask for: those of the
// routes below /fhir that need a token, which the Bundle had, but not that for
// Bundles.
func (s *Server) entries(routes []route) rest.Finder {
	router := mux.NewRouter().SkipClean(true)
	for _, r := range routes {
		if strings.HasPrefix(r.path, "/fhir/") && !r.open && !r.prefix {
			router.Path(r.path).Handler(r.methods)
		}
	}
	return func(req *http.Request) (*rest.Operation, *http.Request, error) {
		var m mux.RouteMatch
		if !router.Match(req, &m) {
			return nil, req, fhir.Errorf(fhir.NotFound, "there is nothing at this address")
		}
		method := req.Method
		if method == http.MethodHead {
			method = http.MethodGet
		}
		served, _ := m.Handler.(methods)
		op, ok := served[method].(*rest.Operation)
		if !ok {
			return nil, req, fhir.StatusErrorf(http.StatusMethodNotAllowed, fhir.NotSupported, "this address does not take this method")
		}
		return op, mux.SetURLVars(req, m.Vars), nil
	}
}

// ServeHTTP makes methods a handler, so that a router keeps them; it is never
// called.
func (m methods) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rest.WriteError(w, r, fhir.Errorf(fhir.NotFound, "there is nothing at this address"))
}

func (s *Server) notFound(w http.ResponseWriter, r *http.Request) {
	if !s.addresses.allow(audit.From(r.Context()).Address) {
		s.throttled(w, r, nil, s.addresses)
		return
	}
	rest.WriteError(w, r, fhir.Errorf(fhir.NotFound, "there is nothing at this address"))
}

// routed says what a route serves below the FHIR base.
func (r route) routed() (out []rest.Routed) {
	below, ok := strings.CutPrefix(r.template(), "/fhir")
	if !ok {
		return nil
	}
	for _, h := range r.methods {
		if op, ok := h.(*rest.Operation); ok {
			out = append(out, rest.Routed{Path: below, Interaction: op.Interaction})
		}
	}
	return out
}
