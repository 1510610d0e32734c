package mongostore

import (
	"context"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"trellis.example/gateway/audit"
	"trellis.example/gateway/store"
)

// A groupCommit is one attempt at one transaction for several commits. Those
// that lose are answered with the rest: what made them lose is read inside the
// transaction, and committing it proves that it will not be rolled back.
type groupCommit struct {
	s       *Store
	commits []*pending
	token   string
	seq     int64
	verdict []error // by commit; nil: it is applied
	present present
}

// answer tells each caller what became of its commit.
func (g *groupCommit) answer() {
	for i, p := range g.commits {
		out := outcome{seq: g.seq, err: g.verdict[i]}
		if out.err != nil {
			out.seq = 0
		}
		p.done <- out
	}
}

// write does everything inside the transaction. The counter comes first: it
// is what no two transactions can take together, so whatever is read after it
// includes every commit with a smaller number.
func (g *groupCommit) write(ctx context.Context) error {
	seq, err := g.s.nextSeq(ctx)
	if err != nil {
		return err
	}
	g.seq = seq
	if err := g.present.read(ctx, g.s, g.commits); err != nil {
		return err
	}
	g.verdict = make([]error, len(g.commits))
	b := batch{s: g.s, seq: seq, token: g.token}
	for i, p := range g.commits {
		verdict, err := g.decide(ctx, p)
		if err != nil {
			return err
		}
		if verdict == nil {
			verdict = b.add(p, &g.present)
		}
		g.verdict[i] = verdict
	}
	return b.write(ctx)
}

func (s *Store) nextSeq(ctx context.Context) (int64, error) {
	var c counter
	err := s.meta.FindOneAndUpdate(ctx, byID("seq"),
		bson.D{{Key: "$inc", Value: bson.D{{Key: "n", Value: int64(1)}}}},
		options.FindOneAndUpdate().SetReturnDocument(options.After)).Decode(&c)
	return c.N, err
}

// decide says whether a commit may be applied: its claims first, then its
// writes in order, its events, its docs. The second error ends the attempt.
func (g *groupCommit) decide(ctx context.Context, p *pending) (verdict, err error) {
	for i := range p.Claims {
		if held, ok := g.present.claims[claimID(p.Claims[i].Scope, p.Claims[i].Key)]; ok && !held.expired(g.s.now()) {
			return &store.Taken{Claim: held.claim()}, nil
		}
	}
	for i := range p.Writes {
		if verdict, err := g.decideWrite(ctx, &p.Writes[i]); verdict != nil || err != nil {
			return verdict, err
		}
	}
	for i := range p.Events {
		if e := &p.Events[i]; g.present.events[e.ID] {
			return &store.Conflict{Key: store.Key{Type: e.Topic, ID: e.ID}}, nil
		}
	}
	for i := range p.Docs {
		d := &p.Docs[i]
		if now := g.present.docs[docID(d.Kind, d.ID)]; now != d.Expect {
			return &store.Conflict{Key: store.Key{Type: d.Kind, ID: d.ID}, Current: now}, nil
		}
	}
	for i := range p.Originals {
		if b := &p.Originals[i]; b.Data == nil && !g.present.blobs[b.Hash] && !p.brings(b.Hash) {
			return store.ErrNotFound, nil
		}
	}
	return nil, nil
}

func (g *groupCommit) decideWrite(ctx context.Context, w *store.Write) (verdict, err error) {
	d := g.present.versions[versionID(w.Key, max(w.Expect, 1))]
	if w.Expect == 0 && d == nil {
		return nil, nil
	}
	won := w.Expect > 0 && d != nil && d.To == open
	if !won {
		if d, err = g.s.current(ctx, w.Key); errors.Is(err, store.ErrNotFound) {
			return store.ErrNotFound, nil
		} else if err != nil {
			return nil, err
		}
	}
	access := d.Access.access()
	sees := w.View.Sees(w.Key.Type, access)
	switch {
	case w.Expect == 0 && !sees:
		return &store.Conflict{Key: w.Key}, nil
	case w.Expect == 0:
		return &store.Conflict{Key: w.Key, Current: d.Number}, nil
	case !sees:
		return store.ErrNotFound, nil
	case !w.View.Changes(w.Key.Type, access):
		return store.ErrForbidden, nil
	case !won:
		return &store.Conflict{Key: w.Key, Current: d.Number}, nil
	}
	return nil, nil
}

// present is what the transaction found under the names of its commits.
type present struct {
	versions map[string]*versionDoc // by the id of the version expected
	claims   map[string]*claimDoc
	events   map[string]bool
	docs     map[string]int // versions
	blobs    map[string]bool
}

