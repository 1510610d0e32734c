package storetest

import (
	"testing"

	"trellis.example/auth"
	"trellis.example/gateway/audit"
	"trellis.example/gateway/store"
)

var writeTests = []test{
	{"CreateReadBack", testCreate},
	{"UpdateNumbersVersions", testUpdate},
	{"DeleteAndResurrect", testDelete},
	{"ExpectDecides", testExpect},
	{"HistoryPages", testHistory},
	{"LaterCommitsHaveLargerNumbers", testNumbers},
	{"AllOrNothing", testAllOrNothing},
	{"KeyTwiceInACommit", testKeyTwice},
	{"ReopenKeepsEverything", testReopen},
	{"SameIDOfTwoTypes", testSameID},
	{"EmptyCommit", testEmptyCommit},
}

func testCreate(t *testing.T, f *fixture) {
	k := f.key("Patient")
	if _, err := f.Read(ctx(t), system, k); err == nil {
		t.Error("a key that was never written can be read")
	}
	a := auth.Access{Owner: "a", Parties: []string{"a", "b"}, Labels: []string{"sys|R"}}
	want := f.put(t, k, 0, a)
	sameVersion(t, f.read(t, system, k), want)
	got, err := f.ReadVersion(ctx(t), system, k, 1)
	if err != nil {
		t.Fatal(err)
	}
	sameVersion(t, got, want)
	for _, n := range []int{-1, 0, 2} {
		_, err := f.ReadVersion(ctx(t), system, k, n)
		wantErr(t, "a version that does not exist", err, store.ErrNotFound)
	}
}

func testUpdate(t *testing.T, f *fixture) {
	k := f.key("Patient")
	v1 := f.put(t, k, 0, ownedBy("a"))
	v2 := f.put(t, k, 1, auth.Access{})
	v2.Access = v1.Access // a zero access keeps the present one
	sameVersion(t, f.read(t, system, k), v2)
	v3 := f.put(t, k, 2, ownedBy("b"))
	sameVersion(t, f.read(t, system, k), v3)
	got, err := f.ReadVersion(ctx(t), system, k, 1)
	if err != nil {
		t.Fatal(err)
	}
	v1.Access = v3.Access // access belongs to the key
	sameVersion(t, got, v1)
}

func testDelete(t *testing.T, f *fixture) {
	k := f.key("Patient")
	v1 := f.put(t, k, 0, ownedBy("a"))
	f.remove(t, k, 1)
	got := f.read(t, system, k)
	if !got.Deleted || got.Number != 2 || got.Body != nil || !sameAccess(got.Access, v1.Access) {
		t.Errorf("after deletion: %+v", brief(got))
	}
	old, err := f.ReadVersion(ctx(t), system, k, 1)
	if err != nil {
		t.Fatal(err)
	}
	sameVersion(t, old, v1)
	sameKeys(t, "search after deletion", f.search(t, store.Query{View: system, Type: "Patient", Limit: 10}).Versions)

	_, err = f.Commit(ctx(t), store.Commit{Writes: []store.Write{f.write(k, 0, ownedBy("a"))}})
	wantConflict(t, "creating a deleted key anew", err, k, 2)
	v3 := f.put(t, k, 2, ownedBy("a"))
	sameVersion(t, f.read(t, system, k), v3)
	sameKeys(t, "search after return", f.search(t, store.Query{View: system, Type: "Patient", Limit: 10}).Versions, k)
}

func testExpect(t *testing.T, f *fixture) {
	k := f.key("Task")
	f.put(t, k, 0, ownedBy("a"))
	f.put(t, k, 1, ownedBy("a"))
	for _, expect := range []int{0, 1, 3, 99} {
		_, err := f.Commit(ctx(t), store.Commit{Writes: []store.Write{f.write(k, expect, ownedBy("a"))}})
		wantConflict(t, "a wrong expectation", err, k, 2)
	}
	_, err := f.Commit(ctx(t), store.Commit{Writes: []store.Write{f.write(f.key("Task"), 1, ownedBy("a"))}})
	wantErr(t, "update of an absent key", err, store.ErrNotFound)
}

func testHistory(t *testing.T, f *fixture) {
	k := f.key("Task")
	var want []store.Version
	for n := range 5 {
		v := f.put(t, k, n, ownedBy("a"))
		want = append([]store.Version{v}, want...)
	}
	f.put(t, f.key("Task"), 0, ownedBy("a"))
	var got []store.Version
	q := store.HistoryQuery{View: system, Key: k, Limit: 2}
	for range 4 {
		p, err := f.History(ctx(t), q)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, p.Versions...)
		if !p.More {
			break
		}
		q.Before = p.Versions[len(p.Versions)-1].Number
	}
	if len(got) != len(want) {
		t.Fatalf("%d versions, want %d", len(got), len(want))
	}
	for i := range want {
		sameVersion(t, got[i], want[i])
	}
	_, err := f.History(ctx(t), store.HistoryQuery{View: system, Key: f.key("Task"), Limit: 2})
	wantErr(t, "history of an absent key", err, store.ErrNotFound)
}

func testNumbers(t *testing.T, f *fixture) {
	var last int64
	for range 5 {
		if v := f.put(t, f.key("Task"), 0, ownedBy("a")); v.Seq <= last {
			t.Errorf("commit %d came after commit %d", v.Seq, last)
		} else {
			last = v.Seq
		}
	}
}

