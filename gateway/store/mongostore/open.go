package mongostore

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/connstring"
)

const (
	defaultDatabase = "trellis"
	// A server that does not answer within this time is unavailable; writes
	// try again until commitPatience is over, which outlasts an election.
	serverPatience = 5 * time.Second
	commitPatience = 30 * time.Second
)

// durable is the write concern of everything this store writes.
func durable() *writeconcern.WriteConcern {
	j := true
	return &writeconcern.WriteConcern{W: "majority", Journal: &j}
}

func connect(uri string, o Options) (*mongo.Client, string, error) {
	cs, err := connstring.ParseAndValidate(uri)
	if err != nil {
		return nil, "", errors.New("the MongoDB URI is not valid; expected mongodb://host:27017/database?replicaSet=name")
	}
	name := cs.Database
	if name == "" {
		name = o.Database
	}
	if name == "" {
		name = defaultDatabase
	}
	opts := options.Client().ApplyURI(uri).
		SetAppName("trellis").
		SetWriteConcern(durable()).
		SetReadConcern(readconcern.Majority()).
		SetReadPreference(readpref.Primary()).
		SetServerSelectionTimeout(serverPatience).
		SetConnectTimeout(serverPatience)
	if o.monitor != nil {
		opts.SetMonitor(o.monitor)
	}
	client, err := mongo.Connect(opts)
	if err != nil {
		return nil, "", errors.New("the MongoDB URI's options do not fit together")
	}
	return client, name, nil
}

// An index is one index of a collection. Those on arrays hold one array each:
// MongoDB cannot index two together.
type index struct {
	coll *mongo.Collection
	name string
	keys bson.D
}

func (s *Store) indexes() []index {
	asc := func(names ...string) (d bson.D) {
		for _, n := range names {
			d = append(d, bson.E{Key: n, Value: 1})
		}
		return d
	}
	newest := func(by string) bson.D {
		return bson.D{{Key: by, Value: 1}, {Key: "from", Value: -1}, {Key: "id", Value: 1}, {Key: "type", Value: 1}}
	}
	return []index{
		{s.versions, "viewers_page", newest("viewers")},
		{s.versions, "viewers_updated", asc("viewers", "updated")},
		{s.versions, "sp_page", newest("sp")},
		{s.versions, "dates_low", asc("dates.p", "dates.low", "dates.high")},
		{s.versions, "dates_high", asc("dates.p", "dates.high", "dates.low")},
		{s.versions, "commits", asc("from")},
		{s.claims, "expires", asc("expires")},
		{s.outbox, "due", asc("topic", "at")},
		{s.outbox, "order", asc("topic", "partition", "seq", "pos")},
		{s.docs, "kind", asc("kind", "id")},
		{s.blobs, "loose", asc("loose", "at")},
		{s.blobs, "upload", asc("upload")},
		{s.chunks, "upload", asc("upload", "n")},
		{s.journal, "order", asc("seq", "first")},
		{s.journal, "empty", asc("empty", "at")},
		{s.auditIndex, "found_by", bson.D{{Key: "k", Value: 1}, {Key: "seq", Value: -1}, {Key: "first", Value: -1}}},
		{s.auditIndex, "newest", bson.D{{Key: "seq", Value: -1}, {Key: "first", Value: -1}}},
		{s.auditIndex, "time", asc("latest")},
	}
}

// createAll creates the collections and indexes that are missing, and the
// counter, which begins at 1: a snapshot of 0 means now. It may run again and again, and beside another gateway's: a
// transaction never has to create anything.
func (s *Store) createAll(ctx context.Context) error {
	for _, group := range groupByCollection(s.indexes()) {
		models := make([]mongo.IndexModel, len(group))
		for i, ix := range group {
			models[i] = mongo.IndexModel{Keys: ix.keys, Options: options.Index().SetName(ix.name)}
		}
		if err := retryPlain(ctx, func() error {
			_, err := group[0].coll.Indexes().CreateMany(ctx, models)
			return err
		}); err != nil {
			return unavailable(ctx, "creating indexes", err)
		}
	}
	return s.createCounter(ctx)
}

// createCounter leaves an existing counter alone: a writer may be holding it.
func (s *Store) createCounter(ctx context.Context) error {
	if n, err := s.position(ctx, "seq"); err != nil || n > 0 {
		return err
	}
	err := retryPlain(ctx, func() error {
		_, err := s.meta.UpdateOne(ctx, byID("seq"),
			bson.D{{Key: "$setOnInsert", Value: bson.D{{Key: "n", Value: int64(1)}}}},
			options.UpdateOne().SetUpsert(true))
		return err
	})
	if err != nil {
		return unavailable(ctx, "creating the counter", err)
	}
	return nil
}

func groupByCollection(all []index) [][]index {
	var out [][]index
	for i, ix := range all {
		if i == 0 || all[i-1].coll.Name() != ix.coll.Name() {
			out = append(out, nil)
		}
		out[len(out)-1] = append(out[len(out)-1], ix)
	}
	return out
}
