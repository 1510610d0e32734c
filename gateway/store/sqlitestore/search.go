package sqlitestore

import (
	"cmp"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"

	"trellis.example/gateway/store"
)

// maxCandidates is how many versions a search may examine.
const maxCandidates = 10_000

var errTooCostly = fmt.Errorf("%w: more than %d candidates; add a parameter that fewer resources match, such as identifier, patient or a narrower date",
	store.ErrTooCostly, maxCandidates)

// Search implements store.Store. For each part of the query one clause, the most
// selective, yields the positions of candidates; each candidate is then compared
// with the whole query and the view.
func (s *Store) Search(ctx context.Context, q store.Query) (page store.Page, err error) {
	q.Limit = min(max(q.Limit, 1), 1000)
	run := func(known *commits) func(*conn) error {
		return func(c *conn) error {
			r := &search{conn: c, ctx: ctx, q: q, budget: maxCandidates, known: known, params: paramsOf(q)}
			err := r.run()
			s.looked.Add(int64(r.cost.rows + r.cost.versions))
			page = r.page
			return err
		}
	}
	if err = errUnknown; s.alone() {
		err = s.queries(ctx, run(&s.commits))
	}
	if errors.Is(err, errUnknown) {
		err = s.snapshot(ctx, run(nil))
	}
	if err != nil {
		return store.Page{}, err
	}
	return page, nil
}

// errUnknown says that the database must be asked for what can be shown.
var errUnknown = errors.New("the snapshot may be another")

// paramsOf returns the parameters whose entries a query is about.
func paramsOf(q store.Query) (params []string) {
	var add func(where []store.Clause)
	add = func(where []store.Clause) {
		for _, c := range where {
			params = append(params, c.Param)
			add(c.Together)
		}
	}
	for _, p := range q.Parts() {
		add(p.Where)
	}
	for _, o := range q.Sort {
		params = append(params, o.Param)
	}
	if q.Values != "" {
		params = append(params, q.Values)
	}
	slices.Sort(params)
	return slices.Compact(params)
}

// A search is one page being made.
type search struct {
	*conn
	ctx      context.Context
	q        store.Query
	known    *commits     // nil: the database is asked, in one transaction
	params   []string     // of whose entries there is need
	parts    []store.Part // those whose type the view sees
	parties  []string     // of the view
	after    int64        // the position of q.After, when there is one
	byCommit bool         // see sortByTime
	examined int
	budget   int // how many may be examined
	cost     tally
	page     store.Page
	found    []*candidate // the page's
}

func (s *search) run() error {
	s.page.Total = -1
	if s.q.Total {
		s.page.Total = 0
	}
	if err := s.openSnapshot(); err != nil {
		return err
	}
	for _, p := range s.q.Parts() {
		if s.q.View.SeesType(p.Type) {
			s.parts = append(s.parts, p)
		}
	}
	if len(s.parts) == 0 {
		return nil
	}
	s.parties = viewParties(s.q.View)
	if err := s.findAfter(); err != nil {
		return err
	}
	if err := s.pick(); err != nil {
		return err
	}
	if err := s.finish(); err != nil {
		return err
	}
	if s.known != nil && s.page.Snapshot < s.known.horizon.Load() {
		return errUnknown // it was swept meanwhile
	}
	return nil
}

// openSnapshot chooses what is shown. The number of the last commit is known
// before it is acknowledged. What came later is passed over by its number, in
// whatever query it appears; only a sweep takes rows away, and the horizon is
// known before that happens.
func (s *search) openSnapshot() error {
	if s.known != nil {
		now := s.known.seq.Load()
		s.page.Snapshot = cmp.Or(s.q.Snapshot, now)
		if s.page.Snapshot > now || s.page.Snapshot < s.known.horizon.Load() {
			return errUnknown
		}
		return nil
	}
	now, horizon, err := s.now()
	if err != nil {
		return err
	}
	s.page.Snapshot = cmp.Or(s.q.Snapshot, now)
	if s.page.Snapshot > now || s.page.Snapshot < horizon {
		return store.ErrExpired
	}
	return nil
}

// findAfter works out where the page begins. A place that is not known, though
// no version ever ceases to exist, is taken for the end of its commit.
func (s *search) findAfter() error {
	a := s.q.After
	if a == nil {
		return nil
	}
	pos, ok, err := s.positionAt(store.Key{Type: cmp.Or(a.Type, s.q.Type), ID: a.ID}, (a.Seq+1)<<posBits)
	if s.after = a.Seq << posBits; ok && seqOf(pos) == a.Seq {
		s.after = pos
	}
	return err
}

// positionAt returns the position of the version of a key that was current
// below the given position.
func (c *conn) positionAt(k store.Key, below int64) (pos int64, ok bool, err error) {
	h, err := c.head(k)
	if err != nil || h.number == 0 {
		return 0, false, err
	}
	if h.pos < below {
		return h.pos, true, nil
	}
	return c.number(sqlPastAt, k.Type, k.ID, below)
}

