package sqlitestore

import (
	"fmt"
	"strings"
)

// The statements of the store. All are in the list below, over which a test
// runs EXPLAIN QUERY PLAN: none may scan a table or sort. They say LIMIT ? + 0
// because SQLite looks at a bare parameter there while it plans, and so would
// prepare the statement anew whenever it is bound.
const (
	sqlBegin     = `BEGIN IMMEDIATE`
	sqlBeginRead = `BEGIN`
	sqlCommit    = `COMMIT`
	sqlRollback  = `ROLLBACK`
	sqlNextSeq   = `UPDATE meta SET value = value + 1 WHERE name = 'seq' RETURNING value`
	sqlMeta      = `SELECT value FROM meta WHERE name = ?`
	sqlNow       = `SELECT (SELECT value FROM meta WHERE name = 'seq'), (SELECT value FROM meta WHERE name = 'horizon')`
	sqlSetMeta   = `UPDATE meta SET value = ? WHERE name = ?`
	sqlHead      = `SELECT pos, number, access FROM heads WHERE type = ? AND id = ?`
	sqlMoveHead  = `UPDATE heads SET pos = ?, number = ?, access = ? WHERE type = ? AND id = ?`
	sqlNewClosed = `INSERT INTO closed VALUES (?, ?, ?)`

	sqlRead = `SELECT h.pos, h.number, h.access, v.updated, v.deleted, v.body
		FROM heads h CROSS JOIN versions v ON v.pos = h.pos WHERE h.type = ? AND h.id = ?`
	sqlReadPast = `SELECT p.pos, p.number, h.access, v.updated, v.deleted, v.body
		FROM heads h CROSS JOIN past p ON p.type = h.type AND p.id = h.id CROSS JOIN versions v ON v.pos = p.pos
		WHERE h.type = ? AND h.id = ? AND p.number = ?`
	sqlHistory = `SELECT p.pos, p.number, v.updated, v.deleted, v.body
		FROM past p CROSS JOIN versions v ON v.pos = p.pos
		WHERE p.type = ? AND p.id = ? AND p.number < ? ORDER BY p.number DESC LIMIT ? + 0`
	sqlUntil       = `SELECT until FROM past WHERE type = ? AND id = ? AND number = ?`
	sqlPastPos     = `SELECT pos FROM past WHERE type = ? AND id = ? AND number = ?`
	sqlPastEntries = `SELECT v.entries FROM past p CROSS JOIN versions v ON v.pos = p.pos WHERE p.type = ? AND p.id = ? AND p.number = ?`
	sqlPastTime    = `SELECT v.updated FROM past p CROSS JOIN versions v ON v.pos = p.pos WHERE p.type = ? AND p.id = ? AND p.number = ?`
	sqlHeadTime    = `SELECT v.updated FROM heads h CROSS JOIN versions v ON v.pos = h.pos WHERE h.type = ? AND h.id = ? AND h.number = ?`
	sqlPastAt      = `SELECT pos FROM past WHERE type = ? AND id = ? AND pos < ? ORDER BY number DESC LIMIT 1`
	sqlExact       = `SELECT pos FROM exact WHERE h = ? AND pos >= ? AND pos < ? ORDER BY pos DESC LIMIT ? + 0`
	sqlExactUp     = `SELECT pos FROM exact WHERE h = ? AND pos >= ? AND pos < ? ORDER BY pos LIMIT ? + 0`
	sqlDatesDown   = `SELECT high, pos FROM dates WHERE h = ? AND (high, pos) < (?, ?) ORDER BY high DESC, pos DESC LIMIT ? + 0`
	sqlDatesUp     = `SELECT high, pos FROM dates WHERE h = ? AND (high, pos) > (?, ?) ORDER BY high, pos LIMIT ? + 0`
	sqlEdgeDown    = `SELECT slot FROM slots WHERE kind = ? AND slot <= ? AND first <= ? ORDER BY slot DESC LIMIT 1`
	sqlEdgeUp      = `SELECT slot FROM slots WHERE kind = ? AND slot >= ? AND last >= ? ORDER BY slot LIMIT 1`
	sqlDates       = `SELECT pos FROM dates WHERE h = ? AND high >= ? AND high <= ? LIMIT ? + 0`
	sqlTexts       = `SELECT pos FROM texts WHERE h = ? AND value >= ? LIMIT ? + 0`
	sqlTextsTo     = `SELECT pos FROM texts WHERE h = ? AND value >= ? AND value < ? LIMIT ? + 0`
	sqlSlotRange   = `SELECT min(first), max(last) FROM slots WHERE kind = ? AND slot >= ? AND slot <= ?`

	sqlClaim      = `SELECT expires, answer FROM claims WHERE scope = ? AND key = ?`
	sqlTakeClaim  = `INSERT INTO claims VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET expires = excluded.expires, answer = excluded.answer`
	sqlFreeClaims = `DELETE FROM claims WHERE (scope, key) IN (SELECT scope, key FROM claims WHERE expires <= ? LIMIT 1000)`

	sqlEventByID  = `SELECT topic FROM outbox WHERE id = ?`
	sqlPartBusy   = `SELECT 1 FROM outbox WHERE topic = ? AND part = ? LIMIT 1`
	sqlNewEvent   = `INSERT INTO outbox (id, topic, part, payload, due, attempt, token, front, ready) VALUES (?, ?, ?, ?, ?, 0, '', ?, ?5)`
	sqlReady      = `SELECT n, id, part, payload, due, attempt FROM outbox WHERE topic = ? AND front = 1 AND ready <= ? ORDER BY ready, n LIMIT ? + 0`
	sqlLease      = `UPDATE outbox SET attempt = ?, token = ?, ready = ? WHERE n = ?`
	sqlLeased     = `SELECT n, topic, part FROM outbox WHERE id = ? AND token = ?`
	sqlGiveBack   = `UPDATE outbox SET token = '', due = ?, ready = ?1 WHERE n = ?`
	sqlDropEvent  = `DELETE FROM outbox WHERE n = ?`
	sqlNextInPart = `UPDATE outbox SET front = 1 WHERE n = (SELECT n FROM outbox WHERE topic = ? AND part = ? ORDER BY n LIMIT 1)`

	sqlNewAudit    = `INSERT INTO audit VALUES (?, ?)`
	sqlAuditFrom   = `SELECT seq, entries FROM audit WHERE seq >= ? ORDER BY seq LIMIT ? + 0`
	sqlAuditBack   = `SELECT seq, entries FROM audit WHERE seq >= ? AND seq <= ? ORDER BY seq DESC LIMIT ? + 0`
	sqlAuditByTerm = `SELECT a.seq, a.entries FROM audit_terms t CROSS JOIN audit a ON a.seq = t.seq
		WHERE t.h = ? AND t.seq >= ? AND t.seq <= ? ORDER BY t.seq DESC LIMIT ? + 0`

	sqlBlobByHash = `SELECT b, type, size FROM blobs WHERE hash = ?`
	sqlNewBlob    = `INSERT INTO blobs (hash, type, size, at, settled) VALUES (?, ?, ?, ?, 0) RETURNING b`
	sqlTouchBlob  = `UPDATE blobs SET at = ?, settled = 0 WHERE b = ?`
	sqlNewChunk   = `INSERT INTO chunks VALUES (?, ?)`
	sqlChunks     = `SELECT data FROM chunks WHERE c >= ? AND c < ? ORDER BY c`
	sqlNewRef     = `INSERT OR IGNORE INTO refs VALUES (?, ?, ?)`
	sqlRefs       = `SELECT type, id FROM refs WHERE b = ? ORDER BY type, id`
	sqlOldBlobs   = `SELECT b FROM blobs WHERE settled = 0 AND at < ? LIMIT 100`
	sqlRefExists  = `SELECT 1 FROM refs r CROSS JOIN heads h ON h.type = r.type AND h.id = r.id WHERE r.b = ? LIMIT 1`
	sqlSettleBlob = `UPDATE blobs SET settled = 1 WHERE b = ?`
	sqlDropBlob   = `DELETE FROM blobs WHERE b = ?`
	sqlDropChunks = `DELETE FROM chunks WHERE c >= ? AND c < ?`
	sqlDropRefs   = `DELETE FROM refs WHERE b = ?`

	sqlOldClosed = `SELECT c.at, c.pos, c.until, v.type, v.entries FROM closed c CROSS JOIN versions v ON v.pos = c.pos WHERE c.at < ? ORDER BY c.at, c.pos LIMIT 200`
	sqlClosed    = `SELECT pos FROM closed WHERE at >= ?`
	sqlIndexed   = `SELECT v.pos, v.type, v.deleted, v.entries, h.pos, h.access
		FROM versions v CROSS JOIN heads h ON h.type = v.type AND h.id = v.id WHERE v.pos > ? ORDER BY v.pos LIMIT 1000`
	sqlDropClosed = `DELETE FROM closed WHERE at = ? AND pos = ?`
	sqlDropExact  = `DELETE FROM exact WHERE h = ? AND pos = ?`
	sqlDropDate   = `DELETE FROM dates WHERE h = ? AND high = ? AND pos = ?`
	sqlDropText   = `DELETE FROM texts WHERE h = ? AND value = ? AND pos = ?`
	sqlNewDate    = `INSERT OR IGNORE INTO dates VALUES (?, ?, ?)`

	sqlDoc     = `SELECT id, version, body FROM docs WHERE kind = ? AND id = ?`
	sqlDocs    = `SELECT id, version, body FROM docs WHERE kind = ? ORDER BY id`
	sqlNewDoc  = `INSERT INTO docs VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET version = excluded.version, body = excluded.body`
	sqlDropDoc = `DELETE FROM docs WHERE kind = ? AND id = ?`
)

