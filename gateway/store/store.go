// Package store declares what the gateway needs of its storage, and what every
// implementation promises:
//
//   - Commit is all or nothing and durable when it returns nil.
//   - A key's versions are numbered 1, 2, 3 …; a write names the version it
//     replaces and loses to whoever was first.
//   - A claim is taken once; its first answer is what everyone else gets.
//   - What a view may not see is answered exactly as if it were absent.
//   - A page of a search shows the store as it was at the page's snapshot.
//
// storetest.Run is this contract as tests; sqlitestore and mongostore share
// nothing but this package.
package store

import (
	"context"
	"time"

	"trellis.example/auth"
	"trellis.example/gateway/audit"
)

// A Key names a resource.
type Key struct{ Type, ID string }

// String returns "Type/id".
func (k Key) String() string { return k.Type + "/" + k.ID }

// A Version is one version of a resource as stored.
type Version struct {
	Key     Key
	Number  int
	Updated time.Time // UTC, millisecond precision
	Deleted bool
	// Body is the exact JSON, id and meta stamped; nil when Deleted. The
	// caller must not modify it.
	Body   []byte
	Access auth.Access
	// Seq is the commit number at which this version became current.
	Seq int64
}

// A Write makes a new version of a key.
type Write struct {
	// View must see and be allowed to change the current version; what it
	// may not see is ErrNotFound, what it may see but not change
	// ErrForbidden. For a new key it is not consulted.
	View auth.View
	Key  Key
	// Expect is the number of the current version (a deleted one counts);
	// 0: the key must never have existed. The new version is Expect+1.
	Expect  int
	Deleted bool
	Body    []byte
	Updated time.Time
	Index   []Index
	// Access replaces the key's access. A zero Access keeps the present one.
	Access auth.Access
}

// A Kind says how an index entry or a match compares.
type Kind uint8

// The kinds of index entries.
const (
	// Token compares System and Value exactly.
	Token Kind = iota + 1
	// Reference compares Value, "Type/id" or an absolute URL.
	Reference
	// Date compares the range Low..High (Unix milliseconds, inclusive).
	Date
	// Text compares Value as normalised text (lower case, no accents).
	Text
	// URI compares Value exactly.
	URI
)

// An Index is one value by which a current version can be found. `_id`,
// `_lastUpdated` and the type need none: the store has them.
type Index struct {
	Param         string
	Kind          Kind
	System, Value string
	Low, High     int64
	// Common marks a parameter with few distinct values (status, category,
	// code): its entries are stored once per party, so that a narrow view
	// does not scan everyone's.
	Common bool
}

// A Claim is a name that only one commit can take: a message id, an
// Idempotency-Key, a token's jti.
type Claim struct {
	Scope, Key string
	// Expires is when the name may be taken again; required.
	Expires time.Time
	// Answer is what later comers are given; at most 1 MB.
	Answer []byte
}

// An Event is work that must follow a commit, at least once: a delivery, a
// notification.
type Event struct {
	// ID is unique and constant over retries: a repeated id is a Conflict.
	ID string
	// Topic says which worker takes it; Partition keeps order: events of one
	// partition are leased one at a time, oldest first.
	Topic, Partition string
	Payload          []byte
	// Due is the earliest time to work on it.
	Due time.Time
}

// A Lease is an event handed to a worker until Until.
type Lease struct {
	Event
	Attempt int
	Until   time.Time
	Token   string
}

// A Blob is an original as received, content-addressed by SHA-256 (lower-case
// hexadecimal). It is kept while a resource named in Refs exists; a blob
// without refs is swept after a day.
type Blob struct {
	Hash string
	Type string // media type
	Data []byte
	Refs []Key
}

// A Commit is what happens together or not at all.
type Commit struct {
	Writes    []Write
	Claims    []Claim
	Events    []Event
	Originals []Blob
	Audit     []audit.Entry
	Docs      []DocWrite
}

// A Result tells what a commit became.
type Result struct {
	// Seq is the commit's number; larger ones came later. Commits that were
	// grouped share one.
	Seq int64
}

// A Match is one value that a clause looks for.
type Match struct {
	System, Value string
	// AnySystem: the token's system does not matter. With it false, System
	// "" means "has no system".
	AnySystem bool
	// Low, High: the half-open or closed bounds in Unix milliseconds that an
	// entry's range must lie in; see Op.
	Low, High int64
	// Op is the FHIR prefix for dates: eq ne gt lt ge le sa eb ap.
	Op string
}

