package sqlitestore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"trellis.example/auth"
	"trellis.example/gateway/audit"
	"trellis.example/gateway/store"
)

// keepIndex is the index of the tests' documents: their words, and a common
// status. It reads what keepWrite writes.
func keepIndex(_ string, body []byte) ([]store.Index, error) {
	if bytes.Contains(body, []byte("unreadable")) {
		return nil, errors.New("unreadable")
	}
	words := strings.Fields(string(body))
	at := int64(len(body))
	return []store.Index{
		{Param: "word", Kind: store.Token, System: "s", Value: words[0]},
		{Param: "status", Kind: store.Token, Value: words[1], Common: true},
		{Param: "name", Kind: store.Text, Value: words[0], System: strings.ToUpper(words[0])},
		{Param: "date", Kind: store.Date, Low: at * 1000, High: at*1000 + 999_999_999, Common: true},
		{Param: "part", Kind: store.Token, Value: words[1], Group: 1, Silent: true},
	}, nil
}

func keepWrite(k store.Key, expect int, body string) store.Write {
	w := store.Write{
		View: auth.SystemView(), Key: k, Expect: expect, Body: []byte(body),
		Updated: time.UnixMilli(1_790_000_000_000 + int64(len(body))*1e6), Access: auth.NewAccess("a", "b"),
	}
	w.Index, _ = keepIndex(k.Type, w.Body)
	return w
}

func keepEntry(n int) audit.Entry {
	return audit.Entry{
		At: time.UnixMilli(1_790_000_000_000 + int64(n)*1e6), Action: audit.Update, Client: fmt.Sprint("client", n%3),
		Entities: []string{fmt.Sprint("Task/", n)}, Count: n,
	}
}

func hashOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// keepStore fills a store with everything that one can hold.
func keepStore(t testing.TB, s *Store) {
	t.Helper()
	for n := range 40 {
		c := store.Commit{
			Audit:  []audit.Entry{keepEntry(n), keepEntry(n + 1)},
			Events: []store.Event{{ID: fmt.Sprint("e", n), Topic: "t", Partition: fmt.Sprint(n % 3 % 2), Payload: []byte{byte(n)}, Due: time.UnixMilli(int64(n))}},
			Claims: []store.Claim{{Scope: "s", Key: fmt.Sprint(n), Expires: time.UnixMilli(1_900_000_000_000), Answer: []byte{byte(n)}}},
			Docs:   []store.DocWrite{{Kind: "doc", ID: fmt.Sprint(n % 7), Expect: n / 7, Body: []byte(fmt.Sprint(n))}},
		}
		for i := range 5 {
			k := store.Key{Type: []string{"Task", "Patient"}[i%2], ID: fmt.Sprint("id", (n*5+i)%150)}
			c.Writes = append(c.Writes, keepWrite(k, (n*5+i)/150, fmt.Sprint("word", n, " status", i, strings.Repeat(" x", i))))
		}
		data := bytes.Repeat([]byte{byte(n)}, n%3*700_000)
		c.Originals = []store.Blob{{Hash: hashOf(data), Type: "text/plain", Data: data, Refs: []store.Key{c.Writes[0].Key}}}
		mustCommit(t, s, c)
	}
	gone := keepWrite(store.Key{Type: "Task", ID: "id100"}, 1, "gone gone")
	gone.Deleted = true
	mustCommit(t, s, store.Commit{Writes: []store.Write{gone}})
	if _, err := s.LeaseEvents(t.Context(), "t", 1, time.Hour); err != nil {
		t.Fatal(err)
	}
}

// dumpOf returns what a store holds, without the time of its mark.
func dumpOf(t testing.TB, s *Store) (rs []store.Record) {
	t.Helper()
	err := s.Dump(t.Context(), func(r store.Record) error {
		if r.Mark != nil {
			r.Mark = &store.Mark{Seq: r.Mark.Seq}
		}
		rs = append(rs, r)
		return nil
	})
	if err != nil {
		t.Fatalf("Dump: %v", err)
	}
	return rs
}

