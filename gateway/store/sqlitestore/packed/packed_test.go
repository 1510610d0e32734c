package packed

import (
	"bytes"
	"encoding/binary"
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
		got, err := ParseAccess(Access(a))
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
		{Param: "name", Kind: store.Text, Value: "smith", System: "Smith", Silent: true},
		{Param: "value", Kind: store.Number, Low: store.Ordered(-1.5), High: store.Ordered(2), Group: 1},
		{Param: "dose", Kind: store.Quantity, System: "http://unitsofmeasure.org", Value: "mg", Low: 1, High: 1, Group: math.MaxInt, Common: true},
		{Param: "near", Kind: store.Point, Low: 514_000_000, High: -1_200_000}, {Kind: 255},
	}
	parties, got, err := ParseEntries(Entries([]string{"a", "\xff"}, index))
	if err != nil || !reflect.DeepEqual(got, index) || !slices.Equal(parties, []string{"a", "\xff"}) {
		t.Errorf("entries came back as %v %+v, %v", parties, got, err)
	}
	checkSome(t, Entries([]string{"a", "\xff"}, index), index)
}

// TestFirstFormat reads entries as the first schema wrote them.
func TestFirstFormat(t *testing.T) {
	blob := putStrings(nil, []string{"a", "\xff"})
	blob = PutString(append(blob, byte(store.Token)<<1|1), "status")
	blob = PutString(PutString(blob, "s"), "active")
	blob = PutString(append(blob, byte(store.Date)<<1), "authored")
	blob = binary.AppendVarint(binary.AppendVarint(blob, -5), 7)
	blob = PutString(PutString(append(blob, byte(store.Text)<<1), "name"), "smith")
	want := []store.Index{
		{Param: "status", Kind: store.Token, System: "s", Value: "active", Common: true},
		{Param: "authored", Kind: store.Date, Low: -5, High: 7}, {Param: "name", Kind: store.Text, Value: "smith"},
	}
	parties, got, err := ParseEntries(blob)
	if err != nil || !reflect.DeepEqual(got, want) || !slices.Equal(parties, []string{"a", "\xff"}) {
		t.Errorf("entries %v %+v, %v", parties, got, err)
	}
	if parties, got, err := ParseEntries([]byte{0}); parties != nil || got != nil || err != nil {
		t.Errorf("a deletion: %v %v, %v", parties, got, err)
	}
	if _, _, err := ParseEntries([]byte{0, entriesFormat + 1}); !errors.Is(err, ErrDamaged) {
		t.Errorf("a format to come: %v", err)
	}
}

// checkSome reads the entries of each parameter by itself.
func checkSome(t *testing.T, in []byte, index []store.Index) {
	t.Helper()
	for _, i := range index {
		want := slices.DeleteFunc(slices.Clone(index), func(o store.Index) bool { return o.Param != i.Param })
		got, err := SomeEntries(in, []string{"other", i.Param})
		got = slices.DeleteFunc(got, func(o store.Index) bool { return o.Param != i.Param })
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("entries of %q: %+v, %v, want %+v", i.Param, got, err, want)
		}
	}
}

// FuzzUnpack checks that no bytes make the unpackers panic or ask for memory
// beyond the input, and that what they accept packs to what unpacks the same.
func FuzzUnpack(f *testing.F) {
	e := audit.Entry{At: time.UnixMilli(-5), Action: audit.Read, Client: "c", Entities: []string{"Task/1"}, Patients: []string{"p"}, Count: -3}
	f.Add(Audit([]byte{AuditFormat}, e))
	f.Add(Access(auth.NewAccess("a", "b")))
	f.Add(Entries([]string{"a"}, []store.Index{{Param: "p", Kind: store.Date, Low: 1, High: 2}}))
	f.Add([]byte{2, 1, 'a', 1, 'b', byte(store.Token) << 1, 1, 'p', 0, 1, 'v'})
	f.Add([]byte{AuditFormat, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})
	f.Fuzz(func(t *testing.T, in []byte) {
		if rs, err := ParseAudit(7, in); err == nil {
			out := []byte{AuditFormat}
			for _, r := range rs {
				out = Audit(out, r.Entry)
			}
			again, err := ParseAudit(7, out)
			if err != nil || !reflect.DeepEqual(again, rs) {
				t.Errorf("audit changed: %+v, %v", again, err)
			}
		} else if !errors.Is(err, ErrDamaged) {
			t.Errorf("audit: %v", err)
		}
		if a, err := ParseAccess(in); err == nil {
			if again, err := ParseAccess(Access(a)); err != nil || !reflect.DeepEqual(again, a) {
				t.Errorf("access changed: %+v, %v", again, err)
			}
		}
		if ps, index, err := ParseEntries(in); err == nil {
			out := Entries(ps, index)
			ps2, index2, err := ParseEntries(out)
			if err != nil || !slices.Equal(ps2, ps) || !reflect.DeepEqual(index2, index) || !bytes.Equal(Entries(ps2, index2), out) {
				t.Errorf("entries changed: %+v, %v", index2, err)
			}
			checkSome(t, in, index)
		} else if _, err := SomeEntries(in, nil); !errors.Is(err, ErrDamaged) {
			t.Errorf("some of damaged entries: %v", err)
		}
	})
}
