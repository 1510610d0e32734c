package sqlitestore

import (
	"bytes"
	"cmp"
	"context"
	"database/sql/driver"
	"errors"
	"math"
	"slices"
	"strings"

	sqlite "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"trellis.example/gateway/store"
	"trellis.example/gateway/store/sqlitestore/packed"
)

// A loaded is a version record, packed. A version of the past is found by
// histories alone.
type loaded struct {
	*store.VersionRecord
	updated int64
	access  []byte
	entries []byte
	rows    rows
	pos     int64
}

func packLoaded(r *store.VersionRecord) (loaded, error) {
	if r.Number < 1 || r.Seq < 1 || r.Seq >= math.MaxInt64>>posBits || r.Until != 0 && r.Until < r.Seq || r.Key.Type == "" || r.Key.ID == "" {
		return loaded{}, errRecord
	}
	v := loaded{VersionRecord: r, updated: r.Updated.UnixMilli(), access: packed.Access(r.Access)}
	parties := indexParties(r.Access)
	if r.Until != 0 || r.Deleted {
		v.entries, v.rows = packed.Entries(parties, nil), pastRows(r.Key.Type, parties)
		return v, nil
	}
	v.entries, v.rows = packed.Entries(parties, r.Index), indexRows(r.Key.Type, parties, r.Index)
	return v, nil
}

// decideVersions finds the versions that are new, and gives them positions.
// Those of commits beyond the last one that is there need no looking up.
func (l *load) decideVersions(g *group, a *arrival) error {
	top, _, err := g.number(sqlLastVersion)
	if err != nil {
		return err
	}
	a.last = max(a.last, seqOf(top))
	for i := range l.versions {
		v := &l.versions[i]
		if v.Seq <= seqOf(top) {
			there, err := g.standing(v)
			if err != nil {
				return err
			}
			if there {
				continue
			}
		}
		a.last = max(a.last, v.Seq)
		a.key = v.Key
		a.versions = append(a.versions, v)
	}
	return a.place(g, seqOf(top))
}

// standing reports whether the version is there already; it is a Conflict when
// another is there in its place.
func (g *group) standing(v *loaded) (bool, error) {
	h, err := g.head(v.Key)
	if err != nil {
		return false, err
	}
	pos, until := h.pos, int64(0)
	if h.number != v.Number {
		pos = 0
		err = g.query(sqlPast, func(row []driver.Value) error {
			pos, until = integer(row[0]), integer(row[1])
			return nil
		}, v.Key.Type, v.Key.ID, v.Number)
	}
	conflict := &store.Conflict{Key: v.Key, Current: h.number}
	switch {
	case err != nil:
		return false, err
	case pos == 0 && v.Until == 0 && h.number > 0:
		return false, conflict
	case pos == 0:
		return false, nil
	case seqOf(pos) != v.Seq || until != v.Until || until == 0 && !bytes.Equal(h.packed, v.access):
		return false, conflict
	}
	same, err := g.sameVersion(pos, v)
	if err == nil && !same {
		err = conflict
	}
	return true, err
}

func (c *conn) sameVersion(pos int64, v *loaded) (same bool, err error) {
	err = c.query(sqlVersionAt, func(row []driver.Value) error {
		deleted := integer(row[1]) != 0
		same = integer(row[0]) == v.updated && deleted == v.Deleted && (deleted || bytes.Equal(bytesOf(row[2]), v.Body))
		return nil
	}, pos)
	return same, err
}

// A place is what positions within a commit are ordered by.
type place struct {
	key    store.Key
	number int
	pos    int64
	v      *loaded // nil: it is there already
}

// comparePlaces has the order of positions: that of an answer, backwards.
func comparePlaces(a, b place) int {
	return cmp.Or(strings.Compare(rankOf(b.key), rankOf(a.key)), cmp.Compare(a.number, b.number))
}

// place gives the new versions positions, commit by commit.
func (a *arrival) place(g *group, top int64) error {
	slices.SortStableFunc(a.versions, func(x, y *loaded) int { return cmp.Compare(x.Seq, y.Seq) })
	for rest := a.versions; len(rest) > 0; {
		seq, n := rest[0].Seq, 0
		var there, fresh []place
		for ; n < len(rest) && rest[n].Seq == seq; n++ {
			fresh = append(fresh, place{key: rest[n].Key, number: rest[n].Number, v: rest[n]})
		}
		rest = rest[n:]
		if seq <= top {
			err := g.query(sqlGroupOf, func(row []driver.Value) error {
				there = append(there, place{store.Key{Type: text(row[1]), ID: text(row[2])}, int(integer(row[3])), integer(row[0]), nil})
				return nil
			}, seq<<posBits, (seq+1)<<posBits)
			if err != nil {
				return err
			}
		}
		if err := a.placeGroup(seq, there, fresh); err != nil {
			return err
		}
	}
	return nil
}

