package mongostore

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"trellis.example/gateway/store"
)

// An eventDoc is an event as it lies in `outbox`, from its commit until it is
// done. Seq and Pos are its place among all events.
type eventDoc struct {
	ID        string `bson:"_id"`
	Topic     string `bson:"topic"`
	Partition string `bson:"partition"`
	Seq       int64  `bson:"seq"`
	Pos       int    `bson:"pos"`
	Due       int64  `bson:"due"`
	// At is when it may next be taken: due, retried, or its lease run out.
	At      int64  `bson:"at"`
	Attempt int    `bson:"attempt"`
	Token   string `bson:"token"`
	Payload []byte `bson:"payload,omitempty"`
}

func newEventDoc(e *store.Event, seq int64, pos int) *eventDoc {
	return &eventDoc{
		ID: e.ID, Topic: e.Topic, Partition: e.Partition, Seq: seq, Pos: pos,
		Due: e.Due.UnixMilli(), At: e.Due.UnixMilli(), Payload: e.Payload,
	}
}

func (d *eventDoc) lease() store.Lease {
	return store.Lease{
		Event: store.Event{ID: d.ID, Topic: d.Topic, Partition: d.Partition, Payload: d.Payload,
			Due: time.UnixMilli(d.Due).UTC()},
		Attempt: d.Attempt, Until: time.UnixMilli(d.At).UTC(), Token: d.Token,
	}
}

// leaseBatch is how many candidates are looked at in one go.
const leaseBatch = 256

// LeaseEvents hands out at most n due events of the topic, in the order of
// their commits. Of a partition only the oldest event can be had: none older
// ever appears, because commit numbers become visible in order.
func (s *Store) LeaseEvents(ctx context.Context, topic string, n int, d time.Duration) ([]store.Lease, error) {
	now := s.now()
	var out []store.Lease
	judged := map[string]bool{} // partitions this call has dealt with
	for after := (&eventDoc{Seq: -1}); len(out) < n; {
		rows, err := s.dueEvents(ctx, topic, now, after)
		if err != nil {
			return out, err
		}
		for _, r := range rows {
			if len(out) == n || judged[r.Partition] {
				continue
			}
			judged[r.Partition] = r.Partition != ""
			l, ok, err := s.lease(ctx, r, now, d)
			if err != nil {
				return out, err
			}
			if ok {
				out = append(out, l)
			}
		}
		if len(rows) < leaseBatch {
			break
		}
		after = rows[len(rows)-1]
	}
	return out, nil
}

// dueEvents returns the events that may be taken, by their commits, after the
// given one.
func (s *Store) dueEvents(ctx context.Context, topic string, now time.Time, after *eventDoc) ([]*eventDoc, error) {
	filter := bson.D{
		{Key: "topic", Value: topic},
		{Key: "at", Value: bson.D{{Key: "$lte", Value: now.UnixMilli()}}},
		{Key: "seq", Value: bson.D{{Key: "$gte", Value: after.Seq}}},
		{Key: "$nor", Value: bson.A{bson.D{{Key: "seq", Value: after.Seq}, {Key: "pos", Value: bson.D{{Key: "$lte", Value: after.Pos}}}}}},
	}
	cur, err := s.outbox.Find(ctx, filter, options.Find().
		SetSort(bson.D{{Key: "seq", Value: 1}, {Key: "pos", Value: 1}}).
		SetLimit(leaseBatch).
		SetHint("due").
		SetProjection(bson.D{{Key: "partition", Value: 1}, {Key: "topic", Value: 1}, {Key: "seq", Value: 1}, {Key: "pos", Value: 1}}))
	if err != nil {
		return nil, unavailable(ctx, "looking for due events", err)
	}
	var rows []*eventDoc
	if err := cur.All(ctx, &rows); err != nil {
		return nil, unavailable(ctx, "looking for due events", err)
	}
	return rows, nil
}

// lease takes one event, unless an older one of its partition is still there
// or somebody else was quicker.
func (s *Store) lease(ctx context.Context, r *eventDoc, now time.Time, d time.Duration) (store.Lease, bool, error) {
	if first, err := s.isFirst(ctx, r); err != nil || !first {
		return store.Lease{}, false, err
	}
	var got eventDoc
	err := retryPlain(ctx, func() error {
		return s.outbox.FindOneAndUpdate(ctx,
			bson.D{{Key: "_id", Value: r.ID}, {Key: "at", Value: bson.D{{Key: "$lte", Value: now.UnixMilli()}}}},
			bson.D{
				{Key: "$set", Value: bson.D{{Key: "at", Value: now.Add(d).UnixMilli()}, {Key: "token", Value: rand.Text()}}},
				{Key: "$inc", Value: bson.D{{Key: "attempt", Value: 1}}},
			},
			options.FindOneAndUpdate().SetReturnDocument(options.After)).Decode(&got)
	})
	switch {
	case errors.Is(err, mongo.ErrNoDocuments):
		return store.Lease{}, false, nil
	case err != nil:
		return store.Lease{}, false, unavailable(ctx, "leasing an event", err)
	}
	return got.lease(), true, nil
}

func (s *Store) isFirst(ctx context.Context, r *eventDoc) (bool, error) {
	if r.Partition == "" {
		return true, nil
	}
	var first eventDoc
	err := s.outbox.FindOne(ctx,
		bson.D{{Key: "topic", Value: r.Topic}, {Key: "partition", Value: r.Partition}},
		options.FindOne().
			SetSort(bson.D{{Key: "seq", Value: 1}, {Key: "pos", Value: 1}}).
			SetProjection(bson.D{{Key: "_id", Value: 1}})).Decode(&first)
	if err != nil && !errors.Is(err, mongo.ErrNoDocuments) {
		return false, unavailable(ctx, "looking for the oldest event", err)
	}
	return first.ID == r.ID, nil
}

// held finds an event under its lease.
func held(l store.Lease) bson.D {
	return bson.D{{Key: "_id", Value: l.ID}, {Key: "token", Value: l.Token}}
}

// DoneEvent removes a leased event.
func (s *Store) DoneEvent(ctx context.Context, l store.Lease) error {
	if l.Token == "" {
		return store.ErrNotFound
	}
	var n int64
	err := retryPlain(ctx, func() error {
		r, err := s.outbox.DeleteOne(ctx, held(l))
		if err == nil {
			n = r.DeletedCount
		}
		return err
	})
	return outcomeOf(ctx, "removing an event", n, err)
}

// RetryEvent gives a leased event back, due at t.
func (s *Store) RetryEvent(ctx context.Context, l store.Lease, t time.Time) error {
	if l.Token == "" {
		return store.ErrNotFound
	}
	var n int64
	err := retryPlain(ctx, func() error {
		r, err := s.outbox.UpdateOne(ctx, held(l),
			bson.D{{Key: "$set", Value: bson.D{{Key: "at", Value: t.UnixMilli()}, {Key: "token", Value: ""}}}})
		if err == nil {
			n = r.MatchedCount
		}
		return err
	})
	return outcomeOf(ctx, "giving an event back", n, err)
}

func outcomeOf(ctx context.Context, doing string, matched int64, err error) error {
	switch {
	case err != nil:
		return unavailable(ctx, doing, err)
	case matched == 0:
		return store.ErrNotFound
	}
	return nil
}
