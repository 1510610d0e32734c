// Package archive takes everything out of a store into one file, puts it back,
// copies it from store to store, and looks for damage.
//
// What the package promises:
//   - A backup is one moment of the store, made while it serves. It says how
//     much is in it and carries the hash of all of it: one that was cut off or
//     changed is refused.
//   - A restore gives every version, number, time, party, audit record and
//     original as it was, to the backup's moment or to an earlier one; the
//     documents of the gateway itself (clients, keys) have no history and are
//     those of the backup's moment.
//   - A backup fits every store: it holds no index, which is made anew for the
//     program that restores.
//   - A fault is reported by key and kind, never with a value of a document.
//
// The file is zstd over lines of JSON: a header, one line a record, a trailer.
package archive
