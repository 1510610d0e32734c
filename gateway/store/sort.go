package store

import (
	"encoding/binary"
	"math"
)

// Ordered returns a number that sorts as f does, for the Low and High of
// numbers. NaN does not occur.
func Ordered(f float64) int64 {
	n := int64(math.Float64bits(f))
	if n < 0 {
		return math.MinInt64 - n
	}
	return n
}

// SortKey returns bytes that sort as the orders say, for a version with that id,
// time of update and index: it is the meaning of Query.Sort in every store.
func SortKey(orders []Order, id string, updated int64, index []Index) []byte {
	var b []byte
	for _, o := range orders {
		v, ok := o.value(id, updated, index)
		if !ok {
			b = append(b, 2) // after every value, whatever the direction
			continue
		}
		b = append(b, 1)
		start := len(b)
		b = appendOrdered(b, v)
		if o.Descending {
			for i := start; i < len(b); i++ {
				b[i] = ^b[i]
			}
		}
	}
	return b
}

// A sortValue is a number or a text.
type sortValue struct {
	n    int64
	text string
}

func (a sortValue) less(b sortValue) bool { return a.n < b.n || a.n == b.n && a.text < b.text }

// appendOrdered appends v so that bytes compare as values do, and no value is
// the beginning of another.
func appendOrdered(b []byte, v sortValue) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(v.n)^(1<<63))
	for i := range len(v.text) {
		if b = append(b, v.text[i]); v.text[i] == 0 {
			b = append(b, 0xff)
		}
	}
	return append(b, 0, 0)
}

func (o Order) value(id string, updated int64, index []Index) (best sortValue, ok bool) {
	switch o.Param {
	case "_id":
		return sortValue{text: id}, true
	case "_lastUpdated":
		return sortValue{n: updated}, true
	}
	for _, e := range index {
		if e.Param != o.Param || e.Kind != o.Kind {
			continue
		}
		v := o.of(e)
		if !ok || v.less(best) != o.Descending && v != best {
			best, ok = v, true
		}
	}
	return best, ok
}

func (o Order) of(e Index) sortValue {
	switch o.Kind {
	case Date, Number, Quantity:
		if o.Descending {
			return sortValue{n: e.High}
		}
		return sortValue{n: e.Low}
	case Text:
		return sortValue{text: e.Value}
	}
	return sortValue{text: e.Value + "\x00" + e.System}
}
