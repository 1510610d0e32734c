package storetest

import (
	"testing"

	"trellis.example/gateway/store"
)

var docTests = []test{
	{"VersionsAndConflicts", testDocs},
	{"ListedByID", testDocList},
}

func testDocs(t *testing.T, f *fixture) {
	put := func(expect int, body string, del bool) error {
		_, err := f.Commit(ctx(t), store.Commit{Docs: []store.DocWrite{{Kind: "client", ID: "c", Expect: expect, Body: []byte(body), Delete: del}}})
		return err
	}
	want := func(what string, version int, body string) {
		t.Helper()
		d, err := f.Doc(ctx(t), "client", "c")
		if err != nil || d.Kind != "client" || d.ID != "c" || d.Version != version || string(d.Body) != body {
			t.Errorf("%s: %+v, %v; want version %d", what, d, err, version)
		}
	}
	key := store.Key{Type: "client", ID: "c"}
	_, err := f.Doc(ctx(t), "client", "c")
	wantErr(t, "absent", err, store.ErrNotFound)
	wantConflict(t, "change of an absent one", put(1, "x", false), key, 0)
	wantConflict(t, "removal of an absent one", put(1, "", true), key, 0)
	if err := put(0, "one", false); err != nil {
		t.Fatal(err)
	}
	want("new", 1, "one")
	wantConflict(t, "new again", put(0, "x", false), key, 1)
	if err := put(1, "two", false); err != nil {
		t.Fatal(err)
	}
	want("changed", 2, "two")
	wantConflict(t, "stale", put(1, "x", false), key, 2)
	wantConflict(t, "stale removal", put(1, "", true), key, 2)
	if err := put(2, "", true); err != nil {
		t.Fatal(err)
	}
	_, err = f.Doc(ctx(t), "client", "c")
	wantErr(t, "removed", err, store.ErrNotFound)
	if err := put(0, "three", false); err != nil {
		t.Fatal(err)
	}
	want("new after removal", 1, "three")
}

func testDocList(t *testing.T, f *fixture) {
	var c store.Commit
	for _, id := range []string{"b", "c", "a"} {
		c.Docs = append(c.Docs, store.DocWrite{Kind: "client", ID: id, Body: []byte(id)}, store.DocWrite{Kind: "jwks", ID: id + "2", Body: []byte("k")})
	}
	f.commit(t, c)
	got, err := f.Docs(ctx(t), "client")
	if err != nil || len(got) != 3 {
		t.Fatalf("%d docs, %v", len(got), err)
	}
	for i, id := range []string{"a", "b", "c"} {
		if got[i].ID != id || got[i].Kind != "client" || got[i].Version != 1 || string(got[i].Body) != id {
			t.Errorf("doc %d: %+v, want %s", i, got[i], id)
		}
	}
	if got, err := f.Docs(ctx(t), "none"); err != nil || len(got) != 0 {
		t.Errorf("docs of a kind without any: %v, %v", got, err)
	}
}
