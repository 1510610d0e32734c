package mapping

import "testing"

func TestLocalDateTime(t *testing.T) {
	tests := []struct{ in, want, back string }{
		{"2026-03-10 14:02:11", "2026-03-10T14:02:11+00:00", "2026-03-10 14:02:11"},
		{"2026-06-11 09:30", "2026-06-11T09:30:00+01:00", "2026-06-11 09:30"},
		{"2026-06-11 09:30:00", "2026-06-11T09:30:00+01:00", "2026-06-11 09:30"},
		{"2026-10-25 01:30+01:00", "2026-10-25T01:30:00+01:00", "2026-10-25 01:30+01:00"},
		{"2026-10-25 01:30", "", ""}, // occurs twice
		{"2026-03-29 01:30", "", ""}, // does not exist
		{"2026-02-30 10:00", "", ""},
		{"2026-03-10", "", ""},
		{"10/03/2026 14:02", "", ""},
	}
	for _, tt := range tests {
		got, p := localDateTimeIn(tt.in)
		if got != tt.want || (p != nil) != (tt.want == "") {
			t.Errorf("%s: %s, %v; want %s", tt.in, got, p, tt.want)
		}
		if tt.want == "" {
			continue
		}
		if back, ok := localDateTimeOut(got); !ok || back != tt.back {
			t.Errorf("%s: back %s, %t; want %s", tt.in, back, ok, tt.back)
		}
	}
	if _, ok := localDateTimeOut("2026-03-10"); ok {
		t.Error("a date without time has a form")
	}
}
