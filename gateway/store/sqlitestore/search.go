package sqlitestore

import (
	"context"
	"database/sql/driver"
	"fmt"
	"time"

	"trellis.example/auth"
	"trellis.example/gateway/store"
	"trellis.example/gateway/store/sqlitestore/packed"
)

// maxCandidates is how many versions a search may examine.
const maxCandidates = 10_000

// Search implements store.Store. One clause, the most selective, yields the
// positions of candidates, newest first; each candidate is then compared with
// the whole query and the view.
func (s *Store) Search(ctx context.Context, q store.Query) (page store.Page, err error) {
	q.Limit = min(max(q.Limit, 1), 1000)
	err = s.snapshot(ctx, func(c *conn) error {
		r := &search{ctx: ctx, conn: c, q: q}
		if err := r.run(); err != nil {
			return err
		}
		page = r.page
		return nil
	})
	return page, err
}

// A search is one page being made.
type search struct {
	*conn
	ctx      context.Context
	q        store.Query
	now      int64 // the newest commit
	low      int64 // candidates lie at or above it
	high     int64 // and below this
	examined int
	page     store.Page
	found    []int64 // positions of the page
}

func (s *search) run() error {
	s.page.Total = -1
	if s.q.Total {
		s.page.Total = 0
	}
	if err := s.openSnapshot(); err != nil {
		return err
	}
	if !s.q.View.SeesType(s.q.Type) {
		return nil
	}
	if err := s.bounds(); err != nil {
		return err
	}
	src, err := s.source()
	if err != nil {
		return err
	}
	if err := s.examine(src); err != nil {
		return err
	}
	return s.loadBodies()
}

func (s *search) openSnapshot() error {
	var now, horizon int64
	err := s.query(sqlNow, func(row []driver.Value) error {
		now, horizon = integer(row[0]), integer(row[1])
		return nil
	})
	if err != nil {
		return err
	}
	s.now, s.page.Snapshot = now, now
	if s.q.Snapshot != 0 {
		s.page.Snapshot = s.q.Snapshot
	}
	if s.page.Snapshot > now || s.page.Snapshot < horizon {
		return store.ErrExpired
	}
	return nil
}

// bounds works out between which positions candidates can lie.
func (s *search) bounds() error {
	first, last, err := s.seqRange(slotUpdated, updatedRange(s.q.Where))
	if err != nil {
		return err
	}
	s.low = first << posBits
	s.high = (min(last, s.page.Snapshot) + 1) << posBits
	if s.q.After == nil || s.q.Total {
		return nil
	}
	end := (s.q.After.Seq + 1) << posBits
	if pos, ok, err := s.positionAt(s.q.After.ID, end); err != nil {
		return err
	} else if ok && seqOf(pos) == s.q.After.Seq {
		end = pos
	}
	s.high = min(s.high, end)
	return nil
}

// positionAt returns the position of the version of an id that was current
// below the given position.
func (s *search) positionAt(id string, below int64) (pos int64, ok bool, err error) {
	h, err := s.head(store.Key{Type: s.q.Type, ID: id})
	if err != nil || h.number == 0 {
		return 0, false, err
	}
	if h.pos < below {
		return h.pos, true, nil
	}
	return s.number(sqlPastAt, s.q.Type, id, below)
}

// examine goes through the candidates until the page is full, or through all
// when they are to be counted.
func (s *search) examine(src source) error {
	batch := make([]int64, 0, manyRead)
	for {
		if err := s.ctx.Err(); err != nil {
			return err
		}
		batch = batch[:0]
		for len(batch) < min(manyRead, 1+s.q.Limit) {
			pos, ok, err := src.next()
			if err != nil {
				return err
			}
			if !ok {
				break
			}
			batch = append(batch, pos)
		}
		full, err := s.examineBatch(batch)
		if err != nil || full || len(batch) == 0 {
			return err
		}
	}
}

func (s *search) examineBatch(batch []int64) (full bool, err error) {
	loaded, err := s.candidates(batch)
	if err != nil {
		return false, err
	}
	for _, pos := range batch {
		if s.examined++; s.examined > maxCandidates {
			return false, fmt.Errorf("%w: more than %d candidates; add a parameter that fewer resources match, such as identifier, patient or a narrower date",
				store.ErrTooCostly, maxCandidates)
		}
		c, ok := loaded[pos]
		if !ok {
			continue
		}
		access, shown, err := s.shows(c)
		if err != nil {
			return false, err
		}
		if shown && s.add(c, access) {
			return true, nil
		}
	}
	return false, nil
}

