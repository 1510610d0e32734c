package sqlitestore

import (
	"cmp"
	"context"
	"database/sql/driver"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"trellis.example/gateway/store"
	"trellis.example/gateway/store/sqlitestore/packed"
)

// errScanAfter refuses what no page of a scan has returned.
var errScanAfter = errors.New("a scan does not continue there")

// Scan implements store.Store. It goes through one type after the other, each in
// the order of its commits.
func (s *Store) Scan(ctx context.Context, q store.ScanQuery) (page store.ScanPage, err error) {
	err = s.snapshot(ctx, func(c *conn) error {
		r := &scan{conn: c, ctx: ctx, q: q, limit: min(max(q.Limit, 1), 1000)}
		err := r.run()
		s.looked.Add(int64(r.cost.rows + r.cost.versions))
		page = r.page
		return err
	})
	if err != nil {
		return store.ScanPage{}, err
	}
	return page, nil
}

// A scan is one page being made.
type scan struct {
	*conn
	ctx   context.Context
	q     store.ScanQuery
	limit int
	now   int64
	past  bool // versions of the past can belong to the answer
	cost  tally
	page  store.ScanPage
}

func (s *scan) run() error {
	if err := s.openSnapshot(); err != nil {
		return err
	}
	w, err := s.window()
	if err != nil {
		return err
	}
	types := slices.Clone(s.q.Types)
	slices.Sort(types)
	types = slices.Compact(types)
	from, pos, err := parseScanAfter(s.q.After)
	if err != nil {
		return err
	}
	for _, typ := range types {
		own := w
		if typ == from {
			own = w.beyond(pos)
		}
		if typ < from || !s.q.View.SeesType(typ) {
			continue
		}
		if full, err := s.scanType(typ, own); full || err != nil {
			return err
		}
	}
	return nil
}

// openSnapshot also finds out whether versions that were swept can have been
// current at the snapshot: they were closed before the horizon.
func (s *scan) openSnapshot() error {
	return s.query(sqlNow, func(row []driver.Value) error {
		horizon := integer(row[1])
		s.now = integer(row[0])
		s.page.Snapshot = cmp.Or(s.q.Snapshot, s.now)
		s.past = s.q.Deleted || s.page.Snapshot < max(horizon, s.last())
		if s.page.Snapshot > s.now {
			return store.ErrExpired
		}
		return nil
	})
}

// last returns the last commit to look at. What a party was given access to
// since the snapshot has a version under its name only after that.
func (s *scan) last() int64 {
	if s.q.View.All() {
		return s.page.Snapshot
	}
	return s.now
}

func (s *scan) window() (window, error) {
	r := anyTime
	if !s.q.Since.IsZero() {
		r.low = s.q.Since.UnixMilli()
	}
	first, last, err := s.seqRange(slotUpdated, r)
	if last = min(last, s.page.Snapshot); first <= last {
		last = s.last()
	}
	return window{low: first << posBits, high: (last + 1) << posBits, up: true}, err
}

// scanType goes through what is left of a type; full is set when there may be
// more than the page holds, or when as many versions were looked at as may be
// at once.
func (s *scan) scanType(typ string, w window) (full bool, err error) {
	hs := partyTerms(typ, viewParties(s.q.View), typeParam)
	if s.past {
		hs = append(hs, partyTerms(typ, viewParties(s.q.View), pastParam)...)
	}
	f := newFeed(s.conn, &s.cost, hs, w, columns{bodies: true})
	for {
		if err := s.ctx.Err(); err != nil {
			return false, err
		}
		cs, err := f.next(min(s.limit-len(s.page.Versions), 256))
		if err != nil || len(cs) == 0 {
			return false, err
		}
		last := cs[len(cs)-1].pos
		for i := range cs {
			s.cost.versions++
			c := &cs[i]
			shown, err := c.key.Type == typ, error(nil)
			if shown && seqOf(c.pos) > s.page.Snapshot {
				shown, err = s.replaced(c)
			}
			if shown && err == nil {
				shown, err = s.shows(c)
			}
			if err != nil {
				return false, err
			}
			if shown {
				s.page.Versions = append(s.page.Versions, cs[i].version())
			}
		}
		if len(s.page.Versions) >= s.limit || s.cost.versions >= maxCandidates {
			s.page.Next = typ + "/" + strconv.FormatInt(last, 10)
			return true, nil
		}
	}
}

func (s *scan) shows(c *candidate) (bool, error) {
	switch {
	case c.deleted && !s.q.Deleted, !s.q.View.Sees(c.key.Type, c.access):
		return false, nil
	case !s.q.Since.IsZero() && !time.UnixMilli(c.updated).After(s.q.Since):
		return false, nil
	}
	return s.currentAt(c, s.page.Snapshot)
}

// replaced puts in the place of a version that is newer than the snapshot the
// one that was current then, if it is the first of the newer ones under a party
// of the view and the other is under none, so that it is shown here and nowhere
// else.
func (s *scan) replaced(c *candidate) (bool, error) {
	pos, ok, err := s.positionAt(c.key, (s.page.Snapshot+1)<<posBits)
	if err != nil || !ok {
		return false, err
	}
	cs, err := s.candidates([]int64{pos}, columns{bodies: true})
	if err != nil || len(cs) != 1 {
		return false, err
	}
	for n := cs[0].number; n < c.number; n++ {
		under, err := s.isUnder(c.key, n)
		if under || err != nil {
			return false, err
		}
	}
	*c = cs[0]
	return true, nil
}

// isUnder reports whether a replaced version has rows under a party of the view.
func (s *scan) isUnder(k store.Key, number int) (under bool, err error) {
	err = s.query(sqlPastEntries, func(row []driver.Value) error {
		parties, _, err := packed.ParseEntries(bytesOf(row[0]))
		under = slices.ContainsFunc(parties, func(p string) bool { return slices.Contains(viewParties(s.q.View), p) })
		return damaged(err)
	}, k.Type, k.ID, number)
	return under, err
}

func parseScanAfter(after string) (typ string, pos int64, err error) {
	if after == "" {
		return "", 0, nil
	}
	typ, number, _ := strings.Cut(after, "/")
	pos, err = strconv.ParseInt(number, 10, 64)
	if err != nil {
		err = errScanAfter
	}
	return typ, pos, err
}
