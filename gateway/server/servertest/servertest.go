// Package servertest runs a whole gateway server on a loopback listener, for
// tests that speak HTTP to it as a partner would. Tokens are client names.
package servertest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
	"trellis.example/gateway/audit"
	"trellis.example/gateway/rest"
	"trellis.example/gateway/search"
	"trellis.example/gateway/server"
	"trellis.example/gateway/store"
	"trellis.example/gateway/store/sqlitestore"
)

// Options change a gateway from its default. Every field may be zero.
type Options struct {
	Config server.Config
	// Deps, when set, may change what the server is made of.
	Deps    func(*server.Deps)
	OnWrite func(context.Context, rest.Change) (store.Commit, error)
	// Validate replaces the check that accepts every document.
	Validate func(context.Context, auth.Principal, fhir.Resource, ...string) []fhir.Issue
	// ProfileType is what Validate can judge by besides.
	ProfileType func(canonical string) string
	Sandbox     bool
}

// A Gateway is a running server.
type Gateway struct {
	// URL is the base, such as "http://127.0.0.1:1234".
	URL      string
	Store    *Store
	Server   *server.Server
	REST     *rest.API
	Recorder *audit.Recorder
	Clock    *Clock
	Logs     *Logs
	Admin    http.Handler

	client *http.Client
	stop   func() error
}

// Start runs a gateway over the store until the test ends.
func Start(t testing.TB, s store.Store, o Options) *Gateway {
	t.Helper()
	g := &Gateway{Store: &Store{Store: s}, Clock: &Clock{}, Logs: &Logs{}}
	log := slog.New(slog.NewJSONHandler(g.Logs, nil))
	ctx := context.Background()
	ln, err := server.Listen(ctx, log, "http", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g.URL = "http://" + ln.Addr().String()
	g.assemble(t, o, log)
	g.serve(t, ln)
	return g
}

// Assemble builds a gateway without a listener, for benchmarks of the handler.
func Assemble(t testing.TB, s store.Store, o Options) *Gateway {
	t.Helper()
	g := &Gateway{URL: "http://gateway.example", Store: &Store{Store: s}, Clock: &Clock{}, Logs: &Logs{}}
	g.assemble(t, o, slog.New(slog.DiscardHandler))
	return g
}

func (g *Gateway) assemble(t testing.TB, o Options, log *slog.Logger) {
	t.Helper()
	g.Recorder = audit.NewRecorder(func(ctx context.Context, entries []audit.Entry) error {
		_, err := g.Store.Commit(ctx, store.Commit{Audit: entries})
		return err
	}, g.Clock.Now)
	if o.Validate == nil {
		o.Validate = func(context.Context, auth.Principal, fhir.Resource, ...string) []fhir.Issue { return nil }
	}
	var err error
	g.REST, err = rest.New(context.Background(), rest.Deps{
		Store: g.Store, Registry: search.NewRegistry(definitions.R4(), g.URL+"/fhir"), Recorder: g.Recorder,
		Validate: o.Validate, ProfileType: o.ProfileType, OnWrite: o.OnWrite, PublicURL: g.URL, Sandbox: o.Sandbox, Clock: g.Clock.Now, Version: "test",
	})
	if err != nil {
		t.Fatal(err)
	}
	d := server.Deps{
		REST: g.REST, Transaction: g.REST.System(), Auth: authenticator{g.Recorder}, Recorder: g.Recorder, Logger: log,
		Metrics: prometheus.NewRegistry(), Ready: g.Store.Ping, Clock: g.Clock.Now,
	}
	if o.Deps != nil {
		o.Deps(&d)
	}
	if g.Server, err = server.New(o.Config, d); err != nil {
		t.Fatal(err)
	}
	g.Admin = g.Server.Admin()
}

func (g *Gateway) serve(t testing.TB, ln net.Listener) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- g.Server.Serve(ctx, ln, nil) }()
	transport := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 16}
	g.client = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	g.stop = sync.OnceValue(func() error {
		cancel()
		transport.CloseIdleConnections()
		return <-done
	})
	t.Cleanup(func() {
		if err := g.stop(); err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
}

// Stop shuts the server down, drains it and returns what Serve said.
func (g *Gateway) Stop() error { return g.stop() }

// A Response is an answer, read to its end.
type Response struct {
	Status int
	Header http.Header
	Body   string
}

// Do sends one request as the client (none when empty) and reads the answer.
// Headers are name, value, name, value.
func (g *Gateway) Do(t testing.TB, client, method, path, body string, headers ...string) Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, g.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body == "" {
		req.Body = http.NoBody
	} else {
		req.Header.Set("Content-Type", rest.MediaType)
	}
	if client != "" {
		req.Header.Set("Authorization", "Bearer "+client)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
		if headers[i+1] == "" {
			req.Header.Del(headers[i])
		}
	}
	return g.Send(t, req)
}

