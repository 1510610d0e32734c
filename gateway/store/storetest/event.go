package storetest

import (
	"cmp"
	"slices"
	"sync"
	"testing"
	"time"

	"trellis.example/gateway/store"
)

var eventTests = []test{
	{"LeaseAndDone", testLease},
	{"LeaseRunsOut", testLeaseRunsOut},
	{"PartitionKeepsOrder", testPartition},
	{"RetryWaits", testRetry},
	{"DueAndTopic", testDue},
	{"RepeatedID", testEventID},
	{"ConcurrentWorkersShareNothing", testWorkers},
	{"ReopenLosesNone", testEventsReopen},
}

func (f *fixture) event(id, topic, partition string) store.Event {
	return store.Event{ID: id, Topic: topic, Partition: partition, Payload: []byte("payload of " + id), Due: f.clock.Now()}
}

func (f *fixture) emit(t *testing.T, events ...store.Event) {
	t.Helper()
	for _, e := range events {
		f.commit(t, store.Commit{Events: []store.Event{e}})
	}
}

// lease leases up to n events of "topic" for a minute; the ids must be those,
// in any order, as they are of several partitions. The answer is in theirs.
func (f *fixture) lease(t *testing.T, n int, ids ...string) []store.Lease {
	t.Helper()
	got, err := f.LeaseEvents(ctx(t), "topic", n, time.Minute)
	if err != nil {
		t.Fatalf("LeaseEvents: %v", err)
	}
	if len(got) != len(ids) {
		t.Fatalf("leased %d events, want %v", len(got), ids)
	}
	slices.SortFunc(got, func(a, b store.Lease) int {
		return cmp.Compare(slices.Index(ids, a.ID), slices.Index(ids, b.ID))
	})
	for i, l := range got {
		if l.ID != ids[i] || string(l.Payload) != "payload of "+l.ID || l.Topic != "topic" || l.Token == "" {
			t.Errorf("leased %+v, want %s", l, ids[i])
		}
	}
	return got
}

func testLease(t *testing.T, f *fixture) {
	f.emit(t, f.event("1", "topic", "p1"), f.event("2", "topic", "p2"), f.event("3", "topic", "p3"))
	got, err := f.LeaseEvents(ctx(t), "topic", 2, time.Minute)
	if err != nil || len(got) != 2 || got[0].ID == got[1].ID {
		t.Fatalf("leased %+v, %v; want two of three", got, err)
	}
	if got[0].Attempt != 1 || got[0].Partition != "p"+got[0].ID {
		t.Errorf("first lease: attempt %d in partition %q", got[0].Attempt, got[0].Partition)
	}
	if d := got[0].Until.Sub(f.clock.Now()); d < 50*time.Second || d > 70*time.Second {
		t.Errorf("leased for %v, want a minute", d)
	}
	rest, err := f.LeaseEvents(ctx(t), "topic", 5, time.Minute)
	if err != nil || len(rest) != 1 {
		t.Fatalf("leased %+v, %v; want the third", rest, err)
	}
	for _, l := range append(got, rest...) {
		if err := f.DoneEvent(ctx(t), l); err != nil {
			t.Errorf("DoneEvent: %v", err)
		}
		wantErr(t, "done twice", f.DoneEvent(ctx(t), l), store.ErrNotFound)
	}
	f.clock.Advance(time.Hour)
	f.lease(t, 5)
}

func testLeaseRunsOut(t *testing.T, f *fixture) {
	f.emit(t, f.event("1", "topic", "p"))
	first := f.lease(t, 5, "1")[0]
	f.lease(t, 5)
	f.clock.Advance(2 * time.Minute)
	second := f.lease(t, 5, "1")[0]
	if second.Attempt != 2 {
		t.Errorf("attempt %d, want 2", second.Attempt)
	}
	wantErr(t, "done by who lost it", f.DoneEvent(ctx(t), first), store.ErrNotFound)
	wantErr(t, "retry by who lost it", f.RetryEvent(ctx(t), first, f.clock.Now()), store.ErrNotFound)
	f.clock.Advance(2 * time.Minute)
	if err := f.DoneEvent(ctx(t), second); err != nil {
		t.Errorf("late, but nobody else has it: %v", err)
	}
}

