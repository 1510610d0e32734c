package storetest

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"trellis.example/gateway/audit"
	"trellis.example/gateway/store"
)

// Each commit writes two resources, a doc, an event, a claim, an original and
// an audit record, all of one number: a dump that is one moment has all of them
// or none, and all that were acknowledged before it began.
func testDumpMoment(t *testing.T, f *fixture) {
	const writers = 4
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var mu sync.Mutex
	acked := make([]int, writers)
	for w := range writers {
		wg.Go(func() {
			for n := 1; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := f.Commit(ctx(t), f.momentCommit(w, n)); err != nil {
					t.Errorf("Commit: %v", err)
					return
				}
				mu.Lock()
				acked[w] = n
				mu.Unlock()
			}
		})
	}
	for range 5 {
		mu.Lock()
		atLeast := append([]int(nil), acked...)
		mu.Unlock()
		d := f.dump(t)
		checkMoment(t, d, atLeast)
		if t.Failed() {
			break
		}
	}
	close(stop)
	wg.Wait()
	d := f.dump(t)
	checkMoment(t, d, acked)
	other := f.another(t)
	other.load(t, d, 200)
	sameDump(t, other.dump(t), d)
}

// Whatever happens between two records, all of them are of the mark's moment:
// what is replaced, removed and done meanwhile is there as it was.
func testDumpSince(t *testing.T, f *fixture) {
	f.furnish(t)
	want := f.dump(t)
	task := store.Key{Type: "Task", ID: "kA"}
	v := f.read(t, system, task)
	meanwhile := []func(){
		func() { f.put(t, task, v.Number, ownedBy("new"), token("id", "s", "new")) },
		func() { f.remove(t, task, v.Number+1) },
		func() { f.put(t, f.key("Task"), 0, ownedBy("new")) },
		func() {
			f.commit(t, store.Commit{
				Docs:      []store.DocWrite{{Kind: "client", ID: "c", Expect: 2, Body: []byte("3")}, {Kind: "client", ID: "new", Body: []byte("1")}},
				Claims:    []store.Claim{f.claim("s", "new", "")},
				Originals: []store.Blob{blobOf([]byte("new"), task), blobOf(noise(2<<20), task)},
				Audit:     []audit.Entry{f.entry("Task/kA")},
				Events:    []store.Event{f.event("new", "topic", "p")},
			})
		},
		func() {
			got, err := f.LeaseEvents(ctx(t), "topic", 9, time.Minute)
			if err != nil || len(got) == 0 {
				t.Fatalf("leased %d events, %v", len(got), err)
			}
			for _, l := range got {
				if err := f.DoneEvent(ctx(t), l); err != nil {
					t.Fatal(err)
				}
			}
		},
		func() {
			f.commit(t, store.Commit{Docs: []store.DocWrite{{Kind: "client", ID: "c", Expect: 3, Delete: true}}})
		},
	}
	got := new(dump)
	err := f.Dump(ctx(t), func(r store.Record) error {
		got.records = append(got.records, r)
		got.take(r)
		if len(meanwhile) > 0 {
			meanwhile[0]()
			meanwhile = meanwhile[1:]
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	got.check(t)
	sameDump(t, got, want)
}

// momentCommit is the n-th commit of a writer.
func (f *fixture) momentCommit(w, n int) store.Commit {
	id := fmt.Sprintf("w%d", w)
	name := fmt.Sprintf("w%d-%04d", w, n)
	write := func(typ string) store.Write {
		return f.write(store.Key{Type: typ, ID: id}, n-1, ownedBy("a"), token("id", "s", name))
	}
	return store.Commit{
		Writes:    []store.Write{write("Task"), write("Patient")},
		Claims:    []store.Claim{f.claim("moment", name, name)},
		Events:    []store.Event{f.event(name, "topic", id)},
		Originals: []store.Blob{blobOf([]byte(name), store.Key{Type: "Task", ID: id})},
		Audit:     []audit.Entry{f.entry("Task/" + name)},
		Docs:      []store.DocWrite{{Kind: "moment", ID: id, Expect: n - 1, Body: []byte(name)}},
	}
}

// checkMoment finds how many commits of each writer a dump has, which must be
// the same by every kind of record.
func checkMoment(t *testing.T, d *dump, atLeast []int) {
	t.Helper()
	for w, least := range atLeast {
		id := fmt.Sprintf("w%d", w)
		count := map[string]int{}
		for _, v := range d.versions {
			if v.Key.ID == id {
				count[v.Key.Type]++
			}
		}
		for _, doc := range d.docs {
			if doc.ID == id {
				count["doc"] = doc.Version
			}
		}
		mine := func(kind, name string) {
			if strings.HasPrefix(name, id+"-") {
				count[kind]++
			}
		}
		for _, c := range d.claims {
			mine("claim", c.Key)
		}
		for _, e := range d.events {
			mine("event", e.ID)
		}
		for _, b := range d.blobs {
			mine("original", string(b.Data))
		}
		for _, a := range d.audit {
			mine("audit", strings.TrimPrefix(a.Entities[0], "Task/"))
		}
		n := count["Task"]
		if n < least {
			t.Errorf("writer %d: %d commits, and %d were acknowledged before", w, n, least)
		}
		for _, kind := range []string{"Patient", "doc", "claim", "event", "original", "audit"} {
			if count[kind] != n {
				t.Errorf("writer %d: %d by its tasks, %d by %s", w, n, count[kind], kind)
			}
		}
	}
}
