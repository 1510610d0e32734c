package storetest

import (
	"cmp"
	"reflect"
	"slices"
	"testing"
	"time"

	"trellis.example/auth"
	"trellis.example/gateway/audit"
	"trellis.example/gateway/store"
)

// A dump is what Dump yielded, by kind.
type dump struct {
	records  []store.Record // as they came
	mark     store.Mark
	versions []store.VersionRecord
	audit    []audit.Record
	docs     []store.Doc
	claims   []store.Claim
	events   []store.EventRecord
	blobs    []store.BlobRecord
}

// dump takes everything out and checks what holds for every dump.
func (f *fixture) dump(t *testing.T) *dump {
	t.Helper()
	d := new(dump)
	err := f.Dump(ctx(t), func(r store.Record) error {
		if (r.Mark != nil) != (len(d.records) == 0) {
			t.Errorf("record %d: the mark comes first, and once", len(d.records))
		}
		d.records = append(d.records, r)
		if n := d.take(r); n != 1 {
			t.Errorf("a record holds %d things", n)
		}
		return nil
	})
	if err != nil {
		t.Fatalf("Dump: %v", err)
	}
	if len(d.records) == 0 {
		t.Fatal("a dump without a mark")
	}
	d.check(t)
	return d
}

func (d *dump) take(r store.Record) (n int) {
	if r.Mark != nil {
		d.mark, n = *r.Mark, n+1
	}
	if r.Version != nil {
		d.versions, n = append(d.versions, *r.Version), n+1
	}
	if r.Audit != nil {
		d.audit, n = append(d.audit, *r.Audit), n+1
	}
	if r.Doc != nil {
		d.docs, n = append(d.docs, *r.Doc), n+1
	}
	if r.Claim != nil {
		d.claims, n = append(d.claims, *r.Claim), n+1
	}
	if r.Event != nil {
		d.events, n = append(d.events, *r.Event), n+1
	}
	if r.Blob != nil {
		d.blobs, n = append(d.blobs, *r.Blob), n+1
	}
	return n
}

// check tests the order of versions and audit records, that each is there once
// and of the dump's moment, and that each key's versions follow one another.
func (d *dump) check(t *testing.T) {
	t.Helper()
	last, seen := int64(0), map[store.Key]store.VersionRecord{}
	for _, v := range d.versions {
		before := seen[v.Key]
		switch {
		case v.Seq < last:
			t.Errorf("%s.%d of commit %d comes after commit %d", v.Key, v.Number, v.Seq, last)
		case v.Seq > d.mark.Seq || v.Until > d.mark.Seq:
			t.Errorf("%s.%d is of commits %d to %d, the mark is %d", v.Key, v.Number, v.Seq, v.Until, d.mark.Seq)
		case v.Number != before.Number+1 || before.Until != 0 && before.Until != v.Seq || v.Number > 1 && before.Until == 0:
			t.Errorf("%s.%d from %d follows %d until %d", v.Key, v.Number, v.Seq, before.Number, before.Until)
		case v.Number > 1 && !sameAccess(v.Access, before.Access):
			t.Errorf("%s has one access in version %d and another in the one before", v.Key, v.Number)
		case v.Index != nil:
			t.Errorf("%s.%d comes with its entries", v.Key, v.Number)
		}
		last, seen[v.Key] = v.Seq, v
	}
	for k, v := range seen {
		if v.Until != 0 {
			t.Errorf("%s ends with a closed version", k)
		}
	}
	for i, r := range d.audit {
		if r.Seq > d.mark.Seq || i > 0 && !earlier(d.audit[i-1], r) {
			t.Errorf("audit record %d has place %d.%d; the mark is %d", i, r.Seq, r.N, d.mark.Seq)
		}
	}
}

// load puts a dump into the store in calls of some records each, the mark last.
func (f *fixture) load(t *testing.T, d *dump, some int) {
	t.Helper()
	for part := range slices.Chunk(f.withIndex(d.records[1:]), some) {
		if err := f.Load(ctx(t), part); err != nil {
			t.Fatalf("Load: %v", err)
		}
	}
	if err := f.Load(ctx(t), []store.Record{{Mark: &d.mark}}); err != nil {
		t.Fatalf("Load of the mark: %v", err)
	}
}

