package sqlitestore

import (
	"database/sql/driver"
	"math"
	"slices"

	"trellis.example/gateway/store"
)

// canWalkRange reports whether the sort is by one parameter that has an index
// of ranges.
func (s *search) canWalkRange() bool {
	o := s.q.Sort[0]
	return len(s.q.Sort) == 1 && isRange(o.Kind) && !o.Silent
}

// sortByRange walks through the index of the parameter, and then shows those
// that have no value.
func (s *search) sortByRange() error {
	a := s.q.After
	inRest := a != nil && len(a.Sort) > 0 && a.Sort[0] == withoutValue
	if !inRest {
		if full, err := s.walkRange(); full || err != nil {
			return err
		}
	}
	w, err := s.all(false, s.parts...)
	if err != nil {
		return err
	}
	if inRest {
		w = w.beyond(s.after)
	}
	return s.matches(s.feed(w), func(c *candidate) (bool, error) { return c.sort[0] == withoutValue && s.show(c), nil }, nil)
}

// walkRange shows what has a value. Rows lie in the order of the ends that the
// sort asks for, or at most their width off; a version with several comes with
// the first of them.
func (s *search) walkRange() (full bool, err error) {
	rs := s.rangeStreams()
	o := &sorter{search: s, limit: maxCandidates}
	seen := map[int64]bool{}
	for {
		ps, edge, err := nextRows(rs, 64)
		if err != nil || len(ps) == 0 {
			return err == nil && o.release(func(candidate) bool { return true }), err
		}
		ps = slices.DeleteFunc(ps, func(pos int64) bool {
			was := seen[pos] || seqOf(pos) > s.page.Snapshot
			seen[pos] = true
			return was
		})
		f := &posFeed{conn: s.conn, src: (*list)(&ps), want: columns{entries: true}}
		if err := s.matches(f, func(c *candidate) (bool, error) { return false, o.put(c) }, nil); err != nil {
			return false, err
		}
		up := !s.q.Sort[0].Descending
		if o.release(func(c candidate) bool {
			v := sortedNumber(c.sort, up)
			return up && v < edge || !up && v > edge
		}) {
			return true, nil
		}
	}
}

// A rangeStream reads the rows of one width.
type rangeStream struct {
	*conn
	*tally
	h       int64
	up      bool
	off     int64 // how far before its row a value may lie
	at, pos int64 // the last row read
	buf     []dateRowAt
	done    bool
}

func (s *search) rangeStreams() (rs []*rangeStream) {
	o := s.q.Sort[0]
	start := rangeStream{conn: s.conn, tally: &s.cost, up: !o.Descending, at: math.MaxInt64, pos: math.MaxInt64}
	if start.up {
		start.at, start.pos = math.MinInt64, math.MinInt64
	}
	if s.q.After != nil && len(s.q.After.Sort) > 0 {
		start.at = sortedNumber(s.q.After.Sort, start.up)
	}
	for _, typ := range s.types() {
		for _, p := range s.partiesOf(store.Clause{Common: o.Common}) {
			for w := range manyWidths {
				r := start
				r.h, r.off = highTerm(typ, p, o.Param, o.Kind, w), 0
				if r.up && w == manyWidths-1 {
					r.h = lowTerm(typ, p, o.Param, o.Kind)
				} else if r.up {
					r.off = widthLimit(o.Kind, w)
				}
				rs = append(rs, &r)
			}
		}
	}
	return rs
}

func (s *search) types() (types []string) {
	for _, p := range s.parts {
		if !slices.Contains(types, p.Type) {
			types = append(types, p.Type)
		}
	}
	return types
}

// fill makes sure that there is a row unless there is none left.
func (r *rangeStream) fill() error {
	if len(r.buf) > 0 || r.done {
		return nil
	}
	const n = 64
	sql := sqlDatesDown
	if r.up {
		sql = sqlDatesUp
	}
	err := r.query(sql, func(row []driver.Value) error {
		r.at, r.pos = integer(row[0]), integer(row[1])
		r.buf = append(r.buf, dateRowAt{dateRow{r.h, r.at}, r.pos})
		return nil
	}, r.h, r.at, r.pos, n)
	r.rows += len(r.buf)
	r.done = len(r.buf) < n
	return err
}

// edge returns the first value, in the order of the walk, that can still come.
func (r *rangeStream) edge() int64 {
	at := r.buf[0].high
	if r.up && at > math.MinInt64+r.off {
		at -= r.off
	}
	return at
}

// nextRows returns the positions of the next n rows of all streams, and the
// edge of what comes after them.
func nextRows(rs []*rangeStream, n int) (ps []int64, edge int64, err error) {
	for {
		var best *rangeStream
		for _, r := range rs {
			if err := r.fill(); err != nil {
				return nil, 0, err
			}
			if len(r.buf) > 0 && (best == nil || r.up && r.edge() < best.edge() || !r.up && r.edge() > best.edge()) {
				best = r
			}
		}
		if best == nil {
			return ps, farEdge(rs), nil
		}
		if len(ps) == n {
			return ps, best.edge(), nil
		}
		ps = append(ps, best.buf[0].pos)
		best.buf = best.buf[1:]
	}
}

// farEdge lies beyond every value.
func farEdge(rs []*rangeStream) int64 {
	if len(rs) > 0 && rs[0].up {
		return math.MaxInt64
	}
	return math.MinInt64
}
