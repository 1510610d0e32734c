package mongostore

import (
	"context"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"trellis.example/gateway/store"
)

// How long things stay that nothing needs any more.
const (
	closedShown = 15 * time.Minute
	looseKept   = 24 * time.Hour
)

// Sweep removes what has had its time. It may be cut short and run again, and
// run in several gateways at once.
func (s *Store) Sweep(ctx context.Context, now time.Time) error {
	for _, step := range []struct {
		what string
		do   func(context.Context, time.Time) error
	}{
		{"sweeping claims", s.sweepClaims}, {"sweeping index entries", s.sweepEntries},
		{"sweeping originals", s.sweepBlobs}, {"sweeping uploads", s.sweepUploads},
		{"sweeping the log", s.sweepLog}, {"sweeping beats", s.sweepBeats},
	} {
		if err := step.do(ctx, now); err != nil {
			return unavailable(ctx, step.what, err)
		}
	}
	return nil
}

func (s *Store) sweepClaims(ctx context.Context, now time.Time) error {
	_, err := s.claims.DeleteMany(ctx, bson.D{{Key: "expires", Value: bson.D{{Key: "$lte", Value: now.UnixMilli()}}}})
	return err
}

// sweepEntries walks the log from where it last came to, and strips the
// versions that commits older than closedShown have closed. The horizon moves
// first: who finds entries missing must find the reason there.
func (s *Store) sweepEntries(ctx context.Context, now time.Time) error {
	from, err := s.position(ctx, "stripped")
	for more := true; err == nil && more; {
		from, more, err = s.sweepSome(ctx, from, now.Add(-closedShown))
	}
	return err
}

// sweepSome strips what the commits after from have closed, as far as they are
// older than cutoff, and returns how far it came.
func (s *Store) sweepSome(ctx context.Context, from int64, cutoff time.Time) (int64, bool, error) {
	const some = 200
	cur, err := s.journal.Find(ctx, bson.D{{Key: "seq", Value: bson.D{{Key: "$gt", Value: from}}}},
		options.Find().SetSort(bson.D{{Key: "seq", Value: 1}, {Key: "first", Value: 1}}).SetLimit(some).
			SetProjection(bson.D{{Key: "seq", Value: 1}, {Key: "at", Value: 1}, {Key: "closed", Value: 1}}))
	if err != nil {
		return from, false, err
	}
	var rows []logDoc
	if err := cur.All(ctx, &rows); err != nil {
		return from, false, err
	}
	var closed []string
	horizon, reached, more := int64(0), from, len(rows) == some
	for _, r := range rows {
		if r.At > cutoff.UnixMilli() {
			more = false
			break
		}
		if reached = r.Seq; len(r.Closed) > 0 {
			closed, horizon = append(closed, r.Closed...), r.Seq
		}
	}
	if err := s.strip(ctx, closed, horizon); err != nil || reached == from {
		return from, false, err
	}
	return reached, more, s.advance(ctx, "stripped", reached)
}

func (s *Store) strip(ctx context.Context, closed []string, horizon int64) error {
	if len(closed) == 0 {
		return nil
	}
	if err := s.advance(ctx, "horizon", horizon); err != nil {
		return err
	}
	past := bson.D{{Key: "$concat", Value: bson.A{"$$this", pastMark}}}
	entries := bson.A{"sp", "exact", "dates", "entries"}
	// A version that has its terms has not been stripped before. The viewers of
	// a deletion are of the past already.
	for _, step := range []struct {
		deleted bool
		update  any
	}{
		{false, bson.A{
			stage("$set", bson.D{{Key: "viewers", Value: bson.D{{Key: "$map", Value: bson.D{{Key: "input", Value: "$viewers"}, {Key: "in", Value: past}}}}}}),
			stage("$unset", entries)}},
		{true, bson.A{stage("$unset", entries)}},
	} {
		_, err := s.versions.UpdateMany(ctx, bson.D{{Key: "_id", Value: in(closed)},
			{Key: "deleted", Value: step.deleted}, {Key: "sp", Value: bson.D{{Key: "$exists", Value: true}}}}, step.update)
		if err != nil {
			return err
		}
	}
	return nil
}

