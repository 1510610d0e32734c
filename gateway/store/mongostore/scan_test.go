package mongostore

import (
	"fmt"
	"testing"

	"trellis.example/gateway/store"
	"trellis.example/gateway/store/mongostore/mongotest"
)

// A scan goes on however small its window has become.
func TestScanWindow(t *testing.T) {
	s := openTest(t, mongotest.Database(t, mongotest.URI(t, "that a scan comes to its end")), Options{})
	for i := range 12 {
		mustCommit(t, s, commitOf(fmt.Sprint(i)))
	}
	seq, err := s.seq(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, window := range []int64{1, 2, 1000} {
		found, after := 0, (&scanPosition{snapshot: seq, window: window}).String()
		for page := 0; after != "" && page < 20; page++ {
			p, err := s.Scan(t.Context(), store.ScanQuery{View: narrow("a"), Types: []string{"Task"}, Limit: 2, After: after})
			if err != nil {
				t.Fatal(err)
			}
			found, after = found+len(p.Versions), p.Next
		}
		if found != 12 || after != "" {
			t.Errorf("window %d: %d of 12, then %q", window, found, after)
		}
	}
}

func TestScanPosition(t *testing.T) {
	for _, p := range []scanPosition{
		{snapshot: 3, window: 16}, {snapshot: 3, late: true, upTo: 9, window: 1},
		{snapshot: 1, window: 4, after: &store.Position{Seq: 7, Type: "Ta|sk", ID: "a/b|%"}}, {window: 1, after: &store.Position{}},
	} {
		if got := parseScan(p.String()); got.String() != p.String() || (got.after == nil) != (p.after == nil) {
			t.Errorf("%q became %q", p.String(), got.String())
		}
	}
	for _, s := range []string{"", "x", "early|1|2", "early|1|2|x", "early|1|2|3|x|a|b", "early|1|2|3|4|%zz|b", "late|1|2|3|4"} {
		if got := parseScan(s); got.late || got.window != firstWindow {
			t.Errorf("%q became %+v", s, got)
		}
	}
}
