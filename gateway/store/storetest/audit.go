package storetest

import (
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"trellis.example/gateway/audit"
	"trellis.example/gateway/store"
)

var auditTests = []test{
	{"EntriesComeBackWhole", testAuditWhole},
	{"EntriesKeepCommitOrder", testAuditOrder},
	{"SearchNarrows", testAuditSearch},
	{"SearchPages", testAuditPages},
	{"SearchSeesWhatWasCommitted", testAuditFresh},
	{"SequencerMissesNothing", testAuditSequencer},
}

func (f *fixture) entry(entities ...string) audit.Entry {
	return audit.Entry{
		At: f.clock.Now().UTC().Truncate(time.Millisecond), Action: audit.Create, Interaction: "create", Outcome: "0",
		Client: "client-1", Party: "a", Role: "referrer", Address: "192.0.2.1", RequestID: fmt.Sprint("r-", f.next()),
		Entities: entities,
	}
}

func testAuditWhole(t *testing.T, f *fixture) {
	full := f.entry("Task/1/_history/2", "ServiceRequest?identifier,status")
	full.Patients, full.Count = []string{"Patient/1", "Patient/2"}, 17
	odd := audit.Entry{
		At: time.Date(1969, 12, 31, 23, 59, 59, 1e6, time.UTC), Action: audit.Execute,
		Interaction: "process-message", Address: "2001:db8::1", Client: "é\x00\"", Entities: []string{""},
	}
	want := []audit.Entry{full, {At: f.clock.Now().UTC().Truncate(time.Millisecond), Action: audit.Read}, odd}
	f.commit(t, store.Commit{Audit: want})
	got := f.audits(t)
	if len(got) != len(want) {
		t.Fatalf("%d records, want %d", len(got), len(want))
	}
	for i := range want {
		if !reflect.DeepEqual(got[i].Entry, want[i]) {
			t.Errorf("entry %d:\n got %+v\nwant %+v", i, got[i].Entry, want[i])
		}
	}
}

func testAuditOrder(t *testing.T, f *fixture) {
	const commits, each = 20, 3
	for c := range commits {
		var entries []audit.Entry
		for n := range each {
			entries = append(entries, f.entry(fmt.Sprintf("Task/%d-%d", c, n)))
		}
		r := f.commit(t, store.Commit{Audit: entries})
		if r.Seq <= 0 {
			t.Errorf("an audit-only commit has number %d", r.Seq)
		}
	}
	all := f.audits(t)
	if len(all) != commits*each {
		t.Fatalf("%d records, want %d", len(all), commits*each)
	}
	for i, r := range all {
		if want := fmt.Sprintf("Task/%d-%d", i/each, i%each); r.Entities[0] != want {
			t.Fatalf("record %d is about %s, want %s", i, r.Entities[0], want)
		}
		if i > 0 && !earlier(all[i-1], r) {
			t.Fatalf("record %d has place %d.%d after %d.%d", i, r.Seq, r.N, all[i-1].Seq, all[i-1].N)
		}
	}
}

func earlier(a, b audit.Record) bool { return a.Seq < b.Seq || a.Seq == b.Seq && a.N < b.N }

