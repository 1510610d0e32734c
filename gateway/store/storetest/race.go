package storetest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"trellis.example/auth"
	"trellis.example/gateway/store"
)

var raceTests = []test{
	{"CreateOnce", testCreateRace},
	{"UpdateOnce", testUpdateRace},
	{"ConditionalCreate", testConditionalCreate},
	{"MixedCommits", testMixed},
	{"WalksDuringWrites", testWalkRace},
}

const racers = 8

func testCreateRace(t *testing.T, f *fixture) {
	for range 10 {
		k := f.key("Task")
		winners := raceTo(t, func(int) error {
			_, err := f.Commit(ctx(t), store.Commit{Writes: []store.Write{f.write(k, 0, ownedBy("a"))}})
			return err
		})
		if winners != 1 || f.read(t, system, k).Number != 1 {
			t.Fatalf("%d of %d created one key", winners, racers)
		}
	}
}

func testUpdateRace(t *testing.T, f *fixture) {
	k := f.key("Task")
	f.put(t, k, 0, ownedBy("a"))
	for n := 1; n <= 10; n++ {
		winners := raceTo(t, func(int) error {
			_, err := f.Commit(ctx(t), store.Commit{Writes: []store.Write{f.write(k, n, ownedBy("a"))}})
			return err
		})
		if winners != 1 || f.read(t, system, k).Number != n+1 {
			t.Fatalf("%d of %d replaced version %d", winners, racers, n)
		}
	}
}

// raceTo runs racers at once and returns how many succeeded; the others must
// have met a Conflict.
func raceTo(t *testing.T, run func(n int) error) int {
	t.Helper()
	var wg sync.WaitGroup
	var won atomic.Int32
	start := make(chan struct{})
	for n := range racers {
		wg.Go(func() {
			<-start
			err := run(n)
			if err == nil {
				won.Add(1)
				return
			}
			if _, ok := errors.AsType[*store.Conflict](err); !ok {
				t.Errorf("loser: %v, want a conflict", err)
			}
		})
	}
	close(start)
	wg.Wait()
	return int(won.Load())
}

// Create if none exists, as a gateway does it: search, then commit under a
// claim on the condition.
func testConditionalCreate(t *testing.T, f *fixture) {
	var wg sync.WaitGroup
	var created, existing atomic.Int32
	for n := range racers {
		k := f.key("Task")
		wg.Go(func() {
			_, err := f.Commit(ctx(t), store.Commit{
				Writes: []store.Write{f.write(k, 0, ownedBy("a"), token("identifier", "s", "same"))},
				Claims: []store.Claim{f.claim("if-none-exist", "identifier=s|same", k.ID)},
			})
			if err == nil {
				created.Add(1)
			} else if _, ok := errors.AsType[*store.Taken](err); ok {
				existing.Add(1)
			} else {
				t.Errorf("racer %d: %v", n, err)
			}
		})
	}
	wg.Wait()
	p := f.search(t, store.Query{View: system, Type: "Task", Limit: 10, Where: []store.Clause{is("identifier", "s", "same")}})
	if created.Load() != 1 || existing.Load() != racers-1 || len(p.Versions) != 1 {
		t.Errorf("%d created, %d told of it, %d found", created.Load(), existing.Load(), len(p.Versions))
	}
}

// Good and losing commits that share a group do not touch one another.
func testMixed(t *testing.T, f *fixture) {
	const each = 40
	shared := f.key("Task")
	f.put(t, shared, 0, ownedBy("a"))
	var wg sync.WaitGroup
	var updates atomic.Int32
	for r := range racers {
		wg.Go(func() {
			for n := range each {
				k := store.Key{Type: "Task", ID: fmt.Sprintf("r%d-%d", r, n)}
				c := store.Commit{Writes: []store.Write{f.write(k, 0, ownedBy("a"))}}
				if n%2 == 1 {
					c.Writes = append(c.Writes, f.write(shared, 1+n/8, auth.Access{}))
				}
				_, err := f.Commit(ctx(t), c)
				_, rerr := f.Read(ctx(t), system, k)
				if (err == nil) != (rerr == nil) {
					t.Errorf("commit: %v; its first write: %v", err, rerr)
				}
				if n%2 == 0 && err != nil {
					t.Errorf("a commit that conflicts with none: %v", err)
				}
				if n%2 == 1 && err == nil {
					updates.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if got := f.read(t, system, shared).Number; got != 1+int(updates.Load()) {
		t.Errorf("the shared key is at version %d after %d updates", got, updates.Load())
	}
}

// While writers keep one commit's pair of resources equal, no walk sees a torn
// pair.
func testWalkRace(t *testing.T, f *fixture) {
	left, right := f.key("Task"), f.key("Task")
	pair := func(expect int) store.Commit {
		return store.Commit{Writes: []store.Write{f.write(left, expect, ownedBy("a")), f.write(right, expect, ownedBy("a"))}}
	}
	f.commit(t, pair(0))
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(done)
		for n := 1; n < 150; n++ {
			if _, err := f.Commit(ctx(t), pair(n)); err != nil {
				t.Errorf("update %d: %v", n, err)
				return
			}
		}
	})
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		got := f.walk(t, store.Query{View: viewOf("a"), Type: "Task", Limit: 1}, func(int) {})
		if len(got) != 2 || got[0].Number != got[1].Number {
			t.Errorf("a walk saw %d versions, torn: %v", len(got), keys(got))
			break
		}
	}
	wg.Wait()
}
