package sqlitestore

import (
	"context"
	"database/sql/driver"
	"math"
	"slices"
	"time"

	"trellis.example/gateway/store"
)

// History implements store.Store.
func (s *Store) History(ctx context.Context, q store.HistoryQuery) (page store.Page, err error) {
	err = s.snapshot(ctx, func(c *conn) error {
		h := &history{conn: c, ctx: ctx, q: q, limit: min(max(q.Limit, 1), 1000)}
		h.page.Total = -1
		if h.page.Snapshot, _, err = c.number(sqlMeta, "seq"); err != nil {
			return err
		}
		if q.Key.ID != "" {
			err = h.ofKey()
		} else {
			err = h.ofTypes()
		}
		s.looked.Add(int64(h.cost.rows + h.cost.versions))
		page = h.page
		return err
	})
	if err != nil {
		return store.Page{}, err
	}
	return page, nil
}

// A history is one page being made.
type history struct {
	*conn
	ctx   context.Context
	q     store.HistoryQuery
	limit int
	cost  tally
	page  store.Page
}

// show puts a version on the page unless that is full.
func (h *history) show(v store.Version) (full bool) {
	if len(h.page.Versions) == h.limit {
		last := h.page.Versions[h.limit-1]
		h.more(seqOfVersion(last))
		return true
	}
	h.page.Versions = append(h.page.Versions, v)
	return false
}

func seqOfVersion(v store.Version) store.Position {
	return store.Position{Seq: v.Seq, Type: v.Key.Type, ID: v.Key.ID, Number: v.Number}
}

func (h *history) more(after store.Position) { h.page.More, h.page.Next = true, &after }

func (h *history) ofKey() error {
	k := h.q.Key
	now, err := h.head(k)
	if err != nil {
		return err
	}
	if now.number == 0 || !h.q.View.Sees(k.Type, now.access) {
		return store.ErrNotFound
	}
	before, next := h.q.Before, int64(math.MaxInt64)
	if before <= 0 {
		before = math.MaxInt
	} else if next, err = h.updatedOf(k, before); err != nil {
		return err
	}
	for {
		vs, err := h.versions(k, before, h.limit+1)
		if err != nil {
			return err
		}
		for _, v := range vs {
			v.Access = now.access
			if h.within(v.Updated, next) && h.show(v) {
				return nil
			}
			before, next = v.Number, v.Updated.UnixMilli()
		}
		if len(vs) <= h.limit {
			return nil
		}
	}
}

// versions returns at most limit versions below the number, newest first.
func (c *conn) versions(k store.Key, before, limit int) (vs []store.Version, err error) {
	err = c.query(sqlRead, func(row []driver.Value) error {
		if int(integer(row[1])) < before {
			vs = append(vs, makeVersion(k, row[0], row[1], row[3], row[4], row[5]))
		}
		return nil
	}, k.Type, k.ID)
	if err != nil {
		return nil, err
	}
	err = c.query(sqlHistory, func(row []driver.Value) error {
		vs = append(vs, makeVersion(k, row[0], row[1], row[2], row[3], row[4]))
		return nil
	}, k.Type, k.ID, before, limit-len(vs))
	return vs, err
}

// within reports whether a version is of the times asked for: next is when the
// one after it came, in Unix milliseconds.
func (h *history) within(updated time.Time, next int64) bool {
	if updated.Before(h.q.Since) {
		return false
	}
	return h.q.AtFrom.IsZero() || !updated.After(h.q.AtTo) && (next == math.MaxInt64 || time.UnixMilli(next).After(h.q.AtFrom))
}

// updatedOf returns when a version came, math.MaxInt64 when there is none.
func (c *conn) updatedOf(k store.Key, number int) (int64, error) {
	updated, ok, err := c.number(sqlPastTime, k.Type, k.ID, number)
	if err != nil || ok {
		return updated, err
	}
	updated, ok, err = c.number(sqlHeadTime, k.Type, k.ID, number)
	if !ok {
		updated = math.MaxInt64
	}
	return updated, err
}

// ofTypes goes down the versions that are current or closed of late, which have
// rows of their type, and at the same time those of the past. Which of the two a
// version has changes with a sweep; its position stays.
func (h *history) ofTypes() error {
	w, err := h.window()
	if err != nil {
		return err
	}
	var hs []int64
	for _, typ := range h.q.Types {
		if h.q.View.SeesType(typ) {
			hs = append(hs, partyTerms(typ, viewParties(h.q.View), typeParam)...)
			hs = append(hs, partyTerms(typ, viewParties(h.q.View), pastParam)...)
		}
	}
	f := newFeed(h.conn, &h.cost, hs, w, columns{bodies: true})
	for n := min(h.limit+1, 64); ; n = min(2*n, 256) {
		if err := h.ctx.Err(); err != nil {
			return err
		}
		cs, err := f.next(n)
		if err != nil || len(cs) == 0 {
			return err
		}
		for i := range cs {
			if done, err := h.look(&cs[i]); done || err != nil {
				return err
			}
		}
	}
}

// look shows a candidate if it belongs to the answer; done is set when the page
// is full, or when as many were looked at as may be at once.
func (h *history) look(c *candidate) (done bool, err error) {
	h.cost.versions++
	shown, err := h.shows(c)
	if err != nil {
		return false, err
	}
	v := c.version()
	if shown && h.show(v) {
		return true, nil
	}
	if h.cost.versions < maxCandidates {
		return false, nil
	}
	h.more(seqOfVersion(v))
	return true, nil
}

func (h *history) shows(c *candidate) (bool, error) {
	if !slices.Contains(h.q.Types, c.key.Type) || !h.q.View.Sees(c.key.Type, c.access) {
		return false, nil
	}
	updated := time.UnixMilli(c.updated)
	if !h.within(updated, math.MaxInt64) {
		return false, nil
	}
	if h.q.AtFrom.IsZero() || c.pos == c.head {
		return true, nil
	}
	next, err := h.updatedOf(c.key, c.number+1)
	return h.within(updated, next), err
}

// window returns where the versions lie that can be of the times asked for and
// come after q.After.
func (h *history) window() (window, error) {
	r := anyTime
	if !h.q.Since.IsZero() {
		r.low = h.q.Since.UnixMilli()
	}
	if !h.q.AtFrom.IsZero() {
		r.high = h.q.AtTo.UnixMilli()
	}
	first, last, err := h.seqRange(slotUpdated, r)
	w := window{low: first << posBits, high: (min(last, h.page.Snapshot) + 1) << posBits}
	a := h.q.After
	if err != nil || a == nil {
		return w, err
	}
	pos, err := h.positionOf(a)
	return w.beyond(pos), err
}

// positionOf returns the position of a version, and the end of its commit if
// that is not known.
func (c *conn) positionOf(a *store.Position) (int64, error) {
	k := store.Key{Type: a.Type, ID: a.ID}
	h, err := c.head(k)
	if err != nil {
		return 0, err
	}
	if h.number == a.Number && h.number > 0 {
		return h.pos, nil
	}
	pos, ok, err := c.number(sqlPastPos, k.Type, k.ID, a.Number)
	if !ok {
		pos = a.Seq << posBits
	}
	return pos, err
}
