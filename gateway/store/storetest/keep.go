package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"trellis.example/auth"
	"trellis.example/gateway/audit"
	"trellis.example/gateway/store"
)

// Taking everything out and putting it into another store.
var keepTests = []test{
	{"EmptyDump", testDumpEmpty},
	{"DumpEndsWithYield", testDumpError},
	{"LoadedIsTheSame", testLoad},
	{"LoadedAnswersTheSame", testLoadAnswers},
	{"LoadedGoesOn", testLoadGoesOn},
	{"LoadedEventsKeepOrder", testLoadEvents},
	{"LoadedOriginalsAreSwept", testLoadBlobs},
	{"LoadRepeated", testLoadRepeated},
	{"LoadDiffering", testLoadDiffering},
	{"LoadInterrupted", testLoadInterrupted},
	{"LoadAfterSweep", testLoadSwept},
	{"DumpIsOneMoment", testDumpMoment},
	{"DumpShowsNothingSince", testDumpSince},
}

func testDumpEmpty(t *testing.T, f *fixture) {
	d := f.dump(t)
	if len(d.records) != 1 || d.mark.At.Sub(f.clock.Now()).Abs() > time.Minute {
		t.Errorf("%d records of an empty store, made at %v", len(d.records), d.mark.At)
	}
	other := f.another(t)
	other.load(t, d, 1)
	sameDump(t, other.dump(t), d)
	other.put(t, other.key("Task"), 0, ownedBy("a"))
}

func testDumpError(t *testing.T, f *fixture) {
	for range 5 {
		f.put(t, f.key("Task"), 0, ownedBy("a"))
	}
	full := errors.New("full")
	for n := range 4 {
		err := f.Dump(ctx(t), func(store.Record) error {
			if n--; n < 0 {
				return full
			}
			return nil
		})
		wantErr(t, "an error of yield", err, full)
	}
	f.put(t, f.key("Task"), 0, ownedBy("a")) // nothing is left held
}

func testLoad(t *testing.T, f *fixture) {
	f.furnish(t)
	want := f.dump(t)
	if len(want.versions) != 60 || len(want.docs) != 2 || len(want.claims) != 3 || len(want.events) != 9 || len(want.blobs) != 4 || len(want.audit) != len(f.audits(t)) {
		t.Errorf("%d versions, %d docs, %d claims, %d events, %d originals, %d audit records",
			len(want.versions), len(want.docs), len(want.claims), len(want.events), len(want.blobs), len(want.audit))
	}
	for _, some := range []int{1, 7, 1000} {
		other := f.another(t)
		other.load(t, want, some)
		sameDump(t, other.dump(t), want)
		other.crash(t)
		sameDump(t, other.dump(t), want)
	}
	sameDump(t, f.dump(t), want)
}

func testLoadAnswers(t *testing.T, f *fixture) {
	f.furnish(t)
	d := f.dump(t)
	other := f.another(t)
	other.load(t, d, 50)
	types := []string{"Task", "Patient", "Device"}
	for _, v := range []auth.View{system, viewOf("a"), viewOf("b"), auth.NewView([]string{"b"}, []string{"*"}, []string{"s|R", "s|V"})} {
		for name, q := range loadQueries() {
			q.View, q.Limit, q.Total = v, 7, true
			sameWalk(t, name, other.walk(t, q, func(int) {}), f.walk(t, q, func(int) {}))
			if a, b := other.search(t, q).Total, f.search(t, q).Total; a != b {
				t.Errorf("%s: total %d, want %d", name, a, b)
			}
		}
		got, _ := other.scan(t, store.ScanQuery{View: v, Types: types, Limit: 9, Deleted: true}, func(int) {})
		want, _ := f.scan(t, store.ScanQuery{View: v, Types: types, Limit: 9, Deleted: true}, func(int) {})
		sameWalk(t, "scan", got, want)
		half := d.mark.Seq / 2
		got, _ = other.scan(t, store.ScanQuery{View: v, Types: types, Limit: 9, Snapshot: half}, func(int) {})
		want, _ = f.scan(t, store.ScanQuery{View: v, Types: types, Limit: 9, Snapshot: half}, func(int) {})
		sameWalk(t, "scan of the past", got, want)
	}
	q := store.HistoryQuery{View: system, Types: types, Limit: 20}
	sameWalk(t, "history", other.walkTypes(t, q, func() {}), f.walkTypes(t, q, func() {}))
	sameAudit(t, other, f)
	_, err := other.Search(ctx(t), store.Query{View: system, Type: "Task", Limit: 1, Snapshot: d.versions[0].Seq})
	wantErr(t, "a snapshot of before the load", err, store.ErrExpired)
}