// withIndex gives current versions the entries they were written with.
func (f *fixture) withIndex(records []store.Record) []store.Record {
	out := slices.Clone(records)
	for i, r := range out {
		if r.Version != nil && r.Version.Until == 0 && !r.Version.Deleted {
			v := *r.Version
			v.Index = f.indexes[string(v.Body)]
			out[i].Version = &v
		}
	}
	return out
}

// index gives the entries that a body was written with, for the Keeper.
func (f *fixture) index(_ string, body []byte) ([]store.Index, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.indexes[string(body)], nil
}

// sameDump compares what two dumps hold.
func sameDump(t *testing.T, got, want *dump) {
	t.Helper()
	if got.mark.Seq != want.mark.Seq {
		t.Errorf("the mark is %d, want %d", got.mark.Seq, want.mark.Seq)
	}
	byKey := func(a, b store.VersionRecord) int {
		return cmp.Or(cmp.Compare(a.Key.Type, b.Key.Type), cmp.Compare(a.Key.ID, b.Key.ID), cmp.Compare(a.Number, b.Number))
	}
	slices.SortFunc(got.versions, byKey)
	slices.SortFunc(want.versions, byKey)
	if len(got.versions) != len(want.versions) {
		t.Errorf("%d versions, want %d", len(got.versions), len(want.versions))
		return
	}
	for i, v := range want.versions {
		if d := differ(got.versions[i].Version, v.Version); d != "" || got.versions[i].Until != v.Until {
			t.Errorf("a version differs in %q: %+v until %d, want %+v until %d", d, brief(got.versions[i].Version), got.versions[i].Until, brief(v.Version), v.Until)
		}
	}
	if !reflect.DeepEqual(got.audit, want.audit) {
		t.Errorf("audit records differ: %d, want %d", len(got.audit), len(want.audit))
	}
	sameSet(t, "docs", got.docs, want.docs, func(d store.Doc) string { return d.Kind + "|" + d.ID })
	sameSet(t, "claims", inUTC(got.claims), inUTC(want.claims), func(c store.Claim) string { return c.Scope + "|" + c.Key })
	sameSet(t, "originals", normalBlobs(got.blobs), normalBlobs(want.blobs), func(b store.BlobRecord) string { return b.Hash })
	sameEvents(t, got.events, want.events)
}

func sameSet[T any](t *testing.T, what string, got, want []T, name func(T) string) {
	t.Helper()
	by := func(a, b T) int { return cmp.Compare(name(a), name(b)) }
	slices.SortFunc(got, by)
	slices.SortFunc(want, by)
	if len(got) != len(want) {
		t.Errorf("%d %s, want %d", len(got), what, len(want))
		return
	}
	for i := range want {
		if !reflect.DeepEqual(got[i], want[i]) {
			t.Errorf("%s: %s differs:\n got %.300v\nwant %.300v", what, name(want[i]), got[i], want[i])
		}
	}
}

func inUTC(claims []store.Claim) []store.Claim {
	for i := range claims {
		claims[i].Expires = claims[i].Expires.UTC().Truncate(time.Millisecond)
		claims[i].Answer = slices.Concat([]byte{}, claims[i].Answer)
	}
	return claims
}

func normalBlobs(blobs []store.BlobRecord) []store.BlobRecord {
	for i := range blobs {
		blobs[i].At = blobs[i].At.UTC().Truncate(time.Millisecond)
		blobs[i].Data, blobs[i].Refs = slices.Concat([]byte{}, blobs[i].Data), slices.Concat([]store.Key{}, blobs[i].Refs)
	}
	return blobs
}

// sameEvents compares events topic by topic, in their order.
func sameEvents(t *testing.T, got, want []store.EventRecord) {
	t.Helper()
	byTopic := func(all []store.EventRecord) map[string][]store.EventRecord {
		out := map[string][]store.EventRecord{}
		for _, e := range all {
			e.Due = e.Due.UTC().Truncate(time.Millisecond)
			e.Payload = slices.Concat([]byte{}, e.Payload)
			out[e.Topic] = append(out[e.Topic], e)
		}
		return out
	}
	if g, w := byTopic(got), byTopic(want); !reflect.DeepEqual(g, w) {
		t.Errorf("events differ:\n got %+v\nwant %+v", g, w)
	}
}

