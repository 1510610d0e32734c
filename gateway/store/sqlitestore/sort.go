package sqlitestore

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"math"
	"slices"

	"trellis.example/gateway/store"
)

// A sorted page is made in one of three ways. By time, candidates are walked
// through in the order of commits, which nearly is that order. By anything else
// all matches are collected and sorted; when they are many, a single date or
// number can be walked through in the order of its index.

// fewCandidates is how many are looked at before another way is tried.
const fewCandidates = 1000

func (s *search) pickSorted() error {
	first := s.q.Sort[0]
	byTime := first.Param == "_lastUpdated"
	a := s.q.After
	s.byCommit = byTime && a != nil && len(a.Sort) > 0 && a.Sort[0] == commitOrder
	switch {
	case s.q.Total:
		return s.sortAll(maxCandidates)
	case byTime:
		return s.sortByTime()
	case !s.canWalkRange():
		return s.sortAll(maxCandidates)
	}
	err := s.sortAll(fewCandidates)
	if !errors.Is(err, store.ErrTooCostly) {
		return err
	}
	s.restart()
	return s.sortByRange()
}

// restart forgets what a way that failed has found.
func (s *search) restart() {
	s.found, s.page.More = nil, false
	s.examined, s.budget = 0, maxCandidates
}

// matches is walk that gives each match its sort key.
func (s *search) matches(f feed, each func(*candidate) (bool, error), behind func(int64) (bool, error)) error {
	return s.walk(f, func(c *candidate) (bool, error) {
		err := s.setKey(c)
		if err != nil {
			return false, err
		}
		return each(c)
	}, behind)
}

func (s *search) setKey(c *candidate) error {
	if err := c.parse(s.params); err != nil {
		return err
	}
	c.sort = store.SortKey(s.q.Sort, c.key.ID, c.updated, c.index)
	if s.byCommit {
		seq := uint64(seqOf(c.pos))
		if s.q.Sort[0].Descending {
			seq = ^seq
		}
		c.sort = append(binary.BigEndian.AppendUint64([]byte{commitOrder}, seq), c.sort...)
	}
	return nil
}

// commitOrder is the first byte of a sort key that has the number of the commit
// before the values; see sortByTime.
const commitOrder = 3

// keep returns what is needed of a candidate once it is known to match, so that
// thousands can be kept.
func (s *search) keep(c *candidate) candidate {
	k := *c
	k.entries, k.body, k.hasBody = nil, nil, false
	if s.q.Values == "" {
		k.index = nil
	}
	return k
}

func compareSorted(a, b candidate) int {
	return cmp.Or(bytes.Compare(a.sort, b.sort), cmp.Compare(b.pos, a.pos))
}

// isAfter reports whether a match comes after the place where the page begins.
func (s *search) isAfter(c *candidate) bool {
	return s.q.After == nil || compareSorted(*c, candidate{pos: s.after, sort: s.q.After.Sort}) > 0
}

// sortAll collects all matches, unless more than n candidates are to be looked
// at.
func (s *search) sortAll(n int) error {
	w, err := s.all(false, s.parts...)
	if err != nil {
		return err
	}
	var all []candidate
	s.budget = n
	err = s.matches(s.feed(w), func(c *candidate) (bool, error) {
		if s.q.Total {
			s.page.Total++
		}
		if s.isAfter(c) {
			all = append(all, s.keep(c))
		}
		return false, nil
	}, nil)
	if err != nil {
		return err
	}
	slices.SortFunc(all, compareSorted)
	for i := range all {
		if s.show(&all[i]) {
			break
		}
	}
	return nil
}

// A sorter holds back what it is given until nothing can come before it.
type sorter struct {
	*search
	waiting []candidate
	limit   int // of those that wait
}

var errOverflow = errors.New("too much waits to be sorted")

func (o *sorter) put(c *candidate) error {
	if !o.isAfter(c) {
		return nil
	}
	o.waiting = append(o.waiting, o.keep(c))
	if len(o.waiting) > o.limit {
		return errOverflow
	}
	return nil
}

