package sqlitestore

import (
	"bytes"
	"hash/maphash"
	"slices"
	"strings"
	"sync"
	"time"

	"trellis.example/auth"
	"trellis.example/gateway/store"
	"trellis.example/gateway/store/sqlitestore/packed"
)

// The size of the cache in bytes, and what an entry costs beside its body,
// roughly: strings, slices, and its place in the map.
const (
	cacheBytes    = 24 << 20
	cacheShards   = 32
	entryOverhead = 400
)

// A cache holds current versions, as they lie in the database, whoever may see
// them: views are applied to what comes out of it. A nil cache holds nothing.
//
// It never holds a version that has been replaced, nor one that is not on disk,
// since all versions are written by this store's writer, and it does this:
//
//   - Before a group is committed, while readers still see the versions it
//     replaces, it takes these out and closes their shards (begin).
//   - Once the group is on disk it puts in what it wrote and opens the shards
//     (end). Only then are its commits answered.
//   - The shards of a group that failed stay closed until a later group to them
//     is on disk: the database is asked until it is beyond doubt what it holds.
//
// Readers put in what they read. They look at the shard before they read the
// database, and put in nothing unless it was open then and has not been closed
// since: what they read can only have been replaced by a group that closed it.
// A closed shard still answers for the keys it has: they are not in the group.
type cache struct {
	seed   maphash.Seed
	shards [cacheShards]shard
}

// A shard forgets by halves: what is used is in young or moves there, and when
// young is full, old is dropped and young takes its place.
type shard struct {
	mu         sync.Mutex
	young, old map[store.Key]store.Version
	size       int // of young, in bytes
	limit      int // of young, in bytes
	closed     bool
	generation uint64 // counts closings
}

// A ticket is the state of a shard before a reader went to the database.
type ticket struct {
	shard      *shard
	generation uint64
	closed     bool
}

func newCache(size int) *cache {
	c := &cache{seed: maphash.MakeSeed()}
	for i := range c.shards {
		c.shards[i].limit = size / cacheShards / 2
		c.shards[i].young = map[store.Key]store.Version{}
	}
	return c
}

func (c *cache) shard(k store.Key) *shard {
	return &c.shards[maphash.Comparable(c.seed, k)%cacheShards]
}

// get returns the current version, or a ticket with which to add it.
func (c *cache) get(k store.Key) (v store.Version, ok bool, t ticket) {
	if c == nil {
		return v, false, ticket{}
	}
	s := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok = s.young[k]
	if !ok {
		if v, ok = s.old[k]; ok {
			s.put(v) // it is used: keep it
		}
	}
	if ok {
		v.Access = cloneAccess(v.Access)
	}
	return v, ok, ticket{s, s.generation, s.closed}
}

// add puts in a version read from the database since the ticket was given,
// unless it may have been replaced meanwhile.
func (t ticket) add(v store.Version) {
	if t.shard == nil || t.closed {
		return
	}
	if !t.shard.fits(v) {
		return
	}
	v = own(v)
	t.shard.mu.Lock()
	defer t.shard.mu.Unlock()
	if t.generation == t.shard.generation {
		t.shard.put(v)
	}
}

// begin takes the keys' versions out, before the group that replaces them is
// committed.
func (c *cache) begin(written []store.Version) {
	if c == nil {
		return
	}
	for _, v := range written {
		s := c.shard(v.Key)
		s.mu.Lock()
		s.closed = true
		s.generation++
		s.remove(v.Key)
		s.mu.Unlock()
	}
}

// end puts in what a group has written once it is on disk. A version without a
// number is not known and left out; of several of one key the last one counts.
func (c *cache) end(written []store.Version) {
	if c == nil {
		return
	}
	for _, v := range written {
		s := c.shard(v.Key)
		known := v.Number > 0 && s.fits(v)
		if known {
			v = own(v)
			v.Body = bytes.Clone(v.Body) // it may be a piece of something far larger
		}
		s.mu.Lock()
		s.remove(v.Key)
		if known {
			s.put(v)
		}
		s.closed = false
		s.mu.Unlock()
	}
}

// close empties the cache for good.
func (c *cache) close() {
	if c == nil {
		return
	}
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		s.closed = true
		s.generation++
		s.young, s.old, s.size = nil, nil, 0
		s.mu.Unlock()
	}
}

// fits reports whether the version would leave room for others.
func (s *shard) fits(v store.Version) bool { return cost(v) <= s.limit/2 }

func (s *shard) put(v store.Version) {
	n := cost(v)
	s.remove(v.Key)
	if s.size+n > s.limit {
		s.young, s.old, s.size = map[store.Key]store.Version{}, s.young, 0
	}
	s.young[v.Key] = v
	s.size += n
}

func (s *shard) remove(k store.Key) {
	if v, ok := s.young[k]; ok {
		s.size -= cost(v)
		delete(s.young, k)
	}
	delete(s.old, k)
}

func cost(v store.Version) int {
	n := entryOverhead + len(v.Body) + len(v.Key.ID) + len(v.Access.Owner)
	for _, p := range v.Access.Parties {
		n += len(p) + 16
	}
	for _, l := range v.Access.Labels {
		n += len(l) + 16
	}
	return n
}

// own returns a version that shares no memory with the caller's, except the
// body. A key cut out of a large document would keep all of it.
func own(v store.Version) store.Version {
	v.Key = store.Key{Type: strings.Clone(v.Key.Type), ID: strings.Clone(v.Key.ID)}
	v.Access = cloneAccess(v.Access)
	return v
}

// cloneAccess gives a caller slices that are its own to change.
func cloneAccess(a auth.Access) auth.Access {
	a.Parties, a.Labels = slices.Clone(a.Parties), slices.Clone(a.Labels)
	return a
}

// remember completes the last of the group's versions as readers will find it.
func (g *group) remember(w *store.Write, access []byte, pos int64) error {
	if !w.Deleted && len(w.Body) == 0 {
		return nil // a reader must find out what that becomes
	}
	a, err := packed.ParseAccess(access)
	if err != nil {
		return damaged(err)
	}
	v := &g.written[len(g.written)-1]
	v.Number, v.Seq, v.Deleted, v.Access = w.Expect+1, seqOf(pos), w.Deleted, a
	v.Updated, v.Body = time.UnixMilli(w.Updated.UnixMilli()).UTC(), w.Body
	return nil
}