// furnish writes something of everything a store can hold, the odd cases among
// them.
func (f *fixture) furnish(t *testing.T) {
	t.Helper()
	labelled := ownedBy("a", "b")
	labelled.Labels = []string{"s|R", "s|V"}
	row := func(n int) []store.Index {
		return []store.Index{
			token("id", "s", string(rune('a'+n%7))), commonIndex(token("status", "s", []string{"x", "y"}[n%2])), number("num", float64(n%5)),
			{Param: "name", Kind: store.Text, Value: "smith", System: "Smith"}, {Param: "date", Kind: store.Date, Low: int64(n), High: int64(n + 2)},
			{Param: "patient", Kind: store.Reference, Value: "Patient/1", Silent: true}, part(1, token("code", "s", "A")), part(1, number("num", 7)),
		}
	}
	for n := range 60 {
		k := store.Key{Type: []string{"Task", "Patient", "Device"}[n%3], ID: "k" + string(rune('A'+n/3%7))}
		expect := 0
		if v, err := f.Read(ctx(t), system, k); err == nil {
			expect = v.Number
		}
		w := f.write(k, expect, []auth.Access{ownedBy("a"), ownedBy("b", "a"), labelled, {}, ownedBy("p", auth.PartyPublic)}[n%5], row(n)...)
		w.Deleted = expect > 0 && n%4 == 1
		f.commit(t, store.Commit{Writes: []store.Write{w}, Audit: []audit.Entry{f.entry(k.String()), f.entry("Other/1")}[:n%3]})
	}
	odd := audit.Entry{At: time.Date(1969, 12, 31, 23, 59, 59, 1e6, time.UTC), Action: audit.Execute, Client: "é\x00\"", Entities: []string{""}, Patients: []string{"Patient/1"}, Count: 3}
	f.commit(t, store.Commit{Audit: []audit.Entry{odd, {At: odd.At}}})
	f.furnishRest(t)
}

func (f *fixture) furnishRest(t *testing.T) {
	t.Helper()
	task := store.Key{Type: "Task", ID: "kA"}
	f.commit(t, store.Commit{
		Claims: []store.Claim{f.claim("s", "k", "answer"), f.claim("s|x", "k|y", ""), f.claim("s", "é", string(noise(2000)))},
		Docs:   []store.DocWrite{{Kind: "client", ID: "c", Body: []byte("1")}, {Kind: "client", ID: "gone", Body: []byte("1")}, {Kind: "k|i", ID: "d|x", Body: noise(3000)}},
		Originals: []store.Blob{blobOf([]byte("small"), task), blobOf(noise(3<<20+5), task, store.Key{Type: "Patient", ID: "x"}),
			blobOf([]byte("loose")), blobOf([]byte{}, task)},
	})
	f.commit(t, store.Commit{Docs: []store.DocWrite{{Kind: "client", ID: "c", Expect: 1, Body: []byte("2")}, {Kind: "client", ID: "gone", Expect: 1, Delete: true}}})
	f.emit(t, f.event("1", "topic", "p"), f.event("2", "topic", "p"), f.event("r", "retried", "p"), f.event("r2", "retried", "p"), f.event("3", "topic", ""), f.event("l", "leased", ""))
	f.commit(t, store.Commit{Events: []store.Event{f.event("9", "topic", "q"), f.event("8", "topic", "q"), f.event("7", "topic", "q")}})
	for _, topic := range []string{"retried", "leased"} {
		got, err := f.LeaseEvents(ctx(t), topic, 1, time.Minute)
		if err != nil || len(got) != 1 {
			t.Fatalf("leased %d, %v", len(got), err)
		}
		if topic == "retried" {
			if err := f.RetryEvent(ctx(t), got[0], f.clock.Now().Add(10*time.Minute)); err != nil {
				t.Fatal(err)
			}
		}
	}
}
