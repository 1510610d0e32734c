package mongostore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"

	"trellis.example/auth"
	"trellis.example/gateway/audit"
	"trellis.example/gateway/store"
	"trellis.example/gateway/store/mongostore/mongotest"
	"trellis.example/gateway/store/storetest"
)

// Windows leave no commit out and name none twice, however many documents they
// hold.
func TestWindows(t *testing.T) {
	for _, last := range []int64{0, 1, 15, 16, 17, 5000} {
		for _, docs := range []int{0, 1, 300, 5000} {
			next, calls := int64(0), 0
			err := windows(last, func(above, upTo int64) (int, error) {
				if above != next-1 || upTo <= above || upTo > last {
					t.Fatalf("up to %d: a window of %d to %d, want one from %d", last, above, upTo, next)
				}
				next, calls = upTo+1, calls+1
				return docs, nil
			})
			if err != nil || next != last+1 {
				t.Errorf("up to %d: ended at %d, %v", last, next-1, err)
			}
			if docs == 0 && calls > 20 {
				t.Errorf("up to %d: %d windows with nothing in them", last, calls)
			}
		}
	}
}

func TestPlace(t *testing.T) {
	for _, p := range []place{{}, {5, "Task/a%2Fb/0000000001"}, {1 << 60, endOfText}} {
		if got := parsePlace(p.String()); got != p {
			t.Errorf("%v is read as %v", p, got)
		}
	}
	for _, s := range []string{"", "x", "x/y", "/"} {
		if got := parsePlace(s); got != (place{}) {
			t.Errorf("%q is read as %v, want the beginning", s, got)
		}
	}
}

func TestSameIndexes(t *testing.T) {
	doc := func(entries ...store.Index) *versionDoc {
		d := &versionDoc{Type: "Task", Logical: "a", Access: accessDoc{Parties: []string{"p"}}}
		d.index(entries)
		return d
	}
	a := store.Index{Param: "code", Kind: store.Token, System: "s", Value: "A", Group: 1}
	b := store.Index{Param: "date", Kind: store.Date, Low: 1, High: 2, Common: true}
	quiet := store.Index{Param: "ref", Kind: store.Reference, Value: "Patient/1", Silent: true}
	all := doc(a, b, quiet)
	if !sameIndexes(all, doc(quiet, b, a)) {
		t.Error("the order of entries matters")
	}
	other, later := a, b
	other.Group, later.High = 2, 3
	for what, d := range map[string]*versionDoc{
		"one less": doc(a, b), "one twice": doc(a, a, b, quiet), "another group": doc(other, b, quiet), "another range": doc(a, later, quiet),
	} {
		if sameIndexes(all, d) || sameIndexes(d, all) {
			t.Errorf("%s: taken for the same", what)
		}
	}
}