func testPartition(t *testing.T, f *fixture) {
	f.emit(t, f.event("1", "topic", "p"), f.event("2", "topic", "p"), f.event("3", "topic", "q"),
		f.event("4", "topic", ""), f.event("5", "topic", ""))
	got := f.lease(t, 10, "1", "3", "4", "5")
	f.lease(t, 10)
	if err := f.DoneEvent(ctx(t), got[0]); err != nil {
		t.Fatal(err)
	}
	f.lease(t, 10, "2")
}

func testRetry(t *testing.T, f *fixture) {
	f.emit(t, f.event("1", "topic", "p"), f.event("2", "topic", "p"))
	l := f.lease(t, 5, "1")[0]
	if err := f.RetryEvent(ctx(t), l, f.clock.Now().Add(10*time.Minute)); err != nil {
		t.Fatal(err)
	}
	wantErr(t, "given back twice", f.RetryEvent(ctx(t), l, f.clock.Now()), store.ErrNotFound)
	f.lease(t, 5) // 2 waits behind 1
	f.clock.Advance(11 * time.Minute)
	l = f.lease(t, 5, "1")[0]
	if l.Attempt != 2 {
		t.Errorf("attempt %d after a retry, want 2", l.Attempt)
	}
}

func testDue(t *testing.T, f *fixture) {
	later := f.event("1", "topic", "")
	later.Due = f.clock.Now().Add(time.Hour)
	f.emit(t, later, f.event("2", "other", ""), f.event("3", "topic", ""))
	f.lease(t, 5, "3")
	f.clock.Advance(61 * time.Minute)
	f.lease(t, 5, "1", "3")
}

func testEventID(t *testing.T, f *fixture) {
	f.emit(t, f.event("1", "topic", "p"))
	_, err := f.Commit(ctx(t), store.Commit{Events: []store.Event{f.event("1", "topic", "q")}})
	wantConflict(t, "a waiting event's id", err, store.Key{Type: "topic", ID: "1"}, 0)
	f.lease(t, 5, "1")
	_, err = f.Commit(ctx(t), store.Commit{Events: []store.Event{f.event("1", "topic", "q")}})
	wantConflict(t, "a leased event's id", err, store.Key{Type: "topic", ID: "1"}, 0)
}

func testWorkers(t *testing.T, f *fixture) {
	const events, workers = 40, 4
	var c store.Commit
	for i := range events {
		c.Events = append(c.Events, f.event(string(rune('A'+i)), "topic", string(rune('a'+i%5))))
	}
	f.commit(t, c)
	var mu sync.Mutex
	order := map[string][]string{}
	total := 0
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for {
				mu.Lock()
				finished := total == events
				mu.Unlock()
				if finished || ctx(t).Err() != nil || t.Failed() {
					return
				}
				got, err := f.LeaseEvents(ctx(t), "topic", 3, time.Minute)
				if err != nil {
					t.Errorf("LeaseEvents: %v", err)
					return
				}
				for _, l := range got {
					mu.Lock()
					order[l.Partition] = append(order[l.Partition], l.ID)
					total++
					mu.Unlock()
					if err := f.DoneEvent(ctx(t), l); err != nil {
						t.Errorf("DoneEvent: %v", err)
					}
				}
			}
		})
	}
	wg.Wait()
	for p, ids := range order {
		for i := range ids {
			if want := string(rune('A' + int(p[0]-'a') + 5*i)); ids[i] != want {
				t.Fatalf("partition %s was worked on in the order %v", p, ids)
			}
		}
	}
}

func testEventsReopen(t *testing.T, f *fixture) {
	f.emit(t, f.event("1", "topic", "p"), f.event("2", "topic", "q"))
	held, err := f.LeaseEvents(ctx(t), "topic", 1, time.Minute)
	if err != nil || len(held) != 1 {
		t.Fatalf("leased %+v, %v; want one", held, err)
	}
	f.crash(t)
	other := map[string]string{"1": "2", "2": "1"}[held[0].ID]
	f.lease(t, 5, other) // the first is still leased to the worker that died
	f.clock.Advance(2 * time.Minute)
	f.lease(t, 5, "1", "2")
}
