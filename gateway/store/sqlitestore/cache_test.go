package sqlitestore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"trellis.example/auth"
	"trellis.example/gateway/store"
	"trellis.example/gateway/store/storetest"
)

// withCache sets the size of the cache in bytes.
func withCache(size int) Option { return func(o *options) { o.cache = size } }

// tinyCache holds a few small versions in each shard, so that most are pushed
// out soon.
const tinyCache = cacheShards * 2 * 2500

func TestContractTinyCache(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: the contract is kept with the usual cache; that the smallest one keeps it too is unproven")
	}
	t.Parallel() // it mostly waits for the disk
	storetest.Run(t, func(t *testing.T, clock *storetest.Clock) storetest.Opened {
		dir := t.TempDir()
		return storetest.Opened{
			Store: open(t, dir, WithClock(clock.Now), withCache(tinyCache)),
			Reopen: func(t *testing.T) store.Store {
				dir = crashImage(t, dir)
				return open(t, dir, WithClock(clock.Now), withCache(tinyCache))
			},
		}
	})
}

// rewrite is a commit of the key's version expect+1, whose access and body say
// which it is.
func rewrite(k store.Key, expect int) store.Commit {
	return store.Commit{Writes: []store.Write{{
		View: auth.SystemView(), Key: k, Expect: expect, Body: fmt.Appendf(nil, `{"version":%d}`, expect+1),
		Updated: time.UnixMilli(int64(expect + 1)), Access: auth.NewAccess(fmt.Sprint("party", expect+1)),
	}}}
}

// whole reports what does not belong to the version's number.
func whole(v store.Version) error {
	switch {
	case string(v.Body) != fmt.Sprintf(`{"version":%d}`, v.Number):
		return fmt.Errorf("version %d has the body %s", v.Number, v.Body)
	case v.Access.Owner != fmt.Sprint("party", v.Number):
		return fmt.Errorf("version %d has the access of %s", v.Number, v.Access.Owner)
	case v.Updated.UnixMilli() != int64(v.Number):
		return fmt.Errorf("version %d has the time of %d", v.Number, v.Updated.UnixMilli())
	}
	return nil
}

// TestReadRace checks, while few keys are written and read by many, that a read
// never shows less than had been answered to anybody when it began, that it is
// all of one version, and that in the end it is what the database holds.
func TestReadRace(t *testing.T) {
	for _, size := range []int{cacheBytes, tinyCache, 0} {
		t.Run(fmt.Sprint("cache=", size), func(t *testing.T) {
			s := open(t, t.TempDir(), withCache(size))
			keys := make([]store.Key, 24)
			seen := make([]atomic.Int64, len(keys)) // the newest version that anybody knows
			for i := range keys {
				keys[i] = store.Key{Type: "Task", ID: fmt.Sprint("k", i)}
				mustCommit(t, s, rewrite(keys[i], 0))
				seen[i].Store(1)
			}
			var writers, readers sync.WaitGroup
			stop := make(chan struct{})
			for range 4 {
				readers.Go(func() { readAgain(t, s, keys, seen, stop) })
			}
			for w := range 6 {
				writers.Go(func() { writeAgain(t, s, keys, seen, w, 6) })
			}
			writers.Wait()
			close(stop)
			readers.Wait()
			for i, k := range keys {
				v, err := s.Read(t.Context(), auth.SystemView(), k)
				db, dberr := s.load(t.Context(), k, sqlRead, k.Type, k.ID)
				if err != nil || dberr != nil || int64(v.Number) != seen[i].Load() || db.Number != v.Number || db.Seq != v.Seq {
					t.Errorf("%s: read %d, stored %d, answered %d (%v, %v)", k, v.Number, db.Number, seen[i].Load(), err, dberr)
				}
			}
		})
	}
}

// raise makes the counter at least n.
func raise(c *atomic.Int64, n int64) {
	for old := c.Load(); old < n && !c.CompareAndSwap(old, n); old = c.Load() {
	}
}

func readAgain(t *testing.T, s *Store, keys []store.Key, seen []atomic.Int64, stop chan struct{}) {
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		default:
		}
		i := rand.IntN(len(keys))
		least := seen[i].Load()
		v, err := s.Read(context.Background(), auth.SystemView(), keys[i])
		if err == nil {
			err = whole(v)
		}
		if err != nil || int64(v.Number) < least {
			t.Errorf("%s: read version %d when %d was known, %v", keys[i], v.Number, least, err)
			return
		}
		raise(&seen[i], int64(v.Number)) // nobody may see less from now on
	}
}

// writeAgain writes every step-th key over and over, and reads it at once.
func writeAgain(t *testing.T, s *Store, keys []store.Key, seen []atomic.Int64, first, step int) {
	for n := 1; n <= 60; n++ {
		for i := first; i < len(keys); i += step {
			if _, err := s.Commit(context.Background(), rewrite(keys[i], n)); err != nil {
				t.Errorf("%s: version %d: %v", keys[i], n+1, err)
				return
			}
			raise(&seen[i], int64(n+1))
			old := auth.NewView([]string{fmt.Sprint("party", n)}, []string{"*"}, nil)
			if v, err := s.Read(context.Background(), old, keys[i]); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s: who lost access reads version %d, %v", keys[i], v.Number, err)
				return
			}
		}
	}
}