// fillKept commits two versions of a few resources, with an audit record and an
// original each.
func fillKept(t *testing.T, s *Store) {
	t.Helper()
	for n := range 6 {
		k := store.Key{Type: "Task", ID: fmt.Sprint("k", n/2)}
		b := store.Blob{Hash: "", Type: "text/plain", Data: []byte(fmt.Sprint("original ", n)), Refs: []store.Key{k}}
		b.Hash = hashOf(b.Data)
		_, err := s.Commit(t.Context(), store.Commit{
			Writes: []store.Write{{View: auth.SystemView(), Key: k, Expect: n % 2, Access: auth.NewAccess("a"), Updated: time.Now(),
				Body: fmt.Appendf(nil, `{"n":%d}`, n), Index: keptIndex(n)}},
			Audit:     []audit.Entry{{At: time.Now(), Action: audit.Create}, {At: time.Now(), Action: audit.Read}},
			Originals: []store.Blob{b},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := s.catchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func hashOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func keptIndex(n int) []store.Index {
	return []store.Index{{Param: "n", Kind: store.Token, Value: fmt.Sprint(n)}}
}

func keptIndexer(_ string, body []byte) ([]store.Index, error) {
	var n int
	_, err := fmt.Sscanf(string(body), `{"n":%d}`, &n)
	return keptIndex(n), err
}

// Damage that only somebody with the database at hand can do is found.
func TestCheckFindsDamage(t *testing.T) {
	server := mongotest.URI(t, "that a check finds what was done to the database behind the gateway's back")
	id := func(id string, n int) bson.D { return byID(versionID(store.Key{Type: "Task", ID: id}, n)) }
	set := func(field string, value any) bson.D {
		return bson.D{{Key: "$set", Value: bson.D{{Key: field, Value: value}}}}
	}
	for _, tt := range []struct {
		what   string
		damage func(context.Context, *Store) error
		want   string
	}{
		{"an index", func(ctx context.Context, s *Store) error { return s.claims.Indexes().DropOne(ctx, "expires") }, "index expires of claims"},
		{"a current version", func(ctx context.Context, s *Store) error {
			_, err := s.versions.DeleteOne(ctx, id("k1", 2))
			return err
		}, "without a next one"},
		{"a first version", func(ctx context.Context, s *Store) error {
			_, err := s.versions.DeleteOne(ctx, id("k1", 1))
			return err
		}, "without the one before it"},
		{"a version's end", func(ctx context.Context, s *Store) error {
			_, err := s.versions.UpdateOne(ctx, id("k1", 1), set("to", int64(open)))
			return err
		}, "does not end where the next begins"},
		{"a content", func(ctx context.Context, s *Store) error {
			_, err := s.versions.UpdateOne(ctx, id("k1", 1), set("body", []byte(nil)))
			return err
		}, "without its content"},
		{"a term", func(ctx context.Context, s *Store) error {
			_, err := s.versions.UpdateOne(ctx, id("k1", 2), bson.D{{Key: "$push", Value: bson.D{{Key: "sp", Value: "|Task|n|token|99"}}}})
			return err
		}, "index entries that differ"},
		{"an audit record", func(ctx context.Context, s *Store) error {
			_, err := s.journal.UpdateOne(ctx, bson.D{{Key: "seq", Value: int64(4)}}, set("first", 1))
			return err
		}, "records missing"},
		{"an entry of the audit index", func(ctx context.Context, s *Store) error {
			_, err := s.auditIndex.DeleteOne(ctx, bson.D{{Key: "seq", Value: int64(4)}})
			return err
		}, "a search does not find"},
		{"an original", func(ctx context.Context, s *Store) error {
			_, err := s.blobs.UpdateOne(ctx, byID(hashOf([]byte("original 3"))), set("data", []byte("another")))
			return err
		}, "not those of their hash"},
		{"the counter", func(ctx context.Context, s *Store) error {
			_, err := s.meta.UpdateOne(ctx, byID("seq"), set("n", int64(3)))
			return err
		}, "a commit that has not been"},
	} {
		t.Run(tt.what, func(t *testing.T) {
			s := openTest(t, mongotest.Database(t, server), Options{})
			fillKept(t, s)
			if faults := check(t, s); len(faults) != 0 {
				t.Fatalf("before: %q", faults)
			}
			if err := tt.damage(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			faults := check(t, s)
			if !slices.ContainsFunc(faults, func(f string) bool { return strings.Contains(f, tt.want) }) {
				t.Errorf("reported %q, want one with %q", faults, tt.want)
			}
		})
	}
}

func check(t *testing.T, s *Store) (faults []string) {
	t.Helper()
	if err := s.Check(t.Context(), keptIndexer, func(f string) { faults = append(faults, f) }); err != nil {
		t.Fatal(err)
	}
	return faults
}

// A reindex that changes nothing writes nothing, so that one which was cut
// short costs little to begin again.
func TestReindexWritesOnlyChanges(t *testing.T) {
	uri := mongotest.Database(t, mongotest.URI(t, "that a repeated reindex writes nothing"))
	var updates atomic.Int64
	s := openTest(t, uri, Options{monitor: &event.CommandMonitor{Started: func(_ context.Context, e *event.CommandStartedEvent) {
		if target, ok := e.Command.Lookup("update").StringValueOK(); ok && target == "versions" {
			updates.Add(1)
		}
	}}})
	fillKept(t, s)
	renewed := func(string, []byte) ([]store.Index, error) {
		return []store.Index{{Param: "new", Kind: store.Number, Low: 1, High: 2}}, nil
	}
	for _, want := range []int64{1, 0} {
		updates.Store(0)
		next, looked, err := s.Reindex(t.Context(), "", 100, renewed)
		if err != nil || next != "" || looked != 3 {
			t.Errorf("looked at %d, next %q, %v; want all three", looked, next, err)
		}
		if got := updates.Load(); got != want {
			t.Errorf("%d updates, want %d", got, want)
		}
	}
}

// What the care of the data reads, it reads once, by the index on commits.
func TestKeepReadsByCommits(t *testing.T) {
	uri := mongotest.Database(t, mongotest.URI(t, "that a dump, a check and a reindex read everything once"))
	var rec recorder
	s := openTest(t, uri, Options{monitor: rec.monitor()})
	const n = 150
	for i := range n {
		mustCommit(t, s, store.Commit{Writes: []store.Write{{View: auth.SystemView(), Key: store.Key{Type: "Task", ID: fmt.Sprint(i)},
			Body: fmt.Appendf(nil, `{"n":%d}`, i), Access: auth.NewAccess("a"), Updated: time.Now(), Index: keptIndex(i)}}})
	}
	for what, do := range map[string]func() error{
		"dump": func() error { return s.Dump(t.Context(), func(store.Record) error { return nil }) },
		"reindex": func() (err error) {
			for next := "begin"; next != "" && err == nil; {
				next, _, err = s.Reindex(t.Context(), strings.TrimPrefix(next, "begin"), 20, keptIndexer)
			}
			return err
		},
	} {
		rec.take()
		if err := do(); err != nil {
			t.Fatal(err)
		}
		var docs int64
		for _, p := range explained(t, s, rec.take()) {
			docs += max(p.docs, 0)
			if !slices.Contains(p.indexes, "commits") {
				t.Errorf("%s: a command is served by %v", what, p.indexes)
			}
		}
		if docs < n || docs > 2*n {
			t.Errorf("%s: examined %d of %d versions", what, docs, n)
		}
	}
}

// Originals of the first layout are in every dump, whatever names them again.
func TestUpgradeBlobs(t *testing.T) {
	s := openTest(t, mongotest.Database(t, mongotest.URI(t, "that a dump has the originals of an older layout")), Options{})
	fillKept(t, s)
	hash := byID(hashOf([]byte("original 3")))
	if _, err := s.blobs.UpdateOne(t.Context(), hash, bson.D{{Key: "$unset", Value: bson.D{{Key: "seq", Value: ""}}}}); err != nil {
		t.Fatal(err)
	}
	if err := s.upgradeBlobs(t.Context()); err != nil {
		t.Fatal(err)
	}
	mustCommit(t, s, store.Commit{Originals: []store.Blob{{Hash: hashOf([]byte("original 3")), Data: []byte("original 3")}}})
	var d struct {
		Seq *int64 `bson:"seq"`
	}
	if err := s.blobs.FindOne(t.Context(), hash).Decode(&d); err != nil || d.Seq == nil || *d.Seq != 0 {
		t.Errorf("its commit is %v, %v; want 0", d.Seq, err)
	}
}

// BenchmarkDump reads everything that a thousand commits wrote.
func BenchmarkDump(b *testing.B) {
	s := openTest(b, mongotest.Database(b, mongotest.URI(b, "how fast a dump is")), Options{Now: new(storetest.Clock).Now})
	for n := range 10 {
		var c store.Commit
		for i := range 100 {
			c.Writes = append(c.Writes, store.Write{View: auth.SystemView(), Key: store.Key{Type: "Task", ID: fmt.Sprint(n, "-", i)},
				Body: fmt.Appendf(nil, `{"n":%d,"pad":%q}`, i, strings.Repeat("x", 2000)), Access: auth.NewAccess("a"), Updated: time.Now(), Index: keptIndex(i)})
		}
		if _, err := s.Commit(b.Context(), c); err != nil {
			b.Fatal(err)
		}
	}
	records := 0
	for b.Loop() {
		if err := s.Dump(b.Context(), func(store.Record) error { records++; return nil }); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(records)/float64(b.N), "records/op")
}