// all returns the window in which candidates of some parts lie.
func (s *search) all(up bool, parts ...store.Part) (window, error) {
	w := window{up: up}
	for i, p := range parts {
		first, last, err := s.seqRange(slotUpdated, updatedRange(p.Where))
		if err != nil {
			return w, err
		}
		low, high := first<<posBits, (min(last, s.page.Snapshot)+1)<<posBits
		if i == 0 {
			w.low, w.high = low, high
		}
		w.low, w.high = min(w.low, low), max(w.high, high)
	}
	return w, nil
}

// pick chooses how the page is found.
func (s *search) pick() error {
	if len(s.q.Sort) > 0 {
		return s.pickSorted()
	}
	return s.inOrder()
}

// inOrder goes through the candidates in natural order until the page is full,
// or through all when they are to be counted.
func (s *search) inOrder() error {
	w, err := s.all(false, s.parts...)
	if err != nil {
		return err
	}
	if s.q.After != nil && !s.q.Total {
		w = w.beyond(s.after)
	}
	return s.walk(s.feed(w), func(c *candidate) (bool, error) { return s.add(c, w), nil }, nil)
}

// add counts a match and puts it on the page; it reports whether the search can
// end.
func (s *search) add(c *candidate, w window) (full bool) {
	if s.q.Total {
		s.page.Total++
	}
	if s.q.After != nil && !w.before(s.after, c.pos) {
		return false
	}
	return s.show(c) && !s.q.Total
}

// show puts a match on the page unless that is full.
func (s *search) show(c *candidate) (full bool) {
	if len(s.found) == s.q.Limit {
		s.page.More = true
		return true
	}
	if s.found == nil {
		s.found = make([]*candidate, 0, min(s.q.Limit, 64))
	}
	s.found = append(s.found, c)
	return false
}

// walk calls each with the candidates that belong to the answer until it says
// that it has enough, and behind, unless nil, after some with the last position
// looked at.
func (s *search) walk(f feed, each func(*candidate) (done bool, err error), behind func(pos int64) (done bool, err error)) error {
	for n := min(s.q.Limit+1, 64); ; n = min(2*n, 256) {
		if err := s.ctx.Err(); err != nil {
			return err
		}
		cs, err := f.next(n)
		if err != nil || len(cs) == 0 {
			return err
		}
		for i := range cs {
			shown, err := s.shows(&cs[i])
			if err != nil {
				return err
			}
			if !shown {
				continue
			}
			if done, err := each(&cs[i]); done || err != nil {
				return err
			}
		}
		if behind == nil {
			continue
		}
		if done, err := behind(cs[len(cs)-1].pos); done || err != nil {
			return err
		}
	}
}

// shows decides whether a candidate belongs to the answer.
func (s *search) shows(c *candidate) (bool, error) {
	s.cost.versions++
	if s.examined++; s.examined > s.budget {
		return false, errTooCostly
	}
	if c.deleted || !s.q.View.Sees(c.key.Type, c.access) {
		return false, nil
	}
	meets, err := s.meets(c)
	if err != nil || !meets {
		return false, err
	}
	return s.currentAt(c, s.page.Snapshot)
}

// meets reports whether the candidate is what one of the parts asks for.
func (s *search) meets(c *candidate) (bool, error) {
	for _, p := range s.parts {
		if p.Type != c.key.Type {
			continue
		}
		if len(p.Where) > 0 {
			if err := c.parse(s.params); err != nil {
				return false, err
			}
		}
		if holdAll(p.Where, c) {
			return true, nil
		}
	}
	return false, nil
}

func holdAll(where []store.Clause, c *candidate) bool {
	for _, cl := range where {
		if !cl.Holds(c.key.ID, c.updated, c.index) {
			return false
		}
	}
	return true
}

// finish makes the page of what was found.
func (s *search) finish() error {
	if err := s.loadBodies(); err != nil {
		return err
	}
	if len(s.found) > 0 {
		s.page.Versions = make([]store.Version, 0, len(s.found))
	}
	for _, c := range s.found {
		v := c.version()
		if s.q.KeysOnly {
			v.Body = nil
		}
		if s.q.Values != "" {
			if err := c.parse(s.params); err != nil {
				return err
			}
			for _, e := range c.index {
				if e.Param == s.q.Values && e.Kind == store.Reference {
					v.Values = append(v.Values, e.Value)
				}
			}
		}
		s.page.Versions = append(s.page.Versions, v)
	}
	if n := len(s.found); s.page.More && n > 0 {
		last := s.found[n-1]
		s.page.Next = &store.Position{Seq: seqOf(last.pos), Type: last.key.Type, ID: last.key.ID, Number: last.number, Sort: last.sort}
	}
	return nil
}

func (s *search) loadBodies() error {
	if s.q.KeysOnly {
		return nil
	}
	var ps []int64
	var at map[int64]*candidate
	for _, c := range s.found {
		if !c.hasBody {
			if at == nil {
				at = map[int64]*candidate{}
			}
			at[c.pos] = c
			ps = append(ps, c.pos)
		}
	}
	return s.lookUp(sqlBodyAt, sqlBodiesAt, ps, func(row []driver.Value) error {
		at[integer(row[0])].body = bytesOf(row[1])
		return nil
	})
}
