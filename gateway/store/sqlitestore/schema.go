package sqlitestore

// appID marks the file as a Trellis store (PRAGMA application_id): "Trls".
const appID = 0x54726c73

// migrations bring a database from schema version i to i+1. One that was
// released is never edited.
var migrations = []string{schema1}

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
