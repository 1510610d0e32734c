package sqlitestore

import (
	"database/sql/driver"
	"math"

	"trellis.example/gateway/store/sqlitestore/packed"
)

// appID marks the file as a Trellis store (PRAGMA application_id): "Trls".
const appID = 0x54726c73

// A migration is a step to the next schema version: statements, and then what
// statements alone cannot say.
type migration struct {
	sql string
	run func(*conn) error
}

// migrations bring a database from schema version i to i+1. One that was
// released is never edited.
var migrations = []migration{{sql: schema1}, {sql: schema2, run: indexPast}}

const schema1 = `
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO meta VALUES ('seq', 0), ('horizon', 0), ('audited', 0);

CREATE TABLE heads (
	type TEXT NOT NULL, id TEXT NOT NULL,
	pos INTEGER NOT NULL, number INTEGER NOT NULL, access BLOB NOT NULL,
	PRIMARY KEY (type, id)) WITHOUT ROWID;
CREATE TABLE versions (
	pos INTEGER PRIMARY KEY,
	type TEXT NOT NULL, id TEXT NOT NULL,
	number INTEGER NOT NULL, updated INTEGER NOT NULL, deleted INTEGER NOT NULL,
	entries BLOB NOT NULL, body BLOB NOT NULL);
CREATE TABLE past (
	type TEXT NOT NULL, id TEXT NOT NULL, number INTEGER NOT NULL,
	pos INTEGER NOT NULL, until INTEGER NOT NULL,
	PRIMARY KEY (type, id, number)) WITHOUT ROWID;
CREATE TABLE closed (
	at INTEGER NOT NULL, pos INTEGER NOT NULL, until INTEGER NOT NULL,
	PRIMARY KEY (at, pos)) WITHOUT ROWID;

CREATE TABLE exact (h INTEGER NOT NULL, pos INTEGER NOT NULL, PRIMARY KEY (h, pos)) WITHOUT ROWID;
CREATE TABLE dates (h INTEGER NOT NULL, high INTEGER NOT NULL, pos INTEGER NOT NULL, PRIMARY KEY (h, high, pos)) WITHOUT ROWID;
CREATE TABLE texts (h INTEGER NOT NULL, value BLOB NOT NULL, pos INTEGER NOT NULL, PRIMARY KEY (h, value, pos)) WITHOUT ROWID;
CREATE TABLE slots (
	kind INTEGER NOT NULL, slot INTEGER NOT NULL,
	first INTEGER NOT NULL, last INTEGER NOT NULL,
	PRIMARY KEY (kind, slot)) WITHOUT ROWID;

CREATE TABLE claims (
	scope TEXT NOT NULL, key TEXT NOT NULL,
	expires INTEGER NOT NULL, answer BLOB NOT NULL,
	PRIMARY KEY (scope, key)) WITHOUT ROWID;
CREATE INDEX claims_expiry ON claims (expires);

CREATE TABLE outbox (
	n INTEGER PRIMARY KEY,
	id TEXT NOT NULL UNIQUE, topic TEXT NOT NULL, part TEXT NOT NULL,
	payload BLOB NOT NULL, due INTEGER NOT NULL,
	attempt INTEGER NOT NULL, token TEXT NOT NULL,
	front INTEGER NOT NULL, ready INTEGER NOT NULL);
CREATE INDEX outbox_ready ON outbox (topic, ready, n) WHERE front = 1;
CREATE INDEX outbox_part ON outbox (topic, part, n);

CREATE TABLE audit (seq INTEGER PRIMARY KEY, entries BLOB NOT NULL);
CREATE TABLE audit_terms (h INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (h, seq)) WITHOUT ROWID;

CREATE TABLE blobs (
	b INTEGER PRIMARY KEY, hash TEXT NOT NULL UNIQUE,
	type TEXT NOT NULL, size INTEGER NOT NULL, at INTEGER NOT NULL, settled INTEGER NOT NULL);
CREATE INDEX blobs_new ON blobs (at) WHERE settled = 0;
CREATE TABLE chunks (c INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE refs (
	b INTEGER NOT NULL, type TEXT NOT NULL, id TEXT NOT NULL,
	PRIMARY KEY (b, type, id)) WITHOUT ROWID;

CREATE TABLE docs (
	kind TEXT NOT NULL, id TEXT NOT NULL,
	version INTEGER NOT NULL, body BLOB NOT NULL,
	PRIMARY KEY (kind, id)) WITHOUT ROWID;
`

// schema2 adds slots of a day beside those of five minutes, and index rows, see
// indexPast: those of the past, by which histories of types find what no search
// does, and those of ranges by their width. Entries of other kinds than
// the first five come with a new index.
const schema2 = `
INSERT INTO slots
	SELECT kind + 2, (slot - ((slot % 288) + 288) % 288) / 288 AS day, min(first), max(last) FROM slots
	WHERE kind < 2 GROUP BY kind, day;
`

// indexPast adds the rows of schema2 to the versions that are there. Those that
// are closed but not swept yet get theirs from the sweep.
func indexPast(c *conn) error {
	unswept := map[int64]bool{}
	err := c.query(sqlClosed, func(row []driver.Value) error {
		unswept[integer(row[0])] = true
		return nil
	}, math.MinInt64)
	last := int64(math.MinInt64)
	for n := 1; n > 0 && err == nil; {
		n = 0
		err = c.query(sqlIndexed, func(row []driver.Value) error {
			n++
			last = integer(row[0])
			return c.indexOld(row, unswept[last])
		}, last)
	}
	return err
}

// indexOld adds the rows of one version, a row of sqlIndexed.
func (c *conn) indexOld(row []driver.Value, unswept bool) error {
	pos, typ := integer(row[0]), text(row[1])
	parties, index, err := packed.ParseEntries(bytesOf(row[3]))
	if err != nil {
		return damaged(err)
	}
	if len(parties) == 0 { // deletions had none
		a, err := packed.ParseAccess(bytesOf(row[5]))
		if err != nil {
			return damaged(err)
		}
		parties = indexParties(a)
	}
	deleted, current := integer(row[2]) != 0, integer(row[4]) == pos
	if deleted || !current && !unswept {
		return c.addRows(pastRows(typ, parties), pos)
	}
	now, then := movedRows(typ, parties, index)
	for _, d := range then {
		if err := c.exec(sqlDropDate, d.h, d.high, pos); err != nil {
			return err
		}
	}
	return c.addRows(rows{dates: now}, pos)
}
