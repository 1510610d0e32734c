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
	// Values are the version's entries of [Query.Values]; nil unless asked for.
	Values []string
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

// A Kind says how an index entry or a match compares; see Match.Holds.
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
	// normalises both (lower case, no accents); System keeps the text as it was
	// written.
	Text
	// URI compares Value.
	URI
	// Number compares the range Low..High of numbers made by [Ordered].
	Number
	// Quantity is a Number with the unit System and Value.
	Quantity
	// Point is a place on Earth: Low its latitude, High its longitude, both in
	// [PointScale] parts of a degree.
	Point
)

// An Index is one value by which a current version can be found, or with which
// those found otherwise are compared. `_id`, `_lastUpdated` and the type need
// none: the store has them.
type Index struct {
	Param         string
	Kind          Kind
	System, Value string
	Low, High     int64
	// Group, when not 0, ties entries together that come from one element of
	// the document; see Clause.Together. It is the same for all entries of the
	// element and different for each element.
	Group int
	// Common marks a parameter with few distinct values (status, category,
	// code): its entries are stored once per party, so that a narrow view
	// does not scan everyone's.
	Common bool
	// Silent marks an entry that is kept beside the version to be compared
	// with, and is no way to find it: it costs no row of an index.
	Silent bool
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

// The limits of a commit, in bytes, and of a write's index entries, which are to
// fit in one document of a store and in the time of one transaction; what is over
// them is ErrTooLarge.
const (
	MaxIndex  = 50_000
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
	// AnySystem: the system of the token or unit does not matter. With it
	// false, System "" means "has no system".
	AnySystem bool
	// Low, High are the range of the date or number asked for, both inclusive,
	// or the latitude and longitude of a Point.
	Low, High int64
	// Radius is the distance in metres within which a Point lies.
	Radius float64
	// Op changes what the match means; see Match.Holds. For dates, numbers and
	// quantities it is the FHIR prefix, eq ne gt lt ge le sa eb ap; empty means
	// eq.
	Op string
}

// The values of Match.Op for other kinds than dates and numbers.
const (
	// OpSystem: a Token of that System, whatever its value.
	OpSystem = "system"
	// OpExact: a Text that was written just so (Match.System); Match.Value is
	// the same normalised.
	OpExact = "exact"
	// OpContains: a Text that contains Value anywhere.
	OpContains = "contains"
	// OpBelow: a URI that is Value or lies below it ("Value/…").
	OpBelow = "below"
	// OpType: a Reference to the type that Value names.
	OpType = "type"
)

// A Clause holds when one of its matches holds for one of the version's index
// entries of that Param and Kind; with no matches it never does. Param "_id"
// (the matches' Value) and "_lastUpdated" (a Date, the instant of Updated) are
// answered from the version itself. Common and Silent must be as they were
// written. [Clause.Holds] is its meaning in every store.
type Clause struct {
	Param          string
	Kind           Kind
	Common, Silent bool
	// Single: no version has more than one entry of the parameter, so that
	// several clauses over it are one range.
	Single bool
	Any    []Match
	// Not turns the clause round: it holds when no match does.
	Not bool
	// Absent asks for versions without any entry of the Param and Kind, Present
	// for those with one; Any is not looked at.
	Absent, Present bool
	// Together, when not empty, holds when there is a Group in which each of
	// these clauses holds; the other fields are not looked at.
	Together []Clause
}

// A Part is one alternative of a Query: the versions of a type for which all
// clauses hold.
type Part struct {
	Type  string
	Where []Clause
}

// An Order is one key of a sort: the lowest entry of the Param and Kind when
// ascending, the highest when descending; versions without one come last. Param
// "_id" and "_lastUpdated" are the version's own.
type Order struct {
	Param      string
	Kind       Kind
	Descending bool
	// Common and Silent must be as they were written.
	Common, Silent bool
}

// A Position is the place after which a page begins: the last version shown.
type Position struct {
	Seq  int64
	Type string
	ID   string
	// Number is the version's; only a history looks at it.
	Number int
	// Sort is the sort key of the version; see [SortKey]. Nil without a sort.
	Sort []byte
}

// A Query asks for current versions.
type Query struct {
	View  auth.View
	Type  string
	Where []Clause // all must hold
	// Or are further alternatives beside Type and Where; a version that meets
	// several is found once. The same type may appear again.
	Or []Part
	// Sort orders the answer; what is equal stays in the order of a Page.
	Sort []Order
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
	// KeysOnly leaves Body nil.
	KeysOnly bool
	// Values names a parameter of kind Reference whose entries each version is
	// to carry.
	Values string
}

// Parts returns all alternatives of the query.
func (q Query) Parts() []Part {
	return append([]Part{{Type: q.Type, Where: q.Where}}, q.Or...)
}

// A HistoryQuery asks for versions, deletions among them, newest first. With a
// Key it is about that key, and ErrNotFound when the key is absent or hidden;
// with Types about all keys of those types that the view sees. A party that was
// given access to a key later may miss the key's earlier versions in a history
// of types; that of the key has them all.
type HistoryQuery struct {
	View  auth.View
	Key   Key
	Types []string
	Limit int
	// Before continues the history of a key: only versions with a smaller
	// number; 0 begins. After continues a history of types; nil begins.
	Before int
	After  *Position
	// Since, when not zero, keeps versions whose Updated is not earlier.
	Since time.Time
	// AtFrom and AtTo, when not zero, keep versions that were current at some
	// moment between them, both inclusive. They are given together.
	AtFrom, AtTo time.Time
}

// A Page is part of an answer, newest first: by Seq descending, then by id
// ascending, then by type ascending, then (in a history) by number descending.
// A page of a history of types may hold fewer versions than Limit, even none,
// and still have More: the store looked at as many as it may at once.
type Page struct {
	Versions []Version
	Snapshot int64
	More     bool
	// Next is the position that the next page continues after; only with More.
	Next *Position
	// Total is -1 unless asked for.
	Total int
}

// A ScanQuery walks over everything of some types, for bulk export: in whatever
// order the store reads fastest.
type ScanQuery struct {
	View  auth.View
	Types []string
	// Snapshot is the commit number to look at, of any age; 0 means now.
	Snapshot int64
	// Since, when not zero, keeps versions whose Updated is later. Deleted
	// includes deletions.
	Since   time.Time
	Deleted bool
	// After is the Next of the page before; "" begins.
	After string
	// Limit is the page's size, 1 to 1000; what is outside is brought inside.
	Limit int
}

// A ScanPage is part of a scan; Next is "" after the last one.
type ScanPage struct {
	Versions []Version
	Snapshot int64
	Next     string
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
	// Search returns current, undeleted versions. ErrTooCostly when it would
	// have to look at more than 10,000 candidates.
	Search(ctx context.Context, q Query) (Page, error)
	History(ctx context.Context, q HistoryQuery) (Page, error)
	// Scan returns versions current at the snapshot. Errors: ErrExpired for a
	// snapshot that the store has not reached.
	Scan(ctx context.Context, q ScanQuery) (ScanPage, error)

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

	Keeper
}
