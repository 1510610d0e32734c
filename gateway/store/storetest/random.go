package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"trellis.example/auth"
	"trellis.example/gateway/store"
)

// testRandom makes random commits and asks random questions of the store and
// of the model, which must agree on everything. The seed is printed when they
// do not. Wide asks with everything that a query can have.
func testRandom(t *testing.T, open Opener, wide bool) {
	rounds := 3
	if testing.Short() {
		rounds = 1
	}
	for range rounds {
		seed := rand.Uint64()
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			f := newFixture(t, open)
			w := &world{fixture: f, rnd: rand.New(rand.NewPCG(seed, 1)), model: NewModel(), wide: wide}
			for step := range 250 {
				w.step(t, step)
				if t.Failed() {
					t.Fatalf("stopped at step %d", step)
				}
			}
		})
	}
}

// A world is a store and its model.
type world struct {
	*fixture
	rnd       *rand.Rand
	model     *Model
	wide      bool
	snapshots []int64
	last      int64
}

var (
	someTypes   = []string{"Task", "Patient"}
	someParties = []string{"a", "b", "c", auth.PartyPublic}
	someLabels  = []string{"s|R", "s|V"}
)

func (w *world) step(t *testing.T, n int) {
	switch {
	case n%50 == 49:
		w.crash(t)
	case n%67 == 66:
		w.clock.Advance(16 * time.Minute)
		if err := w.Sweep(ctx(t), w.clock.Now()); err != nil {
			t.Fatal(err)
		}
		w.snapshots = nil
	case w.rnd.IntN(5) < 3:
		w.randomCommit(t)
	default:
		w.compareRead(t)
		w.compareSearch(t)
		w.compareRest(t)
		if w.wide {
			w.compareHistories(t)
			w.compareScan(t)
		}
	}
}

func (w *world) key() store.Key {
	return store.Key{Type: pick(w.rnd, someTypes), ID: fmt.Sprint("k", w.rnd.IntN(12))}
}

func (w *world) view() auth.View {
	if w.rnd.IntN(4) == 0 {
		return system
	}
	types := []string{"*"}
	if w.rnd.IntN(5) == 0 {
		types = []string{pick(w.rnd, someTypes)}
	}
	return auth.NewView(some(w.rnd, someParties[:3]), types, some(w.rnd, someLabels))
}

func (w *world) access() auth.Access {
	if w.rnd.IntN(3) == 0 {
		return auth.Access{}
	}
	a := auth.NewAccess(pick(w.rnd, someParties[:3]), some(w.rnd, someParties)...)
	if w.rnd.IntN(4) == 0 {
		a.Labels = some(w.rnd, someLabels)
	}
	return a
}

func (w *world) randomCommit(t *testing.T) {
	var c store.Commit
	seen := map[store.Key]bool{}
	for range w.rnd.IntN(4) {
		k := w.key()
		if seen[k] {
			continue
		}
		seen[k] = true
		c.Writes = append(c.Writes, w.randomWrite(k))
	}
	if w.rnd.IntN(4) == 0 {
		c.Claims = []store.Claim{w.claim("s", fmt.Sprint(w.rnd.IntN(9)), fmt.Sprint(w.next()))}
	}
	if w.rnd.IntN(4) == 0 {
		d := store.DocWrite{Kind: "doc", ID: fmt.Sprint(w.rnd.IntN(4)), Body: []byte(fmt.Sprint(w.next())), Delete: w.rnd.IntN(4) == 0}
		d.Expect = w.model.docs[[2]string{d.Kind, d.ID}].Version
		if w.rnd.IntN(5) == 0 || d.Delete && d.Expect == 0 {
			d.Expect++
		}
		c.Docs = []store.DocWrite{d}
	}
	want := w.model.Check(c, w.clock.Now())
	r, err := w.Commit(ctx(t), c)
	if !sameError(err, want) {
		t.Fatalf("commit: %v (%+v), the model says %v (%+v)", err, err, want, want)
	}
	if err == nil {
		if r.Seq <= w.last && len(c.Writes)+len(c.Claims)+len(c.Docs) > 0 {
			t.Fatalf("commit %d after commit %d", r.Seq, w.last)
		}
		w.last = max(w.last, r.Seq)
		w.model.Apply(c, r.Seq)
	}
}

func (w *world) randomWrite(k store.Key) store.Write {
	wr := w.write(k, 0, w.access())
	wr.View = w.view()
	cur := w.model.current(k)
	if cur != nil {
		wr.Expect = cur.Number
	}
	if w.rnd.IntN(8) == 0 {
		wr.Expect += w.rnd.IntN(2)*2 - 1
	}
	wr.Expect = max(wr.Expect, 0)
	wr.Deleted = wr.Expect > 0 && w.rnd.IntN(6) == 0
	wr.Updated = wr.Updated.Add(time.Duration(w.rnd.IntN(1e7)) * time.Microsecond)
	if w.wide && cur != nil && !wr.Updated.After(cur.Updated.Add(time.Millisecond)) {
		// What was current when needs the times of a key to go forward.
		wr.Updated = cur.Updated.Add(time.Millisecond)
	}
	for range w.rnd.IntN(5) {
		if w.wide {
			wr.Index = append(wr.Index, w.wideIndex())
			continue
		}
		wr.Index = append(wr.Index, w.index())
	}
	return wr
}

