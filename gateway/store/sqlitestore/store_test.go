package sqlitestore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trellis.example/auth"
	"trellis.example/gateway/audit"
	"trellis.example/gateway/store"
	"trellis.example/gateway/store/storetest"
)

func open(t testing.TB, dir string, opts ...Option) *Store {
	t.Helper()
	s, err := Open(dir, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

func TestContract(t *testing.T) {
	t.Parallel() // it mostly waits for the disk
	storetest.Run(t, func(t *testing.T, clock *storetest.Clock) storetest.Opened {
		dir := t.TempDir()
		return storetest.Opened{
			Store: open(t, dir, WithClock(clock.Now)),
			Reopen: func(t *testing.T) store.Store {
				dir = crashImage(t, dir)
				return open(t, dir, WithClock(clock.Now))
			},
		}
	})
}

// crashImage copies the files of a store that is open, as a crash leaves them:
// nothing is checkpointed or closed.
func crashImage(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	for _, name := range []string{fileName, fileName + "-wal"} {
		in, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		out, err := os.Create(filepath.Join(to, name))
		if err != nil {
			t.Fatal(err)
		}
		defer out.Close()
		if _, err := io.Copy(out, in); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

func TestKill(t *testing.T) {
	dir := t.TempDir()
	storetest.Crash(t, dir, func(t *testing.T) store.Store {
		s, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}

func create(id string, index ...store.Index) store.Commit {
	return store.Commit{
		Writes: []store.Write{{
			View: auth.SystemView(), Key: store.Key{Type: "Task", ID: id}, Access: auth.NewAccess("a"),
			Body: []byte(`{"id":"` + id + `"}`), Updated: time.Now(), Index: index,
		}},
		Audit: []audit.Entry{{At: time.Now(), Action: audit.Create, Entities: []string{"Task/" + id}}},
	}
}

func mustCommit(t testing.TB, s store.Store, c store.Commit) {
	t.Helper()
	if _, err := s.Commit(t.Context(), c); err != nil {
		t.Fatal(err)
	}
}

func TestOneServerPerDirectory(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "in use by another trellis process") {
		t.Errorf("a second server: %v", err)
	}
	beside, err := Open(dir, Beside())
	if err != nil {
		t.Fatalf("beside a server: %v", err)
	}
	for n := range 20 {
		mustCommit(t, s, create(fmt.Sprint("s", n)))
		doc := store.DocWrite{Kind: "client", ID: "c", Expect: n, Body: []byte(fmt.Sprint(n))}
		mustCommit(t, beside, store.Commit{Docs: []store.DocWrite{doc}})
		if d, err := s.Doc(t.Context(), "client", "c"); err != nil || string(d.Body) != fmt.Sprint(n) {
			t.Fatalf("the server sees %q, %v; want %d", d.Body, err, n)
		}
	}
	if err := beside.Close(); err != nil {
		t.Error(err)
	}
	mustCommit(t, s, create("last"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, dir)
}

func TestOpenRefuses(t *testing.T) {
	plain := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(plain); err == nil || !strings.Contains(err.Error(), "data directory") {
		t.Errorf("a file as the directory: %v", err)
	}
	garbage := t.TempDir()
	if err := os.WriteFile(filepath.Join(garbage, fileName), []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(garbage); err == nil || !strings.Contains(err.Error(), garbage) {
		t.Errorf("a file that is no database: %v", err)
	}
	newer := t.TempDir()
	setVersion(t, newer, appID, 99)
	if _, err := Open(newer); err == nil || !strings.Contains(err.Error(), "schema version 99 and this program knows 2") {
		t.Errorf("a newer schema: %v", err)
	}
	foreign := t.TempDir()
	setVersion(t, foreign, 7, 1)
	if _, err := Open(foreign); err == nil || !strings.Contains(err.Error(), "not a Trellis database") {
		t.Errorf("another program's database: %v", err)
	}
}

func setVersion(t *testing.T, dir string, id, version int) {
	t.Helper()
	c, err := dial(filepath.Join(dir, fileName))
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	if err := c.exec(fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d;", id, version)); err != nil {
		t.Fatal(err)
	}
}

func TestReadOnlyDirectory(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root writes where nobody may")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "cannot be written") {
		t.Errorf("read-only directory: %v", err)
	}
}

func TestOddPath(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a ?b#c%41 é")
	s := open(t, dir)
	mustCommit(t, s, create("1"))
	if _, err := os.Stat(filepath.Join(dir, fileName)); err != nil {
		t.Error(err)
	}
}

func TestStepByStepMigration(t *testing.T) {
	c, err := dial(filepath.Join(t.TempDir(), fileName))
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	steps := []migration{{sql: "CREATE TABLE one (a); CREATE TABLE two (b);"}, {sql: "ALTER TABLE one ADD COLUMN c;"}}
	for n := range len(steps) + 1 {
		if err := migrate(c, steps[:n]); err != nil {
			t.Fatalf("to version %d: %v", n, err)
		}
	}
	if err := migrate(c, append(steps, migration{sql: "CREATE TABLE three (x); CREATE TABLE one (y);"})); err == nil {
		t.Error("a faulty step succeeded")
	}
	if v, _, err := c.number("PRAGMA user_version"); v != 2 || err != nil {
		t.Errorf("after a faulty step: version %d, %v", v, err)
	}
	if n, _, err := c.number("SELECT count(*) FROM sqlite_schema WHERE name = 'three'"); n != 0 || err != nil {
		t.Errorf("a faulty step left %d tables, %v", n, err)
	}
}

// quiet waits until nothing more is indexed behind: then the writer's goroutine
// does nothing by itself, and a test may use its connection.
func quiet(t *testing.T, s *Store) {
	t.Helper()
	for calm := 0; calm < 3; time.Sleep(2 * indexEvery) {
		if calm++; s.unindexed.Load() {
			calm = 0
		}
	}
	if err := s.submit(t.Context(), &job{run: func(*group) error { return nil }}); err != nil {
		t.Fatal(err)
	}
}

// TestDiskFull fills the database to its limit; commits must fail whole and
// succeed again once there is room.
func TestDiskFull(t *testing.T) {
	s := open(t, t.TempDir())
	mustCommit(t, s, create("first"))
	limit := func(pages int) {
		t.Helper()
		quiet(t, s)
		if err := s.writer.query(fmt.Sprintf("PRAGMA max_page_count = %d", pages), nil); err != nil {
			t.Fatal(err)
		}
	}
	quiet(t, s)
	used, _, err := s.writer.number("PRAGMA page_count")
	if err != nil {
		t.Fatal(err)
	}
	limit(int(used) + 40)
	stored, failed := 0, 0
	for n := 0; failed < 5 && n < 1000; n++ {
		c := create(fmt.Sprint("n", n))
		c.Writes[0].Body = make([]byte, 20_000)
		c.Claims = []store.Claim{{Scope: "s", Key: fmt.Sprint(n), Expires: time.Now().Add(time.Hour)}}
		_, err := s.Commit(t.Context(), c)
		_, rerr := s.Read(t.Context(), auth.SystemView(), c.Writes[0].Key)
		_, claimed, cerr := s.Claimed(t.Context(), "s", fmt.Sprint(n))
		switch {
		case err == nil && rerr == nil && claimed:
			stored++
		case errors.Is(err, store.ErrUnavailable) && errors.Is(rerr, store.ErrNotFound) && !claimed:
			failed++
		default:
			t.Fatalf("commit %d: %v; read: %v; claim: %t, %v", n, err, rerr, claimed, cerr)
		}
	}
	if stored == 0 || failed < 5 {
		t.Fatalf("%d stored and %d refused", stored, failed)
	}
	limit(1 << 30)
	mustCommit(t, s, create("last"))
	rs, err := s.AuditEntries(t.Context(), store.AuditPosition{}, 1000)
	if err != nil || len(rs) != stored+2 {
		t.Errorf("%d audit records, %v; want %d", len(rs), err, stored+2)
	}
}

// TestPoisonedGroup checks that a commit which the database refuses does not
// take those with which it shares a group along.
func TestPoisonedGroup(t *testing.T) {
	s := open(t, t.TempDir())
	hold, held := make(chan struct{}), make(chan struct{})
	go s.submit(context.Background(), &job{run: func(g *group) error { close(held); <-hold; return nil }})
	<-held
	results := make(chan error, 2)
	go func() {
		results <- s.submit(context.Background(), &job{run: func(g *group) error {
			g.changed = true
			return g.exec("INSERT INTO meta VALUES ('seq', 0)") // breaks a constraint
		}})
	}()
	good := make(chan error, 1)
	go func() {
		_, err := s.Commit(context.Background(), create("good"))
		good <- err
	}()
	for len(s.jobs) < 2 {
		time.Sleep(time.Millisecond)
	}
	close(hold)
	if err := <-results; !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("the faulty job: %v", err)
	}
	if err := <-good; err != nil {
		t.Errorf("its neighbour: %v", err)
	}
}

func TestTooCostly(t *testing.T) {
	s := open(t, t.TempDir())
	id := store.Index{Param: "identifier", Kind: store.Token, System: "s", Value: "same"}
	st := store.Index{Param: "status", Kind: store.Token, Value: "active", Common: true}
	for n := 0; n <= maxCandidates; n += 500 {
		var c store.Commit
		for i := range 500 {
			c.Writes = append(c.Writes, create(fmt.Sprintf("%d-%d", n, i), id, st).Writes...)
		}
		mustCommit(t, s, c)
	}
	where := []store.Clause{{Param: "identifier", Kind: store.Token, Any: []store.Match{{System: "s", Value: "same"}}}}
	q := store.Query{View: auth.NewView([]string{"b"}, []string{"*"}, nil), Type: "Task", Limit: 1, Where: where}
	if p, err := s.Search(t.Context(), q); err != nil || len(p.Versions) != 0 {
		t.Errorf("everyone's identifier under a narrow view: %d versions, %v", len(p.Versions), err)
	}
	q.View = auth.SystemView()
	q.Where = []store.Clause{{Param: "identifier", Kind: store.Token, Not: true, Any: where[0].Any}}
	if _, err := s.Search(t.Context(), q); !errors.Is(err, store.ErrTooCostly) {
		t.Errorf("a search through everyone's resources: %v", err)
	}
	q.View = auth.NewView([]string{"b"}, []string{"*"}, nil)
	q.Where = []store.Clause{{Param: "status", Kind: store.Token, Common: true, Any: []store.Match{{Value: "active"}}}}
	if p, err := s.Search(t.Context(), q); err != nil || len(p.Versions) != 0 {
		t.Errorf("a common entry under a narrow view: %d versions, %v", len(p.Versions), err)
	}
}

// TestExplain refuses a statement for which SQLite would go through a table or
// sort, whatever a query is made of.
func TestExplain(t *testing.T) {
	s := open(t, t.TempDir())
	refused := func(sql string) (step string) {
		bounded := ""
		// A reader's connection: the writer's belongs to its goroutine alone.
		err := s.read(t.Context(), func(c *conn) error {
			return c.explain(sql, func(st string) {
				name, coroutine := strings.CutPrefix(st, "CO-ROUTINE ")
				if coroutine {
					bounded = "SCAN " + name // a query within it, whose own steps follow
				}
				scan := strings.Contains(st, "SCAN") && !strings.Contains(st, "CONSTANT ROW") && !strings.Contains(st, "VALUES") && st != bounded
				if scan || strings.Contains(st, "TEMP B-TREE") {
					step = st
				}
			})
		})
		if err != nil {
			t.Errorf("%s: %v", sql, err)
		}
		return step
	}
	for _, sql := range statements {
		if step := refused(sql); step != "" {
			t.Errorf("%s:\n\t%s", sql, step)
		}
	}
	for _, sql := range []string{`SELECT id FROM versions WHERE id = ?`, `SELECT pos FROM exact WHERE h = ? AND pos > ? ORDER BY pos + 1`,
		`SELECT * FROM (SELECT id FROM versions ORDER BY pos LIMIT 1) e CROSS JOIN heads h ON h.id = e.id`} {
		if refused(sql) == "" {
			t.Errorf("this test would accept %s", sql)
		}
	}
}

// TestIndexedBehind checks that audit entries are indexed though nobody
// searches.
func TestIndexedBehind(t *testing.T) {
	s := open(t, t.TempDir())
	for n := range 3 * indexBatch {
		mustCommit(t, s, create(fmt.Sprint(n)))
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		var done, seq int64
		err := s.read(t.Context(), func(c *conn) (err error) {
			if seq, _, err = c.number(sqlMeta, "seq"); err != nil {
				return err
			}
			done, _, err = c.number(sqlMeta, "audited")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if done >= 3*indexBatch {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("indexed up to commit %d of %d", done, seq)
		}
	}
}