// forLoad turns a dump into what is loaded: current versions with their
// entries, and the mark at the end.
func forLoad(t testing.TB, rs []store.Record) []store.Record {
	t.Helper()
	out := make([]store.Record, 0, len(rs))
	for _, r := range rs[1:] {
		if v := r.Version; v != nil && v.Until == 0 && !v.Deleted {
			indexed := *v
			indexed.Index, _ = keepIndex(v.Key.Type, v.Body)
			r = store.Record{Version: &indexed}
		}
		out = append(out, r)
	}
	return append(out, rs[0])
}

func mustLoad(t testing.TB, s *Store, rs []store.Record, atOnce int) {
	t.Helper()
	for some := range slices.Chunk(rs, atOnce) {
		if err := s.Load(t.Context(), some); err != nil {
			t.Fatalf("Load: %v", err)
		}
	}
}

// faults returns what a check reports.
func faults(t testing.TB, s *Store) (fs []string) {
	t.Helper()
	if err := s.Check(t.Context(), keepIndex, func(f string) { fs = append(fs, f) }); err != nil {
		t.Fatalf("Check: %v", err)
	}
	return fs
}

func sameRecords(t *testing.T, what string, got, want []store.Record) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d records, want %d", what, len(got), len(want))
	}
	for i := range min(len(got), len(want)) {
		if !reflect.DeepEqual(got[i], want[i]) {
			t.Fatalf("%s: record %d differs:\n got %+v\nwant %+v", what, i, got[i], want[i])
		}
	}
}

func TestDumpAndLoad(t *testing.T) {
	from := open(t, t.TempDir())
	keepStore(t, from)
	want := dumpOf(t, from)
	if fs := faults(t, from); len(fs) > 0 {
		t.Errorf("faults before: %q", fs)
	}
	for _, atOnce := range []int{1, 7, 10_000} {
		t.Run(fmt.Sprint(atOnce), func(t *testing.T) {
			to := open(t, t.TempDir())
			mustLoad(t, to, forLoad(t, want), atOnce)
			quiet(t, to)
			sameRecords(t, "loaded", dumpOf(t, to), want)
			if fs := faults(t, to); len(fs) > 0 {
				t.Errorf("faults after: %q", fs)
			}
			sameSearches(t, to, from)
			mustCommit(t, to, create("afterwards"))
		})
	}
}

// TestLoadInAnyOrder gives the versions of each commit in no order, as another
// kind of store may, and several calls for one commit.
func TestLoadInAnyOrder(t *testing.T) {
	from := open(t, t.TempDir())
	keepStore(t, from)
	want := dumpOf(t, from)
	mixed := forLoad(t, want)
	rnd := rand.New(rand.NewPCG(1, 2))
	for start := 0; start < len(mixed) && mixed[start].Version != nil; {
		end := start
		for end < len(mixed) && mixed[end].Version != nil && mixed[end].Version.Seq == mixed[start].Version.Seq {
			end++
		}
		group := mixed[start:end]
		rnd.Shuffle(len(group), func(i, j int) { group[i], group[j] = group[j], group[i] })
		start = end
	}
	to := open(t, t.TempDir())
	mustLoad(t, to, mixed, 3)
	sameRecords(t, "loaded", dumpOf(t, to), want)
	if fs := faults(t, to); len(fs) > 0 {
		t.Errorf("faults: %q", fs)
	}
	sameSearches(t, to, from)
}

