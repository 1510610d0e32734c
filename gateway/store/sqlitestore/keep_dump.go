package sqlitestore

import (
	"context"
	"database/sql/driver"
	"time"

	"trellis.example/gateway/store"
	"trellis.example/gateway/store/sqlitestore/packed"
)

// Dump implements store.Keeper. It reads in one transaction, a row at a time;
// while it lasts the log cannot be cut, and so grows by what is written
// meanwhile.
func (s *Store) Dump(ctx context.Context, yield func(store.Record) error) error {
	return s.snapshot(ctx, func(c *conn) error {
		d := &dump{conn: c, yield: func(r store.Record) error {
			if err := s.goesOn(ctx); err != nil {
				return err
			}
			return yield(r)
		}}
		return d.run(s.now())
	})
}

// goesOn returns why work that takes long must end: its caller has left, or the
// store is being closed.
func (s *Store) goesOn(ctx context.Context) error {
	select {
	case <-s.stop:
		return errClosed
	default:
		return ctx.Err()
	}
}

// A dump is one moment of a store on its way out.
type dump struct {
	*conn
	yield func(store.Record) error
}

func (d *dump) run(now time.Time) error {
	seq, _, err := d.number(sqlMeta, "seq")
	if err != nil {
		return err
	}
	mark := store.Mark{Seq: seq, At: time.UnixMilli(now.UnixMilli()).UTC()}
	if err := d.yield(store.Record{Mark: &mark}); err != nil {
		return err
	}
	for _, step := range []struct {
		sql  string
		from any
		each func(row []driver.Value) error
	}{
		{sqlAllVersions, 0, d.version},
		{sqlAllAudit, 0, d.audit},
		{sqlAllDocs, "", d.doc},
		{sqlAllClaims, "", d.claim},
		{sqlAllEvents, 0, d.event},
		{sqlAllBlobs, 0, d.blobRecord},
	} {
		if err := d.query(step.sql, step.each, step.from); err != nil {
			return err
		}
	}
	return nil
}

func (d *dump) version(row []driver.Value) error {
	access, err := packed.ParseAccess(bytesOf(row[7]))
	if err != nil {
		return damaged(err)
	}
	k := store.Key{Type: text(row[1]), ID: text(row[2])}
	v := store.VersionRecord{Version: makeVersion(k, row[0], row[3], row[4], row[5], row[6]), Until: integer(row[8])}
	v.Access = access
	return d.yield(store.Record{Version: &v})
}

func (d *dump) audit(row []driver.Value) error {
	rs, err := packed.ParseAudit(integer(row[0]), bytesOf(row[1]))
	if err != nil {
		return damaged(err)
	}
	for i := range rs {
		if err := d.yield(store.Record{Audit: &rs[i]}); err != nil {
			return err
		}
	}
	return nil
}

func (d *dump) doc(row []driver.Value) error {
	return d.yield(store.Record{Doc: &store.Doc{
		Kind: text(row[0]), ID: text(row[1]), Version: int(integer(row[2])), Body: bytesOf(row[3]),
	}})
}

func (d *dump) claim(row []driver.Value) error {
	return d.yield(store.Record{Claim: &store.Claim{
		Scope: text(row[0]), Key: text(row[1]), Expires: time.UnixMilli(integer(row[2])).UTC(), Answer: bytesOf(row[3]),
	}})
}

func (d *dump) event(row []driver.Value) error {
	e := eventRecord(row)
	return d.yield(store.Record{Event: &e})
}

// eventRecord reads the columns of sqlAllEvents.
func eventRecord(row []driver.Value) store.EventRecord {
	return store.EventRecord{Attempt: int(integer(row[5])), Event: store.Event{
		ID: text(row[0]), Topic: text(row[1]), Partition: text(row[2]),
		Payload: bytesOf(row[3]), Due: time.UnixMilli(integer(row[4])).UTC(),
	}}
}

func (d *dump) blobRecord(row []driver.Value) (err error) {
	b := store.BlobRecord{At: time.UnixMilli(integer(row[4])).UTC()}
	b.Blob, err = d.original(text(row[1]), blobRow{integer(row[0]), text(row[2]), integer(row[3])})
	if err != nil {
		return err
	}
	return d.yield(store.Record{Blob: &b})
}
