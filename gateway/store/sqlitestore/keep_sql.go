package sqlitestore

// The statements that take everything out, put it in and look it over. They go
// from one end of a table to the other along its key, except that of Count.
const (
	sqlAllVersions = `SELECT v.pos, v.type, v.id, v.number, v.updated, v.deleted, v.body, h.access,
			(SELECT p.until FROM past p WHERE p.type = v.type AND p.id = v.id AND p.number = v.number)
		FROM versions v CROSS JOIN heads h ON h.type = v.type AND h.id = v.id WHERE v.pos > ? ORDER BY v.pos`
	sqlAllAudit  = `SELECT seq, entries FROM audit WHERE seq >= ? ORDER BY seq`
	sqlAllDocs   = `SELECT kind, id, version, body FROM docs WHERE kind >= ? ORDER BY kind, id`
	sqlAllClaims = `SELECT scope, key, expires, answer FROM claims WHERE scope >= ? ORDER BY scope, key`
	sqlAllEvents = `SELECT id, topic, part, payload, due, attempt FROM outbox WHERE n >= ? ORDER BY n`
	sqlAllBlobs  = `SELECT b, hash, type, size, at FROM blobs WHERE b >= ? ORDER BY b`

	sqlHolds = `SELECT EXISTS (SELECT 1 FROM heads) OR EXISTS (SELECT 1 FROM past) OR EXISTS (SELECT 1 FROM audit)
		OR EXISTS (SELECT 1 FROM docs) OR EXISTS (SELECT 1 FROM claims) OR EXISTS (SELECT 1 FROM outbox) OR EXISTS (SELECT 1 FROM blobs)`
	sqlMark        = `INSERT INTO meta VALUES (?2, ?1) ON CONFLICT DO UPDATE SET value = excluded.value`
	sqlUnmark      = `DELETE FROM meta WHERE name = ?`
	sqlLastVersion = `SELECT max(pos) FROM versions`
	sqlLastAudit   = `SELECT max(seq) FROM audit`
	sqlGroupOf     = `SELECT pos, type, id, number FROM versions WHERE pos >= ? AND pos < ? ORDER BY pos`
	sqlPast        = `SELECT pos, until FROM past WHERE type = ? AND id = ? AND number = ?`
	sqlVersionAt   = `SELECT updated, deleted, body FROM versions WHERE pos = ?`
	sqlPutAudit    = `INSERT INTO audit VALUES (?, ?) ON CONFLICT DO UPDATE SET entries = excluded.entries`
	sqlPutSlot     = `INSERT INTO slots VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET first = min(first, excluded.first), last = max(last, excluded.last)`
	sqlAnyClaim    = `SELECT expires, answer FROM claims WHERE scope = ? AND key = ?`
	sqlPutDoc      = `INSERT INTO docs VALUES (?, ?, ?, ?)`
	sqlEvent       = `SELECT id, topic, part, payload, due, attempt FROM outbox WHERE id = ?`
	sqlPutEvent    = `INSERT INTO outbox (id, topic, part, payload, due, attempt, token, front, ready) VALUES (?, ?, ?, ?, ?, ?, '', ?, ?5)`
	sqlBlobTime    = `SELECT at FROM blobs WHERE b = ?`
	sqlMoveVersion = `UPDATE versions SET pos = ? WHERE pos = ?`
	sqlMoveHeadPos = `UPDATE heads SET pos = ? WHERE type = ? AND id = ? AND number = ?`
	sqlMovePastPos = `UPDATE past SET pos = ? WHERE type = ? AND id = ? AND number = ?`

	sqlReindexFrom = `SELECT h.type, h.id, h.pos, v.deleted, v.entries, v.body, h.access
		FROM heads h CROSS JOIN versions v ON v.pos = h.pos WHERE (h.type, h.id) > (?, ?) ORDER BY h.type, h.id LIMIT ? + 0`
	sqlEntriesAt  = `SELECT entries, deleted FROM versions WHERE pos = ?`
	sqlSetEntries = `UPDATE versions SET entries = ? WHERE pos = ?`

	sqlIntegrity = `PRAGMA integrity_check`
	sqlAllSlots  = `SELECT kind, slot, first, last FROM slots WHERE kind >= ?`
	sqlAllHeads  = `SELECT type, id, pos, number FROM heads WHERE type >= ? ORDER BY type, id`
	sqlPastOf    = `SELECT number, pos, until FROM past WHERE type = ? AND id = ? ORDER BY number`
	sqlNameAt    = `SELECT type, id, number FROM versions WHERE pos = ?`
	sqlOrphans   = `SELECT p.type, p.pos FROM past p
		WHERE p.type >= ? AND NOT EXISTS (SELECT 1 FROM heads h WHERE h.type = p.type AND h.id = p.id)`
	sqlChecked = `SELECT v.pos, v.type, v.updated, v.deleted, v.entries, v.body, h.pos, h.access,
			(SELECT p.pos FROM past p WHERE p.type = v.type AND p.id = v.id AND p.number = v.number)
		FROM versions v LEFT JOIN heads h ON h.type = v.type AND h.id = v.id WHERE v.pos >= ? ORDER BY v.pos`
	sqlLooseClosed = `SELECT c.pos FROM closed c WHERE c.at >= ? AND NOT EXISTS (SELECT 1 FROM versions v WHERE v.pos = c.pos)`
	sqlHasExact    = `SELECT 1 FROM exact WHERE h = ? AND pos = ?`
	sqlHasDate     = `SELECT 1 FROM dates WHERE h = ? AND high = ? AND pos = ?`
	sqlHasText     = `SELECT 1 FROM texts WHERE h = ? AND value = ? AND pos = ?`
	sqlHasTerm     = `SELECT 1 FROM audit_terms WHERE h = ? AND seq = ?`
	sqlAllFronts   = `SELECT topic, part, n, front FROM outbox WHERE topic >= ? ORDER BY topic, part, n`
	sqlLooseChunks = `SELECT c >> 12 FROM chunks WHERE c >= ? AND NOT EXISTS (SELECT 1 FROM blobs WHERE b = c >> 12)`
	sqlLooseRefs   = `SELECT r.b FROM refs r WHERE r.b >= ? AND NOT EXISTS (SELECT 1 FROM blobs b WHERE b.b = r.b)`

	// These count, and so go over whole tables.
	sqlCount      = `SELECT count(*) FROM heads`
	sqlCountExact = `SELECT count(*) FROM exact`
	sqlCountDates = `SELECT count(*) FROM dates`
	sqlCountTexts = `SELECT count(*) FROM texts`
	sqlCountTerms = `SELECT count(*) FROM audit_terms`
)

// keepStatements are statements that the test of statements looks over too.
var keepStatements = []string{
	sqlAllVersions, sqlAllAudit, sqlAllDocs, sqlAllClaims, sqlAllEvents, sqlAllBlobs,
	sqlMark, sqlUnmark, sqlLastVersion, sqlLastAudit, sqlGroupOf, sqlPast, sqlVersionAt, sqlPutAudit, sqlPutSlot,
	sqlAnyClaim, sqlPutDoc, sqlEvent, sqlPutEvent, sqlBlobTime, sqlMoveVersion, sqlMoveHeadPos, sqlMovePastPos,
	sqlReindexFrom, sqlEntriesAt, sqlSetEntries,
	sqlAllSlots, sqlAllHeads, sqlPastOf, sqlNameAt, sqlOrphans, sqlChecked, sqlLooseClosed,
	sqlHasExact, sqlHasDate, sqlHasText, sqlHasTerm, sqlAllFronts, sqlLooseChunks, sqlLooseRefs,
}