func testAuditSearch(t *testing.T, f *fixture) {
	base := f.clock.Now().UTC().Truncate(time.Millisecond)
	add := func(min int, client string, action audit.Action, patients []string, entities ...string) {
		e := f.entry(entities...)
		e.At, e.Client, e.Action, e.Patients = base.Add(time.Duration(min)*time.Minute), client, action, patients
		f.commit(t, store.Commit{Audit: []audit.Entry{e, f.entry("Other/1")}})
	}
	add(0, "c1", audit.Create, []string{"Patient/1"}, "Task/1", "ServiceRequest/1")
	add(1, "c1", audit.Update, []string{"Patient/1"}, "Task/1/_history/2")
	add(2, "c2", audit.Read, []string{"Patient/2", "Patient/1"}, "Task/2")
	add(3, "c2", audit.Read, nil, "Task/11")
	at := func(min int) time.Time { return base.Add(time.Duration(min) * time.Minute) }
	tests := []struct {
		name string
		q    store.AuditQuery
		want []string
	}{
		{"entity", store.AuditQuery{Entity: "Task/1"}, []string{"Task/1/_history/2", "Task/1"}},
		{"second entity", store.AuditQuery{Entity: "ServiceRequest/1"}, []string{"Task/1"}},
		{"patient", store.AuditQuery{Patient: "Patient/1"}, []string{"Task/2", "Task/1/_history/2", "Task/1"}},
		{"second patient", store.AuditQuery{Patient: "Patient/2"}, []string{"Task/2"}},
		{"client", store.AuditQuery{Client: "c2"}, []string{"Task/11", "Task/2"}},
		{"action", store.AuditQuery{Action: audit.Update}, []string{"Task/1/_history/2"}},
		{"client and action", store.AuditQuery{Client: "c1", Action: audit.Create}, []string{"Task/1"}},
		{"patient and client", store.AuditQuery{Patient: "Patient/1", Client: "c2"}, []string{"Task/2"}},
		{"client and time", store.AuditQuery{Client: "c2", From: at(3)}, []string{"Task/11"}},
		{"client and end", store.AuditQuery{Client: "c2", To: at(3)}, []string{"Task/2"}},
		{"time alone", store.AuditQuery{From: at(1), To: at(3)}, []string{"Task/2", "Task/1/_history/2"}},
		{"nothing", store.AuditQuery{Entity: "Task/3"}, nil},
		{"a prefix of an id", store.AuditQuery{Entity: "Task/"}, nil},
	}
	for _, tt := range tests {
		tt.q.Limit = 10
		got, more, err := f.AuditSearch(ctx(t), tt.q)
		if err != nil || more {
			t.Errorf("%s: more %t, %v", tt.name, more, err)
		}
		var about []string
		for _, r := range got {
			about = append(about, r.Entities[0])
		}
		if !reflect.DeepEqual(about, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, about, tt.want)
		}
	}
}

func testAuditPages(t *testing.T, f *fixture) {
	const n = 23
	for i := range n {
		e := f.entry(fmt.Sprintf("Task/%d", i))
		f.commit(t, store.Commit{Audit: []audit.Entry{e, f.entry("Other/1")}})
	}
	for _, q := range []store.AuditQuery{{Limit: 4}, {Limit: 5, Client: "client-1"}} {
		var all []audit.Record
		for {
			got, more, err := f.AuditSearch(ctx(t), q)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, got...)
			if !more {
				break
			}
			if len(got) == 0 {
				t.Fatal("an empty page promises more")
			}
			last := got[len(got)-1]
			q.After = &store.AuditPosition{Seq: last.Seq, N: last.N}
		}
		if len(all) != 2*n {
			t.Errorf("%+v: %d records in all, want %d", q, len(all), 2*n)
		}
		for i := 1; i < len(all); i++ {
			if !earlier(all[i], all[i-1]) {
				t.Fatalf("record %d is not older than the one before it", i)
			}
		}
	}
}

// What was committed before a search is found by it, however far behind the
// index is.
func testAuditFresh(t *testing.T, f *fixture) {
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 25 {
				entity := fmt.Sprintf("Task/%d-%d", w, i)
				if _, err := f.Commit(ctx(t), store.Commit{Audit: []audit.Entry{f.entry(entity)}}); err != nil {
					t.Errorf("Commit: %v", err)
					return
				}
				got, _, err := f.AuditSearch(ctx(t), store.AuditQuery{Entity: entity, Limit: 2})
				if err != nil || len(got) != 1 {
					t.Errorf("%d records of a committed entry, %v", len(got), err)
				}
			}
		})
	}
	wg.Wait()
}

// A reader that follows the entries while they are written sees each exactly
// once and in order.
func testAuditSequencer(t *testing.T, f *fixture) {
	const writers, each = 6, 30
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range each {
				if _, err := f.Commit(ctx(t), store.Commit{Audit: []audit.Entry{f.entry("Task/1"), f.entry("Task/2")}}); err != nil {
					t.Errorf("Commit: %v", err)
				}
			}
		})
	}
	var after store.AuditPosition
	seen := map[string]bool{}
	for deadline := time.Now().Add(30 * time.Second); len(seen) < 2*writers*each && time.Now().Before(deadline); {
		got, err := f.AuditEntries(ctx(t), after, 7)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range got {
			if r.Seq < after.Seq || r.Seq == after.Seq && r.N <= after.N && r.Seq != 0 {
				t.Fatalf("record %d.%d after %d.%d", r.Seq, r.N, after.Seq, after.N)
			}
			if seen[r.RequestID] {
				t.Fatal("a record was shown twice")
			}
			seen[r.RequestID] = true
			after = store.AuditPosition{Seq: r.Seq, N: r.N}
		}
	}
	wg.Wait()
	if len(seen) != 2*writers*each {
		t.Errorf("%d records followed, want %d", len(seen), 2*writers*each)
	}
}
