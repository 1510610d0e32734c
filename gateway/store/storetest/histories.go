package storetest

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"trellis.example/auth"
	"trellis.example/gateway/store"
)

var historyTests = []test{
	{"OfTypes", testTypesHistory},
	{"OfTypesUnderViews", testTypesHistoryView},
	{"OfTypesSince", testTypesSince},
	{"OfTypesAt", testTypesAt},
	{"OfAKeySinceAndAt", testKeySince},
	{"OfTypesAfterASweep", testTypesSwept},
	{"OfTypesWhileOthersWrite", testTypesRace},
	{"OfTypesWithFewVisible", testTypesFew},
}

// walkTypes reads all pages of a history of types.
func (f *fixture) walkTypes(t *testing.T, q store.HistoryQuery, between func()) []store.Version {
	t.Helper()
	var all []store.Version
	for page := 0; ; page++ {
		p, err := f.History(ctx(t), q)
		if err != nil {
			t.Fatalf("History: %v", err)
		}
		if len(p.Versions) > q.Limit {
			t.Fatalf("a page of %d versions, asked for %d", len(p.Versions), q.Limit)
		}
		all = append(all, p.Versions...)
		if !p.More || page > 10_000 {
			return all
		}
		if p.Next == nil {
			t.Fatal("there is more, and the page does not say where")
		}
		q.After = p.Next
		between()
	}
}

// tells checks that a history tells these versions, "id.number", newest first,
// whatever the size of its pages.
func (f *fixture) tells(t *testing.T, what string, q store.HistoryQuery, want string) {
	t.Helper()
	for _, limit := range []int{1, 2, 3, 1000} {
		q.Limit = limit
		var got []string
		for _, v := range f.walkTypes(t, q, func() {}) {
			got = append(got, fmt.Sprintf("%s.%d", v.Key.ID, v.Number))
		}
		if all := strings.Join(got, " "); all != want {
			t.Errorf("%s, pages of %d: %s; want %s", what, limit, all, want)
			return
		}
	}
}

// An act writes one version at a minute; d deletes.
func (f *fixture) act(t *testing.T, base time.Time, minute int, typ, id string, expect int, a auth.Access, deleted bool) store.Version {
	t.Helper()
	w := f.write(store.Key{Type: typ, ID: id}, expect, a, token("id", "s", id))
	w.Updated, w.Deleted = base.Add(time.Duration(minute)*time.Minute), deleted
	r := f.commit(t, store.Commit{Writes: []store.Write{w}})
	v := store.Version{Key: w.Key, Number: expect + 1, Updated: w.Updated, Deleted: deleted, Access: a, Seq: r.Seq}
	if !deleted {
		v.Body = w.Body
	}
	return v
}

// base is a round time that every store keeps exactly.
func (f *fixture) base() time.Time { return f.clock.Now().UTC().Truncate(time.Second) }

func testTypesHistory(t *testing.T, f *fixture) {
	base := f.base()
	a := ownedBy("a")
	var want []store.Version
	act := func(minute int, typ, id string, expect int, deleted bool) {
		want = append([]store.Version{f.act(t, base, minute, typ, id, expect, a, deleted)}, want...)
	}
	act(0, "Task", "t1", 0, false)
	act(1, "Patient", "p1", 0, false)
	act(2, "Task", "t1", 1, false)
	act(3, "Task", "t2", 0, false)
	act(4, "Task", "t1", 2, true)
	act(5, "Device", "d1", 0, false)
	act(6, "Patient", "p1", 1, false)
	f.tells(t, "two types", store.HistoryQuery{View: system, Types: []string{"Task", "Patient"}}, "p1.2 t1.3 t2.1 t1.2 p1.1 t1.1")
	f.tells(t, "one type", store.HistoryQuery{View: viewOf("a"), Types: []string{"Task"}}, "t1.3 t2.1 t1.2 t1.1")
	f.tells(t, "three types", store.HistoryQuery{View: viewOf("a"), Types: []string{"Device", "Patient", "Task"}}, "p1.2 d1.1 t1.3 t2.1 t1.2 p1.1 t1.1")
	f.tells(t, "a type named twice", store.HistoryQuery{View: viewOf("a"), Types: []string{"Task", "Task"}}, "t1.3 t2.1 t1.2 t1.1")
	f.tells(t, "a type without any", store.HistoryQuery{View: viewOf("a"), Types: []string{"Group"}}, "")
	sameWalk(t, "the versions themselves", f.walkTypes(t, store.HistoryQuery{View: system, Types: []string{"Device", "Patient", "Task"}, Limit: 4}, func() {}), want)

	// One commit of several keys: by id, then by type.
	w := func(typ, id string) store.Write { return f.write(store.Key{Type: typ, ID: id}, 0, a) }
	f.commit(t, store.Commit{Writes: []store.Write{w("Task", "y"), w("Patient", "x"), w("Patient", "y"), w("Task", "x")}})
	var got []string
	for _, v := range f.walkTypes(t, store.HistoryQuery{View: viewOf("a"), Types: []string{"Task", "Patient"}, Limit: 1}, func() {})[:4] {
		got = append(got, v.Key.String())
	}
	if all := strings.Join(got, " "); all != "Patient/x Task/x Patient/y Task/y" {
		t.Errorf("one commit: %s", all)
	}
}