// sameSearches asks both stores the same questions.
func sameSearches(t *testing.T, got, want *Store) {
	t.Helper()
	for _, typ := range []string{"Task", "Patient"} {
		for _, where := range [][]store.Clause{
			nil,
			{{Param: "word", Kind: store.Token, Any: []store.Match{{System: "s", Value: "word20"}}}},
			{{Param: "status", Kind: store.Token, Common: true, Any: []store.Match{{Value: "status1"}, {Value: "status2"}}}},
			{{Param: "name", Kind: store.Text, Any: []store.Match{{Value: "word1"}}}},
		} {
			for _, view := range []auth.View{auth.SystemView(), auth.NewView([]string{"b"}, []string{"*"}, nil)} {
				q := store.Query{View: view, Type: typ, Where: where, Limit: 1000, Total: true}
				g, err := got.Search(t.Context(), q)
				if err != nil {
					t.Fatal(err)
				}
				w, err := want.Search(t.Context(), q)
				if err != nil {
					t.Fatal(err)
				}
				if len(w.Versions) == 0 || !reflect.DeepEqual(g.Versions, w.Versions) || g.Total != w.Total {
					t.Errorf("search of %s by %+v: %d of %d versions, want %d of %d", typ, where, len(g.Versions), g.Total, len(w.Versions), w.Total)
				}
			}
		}
	}
	a, _, err := got.AuditSearch(t.Context(), store.AuditQuery{Client: "client1", Limit: 1000})
	b, _, berr := want.AuditSearch(t.Context(), store.AuditQuery{Client: "client1", Limit: 1000})
	if err != nil || berr != nil || len(b) == 0 || !reflect.DeepEqual(a, b) {
		t.Errorf("audit search: %d records, %v; want %d, %v", len(a), err, len(b), berr)
	}
}

// TestDumpIsOneMoment dumps while four writers keep pairs of resources equal.
func TestDumpIsOneMoment(t *testing.T) {
	s := open(t, t.TempDir())
	const writers, pairs = 4, 25
	commit := func(w, n int, expect int) {
		var c store.Commit
		for _, half := range []string{"l", "r"} {
			k := store.Key{Type: "Task", ID: fmt.Sprint(w, "-", n, half)}
			c.Writes = append(c.Writes, keepWrite(k, expect, fmt.Sprint("word", expect, " s", n)))
		}
		c.Audit = []audit.Entry{keepEntry(n)}
		if _, err := s.Commit(context.Background(), c); err != nil {
			t.Error(err)
		}
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for expect := 0; ; expect++ {
				for n := range pairs {
					select {
					case <-stop:
						return
					default:
						commit(w, n, expect)
					}
				}
			}
		})
	}
	for range 3 {
		checkMoment(t, dumpOf(t, s))
	}
	close(stop)
	wg.Wait()
	checkMoment(t, dumpOf(t, s))
}

// checkMoment looks whether the halves of all pairs are of the same commits,
// none beyond the mark, and every commit has its audit record.
func checkMoment(t *testing.T, rs []store.Record) {
	t.Helper()
	halves := map[string][]int64{}
	versions, audits := 0, 0
	last := int64(0)
	for _, r := range rs[1:] {
		switch {
		case r.Version != nil:
			versions++
			halves[r.Version.Key.ID] = append(halves[r.Version.Key.ID], r.Version.Seq)
			if last > r.Version.Seq || r.Version.Seq > rs[0].Mark.Seq || r.Version.Until > rs[0].Mark.Seq {
				t.Errorf("a version of commit %d, closed by %d, after one of %d; the mark is at %d", r.Version.Seq, r.Version.Until, last, rs[0].Mark.Seq)
			}
			last = r.Version.Seq
		case r.Audit != nil:
			audits++
		}
	}
	for id, left := range halves {
		if right := halves[id[:len(id)-1]+"r"]; !slices.Equal(left, right) && strings.HasSuffix(id, "l") {
			t.Errorf("one half of %s has %d versions, the other %d", id, len(left), len(right))
		}
	}
	if versions != 2*audits {
		t.Errorf("%d versions and %d audit records", versions, audits)
	}
}

