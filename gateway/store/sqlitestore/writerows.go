package sqlitestore

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"trellis.example/gateway/store"
)

// Rows that a group has in large numbers wait for its end and are then written
// in the order of their tables, many with a statement: one page after the other
// is filled, and few statements are run.

type headRow struct {
	key    store.Key
	pos    int64
	number int
	access []byte
}

type pastRow struct {
	key        store.Key
	number     int
	pos, until int64
}

type versionRow struct {
	pos           int64
	key           store.Key
	number        int
	updated       int64
	deleted       bool
	entries, body []byte
}

type dateRowAt struct {
	dateRow
	pos int64
}

type textRowAt struct {
	h     int64
	value []byte
	pos   int64
}

// How many rows are written at once, of those whose tables are wide.
const (
	manyVersions = 8
	manyWide     = 16
)

var (
	sqlPutHead     = insertInto("INSERT INTO heads", 5, 1)
	sqlPutHeads    = insertInto("INSERT INTO heads", 5, manyWide)
	sqlPutPast     = insertInto("INSERT INTO past", 5, 1)
	sqlPutPasts    = insertInto("INSERT INTO past", 5, manyWide)
	sqlPutVersion  = insertInto("INSERT INTO versions", 8, 1)
	sqlPutVersions = insertInto("INSERT INTO versions", 8, manyVersions)
	sqlPutDate     = insertInto("INSERT OR IGNORE INTO dates", 3, 1)
	sqlPutDates    = insertInto("INSERT OR IGNORE INTO dates", 3, manyWide)
	sqlPutText     = insertInto("INSERT OR IGNORE INTO texts", 3, 1)
	sqlPutTexts    = insertInto("INSERT OR IGNORE INTO texts", 3, manyWide)
	rowStatements  = []string{
		sqlPutHead, sqlPutHeads, sqlPutPast, sqlPutPasts, sqlPutVersion, sqlPutVersions, sqlPutDate, sqlPutDates, sqlPutText, sqlPutTexts,
	}
)

func insertInto(start string, columns, n int) string {
	row := "(" + marks(columns) + "), "
	return start + " VALUES " + strings.TrimSuffix(strings.Repeat(row, n), ", ")
}

// insertRows writes n rows, as many at a time as there is a statement for. The
// function appends the values of one row.
func (c *conn) insertRows(one, many string, atOnce, n int, values func(to []any, i int) []any) error {
	var args []any
	for i := 0; i < n; {
		sql, size := one, 1
		if n-i >= atOnce {
			sql, size = many, atOnce
		}
		args = args[:0]
		for range size {
			args = values(args, i)
			i++
		}
		if err := c.exec(sql, args...); err != nil {
			return err
		}
	}
	return nil
}

func compareKeys(a, b store.Key) int {
	return cmp.Or(strings.Compare(a.Type, b.Type), strings.Compare(a.ID, b.ID))
}

// addHead adds the head of a new key, which the group has found absent.
func (g *group) addHead(h headRow) {
	if g.fresh == nil {
		g.fresh = map[store.Key]struct{}{}
	}
	g.fresh[h.key] = struct{}{}
	g.heads = append(g.heads, h)
}

// head is that of the connection, after what waits for the key was written.
func (g *group) head(k store.Key) (head, error) {
	if _, waits := g.fresh[k]; waits {
		if err := g.flushHeads(); err != nil {
			return head{}, err
		}
	}
	return g.conn.head(k)
}

// addVersion adds a version and its index rows.
func (g *group) addVersion(v versionRow, r rows) {
	g.versions = append(g.versions, v)
	g.addIndexRows(r, v.pos)
}

func (g *group) addIndexRows(r rows, pos int64) {
	for _, h := range r.exact {
		g.exact = append(g.exact, posRow{h, pos})
	}
	for _, d := range r.dates {
		g.dates = append(g.dates, dateRowAt{d, pos})
	}
	for _, t := range r.texts {
		g.texts = append(g.texts, textRowAt{t.h, []byte(t.value), pos})
	}
}

// flushRows writes all rows that wait.
func (g *group) flushRows() error {
	for _, step := range []func() error{
		g.flushHeads, g.flushPast, g.flushVersions, g.flushExact, g.flushDates, g.flushTexts, g.flushSlots,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (g *group) flushHeads() error {
	rows := g.heads
	slices.SortFunc(rows, func(a, b headRow) int { return compareKeys(a.key, b.key) })
	clear(g.fresh)
	g.heads = g.heads[:0]
	return g.insertRows(sqlPutHead, sqlPutHeads, manyWide, len(rows), func(to []any, i int) []any {
		r := rows[i]
		return append(to, r.key.Type, r.key.ID, r.pos, r.number, r.access)
	})
}

func (g *group) flushPast() error {
	rows := g.past
	slices.SortFunc(rows, func(a, b pastRow) int {
		return cmp.Or(compareKeys(a.key, b.key), cmp.Compare(a.number, b.number))
	})
	g.past = g.past[:0]
	return g.insertRows(sqlPutPast, sqlPutPasts, manyWide, len(rows), func(to []any, i int) []any {
		r := rows[i]
		return append(to, r.key.Type, r.key.ID, r.number, r.pos, r.until)
	})
}

func (g *group) flushVersions() error {
	rows := g.versions
	slices.SortFunc(rows, func(a, b versionRow) int { return cmp.Compare(a.pos, b.pos) })
	g.versions = g.versions[:0]
	return g.insertRows(sqlPutVersion, sqlPutVersions, manyVersions, len(rows), func(to []any, i int) []any {
		r := rows[i]
		return append(to, r.pos, r.key.Type, r.key.ID, r.number, r.updated, flag(r.deleted), r.entries, r.body)
	})
}

func (g *group) flushExact() error {
	rows := g.exact
	g.exact = g.exact[:0]
	return g.insertExact(sqlNewExact, sqlNewExacts, rows)
}

// insertExact inserts pairs in key order, many at a time.
func (c *conn) insertExact(one, many string, rows []posRow) error {
	slices.SortFunc(rows, comparePosRows)
	return c.insertRows(one, many, manyRows, len(rows), func(to []any, i int) []any {
		return append(to, rows[i].h, rows[i].pos)
	})
}

func (g *group) flushDates() error {
	rows := g.dates
	slices.SortFunc(rows, func(a, b dateRowAt) int {
		return cmp.Or(cmp.Compare(a.h, b.h), cmp.Compare(a.high, b.high), cmp.Compare(a.pos, b.pos))
	})
	g.dates = g.dates[:0]
	return g.insertRows(sqlPutDate, sqlPutDates, manyWide, len(rows), func(to []any, i int) []any {
		return append(to, rows[i].h, rows[i].high, rows[i].pos)
	})
}

func (g *group) flushTexts() error {
	rows := g.texts
	slices.SortFunc(rows, func(a, b textRowAt) int {
		return cmp.Or(cmp.Compare(a.h, b.h), bytes.Compare(a.value, b.value), cmp.Compare(a.pos, b.pos))
	})
	g.texts = g.texts[:0]
	return g.insertRows(sqlPutText, sqlPutTexts, manyWide, len(rows), func(to []any, i int) []any {
		return append(to, rows[i].h, rows[i].value, rows[i].pos)
	})
}
