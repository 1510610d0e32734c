package sqlitestore

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"slices"
	"testing"
	"time"

	"trellis.example/auth"
	"trellis.example/gateway/audit"
	"trellis.example/gateway/store"
)

func TestPackRoundTrip(t *testing.T) {
	for _, a := range []auth.Access{{}, auth.NewAccess("a", "b", "c"), {Owner: "o", Labels: []string{"s|R", ""}}} {
		got, err := unpackAccess(packAccess(a))
		if err != nil || !reflect.DeepEqual(got, a) {
			t.Errorf("access %+v came back as %+v, %v", a, got, err)
		}
	}
	index := []store.Index{
		{Param: "identifier", Kind: store.Token, System: "s", Value: "v"},
		{Param: "status", Kind: store.Token, Value: "active", Common: true},
		{Param: "patient", Kind: store.Reference, Value: "Patient/1"},
		{Param: "date", Kind: store.Date, Low: math.MinInt64, High: math.MaxInt64},
		{Param: "name", Kind: store.Text, Value: "söderberg\x00"}, {Param: "url", Kind: store.URI, Value: ""},
	}
	parties, got, err := unpackEntries(packEntries([]string{"a", everyone}, index))
	if err != nil || !reflect.DeepEqual(got, index) || !slices.Equal(parties, []string{"a", everyone}) {
		t.Errorf("entries came back as %v %+v, %v", parties, got, err)
	}
}

// FuzzUnpack checks that no bytes make the unpackers panic or ask for memory
// beyond the input, and that what they accept packs to what unpacks the same.
func FuzzUnpack(f *testing.F) {
	e := audit.Entry{At: time.UnixMilli(-5), Action: audit.Read, Client: "c", Entities: []string{"Task/1"}, Patients: []string{"p"}, Count: -3}
	f.Add(packAudit([]byte{auditFormat}, e))
	f.Add(packAccess(auth.NewAccess("a", "b")))
	f.Add(packEntries([]string{"a"}, []store.Index{{Param: "p", Kind: store.Date, Low: 1, High: 2}}))
	f.Add([]byte{auditFormat, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})
	f.Fuzz(func(t *testing.T, in []byte) {
		if rs, err := unpackAudit(7, in); err == nil {
			out := []byte{auditFormat}
			for _, r := range rs {
				out = packAudit(out, r.Entry)
			}
			again, err := unpackAudit(7, out)
			if err != nil || !reflect.DeepEqual(again, rs) {
				t.Errorf("audit changed: %+v, %v", again, err)
			}
		} else if !errors.Is(err, errPacked) {
			t.Errorf("audit: %v", err)
		}
		if a, err := unpackAccess(in); err == nil {
			if again, err := unpackAccess(packAccess(a)); err != nil || !reflect.DeepEqual(again, a) {
				t.Errorf("access changed: %+v, %v", again, err)
			}
		}
		if ps, index, err := unpackEntries(in); err == nil {
			out := packEntries(ps, index)
			ps2, index2, err := unpackEntries(out)
			if err != nil || !slices.Equal(ps2, ps) || !reflect.DeepEqual(index2, index) || !bytes.Equal(packEntries(ps2, index2), out) {
				t.Errorf("entries changed: %+v, %v", index2, err)
			}
		}
	})
}

func TestOrdinals(t *testing.T) {
	if got := ordinals([]string{"c", "a", "b", "a"}); !slices.Equal(got, []int{3, 0, 2, 1}) {
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
