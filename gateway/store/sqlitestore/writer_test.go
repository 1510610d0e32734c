package sqlitestore

import (
	"testing"
	"time"
)

// TestGather checks for whom a group waits. The jobs that come late do so
// while it waits; those of "early" are there before.
func TestGather(t *testing.T) {
	writes, audits := &job{ids: []string{"k"}}, &job{}
	for _, tt := range []struct {
		name        string
		early, late []*job
		expected    int
		want        int
		wait        time.Duration
	}{
		{"a client alone", []*job{writes}, nil, 1, 1, time.Hour},
		{"at first", []*job{writes}, nil, 0, 1, time.Hour},
		{"audit entries", []*job{audits, audits}, nil, 8, 2, time.Hour},
		{"all are there", []*job{writes, audits, writes}, nil, 2, 3, time.Hour},
		{"more than expected", []*job{writes, writes, writes}, nil, 2, 3, time.Hour},
		{"those who come", []*job{writes}, []*job{audits, writes, writes}, 3, 4, time.Hour},
		{"who does not come", []*job{writes}, nil, 3, 1, time.Millisecond},
		{"a full group", []*job{{ids: make([]string, groupWrites)}}, nil, 3, 1, time.Hour},
	} {
		s := &Store{jobs: make(chan *job, groupJobs)}
		b := &batch{}
		b.add(tt.early[0])
		for _, j := range tt.early[1:] {
			s.jobs <- j
		}
		go func() {
			for _, j := range tt.late {
				time.Sleep(time.Millisecond)
				s.jobs <- j
			}
		}()
		if s.gather(b, tt.expected, tt.wait); len(b.jobs) != tt.want {
			t.Errorf("%s: a group of %d, want %d", tt.name, len(b.jobs), tt.want)
		}
	}
	s := &Store{jobs: make(chan *job)}
	close(s.jobs)
	b := &batch{}
	b.add(writes)
	if s.gather(b, 2, time.Hour); len(b.jobs) != 1 {
		t.Errorf("a store that closes: a group of %d", len(b.jobs))
	}
}
