package storetest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"testing"
	"time"

	"trellis.example/gateway/store"
)

var blobTests = []test{
	{"BytesComeBack", testBlobBytes},
	{"SecondStoringAddsRefs", testBlobRefs},
	{"SweptWithoutRefs", testBlobSweep},
	{"WrongHash", testBlobHash},
	{"WithoutDataOnlyGainsRefs", testBlobRefsOnly},
}

func blobOf(data []byte, refs ...store.Key) store.Blob {
	sum := sha256.Sum256(data)
	return store.Blob{Hash: hex.EncodeToString(sum[:]), Type: "x-application/hl7-v2+er7", Data: data, Refs: refs}
}

// noise returns n bytes that do not repeat at chunk boundaries.
func noise(n int) []byte {
	b := make([]byte, n)
	state := uint32(1)
	for i := range b {
		state = state*1664525 + 1013904223
		b[i] = byte(state >> 24)
	}
	return b
}

func testBlobBytes(t *testing.T, f *fixture) {
	k := f.key("DocumentReference")
	for _, size := range []int{0, 1, 700, 1 << 20, 1<<20 + 1, 3<<20 + 12345} {
		want := blobOf(noise(size), k)
		f.commit(t, store.Commit{Originals: []store.Blob{want}})
		got, err := f.Blob(ctx(t), want.Hash)
		if err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		if got.Hash != want.Hash || got.Type != want.Type || got.Data == nil || !bytes.Equal(got.Data, want.Data) || !slices.Equal(got.Refs, want.Refs) {
			t.Errorf("%d bytes: came back as %d of %s for %v", size, len(got.Data), got.Type, got.Refs)
		}
	}
	_, err := f.Blob(ctx(t), blobOf([]byte("never stored")).Hash)
	wantErr(t, "a blob never stored", err, store.ErrNotFound)
}

func testBlobRefs(t *testing.T, f *fixture) {
	a, b := store.Key{Type: "Task", ID: "2"}, store.Key{Type: "Patient", ID: "9"}
	data := noise(100)
	f.commit(t, store.Commit{Originals: []store.Blob{blobOf(data, a)}})
	f.commit(t, store.Commit{Originals: []store.Blob{blobOf(data, a, b)}})
	f.commit(t, store.Commit{Originals: []store.Blob{blobOf(data), blobOf(data, b)}})
	got, err := f.Blob(ctx(t), blobOf(data).Hash)
	if err != nil || !slices.Equal(got.Refs, []store.Key{b, a}) {
		t.Errorf("refs %v, %v; want both, sorted", got.Refs, err)
	}
}

func testBlobSweep(t *testing.T, f *fixture) {
	k, deleted, absent := f.key("Task"), f.key("Task"), f.key("Task")
	f.put(t, deleted, 0, ownedBy("a"))
	f.remove(t, deleted, 1)
	kept, history, loose, dangling := blobOf([]byte("kept"), absent, k), blobOf([]byte("history"), deleted), blobOf(noise(2<<20)), blobOf([]byte("dangling"), absent)
	f.commit(t, store.Commit{
		Writes:    []store.Write{f.write(k, 0, ownedBy("a"))},
		Originals: []store.Blob{kept, history, loose, dangling},
	})
	sweep := func(after time.Duration, want ...store.Blob) {
		t.Helper()
		f.clock.Advance(after)
		if err := f.Sweep(ctx(t), f.clock.Now()); err != nil {
			t.Fatal(err)
		}
		for _, b := range []store.Blob{kept, history, loose, dangling} {
			_, err := f.Blob(ctx(t), b.Hash)
			there := slices.ContainsFunc(want, func(w store.Blob) bool { return w.Hash == b.Hash })
			if (err == nil) != there {
				t.Errorf("after %v: blob of %d bytes: %v; want it there: %t", after, len(b.Data), err, there)
			}
		}
	}
	sweep(23*time.Hour, kept, history, loose, dangling)
	sweep(2*time.Hour, kept, history)
	f.commit(t, store.Commit{Originals: []store.Blob{loose}})
	sweep(time.Hour, kept, history, loose)
}

func testBlobHash(t *testing.T, f *fixture) {
	b := blobOf([]byte("one"))
	b.Data = []byte("two")
	if _, err := f.Commit(ctx(t), store.Commit{Originals: []store.Blob{b}}); err == nil {
		t.Error("a blob under another's hash was stored")
	}
	_, err := f.Blob(ctx(t), b.Hash)
	wantErr(t, "after that", err, store.ErrNotFound)
}

func testBlobRefsOnly(t *testing.T, f *fixture) {
	k, other := f.key("Task"), f.key("Task")
	full := blobOf(noise(1000), other)
	refs := store.Blob{Hash: full.Hash, Refs: []store.Key{k}}
	c := store.Commit{Writes: []store.Write{f.write(k, 0, ownedBy("a"))}, Originals: []store.Blob{refs}}
	_, err := f.Commit(ctx(t), c)
	wantErr(t, "refs of a blob never stored", err, store.ErrNotFound)
	_, err = f.Read(ctx(t), system, k)
	wantErr(t, "the write beside them", err, store.ErrNotFound)
	f.commit(t, store.Commit{Originals: []store.Blob{full}})
	f.commit(t, c)
	got, err := f.Blob(ctx(t), full.Hash)
	if err != nil || !bytes.Equal(got.Data, full.Data) || got.Type != full.Type || !slices.Equal(got.Refs, []store.Key{k, other}) {
		t.Errorf("%d bytes of %s for %v, %v", len(got.Data), got.Type, got.Refs, err)
	}
}
