package sqlitestore

import (
	"math"
	"math/rand/v2"
	"testing"

	"trellis.example/auth"
	"trellis.example/gateway/store"
)

// TestStretches checks, for ranges of every width and every way to ask, that
// what holds has a row where it is looked for.
func TestStretches(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	s := &search{q: store.Query{View: auth.SystemView()}, parties: []string{everyone}}
	ends := func(k store.Kind) (low, high int64) {
		low = rnd.Int64N(1000)*86_400_000 - 500*86_400_000
		w := widthLimit(k, rnd.IntN(manyWidths-1))
		high = low + []int64{0, 1, w - 1, w, w + 1, 2 * w}[rnd.IntN(6)]
		if rnd.IntN(8) == 0 {
			low = math.MinInt64
		}
		if rnd.IntN(8) == 0 {
			high = math.MaxInt64
		}
		return low, high
	}
	held := 0
	for range 50_000 {
		k := []store.Kind{store.Date, store.Number, store.Quantity}[rnd.IntN(3)]
		e := store.Index{Param: "p", Kind: k, Common: rnd.IntN(2) == 0}
		e.Low, e.High = ends(k)
		ask := func() store.Clause {
			c := store.Clause{Param: "p", Kind: k, Common: e.Common, Single: true}
			for range 1 + rnd.IntN(2) {
				m := store.Match{Op: []string{"", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"}[rnd.IntN(10)]}
				if m.Low, m.High = ends(k); rnd.IntN(3) == 0 {
					m.Low, m.High = e.Low, e.High
				}
				c.Any = append(c.Any, m)
			}
			return c
		}
		a, b := ask(), ask()
		if !a.Holds("", 0, []store.Index{e}) {
			continue
		}
		held++
		rows := indexRows("Task", []string{everyone}, []store.Index{e}).dates
		if !anyIn(s.stretchesOf("Task", a, nil), rows) {
			t.Fatalf("%+v holds for %+v, which is looked for elsewhere", a.Any, e)
		}
		if b.Holds("", 0, []store.Index{e}) && !anyIn(s.stretchesOf("Task", a, []store.Clause{b}), rows) {
			t.Fatalf("%+v and %+v hold for %+v, which is looked for elsewhere", a.Any, b.Any, e)
		}
	}
	if held < 10_000 {
		t.Errorf("only %d held", held)
	}
}

func anyIn(all unordered, rows []dateRow) bool {
	for _, st := range all {
		for _, r := range rows {
			if st.h == r.h && st.from <= r.high && r.high <= st.to {
				return true
			}
		}
	}
	return false
}

func TestUnionOfSources(t *testing.T) {
	for _, up := range []bool{false, true} {
		w := window{low: 0, high: 100, up: up}
		u := &union{window: w}
		for _, ps := range [][]int64{{1, 5, 9}, {}, {5, 7}, {99}, {1, 9, 100, -1}} {
			l := list(w.sort(ps))
			u.srcs = append(u.srcs, &l)
		}
		want := []int64{99, 9, 7, 5, 1}
		if up {
			want = []int64{1, 5, 7, 9, 99}
		}
		for _, p := range want {
			if got, ok, err := u.next(); got != p || !ok || err != nil {
				t.Errorf("up %t: %d, %t, %v; want %d", up, got, ok, err, p)
			}
		}
		if _, ok, _ := u.next(); ok {
			t.Errorf("up %t: it does not end", up)
		}
	}
}
