package storetest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"trellis.example/auth"
	"trellis.example/gateway/store"
)

var scanTests = []test{
	{"OfTypes", testScanTypes},
	{"Views", testScanViews},
	{"SinceAndDeleted", testScanSince},
	{"OldSnapshots", testScanOld},
	{"CompleteWhileOthersWrite", testScanRace},
}

// scan reads all pages of a scan and returns its versions by id and type, and
// the snapshot; between is called after each page but the last.
func (f *fixture) scan(t *testing.T, q store.ScanQuery, between func(page int)) ([]store.Version, int64) {
	t.Helper()
	var all []store.Version
	for page := 0; ; page++ {
		p, err := f.Scan(ctx(t), q)
		if err != nil {
			t.Fatalf("Scan: %v", err)
		}
		if len(p.Versions) > max(q.Limit, 1) || q.Snapshot != 0 && p.Snapshot != q.Snapshot {
			t.Fatalf("a page of %d versions at %d, asked for %d at %d", len(p.Versions), p.Snapshot, q.Limit, q.Snapshot)
		}
		all, q.Snapshot = append(all, p.Versions...), p.Snapshot
		if p.Next == "" {
			break
		}
		if page > 10_000 || p.Next == q.After {
			t.Fatal("a scan without end")
		}
		q.After = p.Next
		between(page)
	}
	slices.SortFunc(all, func(a, b store.Version) int {
		return cmp.Or(cmp.Compare(a.Key.ID, b.Key.ID), cmp.Compare(a.Key.Type, b.Key.Type), cmp.Compare(a.Number, b.Number))
	})
	return all, q.Snapshot
}

// yields checks that a scan yields these versions, "id.number" in the order of
// their ids, whatever the size of its pages.
func (f *fixture) yields(t *testing.T, what string, q store.ScanQuery, want string) {
	t.Helper()
	for _, limit := range []int{-1, 1, 2, 3, 1000} {
		q.Limit = limit
		all, _ := f.scan(t, q, func(int) {})
		var got []string
		for _, v := range all {
			got = append(got, fmt.Sprintf("%s.%d", v.Key.ID, v.Number))
		}
		if all := strings.Join(got, " "); all != want {
			t.Errorf("%s, pages of %d: %s; want %s", what, limit, all, want)
			return
		}
	}
}

func testScanTypes(t *testing.T, f *fixture) {
	var want []store.Version
	for _, k := range []store.Key{{Type: "Task", ID: "a"}, {Type: "Patient", ID: "b"}, {Type: "Task", ID: "c"}, {Type: "Device", ID: "d"}, {Type: "Patient", ID: "e"}} {
		f.put(t, k, 0, ownedBy("z"))
		want = append(want, f.put(t, k, 1, ownedBy("a"), token("id", "s", k.ID)))
	}
	f.yields(t, "one type", store.ScanQuery{View: viewOf("a"), Types: []string{"Task"}}, "a.2 c.2")
	f.yields(t, "two types", store.ScanQuery{View: viewOf("a"), Types: []string{"Task", "Patient"}}, "a.2 b.2 c.2 e.2")
	f.yields(t, "types in another order", store.ScanQuery{View: system, Types: []string{"Patient", "Device", "Task", "None"}}, "a.2 b.2 c.2 d.2 e.2")
	f.yields(t, "a type named twice", store.ScanQuery{View: system, Types: []string{"Task", "Task"}}, "a.2 c.2")
	f.yields(t, "a type without any", store.ScanQuery{View: system, Types: []string{"None"}}, "")
	f.yields(t, "no types", store.ScanQuery{View: system}, "")
	got, snapshot := f.scan(t, store.ScanQuery{View: viewOf("a"), Types: []string{"Task", "Patient", "Device"}, Limit: 2}, func(int) {})
	sameWalk(t, "the versions themselves", got, want)
	if last := want[len(want)-1].Seq; snapshot < last {
		t.Errorf("the snapshot is %d, the last commit %d", snapshot, last)
	}
}

