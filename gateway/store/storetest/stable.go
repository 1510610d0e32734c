package storetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"trellis.example/gateway/store"
)

// Walks over unions and sorts while others write.
var stableTests = []test{
	{"UnionsAndSorts", testStableWide},
	{"SortedPastItself", testStableMoves},
	{"ConcurrentWriters", testStableRace},
	{"SortExpires", testStableExpired},
}

// wideQueries are walks of every shape over the resources of testStableWide.
func wideQueries() map[string]store.Query {
	red, text := []store.Clause{common(is("colour", "s", "red"))}, []store.Clause{{Param: "name", Kind: store.Text, Any: []store.Match{{Value: "smi"}}}}
	not := []store.Clause{not(is("id", "s", "gone"))}
	union := func(a, b []store.Clause) store.Query {
		return store.Query{Type: "Task", Where: a, Or: []store.Part{{Type: "Patient", Where: b}, {Type: "Task", Where: b}}}
	}
	out := map[string]store.Query{}
	for name, q := range map[string]store.Query{
		"types": union(nil, nil), "clauses": union(red, text), "not": union(not, red), "one type": {Type: "Task"},
	} {
		out[name] = q
		for by, o := range map[string][]store.Order{
			"time": {up("_lastUpdated", store.Date)}, "number": {down("num", store.Number)}, "text and number": {up("name", store.Text), up("num", store.Number)},
		} {
			q.Sort = o
			out[name+" by "+by] = q
		}
	}
	return out
}

func testStableWide(t *testing.T, f *fixture) {
	const n = 40
	entries := func(i int) []store.Index {
		return []store.Index{
			commonIndex(token("colour", "s", []string{"red", "blue"}[i%2])), token("id", "s", fmt.Sprint(i)), number("num", float64(i%7)),
			{Param: "name", Kind: store.Text, Value: []string{"smith", "jones", "smithson"}[i%3], System: "x"},
		}
	}
	key := func(i int) store.Key { return store.Key{Type: someTypes[i%2], ID: fmt.Sprintf("k%02d", i)} }
	versions := make([]int, n)
	write := func(i, as int) {
		owner := "a"
		if i%5 == 4 {
			owner = "z" // never shown
		}
		f.put(t, key(i), versions[i], ownedBy(owner), entries(as)...)
		versions[i]++
	}
	for i := range n {
		write(i, i)
	}
	round := 0
	for name, q := range wideQueries() {
		q.View, q.Limit, q.Total = viewOf("a"), 4, true
		want := f.walk(t, q, func(int) {})
		got := f.walk(t, q, func(page int) {
			round++
			write((page*11+round)%n, round)
			f.put(t, f.key("Task"), 0, ownedBy("a"), entries(round)...)
			if i := (page*7 + round) % n; versions[i] > 0 {
				f.remove(t, key(i), versions[i])
				versions[i]++
			}
		})
		sameWalk(t, name, got, want)
	}
}

// What moves behind or before the walk's place is still shown once.
func testStableMoves(t *testing.T, f *fixture) {
	const n = 10
	for i := range n {
		f.put(t, store.Key{Type: "Task", ID: fmt.Sprint(i)}, 0, ownedBy("a"), number("num", float64(i)))
	}
	for _, limit := range []int{1, 3} {
		seen, version := "", 1+4*(limit/3)
		q := store.Query{View: viewOf("a"), Type: "Task", Limit: limit, Sort: []store.Order{up("num", store.Number)}}
		first := f.search(t, q)
		q.Snapshot = first.Snapshot
		for n := 0; ; n++ {
			p := f.search(t, q)
			for _, v := range p.Versions {
				seen += v.Key.ID
			}
			if !p.More {
				break
			}
			q.After = p.Next
			if n < 2 { // to the end, and back to the beginning
				f.put(t, store.Key{Type: "Task", ID: "0"}, version, ownedBy("a"), number("num", 100))
				f.put(t, store.Key{Type: "Task", ID: "9"}, version, ownedBy("a"), number("num", -100))
				f.put(t, store.Key{Type: "Task", ID: "0"}, version+1, ownedBy("a"), number("num", 0))
				f.put(t, store.Key{Type: "Task", ID: "9"}, version+1, ownedBy("a"), number("num", 9))
				version += 2
			}
		}
		if seen != "0123456789" {
			t.Errorf("pages of %d: %s; want each once, in order", limit, seen)
		}
	}
}

// Writers keep two resources of two types at one number; a walk over both that
// sorts by it never sees them apart, and never one of them twice.
func testStableRace(t *testing.T, f *fixture) {
	task, patient := f.key("Task"), f.key("Patient")
	pair := func(expect int) store.Commit {
		n := number("num", float64(expect%3))
		return store.Commit{Writes: []store.Write{f.write(task, expect, ownedBy("a"), n), f.write(patient, expect, ownedBy("a"), n)}}
	}
	f.commit(t, pair(0))
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(done)
		for n := 1; n < 100; n++ {
			if _, err := f.Commit(ctx(t), pair(n)); err != nil {
				t.Errorf("update %d: %v", n, err)
				return
			}
		}
	})
	for n, running := 0, true; running; n++ {
		select {
		case <-done:
			running = false
		default:
		}
		q := store.Query{View: viewOf("a"), Type: "Task", Or: []store.Part{{Type: "Patient"}}, Limit: 1, Total: true}
		if n%2 == 0 {
			q.Sort = []store.Order{down("num", store.Number)}
		}
		got := f.walk(t, q, func(int) {})
		if len(got) != 2 || got[0].Number != got[1].Number || got[0].Key == got[1].Key {
			t.Errorf("a walk saw %d versions, torn: %v", len(got), keys(got))
			break
		}
	}
	wg.Wait()
}

func testStableExpired(t *testing.T, f *fixture) {
	for i := range 3 {
		f.put(t, store.Key{Type: "Task", ID: fmt.Sprint(i)}, 0, ownedBy("a"), number("num", float64(i)))
	}
	q := store.Query{View: viewOf("a"), Type: "Task", Limit: 1, Sort: []store.Order{up("num", store.Number)}, Or: []store.Part{{Type: "Patient"}}}
	p := f.search(t, q)
	q.Snapshot, q.After = p.Snapshot, p.Next
	f.put(t, store.Key{Type: "Task", ID: "1"}, 1, ownedBy("a"), number("num", 9))
	f.clock.Advance(16 * time.Minute)
	if err := f.Sweep(ctx(t), f.clock.Now()); err != nil {
		t.Fatal(err)
	}
	_, err := f.Search(ctx(t), q)
	wantErr(t, "a sorted union after 16 minutes", err, store.ErrExpired)
}
