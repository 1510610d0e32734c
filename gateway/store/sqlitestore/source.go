package sqlitestore

import (
	"database/sql/driver"
	"slices"
)

// A source yields positions of candidates, each once, in the order of its
// window.
type source interface {
	next() (pos int64, ok bool, err error)
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

// A union merges sources of one direction.
type union struct {
	window window
	srcs   []source
	heads  []int64
	primed bool
}

func (u *union) next() (pos int64, ok bool, err error) {
	if !u.primed {
		u.primed = true
		u.heads = make([]int64, len(u.srcs))
		for i := len(u.srcs) - 1; i >= 0; i-- {
			if err := u.advance(i); err != nil {
				return 0, false, err
			}
		}
	}
	for _, h := range u.heads {
		if !ok || u.window.before(h, pos) {
			pos, ok = h, true
		}
	}
	for i := len(u.heads) - 1; i >= 0; i-- {
		if u.heads[i] == pos {
			if err := u.advance(i); err != nil {
				return 0, false, err
			}
		}
	}
	return pos, ok, nil
}

// terms returns the terms of the streams that were merged, if they are few.
func (u *union) terms() (hs []int64) {
	if len(u.srcs) > manyTerms {
		return nil
	}
	for _, src := range u.srcs {
		st, ok := src.(*stream)
		if !ok {
			return nil
		}
		hs = append(hs, st.h)
	}
	return hs
}

// advance moves a source on, and drops it at its end.
func (u *union) advance(i int) error {
	pos, ok, err := u.srcs[i].next()
	if ok {
		u.heads[i] = pos
		return err
	}
	u.srcs = slices.Delete(u.srcs, i, i+1)
	u.heads = slices.Delete(u.heads, i, i+1)
	return err
}

// A stream reads the positions under one exact term, some at a time.
type stream struct {
	*conn
	*tally
	h      int64
	window window // what is not fetched yet
	buf    []int64
	size   int // of the next fetch
	read   int // rows so far
	done   bool
}

func (st *stream) next() (int64, bool, error) {
	if len(st.buf) == 0 {
		if err := st.fetch(); err != nil || len(st.buf) == 0 {
			return 0, false, err
		}
	}
	pos := st.buf[0]
	st.buf = st.buf[1:]
	return pos, true, nil
}

// fetch reads as many positions as a page needs, and then ever more.
func (st *stream) fetch() error {
	if st.done || st.window.isEmpty() {
		st.done = true
		return nil
	}
	sql := sqlExact
	if st.window.up {
		sql = sqlExactUp
	}
	n := 0
	err := st.query(sql, func(row []driver.Value) error {
		n++
		st.buf = append(st.buf, integer(row[0]))
		return nil
	}, st.h, st.window.low, st.window.high, st.size)
	if err != nil {
		return err
	}
	st.rows += n
	st.read += n
	if st.done = n < st.size; !st.done {
		st.window = st.window.beyond(st.buf[len(st.buf)-1])
	}
	st.size = min(2*st.size, 1024)
	return nil
}

// streams are the positions under any of some terms.
type streams []*stream

// firstFetch is how many positions a stream reads at first.
const firstFetch = 32

func newStreams(c *conn, t *tally, hs []int64, w window) streams {
	hs = slices.Clone(hs)
	slices.Sort(hs)
	var all streams
	for _, h := range slices.Compact(hs) {
		all = append(all, &stream{conn: c, tally: t, h: h, window: w, size: firstFetch})
	}
	return all
}

// source merges the streams, of which nothing may have been taken yet.
func (all streams) source(w window) source {
	if all.done() {
		var ps []int64
		for _, st := range all {
			ps = append(ps, st.buf...)
		}
		l := list(w.sort(ps))
		return &l
	}
	u := &union{window: w}
	for _, st := range all {
		u.srcs = append(u.srcs, st)
	}
	return u
}

// probe reads ahead until it knows all positions, or n of each stream.
func (all streams) probe(n int) error {
	for _, st := range all {
		for !st.done && st.read < n {
			if err := st.fetch(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (all streams) done() bool {
	for _, st := range all {
		if !st.done {
			return false
		}
	}
	return true
}

func (all streams) read() (n int) {
	for _, st := range all {
		n += st.read
	}
	return n
}

// spread estimates how far apart the positions lie.
func (all streams) spread(w window) float64 {
	known, n := w, 1
	for _, st := range all {
		if !st.done && st.read > 0 {
			edge := st.buf[len(st.buf)-1]
			if w.up {
				known.high = min(known.high, edge+1)
			} else {
				known.low = max(known.low, edge)
			}
		}
	}
	for _, st := range all {
		for _, pos := range st.buf {
			if known.contains(pos) {
				n++
			}
		}
	}
	return float64(known.high-known.low) / float64(n)
}