// TestStaleReader checks that what a reader loaded before a write does not get
// into the cache behind it, whenever the reader comes back.
func TestStaleReader(t *testing.T) {
	k := store.Key{Type: "Task", ID: "k"}
	version := func(n int) store.Version { return store.Version{Key: k, Number: n} }
	write := []store.Version{version(2)}
	for name, steps := range map[string]func(c *cache, add func()){
		"before the commit": func(c *cache, add func()) { c.begin(write); add() },
		"after the commit":  func(c *cache, add func()) { c.begin(write); c.end(write); add() },
		"after a close":     func(c *cache, add func()) { c.close(); add() },
		"after a removal": func(c *cache, add func()) {
			unknown := []store.Version{{Key: k}}
			c.begin(unknown)
			c.end(unknown)
			add()
		},
	} {
		c := newCache(cacheBytes)
		_, _, ticket := c.get(k)
		steps(c, func() { ticket.add(version(1)) })
		if v, ok, _ := c.get(k); ok && v.Number != 2 {
			t.Errorf("%s: version %d", name, v.Number)
		}
	}
	c := newCache(cacheBytes)
	c.begin(write)
	_, _, ticket := c.get(k)
	ticket.add(version(1))
	if v, ok, _ := c.get(k); ok {
		t.Errorf("who came between begin and end added version %d", v.Number)
	}
	c.end(write)
	ticket.add(version(1))
	if v, ok, _ := c.get(k); !ok || v.Number != 2 {
		t.Errorf("after the end: version %d, %t", v.Number, ok)
	}
}

func TestCacheSize(t *testing.T) {
	const size = 1 << 20
	c := newCache(size)
	for n := range 5000 {
		v := store.Version{Key: store.Key{Type: "Task", ID: fmt.Sprint(n)}, Number: 1, Body: make([]byte, n%4000)}
		_, _, ticket := c.get(v.Key)
		ticket.add(v)
		if n%3 == 0 {
			c.begin([]store.Version{v})
		}
		if n%6 == 0 {
			c.end([]store.Version{v})
		}
		c.get(store.Key{Type: "Task", ID: fmt.Sprint(n / 2)})
	}
	total := 0
	for i := range c.shards {
		s := &c.shards[i]
		young := 0
		for _, v := range s.young {
			young += cost(v)
		}
		if young != s.size || young > s.limit {
			t.Errorf("a half of %d bytes counts %d of %d", young, s.size, s.limit)
		}
		for _, v := range s.old {
			total += cost(v)
		}
		total += young
	}
	if total > size || total < size/8 {
		t.Errorf("%d bytes kept of at most %d", total, size)
	}
	big := store.Version{Key: store.Key{Type: "Task", ID: "big"}, Number: 1, Body: make([]byte, size)}
	c.begin([]store.Version{big})
	c.end([]store.Version{big})
	if _, ok, _ := c.get(big.Key); ok {
		t.Error("a version as large as the cache was kept")
	}
}

// TestCachedIsPrivate checks that a caller who changes its copy of an access
// changes nobody else's.
func TestCachedIsPrivate(t *testing.T) {
	s := open(t, t.TempDir())
	k := store.Key{Type: "Task", ID: "k"}
	mustCommit(t, s, rewrite(k, 0))
	for range 3 {
		v, err := s.Read(t.Context(), auth.SystemView(), k)
		if err != nil || v.Access.Parties[0] != "party1" {
			t.Fatalf("parties %v, %v", v.Access.Parties, err)
		}
		v.Access.Parties[0] = "changed"
	}
}

func TestBesideWritesNoResources(t *testing.T) {
	dir := t.TempDir()
	open(t, dir)
	beside := open(t, dir, Beside())
	if _, err := beside.Commit(t.Context(), create("1")); !errors.Is(err, errBeside) {
		t.Errorf("a resource beside the serving process: %v", err)
	}
	if beside.cache != nil {
		t.Error("a store beside the serving process has a cache")
	}
}

// TestFailedCommit checks that a group takes what it replaces out of the cache
// before it is committed, and that when it does not reach the disk, what was
// there before is read from the database until a later one does.
func TestFailedCommit(t *testing.T) {
	s := open(t, t.TempDir())
	k := store.Key{Type: "Task", ID: "k"}
	mustCommit(t, s, rewrite(k, 0))
	quiet(t, s)
	g := &group{conn: s.writer, written: []store.Version{{Key: k, Number: 2}}}
	if err := s.commitGroup(g); err == nil { // there is no transaction
		t.Fatal("a commit without a transaction succeeded")
	}
	for range 2 {
		if v, err := s.Read(t.Context(), auth.SystemView(), k); err != nil || v.Number != 1 {
			t.Errorf("version %d, %v", v.Number, err)
		}
		if _, ok, _ := s.cache.get(k); ok {
			t.Error("the cache holds what the group was to replace")
		}
	}
	mustCommit(t, s, rewrite(k, 1))
	if v, ok, _ := s.cache.get(k); !ok || v.Number != 2 {
		t.Errorf("after the next commit the cache holds version %d, %t", v.Number, ok)
	}
}
