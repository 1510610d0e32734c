package mongostore

import (
	"cmp"
	"context"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"trellis.example/gateway/store"
)

// Dump yields everything as of one moment, the commit S, without a transaction
// that would have to last as long as the dump:
//
//   - Versions and audit records are never changed, and each carries its commit:
//     those up to S are read at any time, and a version closed after S counts
//     as current. So with claims and originals, which carry the commit that
//     first named them: what is gone by the time it is read had expired or was
//     held by nothing.
//   - Docs are replaced and events removed, so one short transaction reads S,
//     all docs and all waiting events of the same snapshot. They are few, and
//     held in memory.
//
// What an original is held by may include some that came since.
func (s *Store) Dump(ctx context.Context, yield func(store.Record) error) error {
	m, err := s.moment(ctx)
	if err != nil {
		return err
	}
	for _, step := range []func(context.Context, int64, func(store.Record) error) error{
		m.dump, s.dumpClaims, s.dumpBlobs, s.dumpVersions, s.dumpAudit,
	} {
		if err := step(ctx, m.mark.Seq, yield); err != nil {
			return err
		}
	}
	return nil
}

// A moment is a commit and what can only be read at it.
type moment struct {
	mark   store.Mark
	docs   []*docDoc
	events []*eventDoc
}

func (s *Store) moment(ctx context.Context) (*moment, error) {
	t := transactor{s: s}
	defer t.end()
	for n := 0; ; n++ {
		m := &moment{mark: store.Mark{At: s.now().UTC().Truncate(time.Millisecond)}}
		// Committing it proves that nothing read will be rolled back.
		err := t.within(ctx, func(ctx context.Context) error { return m.read(ctx, s) })
		if err == nil {
			return m, nil
		}
		if n == keepTries || !t.again(err) || !pause(ctx, n) {
			return nil, unavailable(ctx, "reading at one moment", err)
		}
	}
}

// keepTries is how often a transaction of the care of the data is tried.
const keepTries = 20

func (m *moment) read(ctx context.Context, s *Store) error {
	var c counter
	if err := s.meta.FindOne(ctx, byID("seq")).Decode(&c); err != nil {
		return err
	}
	m.mark.Seq = c.N
	// A probe leaves documents without a kind.
	cur, err := s.docs.Find(ctx, bson.D{{Key: "kind", Value: bson.D{{Key: "$exists", Value: true}}}})
	if err != nil {
		return err
	}
	if err := cur.All(ctx, &m.docs); err != nil {
		return err
	}
	if cur, err = s.outbox.Find(ctx, bson.D{}); err != nil {
		return err
	}
	if err := cur.All(ctx, &m.events); err != nil {
		return err
	}
	slices.SortFunc(m.events, func(a, b *eventDoc) int { return cmp.Or(cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.Pos, b.Pos)) })
	return nil
}

func (m *moment) dump(_ context.Context, _ int64, yield func(store.Record) error) error {
	if err := yield(store.Record{Mark: &m.mark}); err != nil {
		return err
	}
	for _, d := range m.docs {
		doc := d.doc()
		if err := yield(store.Record{Doc: &doc}); err != nil {
			return err
		}
	}
	for _, d := range m.events {
		e := d.record()
		if err := yield(store.Record{Event: &e}); err != nil {
			return err
		}
	}
	return nil
}

// record is the event without its lease; one that waits for its retry is due
// then.
func (d *eventDoc) record() store.EventRecord {
	e := store.EventRecord{Event: d.lease().Event, Attempt: d.Attempt}
	if d.Token == "" {
		e.Due = time.UnixMilli(d.At).UTC()
	}
	return e
}

// upTo finds what the commits up to seq have named, and what is from before
// commits were noted.
func upTo(seq int64) bson.D {
	return bson.D{{Key: "seq", Value: bson.D{{Key: "$not", Value: bson.D{{Key: "$gt", Value: seq}}}}}}
}

func (s *Store) dumpClaims(ctx context.Context, seq int64, yield func(store.Record) error) error {
	now := s.now()
	cur, err := s.claims.Find(ctx, upTo(seq))
	_, err = drain(ctx, cur, err, func(some []*claimDoc) error {
		for _, d := range some {
			if d.expired(now) {
				continue
			}
			c := d.claim()
			if err := yield(store.Record{Claim: &c}); err != nil {
				return err
			}
		}
		return nil
	})
	return err
}