// add counts a match and puts it on the page; it reports whether the search
// can end.
func (s *search) add(c candidate, access auth.Access) (full bool) {
	if s.q.Total {
		s.page.Total++
	}
	seq := seqOf(c.pos)
	if a := s.q.After; a != nil && (seq > a.Seq || seq == a.Seq && c.id <= a.ID) {
		return false
	}
	if len(s.found) == s.q.Limit {
		s.page.More = true
		return !s.q.Total
	}
	s.found = append(s.found, c.pos)
	s.page.Versions = append(s.page.Versions, store.Version{
		Key: store.Key{Type: s.q.Type, ID: c.id}, Number: c.number,
		Updated: time.UnixMilli(c.updated).UTC(), Access: access, Seq: seq,
	})
	return false
}

// A candidate is an undeleted version without its body.
type candidate struct {
	pos     int64
	id      string
	number  int
	updated int64
	entries []byte
	head    int64  // the key's present version
	access  []byte // the key's
}

func (s *search) candidates(batch []int64) (map[int64]candidate, error) {
	loaded := make(map[int64]candidate, len(batch))
	err := s.lookUp(sqlCandidate, sqlCandidates, batch, func(row []driver.Value) error {
		c := candidate{
			pos: integer(row[0]), id: text(row[1]), number: int(integer(row[2])), updated: integer(row[3]),
			entries: bytesOf(row[4]), head: integer(row[5]), access: bytesOf(row[6]),
		}
		loaded[c.pos] = c
		return nil
	}, s.q.Type)
	return loaded, err
}

// lookUp runs a query over positions, one or many at a time.
func (s *search) lookUp(one, many string, pos []int64, each func([]driver.Value) error, first ...any) error {
	for len(pos) > 0 {
		sql, places, n := many, manyRead, min(len(pos), manyRead)
		if n == 1 {
			sql, places = one, 1
		}
		args := append(make([]any, 0, len(first)+places), first...)
		for i := range places {
			if i < n {
				args = append(args, pos[i])
			} else {
				args = append(args, int64(-1)) // there is none
			}
		}
		if err := s.query(sql, each, args...); err != nil {
			return err
		}
		pos = pos[n:]
	}
	return nil
}

// shows decides whether a candidate belongs to the answer, and returns its
// access.
func (s *search) shows(c candidate) (access auth.Access, shown bool, err error) {
	if c.head != c.pos {
		until, ok, err := s.number(sqlUntil, s.q.Type, c.id, c.number)
		if err != nil || !ok || until <= s.page.Snapshot {
			return access, false, err
		}
	}
	access, err = packed.ParseAccess(c.access)
	if err != nil || !s.q.View.Sees(s.q.Type, access) {
		return access, false, damaged(err)
	}
	if len(s.q.Where) == 0 {
		return access, true, nil
	}
	_, index, err := packed.ParseEntries(c.entries)
	if err != nil {
		return access, false, damaged(err)
	}
	for _, cl := range s.q.Where {
		if !holds(cl, c, index) {
			return access, false, nil
		}
	}
	return access, true, nil
}

// holds reports whether a clause holds for a candidate with that index.
func holds(cl store.Clause, c candidate, index []store.Index) bool {
	for _, m := range cl.Any {
		switch cl.Param {
		case "_id":
			if m.Value == c.id {
				return true
			}
			continue
		case "_lastUpdated":
			if m.Holds(store.Date, store.Index{Low: c.updated, High: c.updated}) {
				return true
			}
			continue
		}
		for _, e := range index {
			if e.Param == cl.Param && e.Kind == cl.Kind && m.Holds(cl.Kind, e) {
				return true
			}
		}
	}
	return false
}

func (s *search) loadBodies() error {
	at := make(map[int64]int, len(s.found))
	for i, pos := range s.found {
		at[pos] = i
	}
	return s.lookUp(sqlBodyAt, sqlBodiesAt, s.found, func(row []driver.Value) error {
		s.page.Versions[at[integer(row[0])]].Body = bytesOf(row[1])
		return nil
	})
}