func testScanViews(t *testing.T, f *fixture) {
	labelled := ownedBy("a")
	labelled.Labels = []string{"s|R"}
	for id, a := range map[string]auth.Access{
		"mine": ownedBy("a"), "ours": ownedBy("b", "a"), "theirs": ownedBy("b"), "open": ownedBy("b", auth.PartyPublic), "secret": labelled, "nobody": {},
	} {
		f.put(t, store.Key{Type: "Task", ID: id}, 0, a)
	}
	f.put(t, store.Key{Type: "Task", ID: "lost"}, 0, ownedBy("a"))
	f.put(t, store.Key{Type: "Task", ID: "lost"}, 1, ownedBy("b"))
	f.put(t, store.Key{Type: "Patient", ID: "mine"}, 0, ownedBy("a"))
	types := []string{"Task", "Patient"}
	f.yields(t, "a", store.ScanQuery{View: viewOf("a"), Types: types}, "mine.1 mine.1 open.1 ours.1")
	f.yields(t, "b", store.ScanQuery{View: viewOf("b"), Types: types}, "lost.2 open.1 ours.1 theirs.1")
	f.yields(t, "a and b", store.ScanQuery{View: viewOf("a", "b"), Types: types}, "lost.2 mine.1 mine.1 open.1 ours.1 theirs.1")
	f.yields(t, "a, cleared", store.ScanQuery{View: auth.NewView([]string{"a"}, []string{"Task"}, []string{"s|R"}), Types: types}, "mine.1 open.1 ours.1 secret.1")
	f.yields(t, "nobody", store.ScanQuery{View: viewOf("x", ""), Types: types}, "open.1")
	f.yields(t, "the zero view", store.ScanQuery{View: auth.View{}, Types: types}, "")
	f.yields(t, "the system", store.ScanQuery{View: system, Types: types}, "lost.2 mine.1 mine.1 nobody.1 open.1 ours.1 secret.1 theirs.1")
}

func testScanSince(t *testing.T, f *fixture) {
	base := f.base()
	f.act(t, base, 1, "Task", "a", 0, ownedBy("a"), false)
	f.act(t, base, 2, "Task", "b", 0, ownedBy("a"), false)
	f.act(t, base, 3, "Patient", "c", 0, ownedBy("a"), false)
	f.act(t, base, 4, "Task", "b", 1, ownedBy("a"), false)
	f.act(t, base, 5, "Patient", "c", 1, auth.Access{}, true)
	f.act(t, base, 6, "Task", "z", 0, ownedBy("z"), false)
	f.act(t, base, 7, "Task", "z", 1, auth.Access{}, true)
	at := func(minute int) time.Time { return base.Add(time.Duration(minute) * time.Minute) }
	q := store.ScanQuery{View: viewOf("a"), Types: []string{"Task", "Patient"}}
	for _, c := range []struct {
		since   time.Time
		deleted bool
		want    string
	}{
		{time.Time{}, false, "a.1 b.2"}, {time.Time{}, true, "a.1 b.2 c.2"}, {at(0), false, "a.1 b.2"}, {at(1), false, "b.2"},
		{at(1).Add(-time.Millisecond), false, "a.1 b.2"}, {at(3), true, "b.2 c.2"}, {at(4), true, "c.2"}, {at(5), true, ""}, {at(5), false, ""},
	} {
		q.Since, q.Deleted = c.since, c.deleted
		f.yields(t, fmt.Sprintf("since %v, deleted %t", c.since.Sub(base), c.deleted), q, c.want)
	}
	got, _ := f.scan(t, store.ScanQuery{View: system, Types: []string{"Patient"}, Deleted: true, Limit: 5}, func(int) {})
	if len(got) != 1 || !got[0].Deleted || got[0].Body != nil || got[0].Number != 2 || !got[0].Updated.Equal(at(5)) || got[0].Access.Owner != "a" {
		t.Errorf("the deletion comes as %+v", got)
	}
}

