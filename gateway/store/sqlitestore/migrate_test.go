package sqlitestore

import (
	"encoding/binary"
	"path/filepath"
	"testing"
	"time"

	"trellis.example/auth"
	"trellis.example/gateway/store"
	"trellis.example/gateway/store/sqlitestore/packed"
)

// oldEntries packs entries as schema 1 did.
func oldEntries(parties []string, index ...store.Index) []byte {
	b := binary.AppendUvarint(nil, uint64(len(parties)))
	for _, p := range parties {
		b = packed.PutString(b, p)
	}
	for _, i := range index {
		kind := uint64(i.Kind) << 1
		if i.Common {
			kind |= 1
		}
		b = packed.PutString(binary.AppendUvarint(b, kind), i.Param)
		switch i.Kind {
		case store.Date:
			b = binary.AppendVarint(binary.AppendVarint(b, i.Low), i.High)
		case store.Token:
			b = packed.PutString(packed.PutString(b, i.System), i.Value)
		default:
			b = packed.PutString(b, i.Value)
		}
	}
	return b
}

// writeOld fills a database of schema 1: "new" with two versions, the first of
// them swept, "late" whose first version is not swept yet, and "gone", deleted.
func writeOld(t *testing.T, c *conn) {
	t.Helper()
	access := packed.Access(auth.NewAccess("a"))
	parties := []string{"a", everyone}
	year := store.Index{Param: "date", Kind: store.Date, Low: 1000, High: 365 * dayMillis}
	open := store.Index{Param: "date", Kind: store.Date, Low: 5000, High: 1 << 60, Common: true}
	instant := store.Index{Param: "date", Kind: store.Date, Low: 365 * dayMillis, High: 365 * dayMillis}
	seq := int64(0)
	put := func(id string, number int, deleted, rows bool, index ...store.Index) int64 {
		seq++
		pos := position(seq, 0)
		entries := oldEntries(parties, index...)
		if deleted {
			entries = []byte{0}
		}
		exec(t, c, sqlPutVersion, pos, "Task", id, number, seq*1000, flag(deleted), entries, []byte(`{}`))
		exec(t, c, `INSERT INTO slots VALUES (0, ?, ?, ?) ON CONFLICT DO UPDATE SET last = excluded.last`, slotAt(seq*1000), seq, seq)
		if !rows {
			return pos
		}
		for _, p := range parties {
			exec(t, c, sqlNewExact, term("Task", p, typeParam, "", ""), pos)
		}
		for _, i := range index {
			for _, p := range map[bool][]string{false: {""}, true: parties}[i.Common] {
				exec(t, c, sqlNewDate, term("Task", p, i.Param, "d", ""), i.High, pos)
			}
		}
		return pos
	}
	first := put("new", 1, false, false, year)
	second := put("new", 2, false, true, year, instant)
	exec(t, c, sqlPutHead, "Task", "new", second, 2, access)
	exec(t, c, sqlPutPast, "Task", "new", 1, first, seqOf(second))
	first = put("late", 1, false, true, open)
	second = put("late", 2, false, true, open)
	exec(t, c, sqlPutHead, "Task", "late", second, 2, access)
	exec(t, c, sqlPutPast, "Task", "late", 1, first, seqOf(second))
	exec(t, c, sqlNewClosed, time.Now().UnixMilli(), first, seqOf(second))
	first = put("gone", 1, false, false, year)
	second = put("gone", 2, true, false)
	exec(t, c, sqlPutHead, "Task", "gone", second, 2, access)
	exec(t, c, sqlPutPast, "Task", "gone", 1, first, seqOf(second))
	exec(t, c, sqlSetMeta, seq, "seq")
}

func exec(t *testing.T, c *conn, sql string, args ...any) {
	t.Helper()
	if err := c.exec(sql, args...); err != nil {
		t.Fatal(err)
	}
}

// TestFromSchema1 opens a database of schema 1 and asks what only schema 2 can
// answer.
func TestFromSchema1(t *testing.T) {
	dir := t.TempDir()
	c, err := dial(filepath.Join(dir, fileName), writerPragmas...)
	if err != nil {
		t.Fatal(err)
	}
	if err := migrate(c, migrations[:1]); err != nil {
		t.Fatal(err)
	}
	writeOld(t, c)
	if err := c.close(); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir)
	view := auth.NewView([]string{"a"}, []string{"*"}, nil)
	h, err := s.History(t.Context(), store.HistoryQuery{View: view, Types: []string{"Task"}, Limit: 10, Since: time.UnixMilli(0)})
	if err != nil || len(h.Versions) != 6 {
		t.Errorf("a history of types: %d versions, %v; want 6", len(h.Versions), err)
	}
	for _, tt := range []struct {
		op        string
		common    bool
		low, high int64
		want      string
	}{
		{"lt", false, 2000, 2000, "new"},
		{"ge", false, 364 * dayMillis, 364 * dayMillis, "new"},
		{"eq", false, 365 * dayMillis, 365 * dayMillis, "new"},
		{"eb", false, 366 * dayMillis, 366 * dayMillis, "new"},
		{"lt", true, 6000, 6000, "late"},
		{"gt", true, 1 << 50, 1 << 50, "late"},
		{"eb", true, 1 << 50, 1 << 50, ""},
	} {
		m := store.Match{Op: tt.op, Low: tt.low, High: tt.high}
		q := store.Query{View: view, Type: "Task", Limit: 10, Where: []store.Clause{{Param: "date", Kind: store.Date, Common: tt.common, Any: []store.Match{m}}}}
		p, err := s.Search(t.Context(), q)
		got := ""
		for _, v := range p.Versions {
			got += v.Key.ID
		}
		if err != nil || got != tt.want {
			t.Errorf("%s, common %t: found %q, %v; want %q", tt.op, tt.common, got, err, tt.want)
		}
	}
	if err := s.Sweep(t.Context(), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	h, err = s.History(t.Context(), store.HistoryQuery{View: view, Types: []string{"Task"}, Limit: 10})
	if err != nil || len(h.Versions) != 6 {
		t.Errorf("a history of types after a sweep: %d versions, %v; want 6", len(h.Versions), err)
	}
}

// TestBesideDoesNotMigrate: the process that serves may be an older program.
func TestBesideDoesNotMigrate(t *testing.T) {
	dir := t.TempDir()
	c, err := dial(filepath.Join(dir, fileName), writerPragmas...)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	if err := migrate(c, migrations[:1]); err != nil {
		t.Fatal(err)
	}
	if s, err := Open(dir, Beside()); err == nil {
		_ = s.Close()
		t.Error("an older database was opened beside")
	}
	if version, _, err := c.number("PRAGMA user_version"); err != nil || version != 1 {
		t.Errorf("its schema is %d now, %v", version, err)
	}
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(dir, Beside()); err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
}