// TestLoadAgain stops a load in the middle and repeats it, from a crash image
// too, with calls of other sizes.
func TestLoadAgain(t *testing.T) {
	from := open(t, t.TempDir())
	keepStore(t, from)
	want := dumpOf(t, from)
	records := forLoad(t, want)
	dir := t.TempDir()
	to := open(t, dir)
	mustLoad(t, to, records[:len(records)/2], 11)
	if _, err := to.Commit(t.Context(), create("early")); !errors.Is(err, store.ErrUnavailable) || !strings.Contains(fmt.Sprint(err), "repeat it") {
		t.Errorf("a commit in the middle of a load: %v", err)
	}
	if fs := faults(t, to); !slices.ContainsFunc(fs, func(f string) bool { return strings.Contains(f, "was not finished") }) {
		t.Errorf("a check in the middle of a load: %q", fs)
	}
	to = open(t, crashImage(t, dir))
	if err := to.Ping(t.Context()); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("ping in the middle of a load: %v", err)
	}
	mustLoad(t, to, records, 17)
	mustLoad(t, to, records, 500) // it was killed before it knew that it had ended
	sameRecords(t, "loaded", dumpOf(t, to), want)
	if fs := faults(t, to); len(fs) > 0 {
		t.Errorf("faults: %q", fs)
	}
}

// TestLoadRefuses repeats a load with one record changed.
func TestLoadRefuses(t *testing.T) {
	from := open(t, t.TempDir())
	keepStore(t, from)
	records := forLoad(t, dumpOf(t, from))
	for name, change := range map[string]func(r *store.Record) bool{
		"body": func(r *store.Record) bool {
			if r.Version == nil || r.Version.Deleted {
				return false
			}
			v := *r.Version
			v.Body = append([]byte("x"), v.Body...)
			r.Version = &v
			return true
		},
		"end": func(r *store.Record) bool {
			if r.Version == nil || r.Version.Until == 0 {
				return false
			}
			v := *r.Version
			v.Until++
			r.Version = &v
			return true
		},
		"access": func(r *store.Record) bool {
			if r.Version == nil || r.Version.Until != 0 {
				return false
			}
			v := *r.Version
			v.Access = auth.NewAccess("z")
			r.Version = &v
			return true
		},
		"audit": func(r *store.Record) bool {
			if r.Audit == nil {
				return false
			}
			a := *r.Audit
			a.Count++
			r.Audit = &a
			return true
		},
		"doc": func(r *store.Record) bool {
			if r.Doc == nil {
				return false
			}
			d := *r.Doc
			d.Version++
			r.Doc = &d
			return true
		},
		"claim": func(r *store.Record) bool {
			if r.Claim == nil {
				return false
			}
			c := *r.Claim
			c.Answer = []byte("other")
			r.Claim = &c
			return true
		},
		"event": func(r *store.Record) bool {
			if r.Event == nil {
				return false
			}
			e := *r.Event
			e.Attempt += 5
			r.Event = &e
			return true
		},
		"original": func(r *store.Record) bool {
			if r.Blob == nil {
				return false
			}
			b := *r.Blob
			b.Type = "other"
			r.Blob = &b
			return true
		},
	} {
		t.Run(name, func(t *testing.T) {
			to := open(t, t.TempDir())
			mustLoad(t, to, records[:len(records)-1], 1000)
			before := dumpOf(t, to)
			changed := slices.Clone(records)
			if !slices.ContainsFunc(changed, func(store.Record) bool { return true }) {
				t.Fatal("nothing to change")
			}
			for i := range changed {
				if change(&changed[i]) {
					break
				}
			}
			if _, ok := errors.AsType[*store.Conflict](to.Load(t.Context(), changed)); !ok {
				t.Errorf("a record that differs: %v", to.Load(t.Context(), changed))
			}
			sameRecords(t, "after a conflict", dumpOf(t, to), before)
		})
	}
}

