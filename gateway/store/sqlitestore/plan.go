package sqlitestore

import (
	"slices"

	"trellis.example/gateway/store"
)

// How a part of a query is driven. Any one of its clauses that lead, or the
// type under the view's parties, yields all candidates; the fewer the better.
// Rows are cheap and candidates are not, so a few rows of each are looked at:
// who has no more wins at once.

// probeRows is how many rows are looked at to find out who has few; a source in
// no order may have maxCollected.
const (
	probeRows    = 32
	maxCollected = 2000
)

// trialVersions is how many candidates of a source in order are looked at before
// a long one in no order is collected: a wide range is often met at once.
const trialVersions = 64

// A plan is what can drive a part.
type plan struct {
	exact     [][]int64 // terms; those of selective clauses come first
	unordered []unordered
	common    bool // one of them is kept by party
}

func (s *search) planOf(p store.Part) plan {
	var pl plan
	var common [][]int64
	done := make([]bool, 0, 8)
	leads := leading(p.Where, nil)
	for range leads {
		done = append(done, false)
	}
	for i, c := range leads {
		switch {
		case done[i]:
			continue
		case isRange(c.Kind) || c.Kind == store.Text:
			pl.unordered = append(pl.unordered, s.stretchesOf(p.Type, c, sameRange(leads, i, done)))
		case c.Common:
			common = append(common, s.termsOf(p.Type, c))
		default:
			pl.exact = append(pl.exact, s.termsOf(p.Type, c))
		}
		pl.common = pl.common || c.Common
	}
	pl.exact = append(pl.exact, common...)
	return pl
}

// leading returns the clauses that can drive, those within others too.
func leading(where, to []store.Clause) []store.Clause {
	for _, c := range where {
		switch {
		case !c.Leads():
		case len(c.Together) > 0:
			to = leading(c.Together, to)
		case c.Param != "_id" && c.Param != "_lastUpdated":
			to = append(to, c)
		}
	}
	return to
}

// sameRange returns the later clauses over the i-th one's range, and marks them
// done. Where a version has several entries, each clause may hold for another.
func sameRange(all []store.Clause, i int, done []bool) (same []store.Clause) {
	c := all[i]
	if !c.Single || !isRange(c.Kind) {
		return nil
	}
	for n := i + 1; n < len(all); n++ {
		if o := all[n]; o.Single && o.Param == c.Param && o.Kind == c.Kind && o.Common == c.Common {
			same, done[n] = append(same, o), true
		}
	}
	return same
}

func (s *search) partiesOf(c store.Clause) []string {
	if c.Common {
		return s.parties
	}
	return []string{""}
}

func (s *search) termsOf(typ string, c store.Clause) (hs []int64) {
	for _, p := range s.partiesOf(c) {
		for _, m := range c.Any {
			if c.Kind != store.Point {
				hs = append(hs, term(typ, p, c.Param, kindName(c.Kind), m.Value))
				continue
			}
			for _, cell := range m.Cells() {
				hs = append(hs, term(typ, p, c.Param, kindName(c.Kind), cell))
			}
		}
	}
	return hs
}

// only returns the terms that will drive without looking at others, as far as
// can be said beforehand; nil when there is a choice.
func (s *search) only(p store.Part) []int64 {
	if slices.ContainsFunc(p.Where, isIDs) {
		return nil
	}
	pl := s.planOf(p)
	switch {
	case len(pl.unordered) == 0 && len(pl.exact) == 0:
		return partyTerms(p.Type, s.parties, typeParam)
	case len(pl.unordered) == 0 && len(pl.exact) == 1 && (pl.common || s.q.View.All()):
		return pl.exact[0]
	}
	return nil
}

// first returns terms that are likely to answer a page at once.
func (s *search) first(p store.Part) []int64 {
	if slices.ContainsFunc(p.Where, isIDs) {
		return nil
	}
	for _, c := range leading(p.Where, nil) {
		if !c.Common && (c.Kind == store.Token || c.Kind == store.Reference) && len(c.Any) == 1 {
			return s.termsOf(p.Type, c)
		}
	}
	return nil
}