func loadQueries() map[string]store.Query {
	return map[string]store.Query{
		"type":     {Type: "Task"},
		"token":    {Type: "Task", Where: []store.Clause{is("id", "s", "b")}, Or: []store.Part{{Type: "Patient", Where: []store.Clause{is("id", "s", "c")}}}},
		"common":   {Type: "Patient", Where: []store.Clause{common(is("status", "s", "y"))}},
		"date":     {Type: "Task", Where: []store.Clause{{Param: "date", Kind: store.Date, Any: []store.Match{{Op: "ge", Low: 20, High: 20}}}}},
		"text":     {Type: "Device", Where: []store.Clause{{Param: "name", Kind: store.Text, Any: []store.Match{{Value: "Smith", System: "Smith", Op: store.OpExact}}}}},
		"together": {Type: "Task", Where: []store.Clause{together(is("code", "s", "A"), numberIs("eq", 7))}},
		"silent":   {Type: "Task", Where: []store.Clause{{Param: "patient", Kind: store.Reference, Silent: true, Any: []store.Match{{Value: "Patient/1"}}}}, Values: "patient"},
		"sort":     {Type: "Task", Or: []store.Part{{Type: "Patient"}}, Sort: []store.Order{up("num", store.Number), down("date", store.Date)}},
		"time":     {Type: "Task", Or: []store.Part{{Type: "Device"}}, Sort: []store.Order{down("_lastUpdated", store.Date)}},
	}
}

// sameAudit compares what two stores say of their audit.
func sameAudit(t *testing.T, got, want *fixture) {
	t.Helper()
	if g, w := got.audits(t), want.audits(t); !slices.EqualFunc(g, w, func(a, b audit.Record) bool { return fmt.Sprint(a) == fmt.Sprint(b) }) {
		t.Errorf("%d audit records, want %d, or they differ", len(g), len(w))
	}
	for _, q := range []store.AuditQuery{{Limit: 1000}, {Limit: 9, Entity: "Patient/kB"}, {Limit: 9, Client: "client-1"}, {Limit: 9, Action: audit.Execute}, {Limit: 9, Patient: "Patient/1"}} {
		g, _, err := got.AuditSearch(ctx(t), q)
		if err != nil {
			t.Fatal(err)
		}
		w, _, err := want.AuditSearch(ctx(t), q)
		if err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(g) != fmt.Sprint(w) || len(w) == 0 {
			t.Errorf("audit search %+v: %d records, want %d (more than none)", q, len(g), len(w))
		}
	}
}

