package store

import (
	"context"
	"time"

	"trellis.example/gateway/audit"
)

// A Keeper is what the care of the data needs of a store: to take everything
// out, to put it into another store with nothing changed, to make its indexes
// anew, and to look for damage.
type Keeper interface {
	// Dump yields everything that was committed when it began, once each, as of
	// one moment; commits go on meanwhile. Versions and audit records come in
	// the order of their commits (each kind by itself). It begins with the Mark
	// of that moment. An error of yield ends it.
	Dump(ctx context.Context, yield func(Record) error) error
	// Load puts records into a store that has none but those of earlier calls
	// for the same dump: commit numbers, version numbers, times, access, audit
	// positions stay as they are. A call is all or nothing. Versions of one key
	// come in order. A record that is there already and equal is passed over,
	// so that a load may be repeated; one that differs is a Conflict. The Mark,
	// given last, sets the number of the last commit and ends the load.
	Load(ctx context.Context, records []Record) error
	// Reindex computes the index entries of at most n current versions anew,
	// in a fixed order after the position given ("" begins), beside commits and
	// searches. It returns the position to continue at, "" when done, and how
	// many versions it looked at. An error of index leaves that version as it
	// is and is returned.
	Reindex(ctx context.Context, after string, n int, index func(typ string, body []byte) ([]Index, error)) (next string, looked int, err error)
	// Count returns about how many current versions there are, for progress
	// bars.
	Count(ctx context.Context) (int, error)
	// Schema returns the version of the layout that the database has and the
	// newest that this program knows. Open brings an older one up to date and
	// refuses a newer one.
	Schema(ctx context.Context) (has, newest int, err error)
	// Check looks for damage that only the store itself can see (its pages,
	// rows without their version, index entries that differ from those that
	// index gives) and reports each in words without personal data.
	Check(ctx context.Context, index func(typ string, body []byte) ([]Index, error), report func(fault string)) error
}

// A Record is one thing that a store holds: exactly one field is set.
type Record struct {
	Mark    *Mark
	Version *VersionRecord
	Audit   *audit.Record
	Doc     *Doc
	Claim   *Claim
	Event   *EventRecord
	Blob    *BlobRecord
}

// A Mark is a moment of a store.
type Mark struct {
	// Seq is the number of the last commit.
	Seq int64
	// At is when the dump was made.
	At time.Time
}

// A VersionRecord is one version with the entries it is indexed by. Access is
// that of its key today.
type VersionRecord struct {
	Version
	// Until is the number of the commit that closed it; 0 when it is current.
	Until int64
	// Index is set by whoever loads a current, undeleted version; a dump leaves
	// it nil.
	Index []Index
}

// An EventRecord is an event that waits, in the order of its topic: dumps yield
// them in that order and loads keep it. Leases are not kept.
type EventRecord struct {
	Event
	Attempt int
}

// A BlobRecord is an original with the time it was stored at.
type BlobRecord struct {
	Blob
	At time.Time
}
