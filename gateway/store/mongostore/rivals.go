package mongostore

import (
	"context"
	"crypto/rand"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// A gateway that dies in the middle of a transaction leaves it open on the
// server, which ends it only after a minute; until then it holds the counter
// and nobody can commit. So each writer notes its server session and keeps a
// beat beside it, and whoever finds the counter held while a beat has stopped
// ends that session. Ending the session of a writer that was only slow costs
// it nothing but another attempt.
const (
	beatEvery   = time.Second
	beatStopped = 4 * time.Second
	writerNote  = "writer/"
)

type writerDoc struct {
	ID      string   `bson:"_id"`
	N       int64    `bson:"n"`
	Session bson.Raw `bson:"session"`
}

// keepBeat notes the writer's session and beats until ctx ends.
func (s *Store) keepBeat(ctx context.Context, session bson.Raw) {
	id := writerNote + rand.Text()
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for {
		// A beat that fails is made up for by the next.
		_, _ = s.meta.UpdateOne(ctx, byID(id), bson.D{
			{Key: "$inc", Value: bson.D{{Key: "n", Value: int64(1)}}},
			{Key: "$set", Value: bson.D{{Key: "at", Value: s.now().UnixMilli()}}},
			{Key: "$setOnInsert", Value: bson.D{{Key: "session", Value: session}}},
		}, options.UpdateOne().SetUpsert(true))
		select {
		case <-tick.C:
		case <-ctx.Done():
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			_, _ = s.meta.DeleteOne(ctx, byID(id))
			return
		}
	}
}

// rivals are the beats of all writers as they were when a commit first had to
// wait.
type rivals struct {
	since time.Time
	beats map[string]int64
}

// wait is told each time that the counter was held. The zero rivals notes the
// beats; once they are old enough it ends the sessions of those that stopped.
func (r *rivals) wait(ctx context.Context, s *Store) {
	if r.beats != nil && time.Since(r.since) < beatStopped {
		return
	}
	now, err := s.beats(ctx)
	if err != nil {
		return // the commit's own attempts say so
	}
	for id, d := range now {
		if n, ok := r.beats[id]; ok && n == d.N {
			s.endSession(ctx, d)
		}
	}
	r.since, r.beats = time.Now(), map[string]int64{}
	for id, d := range now {
		r.beats[id] = d.N
	}
}

func (s *Store) beats(ctx context.Context) (map[string]writerDoc, error) {
	cur, err := s.meta.Find(ctx, bson.D{{Key: "_id", Value: bson.D{
		{Key: "$gte", Value: writerNote}, {Key: "$lt", Value: writerNote + endOfText}}}})
	if err != nil {
		return nil, err
	}
	var all []writerDoc
	if err := cur.All(ctx, &all); err != nil {
		return nil, err
	}
	out := make(map[string]writerDoc, len(all))
	for _, d := range all {
		out[d.ID] = d
	}
	return out, nil
}

// sweepBeats removes the notes of writers that have long been gone.
func (s *Store) sweepBeats(ctx context.Context, now time.Time) error {
	_, err := s.meta.DeleteMany(ctx, bson.D{
		{Key: "_id", Value: bson.D{{Key: "$gte", Value: writerNote}, {Key: "$lt", Value: writerNote + endOfText}}},
		{Key: "at", Value: bson.D{{Key: "$lte", Value: now.Add(-looseKept).UnixMilli()}}}})
	return err
}

// endSession aborts what the session has open. Not every server knows the
// first command; the second ends transactions too where the first is unknown.
func (s *Store) endSession(ctx context.Context, d writerDoc) {
	for _, command := range []string{"killSessions", "endSessions"} {
		if s.db.RunCommand(ctx, bson.D{{Key: command, Value: bson.A{d.Session}}}).Err() == nil {
			break
		}
	}
	_, _ = s.meta.DeleteOne(ctx, byID(d.ID))
}