func testTypesHistoryView(t *testing.T, f *fixture) {
	base := f.base()
	labelled := ownedBy("a")
	labelled.Labels = []string{"s|R"}
	f.act(t, base, 0, "Task", "mine", 0, ownedBy("a"), false)
	f.act(t, base, 1, "Task", "theirs", 0, ownedBy("b"), false)
	f.act(t, base, 2, "Task", "secret", 0, labelled, false)
	f.act(t, base, 3, "Task", "lost", 0, ownedBy("a"), false)
	f.act(t, base, 4, "Task", "lost", 1, ownedBy("b"), false)
	f.act(t, base, 5, "Task", "theirs", 1, auth.Access{}, true)
	f.act(t, base, 6, "Task", "mine", 1, auth.Access{}, true)
	f.act(t, base, 7, "Patient", "open", 0, ownedBy("b", auth.PartyPublic), false)
	both := []string{"Task", "Patient"}
	f.tells(t, "a", store.HistoryQuery{View: viewOf("a"), Types: both}, "open.1 mine.2 mine.1")
	f.tells(t, "a, cleared", store.HistoryQuery{View: auth.NewView([]string{"a"}, []string{"*"}, []string{"s|R"}), Types: both}, "open.1 mine.2 secret.1 mine.1")
	f.tells(t, "nobody", store.HistoryQuery{View: viewOf("x"), Types: both}, "open.1")
	f.tells(t, "the zero view", store.HistoryQuery{View: auth.View{}, Types: both}, "")
	f.tells(t, "of another type", store.HistoryQuery{View: auth.NewView([]string{"a"}, []string{"Patient"}, nil), Types: both}, "open.1")
	f.tells(t, "the system", store.HistoryQuery{View: system, Types: both}, "open.1 mine.2 theirs.2 lost.2 lost.1 secret.1 theirs.1 mine.1")
	// b was given "lost" later: its second version must be there, its first may
	// be missing.
	got := map[string]bool{}
	for _, v := range f.walkTypes(t, store.HistoryQuery{View: viewOf("b"), Types: both, Limit: 2}, func() {}) {
		got[fmt.Sprintf("%s.%d", v.Key.ID, v.Number)] = true
		if v.Access.Owner != "b" {
			t.Errorf("%s is shown under the access of %s", v.Key.ID, v.Access.Owner)
		}
	}
	delete(got, "lost.1")
	if len(got) != 4 || !got["open.1"] || !got["theirs.1"] || !got["theirs.2"] || !got["lost.2"] {
		t.Errorf("b is told %v", got)
	}
}

