package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"trellis.example/profiles"
)

// Config says what to measure.
type Config struct {
	// Exe is the program to start as the gateway. Required.
	Exe string
	// Mongo is the URI of a MongoDB to measure with; empty means the embedded
	// store. A database of its own is made there, and left.
	Mongo string
	// Duration is how long each kind of request is sent; from 100 ms to two
	// minutes.
	Duration time.Duration
	// Clients is how many send at once; from 1 to 256.
	Clients int
	// Only are the ids of the measures to run; empty means all of them.
	Only []string
	// Large adds the measures that need a store of 1,000,000 resources, which
	// takes minutes to fill.
	Large bool
	// Profile is where profiles of the gateway's processor time are kept; the
	// measure's id goes before the extension. Empty means none.
	Profile string
	// Progress is told what is being measured: how many measures are done, of
	// how many, and which is next. May be nil.
	Progress func(done, of int, what string)
}

func (c Config) validate() error {
	var errs []error
	if c.Duration < 100*time.Millisecond || c.Duration > 2*time.Minute {
		errs = append(errs, errors.New("duration: want 100ms to 2m"))
	}
	if c.Clients < 1 || c.Clients > 256 {
		errs = append(errs, errors.New("clients: want 1 to 256"))
	}
	for _, id := range c.Only {
		if !slices.Contains(IDs(), id) {
			errs = append(errs, fmt.Errorf("there is no measure %q; there are %s", id, strings.Join(IDs(), ", ")))
		}
	}
	return errors.Join(errs...)
}

// A session is one run: a gateway, its clients, and what was stored in it.
type session struct {
	cfg      Config
	dir      string
	gateway  *child
	practice client
	police   client
	council  client
	loader   client // sees and loads everything
	tokens   map[string]grant
	next     atomic.Int64
	persons  []string // NHS numbers
	patients []string // ids
	mu       sync.Mutex
	stored   []storedRequest
	profiles *profiles.Validator
	notes    []string
	size     int // of the store that is served now; 0 is the one that requests fill
	imports  map[int]imported
	cpus     map[string]float64 // of the measures so far, in milliseconds
}

// A storedRequest is a ServiceRequest that was created, and the number in it.
type storedRequest struct {
	id string
	n  int64
}

type grant struct {
	token string
	at    time.Time
}

// Run measures. The error means that it could not; a target that is missed is
// no error.
func Run(ctx context.Context, c Config) (_ Report, err error) {
	if err := c.validate(); err != nil {
		return Report{}, err
	}
	s := &session{cfg: c, tokens: map[string]grant{}, imports: map[int]imported{}, cpus: map[string]float64{}, persons: nhsNumbers(20_000)}
	if s.dir, err = os.MkdirTemp("", "trellis-bench-"); err != nil {
		return Report{}, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(s.dir)) }()
	defer s.stop()
	s.circumstances()
	var rep Report
	chosen := chosen(c.Only, c.Large)
	for i, m := range chosen {
		if c.Progress != nil {
			c.Progress(i, len(chosen), m.what)
		}
		row, err := s.measure(ctx, m)
		if err != nil {
			return rep, fmt.Errorf("%s: %w", m.id, err)
		}
		rep.Rows = append(rep.Rows, row)
	}
	if c.Progress != nil {
		c.Progress(len(chosen), len(chosen), "")
	}
	rep.Notes = s.notes
	return rep, nil
}

func (s *session) measure(ctx context.Context, m measure) (Row, error) {
	row := Row{ID: m.id, What: m.what, Unit: m.unit, Targets: m.targets}
	if m.load {
		if err := s.prepare(ctx, m.size); err != nil {
			return row, err
		}
	}
	err := m.run(ctx, s, &row)
	switch {
	case err != nil && m.alone && ctx.Err() == nil:
		row.Missing = err.Error() // says nothing about the others
	case err != nil:
		return row, err
	}
	if s.gateway != nil {
		if err := s.gateway.alive(); err != nil {
			return row, err
		}
	}
	s.cpus[m.id] = row.CPU
	row.judge()
	return row, context.Cause(ctx)
}

