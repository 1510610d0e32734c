package sqlitestore

import (
	"math"
	"slices"
	"testing"
)

func TestOrdinals(t *testing.T) {
	if got := ordinals([]string{"c", "a", "b", "a"}); !slices.Equal(got, []int{3, 1, 2, 0}) {
		t.Errorf("ranks %v", got)
	}
	if position(5, 0) <= position(5, 1) || position(6, posMask) <= position(5, 0) || seqOf(position(5, 9)) != 5 {
		t.Error("positions are out of order")
	}
}

func TestSlots(t *testing.T) {
	for _, ms := range []int64{math.MinInt64, -slotMillis - 1, -slotMillis, -1, 0, 1, slotMillis - 1, slotMillis, math.MaxInt64} {
		s := slotAt(ms)
		if lower := ms > math.MinInt64 && slotAt(ms-1) > s; lower {
			t.Errorf("slot of %d lies below that of the instant before", ms)
		}
	}
	if slotAt(-1) != -1 || slotAt(0) != 0 || slotAt(-slotMillis) != -1 || slotAt(-slotMillis-1) != -2 || slotAt(slotMillis) != 1 {
		t.Error("slots are not of equal length")
	}
}