// Send sends a request as it stands.
func (g *Gateway) Send(t testing.TB, req *http.Request) Response {
	t.Helper()
	resp, err := g.client.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", req.Method, req.URL.Path, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("read the answer: %v", err)
	}
	return Response{resp.StatusCode, resp.Header, string(b)}
}

// A Clock is the gateway's clock: the machine's, moved by Advance.
type Clock struct {
	mu    sync.Mutex
	ahead time.Duration
}

// Now returns the gateway's time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

// Advance moves the clock forward.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
}

// Logs keeps what the gateway logged.
type Logs struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *Logs) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *Logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// A Store can be told to fail.
type Store struct {
	store.Store
	mu        sync.Mutex
	auditDown bool
}

// SetAuditDown makes every commit with an audit entry fail.
func (s *Store) SetAuditDown(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.auditDown = down
}

// Commit fails when the audit is down.
func (s *Store) Commit(ctx context.Context, c store.Commit) (store.Result, error) {
	s.mu.Lock()
	down := s.auditDown
	s.mu.Unlock()
	if down && len(c.Audit) > 0 {
		return store.Result{}, errors.Join(store.ErrUnavailable, errors.New("the audit is down"))
	}
	return s.Store.Commit(ctx, c)
}

// authenticator knows clients by name: "gp", "gp2" (another practice), "police",
// "auditor", "importer", "sandbox", "manager", "tool", "readonly" and
// "creator" (a practice whose token may only read, or only create).
type authenticator struct{ recorder *audit.Recorder }

var clients = map[string][3]string{ // role, organisation, scope
	"gp":       {"gp-practice", "A81001", "system/*.cruds"},
	"gp2":      {"gp-practice", "A81002", "system/*.cruds"},
	"creator":  {"gp-practice", "A81001", "system/*.c"},
	"readonly": {"gp-practice", "A81001", "system/ServiceRequest.rs"},
	"police":   {"police", "POL1", "system/*.cruds"},
	"manager":  {"service-manager", "SP1", "system/*.cruds"},
	"tool":     {"outcome-tool", "A81001", "system/*.cruds"},
	"auditor":  {"auditor", "", "system/*.cruds"},
	"importer": {"importer", "", "system/*.cruds"},
	"sandbox":  {"sandbox", "", "system/*.cruds"},
	"admin":    {"administrator", "", "system/*.cruds"},
}

func (a authenticator) Authenticate(r *http.Request) (auth.Principal, error) {
	p, ok := principals()[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]
	if !ok {
		a.recorder.Count(audit.From(r.Context()), auth.AccessRefused)
		return auth.Principal{}, fhir.Errorf(fhir.Login, "an access token is needed")
	}
	return p, nil
}

// principals are made once: the real server keeps them with its verified tokens.
var principals = sync.OnceValue(func() map[string]auth.Principal {
	out := map[string]auth.Principal{}
	for name, c := range clients {
		scopes, _ := auth.ParseScopes(c[2]) // constants, known to be good
		out[name] = auth.NewPrincipal(name, auth.Role(c[0]), c[1], scopes)
	}
	return out
})

// OpenStore opens an embedded store that lives as long as the test.
func OpenStore(t testing.TB) store.Store {
	t.Helper()
	s, err := sqlitestore.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close the store: %v", err)
		}
	})
	return s
}
