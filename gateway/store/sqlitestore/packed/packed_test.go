package packed

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
	}
	parties, got, err := ParseEntries(Entries([]string{"a", "\xff"}, index))
	if err != nil || !reflect.DeepEqual(got, index) || !slices.Equal(parties, []string{"a", "\xff"}) {
		t.Errorf("entries came back as %v %+v, %v", parties, got, err)
	}
}

// FuzzUnpack checks that no bytes make the unpackers panic or ask for memory
// beyond the input, and that what they accept packs to what unpacks the same.
func FuzzUnpack(f *testing.F) {
	e := audit.Entry{At: time.UnixMilli(-5), Action: audit.Read, Client: "c", Entities: []string{"Task/1"}, Patients: []string{"p"}, Count: -3}
	f.Add(Audit([]byte{AuditFormat}, e))
	f.Add(Access(auth.NewAccess("a", "b")))
	f.Add(Entries([]string{"a"}, []store.Index{{Param: "p", Kind: store.Date, Low: 1, High: 2}}))
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
		}
	})
}
