package server

import (
	"math"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxBuckets bounds how many names a limiter remembers at once. A name beyond
// shares one bucket with all others beyond, so that a flood of new addresses
// cannot take the memory.
const maxBuckets = 20_000

// A limiter keeps one token bucket per name.
type limiter struct {
	rate  rate.Limit
	burst int
	now   func() time.Time

	mu      sync.Mutex
	buckets map[string]*bucket
	swept   time.Time
	other   *rate.Limiter
}

type bucket struct {
	*rate.Limiter
	used time.Time
}

// newLimiter returns a limiter; a negative rate means no limit.
func newLimiter(perSecond float64, burst int, now func() time.Time) *limiter {
	r := rate.Limit(perSecond)
	if perSecond < 0 {
		r = rate.Inf
	}
	return &limiter{rate: r, burst: burst, now: now, buckets: map[string]*bucket{}, swept: now(), other: rate.NewLimiter(r, burst)}
}

// allow takes one request out of the name's bucket.
func (l *limiter) allow(name string) bool {
	if l.rate == rate.Inf {
		return true
	}
	now := l.now()
	return l.bucket(name, now).AllowN(now, 1)
}

// left reports whether allow would succeed, and takes nothing.
func (l *limiter) left(name string) bool {
	if l.rate == rate.Inf {
		return true
	}
	now := l.now()
	l.mu.Lock()
	b := l.buckets[name]
	l.mu.Unlock()
	return b == nil || b.TokensAt(now) >= 1
}

func (l *limiter) bucket(name string, now time.Time) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.buckets[name]
	if b == nil {
		l.sweep(now)
		if len(l.buckets) >= maxBuckets {
			return l.other
		}
		b = &bucket{Limiter: rate.NewLimiter(l.rate, l.burst)}
		l.buckets[name] = b
	}
	b.used = now
	return b.Limiter
}

// sweep forgets the names whose buckets are full again.
func (l *limiter) sweep(now time.Time) {
	full := time.Duration(float64(l.burst) / float64(l.rate) * float64(time.Second))
	if now.Sub(l.swept) < max(full, time.Second) {
		return
	}
	l.swept = now
	for name, b := range l.buckets {
		if now.Sub(b.used) > full {
			delete(l.buckets, name)
		}
	}
}

// retryAfter is the number of whole seconds in which one request comes free.
func (l *limiter) retryAfter() string {
	return strconv.Itoa(max(1, int(math.Ceil(1/float64(l.rate)))))
}
