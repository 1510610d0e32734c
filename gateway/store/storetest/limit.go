package storetest

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	"trellis.example/auth"
	"trellis.example/gateway/audit"
	"trellis.example/gateway/store"
)

var limitTests = []test{
	{"TooLarge", testTooLarge},
	{"CancelledCommitIsWholeOrNothing", testCancel},
	{"CancelledCallsSaySo", testCancelled},
	{"ClosedIsUnavailable", testClosed},
}

func testTooLarge(t *testing.T, f *fixture) {
	k := f.key("Binary")
	w := f.write(k, 0, ownedBy("a"))
	w.Body = noise(store.MaxBody + 1)
	claim := f.claim("s", "k", "")
	claim.Answer = noise(store.MaxAnswer + 1)
	event := f.event("1", "topic", "")
	event.Payload = noise(store.MaxBody + 1)
	entries := f.write(f.key("Patient"), 0, ownedBy("a"))
	for i := range store.MaxIndex + 1 {
		entries.Index = append(entries.Index, store.Index{Param: "identifier", Kind: store.Token, Value: strconv.Itoa(i)})
	}
	for name, c := range map[string]store.Commit{
		"entries": {Writes: []store.Write{entries}},
		"body":    {Writes: []store.Write{w}}, "answer": {Claims: []store.Claim{claim}}, "payload": {Events: []store.Event{event}},
		"doc": {Docs: []store.DocWrite{{Kind: "k", ID: "i", Body: noise(store.MaxBody + 1)}}},
	} {
		_, err := f.Commit(ctx(t), c)
		wantErr(t, name, err, store.ErrTooLarge)
	}
	w.Body = noise(store.MaxBody)
	claim.Answer = noise(store.MaxAnswer)
	f.commit(t, store.Commit{Writes: []store.Write{w}, Claims: []store.Claim{claim}})
	if got := f.read(t, system, k); string(got.Body) != string(w.Body) {
		t.Error("a body of the largest size came back changed")
	}
}

// Commits are cancelled at every moment of their life; each must have happened
// with all its parts or with none.
func testCancel(t *testing.T, f *fixture) {
	const n = 60
	ids := make([]store.Key, n)
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		ids[i] = f.key("Task")
		c := store.Commit{
			Writes: []store.Write{f.write(ids[i], 0, ownedBy("a")), f.write(store.Key{Type: "Patient", ID: ids[i].ID}, 0, ownedBy("a"))},
			Claims: []store.Claim{f.claim("s", ids[i].ID, "x")},
			Audit:  []audit.Entry{f.entry(ids[i].String())},
		}
		wg.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				time.Sleep(time.Duration(i*i) * time.Microsecond)
				cancel()
			}()
			_, errs[i] = f.Commit(ctx, c)
			cancel()
		})
	}
	wg.Wait()
	f.commit(t, store.Commit{}) // what was under way has ended
	audited := map[string]bool{}
	for _, r := range f.audits(t) {
		audited[r.Entities[0]] = true
	}
	for i, k := range ids {
		_, err1 := f.Read(ctx(t), system, k)
		_, err2 := f.Read(ctx(t), system, store.Key{Type: "Patient", ID: k.ID})
		_, claimed, _ := f.Claimed(ctx(t), "s", k.ID)
		there := err1 == nil
		if (err2 == nil) != there || claimed != there || audited[k.String()] != there {
			t.Errorf("commit %d (%v) is half done: %v, %v, claim %t, audit %t", i, errs[i], err1, err2, claimed, audited[k.String()])
		}
		if errs[i] == nil && !there {
			t.Errorf("commit %d was acknowledged and is not there", i)
		}
		if errs[i] != nil && !errors.Is(errs[i], context.Canceled) {
			t.Errorf("commit %d: %v, want context.Canceled", i, errs[i])
		}
	}
}

func testCancelled(t *testing.T, f *fixture) {
	k := f.key("Task")
	f.put(t, k, 0, ownedBy("a"))
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, err := range f.everyCall(cancelled, k) {
		if name != "Close" && !errors.Is(err, context.Canceled) {
			t.Errorf("%s with a cancelled context: %v", name, err)
		}
	}
}

func testClosed(t *testing.T, f *fixture) {
	k := f.key("Task")
	f.put(t, k, 0, ownedBy("a"))
	if err := f.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	for name, err := range f.everyCall(ctx(t), k) {
		wantErr(t, name+" after Close", err, store.ErrUnavailable)
	}
	if err := f.Close(); err != nil {
		t.Errorf("Close again: %v", err)
	}
}

// everyCall calls every method but Close and returns their errors.
func (f *fixture) everyCall(ctx context.Context, k store.Key) map[string]error {
	errs := map[string]error{}
	_, errs["Commit"] = f.Commit(ctx, store.Commit{Writes: []store.Write{f.write(k, 1, auth.Access{})}})
	_, errs["Read"] = f.Read(ctx, system, k)
	_, errs["ReadVersion"] = f.ReadVersion(ctx, system, k, 1)
	_, errs["Search"] = f.Search(ctx, store.Query{View: system, Type: k.Type, Limit: 1})
	_, errs["History"] = f.History(ctx, store.HistoryQuery{View: system, Key: k, Limit: 1})
	_, _, errs["Claimed"] = f.Claimed(ctx, "s", "k")
	_, errs["LeaseEvents"] = f.LeaseEvents(ctx, "topic", 1, time.Minute)
	errs["DoneEvent"] = f.DoneEvent(ctx, store.Lease{Event: store.Event{ID: "x", Topic: "topic"}, Token: "x"})
	errs["RetryEvent"] = f.RetryEvent(ctx, store.Lease{Event: store.Event{ID: "x", Topic: "topic"}, Token: "x"}, f.clock.Now())
	_, errs["AuditEntries"] = f.AuditEntries(ctx, store.AuditPosition{}, 1)
	_, _, errs["AuditSearch"] = f.AuditSearch(ctx, store.AuditQuery{Limit: 1})
	_, errs["Blob"] = f.Blob(ctx, blobOf(nil).Hash)
	errs["Sweep"] = f.Sweep(ctx, f.clock.Now())
	_, errs["Doc"] = f.Doc(ctx, "client", "x")
	_, errs["Docs"] = f.Docs(ctx, "client")
	errs["Ping"] = f.Ping(ctx)
	return errs
}
