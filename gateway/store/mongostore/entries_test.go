package mongostore

import (
	"errors"
	"math"
	"reflect"
	"testing"

	"trellis.example/gateway/store"
)

var someEntries = []store.Index{
	{},
	{Param: "status", Kind: store.Token, System: "s", Value: "active", Common: true},
	{Param: "status", Kind: store.Token, System: "s", Value: "active", Silent: true},
	{Param: "authored", Kind: store.Date, Low: math.MinInt64, High: math.MaxInt64},
	{Param: "value", Kind: store.Quantity, System: "s", Value: "kg", Low: -5, High: 7, Group: 3},
	{Param: "near", Kind: store.Point, Low: 51_5, High: -1, Group: -9},
}

func TestEntries(t *testing.T) {
	got, err := unpackEntries(packEntries(someEntries))
	if err != nil || !reflect.DeepEqual(got, someEntries) {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err := unpackEntries(packEntries(nil)); err != nil || got != nil {
		t.Errorf("of none: %v, %v", got, err)
	}
	once, twice := packEntries(someEntries[1:2]), packEntries(someEntries[1:3])
	if len(twice)-len(once) > 4 {
		t.Errorf("an entry of known strings takes %d bytes", len(twice)-len(once))
	}
}

// Damaged bytes are an error, never a panic, and what can be read is packed
// again to what reads the same.
func FuzzEntries(f *testing.F) {
	f.Add(packEntries(someEntries))
	f.Add([]byte{entryFormat, 0xff, 1, 1, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := unpackEntries(b)
		if err != nil {
			if !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("error %v", err)
			}
			return
		}
		again, err := unpackEntries(packEntries(got))
		if err != nil || !reflect.DeepEqual(again, got) {
			t.Errorf("got %+v, then %+v, %v", got, again, err)
		}
	})
}