func testLoadGoesOn(t *testing.T, f *fixture) {
	f.furnish(t)
	d := f.dump(t)
	other := f.another(t)
	other.load(t, d, 40)
	_, err := other.Commit(ctx(t), store.Commit{Claims: []store.Claim{other.claim("s", "k", "new")}})
	wantTaken(t, "a claim that was loaded", err, "answer")
	_, err = other.Commit(ctx(t), store.Commit{Docs: []store.DocWrite{{Kind: "client", ID: "c", Body: []byte("x")}}})
	wantConflict(t, "a doc that was loaded", err, store.Key{Type: "client", ID: "c"}, 2)
	_, err = other.Commit(ctx(t), store.Commit{Events: []store.Event{other.event("1", "topic", "")}})
	wantConflict(t, "an event that was loaded", err, store.Key{Type: "topic", ID: "1"}, 0)
	task := store.Key{Type: "Task", ID: "kA"}
	now := other.read(t, system, task)
	_, err = other.Commit(ctx(t), store.Commit{Writes: []store.Write{other.write(task, 0, ownedBy("a"))}})
	wantConflict(t, "a key that was loaded", err, task, now.Number)
	v := other.put(t, task, now.Number, ownedBy("q"), token("id", "s", "new"))
	if v.Seq <= d.mark.Seq {
		t.Errorf("commit %d after a load of %d", v.Seq, d.mark.Seq)
	}
	sameVersion(t, other.read(t, viewOf("q"), task), v)
	p := other.search(t, store.Query{View: viewOf("q"), Type: "Task", Limit: 5, Where: []store.Clause{is("id", "s", "new")}})
	sameKeys(t, "what was written since", p.Versions, task)
	r := other.commit(t, store.Commit{Audit: []audit.Entry{other.entry("Task/kA")}})
	if all := other.audits(t); all[len(all)-1].Seq != r.Seq || len(all) != len(d.audit)+1 {
		t.Errorf("%d audit records, the last of commit %d, want %d and %d", len(all), all[len(all)-1].Seq, len(d.audit)+1, r.Seq)
	}
	p = other.search(t, store.Query{View: system, Type: "Task", Limit: 1, Snapshot: d.mark.Seq, Where: []store.Clause{is("_id", "", "kA")}})
	if len(p.Versions) == 1 && p.Versions[0].Number != now.Number || len(p.Versions) == 0 && !now.Deleted {
		t.Errorf("the moment of the load shows %v", keys(p.Versions))
	}
	_ = other.dump(t)
}

