package sqlitestore

import (
	"bytes"
	"database/sql/driver"
	"math"
	"slices"

	"trellis.example/gateway/store/sqlitestore/packed"
)

// rowCounts count the rows of the index that were found where they should be.
type rowCounts struct{ exact, dates, texts, terms int64 }

// versions looks whether each version belongs to a key and is found by what it
// should be.
func (k *check) versions() error {
	closed := map[int64]bool{}
	err := k.each(sqlClosed, func(row []driver.Value) error {
		closed[integer(row[0])] = true
		return nil
	}, math.MinInt64)
	if err != nil {
		return err
	}
	if err := k.each(sqlLooseClosed, func(row []driver.Value) error {
		k.faultf("a version at position %d was replaced, and is missing", integer(row[0]))
		return nil
	}, math.MinInt64); err != nil {
		return err
	}
	return k.each(sqlChecked, func(row []driver.Value) error {
		return k.version(row, closed[integer(row[0])])
	}, math.MinInt64)
}

// version checks a row of sqlChecked; unswept says that it was replaced so
// recently that searches still find it.
func (k *check) version(row []driver.Value, unswept bool) error {
	pos, typ := integer(row[0]), text(row[1])
	deleted, current := integer(row[3]) != 0, row[6] != nil && integer(row[6]) == pos
	if !current && (row[6] == nil || row[8] == nil || integer(row[8]) != pos) {
		k.faultf("%s: the version at position %d belongs to no key", typ, pos)
		return nil
	}
	k.inSlots(slotUpdated, integer(row[2]), seqOf(pos), typ)
	access, err := packed.ParseAccess(bytesOf(row[7]))
	if err != nil {
		k.faultf("%s: the access of the key at position %d cannot be read", typ, integer(row[6]))
		return nil
	}
	parties, entries, err := packed.ParseEntries(bytesOf(row[4]))
	if err != nil {
		k.faultf("%s: the entries of the version at position %d cannot be read", typ, pos)
		return nil
	}
	if len(parties) == 0 { // deletions had none once
		parties = indexParties(access)
	}
	if current && !slices.Equal(parties, indexParties(access)) {
		k.faultf("%s: the version at position %d is indexed for others than may see it", typ, pos)
	}
	if deleted || !current && !unswept {
		return k.rows(typ, pos, pastRows(typ, parties))
	}
	if current && k.index != nil {
		k.entries(typ, pos, bytesOf(row[5]), parties, bytesOf(row[4]))
	}
	return k.rows(typ, pos, indexRows(typ, parties, entries))
}

// entries compares the entries of a current version with those that its body
// has.
func (k *check) entries(typ string, pos int64, body []byte, parties []string, have []byte) {
	index, err := k.index(typ, body)
	if err != nil {
		k.faultf("%s: the version at position %d cannot be indexed: %v", typ, pos, err)
		return
	}
	if !bytes.Equal(packed.Entries(parties, index), have) {
		k.faultf("%s: the version at position %d is indexed by other entries than it has: reindex", typ, pos)
	}
}

// rows looks for the index rows of a version.
func (k *check) rows(typ string, pos int64, r rows) error {
	missing := 0
	look := func(found *int64, sql string, args ...any) error {
		_, ok, err := k.number(sql, args...)
		if ok {
			*found++
		} else {
			missing++
		}
		return err
	}
	for _, h := range distinct(r.exact) {
		if err := look(&k.found.exact, sqlHasExact, h, pos); err != nil {
			return err
		}
	}
	for _, d := range distinct(r.dates) {
		if err := look(&k.found.dates, sqlHasDate, d.h, d.high, pos); err != nil {
			return err
		}
	}
	for _, t := range distinct(r.texts) {
		if err := look(&k.found.texts, sqlHasText, t.h, []byte(t.value), pos); err != nil {
			return err
		}
	}
	if missing > 0 {
		k.faultf("%s: %d rows of the index are missing for the version at position %d: reindex", typ, missing, pos)
	}
	return nil
}

// distinct returns the elements without repeats, in their order.
func distinct[T comparable](list []T) []T {
	seen := make(map[T]bool, len(list))
	return slices.DeleteFunc(slices.Clone(list), func(x T) bool {
		was := seen[x]
		seen[x] = true
		return was
	})
}

// strays counts what the index has beyond the rows that were found.
func (k *check) strays() error {
	for _, t := range []struct {
		name, sql string
		found     int64
	}{
		{"exact", sqlCountExact, k.found.exact}, {"dates", sqlCountDates, k.found.dates},
		{"texts", sqlCountTexts, k.found.texts},
	} {
		n, _, err := k.number(t.sql)
		if err != nil {
			return err
		}
		if n != t.found {
			k.faultf("%s: %d rows of the index belong to no version", t.name, n-t.found)
		}
	}
	return nil
}

// auditLog looks whether all audit records can be read and are found.
func (k *check) auditLog() error {
	err := k.each(sqlAllAudit, func(row []driver.Value) error {
		seq := integer(row[0])
		rs, err := packed.ParseAudit(seq, bytesOf(row[1]))
		if err != nil || len(rs) == 0 {
			k.faultf("audit: the records of commit %d cannot be read", seq)
			return nil
		}
		for _, r := range rs {
			k.inSlots(slotAudit, r.At.UnixMilli(), seq, "an audit record")
		}
		missing := 0
		for _, t := range auditTerms(rs) {
			_, ok, err := k.number(sqlHasTerm, t, seq)
			if err != nil {
				return err
			}
			if ok {
				k.found.terms++
			} else {
				missing++
			}
		}
		if missing > 0 && seq <= k.audited {
			k.faultf("audit_terms: %d rows are missing for commit %d", missing, seq)
		}
		return nil
	}, math.MinInt64)
	if err != nil {
		return err
	}
	n, _, err := k.number(sqlCountTerms)
	if err == nil && n != k.found.terms {
		k.faultf("audit_terms: %d rows belong to no audit record", n-k.found.terms)
	}
	return err
}