func TestLoadIntoOthers(t *testing.T) {
	from := open(t, t.TempDir())
	keepStore(t, from)
	records := forLoad(t, dumpOf(t, from))
	to := open(t, t.TempDir())
	mustCommit(t, to, create("other"))
	before := dumpOf(t, to)
	if _, ok := errors.AsType[*store.Conflict](to.Load(t.Context(), records)); !ok {
		t.Error("a load into a store with other records succeeded")
	}
	sameRecords(t, "after the refusal", dumpOf(t, to), before)
	mustCommit(t, to, create("goes on"))

	empty := open(t, t.TempDir())
	if err := empty.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := empty.Load(t.Context(), records[:10]); err != nil {
		t.Fatal(err)
	}
	if err := empty.Load(t.Context(), []store.Record{{Mark: &store.Mark{Seq: 1}}}); !errors.Is(err, errMark) {
		t.Errorf("a mark from before the records: %v", err)
	}
	if err := empty.Load(t.Context(), []store.Record{records[20], records[20]}); err == nil {
		t.Error("a record given twice was taken")
	}
	beside, err := Open(t.TempDir(), Beside())
	if err != nil {
		t.Fatal(err)
	}
	defer beside.Close()
	if err := beside.Load(t.Context(), records); !errors.Is(err, errBeside) {
		t.Errorf("a load beside a server: %v", err)
	}
}

// TestReindexBeside changes the index of a store from another process's side,
// while the serving side searches and writes.
func TestReindexBeside(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	keepStore(t, s)
	for n := range 30 { // not indexed at all
		w := keepWrite(store.Key{Type: "Task", ID: fmt.Sprint("bare", n)}, 0, fmt.Sprint("bare s", n))
		w.Index = []store.Index{{Param: "old", Kind: store.Token, Value: "x"}}
		mustCommit(t, s, store.Commit{Writes: []store.Write{w}})
	}
	before := dumpOf(t, s)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { searchOn(t, s, stop) })
	beside, err := Open(dir, Beside())
	if err != nil {
		t.Fatal(err)
	}
	total, after := 0, ""
	for first := true; first || after != ""; first = false {
		var n int
		if after, n, err = beside.Reindex(t.Context(), after, 33, keepIndex); err != nil {
			t.Fatal(err)
		}
		total += n
	}
	close(stop)
	wg.Wait()
	if err := beside.Close(); err != nil {
		t.Error(err)
	}
	if n, err := s.Count(t.Context()); err != nil || n != total {
		t.Errorf("Count %d, %v; %d were looked at", n, err, total)
	}
	sameRecords(t, "after", dumpOf(t, s), before)
	if fs := faults(t, s); len(fs) > 0 {
		t.Errorf("faults: %q", fs)
	}
	found := func(param, value string) int {
		p, err := s.Search(t.Context(), store.Query{View: auth.SystemView(), Type: "Task", Limit: 100, Where: []store.Clause{
			{Param: param, Kind: store.Token, Any: []store.Match{{Value: value, AnySystem: true}}},
		}})
		if err != nil {
			t.Fatal(err)
		}
		return len(p.Versions)
	}
	if n := found("word", "bare"); n != 30 {
		t.Errorf("%d found by the new index, want 30", n)
	}
	if n := found("old", "x"); n != 0 {
		t.Errorf("%d found by the old index", n)
	}
}

// searchOn searches until told to stop: what is found never changes, whichever
// index it is found by.
func searchOn(t *testing.T, s *Store, stop chan struct{}) {
	q := store.Query{View: auth.NewView([]string{"b"}, []string{"*"}, nil), Type: "Patient", Limit: 1000, Where: []store.Clause{
		{Param: "status", Kind: store.Token, Common: true, Any: []store.Match{{Value: "status1"}}},
	}}
	want := -1
	for {
		select {
		case <-stop:
			return
		default:
		}
		p, err := s.Search(context.Background(), q)
		if err != nil {
			t.Error(err)
			return
		}
		if want < 0 {
			want = len(p.Versions)
		}
		if len(p.Versions) != want || want == 0 {
			t.Errorf("%d found during a reindex, want %d", len(p.Versions), want)
			return
		}
	}
}

