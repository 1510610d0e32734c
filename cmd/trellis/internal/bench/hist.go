package bench

import (
	"math/bits"
	"time"
)

// subBuckets is the number of buckets per power of two: times are kept to
// within 1.6 %.
const (
	subBits    = 6
	subBuckets = 1 << subBits
)

// A histogram counts durations in a fixed amount of memory.
type histogram struct {
	counts [40 * subBuckets]uint32
	n      int64
}

func (h *histogram) add(d time.Duration) {
	h.counts[bucket(uint64(max(d, 0)))]++
	h.n++
}

// bucket is exact below 128 ns and logarithmic above.
func bucket(ns uint64) int {
	if ns < 2*subBuckets {
		return int(ns)
	}
	shift := bits.Len64(ns) - subBits - 1
	return min(shift*subBuckets+int(ns>>shift), 40*subBuckets-1)
}

// upper is the largest duration of a bucket.
func upper(i int) time.Duration {
	if i < 2*subBuckets {
		return time.Duration(i)
	}
	shift := i/subBuckets - 1
	return time.Duration((uint64(i%subBuckets+subBuckets)+1)<<shift - 1)
}

func (h *histogram) merge(o *histogram) {
	for i, c := range o.counts {
		h.counts[i] += c
	}
	h.n += o.n
}

// quantile returns the duration that the share q of all stayed within; 0 when
// there are none.
func (h *histogram) quantile(q float64) time.Duration {
	want, seen := int64(q*float64(h.n)), int64(0)
	for i, c := range h.counts {
		seen += int64(c)
		if seen > want || c > 0 && seen == h.n {
			return upper(i)
		}
	}
	return 0
}
