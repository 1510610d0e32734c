// Package sqlitestore keeps the store in one SQLite file. It is the embedded
// default: a fresh machine needs nothing else.
//
// It promises what package store does, and:
//
//   - A commit that returned nil is on disk: WAL with synchronous=FULL.
//   - One process serves a directory; see [Beside] for the others.
//   - Commits that wait share a transaction (group commit), and yet each wins
//     or loses by itself. A group that writes resources waits up to a
//     millisecond for as many commits as the last one had; a single client
//     waits for nobody, nor do audit entries by themselves.
//   - A disk that is full or fails makes commits fail whole with
//     ErrUnavailable; they succeed again once there is room.
//   - A search examines at most 10,000 candidates, else ErrTooCostly.
//   - A dump is one read transaction beside readers and writers, and holds one
//     record in memory at a time. A load that was begun and not finished leaves a
//     store that commits nothing until it is repeated.
//   - Current versions that are in use are kept in memory, 24 MB of them, and
//     Read finds them there, always as the last commit left them. That rests on
//     one process writing versions: the one that serves. A database that is
//     edited with other tools must not be served meanwhile.
//
// # Layout
//
// Every version has a position: the number of its group commit in the upper
// bits and, in the lower, the rank of its id in the group backwards. Going down
// the positions is the order of an answer, so that an index row is a pair of
// integers and a page of a search is a range. Versions are only ever appended.
//
//	meta         seq: the last commit; horizon: snapshots below it have
//	             expired; audited: the last commit whose audit is indexed
//	heads        (type, id) → position and number of the newest version, access
//	versions     position → key, number, time, index entries, body (the only copy)
//	past         (type, id, number) → position of a replaced version, and the
//	             commit that replaced it
//	closed       replaced versions that still have index rows, by time
//	exact        (term, position): tokens, references, URIs, squares of places,
//	             and the type itself: of versions that searches can find under
//	             one name, of deletions and of what was swept under another
//	dates        (term, end of the range, position): dates, numbers, quantities;
//	             each width of a range has its term
//	texts        (term, value, position)
//	slots        in which commits the times of five minutes lie, and of a day
//	claims       (scope, key) → expiry, answer
//	outbox       events in order, the first of each partition marked
//	audit        commit → the entries of its group, packed
//	audit_terms  (term, commit): what an audit search looks for; filled behind
//	             the commits, and up to date before a search is answered
//	blobs, chunks, refs   originals, in pieces of 1 MB
//	docs         (kind, id) → version, body
//
// A term is a hash of type, party, parameter and value. Selective entries have
// one row without a party; common ones have one for each party of the access
// and one for views that are limited to none. Rows yield candidates, which are
// compared with their version's own entries, its key's present access and the
// snapshot before they count; a row that is stale or meets another's hash costs
// time and nothing else.
//
// A history or a scan goes down the rows of its types under the view's parties,
// so that a narrow view costs what it sees. A search chooses among its clauses
// and the type by looking at a few rows of each. Sorted by time, candidates are
// walked through in the order of commits and held back as long as, by the slots,
// one of an earlier time can still come; where one slot holds more than a
// thousand, as after an import, commits are taken to be in the order of time. Any
// other sort collects what matches, and when that is too much walks through the
// index of a single date or number.
package sqlitestore
