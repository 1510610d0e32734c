package sqlitestore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"trellis.example/gateway/audit"
	"trellis.example/gateway/store"
)

// metaLoading is set from the first record of a load to its mark: meanwhile the
// numbers of commits are not yet what they will be, so that nothing else may be
// committed.
const metaLoading = "loading"

var (
	errLoading = fmt.Errorf("%w: a restore or copy into this database was not finished: repeat it", store.ErrUnavailable)
	errHash    = errors.New("original under a hash that is not its own")
	errRecord  = errors.New("record that no store can hold")
	errMark    = errors.New("mark that is older than the records before it")
)

// A load is one call's records on their way in, sorted by their kind.
type load struct {
	mark     *store.Mark
	versions []loaded
	audit    []audit.Record
	small    []store.Record // docs, claims, events, originals
	size     int
}

// Load implements store.Keeper. Records are packed in the caller's goroutine;
// the transaction looks up only those that an earlier call may have brought.
func (s *Store) Load(ctx context.Context, records []store.Record) error {
	if s.beside {
		return errBeside
	}
	l := &load{}
	for _, r := range records {
		if err := l.add(r); err != nil {
			return err
		}
	}
	s.loading.Store(true)
	err := s.submit(ctx, &job{size: l.size, bulk: len(l.versions) >= bulkVersions, run: l.run})
	if rerr := s.readLoading(); err == nil {
		err = rerr
	}
	if isConstraint(err) {
		return l.rival(ctx, s, err)
	}
	return err
}

// readLoading finds out whether a load has begun and not ended.
func (s *Store) readLoading() error {
	return s.read(context.Background(), func(c *conn) error {
		n, _, err := c.number(sqlMeta, metaLoading)
		if err == nil {
			s.loading.Store(n != 0)
		}
		return err
	})
}

func (l *load) add(r store.Record) (err error) {
	switch {
	case r.Mark != nil:
		l.mark = r.Mark
	case r.Version != nil:
		var v loaded
		v, err = packLoaded(r.Version)
		l.size += len(r.Version.Body)
		l.versions = append(l.versions, v)
	case r.Audit != nil:
		l.audit = append(l.audit, *r.Audit)
	case r.Blob != nil:
		if sum := sha256.Sum256(r.Blob.Data); r.Blob.Hash != hex.EncodeToString(sum[:]) {
			return errHash
		}
		l.size += len(r.Blob.Data)
		l.small = append(l.small, r)
	case r.Doc != nil, r.Claim != nil, r.Event != nil:
		l.small = append(l.small, r)
	default:
		err = errRecord
	}
	return err
}

// An arrival is what a load has to write after all was looked at.
type arrival struct {
	versions []*loaded
	moves    []move
	writes   []func(*group) error
	last     int64     // the highest number of a commit, after it
	key      store.Key // of something new, for the error of a store that has other records
}

func (a *arrival) isEmpty() bool { return len(a.versions) == 0 && len(a.writes) == 0 }

func (a *arrival) add(k store.Key, write func(*group) error) {
	a.key = k
	a.writes = append(a.writes, write)
}

// run decides what is new and whether it may come, and then writes it. It looks
// at everything before it changes anything.
func (l *load) run(g *group) error {
	begun, _, err := g.number(sqlMeta, metaLoading)
	if err != nil {
		return err
	}
	holds, _, err := g.number(sqlHolds)
	if err != nil {
		return err
	}
	a, err := l.decide(g)
	if err != nil {
		return err
	}
	if begun == 0 && holds != 0 {
		return l.finished(g, a)
	}
	if l.mark != nil && l.mark.Seq < a.last {
		return errMark
	}
	if a.isEmpty() && l.mark == nil {
		return nil
	}
	g.changed = true
	return l.write(g, a)
}

// finished judges a call after the end of the load: it can only repeat.
func (l *load) finished(g *group, a *arrival) error {
	if !a.isEmpty() {
		return fmt.Errorf("the store holds other records: %w", &store.Conflict{Key: a.key})
	}
	if l.mark == nil {
		return nil
	}
	seq, _, err := g.number(sqlMeta, "seq")
	if err == nil && seq != l.mark.Seq {
		err = &store.Conflict{Key: store.Key{Type: "mark"}}
	}
	return err
}

func (l *load) decide(g *group) (*arrival, error) {
	a := &arrival{}
	if err := l.decideVersions(g, a); err != nil {
		return nil, err
	}
	if err := l.decideAudit(g, a); err != nil {
		return nil, err
	}
	for _, r := range l.small {
		if err := g.decideSmall(r, a); err != nil {
			return nil, err
		}
	}
	return a, nil
}

func (l *load) write(g *group, a *arrival) error {
	if err := g.exec(sqlMark, 1, metaLoading); err != nil {
		return err
	}
	if err := g.moveVersions(a.moves); err != nil {
		return err
	}
	for _, v := range a.versions {
		v.write(g)
	}
	for _, write := range a.writes {
		if err := write(g); err != nil {
			return err
		}
	}
	if l.mark == nil {
		return nil
	}
	return g.endLoad(l.mark.Seq)
}

// endLoad sets the number of the last commit. Snapshots before it have expired:
// versions of the past come without the entries by which they were found.
func (g *group) endLoad(seq int64) error {
	g.moved = true
	if err := g.exec(sqlMark, seq, "seq"); err != nil {
		return err
	}
	if err := g.exec(sqlMark, seq, "horizon"); err != nil {
		return err
	}
	return g.exec(sqlUnmark, metaLoading)
}
