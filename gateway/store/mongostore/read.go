package mongostore

import (
	"context"
	"errors"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"trellis.example/auth"
	"trellis.example/gateway/store"
)

// versionsOf finds the versions of a key, only those before number unless
// that is 0.
func versionsOf(k store.Key, before int) bson.D {
	end := keyPrefix(k) + ":" // ':' follows '9'
	if before > 0 {
		end = versionID(k, before)
	}
	return bson.D{{Key: "_id", Value: bson.D{{Key: "$gt", Value: keyPrefix(k)}, {Key: "$lt", Value: end}}}}
}

// visible returns the newest version of a key that the view sees; any other
// key is ErrNotFound.
func (s *Store) visible(ctx context.Context, v auth.View, k store.Key) (*versionDoc, error) {
	if !v.SeesType(k.Type) || !utf8.ValidString(k.ID) {
		return nil, store.ErrNotFound
	}
	d, err := s.current(ctx, k)
	if err != nil {
		return nil, err
	}
	if !v.Sees(k.Type, d.Access.access()) {
		return nil, store.ErrNotFound
	}
	return d, nil
}

// Read returns the newest version.
func (s *Store) Read(ctx context.Context, v auth.View, k store.Key) (store.Version, error) {
	d, err := s.visible(ctx, v, k)
	if err != nil {
		return store.Version{}, err
	}
	return d.version(), nil
}

// ReadVersion returns one version, under today's access.
func (s *Store) ReadVersion(ctx context.Context, v auth.View, k store.Key, number int) (store.Version, error) {
	now, err := s.visible(ctx, v, k)
	if err != nil {
		return store.Version{}, err
	}
	if now.Number == number {
		return now.version(), nil
	}
	if number < 1 || number > now.Number {
		return store.Version{}, store.ErrNotFound
	}
	d := new(versionDoc)
	err = s.versions.FindOne(ctx, byID(versionID(k, number)), options.FindOne().SetProjection(withoutEntries())).Decode(d)
	switch {
	case errors.Is(err, mongo.ErrNoDocuments):
		return store.Version{}, store.ErrNotFound
	case err != nil:
		return store.Version{}, unavailable(ctx, "reading a version", err)
	}
	d.Access = now.Access
	return d.version(), nil
}

// withoutEntries leaves out what only the indexes need.
func withoutEntries() bson.D {
	return bson.D{{Key: "viewers", Value: 0}, {Key: "sp", Value: 0}, {Key: "exact", Value: 0}, {Key: "dates", Value: 0},
		{Key: "entries", Value: 0}}
}

// current returns the newest version of a key, or ErrNotFound.
func (s *Store) current(ctx context.Context, k store.Key) (*versionDoc, error) {
	d := new(versionDoc)
	err := s.versions.FindOne(ctx, versionsOf(k, 0),
		options.FindOne().SetSort(bson.D{{Key: "_id", Value: -1}}).SetProjection(withoutEntries())).Decode(d)
	switch {
	case errors.Is(err, mongo.ErrNoDocuments):
		return nil, store.ErrNotFound
	case err != nil:
		return nil, unavailable(ctx, "reading", err)
	}
	return d, nil
}
