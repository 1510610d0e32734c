package sqlitestore

import (
	"database/sql/driver"
	"math"
	"slices"

	"trellis.example/gateway/store"
)

// maxCollected is how many positions a range of dates or texts may yield, which
// are not in order and so must all be fetched; beyond it another clause leads.
const maxCollected = 2000

// A source yields positions of candidates, each once, from the highest down.
type source interface {
	next() (pos int64, ok bool, err error)
}

// source chooses the clause that leads: ids, then selective entries, then
// common ones under the view's parties, then the type itself.
func (s *search) source() (source, error) {
	for _, c := range s.q.Where {
		if c.Param == "_id" {
			return s.byID(c)
		}
	}
	for _, common := range []bool{false, true} {
		parties := []string{""}
		if common {
			parties = viewParties(s.q.View)
		}
		for _, c := range s.q.Where {
			if c.Common == common && isExact(c.Kind) {
				return s.byTerms(c, parties), nil
			}
		}
		for _, c := range s.q.Where {
			if c.Common == common && (c.Kind == store.Date || c.Kind == store.Text) && c.Param != "_lastUpdated" {
				if src, ok, err := s.collect(c, parties); ok || err != nil {
					return src, err
				}
			}
		}
	}
	var hs []int64
	for _, p := range viewParties(s.q.View) {
		hs = append(hs, term(s.q.Type, p, typeParam, "", ""))
	}
	return s.merge(hs), nil
}

func isExact(k store.Kind) bool {
	return k == store.Token || k == store.Reference || k == store.URI
}

func (s *search) byID(c store.Clause) (source, error) {
	var l list
	for _, m := range c.Any {
		pos, ok, err := s.positionAt(m.Value, s.high)
		if err != nil {
			return nil, err
		}
		if ok {
			l = append(l, pos)
		}
	}
	return s.sorted(l), nil
}

func (s *search) byTerms(c store.Clause, parties []string) source {
	var hs []int64
	for _, p := range parties {
		for _, m := range c.Any {
			hs = append(hs, term(s.q.Type, p, c.Param, kindName(c.Kind), m.Value))
		}
	}
	return s.merge(hs)
}

// collect fetches the positions of a range of dates or texts; ok is false when
// they are too many or the index cannot answer.
func (s *search) collect(c store.Clause, parties []string) (source, bool, error) {
	var l list
	for _, p := range parties {
		h := term(s.q.Type, p, c.Param, kindName(c.Kind), "")
		for _, m := range c.Any {
			sql, args, ok := rangeQuery(c.Kind, h, m)
			if !ok {
				return nil, false, nil
			}
			room := maxCollected - len(l) + 1
			err := s.query(sql, func(row []driver.Value) error {
				l = append(l, integer(row[0]))
				return nil
			}, append(args, room)...)
			if err != nil || len(l) > maxCollected {
				return nil, false, err
			}
		}
	}
	return s.sorted(l), true, nil
}

// rangeQuery returns the query for all entries that can match. Dates are
// indexed by their end.
func rangeQuery(kind store.Kind, h int64, m store.Match) (sql string, args []any, ok bool) {
	if kind == store.Text {
		if end, ok := after(m.Value); ok {
			return sqlTextsTo, []any{h, []byte(m.Value), end}, true
		}
		return sqlTexts, []any{h, []byte(m.Value)}, true
	}
	r := timeRange{m.Low, math.MaxInt64}
	switch m.Op {
	case "", "eq":
		r.high = m.High
	case "gt", "ge", "sa", "ap":
	case "eb":
		r = timeRange{math.MinInt64, m.Low}
	default:
		return "", nil, false
	}
	return sqlDates, []any{h, r.low, r.high}, true
}

// after returns the first value above all that begin with the prefix.
func after(prefix string) ([]byte, bool) {
	b := []byte(prefix)
	for len(b) > 0 {
		if last := len(b) - 1; b[last] < 0xff {
			b[last]++
			return b, true
		}
		b = b[:len(b)-1]
	}
	return nil, false
}

// sorted makes a source of positions in any order.
func (s *search) sorted(l list) source {
	l = slices.DeleteFunc(l, func(pos int64) bool { return pos < s.low || pos >= s.high })
	slices.Sort(l)
	l = slices.Compact(l)
	slices.Reverse(l)
	return &l
}

// A list is a source of positions in order.
type list []int64

func (l *list) next() (int64, bool, error) {
	if len(*l) == 0 {
		return 0, false, nil
	}
	pos := (*l)[0]
	*l = (*l)[1:]
	return pos, true, nil
}

// merge makes a source of the positions under any of the terms.
func (s *search) merge(hs []int64) source {
	slices.Sort(hs)
	hs = slices.Compact(hs)
	m := &merged{last: math.MaxInt64}
	for _, h := range hs {
		m.streams = append(m.streams, &stream{search: s, h: h, high: s.high})
	}
	return m
}

type merged struct {
	streams []*stream
	last    int64
}

func (m *merged) next() (int64, bool, error) {
	best, found := int64(0), false
	for _, st := range m.streams {
		pos, ok, err := st.below(m.last)
		if err != nil {
			return 0, false, err
		}
		if ok && (!found || pos > best) {
			best, found = pos, true
		}
	}
	m.last = best
	return best, found, nil
}

// A stream reads the positions under one term, some at a time.
type stream struct {
	*search
	h    int64
	high int64 // what is not fetched yet lies below it
	buf  []int64
	size int
	done bool
}

// below drops positions until the first one is below the given.
func (st *stream) below(pos int64) (int64, bool, error) {
	for {
		for len(st.buf) > 0 {
			if st.buf[0] < pos {
				return st.buf[0], true, nil
			}
			st.buf = st.buf[1:]
		}
		if st.done {
			return 0, false, nil
		}
		if err := st.fetch(); err != nil {
			return 0, false, err
		}
	}
}

// fetch reads as many positions as a page needs, and then ever more.
func (st *stream) fetch() error {
	if st.size == 0 {
		st.size = min(st.q.Limit+1, 64)
	} else {
		st.size = min(2*st.size, 1024)
	}
	st.buf = st.buf[:0]
	err := st.query(sqlExact, func(row []driver.Value) error {
		st.buf = append(st.buf, integer(row[0]))
		return nil
	}, st.h, st.low, st.high, st.size)
	if err != nil {
		return err
	}
	if st.done = len(st.buf) < st.size; !st.done {
		st.high = st.buf[len(st.buf)-1]
	}
	return nil
}
