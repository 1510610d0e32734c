package mongostore

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"trellis.example/gateway/store"
)

// A claimDoc is a claim as it lies in `claims`. An expired one stays until it
// is swept or taken anew, and counts as absent.
type claimDoc struct {
	ID      string `bson:"_id"`
	Scope   string `bson:"scope"`
	Key     string `bson:"key"`
	Expires int64  `bson:"expires"`
	Answer  []byte `bson:"answer,omitempty"`
	// Seq is the commit that took it.
	Seq int64 `bson:"seq,omitempty"`
}

func newClaimDoc(c *store.Claim, seq int64) *claimDoc {
	return &claimDoc{
		ID: claimID(c.Scope, c.Key), Scope: c.Scope, Key: c.Key,
		Expires: c.Expires.UnixMilli(), Answer: c.Answer, Seq: seq,
	}
}

func (d *claimDoc) expired(now time.Time) bool { return d.Expires <= now.UnixMilli() }

func (d *claimDoc) claim() store.Claim {
	return store.Claim{Scope: d.Scope, Key: d.Key, Expires: time.UnixMilli(d.Expires).UTC(), Answer: d.Answer}
}

// Claimed returns the claim that holds the name, unless it has expired.
func (s *Store) Claimed(ctx context.Context, scope, key string) (store.Claim, bool, error) {
	var d claimDoc
	err := s.claims.FindOne(ctx, byID(claimID(scope, key))).Decode(&d)
	switch {
	case errors.Is(err, mongo.ErrNoDocuments):
		return store.Claim{}, false, nil
	case err != nil:
		return store.Claim{}, false, unavailable(ctx, "reading a claim", err)
	case d.expired(s.now()):
		return store.Claim{}, false, nil
	}
	return d.claim(), true, nil
}

// A docDoc is a Doc as it lies in `docs`.
type docDoc struct {
	ID      string `bson:"_id"`
	Kind    string `bson:"kind"`
	Name    string `bson:"id"`
	Version int    `bson:"version"`
	Body    []byte `bson:"body,omitempty"`
}

func (d *docDoc) doc() store.Doc {
	return store.Doc{Kind: d.Kind, ID: d.Name, Version: d.Version, Body: d.Body}
}

func docWrite(w *store.DocWrite) mongo.WriteModel {
	id := docID(w.Kind, w.ID)
	if w.Delete {
		return mongo.NewDeleteOneModel().SetFilter(byID(id))
	}
	return replace(id, &docDoc{ID: id, Kind: w.Kind, Name: w.ID, Version: w.Expect + 1, Body: w.Body})
}

// Doc returns a doc.
func (s *Store) Doc(ctx context.Context, kind, id string) (store.Doc, error) {
	var d docDoc
	err := s.docs.FindOne(ctx, byID(docID(kind, id))).Decode(&d)
	switch {
	case errors.Is(err, mongo.ErrNoDocuments):
		return store.Doc{}, store.ErrNotFound
	case err != nil:
		return store.Doc{}, unavailable(ctx, "reading a doc", err)
	}
	return d.doc(), nil
}

// Docs returns all docs of the kind by id.
func (s *Store) Docs(ctx context.Context, kind string) ([]store.Doc, error) {
	cur, err := s.docs.Find(ctx, bson.D{{Key: "kind", Value: kind}}, options.Find().SetSort(bson.D{{Key: "id", Value: 1}}))
	if err != nil {
		return nil, unavailable(ctx, "listing docs", err)
	}
	var rows []docDoc
	if err := cur.All(ctx, &rows); err != nil {
		return nil, unavailable(ctx, "listing docs", err)
	}
	out := make([]store.Doc, len(rows))
	for i := range rows {
		out[i] = rows[i].doc()
	}
	return out, nil
}
