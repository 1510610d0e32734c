package storetest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"trellis.example/gateway/store"
)

// wideIndex returns an entry of any kind and mode; a parameter's name says
// which. Values are few, so that clauses often hold.
func (w *world) wideIndex() store.Index {
	e := store.Index{Kind: store.Kind(1 + w.rnd.IntN(8)), Group: w.rnd.IntN(3)}
	m := pick(w.rnd, modes)
	e.Common, e.Silent = m.common, m.silent
	e.Param = fmt.Sprintf("p%d%s", e.Kind, m.name)
	switch e.Kind {
	case store.Date:
		e.Low = int64(w.rnd.IntN(20))
		e.High = e.Low + int64(w.rnd.IntN(5))
	case store.Number:
		e.Low, e.High = w.randomRange()
	case store.Quantity:
		e.Low, e.High = w.randomRange()
		e.System, e.Value = pick(w.rnd, []string{"", "ucum", "local"}), pick(w.rnd, []string{"mg", "g"})
	case store.Point:
		e.Low, e.High = w.place()
	case store.Token:
		e.System, e.Value = pick(w.rnd, []string{"", "s1", "s2"}), pick(w.rnd, []string{"x", "y", "z"})
	case store.Text:
		e.System = pick(w.rnd, []string{"Smith", "SMITH", "Smi", "O'Neil", "ab%", "ab_c", "smithson"})
		e.Value = strings.ToLower(e.System)
	case store.Reference:
		e.Value = pick(w.rnd, []string{"Patient/1", "Patient/2", "Task/1", "https://e.org/Patient/1"})
	default:
		e.Value = pick(w.rnd, []string{"http://e.org/a", "http://e.org/a/b", "http://e.org/ab", "urn:x"})
	}
	return e
}

func (w *world) randomRange() (low, high int64) {
	n := float64(w.rnd.IntN(9)-4) / 2
	return numbers(n, n+float64(w.rnd.IntN(3)))
}

func (w *world) place() (lat, lon int64) {
	return pick(w.rnd, []int64{0, 100_000, 515_000_000, 899_900_000}), pick(w.rnd, []int64{1_799_900_000, -1_799_900_000, 1_800_000_000, 0})
}

// wideClause returns a clause of any shape over the parameters of wideIndex.
func (w *world) wideClause() store.Clause {
	switch w.rnd.IntN(12) {
	case 0:
		return store.Clause{Param: "_id", Kind: store.Token, Not: w.rnd.IntN(3) == 0, Any: []store.Match{{Value: w.key().ID}, {Value: w.key().ID}}}
	case 1:
		at := w.clock.Now().UnixMilli()
		return store.Clause{Param: "_lastUpdated", Kind: store.Date, Not: w.rnd.IntN(3) == 0, Any: []store.Match{{Low: at, High: at + 5000, Op: w.op()}}}
	case 2:
		c := w.plainClause()
		c.Any, c.Absent = nil, w.rnd.IntN(2) == 0
		c.Present = !c.Absent
		return c
	case 3:
		return store.Clause{Together: []store.Clause{w.plainClause(), w.plainClause()}}
	}
	c := w.plainClause()
	c.Not = w.rnd.IntN(5) == 0
	return c
}

func (w *world) plainClause() store.Clause {
	e := w.wideIndex()
	c := store.Clause{Param: e.Param, Kind: e.Kind, Common: e.Common, Silent: e.Silent}
	for n := 1 + w.rnd.IntN(2); len(c.Any) < n; e = w.wideIndex() {
		if e.Kind == c.Kind {
			c.Any = append(c.Any, w.match(e))
		}
	}
	return c
}

// match returns a match that looks for the entry, or for something near it.
func (w *world) match(e store.Index) store.Match {
	m := store.Match{System: e.System, Value: e.Value, Low: e.Low, High: e.High, AnySystem: w.rnd.IntN(2) == 0}
	other := w.rnd.IntN(3)
	switch e.Kind {
	case store.Date, store.Number:
		m.Op = w.op()
	case store.Quantity:
		m.Op = w.op()
		if other == 0 {
			m.System, m.Value = "", ""
		}
	case store.Point:
		m.Radius = pick(w.rnd, []float64{0, 1200, 3000, 200_000, 2.1e7})
	case store.Token:
		if other == 0 {
			m.Op = store.OpSystem
		}
	case store.Text:
		m.Op = []string{"", store.OpExact, store.OpContains}[other]
		if m.Op != store.OpExact {
			m.Value = m.Value[w.rnd.IntN(2)*other/2 : 1+w.rnd.IntN(len(m.Value))]
		}
	case store.Reference:
		if typ, _, ok := strings.Cut(m.Value, "/"); ok && other == 0 {
			m.Value, m.Op = typ, store.OpType
		}
	case store.URI:
		m.Op = []string{"", "", store.OpBelow}[other]
	}
	return m
}

