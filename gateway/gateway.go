package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
	"trellis.example/gateway/audit"
	"trellis.example/gateway/bulk"
	"trellis.example/gateway/delivery"
	"trellis.example/gateway/directory"
	"trellis.example/gateway/intake"
	"trellis.example/gateway/intake/mllp"
	"trellis.example/gateway/published"
	"trellis.example/gateway/rest"
	"trellis.example/gateway/schemas"
	"trellis.example/gateway/search"
	"trellis.example/gateway/server"
	"trellis.example/gateway/store"
	"trellis.example/gateway/store/mongostore"
	"trellis.example/gateway/store/sqlitestore"
	"trellis.example/gateway/terminology"
	"trellis.example/mapping"
	"trellis.example/mapping/formats"
	"trellis.example/profiles"
	"trellis.example/profiles/schema"
)

// A Gateway is a running house: its store is open and its ports listen.
type Gateway struct {
	// PublicURL is how partners reach it; Admin and MLLP are the addresses
	// really listened on ("" for none).
	PublicURL, Admin, MLLP string
	// Auth is the authorisation server, with the client registry.
	Auth *auth.Server

	cfg       Config
	formats   *formats.Set
	log       *slog.Logger
	store     store.Store
	server    *server.Server
	hl7       *mllp.Server
	recorder  *audit.Recorder
	puller    *directory.Puller
	directory *directory.Directory
	metrics   *prometheus.Registry
	remote    *terminology.Client // nil: no terminology server
	exports   *bulk.Exporter
	public    net.Listener
	admin     net.Listener
	hl7In     net.Listener
}

// OpenStore opens the store that the configuration names. serving takes the
// folder for this process alone; other commands share it with a gateway. log
// takes what the store has to say; nil discards it.
func OpenStore(ctx context.Context, c Config, serving bool, log *slog.Logger) (store.Store, error) {
	if c.Mongo != "" {
		return opened(mongostore.Open(ctx, c.Mongo.Reveal(), mongostore.Options{Log: log}))
	}
	if serving {
		return opened(sqlitestore.Open(c.Data))
	}
	return opened(sqlitestore.Open(c.Data, sqlitestore.Beside()))
}

// opened keeps a nil *Store of a failed Open from becoming a Store that is not
// nil.
func opened[S store.Store](s S, err error) (store.Store, error) {
	if err != nil {
		return nil, fmt.Errorf("open the store: %w", err)
	}
	return s, nil
}

// Open opens the store and the ports and puts everything together. It serves
// nothing yet: call [Gateway.Serve].
func Open(ctx context.Context, c Config, log *slog.Logger) (_ *Gateway, err error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	g := &Gateway{cfg: c, log: log, metrics: prometheus.NewRegistry()}
	if g.formats, err = openFormats(c.Formats); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, g.Close())
		}
	}()
	if g.store, err = OpenStore(ctx, c, true, log); err != nil {
		return nil, err
	}
	// A store that takes no commit (a restore into it was not finished) says so
	// before anything listens.
	if err := g.store.Ping(ctx); err != nil {
		return nil, fmt.Errorf("open the store: %w", err)
	}
	if err := g.listen(ctx); err != nil {
		return nil, err
	}
	return g, g.assemble(ctx)
}

// listen opens the ports first: with port 0 the public URL is known only then.
func (g *Gateway) listen(ctx context.Context) (err error) {
	if g.public, err = server.Listen(ctx, g.log, "http", g.cfg.Listen); err != nil {
		return err
	}
	if g.admin, err = server.Listen(ctx, g.log, "admin", g.cfg.Admin); err != nil {
		return err
	}
	g.Admin = g.admin.Addr().String()
	scheme := "http://"
	if g.cfg.TLSCert != "" {
		cert, err := tls.LoadX509KeyPair(g.cfg.TLSCert, g.cfg.TLSKey)
		if err != nil {
			return fmt.Errorf("tls-cert: %w", err)
		}
		scheme = "https://"
		g.public = tls.NewListener(g.public, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12})
	}
	g.PublicURL = g.cfg.PublicURL
	if g.PublicURL == "" {
		g.PublicURL = scheme + g.public.Addr().String()
	}
	return nil
}

