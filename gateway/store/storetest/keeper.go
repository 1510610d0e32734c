package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"trellis.example/auth"
	"trellis.example/gateway/store"
)

var keeperTests = []test{
	{"Reindex", testReindex},
	{"ReindexBesideWriters", testReindexRace},
	{"ReindexError", testReindexError},
	{"CheckFindsNothing", testCheckHealthy},
	{"CheckBesideWriters", testCheckRace},
	{"CheckFindsStaleEntries", testCheckStale},
	{"CountAndSchema", testCountSchema},
	{"CancelledCallsSaySo", testKeeperCancelled},
	{"ClosedIsUnavailable", testKeeperClosed},
}

// renewed gives every resource new entries instead of those it was written with.
func renewed(typ string, body []byte) ([]store.Index, error) {
	_, id, _ := strings.Cut(string(body), `"id":"`)
	id, _, _ = strings.Cut(id, `"`)
	return []store.Index{
		token("new", "s", id), commonIndex(token("all", "s", typ)), number("num", float64(len(id))),
		{Param: "name", Kind: store.Text, Value: "renewed", System: "Renewed"}, {Param: "when", Kind: store.Date, Low: 5, High: 6, Common: true},
		{Param: "quiet", Kind: store.Reference, Value: "Patient/new", Silent: true},
	}, nil
}

// reindex goes through the whole store, some versions at a time.
func (f *fixture) reindex(t *testing.T, some int, index func(string, []byte) ([]store.Index, error)) (looked int) {
	t.Helper()
	for after, round := "", 0; ; round++ {
		next, n, err := f.Reindex(ctx(t), after, some, index)
		if err != nil {
			t.Fatalf("Reindex: %v", err)
		}
		if n > some || round > 10_000 || next != "" && next == after {
			t.Fatalf("round %d looked at %d of %d and goes on at %q", round, n, some, next)
		}
		if looked += n; next == "" {
			return looked
		}
		after = next
	}
}

func testReindex(t *testing.T, f *fixture) {
	old := []store.Index{
		token("old", "s", "x"), commonIndex(token("all", "s", "old")), number("num", 99), {Param: "name", Kind: store.Text, Value: "smith", System: "Smith"},
		{Param: "when", Kind: store.Date, Low: 50, High: 60, Common: true}, {Param: "quiet", Kind: store.Reference, Value: "Patient/old", Silent: true},
	}
	f.fill(t, "Task", rows{"a": old, "b": old, "c": old, "d": nil, "e": old, "f": old})
	f.fill(t, "Patient", rows{"p": old, "q": old})
	f.put(t, store.Key{Type: "Task", ID: "b"}, 1, ownedBy("a"), old...)
	f.remove(t, store.Key{Type: "Task", ID: "f"}, 1)
	f.remove(t, store.Key{Type: "Task", ID: "z-f"}, 1)
	before := f.dump(t)
	if looked := f.reindex(t, 3, renewed); looked < 14 || looked > 17 {
		t.Errorf("looked at %d versions; 14 are current, 2 more are deleted", looked)
	}
	where := func(p string, k store.Kind, m store.Match) []store.Clause {
		return []store.Clause{{Param: p, Kind: k, Common: p == "all" || p == "when", Silent: p == "quiet", Any: []store.Match{m}}}
	}
	for _, c := range []struct {
		what  string
		where []store.Clause
		want  string
	}{
		{"a new token", where("new", store.Token, store.Match{System: "s", Value: "b"}), "b"},
		{"an old token", where("old", store.Token, store.Match{System: "s", Value: "x"}), ""},
		{"a new common token", where("all", store.Token, store.Match{System: "s", Value: "Task"}), "a b c d e"},
		{"an old common token", where("all", store.Token, store.Match{System: "s", Value: "old"}), ""},
		{"a new number", where("num", store.Number, store.Match{Low: store.Ordered(1), High: store.Ordered(1)}), "a b c d e"},
		{"an old number", where("num", store.Number, store.Match{Low: store.Ordered(99), High: store.Ordered(99)}), ""},
		{"a new text", where("name", store.Text, store.Match{Value: "ren"}), "a b c d e"},
		{"an old text", where("name", store.Text, store.Match{Value: "smi"}), ""},
		{"a new date", where("when", store.Date, store.Match{Low: 1, High: 9, Op: "eq"}), "a b c d e"},
		{"an old date", where("when", store.Date, store.Match{Low: 49, High: 61, Op: "eq"}), ""},
		{"a new silent reference", where("quiet", store.Reference, store.Match{Value: "Patient/new"}), "a b c d e"},
		{"an old silent reference", where("quiet", store.Reference, store.Match{Value: "Patient/old"}), ""},
		{"no entry", []store.Clause{{Param: "old", Kind: store.Token, Absent: true}}, "a b c d e"},
	} {
		q := store.Query{Type: "Task", Where: c.where}
		if c.what == "a new number" {
			// The twins' ids are longer.
			q.View, q.Limit, q.Total = viewOf("a"), 100, true
			f.givesIDs(t, c.what, q, strings.Fields(c.want))
			continue
		}
		if c.what == "a new token" {
			q.View, q.Limit, q.Total = viewOf("a"), 100, true
			f.givesIDs(t, c.what, q, strings.Fields(c.want))
			continue
		}
		f.gives(t, c.what, q, c.want)
	}
	f.shows(t, "sorted", store.Query{View: viewOf("a"), Type: "Task", Sort: []store.Order{up("new", store.Token)}}, "a b c d e")
	sameDump(t, f.dump(t), before)
	f.crash(t)
	f.gives(t, "after reopening", store.Query{Type: "Patient", Where: []store.Clause{common(is("all", "s", "Patient"))}}, "p q")
}

