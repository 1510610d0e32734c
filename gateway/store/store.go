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
	// 0: the key must never have existed. The new version is Expect+1. A
	// key that is absent or hidden is ErrNotFound whatever was expected.
	Expect int
	// Deleted makes the new version a deletion: Body and Index are ignored.
	Deleted bool
	// Body is at most MaxBody bytes and is not copied: the caller must not
	// modify it afterwards.
	Body    []byte
	Updated time.Time // stored in UTC at millisecond precision
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
	// Reference compares Value exactly: "Type/id" or an absolute URL.
	Reference
	// Date compares the range Low..High (Unix milliseconds, inclusive).
	Date
	// Text holds when the entry's Value begins with the match's. The caller
	// normalises both (lower case, no accents).
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
	// Expires is when the name may be taken again, by the store's clock;
	// required.
	Expires time.Time
	// Answer is what later comers are given; at most MaxAnswer bytes.
	Answer []byte
}

// An Event is work that must follow a commit, at least once: a delivery, a
// notification.
type Event struct {
	// ID is unique and constant over retries: the id of an event that waits
	// or is leased is a Conflict.
	ID string
	// Topic says which worker takes it; Partition keeps order within the
	// topic: events of one partition are leased one at a time, in the order
	// of their commits, so that one which waits for its retry holds up those
	// behind it. Events with an empty Partition wait for nobody.
	Topic, Partition string
	Payload          []byte
	// Due is the earliest time to work on it.
	Due time.Time
}

// A Lease is an event handed to a worker until Until. Attempt counts from 1.
// A lease is lost once the event is done, given back or leased anew; running
// past Until alone does not lose it.
type Lease struct {
	Event
	Attempt int
	Until   time.Time
	Token   string
}

// A Blob is an original as received, content-addressed by SHA-256 (lower-case
// hexadecimal). It is kept while a resource named in Refs exists (a deleted one
// does: its history needs it); a blob without refs is swept after a day.
// Storing a blob again adds its refs; with nil Data the blob must be stored
// already (ErrNotFound otherwise) and only its refs are added. A Hash that is
// not that of Data is an error.
type Blob struct {
	Hash string
	Type string // media type
	Data []byte
	Refs []Key
}

// The limits of a commit, in bytes; what is over them is ErrTooLarge.
const (
	MaxBody   = 4 << 20 // of a version, an event's payload or a doc
	MaxAnswer = 1 << 20 // of a claim's answer
)

// A Commit is what happens together or not at all. It names each key, claim,
// event and doc once. Claims are decided before everything else, so that a
// repeated request gets its Taken and not the Conflict its repeat would cause;
// then the writes in their order, the events and the docs.
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
	// Low, High are the range of the date asked for, in Unix milliseconds,
	// both inclusive.
	Low, High int64
	// Op is the FHIR prefix for dates, eq ne gt lt ge le sa eb ap; see
	// Match.Holds for what each means. Empty means eq.
	Op string
}

// A Clause holds when one of its matches holds for one of the version's index
// entries of that Param and Kind; with no matches it never does. Param "_id"
// (the matches' Value) and "_lastUpdated" (a Date, the instant of Updated) are
// answered from the version itself. Common must be as it was written.
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
	// Limit is the page's size, 1 to 1000; what is outside is brought inside.
	Limit int
	// Snapshot is the commit number to look at; 0 means now. What was
	// current then is shown as far as the view sees it today; what a party
	// was given access to since may be missing. ErrExpired once versions
	// that were closed after it have been swept, and for a number that the
	// store has not reached.
	Snapshot int64
	// After continues a walk; nil begins it.
	After *Position
	// Total asks for the number of matches, view applied.
	Total bool
}

// A HistoryQuery asks for the versions of one key, newest first; ErrNotFound
// when the key is absent or hidden.
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
// key, a partner agreement), outside FHIR. Version counts from 1.
type Doc struct {
	Kind, ID string
	Version  int
	Body     []byte
}

// A DocWrite stores a Doc: Expect is the version replaced, 0 for a new one; any
// other present version, or none, is a Conflict. Delete removes it, and the
// next one is new again.
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
	// From ≤ At < To; zero is open.
	From, To time.Time
	// Limit is 1 to 1000; what is outside is brought inside.
	Limit int
	// After continues after that record; nil begins.
	After *AuditPosition
}

// An AuditPosition is the place of an audit record.
type AuditPosition struct {
	Seq int64
	N   int
}

// Store is the storage contract. Implementations are safe for concurrent use.
// A method whose ctx ends first returns an error that wraps ctx.Err(); after
// Close every method but Close returns ErrUnavailable.
type Store interface {
	// Commit applies c: all or nothing, durable on return. Errors: *Conflict,
	// *Taken, ErrNotFound, ErrForbidden, ErrTooLarge, ErrUnavailable. When
	// ctx ends while it waits, c has happened whole or not at all.
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

	// AuditEntries returns records in commit order after the position (zero:
	// from the beginning), for the sequencer. At is in UTC at millisecond
	// precision. No record ever appears before one already returned.
	AuditEntries(ctx context.Context, after AuditPosition, limit int) ([]audit.Record, error)
	// AuditSearch sees every record committed before it; it reports whether
	// there are more.
	AuditSearch(ctx context.Context, q AuditQuery) ([]audit.Record, bool, error)

	// Blob returns an original by its hash, its Refs sorted by type and id.
	Blob(ctx context.Context, hash string) (Blob, error)
	// Sweep removes expired claims, index entries of closed versions older
	// than 15 minutes, and originals without refs older than a day.
	Sweep(ctx context.Context, now time.Time) error

	// Doc returns a doc; ErrNotFound when there is none.
	Doc(ctx context.Context, kind, id string) (Doc, error)
	// Docs returns all docs of the kind by id.
	Docs(ctx context.Context, kind string) ([]Doc, error)

	// Ping proves that a commit would reach the disk or the majority.
	Ping(ctx context.Context) error
	Close() error
}
