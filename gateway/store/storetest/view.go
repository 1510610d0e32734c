package storetest

import (
	"testing"

	"trellis.example/auth"
	"trellis.example/gateway/store"
)

var viewTests = []test{
	{"HiddenIsAbsent", testHidden},
	{"PublicIsSeenByAllAndChangedByItsOwner", testPublic},
	{"LabelsHide", testLabels},
	{"TypesHide", testTypes},
	{"AccessChangeMovesHistory", testAccessChange},
	{"ZeroViewSeesNothing", testZeroView},
	{"CreateDoesNotConsultTheView", testCreateView},
}

// invisible checks that the view is answered about a key, which must carry
// identifier sys|x, exactly as about one that does not exist.
func (f *fixture) invisible(t *testing.T, what string, v auth.View, k store.Key) {
	t.Helper()
	_, err := f.Read(ctx(t), v, k)
	wantErr(t, what+": Read", err, store.ErrNotFound)
	_, err = f.ReadVersion(ctx(t), v, k, 1)
	wantErr(t, what+": ReadVersion", err, store.ErrNotFound)
	_, err = f.History(ctx(t), store.HistoryQuery{View: v, Key: k, Limit: 5})
	wantErr(t, what+": History", err, store.ErrNotFound)
	for _, expect := range []int{1, 7} {
		w := f.write(k, expect, auth.Access{})
		w.View = v
		_, err = f.Commit(ctx(t), store.Commit{Writes: []store.Write{w}})
		wantErr(t, what+": Write", err, store.ErrNotFound)
	}
	for name, where := range map[string][]store.Clause{
		"type": nil, "identifier": {is("identifier", "sys", "x")}, "_id": {is("_id", "", k.ID)},
		"status": {common(is("status", "sys", "active"))},
	} {
		p := f.search(t, store.Query{View: v, Type: k.Type, Limit: 10, Total: true, Where: where})
		if len(p.Versions) != 0 || p.Total != 0 || p.More {
			t.Errorf("%s: search by %s shows %v, total %d, more %t", what, name, keys(p.Versions), p.Total, p.More)
		}
	}
}

// visible checks that the view sees the key everywhere.
func (f *fixture) visible(t *testing.T, what string, v auth.View, k store.Key) {
	t.Helper()
	f.read(t, v, k)
	if _, err := f.ReadVersion(ctx(t), v, k, 1); err != nil {
		t.Errorf("%s: ReadVersion: %v", what, err)
	}
	if _, err := f.History(ctx(t), store.HistoryQuery{View: v, Key: k, Limit: 5}); err != nil {
		t.Errorf("%s: History: %v", what, err)
	}
	for _, where := range [][]store.Clause{nil, {is("identifier", "sys", "x")}, {is("_id", "", k.ID)}, {common(is("status", "sys", "active"))}} {
		p := f.search(t, store.Query{View: v, Type: k.Type, Limit: 10, Total: true, Where: where})
		sameKeys(t, what, p.Versions, k)
		if p.Total != 1 {
			t.Errorf("%s: total %d, want 1", what, p.Total)
		}
	}
}

func indexed() []store.Index {
	return []store.Index{token("identifier", "sys", "x"), commonIndex(token("status", "sys", "active"))}
}

func testHidden(t *testing.T, f *fixture) {
	k := f.key("Task")
	f.put(t, k, 0, ownedBy("a", "c"), indexed()...)
	f.invisible(t, "stranger", viewOf("b", "d"), k)
	f.visible(t, "owner", viewOf("a"), k)
	f.visible(t, "party", viewOf("b", "c"), k)
	f.visible(t, "both", viewOf("a", "c"), k) // in two of the parties, yet shown once

	w := f.write(k, 0, ownedBy("b"))
	w.View = viewOf("b")
	_, err := f.Commit(ctx(t), store.Commit{Writes: []store.Write{w}})
	wantConflict(t, "creating a hidden key", err, k, 0)

	w = f.write(k, 1, auth.Access{})
	w.View = viewOf("c")
	f.commit(t, store.Commit{Writes: []store.Write{w}})
	w = f.write(k, 1, auth.Access{})
	w.View = viewOf("c")
	_, err = f.Commit(ctx(t), store.Commit{Writes: []store.Write{w}})
	wantConflict(t, "a stale write", err, k, 2)
}

func testPublic(t *testing.T, f *fixture) {
	k := f.key("HealthcareService")
	f.put(t, k, 0, ownedBy("a", auth.PartyPublic), indexed()...)
	f.visible(t, "stranger", viewOf("b"), k)
	f.visible(t, "a caller of no party", viewOf(), k)
	w := f.write(k, 1, auth.Access{}, indexed()...)
	w.View = viewOf("b")
	_, err := f.Commit(ctx(t), store.Commit{Writes: []store.Write{w}})
	wantErr(t, "a stranger's change", err, store.ErrForbidden)
	w.View = viewOf("a")
	f.commit(t, store.Commit{Writes: []store.Write{w}})
	f.visible(t, "after the owner's change", viewOf("b"), k)
}

func testLabels(t *testing.T, f *fixture) {
	k := f.key("Observation")
	a := ownedBy("a")
	a.Labels = []string{"conf|R", "conf|X"}
	f.put(t, k, 0, a, indexed()...)
	f.invisible(t, "no clearance", viewOf("a"), k)
	f.invisible(t, "half the clearance", auth.NewView([]string{"a"}, []string{"*"}, []string{"conf|R"}), k)
	f.visible(t, "cleared", auth.NewView([]string{"a"}, []string{"*"}, []string{"conf|R", "conf|X"}), k)
	f.visible(t, "system", system, k)
}

func testTypes(t *testing.T, f *fixture) {
	k := f.key("Patient")
	f.put(t, k, 0, ownedBy("a"), indexed()...)
	f.invisible(t, "another type", auth.NewView([]string{"a"}, []string{"Task"}, nil), k)
	f.visible(t, "its type", auth.NewView([]string{"a"}, []string{"Task", "Patient"}, nil), k)
}

func testAccessChange(t *testing.T, f *fixture) {
	k := f.key("Task")
	f.put(t, k, 0, ownedBy("a"), indexed()...)
	f.put(t, k, 1, ownedBy("b"), indexed()...)
	f.invisible(t, "the former party", viewOf("a"), k)
	f.visible(t, "the new party", viewOf("b"), k)
	f.remove(t, k, 2)
	p, err := f.History(ctx(t), store.HistoryQuery{View: viewOf("b"), Key: k, Limit: 5})
	if err != nil || len(p.Versions) != 3 {
		t.Errorf("history after deletion: %d versions, %v; want 3", len(p.Versions), err)
	}
	_, err = f.Read(ctx(t), viewOf("a"), k)
	wantErr(t, "the former party, after deletion", err, store.ErrNotFound)
}

func testZeroView(t *testing.T, f *fixture) {
	k := f.key("Task")
	f.put(t, k, 0, ownedBy("a", auth.PartyPublic), indexed()...)
	f.invisible(t, "zero view", auth.View{}, k)
	k = f.key("Consent")
	f.put(t, k, 0, auth.Access{}, indexed()...)
	f.invisible(t, "access of nobody", viewOf("a", ""), k)
	f.visible(t, "access of nobody to the system", system, k)
}

func testCreateView(t *testing.T, f *fixture) {
	k := f.key("Task")
	w := f.write(k, 0, ownedBy("b"))
	w.View = viewOf("a")
	f.commit(t, store.Commit{Writes: []store.Write{w}})
	f.read(t, viewOf("b"), k)
}