func (g *Gateway) assemble(ctx context.Context) error {
	v, err := profiles.New()
	if err != nil {
		return fmt.Errorf("compile the profiles: %w", err)
	}
	c := g.cfg
	c.PublicURL = g.PublicURL
	registry := c.Registry()
	if err := g.checkIndex(ctx, registry); err != nil {
		return err
	}
	by := &criteria{definitions: g.store, registry: registry}
	if err := g.connectTerminology(v, by); err != nil {
		return err
	}
	catalogue := published.New(definitions.R4(), registry, v, g.PublicURL+"/fhir")
	recorder := audit.NewRecorder(g.writeAudit, time.Now)
	g.recorder = recorder
	if g.Auth, err = auth.NewServer(ctx, auth.Config{
		PublicURL: g.PublicURL, KeyDir: filepath.Join(g.cfg.Data, "keys"),
		Storage: AuthStorage(g.store), Sandbox: g.cfg.Sandbox, Observe: recorder.Observe,
	}); err != nil {
		return fmt.Errorf("start the authorisation server: %w", err)
	}
	in, err := g.newIntake(ctx, v, by, registry)
	if err != nil {
		return err
	}
	api, err := rest.New(ctx, rest.Deps{
		Store: catalogue.Over(g.store), Registry: registry, Recorder: recorder, PublicURL: g.PublicURL, Sandbox: g.cfg.Sandbox, Clock: time.Now, Version: g.cfg.Version,
		OnWrite: in.Written, OnTransaction: in.Transacted, Profiles: profilesByType(v.Profiles()), Messages: messagesTaken(),
		Validate: func(ctx context.Context, p auth.Principal, r fhir.Resource, asked ...string) []fhir.Issue {
			return v.Validate(r, by.options(ctx, p, asked...))
		},
		ProfileType: v.TypeOf,
	})
	if err != nil {
		return err
	}
	g.exports = &bulk.Exporter{Store: g.store, API: api, Recorder: recorder, PublicURL: g.PublicURL, Client: g.Auth.Clients.Principal, Clock: time.Now}
	return errors.Join(g.newServer(v, api, recorder, in, by), g.newMLLP(ctx, in))
}

// connectTerminology prepares questions to the terminology server, if there is
// one. Whether it answers is seen when it is asked.
func (g *Gateway) connectTerminology(v *profiles.Validator, by *criteria) error {
	if g.cfg.TerminologyURL == "" {
		return nil
	}
	c, err := TerminologyServer(g.cfg.TerminologyURL, g.cfg.TerminologyTokenFile, terminology.ClientConfig{Service: v.Terminology(), Metrics: g.metrics})
	if err != nil {
		return err
	}
	g.remote, by.remote = c, c
	return nil
}

// TerminologyServer returns a client of the terminology server at a base URL,
// with the bearer token that a file holds ("": none). It asks nothing yet.
func TerminologyServer(base, tokenFile string, c terminology.ClientConfig) (*terminology.Client, error) {
	if !isTerminologyURL(base) {
		return nil, errors.New(wantTerminologyURL)
	}
	c.URL = base
	if tokenFile != "" {
		b, err := os.ReadFile(tokenFile) //nolint:gosec // the operator names it
		if err != nil {
			return nil, fmt.Errorf("terminology-token-file: %w", err)
		}
		c.Token = auth.Secret(strings.TrimSpace(string(b)))
	}
	return terminology.NewClient(c), nil
}

func profilesByType(list []profiles.Profile) map[string][]string {
	out := map[string][]string{}
	for _, p := range list {
		canonical := fhir.Canonical{URL: p.URL, Version: p.Version} // several versions stand side by side
		out[p.Type] = append(out[p.Type], canonical.String())
	}
	return out
}

// checkIndex says loudly when older resources are not found by all parameters.
func (g *Gateway) checkIndex(ctx context.Context, r *search.Registry) error {
	indexed, err := Indexed(ctx, g.store, r)
	if err == nil && !indexed {
		g.log.LogAttrs(ctx, slog.LevelWarn, "resources stored earlier are not indexed for every search parameter; run trellis reindex, the gateway may go on serving")
	}
	return err
}

// prepareExports finds the files of bulk exports.
func (g *Gateway) prepareExports(ctx context.Context) error {
	w := &delivery.Worker{Store: g.store, Topic: bulk.Topic, Handler: g.exports.Prepare, Log: g.log, Clock: time.Now, Poll: 200 * time.Millisecond}
	return w.Run(ctx)
}

func (g *Gateway) newIntake(ctx context.Context, v *profiles.Validator, by *criteria, r *search.Registry) (*intake.Intake, error) {
	key, err := sharedKey(ctx, g.store, idKey)
	if err != nil {
		return nil, fmt.Errorf("read the key of record ids: %w", err)
	}
	d := intake.Deps{Store: g.store, Validator: v, Options: by.options, Index: r.Index, Formats: g.format, Clock: time.Now, IDKey: key, Log: g.log,
		Spool: g.cfg.Data, MaxFile: int64(g.cfg.MaxFile), Count: countRecords(g.metrics)}
	if g.cfg.Service != "" {
		d.Service = auth.OrgParty(g.cfg.Service)
	}
	return intake.New(d)
}

// countRecords counts what becomes of partners' records, by format.
func countRecords(metrics *prometheus.Registry) func(string, intake.Status, int) {
	records := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "trellis_intake_records_total", Help: "Records of partners' documents, by what became of them.",
	}, []string{"format", "status"})
	metrics.MustRegister(records)
	return func(format string, became intake.Status, n int) {
		records.WithLabelValues(format, string(became)).Add(float64(n))
	}
}