func TestReindexLeavesFaultyAlone(t *testing.T) {
	s := open(t, t.TempDir())
	for n := range 5 {
		w := keepWrite(store.Key{Type: "Task", ID: fmt.Sprint(n)}, 0, fmt.Sprint("word", n, " status"))
		if n == 2 {
			w.Body = []byte("unreadable body")
		}
		mustCommit(t, s, store.Commit{Writes: []store.Write{w}})
	}
	next, looked, err := s.Reindex(t.Context(), "", 100, keepIndex)
	if next != "" || looked != 5 || err == nil || strings.Contains(err.Error(), "Task/2") {
		t.Errorf("Reindex: %q, %d, %v", next, looked, err)
	}
	if p, err := s.Search(t.Context(), store.Query{View: auth.SystemView(), Type: "Task", Limit: 10, Where: []store.Clause{
		{Param: "word", Kind: store.Token, Any: []store.Match{{System: "s", Value: "word2"}}},
	}}); err != nil || len(p.Versions) != 1 {
		t.Errorf("the faulty one is found %d times, %v", len(p.Versions), err)
	}
}

func TestSchemaVersion(t *testing.T) {
	s := open(t, t.TempDir())
	if has, newest, err := s.Schema(t.Context()); has != len(migrations) || newest != has || err != nil {
		t.Errorf("Schema: %d of %d, %v", has, newest, err)
	}
}

// TestCheckFinds damages a sound store in each way and looks whether a check
// says so.
func TestCheckFinds(t *testing.T) {
	sound := t.TempDir()
	s := open(t, sound)
	keepStore(t, s)
	mustCommit(t, s, store.Commit{Writes: []store.Write{{
		View: auth.SystemView(), Key: store.Key{Type: "Other", ID: "other"}, Body: []byte("other words"), Access: auth.NewAccess("x"), Updated: time.Now(),
	}}})
	quiet(t, s)
	for sql, want := range map[string]string{
		"UPDATE meta SET value = 3 WHERE name = 'seq'":                                              "the last commit is said to be 3",
		"DELETE FROM meta WHERE name = 'horizon'":                                                   "horizon is missing",
		"INSERT INTO meta VALUES ('loading', 1)":                                                    "was not finished",
		"DELETE FROM heads WHERE id = 'id7'":                                                        "has no key",
		"DELETE FROM heads WHERE id = 'id8' ":                                                       "belongs to no key",
		"UPDATE heads SET number = 5 WHERE id = 'id60'":                                             "should be version",
		"UPDATE heads SET access = x'ff' WHERE id = 'id61'":                                         "access of the key",
		"UPDATE heads SET access = (SELECT access FROM heads WHERE id = 'other') WHERE id = 'id61'": "for others than may see it",
		"DELETE FROM past WHERE id = 'id9'":                                                         "should be version 1",
		"UPDATE past SET until = until + 1 WHERE id = 'id9'":                                        "was not replaced by the next",
		"UPDATE past SET pos = pos + 1 WHERE id = 'id9'":                                            "is missing at position",
		"DELETE FROM versions WHERE id = 'id61'":                                                    "is missing at position",
		"UPDATE versions SET id = 'x' WHERE id = 'id61'":                                            "belongs to no key",
		"UPDATE versions SET entries = x'00ff' WHERE id = 'id61'":                                   "cannot be read",
		"UPDATE versions SET body = CAST('other words' AS BLOB) WHERE id = 'id61'":                  "indexed by other entries",
		"UPDATE versions SET body = CAST('unreadable body' AS BLOB) WHERE id = 'id61'":              "cannot be indexed",
		"DELETE FROM exact WHERE pos = (SELECT pos FROM versions WHERE id = 'id61')":                "rows of the index are missing",
		"DELETE FROM dates WHERE pos = (SELECT pos FROM versions WHERE id = 'id61')":                "rows of the index are missing",
		"DELETE FROM texts WHERE pos = (SELECT pos FROM versions WHERE id = 'id61')":                "rows of the index are missing",
		"INSERT INTO dates VALUES (5, 5, 5)":                                                        "dates: 1 rows of the index belong to no version",
		"INSERT INTO texts VALUES (5, x'05', 5)":                                                    "texts: 1 rows of the index belong to no version",
		"DELETE FROM closed":                                                                        "belong to no version",
		"UPDATE closed SET pos = -pos":                                                              "was replaced, and is missing",
		"DELETE FROM slots WHERE kind = 0":                                                          "is not in its slot",
		"DELETE FROM slots WHERE kind = 1":                                                          "an audit record of commit",
		"UPDATE slots SET last = first - 1 WHERE kind = 2":                                          "is not in its slot",
		"UPDATE audit SET entries = x'01' WHERE seq = 5":                                            "records of commit 5 cannot be read",
		"DELETE FROM audit WHERE seq = 5":                                                           "belong to no audit record",
		"DELETE FROM audit_terms WHERE seq = 5":                                                     "rows are missing for commit 5",
		"UPDATE outbox SET front = 1 WHERE n = 40":                                                  "event 40 has the wrong place",
		"UPDATE outbox SET front = 0 WHERE n = 1":                                                   "event 1 has the wrong place",
		"UPDATE chunks SET data = x'00' WHERE c = (SELECT min(c) FROM chunks)":                      "not what its hash says",
		"DELETE FROM chunks WHERE c = (SELECT min(c) FROM chunks)":                                  "not what its hash says",
		"DELETE FROM blobs WHERE b = 2":                                                             "a chunk belongs to original 2",
		"DELETE FROM blobs WHERE b = 1":                                                             "a reference belongs to original 1",
	} {
		t.Run(want, func(t *testing.T) {
			s := open(t, crashImage(t, sound))
			if err := s.submit(t.Context(), &job{run: func(g *group) error { g.changed = true; return g.exec(sql) }}); err != nil {
				t.Fatal(err)
			}
			fs := faults(t, s)
			if !slices.ContainsFunc(fs, func(f string) bool { return strings.Contains(f, want) }) {
				t.Errorf("%s: reported %q", sql, fs)
			}
			for _, f := range fs {
				if strings.Contains(f, "id61") {
					t.Errorf("a fault with an id: %s", f)
				}
			}
		})
	}
}

