package sqlitestore

import (
	"database/sql/driver"
	"sync/atomic"
)

// Commits are what is known of them without asking the database: the number of
// the last one that is on disk, or a lower one that nothing was acknowledged
// after, and the horizon, or a higher one that is about to be. It rests, as the
// cache does, on one process writing versions.
type commits struct {
	seq, horizon atomic.Int64
}

// alone reports whether this store alone writes versions.
func (s *Store) alone() bool { return s.cache != nil }

func (k *commits) read(c *conn) error {
	seq, horizon, err := c.now()
	k.seq.Store(seq)
	k.horizon.Store(horizon)
	return err
}

// begin is called before a group is committed, and the function it returns once
// the group is on disk. After a failure the horizon may stay too high, and the
// database be asked more often.
func (k *commits) begin(g *group) (done func(), err error) {
	seq := max(g.seq, k.seq.Load())
	if g.moved {
		var horizon int64
		if seq, horizon, err = g.now(); err != nil {
			return nil, err
		}
		k.horizon.Store(horizon)
	}
	return func() { k.seq.Store(seq) }, nil
}

// now returns the number of the last commit and the horizon.
func (c *conn) now() (seq, horizon int64, err error) {
	err = c.query(sqlNow, func(row []driver.Value) error {
		seq, horizon = integer(row[0]), integer(row[1])
		return nil
	})
	return seq, horizon, err
}
