package auth

import "sync"

// A cache is a bounded map. It keeps two halves and forgets the older one when
// the newer is full; what was used since then survives. It is safe for
// concurrent use.
type cache[K comparable, V any] struct {
	mu       sync.Mutex
	half     int
	new, old map[K]V
}

// newCache returns a cache of at most n entries.
func newCache[K comparable, V any](n int) *cache[K, V] {
	return &cache[K, V]{half: max(n/2, 1), new: map[K]V{}}
}

func (c *cache[K, V]) get(k K) (V, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v, ok := c.new[k]
	if ok {
		return v, true
	}
	if v, ok = c.old[k]; ok {
		c.add(k, v)
	}
	return v, ok
}

func (c *cache[K, V]) put(k K, v V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(k, v)
}

func (c *cache[K, V]) add(k K, v V) {
	if len(c.new) >= c.half {
		c.old, c.new = c.new, make(map[K]V, c.half)
	}
	c.new[k] = v
}