// TestCheckSurvives damages pages, of which a check reports what it can.
func TestCheckSurvives(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	keepStore(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(dir+"/"+fileName, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	for page := int64(20); page < info.Size()/8192; page += 5 {
		if _, err := f.WriteAt(bytes.Repeat([]byte{0xab}, 4000), page*8192); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	if fs := faults(t, s); len(fs) == 0 {
		t.Error("a check of damaged pages reports nothing")
	}
}

// TestCheckOfSound looks at stores after sweeps, where nothing may be reported.
func TestCheckOfSound(t *testing.T) {
	s := open(t, t.TempDir())
	if fs := faults(t, s); len(fs) > 0 {
		t.Errorf("of an empty store: %q", fs)
	}
	keepStore(t, s)
	if err := s.Sweep(t.Context(), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if fs := faults(t, s); len(fs) > 0 {
		t.Errorf("after a sweep: %q", fs)
	}
}

// TestKeepStatements checks the statements of this part as TestExplain does the
// others.
func TestKeepStatements(t *testing.T) {
	s := open(t, t.TempDir())
	listed := slices.Concat(keepStatements, rowStatements)
	for _, sql := range listed {
		err := s.read(t.Context(), func(c *conn) error {
			return c.explain(sql, func(step string) {
				if strings.Contains(step, "SCAN") && !strings.Contains(step, "CONSTANT ROW") && !strings.Contains(step, "VALUES") || strings.Contains(step, "TEMP B-TREE") {
					t.Errorf("%s:\n\t%s", sql, step)
				}
			})
		})
		if err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
	src, err := os.ReadFile("keep_sql.go")
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(src), "var keepStatements")
	for _, m := range regexp.MustCompile(`(?m)^\t(sql\w+)\s+= `).FindAllStringSubmatch(string(src), -1) {
		exempt := strings.HasPrefix(m[1], "sqlCount") || m[1] == "sqlIntegrity" || m[1] == "sqlHolds"
		if !exempt && !strings.Contains(list, m[1]+",") {
			t.Errorf("%s is not in the list of statements", m[1])
		}
	}
}