// placeGroup puts the new versions of a commit above or below those that are
// there, as whoever dumps in order will have it, and else all of them anew. The
// first ones lie in the middle, so that there is room for those to come.
func (a *arrival) placeGroup(seq int64, there, fresh []place) error {
	slices.SortFunc(fresh, comparePlaces)
	low, high, n := seq<<posBits, (seq+1)<<posBits, int64(len(fresh))
	middle := func(n int64) int64 { return low + (posMask+1-n)/2 }
	start := middle(n)
	if len(there) > 0 {
		first, last := there[0], there[len(there)-1]
		switch {
		case comparePlaces(fresh[0], last) > 0:
			start = last.pos + 1
		case comparePlaces(fresh[n-1], first) < 0:
			start = first.pos - n
		default:
			start = low - 1
		}
	}
	if start < low || start+n > high {
		fresh = append(fresh, there...)
		slices.SortFunc(fresh, comparePlaces)
		n = int64(len(fresh))
		start = middle(n)
	}
	if n > posMask {
		return store.ErrTooLarge
	}
	for i, p := range fresh {
		if p.v != nil {
			p.v.pos = start + int64(i)
		} else if to := start + int64(i); to != p.pos {
			a.moves = append(a.moves, move{p, to})
		}
	}
	return nil
}

// write adds the version to what the group writes at its end.
func (v *loaded) write(g *group) {
	k := v.Key
	if v.Until != 0 {
		g.past = append(g.past, pastRow{k, v.Number, v.pos, v.Until})
	} else {
		g.addHead(headRow{k, v.pos, v.Number, v.access})
	}
	body := v.Body
	if v.Deleted {
		body = nil
	}
	g.addVersion(versionRow{v.pos, k, v.Number, v.updated, v.Deleted, v.entries, body}, v.rows)
	g.noteAt(slotUpdated, v.updated, v.Seq)
}

// A move gives a version that is there another position in its commit.
type move struct {
	place
	to int64
}

// moveVersions moves versions with all that points to them: first out of the
// way of each other, below zero, and then to where they go.
func (g *group) moveVersions(ms []move) error {
	for _, m := range ms {
		if err := g.exec(sqlMoveVersion, -m.to, m.pos); err != nil {
			return err
		}
	}
	for _, m := range ms {
		if err := g.moveVersion(m); err != nil {
			return err
		}
	}
	return nil
}

func (g *group) moveVersion(m move) error {
	if err := g.exec(sqlMoveVersion, m.to, -m.to); err != nil {
		return err
	}
	for _, sql := range []string{sqlMoveHeadPos, sqlMovePastPos} {
		if err := g.exec(sql, m.to, m.key.Type, m.key.ID, m.number); err != nil {
			return err
		}
	}
	r, err := g.rowsOf(m.to, m.key)
	if err != nil {
		return err
	}
	if err := g.dropRows(r, m.pos); err != nil {
		return err
	}
	g.addIndexRows(r, m.to)
	return nil
}

// rowsOf returns the index rows of a version that was loaded.
func (c *conn) rowsOf(pos int64, k store.Key) (r rows, err error) {
	h, err := c.head(k)
	if err != nil {
		return r, err
	}
	err = c.query(sqlEntriesAt, func(row []driver.Value) error {
		parties, index, err := packed.ParseEntries(bytesOf(row[0]))
		if h.pos == pos && integer(row[1]) == 0 {
			r = indexRows(k.Type, parties, index)
		} else {
			r = pastRows(k.Type, parties)
		}
		return damaged(err)
	}, pos)
	return r, err
}

// isConstraint reports whether the database refused a second row under one key.
func isConstraint(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && e.Code()&0xff == lib.SQLITE_CONSTRAINT
}

// rival finds the version whose key another version has, for which the database
// refused a load.
func (l *load) rival(ctx context.Context, s *Store, refused error) error {
	seen := map[store.Key]bool{}
	return s.read(ctx, func(c *conn) error {
		for _, v := range l.versions {
			if v.Until != 0 {
				continue
			}
			h, err := c.head(v.Key)
			if err != nil {
				return err
			}
			if h.number > 0 || seen[v.Key] {
				return &store.Conflict{Key: v.Key, Current: h.number}
			}
			seen[v.Key] = true
		}
		return refused
	})
}