func (s *session) circumstances() {
	store := "the embedded store"
	if s.cfg.Mongo != "" {
		store = "MongoDB"
		name := filepath.Base(s.dir)
		s.cfg.Mongo = withDatabase(s.cfg.Mongo, name)
		s.notes = append(s.notes, "The databases "+name+"* were made for this and are still there.")
	} else if onMemory(s.dir) {
		s.notes = append(s.notes, "The folder for temporary files lies in memory: a durable write cost nothing. Set TMPDIR to a folder on a disk.")
	}
	if load, known := busy(); known && load > float64(runtime.NumCPU())/2 {
		s.notes = append(s.notes, fmt.Sprintf("Other programs kept the processors busy (load %.1f): speeds and times suffer from that, CPU/op less.", load))
	}
	s.notes = append(s.notes, fmt.Sprintf("%d processors (%s/%s), %s, generator on the same machine. CPU/op is the gateway's; the generator's own stands beside it.",
		runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, store),
		"A practice sends and reads what it may see; every request is authorised and audited. All persons are invented.")
}

// withDatabase names another database in a MongoDB URI. Who logs in is looked
// up where it was before.
func withDatabase(uri, name string) string {
	scheme, rest, ok := strings.Cut(uri, "://")
	if !ok {
		return uri // the gateway refuses it
	}
	rest, query, _ := strings.Cut(rest, "?")
	hosts, old, _ := strings.Cut(rest, "/")
	if strings.Contains(hosts, "@") && old != "" && !strings.Contains(query, "authSource=") {
		query = strings.TrimPrefix(query+"&authSource="+old, "&")
	}
	if query != "" {
		query = "?" + query
	}
	return scheme + "://" + hosts + "/" + name + query
}

// data is the folder of the gateway that takes the load.
func (s *session) data() string {
	if s.size == 0 {
		return filepath.Join(s.dir, "data")
	}
	return filepath.Join(s.dir, "data-"+sizeName(s.size))
}

func (s *session) stop() {
	if s.gateway != nil {
		s.gateway.stop()
		s.gateway = nil
	}
}

// prepare starts the gateway that takes the load, and stores what requests
// refer to.
func (s *session) prepare(ctx context.Context, size int) error {
	s.at(size)
	if err := s.fill(ctx, size); err != nil {
		return err
	}
	if err := s.clients(ctx); err != nil {
		return err
	}
	if s.gateway == nil {
		var further []string
		if size > 0 {
			further = []string{"--public-url", heldURL}
		}
		g, err := start(ctx, s.cfg.Exe, s.data(), s.mongo(), further...)
		if err != nil {
			return err
		}
		s.gateway = g
	}
	if len(s.patients) > 0 || size > 0 {
		return nil
	}
	if err := s.seed(ctx, "patient.json", "Patient", patientCount); err != nil {
		return err
	}
	return s.seed(ctx, "consent.json", "Consent", patientCount)
}

// clients registers who sends.
func (s *session) clients(ctx context.Context) (err error) {
	if s.practice.ID != "" {
		return nil
	}
	if s.police, err = register(ctx, s.cfg.Exe, s.data(), s.mongo(), policeClient, "police", policeODS); err != nil {
		return err
	}
	if s.council, err = register(ctx, s.cfg.Exe, s.data(), s.mongo(), councilClient, "social-care", councilODS); err != nil {
		return err
	}
	if s.loader, err = register(ctx, s.cfg.Exe, s.data(), s.mongo(), loaderClient, "importer", loaderODS); err != nil {
		return err
	}
	s.practice, err = register(ctx, s.cfg.Exe, s.data(), s.mongo(), practiceClient, "gp-practice", practiceODS)
	return err
}

// token returns a client's token with time enough left for one measure.
func (s *session) token(ctx context.Context, c client) (string, error) {
	g := s.tokens[c.ID]
	if g.token != "" && time.Since(g.at) < time.Minute {
		return g.token, nil
	}
	t, err := c.token(ctx, s.gateway.http)
	if err == nil {
		s.tokens[c.ID] = grant{t, time.Now()}
	}
	return t, err
}