func testAllOrNothing(t *testing.T, f *fixture) {
	present := f.key("Task")
	f.put(t, present, 0, ownedBy("a"))
	f.commit(t, store.Commit{
		Claims: []store.Claim{f.claim("s", "held", "first")},
		Events: []store.Event{f.event("held", "topic", "")},
		Docs:   []store.DocWrite{{Kind: "client", ID: "held", Body: []byte("{}")}},
	})
	faults := map[string]func(*store.Commit){
		"write": func(c *store.Commit) { c.Writes = append(c.Writes, f.write(present, 0, ownedBy("a"))) },
		"claim": func(c *store.Commit) { c.Claims = append(c.Claims, f.claim("s", "held", "second")) },
		"event": func(c *store.Commit) { c.Events = append(c.Events, f.event("held", "topic", "")) },
		"doc": func(c *store.Commit) {
			c.Docs = append(c.Docs, store.DocWrite{Kind: "client", ID: "held", Body: []byte("{}")})
		},
	}
	for name, fault := range faults {
		k1, k2 := f.key("Task"), f.key("Patient")
		c := store.Commit{
			Writes: []store.Write{f.write(k1, 0, ownedBy("a")), f.write(k2, 0, ownedBy("a")), f.write(present, 1, ownedBy("b"))},
			Claims: []store.Claim{f.claim("s", "new", "x")},
			Events: []store.Event{f.event("new", "topic", "")},
			Docs:   []store.DocWrite{{Kind: "client", ID: "new", Body: []byte("{}")}},
			Audit:  []audit.Entry{f.entry("Task/" + k1.ID)},
		}
		if name == "write" {
			c.Writes = c.Writes[:2]
		}
		fault(&c)
		if _, err := f.Commit(ctx(t), c); err == nil {
			t.Fatalf("%s: the faulty commit was accepted", name)
		}
		f.nothingHappened(t, name, k1, k2, present)
	}
}

// nothingHappened checks that no part of testAllOrNothing's commit is there.
func (f *fixture) nothingHappened(t *testing.T, name string, k1, k2, present store.Key) {
	t.Helper()
	for _, k := range []store.Key{k1, k2} {
		_, err := f.Read(ctx(t), system, k)
		wantErr(t, name+": written key", err, store.ErrNotFound)
	}
	if v := f.read(t, system, present); v.Number != 1 || v.Access.Owner != "a" {
		t.Errorf("%s: the present key is at version %d of %s", name, v.Number, v.Access.Owner)
	}
	if _, ok, err := f.Claimed(ctx(t), "s", "new"); ok || err != nil {
		t.Errorf("%s: claim is held: %t, %v", name, ok, err)
	}
	if _, err := f.Doc(ctx(t), "client", "new"); err == nil {
		t.Errorf("%s: doc is stored", name)
	}
	if got := f.audits(t); len(got) != 0 {
		t.Errorf("%s: %d audit records", name, len(got))
	}
	p := f.search(t, store.Query{View: system, Type: "Task", Limit: 10})
	sameKeys(t, name+": search", p.Versions, present)
}

func testKeyTwice(t *testing.T, f *fixture) {
	k := f.key("Task")
	_, err := f.Commit(ctx(t), store.Commit{Writes: []store.Write{f.write(k, 0, ownedBy("a")), f.write(k, 1, ownedBy("a"))}})
	if err == nil {
		t.Error("a commit wrote one key twice")
	}
	_, err = f.Read(ctx(t), system, k)
	wantErr(t, "after that", err, store.ErrNotFound)
}

func testReopen(t *testing.T, f *fixture) {
	k := f.key("Task")
	f.put(t, k, 0, ownedBy("a"), token("identifier", "sys", "1"))
	v2 := f.put(t, k, 1, ownedBy("a"), token("identifier", "sys", "2"))
	f.commit(t, store.Commit{
		Claims: []store.Claim{f.claim("s", "k", "answer")},
		Docs:   []store.DocWrite{{Kind: "client", ID: "c", Body: []byte(`{"x":1}`)}},
		Audit:  []audit.Entry{f.entry(k.String())},
	})
	f.crash(t)
	sameVersion(t, f.read(t, system, k), v2)
	if c, ok, err := f.Claimed(ctx(t), "s", "k"); err != nil || !ok || string(c.Answer) != "answer" {
		t.Errorf("claim after reopening: %q, %t, %v", c.Answer, ok, err)
	}
	if d, err := f.Doc(ctx(t), "client", "c"); err != nil || string(d.Body) != `{"x":1}` {
		t.Errorf("doc after reopening: %q, %v", d.Body, err)
	}
	if got := f.audits(t); len(got) != 1 {
		t.Errorf("%d audit records after reopening, want 1", len(got))
	}
	p := f.search(t, store.Query{View: system, Type: "Task", Limit: 5, Where: []store.Clause{is("identifier", "sys", "2")}})
	sameKeys(t, "search after reopening", p.Versions, k)
	if v3 := f.put(t, k, 2, ownedBy("a")); v3.Seq <= v2.Seq {
		t.Errorf("commit %d after reopening, %d before", v3.Seq, v2.Seq)
	}
}

func testSameID(t *testing.T, f *fixture) {
	a, b := store.Key{Type: "Patient", ID: "1"}, store.Key{Type: "Task", ID: "1"}
	va, vb := f.put(t, a, 0, ownedBy("a")), f.put(t, b, 0, ownedBy("b"))
	sameVersion(t, f.read(t, system, a), va)
	sameVersion(t, f.read(t, system, b), vb)
	c := store.Key{Type: "Task", ID: "A.b-1"}
	vc := f.put(t, c, 0, ownedBy("b"))
	f.put(t, store.Key{Type: "Task", ID: "a.b-1"}, 0, ownedBy("b")) // ids are case-sensitive
	sameVersion(t, f.read(t, system, c), vc)
}

func testEmptyCommit(t *testing.T, f *fixture) {
	f.commit(t, store.Commit{})
	if err := f.Ping(ctx(t)); err != nil {
		t.Errorf("Ping: %v", err)
	}
}