// Statements over many rows at once. The driver looks each parameter up among
// all of them, so a long list costs more than it saves.
const (
	manyRows = 24 // index rows in one insert
	manyRead = 16 // versions in one look-up
)

var (
	sqlNewExact   = insertExact(1)
	sqlNewExacts  = insertExact(manyRows)
	sqlNewTerm    = insertTerms(1)
	sqlNewTerms   = insertTerms(manyRows)
	sqlCandidate  = selectCandidates(1)
	sqlCandidates = selectCandidates(manyRead)
	sqlBodyAt     = `SELECT pos, body FROM versions WHERE pos IN (?)`
	sqlBodiesAt   = `SELECT pos, body FROM versions WHERE pos IN (` + marks(manyRead) + `)`
	statements    = []string{
		sqlNextSeq, sqlMeta, sqlNow, sqlSetMeta, sqlHead, sqlMoveHead, sqlNewClosed,
		sqlRead, sqlReadPast, sqlHistory, sqlUntil, sqlPastPos, sqlPastEntries, sqlPastTime, sqlHeadTime, sqlPastAt, sqlExact, sqlExactUp, sqlDatesDown, sqlDatesUp, sqlEdgeDown, sqlEdgeUp, sqlDates, sqlTexts, sqlTextsTo, sqlSlotRange,
		sqlClaim, sqlTakeClaim, sqlFreeClaims, sqlEventByID, sqlPartBusy, sqlNewEvent, sqlReady, sqlLease, sqlLeased,
		sqlGiveBack, sqlDropEvent, sqlNextInPart, sqlNewAudit, sqlAuditFrom, sqlAuditBack, sqlAuditByTerm,
		sqlBlobByHash, sqlNewBlob, sqlTouchBlob, sqlNewChunk, sqlChunks, sqlNewRef, sqlRefs, sqlOldBlobs, sqlRefExists,
		sqlSettleBlob, sqlDropBlob, sqlDropChunks, sqlDropRefs, sqlOldClosed, sqlClosed, sqlIndexed, sqlDropClosed, sqlDropExact, sqlDropDate,
		sqlDropText, sqlNewDate, sqlDoc, sqlDocs, sqlNewDoc, sqlDropDoc,
		sqlNewExact, sqlNewExacts, sqlNewTerm, sqlNewTerms, sqlCandidate, sqlCandidates, sqlBodyAt, sqlBodiesAt,
		sqlUnder1, sqlUnder2, sqlUnder4, sqlUnderUp1, sqlUnderUp2, sqlUnderUp4,
	}
)