// sweepBlobs removes originals that no resource has held for a day. One that
// is stored again meanwhile has a new time and stays.
func (s *Store) sweepBlobs(ctx context.Context, now time.Time) error {
	old := bson.E{Key: "at", Value: bson.D{{Key: "$lte", Value: now.Add(-looseKept).UnixMilli()}}}
	cur, err := s.blobs.Find(ctx, bson.D{{Key: "loose", Value: true}, old},
		options.Find().SetProjection(bson.D{{Key: "refs", Value: 1}, {Key: "upload", Value: 1}}))
	if err != nil {
		return err
	}
	var rows []blobDoc
	if err := cur.All(ctx, &rows); err != nil {
		return err
	}
	for i := range rows {
		d := &rows[i]
		same := bson.D{{Key: "_id", Value: d.ID}, {Key: "loose", Value: true}, old}
		isHeld, err := s.heldBlob(ctx, d)
		if err == nil && isHeld {
			_, err = s.blobs.UpdateOne(ctx, same, bson.D{{Key: "$set", Value: bson.D{{Key: "loose", Value: false}}}})
		} else if err == nil {
			err = s.dropBlob(ctx, d, same, now)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// heldBlob reports whether a resource exists, or ever existed, that refers to
// the original.
func (s *Store) heldBlob(ctx context.Context, d *blobDoc) (bool, error) {
	var firsts []string
	for _, r := range d.Refs {
		firsts = append(firsts, versionID(store.Key{Type: r.Type, ID: r.ID}, 1))
	}
	found := false
	err := each(ctx, s.versions, firsts, []string{"_id"}, func(*versionDoc) { found = true })
	return found, err
}

func (s *Store) dropBlob(ctx context.Context, d *blobDoc, same bson.D, now time.Time) error {
	if d.Upload != "" {
		_, err := s.meta.UpdateOne(ctx, byID(uploadNote+d.Upload),
			bson.D{{Key: "$set", Value: bson.D{{Key: "at", Value: now.Add(-looseKept).UnixMilli()}}}},
			options.UpdateOne().SetUpsert(true))
		if err != nil {
			return err
		}
	}
	_, err := s.blobs.DeleteOne(ctx, same)
	return err
}

// sweepUploads removes the chunks of uploads that no original has: their
// process ended half-way, or the original has been swept.
func (s *Store) sweepUploads(ctx context.Context, now time.Time) error {
	cur, err := s.meta.Find(ctx, bson.D{
		{Key: "_id", Value: bson.D{{Key: "$gte", Value: uploadNote}, {Key: "$lt", Value: uploadNote + endOfText}}},
		{Key: "at", Value: bson.D{{Key: "$lte", Value: now.Add(-looseKept).UnixMilli()}}},
	})
	if err != nil {
		return err
	}
	var notes []counter
	if err := cur.All(ctx, &notes); err != nil {
		return err
	}
	for _, note := range notes {
		if err := s.sweepUpload(ctx, strings.TrimPrefix(note.ID, uploadNote)); err != nil {
			return err
		}
		if _, err := s.meta.DeleteOne(ctx, byID(note.ID)); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) sweepUpload(ctx context.Context, id string) error {
	used, err := s.blobs.CountDocuments(ctx, bson.D{{Key: "upload", Value: id}}, options.Count().SetLimit(1))
	if err != nil || used > 0 {
		return err
	}
	_, err = s.chunks.DeleteMany(ctx, bson.D{{Key: "upload", Value: id}})
	return err
}

// sweepLog removes the log's documents that record nothing.
func (s *Store) sweepLog(ctx context.Context, now time.Time) error {
	_, err := s.journal.DeleteMany(ctx, bson.D{
		{Key: "empty", Value: true}, {Key: "at", Value: bson.D{{Key: "$lte", Value: now.Add(-looseKept).UnixMilli()}}}})
	return err
}
