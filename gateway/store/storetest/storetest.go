// Package storetest is the contract of store.Store as tests. An implementation
// passes when
//
//	storetest.Run(t, func(t *testing.T, clock *storetest.Clock) storetest.Opened { … })
//
// does. Every promise in the comments of package store has its test here;
// [Model] is a second, naive implementation that random operations are
// compared with, and [Crash] kills a process in the middle of its commits.
package storetest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"trellis.example/auth"
	"trellis.example/gateway/audit"
	"trellis.example/gateway/store"
)

// Opened is a store under test.
type Opened struct {
	Store store.Store
	// Reopen drops the store as a crash would, without closing it in an
	// orderly way if it can help it, and opens the same data again.
	Reopen func(t *testing.T) store.Store
}

// An Opener opens an empty store that lives until the test ends and tells the
// time by the clock.
type Opener func(t *testing.T, clock *Clock) Opened

// A Clock is the time of a store under test. It runs with the machine's clock
// and can be moved forward.
type Clock struct {
	mu    sync.Mutex
	ahead time.Duration
}

// Now returns the clock's time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

// Advance moves the clock forward by d.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
}

// Run tests the stores that open returns against the contract, each test with
// a store of its own.
func Run(t *testing.T, open Opener) {
	groups := []struct {
		name  string
		tests []test
	}{
		{"Write", writeTests}, {"View", viewTests}, {"Claim", claimTests},
		{"Event", eventTests}, {"Audit", auditTests}, {"Blob", blobTests},
		{"Doc", docTests}, {"Search", searchTests}, {"Paging", pagingTests},
		{"Race", raceTests}, {"Limit", limitTests},
		{"Kind", kindTests}, {"Clause", clauseTests}, {"Union", unionTests}, {"Sort", sortTests},
		{"Stable", stableTests}, {"Histories", historyTests}, {"Scan", scanTests},
		{"Keep", keepTests}, {"Keeper", keeperTests},
	}
	for _, g := range groups {
		t.Run(g.name, func(t *testing.T) {
			for _, tt := range g.tests {
				t.Run(tt.name, func(t *testing.T) { tt.run(t, newFixture(t, open)) })
			}
		})
	}
	t.Run("Random", func(t *testing.T) { testRandom(t, open, false) })
	t.Run("RandomWide", func(t *testing.T) { testRandom(t, open, true) })
	t.Run("CloseLeavesNothingRunning", func(t *testing.T) {
		before := goleak.IgnoreCurrent()
		f := newFixture(t, open)
		f.put(t, f.key("Patient"), 0, ownedBy("a"))
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if err := goleak.Find(before); err != nil {
			t.Error(err)
		}
	})
}

type test struct {
	name string
	run  func(*testing.T, *fixture)
}

// A fixture is a store with helpers that fail the test.
type fixture struct {
	store.Store
	clock  *Clock
	reopen func(*testing.T) store.Store
	open   Opener
	mu     sync.Mutex
	n      int
	// indexes are the entries of each body that was written.
	indexes map[string][]store.Index
}

func newFixture(t *testing.T, open Opener) *fixture {
	t.Helper()
	clock := new(Clock)
	o := open(t, clock)
	return &fixture{Store: o.Store, clock: clock, reopen: o.Reopen, open: open, indexes: map[string][]store.Index{}}
}

// another opens a second store, empty, with the same clock.
func (f *fixture) another(t *testing.T) *fixture {
	t.Helper()
	o := f.open(t, f.clock)
	return &fixture{Store: o.Store, clock: f.clock, reopen: o.Reopen, open: f.open, indexes: f.indexes}
}

// crash drops the store and opens its data again.
func (f *fixture) crash(t *testing.T) {
	t.Helper()
	f.Store = f.reopen(t)
}

func (f *fixture) next() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n++
	return f.n
}

// key returns a new key of the type.
func (f *fixture) key(typ string) store.Key {
	return store.Key{Type: typ, ID: fmt.Sprintf("id-%04d", f.next())}
}

func (f *fixture) commit(t *testing.T, c store.Commit) store.Result {
	t.Helper()
	r, err := f.Commit(ctx(t), c)
	if err != nil {
		t.Fatalf("Commit: %v", err)
	}
	return r
}

// write returns a write of the system with a body of its own.
func (f *fixture) write(k store.Key, expect int, a auth.Access, index ...store.Index) store.Write {
	body := fmt.Sprintf(`{"resourceType":%q, "id":%q, "n":%d, "decimal":4.50, "text":"é\u00e9"}`, k.Type, k.ID, f.next())
	f.mu.Lock()
	defer f.mu.Unlock()
	f.indexes[body] = index
	return store.Write{
		View: auth.SystemView(), Key: k, Expect: expect, Body: []byte(body),
		Updated: f.clock.Now().UTC().Truncate(time.Millisecond), Access: a, Index: index,
	}
}

// put commits a write and returns the version it should have made.
func (f *fixture) put(t *testing.T, k store.Key, expect int, a auth.Access, index ...store.Index) store.Version {
	t.Helper()
	w := f.write(k, expect, a, index...)
	r := f.commit(t, store.Commit{Writes: []store.Write{w}})
	return store.Version{Key: k, Number: expect + 1, Updated: w.Updated, Body: w.Body, Access: a, Seq: r.Seq}
}

func (f *fixture) remove(t *testing.T, k store.Key, expect int) {
	t.Helper()
	w := f.write(k, expect, auth.Access{})
	w.Deleted = true
	f.commit(t, store.Commit{Writes: []store.Write{w}})
}

func (f *fixture) read(t *testing.T, v auth.View, k store.Key) store.Version {
	t.Helper()
	got, err := f.Read(ctx(t), v, k)
	if err != nil {
		t.Fatalf("Read %s: %v", k, err)
	}
	return got
}

func (f *fixture) search(t *testing.T, q store.Query) store.Page {
	t.Helper()
	p, err := f.Search(ctx(t), q)
	if err != nil {
		t.Fatalf("Search: %v", err)
	}
	return p
}

// audits returns every audit record in order.
func (f *fixture) audits(t *testing.T) []audit.Record {
	t.Helper()
	var all []audit.Record
	var after store.AuditPosition
	for {
		got, err := f.AuditEntries(ctx(t), after, 100)
		if err != nil {
			t.Fatalf("AuditEntries: %v", err)
		}
		if len(got) == 0 {
			return all
		}
		all = append(all, got...)
		last := got[len(got)-1]
		after = store.AuditPosition{Seq: last.Seq, N: last.N}
	}
}

// ctx returns a context that ends long before the test binary's time-out.
func ctx(t *testing.T) context.Context {
	c, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	t.Cleanup(cancel)
	return c
}

var system = auth.SystemView()

func ownedBy(party string, others ...string) auth.Access { return auth.NewAccess(party, others...) }

func viewOf(parties ...string) auth.View { return auth.NewView(parties, []string{"*"}, nil) }
