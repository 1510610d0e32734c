package sqlitestore

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"trellis.example/gateway/store"
)

// The limits of one group.
const (
	groupJobs   = 512
	groupWrites = 4096
	groupBytes  = 16 << 20
)

// groupWait is how long a group waits for those who are expected to join it.
const groupWait = time.Millisecond

// A job is something to be done in a write transaction.
type job struct {
	// ids are those of the keys it may write, in order.
	ids []string
	// numbered: it takes part in the group's number. What the store does for
	// itself leaves no trace in it.
	numbered bool
	// bulk: it brings many versions, and more like it are to be expected.
	bulk bool
	size int // bytes, roughly
	// run first decides, without changing anything, whether the job can be
	// done, and then does it. It may be called again after a group failed.
	run  func(g *group) error
	done chan error // has room for the answer
	// left is set when nobody waits for the answer any more.
	left atomic.Bool
}

// A group is one transaction over the jobs that were waiting.
type group struct {
	*conn
	seq     int64 // 0: none of the jobs is numbered
	ordinal []int // of the running job's writes
	audit   []byte
	slots   map[slot]span
	claimed map[slot]span   // what slots of audit entries claim on disk
	claims  map[slot]span   // and will, once the group is there; see flushSlots
	written []store.Version // as they will be read; without a number: unknown
	changed bool
	moved   bool // the horizon, or the number of the last commit by a load

	// Rows that wait for the end of the group; see flushRows.
	heads    []headRow
	fresh    map[store.Key]struct{} // the keys of heads
	past     []pastRow
	versions []versionRow
	exact    []posRow
	dates    []dateRowAt
	texts    []textRowAt
}

// submit hands a job to the writer and waits for its end or that of ctx.
func (s *Store) submit(ctx context.Context, j *job) error {
	j.done = make(chan error, 1)
	if err := s.enqueue(ctx, j); err != nil {
		return err
	}
	select {
	case err := <-j.done:
		return err
	case <-ctx.Done():
		j.left.Store(true)
		return ctx.Err()
	}
}