func (n *present) read(ctx context.Context, s *Store, commits []*pending) error {
	var versions, claims, events, docs, blobs []string
	for _, p := range commits {
		for i := range p.Writes {
			versions = append(versions, versionID(p.Writes[i].Key, max(p.Writes[i].Expect, 1)))
		}
		for i := range p.Claims {
			claims = append(claims, claimID(p.Claims[i].Scope, p.Claims[i].Key))
		}
		for i := range p.Events {
			events = append(events, p.Events[i].ID)
		}
		for i := range p.Docs {
			docs = append(docs, docID(p.Docs[i].Kind, p.Docs[i].ID))
		}
		for i := range p.Originals {
			if p.Originals[i].Data == nil {
				blobs = append(blobs, p.Originals[i].Hash)
			}
		}
	}
	n.versions, n.claims = map[string]*versionDoc{}, map[string]*claimDoc{}
	n.events, n.docs, n.blobs = map[string]bool{}, map[string]int{}, map[string]bool{}
	return errors.Join(
		each(ctx, s.versions, versions, []string{"to", "access", "n"}, func(d *versionDoc) { n.versions[d.ID] = d }),
		each(ctx, s.claims, claims, nil, func(d *claimDoc) { n.claims[d.ID] = d }),
		each(ctx, s.outbox, events, []string{"_id"}, func(d *eventDoc) { n.events[d.ID] = true }),
		each(ctx, s.docs, docs, []string{"version"}, func(d *docDoc) { n.docs[d.ID] = d.Version }),
		each(ctx, s.blobs, blobs, []string{"_id"}, func(d *blobDoc) { n.blobs[d.ID] = true }),
	)
}

// each reads the documents of the ids; the fields only, unless there are none.
func each[T any](ctx context.Context, c *mongo.Collection, ids, fields []string, do func(*T)) error {
	if len(ids) == 0 {
		return nil
	}
	o := options.Find()
	if fields != nil {
		only := bson.D{}
		for _, f := range fields {
			only = append(only, bson.E{Key: f, Value: 1})
		}
		o.SetProjection(only)
	}
	cur, err := c.Find(ctx, bson.D{{Key: "_id", Value: in(ids)}}, o)
	if err != nil {
		return err
	}
	var rows []*T
	if err := cur.All(ctx, &rows); err != nil {
		return err
	}
	for _, r := range rows {
		do(r)
	}
	return nil
}

// A batch is what one transaction writes.
type batch struct {
	s     *Store
	seq   int64
	token string

	closing             []string // ids of the versions that end
	versions            []any
	claims, docs, blobs []mongo.WriteModel
	events              []any
	entries             []audit.Entry
}

// add takes a commit up, or refuses it when a document would be too large.
func (b *batch) add(p *pending, now *present) error {
	if err := b.addWrites(p, now); err != nil {
		return err
	}
	for i := range p.Claims {
		d := newClaimDoc(&p.Claims[i], b.seq)
		b.claims = append(b.claims, replace(d.ID, d))
	}
	for i := range p.Events {
		b.events = append(b.events, newEventDoc(&p.Events[i], b.seq, len(b.events)))
	}
	for i := range p.Docs {
		b.docs = append(b.docs, docWrite(&p.Docs[i]))
	}
	b.blobs = append(b.blobs, p.blobWrites(b.s.now(), b.seq)...)
	b.entries = append(b.entries, p.Audit...)
	return nil
}

func (b *batch) addWrites(p *pending, now *present) error {
	var closing []string
	var versions []any
	for i := range p.Writes {
		w := &p.Writes[i]
		access := newAccessDoc(w.Access)
		if w.Expect > 0 {
			old := now.versions[versionID(w.Key, w.Expect)]
			closing = append(closing, old.ID)
			if isZero(w.Access) {
				access = old.Access
			}
		}
		d := newVersion(w, b.seq, access)
		if d.size() > maxDocument {
			return store.ErrTooLarge
		}
		versions = append(versions, d)
	}
	b.closing, b.versions = append(b.closing, closing...), append(b.versions, versions...)
	return nil
}

func replace(id string, doc any) mongo.WriteModel {
	return mongo.NewReplaceOneModel().SetFilter(byID(id)).SetReplacement(doc).SetUpsert(true)
}

func (b *batch) write(ctx context.Context) error {
	steps := []func(context.Context) error{
		b.closeVersions,
		func(ctx context.Context) error { return insert(ctx, b.s.versions, b.versions) },
		func(ctx context.Context) error { return write(ctx, b.s.claims, b.claims) },
		func(ctx context.Context) error { return insert(ctx, b.s.outbox, b.events) },
		func(ctx context.Context) error { return write(ctx, b.s.docs, b.docs) },
		b.writeBlobs,
		func(ctx context.Context) error { return insert(ctx, b.s.journal, b.logDocs()) },
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (b *batch) closeVersions(ctx context.Context) error {
	if len(b.closing) == 0 {
		return nil
	}
	r, err := b.s.versions.UpdateMany(ctx,
		bson.D{{Key: "_id", Value: in(b.closing)}, {Key: "to", Value: int64(open)}},
		bson.D{{Key: "$set", Value: bson.D{{Key: "to", Value: b.seq}}}})
	if err == nil && r.ModifiedCount != int64(len(b.closing)) {
		return fmt.Errorf("%w: a version was closed by another", errUnsettled)
	}
	return err
}

func insert(ctx context.Context, c *mongo.Collection, docs []any) error {
	if len(docs) == 0 {
		return nil
	}
	_, err := c.InsertMany(ctx, docs)
	return err
}

func write(ctx context.Context, c *mongo.Collection, models []mongo.WriteModel) error {
	if len(models) == 0 {
		return nil
	}
	_, err := c.BulkWrite(ctx, models)
	return err
}
