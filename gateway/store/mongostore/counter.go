package mongostore

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// seq returns the newest commit number.
func (s *Store) seq(ctx context.Context) (int64, error) {
	var c counter
	if err := s.meta.FindOne(ctx, byID("seq")).Decode(&c); err != nil {
		return 0, unavailable(ctx, "reading the counter", err)
	}
	return c.N, nil
}

type counter struct {
	ID string `bson:"_id"`
	N  int64  `bson:"n"`
}

// position returns a number that advance has kept; 0 before the first.
func (s *Store) position(ctx context.Context, name string) (int64, error) {
	var all []counter
	cur, err := s.meta.Find(ctx, byID(name))
	if err == nil {
		err = cur.All(ctx, &all)
	}
	if err != nil {
		return 0, unavailable(ctx, "reading a position", err)
	}
	if len(all) == 0 {
		return 0, nil
	}
	return all[0].N, nil
}

// advance moves a position forward, never back.
func (s *Store) advance(ctx context.Context, name string, n int64) error {
	err := retryPlain(ctx, func() error {
		_, err := s.meta.UpdateOne(ctx, byID(name),
			bson.D{{Key: "$max", Value: bson.D{{Key: "n", Value: n}}}}, options.UpdateOne().SetUpsert(true))
		return err
	})
	if err != nil {
		return unavailable(ctx, "keeping a position", err)
	}
	return nil
}

// release ends a cursor on the server, even when ctx has ended.
func release(ctx context.Context, cur *mongo.Cursor) {
	_ = cur.Close(context.WithoutCancel(ctx))
}