func testTypesSince(t *testing.T, f *fixture) {
	base := f.base()
	f.act(t, base, 10, "Task", "a", 0, ownedBy("a"), false)
	f.act(t, base, 5, "Task", "b", 0, ownedBy("a"), false) // a clock that runs behind
	f.act(t, base, 20, "Task", "a", 1, ownedBy("a"), false)
	f.act(t, base, 30, "Patient", "c", 0, ownedBy("a"), false)
	f.act(t, base, 40, "Task", "b", 1, auth.Access{}, true)
	for minute, want := range map[float64]string{
		0: "b.2 c.1 a.2 b.1 a.1", 5: "b.2 c.1 a.2 b.1 a.1", 5.001: "b.2 c.1 a.2 a.1", 10: "b.2 c.1 a.2 a.1",
		10.5: "b.2 c.1 a.2", 30: "b.2 c.1", 40: "b.2", 41: "",
	} {
		since := base.Add(time.Duration(minute * float64(time.Minute)))
		for _, v := range []auth.View{system, viewOf("a")} {
			f.tells(t, fmt.Sprintf("since minute %v", minute), store.HistoryQuery{View: v, Types: []string{"Task", "Patient"}, Since: since}, want)
		}
	}
	f.tells(t, "to somebody else", store.HistoryQuery{View: viewOf("b"), Types: []string{"Task", "Patient"}, Since: base}, "")
}

func testTypesAt(t *testing.T, f *fixture) {
	base := f.base()
	f.act(t, base, 0, "Task", "a", 0, ownedBy("a"), false)
	f.act(t, base, 5, "Patient", "b", 0, ownedBy("a"), false)
	f.act(t, base, 10, "Task", "a", 1, ownedBy("a"), false)
	f.act(t, base, 20, "Task", "a", 2, auth.Access{}, true)
	f.act(t, base, 30, "Task", "h", 0, ownedBy("z"), false)
	at := func(minute float64) time.Time { return base.Add(time.Duration(minute * float64(time.Minute))) }
	for _, c := range []struct {
		from, to float64
		want     string
	}{
		{-5, -1, ""}, {0, 0, "a.1"}, {3, 3, "a.1"}, {5, 5, "b.1 a.1"}, {-5, 5, "b.1 a.1"}, {7, 8, "b.1 a.1"}, {9, 11, "a.2 b.1 a.1"},
		{10, 10, "a.2 b.1"}, {12, 12, "a.2 b.1"}, {15, 25, "a.3 a.2 b.1"}, {20, 20, "a.3 b.1"}, {50, 60, "a.3 b.1"}, {0, 60, "a.3 a.2 b.1 a.1"},
	} {
		f.tells(t, fmt.Sprintf("minutes %v to %v", c.from, c.to),
			store.HistoryQuery{View: viewOf("a"), Types: []string{"Task", "Patient"}, AtFrom: at(c.from), AtTo: at(c.to)}, c.want)
	}
	f.tells(t, "at and since", store.HistoryQuery{View: viewOf("a"), Types: []string{"Task", "Patient"}, AtFrom: at(9), AtTo: at(11), Since: at(4)}, "a.2 b.1")
}

func testKeySince(t *testing.T, f *fixture) {
	base := f.base()
	k := store.Key{Type: "Task", ID: "a"}
	for n := range 4 {
		f.act(t, base, 10*n, "Task", "a", n, ownedBy("a"), n == 3)
	}
	at := func(minute int) time.Time { return base.Add(time.Duration(minute) * time.Minute) }
	for _, c := range []struct {
		what string
		q    store.HistoryQuery
		want string
	}{
		{"all", store.HistoryQuery{}, "4 3 2 1"},
		{"since", store.HistoryQuery{Since: at(10)}, "4 3 2"},
		{"since a moment later", store.HistoryQuery{Since: at(10).Add(time.Millisecond)}, "4 3"},
		{"since the end", store.HistoryQuery{Since: at(31)}, ""},
		{"at a moment", store.HistoryQuery{AtFrom: at(15), AtTo: at(15)}, "2"},
		{"at a change", store.HistoryQuery{AtFrom: at(20), AtTo: at(20)}, "3"},
		{"at a time", store.HistoryQuery{AtFrom: at(5), AtTo: at(25)}, "3 2 1"},
		{"at the end", store.HistoryQuery{AtFrom: at(40), AtTo: at(50)}, "4"},
		{"before the beginning", store.HistoryQuery{AtFrom: at(-9), AtTo: at(-1)}, ""},
	} {
		for _, limit := range []int{1, 2, 10} {
			c.q.View, c.q.Key, c.q.Limit, c.q.Before = viewOf("a"), k, limit, 0
			var got []string
			for {
				p, err := f.History(ctx(t), c.q)
				if err != nil {
					t.Fatalf("%s: %v", c.what, err)
				}
				for _, v := range p.Versions {
					got = append(got, fmt.Sprint(v.Number))
				}
				if !p.More {
					break
				}
				c.q.Before = p.Versions[len(p.Versions)-1].Number
			}
			if all := strings.Join(got, " "); all != c.want {
				t.Errorf("%s, pages of %d: %s; want %s", c.what, limit, all, c.want)
			}
		}
	}
	_, err := f.History(ctx(t), store.HistoryQuery{View: viewOf("b"), Key: k, Limit: 5, Since: at(100)})
	wantErr(t, "a hidden key, whatever the time", err, store.ErrNotFound)
}