// index returns an entry; a parameter's name says its kind and whether it is
// common.
func (w *world) index() store.Index {
	e := store.Index{Kind: store.Kind(1 + w.rnd.IntN(5)), Common: w.rnd.IntN(2) == 0}
	e.Param = fmt.Sprintf("p%d%t", e.Kind, e.Common)
	switch e.Kind {
	case store.Date:
		e.Low = int64(w.rnd.IntN(20))
		e.High = e.Low + int64(w.rnd.IntN(5))
	case store.Token:
		e.System, e.Value = pick(w.rnd, []string{"", "s1", "s2"}), pick(w.rnd, []string{"x", "y", "z"})
	default:
		e.Value = pick(w.rnd, []string{"x", "xy", "xyz", "z"})
	}
	return e
}

func (w *world) clause() store.Clause {
	if w.rnd.IntN(8) == 0 {
		return store.Clause{Param: "_id", Kind: store.Token, Any: []store.Match{{Value: w.key().ID}, {Value: w.key().ID}}}
	}
	if w.rnd.IntN(8) == 0 {
		at := w.clock.Now().UnixMilli()
		return store.Clause{Param: "_lastUpdated", Kind: store.Date, Any: []store.Match{{Low: at, High: at + 5000, Op: w.op()}}}
	}
	e := w.index()
	c := store.Clause{Param: e.Param, Kind: e.Kind, Common: e.Common}
	for range 1 + w.rnd.IntN(2) {
		c.Any = append(c.Any, store.Match{System: e.System, Value: e.Value, AnySystem: w.rnd.IntN(2) == 0, Low: e.Low, High: e.High, Op: w.op()})
		if n := w.index(); n.Kind == e.Kind {
			e = n
		}
	}
	return c
}

func (w *world) op() string {
	return pick(w.rnd, []string{"eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap", ""})
}

func (w *world) compareRead(t *testing.T) {
	k, v := w.key(), w.view()
	want := w.model.History(k)
	got, err := w.Read(ctx(t), v, k)
	if len(want) == 0 || !v.Sees(k.Type, want[0].Access) {
		wantErr(t, "Read", err, store.ErrNotFound)
		_, err = w.History(ctx(t), store.HistoryQuery{View: v, Key: k, Limit: 3})
		wantErr(t, "History", err, store.ErrNotFound)
		return
	}
	if err != nil {
		t.Fatalf("Read: %v", err)
	}
	sameVersion(t, got, want[0])
	p, err := w.History(ctx(t), store.HistoryQuery{View: v, Key: k, Limit: 1000})
	if err != nil {
		t.Fatalf("History: %v", err)
	}
	sameWalk(t, "history", p.Versions, want)
	n := w.rnd.IntN(len(want))
	got, err = w.ReadVersion(ctx(t), v, k, want[n].Number)
	if err != nil {
		t.Fatalf("ReadVersion: %v", err)
	}
	sameVersion(t, got, want[n])
}

func (w *world) compareSearch(t *testing.T) {
	q := store.Query{View: w.view(), Type: pick(w.rnd, someTypes), Limit: 1 + w.rnd.IntN(6), Total: true}
	if w.wide {
		w.widen(&q)
	} else {
		for range w.rnd.IntN(3) {
			q.Where = append(q.Where, w.clause())
		}
	}
	first := w.search(t, q)
	w.compareWalk(t, q, first.Snapshot)
	if first.Snapshot == 0 {
		return // nothing has been written, and 0 asks for the present
	}
	w.snapshots = append(w.snapshots, first.Snapshot)
	// Older snapshots agree for a view that no change of access can touch.
	q.View = system
	q.Snapshot = pick(w.rnd, w.snapshots)
	w.compareWalk(t, q, q.Snapshot)
}

func (w *world) compareWalk(t *testing.T, q store.Query, snapshot int64) {
	t.Helper()
	want := w.model.Search(q, snapshot)
	got := w.walk(t, q, func(int) {})
	sameWalk(t, fmt.Sprintf("search %+v", q), got, want)
	if p := w.search(t, q); p.Total != len(want) {
		t.Errorf("search %+v: total %d, want %d", q, p.Total, len(want))
	}
}

func (w *world) compareRest(t *testing.T) {
	for k, want := range w.model.docs {
		got, err := w.Doc(ctx(t), k[0], k[1])
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("doc %+v, %v; want %+v", got, err, want)
		}
	}
	for k, want := range w.model.claims {
		got, ok, err := w.Claimed(ctx(t), k[0], k[1])
		if err != nil || ok != want.Expires.After(w.clock.Now()) || ok && string(got.Answer) != string(want.Answer) {
			t.Errorf("claim %q, %t, %v; want %q", got.Answer, ok, err, want.Answer)
		}
	}
}

// sameError compares errors as far as the contract fixes them.
func sameError(got, want error) bool {
	if want == nil || got == nil {
		return got == nil && want == nil
	}
	if w, ok := errors.AsType[*store.Conflict](want); ok {
		g, ok := errors.AsType[*store.Conflict](got)
		return ok && *g == *w
	}
	if w, ok := errors.AsType[*store.Taken](want); ok {
		g, ok := errors.AsType[*store.Taken](got)
		return ok && string(g.Claim.Answer) == string(w.Claim.Answer)
	}
	return errors.Is(got, want)
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

// some returns each element with an even chance.
func some[T any](r *rand.Rand, from []T) []T {
	var out []T
	for _, x := range from {
		if r.IntN(2) == 0 {
			out = append(out, x)
		}
	}
	return out
}