func isIDs(c store.Clause) bool { return len(c.Together) == 0 && c.Param == "_id" && !c.Not }

// source returns the best source of candidates of a part.
func (s *search) source(p store.Part, w window) (source, error) {
	for _, c := range p.Where {
		if isIDs(c) {
			return s.byID(p.Type, c, w)
		}
	}
	pl := s.planOf(p)
	var best streams
	try := func(hs []int64) (won bool, err error) {
		st := newStreams(s.conn, &s.cost, hs, w)
		if err := st.probe(probeRows); err != nil {
			return false, err
		}
		won = st.done()
		if won || best == nil || st.spread(w) > best.spread(w) {
			best = st
		}
		return won, nil
	}
	for _, hs := range pl.exact {
		if won, err := try(hs); won || err != nil {
			return best.source(w), err
		}
	}
	if l, ok, err := s.shortest(pl.unordered, probeRows); ok || err != nil {
		return s.listOf(l, w), err
	}
	if !pl.common && (best == nil || !s.q.View.All()) {
		if won, err := try(partyTerms(p.Type, s.parties, typeParam)); won || err != nil {
			return best.source(w), err
		}
	}
	if best == nil {
		best = newStreams(s.conn, &s.cost, partyTerms(p.Type, s.parties, typeParam), w)
	}
	if len(pl.unordered) == 0 {
		return best.source(w), nil
	}
	return &trial{search: s, src: best.source(w), left: trialVersions, window: w, then: func(w window) (source, error) {
		return s.compare(best, pl.unordered, w)
	}}, nil
}

// A trial yields some positions of a source and then those of another one, which
// is only made when it comes to that.
type trial struct {
	*search
	src    source
	left   int
	window window // what was not yielded yet
	then   func(window) (source, error)
}

func (t *trial) next() (pos int64, ok bool, err error) {
	if t.left == 0 && t.then != nil {
		t.src, err = t.then(t.window)
		t.then = nil
	}
	if err != nil {
		return 0, false, err
	}
	if pos, ok, err = t.src.next(); ok && t.left > 0 {
		t.left--
		t.window = t.window.beyond(pos)
	}
	return pos, ok, err
}

// compare chooses between streams and sources in no order, none of which is
// short.
func (s *search) compare(st streams, u []unordered, w window) (source, error) {
	var hs []int64
	for _, one := range st {
		hs = append(hs, one.h)
	}
	st = newStreams(s.conn, &s.cost, hs, w)
	l, ok, err := s.shortest(u, maxCollected)
	if err != nil || !ok {
		return st.source(w), err
	}
	if err := st.probe(len(l)); err != nil {
		return nil, err
	}
	if st.done() && st.read() <= len(l) {
		return st.source(w), nil
	}
	return s.listOf(l, w), nil
}

// shortest collects the source that has the fewest positions, none more than n.
func (s *search) shortest(u []unordered, n int) (best []int64, ok bool, err error) {
	for _, one := range u {
		ps, fits, err := s.collect(one, n)
		if err != nil {
			return nil, false, err
		}
		if fits && (!ok || len(ps) < len(best)) {
			best, ok, n = ps, true, len(ps)
		}
	}
	return best, ok, nil
}

func (s *search) listOf(ps []int64, w window) source {
	l := list(w.sort(ps))
	return &l
}

func (s *search) byID(typ string, c store.Clause, w window) (source, error) {
	var ps []int64
	for _, m := range c.Any {
		pos, ok, err := s.positionAt(store.Key{Type: typ, ID: m.Value}, (s.page.Snapshot+1)<<posBits)
		if err != nil {
			return nil, err
		}
		s.cost.rows++
		if ok {
			ps = append(ps, pos)
		}
	}
	return s.listOf(ps, w), nil
}
