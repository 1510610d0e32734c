package mongostore

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"trellis.example/auth"
	"trellis.example/gateway/store"
	"trellis.example/gateway/store/mongostore/mongotest"
)

// manyEntries is a write of n index entries, each of them twice, for as many
// parties; common ones are stored once for each.
func manyEntries(id string, n, parties int, common bool) store.Write {
	w := store.Write{View: auth.SystemView(), Key: store.Key{Type: "List", ID: id}, Body: []byte(`{"resourceType":"List"}`), Updated: time.Now()}
	for i := range parties {
		w.Access.Parties = append(w.Access.Parties, fmt.Sprint("org/", i))
	}
	w.Access.Owner = "org/0"
	for i := range n {
		e := store.Index{Param: "item", Kind: store.Token, System: "https://nobody.example/list", Value: fmt.Sprint("Patient/", i/2), Common: common}
		w.Index = append(w.Index, e)
	}
	return w
}

// What a version takes is never less than thought, and not much more.
func TestSizeOfVersion(t *testing.T) {
	for _, n := range []int{0, 1, 100, 20_000} {
		w := manyEntries("l", n, 3, n%2 == 0)
		for i := range n / 2 {
			w.Index[i].Kind, w.Index[i].High = store.Date, int64(i)
		}
		d := newVersion(&w, 1, newAccessDoc(w.Access))
		b, err := bson.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		if got := d.size(); got < len(b) || got > 2*len(b)+2048 {
			t.Errorf("%d entries: taken for %d bytes, are %d", n, got, len(b))
		}
	}
}

// A document that the server would not take is refused to whoever brings it,
// at once, and to nobody beside it.
func TestDocumentTooLarge(t *testing.T) {
	uri := mongotest.Database(t, mongotest.URI(t, "that a version which no document can hold is refused alone"))
	s := openTest(t, uri, Options{})
	began := time.Now()
	mustCommit(t, s, store.Commit{Writes: []store.Write{manyEntries("most", store.MaxIndex, 1, false)}})
	_, err := s.Commit(t.Context(), store.Commit{Writes: []store.Write{manyEntries("over", store.MaxIndex, 20, true)}})
	if !errors.Is(err, store.ErrTooLarge) {
		t.Errorf("Commit: %v, want ErrTooLarge", err)
	}
	if took := time.Since(began); took > commitPatience {
		t.Errorf("the writer was held up for %v", took)
	}
	over := manyEntries("over", store.MaxIndex, 20, true)
	err = s.Load(t.Context(), []store.Record{{Version: &store.VersionRecord{Version: store.Version{Key: over.Key, Number: 1, Seq: 9, Access: over.Access, Body: over.Body}, Index: over.Index}}})
	if !errors.Is(err, store.ErrTooLarge) {
		t.Errorf("Load: %v, want ErrTooLarge", err)
	}
	_, _, err = s.Reindex(t.Context(), "", 10, func(string, []byte) ([]store.Index, error) {
		all := manyEntries("", store.MaxIndex, 1, false).Index
		for i := range all {
			all[i].Value += strings.Repeat("x", 250)
		}
		return all, nil
	})
	if !errors.Is(err, store.ErrTooLarge) {
		t.Errorf("Reindex: %v, want ErrTooLarge", err)
	}
}

// BenchmarkEncodeLarge: what an entry costs does not grow with their number.
func BenchmarkEncodeLarge(b *testing.B) {
	for _, n := range []int{100, 10_000, store.MaxIndex} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			w := manyEntries("l", n, 3, false)
			access := newAccessDoc(w.Access)
			for b.Loop() {
				newVersion(&w, 1, access)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/entry")
		})
	}
}
