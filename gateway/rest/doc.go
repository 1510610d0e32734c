// Package rest serves the FHIR R4 interactions: reads, histories and searches of
// one resource, a type, a compartment or the whole system, changes by create,
// update, patch and delete, batches and transactions, the operations that go with
// them, and the CapabilityStatement.
//
// What it promises:
//   - A change and its audit entry are one commit; a read is audited before it
//     is answered. When the audit cannot be written the answer is 503.
//   - What a caller may not see is answered exactly as if it were absent: in
//     reads, versions, histories, searches, chains, includes, operations, totals,
//     conflicts and references.
//   - Every error is an OperationOutcome that names each fault at its place and
//     shows no value; nothing of a refused request is stored.
//   - Nothing is ignored silently: a header, parameter or media type that is
//     not supported is refused, and says what is. A preference (Prefer) that
//     is not known is passed over, as RFC 7240 has it.
//   - A walk over pages shows the store as it was when the walk began: nothing
//     twice, nothing left out, what is included and chained as of that moment.
//   - A part of a resource (_summary, _elements) keeps the bytes of what it shows
//     and says that it is a part.
//
// # Searching
//
// Without _sort, results come newest first, by the time of their last change.
// Bundle.total is given when the first page holds everything, or when
// _total=accurate asks for it: counting looks at every match. A page may
// be shorter than _count when its resources are large; only a missing next link
// means the end.
//
// # Bundles
//
// A batch does each entry as the request that it stands for, by the same
// operation, with its own audit. A transaction is worked out entry by entry
// against the store as it will be, and stored by one commit; when it loses a
// race it is worked out anew, so that preconditions are judged by what was
// there at the commit. What a transaction brings along by the workflow is
// OnTransaction's to add: there is no other door.
//
// # Retrying
//
// Idempotency-Key (up to 255 visible ASCII characters) on a change, a batch or a
// transaction makes it safe to send again: for 30 days the same client, key and
// request get the first answer, and the same key with another request is 422.
//
// Conditional creates and updates are decided under a claim of their criteria,
// so that of many at once exactly one creates.
//
// Handlers are *[Operation]; package server gives each its address.
package rest
