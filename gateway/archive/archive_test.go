package archive

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
	"trellis.example/gateway/audit"
	"trellis.example/gateway/search"
	"trellis.example/gateway/store"
	"trellis.example/gateway/store/sqlitestore"
)

var registry = search.NewRegistry(definitions.R4(), "https://gw.example/fhir")

func index(_ string, body []byte) ([]store.Index, error) {
	res, err := fhir.Decode(body)
	if err != nil {
		return nil, err
	}
	return registry.Index(res), nil
}

func empty(t *testing.T) *sqlitestore.Store {
	t.Helper()
	s, err := sqlitestore.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// filled returns a store with a little of everything, and the commit after
// which only the first half of it was there.
func filled(t *testing.T) (s *sqlitestore.Store, half int64) {
	t.Helper()
	s = empty(t)
	start := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	for i := range 10 {
		at := start.Add(time.Duration(i) * time.Minute)
		id := fmt.Sprintf("6f3c0d1e-0000-4000-8000-%012d", i)
		c := store.Commit{Audit: []audit.Entry{{At: at, Action: audit.Create, Interaction: "create", Outcome: audit.Success, Client: "gp", Entities: []string{"Patient/" + id}}}}
		c.Writes = []store.Write{write(t, id, 0, at)}
		original := fmt.Appendf(nil, "original %d", i)
		sum := sha256.Sum256(original)
		c.Originals = []store.Blob{{Hash: hex.EncodeToString(sum[:]), Type: "text/plain", Data: original, Refs: []store.Key{{Type: "Patient", ID: id}}}}
		c.Claims = []store.Claim{{Scope: "idempotency-key", Key: id, Expires: time.Now().Add(time.Hour), Answer: []byte(`{"id":"` + id + `"}`)}}
		c.Events = []store.Event{{ID: "e" + id, Topic: "rri", Partition: "p", Payload: []byte(`{"task":"` + id + `"}`), Due: at}}
		c.Docs = []store.DocWrite{{Kind: "client", ID: id, Body: []byte(`{}`)}}
		r, err := s.Commit(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		if i == 4 {
			half = r.Seq
		}
		// Each one changes the first, so that history crosses the half.
		if i > 0 {
			first := "6f3c0d1e-0000-4000-8000-000000000000"
			if _, err := s.Commit(t.Context(), store.Commit{Writes: []store.Write{write(t, first, i, at.Add(time.Second))}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	return s, half
}

func write(t *testing.T, id string, expect int, at time.Time) store.Write {
	t.Helper()
	res, err := fhir.Decode(fmt.Appendf(nil, "{\"resourceType\":\"Patient\",\n \"multipleBirthInteger\":%d, \"identifier\":[{\"system\":\"s\",\"value\":\"%s\"}]}", expect, id))
	if err != nil {
		t.Fatal(err)
	}
	return store.Write{View: auth.SystemView(), Key: store.Key{Type: "Patient", ID: id}, Expect: expect, Updated: at, Index: registry.Index(res),
		Body: res.Stamp(id, expect+1, at), Access: auth.NewAccess("org/A", "org/B")}
}

func dump(t *testing.T, s store.Keeper) (out []store.Record) {
	t.Helper()
	if err := s.Dump(t.Context(), func(r store.Record) error { out = append(out, r); return nil }); err != nil {
		t.Fatal(err)
	}
	return out
}

// same compares dumps, apart from the moment at which they were made.
func same(t *testing.T, got, want []store.Record) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d records, want %d", len(got), len(want))
	}
	for i := range want {
		g, w := got[i], want[i]
		if w.Mark != nil && g.Mark != nil {
			if g.Mark.Seq != w.Mark.Seq {
				t.Errorf("mark %d, want %d", g.Mark.Seq, w.Mark.Seq)
			}
			continue
		}
		if !reflect.DeepEqual(toLine(g), toLine(w)) {
			t.Fatalf("record %d:\n got %+v\nwant %+v", i, toLine(g), toLine(w))
		}
	}
}

func backup(t *testing.T, s store.Keeper) []byte {
	t.Helper()
	var b bytes.Buffer
	tr, err := Backup(t.Context(), s, &b, "test", nil)
	if err != nil || tr.Counts.Resources == 0 {
		t.Fatalf("%+v, %v", tr, err)
	}
	return b.Bytes()
}

func TestBackupAndRestore(t *testing.T) {
	s, _ := filled(t)
	b := backup(t, s)
	i := NewInspector(func(f string) { t.Error(f) })
	if _, err := Verify(t.Context(), bytes.NewReader(b), i, nil); err != nil {
		t.Fatal(err)
	}
	to := empty(t)
	if _, err := Restore(t.Context(), bytes.NewReader(b), to, Point{}, index, nil); err != nil {
		t.Fatal(err)
	}
	same(t, dump(t, to), dump(t, s))
	if err := to.Check(t.Context(), index, func(f string) { t.Error(f) }); err != nil {
		t.Fatal(err)
	}
}

func TestRestoreToAPoint(t *testing.T) {
	s, half := filled(t)
	b := backup(t, s)
	for name, p := range map[string]Point{"commit": {Seq: half}, "time": {At: time.Date(2026, 11, 23, 9, 4, 0, 0, time.UTC)}} {
		to := empty(t)
		counts, err := Restore(t.Context(), bytes.NewReader(b), to, p, index, nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		want := Counts{Resources: 5, Versions: 8, Audit: 5, Originals: 10, Docs: 10, Claims: 5, Events: 5}
		if counts != want {
			t.Errorf("%s: %+v, want %+v", name, counts, want)
		}
		v, err := to.Read(t.Context(), auth.SystemView(), store.Key{Type: "Patient", ID: "6f3c0d1e-0000-4000-8000-000000000000"})
		if err != nil || v.Number != 4 {
			t.Errorf("%s: the first is at version %d (%v), want 4", name, v.Number, err)
		}
		i := NewInspector(func(f string) { t.Errorf("%s: %s", name, f) })
		if err := Inspect(t.Context(), to, i, nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Restore(t.Context(), bytes.NewReader(b), empty(t), Point{Seq: 1 << 40}, index, nil); err == nil {
		t.Error("a point after the end was accepted")
	}
	if _, err := Restore(t.Context(), bytes.NewReader(b), empty(t), Point{At: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)}, index, nil); err == nil {
		t.Error("a point before the first commit was accepted")
	}
}

// TestRestoreToAPointForgetsWhatCameLater: how far an import came, exports and
// cursors speak of commits that are gone; an original is kept when a later
// resource of another type happens to have the id of its own.
func TestRestoreToAPointForgetsWhatCameLater(t *testing.T) {
	s := empty(t)
	at := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	sum := sha256.Sum256([]byte("original"))
	hash := hex.EncodeToString(sum[:])
	first, err := s.Commit(t.Context(), store.Commit{
		Writes:    []store.Write{write(t, "1", 0, at)},
		Originals: []store.Blob{{Hash: hash, Type: "text/plain", Data: []byte("original"), Refs: []store.Key{{Type: "Patient", ID: "1"}}}},
		Docs:      []store.DocWrite{{Kind: "client", ID: "gp", Body: []byte(`{}`)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	later := write(t, "1", 0, at)
	later.Key.Type, later.Body = "Group", bytes.Replace(later.Body, []byte("Patient"), []byte("Group"), 1)
	if _, err := s.Commit(t.Context(), store.Commit{Writes: []store.Write{later}, Docs: []store.DocWrite{
		{Kind: "import", ID: "file", Body: []byte(`{"lines":9}`)}, {Kind: "export", ID: "job", Body: []byte(`{"snapshot":2}`)},
		{Kind: "gateway-key", ID: "cursor", Body: []byte("key")}, {Kind: "gateway-key", ID: "other", Body: []byte("key")},
	}}); err != nil {
		t.Fatal(err)
	}
	to := empty(t)
	if _, err := Restore(t.Context(), bytes.NewReader(backup(t, s)), to, Point{Seq: first.Seq}, index, nil); err != nil {
		t.Fatal(err)
	}
	var docs []string
	for _, r := range dump(t, to) {
		switch {
		case r.Doc != nil:
			docs = append(docs, r.Doc.Kind+"/"+r.Doc.ID)
		case r.Blob != nil && len(r.Blob.Refs) != 1:
			t.Errorf("the original belongs to %v, want its Patient", r.Blob.Refs)
		}
	}
	if got := strings.Join(docs, " "); got != "client/gp gateway-key/other" {
		t.Errorf("documents after the restore: %s", got)
	}
}

func TestCopy(t *testing.T) {
	s, _ := filled(t)
	to := empty(t)
	for range 2 { // again is a no-op
		if _, err := Copy(t.Context(), s, to, index, nil); err != nil {
			t.Fatal(err)
		}
	}
	same(t, dump(t, to), dump(t, s))
}

// TestDamage: a file that was changed or cut anywhere is refused.
func TestDamage(t *testing.T) {
	s, _ := filled(t)
	b := backup(t, s)
	for _, at := range []int{0, 10, len(b) / 2, len(b) - 20} {
		changed := bytes.Clone(b)
		changed[at] ^= 0x40
		i := NewInspector(func(string) {})
		if _, err := Verify(t.Context(), bytes.NewReader(changed), i, nil); err == nil {
			t.Errorf("a change at byte %d was not noticed", at)
		}
		if _, err := Verify(t.Context(), bytes.NewReader(b[:at]), i, nil); err == nil {
			t.Errorf("a cut at byte %d was not noticed", at)
		}
		if _, err := Restore(t.Context(), bytes.NewReader(changed), empty(t), Point{}, index, nil); err == nil {
			t.Errorf("a backup changed at byte %d was restored", at)
		}
	}
}

// TestChangedContent: a whole file, well formed, whose content is not what was
// written.
func TestChangedContent(t *testing.T) {
	s, _ := filled(t)
	records := dump(t, s)
	var b bytes.Buffer
	w, err := NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Begin(*records[0].Mark, "test"); err != nil {
		t.Fatal(err)
	}
	for _, r := range records[1:] {
		if err := w.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	w.hash.Write([]byte("x"))
	if _, err := w.End(); err != nil {
		t.Fatal(err)
	}
	if _, err := Verify(t.Context(), &b, NewInspector(func(string) {}), nil); !errors.Is(err, errDamaged) {
		t.Errorf("%v, want that the file is damaged", err)
	}
}

func TestInspector(t *testing.T) {
	at := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	version := func(n int, seq, until int64, body string) store.Record {
		return store.Record{Version: &store.VersionRecord{Until: until, Version: store.Version{Key: store.Key{Type: "Patient", ID: "p"}, Number: n, Seq: seq, Updated: at, Body: []byte(body)}}}
	}
	good := func(n int) string {
		return fmt.Sprintf(`{"resourceType":"Patient","id":"p","meta":{"versionId":"%d"}}`, n)
	}
	mark := store.Record{Mark: &store.Mark{Seq: 9, At: at}}
	record := func(seq int64, n int) store.Record {
		return store.Record{Audit: &audit.Record{Seq: seq, N: n, Entry: audit.Entry{At: at}}}
	}
	tests := []struct {
		name    string
		records []store.Record
		want    string
	}{
		{"whole", []store.Record{mark, version(1, 2, 3, good(1)), version(2, 3, 0, good(2)), record(2, 0), record(2, 1), record(3, 0)}, ""},
		{"a version is missing", []store.Record{mark, version(2, 3, 0, good(2))}, "it follows version 0"},
		{"a gap in time", []store.Record{mark, version(1, 2, 3, good(1)), version(2, 4, 0, good(2))}, "ended with 3"},
		{"no current version", []store.Record{mark, version(1, 2, 3, good(1))}, "is not current"},
		{"not JSON", []store.Record{mark, version(1, 2, 0, `{"a":`)}, "cannot be read"},
		{"another version", []store.Record{mark, version(1, 2, 0, good(7))}, "names another"},
		{"after the end", []store.Record{mark, version(1, 12, 0, good(1))}, "cannot be"},
		{"an audit record is missing", []store.Record{mark, record(2, 0), record(2, 2)}, "it follows 2.0"},
		{"a changed original", []store.Record{mark, {Blob: &store.BlobRecord{Blob: store.Blob{Hash: "00", Data: []byte("x")}}}}, "does not have that hash"},
	}
	for _, tt := range tests {
		var faults []string
		i := NewInspector(func(f string) { faults = append(faults, f) })
		for _, r := range tt.records {
			i.Look(r)
		}
		i.End()
		got := strings.Join(faults, "; ")
		if tt.want == "" && got != "" || tt.want != "" && !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// FuzzVerify: no file makes a reader panic or take more than it should.
func FuzzVerify(f *testing.F) {
	var b bytes.Buffer
	w, err := NewWriter(&b)
	if err != nil {
		f.Fatal(err)
	}
	if err := w.Begin(store.Mark{Seq: 1, At: time.Unix(0, 0)}, ""); err != nil {
		f.Fatal(err)
	}
	if _, err := w.End(); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, in []byte) {
		_, _ = Verify(t.Context(), bytes.NewReader(in), NewInspector(func(string) {}), nil)
	})
}
