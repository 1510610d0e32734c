package storetest

import (
	"testing"
	"time"

	"trellis.example/auth"
	"trellis.example/gateway/store"
)

var pagingTests = []test{
	{"StableUnderWrites", testStable},
	{"StableWithinOneCommit", testStableTies},
	{"TodaysViewOnYesterdaysSnapshot", testRevoked},
	{"ExpiresAfterSweep", testExpired},
	{"LimitsAreBroughtInside", testPageLimits},
}

// walk reads all pages of q and returns the versions; between is called after
// each page but the last.
func (f *fixture) walk(t *testing.T, q store.Query, between func(page int)) []store.Version {
	t.Helper()
	var all []store.Version
	for page := 0; ; page++ {
		p := f.search(t, q)
		all = append(all, p.Versions...)
		if !p.More || page > 10000 {
			return all
		}
		if p.Next == nil {
			t.Fatal("there is more, and the page does not say where")
		}
		q.Snapshot, q.After = p.Snapshot, p.Next
		between(page)
	}
}

// Walks by every kind of entry show what was current when they began, while
// others insert, update and delete.
func testStable(t *testing.T, f *fixture) {
	const n = 60
	entries := []store.Index{commonIndex(token("status", "s", "active")), token("identifier", "s", "all"),
		{Param: "name", Kind: store.Text, Value: "smith"}, {Param: "date", Kind: store.Date, Low: 5, High: 6}}
	wheres := map[string][]store.Clause{
		"type": nil, "common": {common(is("status", "s", "active"))}, "selective": {is("identifier", "s", "all")},
		"text": {{Param: "name", Kind: store.Text, Any: []store.Match{{Value: "smi"}}}},
		"date": {{Param: "date", Kind: store.Date, Any: []store.Match{{Op: "ge", Low: 5, High: 5}}}},
	}
	var ks []store.Key
	for range n {
		ks = append(ks, f.key("Task"))
		f.put(t, ks[len(ks)-1], 0, ownedBy("a"), entries...)
	}
	versions := make([]int, n)
	for i := range versions {
		versions[i] = 1
	}
	for name, where := range wheres {
		for _, v := range []auth.View{viewOf("a", "b"), system} {
			q := store.Query{View: v, Type: "Task", Limit: 7, Where: where, Total: true}
			want := f.walk(t, q, func(int) {})
			got := f.walk(t, q, func(page int) {
				i := (page*11 + len(name)) % n
				f.put(t, ks[i], versions[i], ownedBy("a"), entries...)
				versions[i]++
				f.put(t, f.key("Task"), 0, ownedBy("a"), entries...)
				j := (page*7 + 3*len(name)) % n
				f.remove(t, ks[j], versions[j])
				versions[j]++
			})
			sameWalk(t, name, got, want)
		}
	}
}

func sameWalk(t *testing.T, name string, got, want []store.Version) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: a walk shows %d versions, want %d", name, len(got), len(want))
		return
	}
	for i := range want {
		if d := differ(got[i], want[i]); d != "" {
			t.Errorf("%s: version %d of the walk differs in %s: %v and %v", name, i, d, brief(got[i]), brief(want[i]))
			return
		}
	}
}

// The versions of one commit have one number; pages part them by id.
func testStableTies(t *testing.T, f *fixture) {
	var c store.Commit
	for range 25 {
		c.Writes = append(c.Writes, f.write(f.key("Task"), 0, ownedBy("a"), token("identifier", "s", "1")))
	}
	f.commit(t, c)
	for _, limit := range []int{1, 4, 24, 25, 26} {
		for _, where := range [][]store.Clause{nil, {is("identifier", "s", "1")}} {
			got := f.walk(t, store.Query{View: viewOf("a"), Type: "Task", Limit: limit, Where: where}, func(int) {})
			if len(got) != 25 {
				t.Fatalf("limit %d: %d versions, want 25", limit, len(got))
			}
			for i := range got {
				if got[i].Key != c.Writes[i].Key {
					t.Fatalf("limit %d: version %d is %s, want %s", limit, i, got[i].Key, c.Writes[i].Key)
				}
			}
		}
	}
}

// A walk begun while a party had access does not show what it lost since.
func testRevoked(t *testing.T, f *fixture) {
	st := commonIndex(token("status", "s", "active"))
	a, b, c := f.key("Task"), f.key("Task"), f.key("Task")
	for _, k := range []store.Key{a, b, c} {
		f.put(t, k, 0, ownedBy("p"), st)
	}
	q := store.Query{View: viewOf("p"), Type: "Task", Limit: 1, Where: []store.Clause{common(is("status", "s", "active"))}}
	got := f.walk(t, q, func(page int) {
		if page == 0 {
			f.put(t, b, 1, ownedBy("q"), st)
		}
	})
	sameKeys(t, "walk of p", got, c, a)
}

func testExpired(t *testing.T, f *fixture) {
	ks := []store.Key{f.key("Task"), f.key("Task"), f.key("Task")}
	for _, k := range ks {
		f.put(t, k, 0, ownedBy("a"), token("identifier", "s", "1"))
	}
	q := store.Query{View: viewOf("a"), Type: "Task", Limit: 1, Where: []store.Clause{is("identifier", "s", "1")}}
	p := f.search(t, q)
	if p.Next == nil {
		t.Fatal("there is more, and the page does not say where")
	}
	q.Snapshot, q.After = p.Snapshot, p.Next
	f.put(t, ks[0], 1, ownedBy("a"), token("identifier", "s", "1"))
	f.clock.Advance(14 * time.Minute)
	if err := f.Sweep(ctx(t), f.clock.Now()); err != nil {
		t.Fatal(err)
	}
	sameKeys(t, "after 14 minutes", f.search(t, q).Versions, ks[1])
	f.clock.Advance(2 * time.Minute)
	if err := f.Sweep(ctx(t), f.clock.Now()); err != nil {
		t.Fatal(err)
	}
	_, err := f.Search(ctx(t), q)
	wantErr(t, "after 16 minutes", err, store.ErrExpired)
	q.Snapshot, q.After, q.Limit = 0, nil, 10
	p = f.search(t, q)
	sameKeys(t, "a new walk", p.Versions, ks[0], ks[2], ks[1])
	q.Snapshot = p.Snapshot + 1000
	_, err = f.Search(ctx(t), q)
	wantErr(t, "a number not yet reached", err, store.ErrExpired)
}

func testPageLimits(t *testing.T, f *fixture) {
	for range 3 {
		f.put(t, f.key("Task"), 0, ownedBy("a"))
	}
	for limit, want := range map[int]int{-1: 1, 0: 1, 1: 1, 2: 2, 3: 3, 1 << 30: 3} {
		p := f.search(t, store.Query{View: system, Type: "Task", Limit: limit})
		if len(p.Versions) != want || p.More != (want < 3) {
			t.Errorf("limit %d: %d versions, more %t", limit, len(p.Versions), p.More)
		}
	}
}