// release shows those for which settled says that nothing can come before them
// any more, and reports whether the page is full.
func (o *sorter) release(settled func(candidate) bool) (full bool) {
	var out []candidate
	o.waiting = slices.DeleteFunc(o.waiting, func(c candidate) bool {
		if settled(c) {
			out = append(out, c)
			return true
		}
		return false
	})
	slices.SortFunc(out, compareSorted)
	for i := range out {
		if o.show(&out[i]) {
			return true
		}
	}
	return false
}

// sortByTime walks through the candidates in the order of commits and shows them
// in that of their times. Where too many lie in one slot of time, as after an
// import, commits are taken to be in the order of time, for the whole walk.
func (s *search) sortByTime() error {
	limit := maxCandidates
	if s.q.After == nil {
		limit = fewCandidates
	}
	err := s.walkTime(limit)
	if limit == fewCandidates && (errors.Is(err, errOverflow) || errors.Is(err, store.ErrTooCostly)) {
		s.restart()
		s.byCommit = true
		err = s.walkTime(maxCandidates)
	}
	if errors.Is(err, errOverflow) {
		err = errTooCostly
	}
	return err
}

func (s *search) walkTime(limit int) error {
	up := !s.q.Sort[0].Descending
	w, err := s.timeWindow(up)
	if err != nil {
		return err
	}
	s.budget = limit
	o := &sorter{search: s, limit: limit}
	full, edge := false, int64(math.MaxInt64)
	if up {
		edge = math.MinInt64
	}
	err = s.matches(s.feed(w), func(c *candidate) (bool, error) { return false, o.put(c) }, func(pos int64) (bool, error) {
		settled := func(c candidate) bool { return seqOf(c.pos) != seqOf(pos) }
		if !s.byCommit {
			edge, err = s.timeEdge(up, seqOf(pos), edge)
			settled = func(c candidate) bool { return up && slotAt(c.updated) < edge || !up && slotAt(c.updated) > edge }
		}
		full = err == nil && o.release(settled)
		return full, err
	})
	if err == nil && !full {
		o.release(func(candidate) bool { return true })
	}
	return err
}

// timeWindow returns where the matches lie that come after q.After.
func (s *search) timeWindow(up bool) (window, error) {
	w, err := s.all(up, s.parts...)
	if err != nil || s.q.After == nil {
		return w, err
	}
	at := sortedNumber(s.q.After.Sort, up)
	first, last := at, at
	if !s.byCommit {
		r := timeRange{at, math.MaxInt64}
		if !up {
			r = timeRange{math.MinInt64, at}
		}
		first, last, err = s.seqRange(slotUpdated, r)
	}
	if up {
		w.low = max(w.low, first<<posBits)
	} else {
		w.high = min(w.high, (last+1)<<posBits)
	}
	return w, err
}

// sortedNumber returns the first value of a sort key, which is a number.
func sortedNumber(key []byte, up bool) int64 {
	if len(key) < 9 || key[0] == withoutValue {
		return 0
	}
	n := binary.BigEndian.Uint64(key[1:])
	if !up {
		n = ^n
	}
	if key[0] == commitOrder {
		return int64(n)
	}
	return int64(n ^ 1<<63)
}

// withoutValue is the first byte of a sort key that begins without a value.
const withoutValue = 2

// timeEdge returns the slot of time beyond which, on the side that was walked
// through, nothing can be expected from commits further on than seq. It lies no
// nearer than the edge before.
func (s *search) timeEdge(up bool, seq, before int64) (int64, error) {
	sql := sqlEdgeDown
	if up {
		sql = sqlEdgeUp
	}
	day := before
	if before != math.MaxInt64 && before != math.MinInt64 {
		day = floorDiv(before, slotsOfDay)
	}
	day, ok, err := s.number(sql, slotUpdated+slotDays, day, seq)
	if err != nil || !ok {
		return before, err
	}
	if first := day * slotsOfDay; up {
		before = max(before, first)
	} else {
		before = min(before, first+slotsOfDay-1)
	}
	edge, ok, err := s.number(sql, slotUpdated, before, seq)
	if err != nil || !ok {
		return before, err
	}
	return edge, nil
}
