package sqlitestore

import (
	"context"
	"database/sql/driver"
	"time"

	"trellis.example/gateway/store/sqlitestore/packed"
)

// How long what a sweep removes is kept.
const (
	keepClosed = 15 * time.Minute
	keepLoose  = 24 * time.Hour
)

// Sweep implements store.Store. It works in small steps between which commits
// go on.
func (s *Store) Sweep(ctx context.Context, now time.Time) error {
	steps := []func(g *group) (more bool, err error){
		func(g *group) (bool, error) { return g.sweepClaims(now.UnixMilli()) },
		func(g *group) (bool, error) { return g.sweepClosed(now.Add(-keepClosed).UnixMilli()) },
		func(g *group) (bool, error) { return g.sweepBlobs(now.Add(-keepLoose).UnixMilli()) },
	}
	for _, step := range steps {
		for {
			var more bool
			err := s.submit(ctx, &job{run: func(g *group) (err error) {
				more, err = step(g)
				return err
			}})
			if err != nil {
				return err
			}
			if !more {
				break
			}
		}
	}
	return nil
}

func (g *group) sweepClaims(now int64) (more bool, err error) {
	n, err := g.change(sqlFreeClaims, now)
	g.changed = g.changed || n > 0
	return n > 0, err
}

// sweepClosed replaces the index rows of versions closed before t by those of
// the past; snapshots that showed them are expired from now on.
func (g *group) sweepClosed(t int64) (more bool, err error) {
	type old struct {
		at, pos, until int64
		typ            string
		entries        []byte
	}
	var olds []old
	err = g.query(sqlOldClosed, func(row []driver.Value) error {
		olds = append(olds, old{integer(row[0]), integer(row[1]), integer(row[2]), text(row[3]), bytesOf(row[4])})
		return nil
	}, t)
	if err != nil || len(olds) == 0 {
		return false, err
	}
	horizon, _, err := g.number(sqlMeta, "horizon")
	if err != nil {
		return false, err
	}
	g.changed = true
	for _, o := range olds {
		horizon = max(horizon, o.until)
		parties, index, err := packed.ParseEntries(o.entries)
		if err != nil {
			return false, damaged(err)
		}
		if err := g.dropRows(indexRows(o.typ, parties, index), o.pos); err != nil {
			return false, err
		}
		if err := g.addRows(pastRows(o.typ, parties), o.pos); err != nil {
			return false, err
		}
		if err := g.exec(sqlDropClosed, o.at, o.pos); err != nil {
			return false, err
		}
	}
	g.moved = true
	return true, g.exec(sqlSetMeta, horizon, "horizon")
}

// addRows adds rows of exact terms and ranges.
func (c *conn) addRows(r rows, pos int64) error {
	for _, h := range r.exact {
		if err := c.exec(sqlNewExact, h, pos); err != nil {
			return err
		}
	}
	for _, d := range r.dates {
		if err := c.exec(sqlNewDate, d.h, d.high, pos); err != nil {
			return err
		}
	}
	return nil
}

func (g *group) dropRows(r rows, pos int64) error {
	for _, h := range r.exact {
		if err := g.exec(sqlDropExact, h, pos); err != nil {
			return err
		}
	}
	for _, d := range r.dates {
		if err := g.exec(sqlDropDate, d.h, d.high, pos); err != nil {
			return err
		}
	}
	for _, t := range r.texts {
		if err := g.exec(sqlDropText, t.h, []byte(t.value), pos); err != nil {
			return err
		}
	}
	return nil
}

// sweepBlobs looks at each original once when its day is over: one whose
// resources exist is settled for good, since a key never ceases to exist, and
// any other is removed.
func (g *group) sweepBlobs(t int64) (more bool, err error) {
	var bs []int64
	err = g.query(sqlOldBlobs, func(row []driver.Value) error {
		bs = append(bs, integer(row[0]))
		return nil
	}, t)
	if err != nil || len(bs) == 0 {
		return false, err
	}
	g.changed = true
	for _, b := range bs {
		_, referred, err := g.number(sqlRefExists, b)
		if err != nil {
			return false, err
		}
		if referred {
			err = g.exec(sqlSettleBlob, b)
		} else {
			err = g.dropBlob(b)
		}
		if err != nil {
			return false, err
		}
	}
	return true, nil
}

func (g *group) dropBlob(b int64) error {
	if err := g.exec(sqlDropChunks, b<<chunkBits, (b+1)<<chunkBits); err != nil {
		return err
	}
	if err := g.exec(sqlDropRefs, b); err != nil {
		return err
	}
	return g.exec(sqlDropBlob, b)
}
