package sqlitestore

import (
	"bytes"
	"database/sql/driver"
	"fmt"
	"slices"

	"trellis.example/gateway/audit"
	"trellis.example/gateway/store"
	"trellis.example/gateway/store/sqlitestore/packed"
)

// decideAudit appends the records to those that their commits have. A commit's
// records may come in several calls.
func (l *load) decideAudit(g *group, a *arrival) error {
	top, _, err := g.number(sqlLastAudit)
	if err != nil {
		return err
	}
	a.last = max(a.last, top)
	for rest := l.audit; len(rest) > 0; {
		seq, n := rest[0].Seq, 0
		for n < len(rest) && rest[n].Seq == seq {
			n++
		}
		if err := g.decideAuditGroup(seq, rest[:n], seq <= top, a); err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}

func (g *group) decideAuditGroup(seq int64, rs []audit.Record, known bool, a *arrival) error {
	if seq < 1 {
		return errRecord
	}
	whole, have := []byte{packed.AuditFormat}, []audit.Record(nil)
	if known {
		var err error
		if whole, have, err = g.auditGroup(seq); err != nil {
			return err
		}
	}
	n := len(have)
	for _, r := range rs {
		entry := packed.Audit(nil, r.Entry)
		switch {
		case r.N < n && r.N >= 0 && r.N < len(have):
			if !bytes.Equal(entry, packed.Audit(nil, have[r.N].Entry)) {
				return &store.Conflict{Key: auditKey(r)}
			}
		case r.N != n:
			return errRecord // one before it is missing, or it comes twice
		default:
			whole = append(whole, entry...)
			n++
		}
	}
	if n == len(have) {
		return nil
	}
	a.last = max(a.last, seq)
	fresh := rs[len(rs)-(n-len(have)):]
	a.add(auditKey(fresh[0]), func(g *group) error { return g.putAudit(seq, whole, fresh) })
	return nil
}

func auditKey(r audit.Record) store.Key {
	return store.Key{Type: "audit", ID: fmt.Sprintf("%d-%d", r.Seq, r.N)}
}

// auditGroup returns the records of a commit, packed and not.
func (c *conn) auditGroup(seq int64) (whole []byte, rs []audit.Record, err error) {
	whole = []byte{packed.AuditFormat}
	err = c.query(sqlAuditFrom, func(row []driver.Value) (err error) {
		if integer(row[0]) != seq {
			return nil
		}
		whole = bytesOf(row[1])
		rs, err = packed.ParseAudit(seq, whole)
		return damaged(err)
	}, seq, 1)
	return whole, rs, err
}

// putAudit writes a commit's records. Their index is made behind, as always; a
// commit that is indexed and now has more is indexed again.
func (g *group) putAudit(seq int64, whole []byte, fresh []audit.Record) error {
	if err := g.exec(sqlPutAudit, seq, whole); err != nil {
		return err
	}
	for _, r := range fresh {
		g.noteAt(slotAudit, r.At.UnixMilli(), seq)
	}
	done, _, err := g.number(sqlMeta, "audited")
	if err != nil || done < seq {
		return err
	}
	return g.exec(sqlSetMeta, seq-1, "audited")
}

func (g *group) decideSmall(r store.Record, a *arrival) error {
	switch {
	case r.Doc != nil:
		return g.decideDoc(*r.Doc, a)
	case r.Claim != nil:
		return g.decideClaim(*r.Claim, a)
	case r.Event != nil:
		return g.decideEvent(*r.Event, a)
	}
	return g.decideBlob(*r.Blob, a)
}

// settle adds what is new, passes over what is equal, and refuses the rest.
func (a *arrival) settle(k store.Key, there, same bool, write func(*group) error) error {
	switch {
	case !there:
		a.add(k, write)
	case !same:
		return &store.Conflict{Key: k}
	}
	return nil
}

func (g *group) decideDoc(d store.Doc, a *arrival) error {
	ds, err := g.docs(sqlDoc, d.Kind, d.ID)
	if err != nil {
		return err
	}
	same := len(ds) > 0 && ds[0].Version == d.Version && bytes.Equal(ds[0].Body, d.Body)
	return a.settle(store.Key{Type: d.Kind, ID: d.ID}, len(ds) > 0, same, func(g *group) error {
		return g.exec(sqlPutDoc, d.Kind, d.ID, d.Version, d.Body)
	})
}

func (g *group) decideClaim(c store.Claim, a *arrival) error {
	there, same := false, false
	err := g.query(sqlAnyClaim, func(row []driver.Value) error {
		there = true
		same = integer(row[0]) == c.Expires.UnixMilli() && bytes.Equal(bytesOf(row[1]), c.Answer)
		return nil
	}, c.Scope, c.Key)
	if err != nil {
		return err
	}
	return a.settle(store.Key{Type: "claim", ID: c.Scope}, there, same, func(g *group) error {
		return g.exec(sqlTakeClaim, c.Scope, c.Key, c.Expires.UnixMilli(), c.Answer)
	})
}

func (g *group) decideEvent(e store.EventRecord, a *arrival) error {
	there, same := false, false
	err := g.query(sqlEvent, func(row []driver.Value) error {
		h := eventRecord(row)
		there = true
		same = h.Topic == e.Topic && h.Partition == e.Partition && h.Attempt == e.Attempt &&
			h.Due.UnixMilli() == e.Due.UnixMilli() && bytes.Equal(h.Payload, e.Payload)
		return nil
	}, e.ID)
	if err != nil {
		return err
	}
	return a.settle(store.Key{Type: e.Topic, ID: e.ID}, there, same, func(g *group) error {
		front, err := g.isFront(e.Event)
		if err != nil {
			return err
		}
		return g.exec(sqlPutEvent, e.ID, e.Topic, e.Partition, e.Payload, e.Due.UnixMilli(), e.Attempt, flag(front))
	})
}

func (g *group) decideBlob(b store.BlobRecord, a *arrival) error {
	r, err := g.blob(b.Hash)
	if err != nil {
		return err
	}
	same := r.typ == b.Type
	if r.b != 0 {
		at, _, err := g.number(sqlBlobTime, r.b)
		if err != nil {
			return err
		}
		have, err := g.refs(r.b)
		if err != nil {
			return err
		}
		refs := slices.Clone(b.Refs)
		slices.SortFunc(refs, compareKeys)
		same = same && at == b.At.UnixMilli() && slices.Equal(have, refs)
	}
	return a.settle(store.Key{Type: "blob", ID: b.Hash}, r.b != 0, same, func(g *group) error {
		return g.putBlob(b.Blob, b.At.UnixMilli())
	})
}