// openFormats returns the program's formats and those in the user's folder.
func openFormats(dir string) (*formats.Set, error) {
	if dir == "" {
		return formats.BuiltIn(), nil
	}
	s, err := formats.Open(os.DirFS(dir))
	if err != nil {
		return nil, fmt.Errorf("--formats %s: %w", dir, err)
	}
	return s, nil
}

// format looks a format up. A built-in map compiles at its first use; that it
// does is proved by test.
func (g *Gateway) format(id string) (mapping.Format, bool) {
	e, ok, err := g.formats.Lookup(id)
	return e.Format, ok && err == nil
}

func (g *Gateway) newServer(v *profiles.Validator, api *rest.API, recorder *audit.Recorder, in *intake.Intake, by *criteria) (err error) {
	h := handlers{in: in, api: api, url: g.PublicURL, dir: &directory.Taker{In: in, Formats: g.format}}
	g.directory = &directory.Directory{Store: g.store, Formats: g.format, PublicURL: g.PublicURL, Log: g.log}
	g.puller = &directory.Puller{Taker: h.dir, Store: g.store, Clock: time.Now, Log: g.log}
	proxies, err := g.cfg.proxies()
	if err != nil {
		return err
	}
	g.server, err = server.New(server.Config{
		CORSOrigins: g.cfg.CORS, ShutdownTimeout: g.cfg.Drain, TrustedProxies: proxies,
		Limits: server.Limits{MaxFile: int64(g.cfg.MaxFile), ClientRate: g.cfg.Rate, ClientBurst: g.cfg.Burst},
	}, server.Deps{
		REST: api, Auth: g.Auth, Recorder: recorder, Logger: g.log, Metrics: g.metrics,
		Ready: g.store.Ping, Clock: time.Now,
		Schemas: schemas.New(g.PublicURL, func() *schema.Set {
			return schema.New(definitions.R4(), v.Structures(), schema.Held(v.Terminology()))
		}),
		Terminology: terminology.New(terminology.Deps{API: api, Service: v.Terminology(), Remote: g.remote, Stored: by.stored}),
		Directory:   g.directory,
		Token:       g.Auth.TokenHandler(), JWKS: g.Auth.JWKSHandler(), SMART: g.Auth.SMARTHandler(),
		Transaction: api.System(), Message: h.message(), Intake: h.document(), Results: h.results(),
		Import: bulk.Import(api, api.Store, api.Registry), Export: server.Export{
			Start: g.exports.Start(), Status: g.exports.Status(), Cancel: g.exports.Cancel(), File: g.exports.File()},
	})
	return err
}

func (g *Gateway) writeAudit(ctx context.Context, entries []audit.Entry) error {
	_, err := g.store.Commit(ctx, store.Commit{Audit: entries})
	return err
}

// Serve answers until ctx ends, finishes what is in hand, and closes
// everything.
func (g *Gateway) Serve(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	parts := []func(context.Context) error{
		func(ctx context.Context) error { return g.server.Serve(ctx, g.public, g.admin) },
		g.serveMLLP, g.maintain, g.deliver, g.prepareExports, g.pullDirectories,
	}
	go debug.FreeOSMemory() // what starting took and serving does not need
	done := make(chan error, len(parts))
	for _, run := range parts {
		go func() { done <- run(ctx) }()
	}
	var err error
	for range parts {
		err = errors.Join(err, <-done)
		cancel() // one that ends ends all
	}
	return errors.Join(err, g.Close())
}

// pullDirectories keeps the directory up to its feeds; without one it waits for
// the end.
func (g *Gateway) pullDirectories(ctx context.Context) error {
	feeds, err := g.cfg.feeds()
	if err != nil {
		return err
	}
	g.directory.Warm(ctx)
	return g.puller.Keep(ctx, feeds, g.cfg.DirectoryInterval)
}

// maintain replaces old keys and sweeps what has expired.
func (g *Gateway) maintain(ctx context.Context) error {
	keys, sweep := time.NewTicker(time.Minute), time.NewTicker(5*time.Minute)
	defer keys.Stop()
	defer sweep.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case <-keys.C:
			err = g.Auth.Maintain(ctx)
		case <-sweep.C:
			err = g.store.Sweep(ctx, time.Now())
		}
		if err != nil && ctx.Err() == nil {
			g.log.LogAttrs(ctx, slog.LevelError, "maintenance will be tried again", slog.String("error", err.Error()))
		}
	}
}

// Close closes the ports and the store.
func (g *Gateway) Close() error {
	var errs []error
	for _, l := range []net.Listener{g.public, g.admin, g.hl7In} {
		if l != nil {
			if err := l.Close(); !errors.Is(err, net.ErrClosed) {
				errs = append(errs, err)
			}
		}
	}
	if g.store != nil {
		errs = append(errs, g.store.Close())
	}
	return errors.Join(errs...)
}