// Writers go on, with the new entries; in the end everything has them.
func testReindexRace(t *testing.T, f *fixture) {
	const n = 60
	write := func(i, expect int, index []store.Index) store.Commit {
		w := f.write(store.Key{Type: "Task", ID: fmt.Sprintf("k%02d", i)}, expect, ownedBy("a"), index...)
		w.Body = fmt.Appendf(nil, `{"id":"k%02d","n":%d}`, i, expect)
		return store.Commit{Writes: []store.Write{w}}
	}
	for i := range n {
		f.commit(t, write(i, 0, []store.Index{token("old", "s", "x")}))
	}
	var wg sync.WaitGroup
	for g := range 3 {
		wg.Go(func() {
			for round := 1; round <= 4; round++ {
				for i := g; i < n; i += 6 { // half of them
					c := write(i, round, nil)
					c.Writes[0].Index, _ = renewed("Task", c.Writes[0].Body)
					if _, err := f.Commit(ctx(t), c); err != nil {
						t.Errorf("Commit: %v", err)
						return
					}
				}
			}
		})
	}
	f.reindex(t, 7, renewed)
	wg.Wait()
	q := store.Query{View: viewOf("a"), Type: "Task", Limit: 100, Total: true, Where: []store.Clause{common(is("all", "s", "Task"))}}
	if p := f.search(t, q); len(p.Versions) != n || p.Total != n {
		t.Errorf("%d are found by the new entry, total %d, want %d", len(p.Versions), p.Total, n)
	}
	q.Where = []store.Clause{is("old", "s", "x")}
	if p := f.search(t, q); len(p.Versions) != 0 {
		t.Errorf("%d are found by the old entry", len(p.Versions))
	}
	for i := range n {
		q.Where = []store.Clause{is("new", "s", fmt.Sprintf("k%02d", i))}
		if p := f.search(t, q); len(p.Versions) != 1 {
			t.Errorf("k%02d is found %d times", i, len(p.Versions))
		}
	}
}

func testReindexError(t *testing.T, f *fixture) {
	for _, id := range []string{"a", "b", "c"} {
		f.put(t, store.Key{Type: "Task", ID: id}, 0, ownedBy("a"), token("old", "s", id))
	}
	broken := errors.New("broken")
	_, _, err := f.Reindex(ctx(t), "", 10, func(typ string, body []byte) ([]store.Index, error) {
		if strings.Contains(string(body), `"id":"b"`) || strings.Contains(string(body), `"id": "b"`) {
			return nil, broken
		}
		return renewed(typ, body)
	})
	wantErr(t, "an index that cannot be made", err, broken)
	f.finds(t, "the one that failed", "Task", []store.Key{{Type: "Task", ID: "b"}}, is("old", "s", "b"))
	f.reindex(t, 10, renewed)
	f.finds(t, "after another go", "Task", nil, is("old", "s", "b"))
}

// faults returns what Check reports.
func (f *fixture) faults(t *testing.T, index func(string, []byte) ([]store.Index, error)) (all []string) {
	t.Helper()
	if err := f.Check(ctx(t), index, func(fault string) { all = append(all, fault) }); err != nil {
		t.Fatalf("Check: %v", err)
	}
	return all
}

func testCheckHealthy(t *testing.T, f *fixture) {
	for what, do := range map[string]func(*fixture){
		"empty":     func(*fixture) {},
		"furnished": func(f *fixture) { f.furnish(t) },
		"swept": func(f *fixture) {
			f.furnish(t)
			f.clock.Advance(20 * time.Minute)
			if err := f.Sweep(ctx(t), f.clock.Now()); err != nil {
				t.Fatal(err)
			}
		},
		"loaded": func(f *fixture) {
			from := f.another(t)
			from.furnish(t)
			f.load(t, from.dump(t), 50)
		},
	} {
		g := f.another(t)
		do(g)
		if faults := g.faults(t, g.index); len(faults) != 0 {
			t.Errorf("%s: %q", what, faults)
		}
	}
	f.fill(t, "Task", rows{"a": {token("old", "s", "x")}, "b": nil})
	f.reindex(t, 5, renewed)
	if faults := f.faults(t, renewed); len(faults) != 0 {
		t.Errorf("reindexed: %q", faults)
	}
}

