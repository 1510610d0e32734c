package sqlitestore

import (
	"context"
	"crypto/sha256"
	"database/sql/driver"
	"encoding/hex"
	"errors"
	"fmt"

	"trellis.example/gateway/store"
)

// Check implements store.Keeper. It looks at one moment of the store, in one
// read transaction, and names versions by their type and position, never by
// their id.
func (s *Store) Check(ctx context.Context, index func(typ string, body []byte) ([]store.Index, error), report func(fault string)) error {
	return s.read(ctx, func(c *conn) error {
		if err := c.exec(sqlBeginRead); err != nil {
			return err
		}
		// The end of a transaction over damaged pages may be an error too.
		defer func() { _ = c.exec(sqlRollback) }()
		k := &check{conn: c, goesOn: func() error { return s.goesOn(ctx) }, index: index, report: report}
		for _, step := range []func() error{
			k.pages, k.meta, k.keys, k.past, k.versions, k.strays, k.auditLog, k.outbox, k.originals,
		} {
			if err := k.survive(step()); err != nil {
				return err
			}
		}
		return nil
	})
}

// A check is one going over of a store.
type check struct {
	*conn
	goesOn func() error
	index  indexer
	report func(string)

	seq, horizon, audited int64
	slots                 map[slot]span
	found                 rowCounts
}

func (k *check) faultf(format string, args ...any) { k.report(fmt.Sprintf(format, args...)) }

// survive reports a table that the database cannot read, so that the others are
// looked at nevertheless.
func (k *check) survive(err error) error {
	if err == nil || !errors.Is(err, store.ErrUnavailable) || errors.Is(err, errClosed) {
		return err
	}
	k.faultf("part of the database cannot be read: %v", err)
	return nil
}

// each goes over the rows of a query for as long as the check goes on.
func (k *check) each(sql string, do func(row []driver.Value) error, args ...any) error {
	return k.query(sql, func(row []driver.Value) error {
		if err := k.goesOn(); err != nil {
			return err
		}
		return do(row)
	}, args...)
}

// pages asks SQLite about its pages, and whether rows and indexes agree.
func (k *check) pages() error {
	return k.each(sqlIntegrity, func(row []driver.Value) error {
		if fault := text(row[0]); fault != "ok" {
			k.faultf("pages: %s", fault)
		}
		return nil
	})
}

func (k *check) meta() error {
	for name, to := range map[string]*int64{"seq": &k.seq, "horizon": &k.horizon, "audited": &k.audited} {
		n, ok, err := k.number(sqlMeta, name)
		if err != nil {
			return err
		}
		if !ok {
			k.faultf("meta: %s is missing", name)
		}
		*to = n
	}
	if _, loading, err := k.number(sqlMeta, metaLoading); err != nil {
		return err
	} else if loading {
		k.faultf("a restore or copy into this database was not finished")
	}
	for what, sql := range map[string]string{"version": sqlLastVersion, "audit record": sqlLastAudit} {
		last, _, err := k.number(sql)
		if err != nil {
			return err
		}
		if what == "version" {
			last = seqOf(last)
		}
		if last > k.seq {
			k.faultf("meta: the last commit is said to be %d, and there is a %s of commit %d", k.seq, what, last)
		}
	}
	return k.readSlots()
}

func (k *check) readSlots() error {
	k.slots = map[slot]span{}
	return k.each(sqlAllSlots, func(row []driver.Value) error {
		k.slots[slot{integer(row[0]), integer(row[1])}] = span{integer(row[2]), integer(row[3])}
		return nil
	}, 0)
}

// inSlots reports a time that its slots do not know.
func (k *check) inSlots(kind, millis, seq int64, what string) {
	for _, at := range [...]slot{{kind, slotAt(millis)}, {kind + slotDays, floorDiv(millis, dayMillis)}} {
		if s, ok := k.slots[at]; !ok || seq < s.first || seq > s.last {
			k.faultf("slots: %s of commit %d is not in its slot", what, seq)
			return
		}
	}
}

// A placed is a version of a key by its position; until is the commit that
// replaced it.
type placed struct{ pos, number, until int64 }

// keys looks whether each key has the versions 1, 2, 3 … up to its head, each
// closed by the commit of the next.
func (k *check) keys() error {
	return k.each(sqlAllHeads, func(row []driver.Value) error {
		key := store.Key{Type: text(row[0]), ID: text(row[1])}
		var chain []placed
		err := k.query(sqlPastOf, func(row []driver.Value) error {
			chain = append(chain, placed{integer(row[1]), integer(row[0]), integer(row[2])})
			return nil
		}, key.Type, key.ID)
		if err != nil {
			return err
		}
		return k.chain(key, append(chain, placed{pos: integer(row[2]), number: integer(row[3])}))
	}, "")
}

func (k *check) chain(key store.Key, chain []placed) error {
	for i, p := range chain {
		if p.number != int64(i)+1 {
			k.faultf("%s: version %d at position %d should be version %d", key.Type, p.number, p.pos, i+1)
			return nil
		}
		if i+1 < len(chain) && p.until != seqOf(chain[i+1].pos) {
			k.faultf("%s: version %d at position %d was not replaced by the next", key.Type, p.number, p.pos)
		}
		if err := k.versionIs(key, p); err != nil {
			return err
		}
	}
	return nil
}

// versionIs looks whether the version that a key points to is that.
func (k *check) versionIs(key store.Key, p placed) error {
	found := false
	err := k.query(sqlNameAt, func(row []driver.Value) error {
		found = text(row[0]) == key.Type && text(row[1]) == key.ID && integer(row[2]) == p.number
		return nil
	}, p.pos)
	if err == nil && !found {
		k.faultf("%s: version %d is missing at position %d", key.Type, p.number, p.pos)
	}
	return err
}

// past looks for versions of the past of which there is no present.
func (k *check) past() error {
	return k.each(sqlOrphans, func(row []driver.Value) error {
		k.faultf("%s: a version of the past at position %d has no key", text(row[0]), integer(row[1]))
		return nil
	}, "")
}

// outbox looks whether the oldest event of each partition, and it alone, may be
// leased.
func (k *check) outbox() error {
	var topic, part string
	first := true
	return k.each(sqlAllFronts, func(row []driver.Value) error {
		oldest := first || text(row[0]) != topic || text(row[1]) != part || text(row[1]) == ""
		first, topic, part = false, text(row[0]), text(row[1])
		if front := integer(row[3]) != 0; front != oldest {
			k.faultf("outbox: event %d has the wrong place in its order", integer(row[2]))
		}
		return nil
	}, "")
}

// originals computes the hash of each original, a chunk at a time.
func (k *check) originals() error {
	err := k.each(sqlAllBlobs, func(row []driver.Value) error {
		b, size, sum := integer(row[0]), int64(0), sha256.New()
		err := k.query(sqlChunks, func(row []driver.Value) error {
			size += int64(len(bytesOf(row[0])))
			sum.Write(bytesOf(row[0]))
			return k.goesOn()
		}, b<<chunkBits, (b+1)<<chunkBits)
		if size != integer(row[3]) || hex.EncodeToString(sum.Sum(nil)) != text(row[1]) {
			k.faultf("original %d is not what its hash says", b)
		}
		return err
	}, 0)
	if err != nil {
		return err
	}
	for what, sql := range map[string]string{"chunk": sqlLooseChunks, "reference": sqlLooseRefs} {
		if err := k.each(sql, func(row []driver.Value) error {
			k.faultf("a %s belongs to original %d, which is not there", what, integer(row[0]))
			return nil
		}, 0); err != nil {
			return err
		}
	}
	return nil
}
