package terminology

import (
	"container/list"
	"sync"
	"time"
)

// A cache remembers a bounded number of answers for a while and forgets those
// first that were not asked for longest.
type cache[V any] struct {
	mu    sync.Mutex
	size  int
	now   func() time.Time
	order list.List // of *cached[V], newest first
	items map[string]*list.Element
}

type cached[V any] struct {
	key     string
	value   V
	expires time.Time
}

func newCache[V any](size int, now func() time.Time) *cache[V] {
	return &cache[V]{size: size, now: now, items: make(map[string]*list.Element)}
}

func (c *cache[V]) get(key string) (v V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.items[key]
	if e == nil {
		return v, false
	}
	x := e.Value.(*cached[V]) //nolint:forcetypeassert // the list holds nothing else
	if !c.now().Before(x.expires) {
		c.remove(e)
		return v, false
	}
	c.order.MoveToFront(e)
	return x.value, true
}

func (c *cache[V]) put(key string, v V, ttl time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.items[key]; e != nil {
		c.remove(e)
	}
	c.items[key] = c.order.PushFront(&cached[V]{key, v, c.now().Add(ttl)})
	if c.order.Len() > c.size {
		c.remove(c.order.Back())
	}
}

func (c *cache[V]) remove(e *list.Element) {
	delete(c.items, e.Value.(*cached[V]).key) //nolint:forcetypeassert // the list holds nothing else
	c.order.Remove(e)
}