func testTypesSwept(t *testing.T, f *fixture) {
	base := f.base()
	f.act(t, base, 0, "Task", "a", 0, ownedBy("a"), false)
	f.act(t, base, 1, "Task", "b", 0, ownedBy("a"), false)
	f.act(t, base, 2, "Task", "a", 1, ownedBy("a"), false)
	f.act(t, base, 3, "Task", "b", 1, auth.Access{}, true)
	f.clock.Advance(16 * time.Minute)
	if err := f.Sweep(ctx(t), f.clock.Now()); err != nil {
		t.Fatal(err)
	}
	for _, v := range []auth.View{system, viewOf("a")} {
		f.tells(t, "swept", store.HistoryQuery{View: v, Types: []string{"Task"}}, "b.2 a.2 b.1 a.1")
		f.tells(t, "swept, at", store.HistoryQuery{View: v, Types: []string{"Task"}, AtFrom: base.Add(time.Minute), AtTo: base.Add(time.Minute)}, "b.1 a.1")
	}
}

// Pages of a history never repeat and never skip what was there at the first.
func testTypesRace(t *testing.T, f *fixture) {
	const n = 30
	for i := range n {
		f.put(t, store.Key{Type: "Task", ID: fmt.Sprintf("k%02d", i)}, 0, ownedBy("a"))
	}
	q := store.HistoryQuery{View: viewOf("a"), Types: []string{"Task", "Patient"}, Limit: 4}
	want := f.walkTypes(t, q, func() {})
	var wg sync.WaitGroup
	stop := make(chan struct{})
	wg.Go(func() {
		for i := range 600 {
			select {
			case <-stop:
				return
			default:
			}
			c := store.Commit{Writes: []store.Write{f.write(store.Key{Type: "Task", ID: fmt.Sprintf("k%02d", i%n)}, 1+i/n, ownedBy("a"))}}
			if _, err := f.Commit(ctx(t), c); err != nil {
				t.Errorf("Commit: %v", err)
				return
			}
		}
	})
	for range 5 {
		got := f.walkTypes(t, q, func() {})
		if len(got) < n {
			t.Fatalf("%d versions, at least %d were there", len(got), n)
		}
		seen := map[string]bool{}
		for i, v := range got {
			if id := fmt.Sprintf("%s.%d", v.Key.ID, v.Number); seen[id] {
				t.Fatalf("%s was told twice", id)
			} else {
				seen[id] = true
			}
			if i > 0 && pageOrder(got[i-1], v) >= 0 {
				t.Fatalf("%v stands after %v", brief(v), brief(got[i-1]))
			}
		}
		sameWalk(t, "the oldest", got[len(got)-n:], want)
	}
	close(stop)
	wg.Wait()
}

// What a view sees is found behind hundreds of versions that it does not.
func testTypesFew(t *testing.T, f *fixture) {
	f.put(t, store.Key{Type: "Task", ID: "mine"}, 0, ownedBy("a"))
	for range 4 {
		var c store.Commit
		for range 300 {
			c.Writes = append(c.Writes, f.write(f.key("Task"), 0, ownedBy("b")))
		}
		f.commit(t, c)
	}
	f.put(t, store.Key{Type: "Task", ID: "mine"}, 1, ownedBy("a"))
	f.tells(t, "a", store.HistoryQuery{View: viewOf("a"), Types: []string{"Task"}}, "mine.2 mine.1")
}
