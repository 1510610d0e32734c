package sqlitestore

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"trellis.example/gateway/store"
)

// fileName is the database's name in its directory; SQLite keeps its log and
// its shared index beside it.
const fileName = "trellis.db"

// errClosed is what a closed store answers.
var errClosed = fmt.Errorf("%w: it is closed", store.ErrUnavailable)

// A Store is a store.Store in one directory.
type Store struct {
	now    func() time.Time
	path   string
	unlock func()
	beside bool

	mu     sync.RWMutex // held for reading while a job is enqueued
	closed bool
	once   sync.Once

	jobs     chan *job
	written  chan struct{} // closed when the writer has ended
	writer   *conn         // the writer's alone, as are the buffers
	bulk     bool          // how it is tuned
	exactBuf []posRow
	auditBuf []byte
	claimed  map[slot]span

	readers pool
	cache   *cache // nil when versions may be written past it
	commits commits

	looked    atomic.Int64 // rows and versions that searches have looked at
	unindexed atomic.Bool  // there may be audit entries that are not indexed
	loading   atomic.Bool  // a load has begun and not ended
	stop      chan struct{}
	stopped   chan struct{}
}

var _ store.Store = (*Store)(nil)

// An Option changes how Open opens.
type Option func(*options)

type options struct {
	now    func() time.Time
	beside bool
	cache  int // bytes
}

// WithClock makes the store tell the time by now instead of time.Now.
func WithClock(now func() time.Time) Option { return func(o *options) { o.now = now } }

// Beside opens the store for short work beside the process that serves it,
// such as adding a client: it does not claim the directory. SQLite's own locks
// keep the transactions of both apart. It commits no versions of resources,
// which the serving process may have in memory: a commit with writes is an
// error.
func Beside() Option { return func(o *options) { o.beside = true } }

// Open opens the store in dir, which it creates if need be, and brings its
// schema up to date. Unless Beside is given it holds the directory until Close;
// a directory that another process holds is an error.
func Open(dir string, opts ...Option) (*Store, error) {
	o := options{now: time.Now, cache: cacheBytes}
	for _, opt := range opts {
		opt(&o)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil { //nolint:gosec // the folder that the operator names
		return nil, fmt.Errorf("data directory: %w", err)
	}
	unlock := func() {}
	if !o.beside {
		var err error
		if unlock, err = lockDir(dir); err != nil {
			return nil, err
		}
	}
	s, err := start(filepath.Join(dir, fileName), o, unlock)
	if err != nil {
		unlock()
		return nil, fmt.Errorf("data directory %s: %w", dir, err)
	}
	return s, nil
}

func start(path string, o options, unlock func()) (*Store, error) {
	w, err := dial(path, writerPragmas...)
	if err != nil {
		return nil, err
	}
	if err := prepare(w, o.beside); err != nil {
		_ = w.close()
		return nil, err
	}
	s := &Store{
		now: o.now, path: path, unlock: unlock, writer: w, beside: o.beside, claimed: map[slot]span{},
		jobs: make(chan *job, groupJobs), written: make(chan struct{}),
		stop: make(chan struct{}), stopped: make(chan struct{}),
	}
	if exclusive && !o.beside {
		s.cache = newCache(o.cache)
	}
	s.readers.init(max(4, 2*runtime.GOMAXPROCS(0)), func() (*conn, error) { return dial(path, readerPragmas...) })
	s.unindexed.Store(true) // the last run may have left some behind
	err = s.readLoading()
	if err == nil {
		err = s.commits.read(w)
	}
	if err != nil {
		s.readers.close()
		_ = w.close()
		return nil, err
	}
	go s.write()
	go s.indexBehind()
	return s, nil
}

// writerPragmas set up the writer's connection and, for a new database, the
// file. With synchronous=FULL a commit is on disk when it returns.
var writerPragmas = append([]string{
	"busy_timeout = 10000", "page_size = 8192", "journal_mode = WAL", "synchronous = FULL",
	"temp_store = MEMORY", "journal_size_limit = 67108864",
}, usualPragmas...)

var readerPragmas = []string{"busy_timeout = 10000", "query_only = ON", "temp_store = MEMORY", "cache_size = -4000"}

// prepare brings the schema up to date. Beside another process an older one is
// refused: that may be an older program, which knows no other. A new database is
// anybody's to make.
func prepare(w *conn, beside bool) error {
	if beside {
		version, _, err := w.number("PRAGMA user_version")
		if err != nil {
			return err
		}
		if version > 0 && version < int64(len(migrations)) {
			return fmt.Errorf("the database has schema version %d and this program writes %d: stop the gateway that serves it, then run trellis migrate or start the new one", version, len(migrations))
		}
	}
	return migrate(w, migrations)
}

// migrate brings the schema to the newest version. It refuses a database that
// is not a store, or that a newer program has changed.
func migrate(c *conn, steps []migration) error {
	if err := c.exec(sqlBegin); err != nil {
		return err
	}
	err := applySteps(c, steps)
	if err != nil {
		_ = c.exec(sqlRollback)
		return err
	}
	return c.exec(sqlCommit)
}

func applySteps(c *conn, steps []migration) error {
	id, _, err := c.number("PRAGMA application_id")
	if err != nil {
		return err
	}
	version, _, err := c.number("PRAGMA user_version")
	if err != nil {
		return err
	}
	switch {
	case version > 0 && id != appID:
		return fmt.Errorf("%s is not a Trellis database", fileName)
	case version > int64(len(steps)):
		return fmt.Errorf("the database has schema version %d and this program knows %d: use the newer program that wrote it", version, len(steps))
	case version == int64(len(steps)):
		return nil
	}
	for _, step := range steps[version:] {
		if err := c.exec(step.sql); err != nil {
			return err
		}
		if step.run == nil {
			continue
		}
		if err := step.run(c); err != nil {
			return err
		}
	}
	return c.exec(fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d;", appID, len(steps)))
}

// Ping implements store.Store: it commits an empty transaction to disk.
func (s *Store) Ping(ctx context.Context) error {
	_, err := s.Commit(ctx, store.Commit{})
	return err
}

// Close ends the store's goroutines after the jobs that wait, and gives the
// directory back.
func (s *Store) Close() (err error) {
	s.once.Do(func() {
		close(s.stop)
		<-s.stopped
		s.mu.Lock()
		s.closed = true
		close(s.jobs)
		s.mu.Unlock()
		<-s.written
		s.cache.close()
		s.readers.close()
		err = s.writer.close()
		s.unlock()
	})
	return err
}
