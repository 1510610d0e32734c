package sqlitestore

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"

	sqlite "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"trellis.example/auth"
	"trellis.example/gateway/store"
)

// A conn is one connection with its prepared statements. The driver is used
// without database/sql: a connection here has one user at a time, and pooling,
// conversion and cancellation of statements would double the cost of a read.
type conn struct {
	c     driver.Conn
	stmts map[string]driver.Stmt
	args  []driver.NamedValue

	accesses map[string]auth.Access // by their packed bytes
	begin    beginning
}

func dial(path string, pragmas ...string) (*conn, error) {
	c, err := new(sqlite.Driver).Open("file:" + escapePath(path))
	if err != nil {
		return nil, failure(err)
	}
	cn := &conn{c: c, stmts: map[string]driver.Stmt{}}
	for _, p := range pragmas {
		if err := cn.query("PRAGMA "+p, nil); err != nil {
			_ = cn.close()
			return nil, err
		}
	}
	return cn, nil
}

// escapePath escapes what a file: URI would read as its own syntax.
func escapePath(path string) string {
	var out []byte
	for _, b := range []byte(path) {
		if b == '%' || b == '?' || b == '#' {
			out = fmt.Appendf(out, "%%%02X", b)
			continue
		}
		out = append(out, b)
	}
	return string(out)
}

func (c *conn) close() error {
	for _, s := range c.stmts {
		_ = s.Close()
	}
	return failure(c.c.Close())
}

func (c *conn) stmt(sql string) (driver.Stmt, error) {
	if s, ok := c.stmts[sql]; ok {
		return s, nil
	}
	s, err := c.c.Prepare(sql)
	if err != nil {
		return nil, failure(err)
	}
	c.stmts[sql] = s
	return s, nil
}

// bind turns args into the driver's form. The slice is used again.
func (c *conn) bind(args []any) []driver.NamedValue {
	c.args = c.args[:0]
	for i, a := range args {
		switch v := a.(type) {
		case int:
			a = int64(v)
		case []byte:
			if v == nil {
				a = []byte{}
			}
		}
		c.args = append(c.args, driver.NamedValue{Ordinal: i + 1, Value: a})
	}
	return c.args
}

// exec runs a statement that returns no rows.
func (c *conn) exec(sql string, args ...any) error {
	_, err := c.change(sql, args...)
	return err
}

// change is exec that returns how many rows were affected.
func (c *conn) change(sql string, args ...any) (int64, error) {
	s, err := c.stmt(sql)
	if err != nil {
		return 0, err
	}
	r, err := s.(driver.StmtExecContext).ExecContext(context.Background(), c.bind(args))
	if err != nil {
		return 0, failure(err)
	}
	return r.RowsAffected()
}

// query calls each with every row, which is overwritten by the next. With a
// nil each the rows are read and forgotten. The callback may use the
// connection for other statements.
func (c *conn) query(sql string, each func(row []driver.Value) error, args ...any) error {
	if err := c.beginInTime(); err != nil {
		return err
	}
	s, err := c.stmt(sql)
	if err != nil {
		return err
	}
	rows, err := s.(driver.StmtQueryContext).QueryContext(context.Background(), c.bind(args))
	if err != nil {
		return failure(err)
	}
	err = eachRow(rows, each)
	if cerr := rows.Close(); err == nil {
		err = failure(cerr)
	}
	return err
}

func eachRow(rows driver.Rows, each func(row []driver.Value) error) error {
	row := make([]driver.Value, len(rows.Columns()))
	for {
		err := rows.Next(row)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return failure(err)
		}
		if each == nil {
			continue
		}
		if err := each(row); err != nil {
			return err
		}
	}
}

// number returns the single integer that a query yields, and whether there was
// a row.
func (c *conn) number(sql string, args ...any) (n int64, ok bool, err error) {
	err = c.query(sql, func(row []driver.Value) error {
		n, ok = integer(row[0]), true
		return nil
	}, args...)
	return n, ok, err
}

func integer(v driver.Value) int64 { n, _ := v.(int64); return n }
func text(v driver.Value) string   { s, _ := v.(string); return s }
func bytesOf(v driver.Value) []byte {
	b, _ := v.([]byte)
	return b
}

// failure wraps what the database reports. It says why in SQLite's words,
// which name tables and columns, never values.
func failure(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
}

// full reports whether the database refused because of space or the disk, so
// that trying each commit alone would not help.
func full(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return false
	}
	switch e.Code() & 0xff {
	case lib.SQLITE_FULL, lib.SQLITE_IOERR, lib.SQLITE_BUSY, lib.SQLITE_READONLY, lib.SQLITE_CORRUPT, lib.SQLITE_NOMEM:
		return true
	}
	return false
}