func (s *Store) enqueue(ctx context.Context, j *job) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return errClosed
	}
	select {
	case s.jobs <- j:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// A batch is the jobs of a group to be.
type batch struct {
	jobs       []*job
	keys, size int
	writers    int // jobs that write resources
}

func (b *batch) add(j *job) {
	b.jobs = append(b.jobs, j)
	b.keys += len(j.ids)
	b.size += j.size
	if len(j.ids) > 0 {
		b.writers++
	}
}

func (b *batch) reset() {
	clear(b.jobs[:cap(b.jobs)])
	*b = batch{jobs: b.jobs[:0]}
}

func (b *batch) hasRoom() bool {
	return len(b.jobs) < groupJobs && b.keys < groupWrites && b.size < groupBytes
}

// write is the writer: the only goroutine that changes the database. It takes
// all jobs that wait as one group, and ends when the channel is closed.
func (s *Store) write() {
	defer close(s.written)
	b := &batch{jobs: make([]*job, 0, groupJobs)}
	for expected := 0; ; {
		if len(b.jobs) == 0 {
			first, ok := <-s.jobs
			if !ok {
				return
			}
			b.add(first)
		}
		s.gather(b, expected, groupWait)
		writers := b.writers
		s.runAll(b.jobs)
		b.reset()
		s.collect(b)
		if writers > 0 {
			expected = writers + b.writers
		}
	}
}

// gather completes a group. Those who were answered together often commit
// again together, and a large group costs little more than a small one: one
// that writes resources waits until as many such jobs are there as took part
// in the last or came while it was written, but no longer than wait. A client
// that is alone waits for nobody.
func (s *Store) gather(b *batch, expected int, wait time.Duration) {
	// Let those come who are about to, as long as each turn brings more.
	for n := -1; n < len(s.jobs); {
		n = len(s.jobs)
		runtime.Gosched()
	}
	s.collect(b)
	if b.writers == 0 || b.writers >= expected {
		return
	}
	late := time.NewTimer(wait)
	defer late.Stop()
	for b.writers < expected && b.hasRoom() {
		select {
		case j, ok := <-s.jobs:
			if !ok {
				return
			}
			b.add(j)
		case <-late.C:
			return
		}
	}
}

// collect adds to the batch what waits already.
func (s *Store) collect(b *batch) {
	for b.hasRoom() {
		select {
		case j, ok := <-s.jobs:
			if !ok {
				return
			}
			b.add(j)
		default:
			return
		}
	}
}

// runAll runs the jobs as one group and, should the database refuse it for a
// reason that may lie in one of them, one by one.
func (s *Store) runAll(batch []*job) {
	batch = slices.DeleteFunc(batch, func(j *job) bool { return j.left.Load() })
	if len(batch) == 0 {
		return
	}
	answers, err := s.attempt(batch)
	if err != nil && len(batch) > 1 && !full(err) {
		for _, j := range batch {
			s.runAll([]*job{j})
		}
		return
	}
	for i, j := range batch {
		if err != nil {
			j.done <- err
			continue
		}
		j.done <- answers[i]
	}
}

// attempt runs the jobs in one transaction. It returns their answers once the
// transaction is on disk, or the error for which nothing of it happened.
func (s *Store) attempt(batch []*job) (answers []error, err error) {
	w := s.writer
	if err := s.tune(batch); err != nil {
		return nil, err
	}
	if err := w.exec(sqlBegin); err != nil {
		return nil, err
	}
	g := &group{conn: w, claimed: s.claimed, exact: s.exactBuf[:0], audit: s.auditBuf[:0]}
	answers, err = g.runJobs(batch)
	s.exactBuf, s.auditBuf = g.exact, g.audit
	if err == nil && g.changed {
		err = s.commitGroup(g)
	}
	if err != nil || !g.changed {
		// After some failures SQLite has rolled back by itself, and says so.
		_ = w.exec(sqlRollback)
	}
	return answers, err
}

// bulkVersions is how many versions make a job a bulk one.
const bulkVersions = 200

// What the writer's connection is given while versions come in bulk, and
// otherwise: a page of the index is changed again and again, and should go from
// memory to the log and from the log to the database seldom.
var (
	bulkPragmas  = []string{"wal_autocheckpoint = 16384", "cache_size = -64000"}
	usualPragmas = []string{"wal_autocheckpoint = 4096", "cache_size = -16000"}
)

// tune sets the connection up for the jobs of a group.
func (s *Store) tune(batch []*job) error {
	bulk := slices.ContainsFunc(batch, func(j *job) bool { return j.bulk })
	if bulk == s.bulk {
		return nil
	}
	pragmas := usualPragmas
	if bulk {
		pragmas = bulkPragmas
	}
	for _, p := range pragmas {
		if err := s.writer.query("PRAGMA "+p, nil); err != nil {
			return err
		}
	}
	s.bulk = bulk
	return nil
}

// commitGroup puts the group on disk, and its versions in the cache's place of
// those they replace.
func (s *Store) commitGroup(g *group) error {
	done, err := s.commits.begin(g)
	if err != nil {
		return err
	}
	s.cache.begin(g.written)
	err = g.exec(sqlCommit)
	if err == nil {
		done()
		s.cache.end(g.written)
		s.keepClaims(g)
	}
	if len(g.audit) > 0 {
		s.unindexed.Store(true)
	}
	return err
}

func (g *group) runJobs(batch []*job) ([]error, error) {
	if err := g.takeNumber(batch); err != nil {
		return nil, err
	}
	var ids []string
	for _, j := range batch {
		ids = append(ids, j.ids...)
	}
	ranks := ordinals(ids)
	answers := make([]error, len(batch))
	for i, j := range batch {
		if !j.numbered { // it may look at what the others write
			if err := g.flushRows(); err != nil {
				return nil, err
			}
		}
		g.ordinal, ranks = ranks[:len(j.ids)], ranks[len(j.ids):]
		answers[i] = j.run(g)
		if errors.Is(answers[i], store.ErrUnavailable) {
			return nil, answers[i]
		}
	}
	return answers, g.flush()
}

func (g *group) takeNumber(batch []*job) (err error) {
	if slices.ContainsFunc(batch, func(j *job) bool { return j.numbered }) {
		g.seq, _, err = g.number(sqlNextSeq)
	}
	return err
}

// flush writes what the jobs left for the end of the group.
func (g *group) flush() error {
	if err := g.flushRows(); err != nil || len(g.audit) == 0 {
		return err
	}
	return g.exec(sqlNewAudit, g.seq, g.audit)
}