func insertExact(n int) string {
	return `INSERT OR IGNORE INTO exact VALUES ` + strings.TrimSuffix(strings.Repeat(`(?, ?), `, n), `, `)
}

func insertTerms(n int) string {
	return `INSERT OR IGNORE INTO audit_terms VALUES ` + strings.TrimSuffix(strings.Repeat(`(?, ?), `, n), `, `)
}

// candidateColumns are what is read of a version and its key. The first two
// parameters ask for the body and the entries.
const candidateColumns = `v.pos, v.type, v.id, v.number, v.updated, v.deleted, iif(?2, v.entries, NULL), h.pos, h.access, iif(?1, v.body, NULL)`

func selectCandidates(n int) string {
	return `SELECT ` + candidateColumns + `
		FROM versions v CROSS JOIN heads h ON h.type = v.type AND h.id = v.id WHERE v.pos IN (` + marks(n) + `)`
}

// The statements that read versions under so many terms, downwards and upwards.
var (
	sqlUnder1   = selectUnder(1, " DESC")
	sqlUnder2   = selectUnder(2, " DESC")
	sqlUnder4   = selectUnder(4, " DESC")
	sqlUnderUp1 = selectUnder(1, "")
	sqlUnderUp2 = selectUnder(2, "")
	sqlUnderUp4 = selectUnder(4, "")
)

func sqlUnder(terms int, up bool) string {
	switch {
	case terms == 1 && up:
		return sqlUnderUp1
	case terms == 1:
		return sqlUnder1
	case terms == 2 && up:
		return sqlUnderUp2
	case terms == 2:
		return sqlUnder2
	case up:
		return sqlUnderUp4
	}
	return sqlUnder4
}

func selectUnder(n int, order string) string {
	terms := make([]string, n)
	for i := range terms {
		terms[i] = fmt.Sprintf(`SELECT pos FROM exact WHERE h = ?%d AND pos >= ?3 AND pos < ?4`, 6+i)
	}
	return `SELECT ` + candidateColumns + ` FROM (` + strings.Join(terms, ` UNION `) + ` ORDER BY pos` + order + ` LIMIT ?5 + 0) e
		CROSS JOIN versions v ON v.pos = e.pos CROSS JOIN heads h ON h.type = v.type AND h.id = v.id`
}

func marks(n int) string { return strings.TrimSuffix(strings.Repeat(`?, `, n), `, `) }