func (s *Store) dumpBlobs(ctx context.Context, seq int64, yield func(store.Record) error) error {
	cur, err := s.blobs.Find(ctx, upTo(seq))
	_, err = drain(ctx, cur, err, func(some []*blobDoc) error {
		for _, d := range some {
			b, err := s.original(ctx, d)
			if err != nil {
				return err
			}
			r := &store.BlobRecord{Blob: b, At: time.UnixMilli(d.At).UTC()}
			if err := yield(store.Record{Blob: r}); err != nil {
				return err
			}
		}
		return nil
	})
	return err
}

func (s *Store) dumpVersions(ctx context.Context, seq int64, yield func(store.Record) error) error {
	return windows(seq, func(above, upTo int64) (int, error) {
		cur, err := s.versions.Find(ctx, between("from", above, upTo), inOrder("from").SetProjection(withoutEntries()))
		return drain(ctx, cur, err, func(some []*versionDoc) error {
			if err := s.accessAt(ctx, some, seq); err != nil {
				return err
			}
			for _, d := range some {
				r := &store.VersionRecord{Version: d.version(), Until: d.until(seq)}
				if err := yield(store.Record{Version: r}); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// until returns the commit that had closed the version at seq; 0 for none.
func (d *versionDoc) until(seq int64) int64 {
	if d.To > seq {
		return 0
	}
	return d.To
}

// accessAt gives versions closed by then the access that their key had at seq:
// that of the version current at it.
func (s *Store) accessAt(ctx context.Context, rows []*versionDoc, seq int64) error {
	closed := map[store.Key][]*versionDoc{}
	var terms []string
	for _, d := range rows {
		if d.To > seq {
			continue
		}
		k := d.key()
		if len(closed[k]) == 0 {
			terms = append(terms, idTerm(k), goneTerm(k))
		}
		closed[k] = append(closed[k], d)
	}
	if len(closed) == 0 {
		return nil
	}
	now, err := s.read(ctx, mongo.Pipeline{
		stage("$match", bson.D{{Key: "sp", Value: in(terms)}, {Key: "to", Value: int64(open)}, {Key: "from", Value: bson.D{{Key: "$lte", Value: seq}}}}),
		stage("$project", bson.D{{Key: "type", Value: 1}, {Key: "id", Value: 1}, {Key: "access", Value: 1}}),
	})
	if err != nil {
		return err
	}
	for _, d := range now {
		for _, old := range closed[d.key()] {
			old.Access = d.Access
		}
		delete(closed, d.key())
	}
	return s.accessOfWritten(ctx, closed, seq)
}

// accessOfWritten looks up keys that have been written since seq.
func (s *Store) accessOfWritten(ctx context.Context, closed map[store.Key][]*versionDoc, seq int64) error {
	for k, olds := range closed {
		rows, err := s.read(ctx, mongo.Pipeline{
			stage("$match", allOf(versionsOf(k, 0), bson.D{
				{Key: "from", Value: bson.D{{Key: "$lte", Value: seq}}}, {Key: "to", Value: bson.D{{Key: "$gt", Value: seq}}}})),
			stage("$project", bson.D{{Key: "access", Value: 1}}),
		})
		if err != nil {
			return err
		}
		for _, d := range rows {
			for _, old := range olds {
				old.Access = d.Access
			}
		}
	}
	return nil
}

func (s *Store) dumpAudit(ctx context.Context, seq int64, yield func(store.Record) error) error {
	return windows(seq, func(above, upTo int64) (int, error) {
		return s.readLog(ctx, above, upTo, func(d *logDoc) error {
			for i := range d.Audit {
				r := d.Audit[i].record(d.Seq, d.First+i)
				if err := yield(store.Record{Audit: &r}); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// readLog reads the log's documents of a range of commits, in order.
func (s *Store) readLog(ctx context.Context, above, upTo int64, do func(*logDoc) error) (int, error) {
	cur, err := s.journal.Find(ctx, between("seq", above, upTo),
		options.Find().SetSort(bson.D{{Key: "seq", Value: 1}, {Key: "first", Value: 1}}).SetProjection(bson.D{{Key: "closed", Value: 0}}))
	return drain(ctx, cur, err, func(some []*logDoc) error {
		for _, d := range some {
			if err := do(d); err != nil {
				return err
			}
		}
		return nil
	})
}
