package sqlitestore

import (
	"database/sql/driver"
	"slices"
)

// A feed yields candidates in the order of its window, at most n at a time;
// none at its end.
type feed interface {
	next(n int) ([]candidate, error)
}

// A tally counts what a search costs: rows of an index stepped over and
// versions looked at.
type tally struct{ rows, versions int }

// A termFeed reads the versions under a few exact terms, each with a single
// statement for index, version and key.
type termFeed struct {
	*conn
	*tally
	hs     []int64 // as many as there is a statement for
	window window
	want   columns
	done   bool
}

// columns are what is read of candidates beside the rest.
type columns struct{ bodies, entries bool }

// manyTerms is how many terms a termFeed can have.
const manyTerms = 4

func newTermFeed(c *conn, t *tally, hs []int64, w window, want columns) *termFeed {
	hs = slices.Clone(hs)
	slices.Sort(hs)
	hs = slices.Compact(hs)
	if len(hs) == 0 {
		return &termFeed{done: true}
	}
	for len(hs) != 1 && len(hs) != 2 && len(hs) != manyTerms {
		hs = append(hs, hs[0])
	}
	return &termFeed{conn: c, tally: t, hs: hs, window: w, want: want}
}

func (f *termFeed) next(n int) (cs []candidate, err error) {
	if f.done || f.window.isEmpty() {
		return nil, nil
	}
	args := append(make([]any, 0, 5+manyTerms), flag(f.want.bodies), flag(f.want.entries), f.window.low, f.window.high, int64(n))
	for _, h := range f.hs {
		args = append(args, h)
	}
	cs = make([]candidate, 0, min(n, 64))
	err = f.query(sqlUnder(len(f.hs), f.window.up), func(row []driver.Value) error {
		c, err := f.readCandidate(row)
		cs = append(cs, c)
		return err
	}, args...)
	f.rows += len(cs)
	f.done = len(cs) < n
	if len(cs) > 0 {
		f.window = f.window.beyond(cs[len(cs)-1].pos)
	}
	return cs, err
}

// newFeed returns the versions under the terms, as it is fastest.
func newFeed(c *conn, t *tally, hs []int64, w window, want columns) feed {
	if len(hs) <= manyTerms {
		return newTermFeed(c, t, hs, w, want)
	}
	return &posFeed{conn: c, src: newStreams(c, t, hs, w).source(w), want: want}
}

// A posFeed looks up the versions at the positions of a source.
type posFeed struct {
	*conn
	src  source
	want columns
	buf  []int64
}

func (f *posFeed) next(n int) ([]candidate, error) {
	f.buf = f.buf[:0]
	for len(f.buf) < n {
		pos, ok, err := f.src.next()
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		f.buf = append(f.buf, pos)
	}
	return f.candidates(f.buf, f.want)
}

// feed returns what yields the candidates of all parts.
func (s *search) feed(w window) feed {
	f := &searchFeed{search: s, window: w}
	if len(s.parts) != 1 {
		return f
	}
	p := s.parts[0]
	hs := s.only(p)
	if f.sure = hs != nil; !f.sure {
		hs = s.first(p)
	}
	if len(hs) > 0 && len(hs) <= manyTerms {
		f.terms = newTermFeed(s.conn, &s.cost, hs, w, columns{!s.q.KeysOnly && len(s.q.Sort) == 0, true})
	}
	return f
}

// A searchFeed begins with the terms that are likely to answer at once, and
// looks for the best source when they did not.
type searchFeed struct {
	*search
	window window
	terms  *termFeed
	sure   bool // there is no better source
	rest   feed
}

func (f *searchFeed) next(n int) ([]candidate, error) {
	if f.terms != nil {
		cs, err := f.terms.next(n)
		if err != nil || f.terms.done || f.sure {
			// Bodies are worth reading along while nearly all are shown.
			f.terms.want.bodies = f.terms.want.bodies && len(f.parts[0].Where) <= 1 && !f.q.Total
			return cs, err
		}
		f.window, f.terms = f.terms.window, nil
		return cs, nil
	}
	if f.rest == nil {
		if err := f.plan(); err != nil {
			return nil, err
		}
	}
	return f.rest.next(n)
}

// plan looks for the best source of the rest. A few streams are read with what
// they lead to.
func (f *searchFeed) plan() error {
	src, err := f.sources(f.window)
	if err != nil {
		return err
	}
	if st, ok := src.(*union); ok && len(f.parts) == 1 {
		if hs := st.terms(); hs != nil {
			f.rest = newTermFeed(f.conn, &f.cost, hs, st.window, columns{entries: true})
			return nil
		}
	}
	f.rest = &posFeed{conn: f.conn, src: src, want: columns{entries: true}}
	return nil
}

// sources returns the candidates of all parts within the window.
func (s *search) sources(w window) (source, error) {
	if len(s.parts) == 1 {
		return s.source(s.parts[0], w)
	}
	u := &union{window: w}
	for _, p := range s.parts {
		own, err := s.all(w.up, p)
		if err != nil {
			return nil, err
		}
		own.low, own.high = max(own.low, w.low), min(own.high, w.high)
		src, err := s.source(p, own)
		if err != nil {
			return nil, err
		}
		u.srcs = append(u.srcs, src)
	}
	return u, nil
}
