package mongostore

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// An auditIndexDoc is what one logDoc's records are found by, written behind
// the commit.
type auditIndexDoc struct {
	ID       string   `bson:"_id"`
	Seq      int64    `bson:"seq"`
	First    int      `bson:"first"`
	Keys     []string `bson:"k"`
	Earliest int64    `bson:"earliest"`
	Latest   int64    `bson:"latest"`
}

func newAuditIndex(d *logDoc) *auditIndexDoc {
	ix := &auditIndexDoc{ID: d.ID, Seq: d.Seq, First: d.First, Earliest: d.Audit[0].At, Latest: d.Audit[0].At}
	seen := map[string]bool{}
	add := func(kind, v string) {
		if k := kind + short(v); v != "" && !seen[k] {
			seen[k], ix.Keys = true, append(ix.Keys, k)
		}
	}
	for i := range d.Audit {
		e := &d.Audit[i]
		ix.Earliest, ix.Latest = min(ix.Earliest, e.At), max(ix.Latest, e.At)
		add("a|", e.Action)
		add("c|", e.Client)
		for _, k := range e.Entities {
			add("e|", unversioned(k))
		}
		for _, k := range e.Patients {
			add("p|", k)
		}
	}
	return ix
}

func unversioned(entity string) string {
	key, _, _ := strings.Cut(entity, "/_history/")
	return key
}

// wantIndex asks for the audit index to follow.
func (s *Store) wantIndex(group []*pending) {
	if slices.ContainsFunc(group, func(p *pending) bool { return len(p.Audit) > 0 }) {
		s.askForIndex()
	}
}

// indexBehind follows the commits at a distance, so that their load is spread;
// a search that is quicker catches up itself.
func (s *Store) indexBehind(ctx context.Context) {
	const distance = 200 * time.Millisecond
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.indexWanted:
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(distance):
		}
		if err := s.catchUp(ctx); err != nil && ctx.Err() == nil {
			s.log.LogAttrs(ctx, slog.LevelWarn, "audit index is behind", slog.String("error", err.Error()))
			s.askForIndex()
		}
	}
}

func (s *Store) askForIndex() {
	select {
	case s.indexWanted <- struct{}{}:
	default:
	}
}

// catchUp brings the audit index to the newest commit. It may run in several
// gateways at once: each index document has the id of what it indexes.
func (s *Store) catchUp(ctx context.Context) error {
	s.indexing.Lock()
	defer s.indexing.Unlock()
	to, err := s.seq(ctx)
	if err != nil {
		return err
	}
	from, err := s.position(ctx, "auditindex")
	if err != nil {
		return err
	}
	for from < to {
		if from, err = s.indexSome(ctx, from, to); err != nil {
			return err
		}
	}
	return nil
}

// indexSome indexes what follows from, and returns how far it came.
func (s *Store) indexSome(ctx context.Context, from, to int64) (int64, error) {
	const some = 200
	cur, err := s.journal.Find(ctx,
		bson.D{{Key: "seq", Value: bson.D{{Key: "$gt", Value: from}, {Key: "$lte", Value: to}}}},
		options.Find().SetSort(bson.D{{Key: "seq", Value: 1}, {Key: "first", Value: 1}}).SetLimit(some).
			SetProjection(bson.D{{Key: "closed", Value: 0}}))
	if err != nil {
		return from, unavailable(ctx, "indexing the audit log", err)
	}
	var rows []logDoc
	if err := cur.All(ctx, &rows); err != nil {
		return from, unavailable(ctx, "indexing the audit log", err)
	}
	var docs []any
	for i := range rows {
		if len(rows[i].Audit) > 0 {
			docs = append(docs, newAuditIndex(&rows[i]))
		}
	}
	if err := s.insertIndex(ctx, docs); err != nil {
		return from, unavailable(ctx, "indexing the audit log", err)
	}
	done := to
	if len(rows) == some {
		// The last commit may have further parts beyond this batch.
		done = max(from, rows[some-1].Seq-1)
		if done == from {
			return s.indexLarge(ctx, rows[some-1].Seq)
		}
	}
	return done, s.advance(ctx, "auditindex", done)
}

// indexLarge indexes one commit of more parts than a batch holds.
func (s *Store) indexLarge(ctx context.Context, seq int64) (int64, error) {
	cur, err := s.journal.Find(ctx, bson.D{{Key: "seq", Value: seq}})
	if err != nil {
		return seq - 1, unavailable(ctx, "indexing the audit log", err)
	}
	defer release(ctx, cur)
	for cur.Next(ctx) {
		var d logDoc
		if err := cur.Decode(&d); err != nil {
			return seq - 1, unavailable(ctx, "indexing the audit log", err)
		}
		if err := s.insertIndex(ctx, []any{newAuditIndex(&d)}); err != nil {
			return seq - 1, unavailable(ctx, "indexing the audit log", err)
		}
	}
	if err := cur.Err(); err != nil {
		return seq - 1, unavailable(ctx, "indexing the audit log", err)
	}
	return seq, s.advance(ctx, "auditindex", seq)
}

func (s *Store) insertIndex(ctx context.Context, docs []any) error {
	if len(docs) == 0 {
		return nil
	}
	_, err := s.auditIndex.InsertMany(ctx, docs, options.InsertMany().SetOrdered(false))
	if mongo.IsDuplicateKeyError(err) {
		return nil // another gateway was there
	}
	return err
}