// A Clause holds when one of its matches does. Param "_id" and "_lastUpdated"
// are answered from the version itself; Kind says how the others compare.
type Clause struct {
	Param  string
	Kind   Kind
	Common bool
	Any    []Match
}

// A Position is the place after which a page begins: the last version shown.
type Position struct {
	Seq int64  // of the last version shown
	ID  string // of the last version shown
}

// A Query asks for current versions of one type.
type Query struct {
	View  auth.View
	Type  string
	Where []Clause // all must hold
	// Limit is the page's size, 1 to 1000.
	Limit int
	// Snapshot is the commit number to look at; 0 means now.
	Snapshot int64
	// After continues a walk; nil begins it.
	After *Position
	// Total asks for the number of matches, view applied.
	Total bool
}

// A HistoryQuery asks for the versions of one key, newest first.
type HistoryQuery struct {
	View  auth.View
	Key   Key
	Limit int
	// Before continues: only versions with a smaller number; 0 begins.
	Before int
}

// A Page is part of an answer, newest first: by Seq descending, then by id
// ascending.
type Page struct {
	Versions []Version
	Snapshot int64
	More     bool
	// Total is -1 unless asked for.
	Total int
}

// A Doc is a small named document of the gateway itself (a client, a public
// key, a partner agreement), outside FHIR.
type Doc struct {
	Kind, ID string
	Version  int
	Body     []byte
}

// A DocWrite stores a Doc: Expect is the version replaced, 0 for a new one.
// Delete removes it.
type DocWrite struct {
	Kind, ID string
	Expect   int
	Body     []byte
	Delete   bool
}

// An AuditQuery asks for audit records, newest first.
type AuditQuery struct {
	// Entity, Patient, Client, Action narrow; empty means any. Entity is
	// "Type/id" and covers its versions.
	Entity, Patient, Client string
	Action                  audit.Action
	From, To                time.Time // zero: open
	Limit                   int
	// After continues after that record; nil begins.
	After *AuditPosition
}

// An AuditPosition is the place of an audit record.
type AuditPosition struct {
	Seq int64
	N   int
}

// Store is the storage contract. Implementations are safe for concurrent use.
type Store interface {
	// Commit applies c: all or nothing, durable on return. Errors: *Conflict,
	// *Taken, ErrNotFound, ErrForbidden, ErrTooLarge, ErrUnavailable.
	Commit(ctx context.Context, c Commit) (Result, error)

	// Read returns the newest version; a deleted one is a Version too.
	Read(ctx context.Context, v auth.View, k Key) (Version, error)
	// ReadVersion returns one version, under today's access.
	ReadVersion(ctx context.Context, v auth.View, k Key, number int) (Version, error)
	// Search returns current, undeleted versions.
	Search(ctx context.Context, q Query) (Page, error)
	History(ctx context.Context, q HistoryQuery) (Page, error)

	// Claimed returns the claim that holds the name, unless it has expired.
	Claimed(ctx context.Context, scope, key string) (Claim, bool, error)

	// LeaseEvents hands out at most n due events of the topic until now+d.
	LeaseEvents(ctx context.Context, topic string, n int, d time.Duration) ([]Lease, error)
	// DoneEvent removes a leased event; ErrNotFound when the lease was lost.
	DoneEvent(ctx context.Context, l Lease) error
	// RetryEvent gives a leased event back, due at t.
	RetryEvent(ctx context.Context, l Lease, t time.Time) error

	// AuditEntries returns records in commit order after the position, for
	// the sequencer; AuditSearch sees every record committed before it.
	AuditEntries(ctx context.Context, after AuditPosition, limit int) ([]audit.Record, error)
	AuditSearch(ctx context.Context, q AuditQuery) ([]audit.Record, bool, error)

	// Blob returns an original by its hash.
	Blob(ctx context.Context, hash string) (Blob, error)
	// Sweep removes expired claims, index entries of closed versions older
	// than 15 minutes, and originals without refs older than a day.
	Sweep(ctx context.Context, now time.Time) error

	Doc(ctx context.Context, kind, id string) (Doc, error)
	Docs(ctx context.Context, kind string) ([]Doc, error)

	// Ping proves that a commit would reach the disk or the majority.
	Ping(ctx context.Context) error
	Close() error
}