// widen makes the query of any shape.
func (w *world) widen(q *store.Query) {
	where := func(n int) (out []store.Clause) {
		for range w.rnd.IntN(n) {
			out = append(out, w.wideClause())
		}
		return out
	}
	q.Where = where(3)
	for range w.rnd.IntN(3) * w.rnd.IntN(2) {
		q.Or = append(q.Or, store.Part{Type: pick(w.rnd, someTypes), Where: where(3)})
	}
	for range w.rnd.IntN(3) * w.rnd.IntN(2) {
		q.Sort = append(q.Sort, w.order())
	}
	q.KeysOnly = w.rnd.IntN(4) == 0
	if w.rnd.IntN(3) == 0 {
		q.Values = fmt.Sprintf("p%d%s", store.Reference, pick(w.rnd, modes).name)
	}
}

func (w *world) order() store.Order {
	o := store.Order{Descending: w.rnd.IntN(2) == 0}
	switch w.rnd.IntN(6) {
	case 0:
		o.Param, o.Kind = "_id", store.Token
	case 1:
		o.Param, o.Kind = "_lastUpdated", store.Date
	default:
		e := w.wideIndex()
		for e.Kind == store.Point {
			e = w.wideIndex()
		}
		o.Param, o.Kind, o.Common, o.Silent = e.Param, e.Kind, e.Common, e.Silent
	}
	return o
}

// moment returns a time near those of the versions.
func (w *world) moment() time.Time {
	return w.clock.Now().UTC().Truncate(time.Millisecond).Add(time.Duration(w.rnd.IntN(20_000)-10_000) * time.Millisecond)
}

func (w *world) compareHistories(t *testing.T) {
	q := store.HistoryQuery{View: w.view(), Types: some(w.rnd, someTypes), Limit: 1 + w.rnd.IntN(6)}
	if len(q.Types) == 0 {
		q.Types = someTypes[:1]
	}
	if w.rnd.IntN(3) == 0 {
		q.Since = w.moment()
	}
	if w.rnd.IntN(3) == 0 {
		q.AtFrom = w.moment()
		q.AtTo = q.AtFrom.Add(time.Duration(w.rnd.IntN(9000)) * time.Millisecond)
	}
	want, sure := w.model.Histories(q)
	got := w.walkTypes(t, q, func() {})
	for i, v := range want {
		switch {
		case len(got) > 0 && got[0].Key == v.Key && got[0].Number == v.Number:
			sameVersion(t, got[0], v)
			got = got[1:]
		case sure[i]:
			t.Errorf("history %+v: %s.%d is missing, or not where it belongs", q, v.Key, v.Number)
			return
		}
	}
	if len(got) != 0 {
		t.Errorf("history %+v: %s.%d does not belong there", q, got[0].Key, got[0].Number)
	}
}

func (w *world) compareScan(t *testing.T) {
	q := store.ScanQuery{View: w.view(), Types: some(w.rnd, someTypes), Limit: 1 + w.rnd.IntN(6), Deleted: w.rnd.IntN(2) == 0}
	if w.rnd.IntN(3) == 0 {
		q.Since = w.moment()
	}
	if w.rnd.IntN(2) == 0 && w.last > 0 {
		q.Snapshot = 1 + w.rnd.Int64N(w.last)
	}
	got, snapshot := w.scan(t, q, func(int) {})
	want := map[store.Key]store.Version{}
	for _, v := range w.model.Scan(q, snapshot) {
		want[v.Key] = v
	}
	for _, v := range got {
		if d := differ(v, want[v.Key]); d != "" {
			t.Errorf("scan %+v: wrong %s: %+v, want %+v", q, d, brief(v), brief(want[v.Key]))
		}
		delete(want, v.Key)
	}
	if len(want) != 0 {
		t.Errorf("scan %+v: %d are missing", q, len(want))
	}
}