func testLoadEvents(t *testing.T, f *fixture) {
	f.furnish(t)
	other := f.another(t)
	other.load(t, f.dump(t), 3)
	other.lease(t, 10, "1", "3", "9") // the first of each partition
	if got, err := other.LeaseEvents(ctx(t), "retried", 5, time.Minute); err != nil || len(got) != 0 {
		t.Errorf("%d events of a partition whose first waits for its retry, %v", len(got), err)
	}
	other.clock.Advance(11 * time.Minute)
	for topic, attempt := range map[string]int{"retried": 2, "leased": 2} {
		got, err := other.LeaseEvents(ctx(t), topic, 5, time.Minute)
		if err != nil || len(got) != 1 || got[0].Attempt != attempt {
			t.Errorf("%s: leased %+v, %v; want one at attempt %d", topic, got, err, attempt)
		}
	}
	other.emit(t, other.event("new", "topic", "q"))
	for _, id := range []string{"9", "8", "7", "new"} {
		found := false
		got, err := other.LeaseEvents(ctx(t), "topic", 10, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range got {
			if l.Partition == "q" {
				found = l.ID == id
			}
			if err := other.DoneEvent(ctx(t), l); err != nil {
				t.Fatal(err)
			}
		}
		if !found {
			t.Fatalf("partition q: leased %+v, want %s next", got, id)
		}
	}
}

func testLoadBlobs(t *testing.T, f *fixture) {
	f.furnish(t)
	f.clock.Advance(12 * time.Hour)
	other := f.another(t)
	other.load(t, f.dump(t), 30)
	held, loose := blobOf(noise(3<<20+5)), blobOf([]byte("loose"))
	for _, step := range []struct {
		after time.Duration
		there bool
	}{{time.Hour, true}, {13 * time.Hour, false}} {
		other.clock.Advance(step.after)
		if err := other.Sweep(ctx(t), other.clock.Now()); err != nil {
			t.Fatal(err)
		}
		if b, err := other.Blob(ctx(t), held.Hash); err != nil || len(b.Data) != len(held.Data) || len(b.Refs) != 2 {
			t.Errorf("a held original: %d bytes, %v", len(b.Data), err)
		}
		if _, err := other.Blob(ctx(t), loose.Hash); (err == nil) != step.there {
			t.Errorf("%v later: a loose original: %v; want it there: %t", step.after, err, step.there)
		}
	}
}

func testLoadRepeated(t *testing.T, f *fixture) {
	f.furnish(t)
	d := f.dump(t)
	other := f.another(t)
	for _, some := range []int{10, 25, 1000} {
		other.load(t, d, some)
		sameDump(t, other.dump(t), d)
	}
	q := store.Query{View: viewOf("a"), Type: "Task", Limit: 50, Total: true}
	sameWalk(t, "search", other.walk(t, q, func(int) {}), f.walk(t, q, func(int) {}))
	sameAudit(t, other, f)
}

// What is there already and is not the same is a conflict, and nothing of the
// call is kept.
func testLoadDiffering(t *testing.T, f *fixture) {
	f.furnish(t)
	d := f.dump(t)
	other := f.another(t)
	fresh := f.another(t)
	extra := fresh.put(t, store.Key{Type: "Task", ID: "extra"}, 0, ownedBy("a"))
	records := other.withIndex(d.records[1:])
	for part := range slices.Chunk(records, 30) {
		if err := other.Load(ctx(t), part); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]bool{}
	for _, r := range records {
		name, changed := tamper(r)
		if seen[name] {
			continue
		}
		seen[name] = true
		err := other.Load(ctx(t), []store.Record{{Version: &store.VersionRecord{Version: extra}}, changed})
		if _, ok := errors.AsType[*store.Conflict](err); !ok {
			t.Errorf("a changed %s: error %v, want a conflict", name, err)
		}
		_, err = other.Read(ctx(t), system, extra.Key)
		wantErr(t, "what came with a changed "+name, err, store.ErrNotFound)
	}
	if len(seen) != 6 {
		t.Errorf("only %d kinds of records were tried", len(seen))
	}
	other.load(t, d, 100)
	sameDump(t, other.dump(t), d)
}

// tamper returns a record that differs from r, and what it is.
func tamper(r store.Record) (string, store.Record) {
	switch {
	case r.Version != nil:
		v := *r.Version
		v.Updated = v.Updated.Add(time.Second)
		return "version", store.Record{Version: &v}
	case r.Audit != nil:
		a := *r.Audit
		a.Client += "x"
		return "audit record", store.Record{Audit: &a}
	case r.Doc != nil:
		d := *r.Doc
		d.Body = append(slices.Clone(d.Body), 'x')
		return "doc", store.Record{Doc: &d}
	case r.Claim != nil:
		c := *r.Claim
		c.Answer = append(slices.Clone(c.Answer), 'x')
		return "claim", store.Record{Claim: &c}
	case r.Event != nil:
		e := *r.Event
		e.Payload = append(slices.Clone(e.Payload), 'x')
		return "event", store.Record{Event: &e}
	}
	b := *r.Blob
	b.Type += "x"
	return "original", store.Record{Blob: &b}
}

func testLoadInterrupted(t *testing.T, f *fixture) {
	f.furnish(t)
	d := f.dump(t)
	other := f.another(t)
	records := other.withIndex(d.records[1:])
	cancelled, cancel := context.WithCancel(ctx(t))
	for i, part := range slices.Collect(slices.Chunk(records, 10)) {
		if i == 4 {
			cancel()
		}
		if err := other.Load(cancelled, part); err != nil {
			wantErr(t, "a load that is cancelled", err, context.Canceled)
			break
		}
	}
	cancel()
	other.crash(t)
	other.load(t, d, 13)
	sameDump(t, other.dump(t), d)
}

// What a sweep takes from a store is nothing that a dump has.
func testLoadSwept(t *testing.T, f *fixture) {
	f.furnish(t)
	f.clock.Advance(20 * time.Minute)
	before := f.dump(t)
	if err := f.Sweep(ctx(t), f.clock.Now()); err != nil {
		t.Fatal(err)
	}
	after := f.dump(t)
	sameDump(t, after, before)
	other := f.another(t)
	other.load(t, after, 20)
	if err := other.Sweep(ctx(t), other.clock.Now()); err != nil {
		t.Fatal(err)
	}
	sameDump(t, other.dump(t), before)
	q := store.Query{View: system, Type: "Task", Limit: 50}
	sameWalk(t, "search", other.walk(t, q, func(int) {}), f.walk(t, q, func(int) {}))
}