func testCheckRace(t *testing.T, f *fixture) {
	f.furnish(t)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := 1; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := f.Commit(ctx(t), f.momentCommit(0, n)); err != nil {
				t.Errorf("Commit: %v", err)
				return
			}
		}
	})
	for range 3 {
		if faults := f.faults(t, f.index); len(faults) != 0 {
			t.Errorf("%q", faults)
		}
	}
	close(stop)
	wg.Wait()
}

func testCheckStale(t *testing.T, f *fixture) {
	secret := "very-personal"
	for what, pair := range map[string][2][]store.Index{
		"too many":      {{token("id", "s", secret)}, nil},
		"too few":       {nil, {token("id", "s", secret)}},
		"others":        {{token("id", "s", secret)}, {token("id", "s", secret+"2")}},
		"another text":  {{{Param: "n", Kind: store.Text, Value: secret, System: secret}}, {{Param: "n", Kind: store.Text, Value: secret, System: "x"}}},
		"another date":  {{{Param: "d", Kind: store.Date, Low: 1, High: 2}}, {{Param: "d", Kind: store.Date, Low: 1, High: 3}}},
		"now common":    {{token("id", "s", secret)}, {commonIndex(token("id", "s", secret))}},
		"another group": {{part(1, token("id", "s", secret)), part(2, number("n", 1))}, {part(1, token("id", "s", secret)), part(1, number("n", 1))}},
	} {
		g := f.another(t)
		g.put(t, g.key("Task"), 0, ownedBy(secret), pair[0]...)
		faults := g.faults(t, func(string, []byte) ([]store.Index, error) { return pair[1], nil })
		if len(faults) == 0 {
			t.Errorf("%s: nothing was reported", what)
		}
		if strings.Contains(strings.Join(faults, ""), secret) {
			t.Errorf("%s: a value was reported", what)
		}
	}
}

func testCountSchema(t *testing.T, f *fixture) {
	if n, err := f.Count(ctx(t)); err != nil || n != 0 {
		t.Errorf("an empty store has %d, %v", n, err)
	}
	var c store.Commit
	for range 300 {
		c.Writes = append(c.Writes, f.write(f.key("Task"), 0, ownedBy("a")))
	}
	f.commit(t, c)
	for n := 1; n <= 3; n++ { // versions that are not current do not count
		for i := range c.Writes {
			c.Writes[i].Expect = n
		}
		f.commit(t, c)
	}
	if n, err := f.Count(ctx(t)); err != nil || n < 200 || n > 450 {
		t.Errorf("300 current versions count as %d, %v", n, err)
	}
	has, newest, err := f.Schema(ctx(t))
	if err != nil || has != newest || has < 1 {
		t.Errorf("schema %d of %d, %v", has, newest, err)
	}
}

// everyKeep calls every method that belongs to the care of the data, and those
// that came with it.
func (f *fixture) everyKeep(ctx context.Context) map[string]error {
	index := func(string, []byte) ([]store.Index, error) { return nil, nil }
	v := store.VersionRecord{Version: store.Version{Key: store.Key{Type: "Task", ID: "1"}, Number: 1, Seq: 1, Body: []byte("{}"), Access: auth.NewAccess("a")}}
	errs := map[string]error{}
	errs["Dump"] = f.Dump(ctx, func(store.Record) error { return nil })
	errs["Load"] = f.Load(ctx, []store.Record{{Version: &v}})
	_, _, errs["Reindex"] = f.Reindex(ctx, "", 10, index)
	_, errs["Count"] = f.Count(ctx)
	_, _, errs["Schema"] = f.Schema(ctx)
	errs["Check"] = f.Check(ctx, index, func(string) {})
	_, errs["Scan"] = f.Scan(ctx, store.ScanQuery{View: system, Types: []string{"Task"}, Limit: 1})
	_, errs["History of types"] = f.History(ctx, store.HistoryQuery{View: system, Types: []string{"Task"}, Limit: 1})
	_, errs["sorted Search"] = f.Search(ctx, store.Query{View: system, Type: "Task", Or: []store.Part{{Type: "Patient"}}, Sort: []store.Order{up("_id", store.Token)}, Limit: 1})
	return errs
}

func testKeeperCancelled(t *testing.T, f *fixture) {
	f.put(t, f.key("Task"), 0, ownedBy("a"))
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, err := range f.everyKeep(cancelled) {
		wantErr(t, name+" with a cancelled context", err, context.Canceled)
	}
}

func testKeeperClosed(t *testing.T, f *fixture) {
	f.put(t, f.key("Task"), 0, ownedBy("a"))
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	for name, err := range f.everyKeep(ctx(t)) {
		wantErr(t, name+" after Close", err, store.ErrUnavailable)
	}
}