// A scan looks at any moment of the past, however long ago, under today's view.
func testScanOld(t *testing.T, f *fixture) {
	first := f.put(t, store.Key{Type: "Task", ID: "a"}, 0, ownedBy("a")).Seq
	f.put(t, store.Key{Type: "Task", ID: "b"}, 0, ownedBy("a"))
	old := f.put(t, store.Key{Type: "Task", ID: "c"}, 0, ownedBy("a")).Seq
	f.put(t, store.Key{Type: "Task", ID: "a"}, 1, ownedBy("a"))
	f.remove(t, store.Key{Type: "Task", ID: "b"}, 1)
	f.put(t, store.Key{Type: "Task", ID: "c"}, 1, ownedBy("z"))
	last := f.put(t, store.Key{Type: "Task", ID: "d"}, 0, ownedBy("a")).Seq
	check := func(what string) {
		t.Helper()
		types := []string{"Task"}
		f.yields(t, what+", then", store.ScanQuery{View: system, Types: types, Snapshot: old}, "a.1 b.1 c.1")
		f.yields(t, what+", then, as a", store.ScanQuery{View: viewOf("a"), Types: types, Snapshot: old}, "a.1 b.1")
		f.yields(t, what+", with deletions that came later", store.ScanQuery{View: viewOf("a"), Types: types, Snapshot: old, Deleted: true}, "a.1 b.1")
		f.yields(t, what+", now", store.ScanQuery{View: viewOf("a"), Types: types, Snapshot: last}, "a.2 d.1")
		f.yields(t, what+", now, deletions too", store.ScanQuery{View: viewOf("a"), Types: types, Deleted: true}, "a.2 b.2 d.1")
		f.yields(t, what+", before everything", store.ScanQuery{View: viewOf("a"), Types: types, Snapshot: first}, "a.1")
		_, err := f.Scan(ctx(t), store.ScanQuery{View: system, Types: types, Snapshot: last + 1000, Limit: 1})
		wantErr(t, what+", a number not yet reached", err, store.ErrExpired)
	}
	check("fresh")
	f.clock.Advance(2 * 24 * time.Hour)
	if err := f.Sweep(ctx(t), f.clock.Now()); err != nil {
		t.Fatal(err)
	}
	check("swept")
}

// A scan shows all of its moment, while others insert, update and delete.
func testScanRace(t *testing.T, f *fixture) {
	const n = 200
	var c store.Commit
	for i := range n {
		c.Writes = append(c.Writes, f.write(store.Key{Type: someTypes[i%2], ID: fmt.Sprintf("k%03d", i)}, 0, ownedBy([]string{"a", "z"}[i%10/9])))
	}
	f.commit(t, c)
	q := store.ScanQuery{View: viewOf("a"), Types: someTypes, Limit: 9}
	want, snapshot := f.scan(t, q, func(int) {})
	if len(want) != n*9/10 {
		t.Fatalf("%d versions, want %d", len(want), n*9/10)
	}
	var wg sync.WaitGroup
	stop := make(chan struct{})
	wg.Go(func() {
		for i := range 2 * n {
			select {
			case <-stop:
				return
			default:
			}
			w := f.write(store.Key{Type: someTypes[i%2], ID: fmt.Sprintf("k%03d", i%n)}, 1+i/n, auth.Access{})
			w.Deleted = i%3 == 0
			c := store.Commit{Writes: []store.Write{w, f.write(f.key("Task"), 0, ownedBy("a"))}}
			if _, err := f.Commit(ctx(t), c); err != nil {
				t.Errorf("Commit: %v", err)
				return
			}
		}
	})
	q.Snapshot = snapshot
	for range 4 {
		got, _ := f.scan(t, q, func(int) {})
		sameWalk(t, "a scan", got, want)
	}
	close(stop)
	wg.Wait()
	q.Snapshot = 0
	got, at := f.scan(t, q, func(page int) {
		f.put(t, f.key("Task"), 0, ownedBy("a"))
	})
	q.Snapshot = at
	again, _ := f.scan(t, q, func(int) {})
	sameWalk(t, "a scan of the present, again", again, got)
}
