package mongostore

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"trellis.example/gateway/audit"
	"trellis.example/gateway/store"
)

// A logDoc is one group commit, or a part of its audit records when there are
// more than packSize. Its `_id` is the transaction's token: it is what tells
// whether a transaction was applied.
type logDoc struct {
	ID    string `bson:"_id"`
	Seq   int64  `bson:"seq,omitempty"`
	First int    `bson:"first"`
	At    int64  `bson:"at"`
	// Closed are the versions this commit replaced: their entries are removed
	// 15 minutes later.
	Closed []string   `bson:"closed,omitempty"`
	Audit  []entryDoc `bson:"audit,omitempty"`
	// Empty marks a document without audit records; it goes after a day.
	Empty bool `bson:"empty,omitempty"`
	// Fence: not a commit, but what keeps a lost one from being applied.
	Fence bool `bson:"fence,omitempty"`
}

type entryDoc struct {
	At          int64    `bson:"at"`
	Action      string   `bson:"action,omitempty"`
	Interaction string   `bson:"interaction,omitempty"`
	Outcome     string   `bson:"outcome,omitempty"`
	Client      string   `bson:"client,omitempty"`
	Party       string   `bson:"party,omitempty"`
	Role        string   `bson:"role,omitempty"`
	Address     string   `bson:"address,omitempty"`
	RequestID   string   `bson:"request,omitempty"`
	Entities    []string `bson:"entities,omitempty"`
	Patients    []string `bson:"patients,omitempty"`
	Count       int      `bson:"count,omitempty"`
}

// packSize is how many audit records one document holds.
const packSize = 1000

func newEntryDoc(e *audit.Entry) entryDoc {
	return entryDoc{
		At: e.At.UnixMilli(), Action: string(e.Action), Interaction: e.Interaction, Outcome: e.Outcome,
		Client: e.Client, Party: e.Party, Role: e.Role, Address: e.Address, RequestID: e.RequestID,
		Entities: e.Entities, Patients: e.Patients, Count: e.Count,
	}
}

func (d *entryDoc) record(seq int64, n int) audit.Record {
	return audit.Record{Seq: seq, N: n, Entry: audit.Entry{
		At: time.UnixMilli(d.At).UTC(), Action: audit.Action(d.Action), Interaction: d.Interaction, Outcome: d.Outcome,
		Client: d.Client, Party: d.Party, Role: d.Role, Address: d.Address, RequestID: d.RequestID,
		Entities: d.Entities, Patients: d.Patients, Count: d.Count,
	}}
}

// logDocs packs what the group leaves in the log.
func (b *batch) logDocs() []any {
	first := &logDoc{ID: b.token, Seq: b.seq, At: b.s.now().UnixMilli(), Closed: b.closing, Empty: len(b.entries) == 0}
	docs, last := []any{first}, first
	for i := range b.entries {
		if i > 0 && i%packSize == 0 {
			last = &logDoc{ID: fmt.Sprintf("%s/%d", b.token, i), Seq: b.seq, First: i, At: first.At}
			docs = append(docs, last)
		}
		last.Audit = append(last.Audit, newEntryDoc(&b.entries[i]))
	}
	return docs
}

// AuditEntries returns records in commit order after the position.
func (s *Store) AuditEntries(ctx context.Context, after store.AuditPosition, limit int) ([]audit.Record, error) {
	cur, err := s.journal.Find(ctx,
		bson.D{{Key: "seq", Value: bson.D{{Key: "$gte", Value: max(after.Seq, 1)}}}},
		options.Find().SetSort(bson.D{{Key: "seq", Value: 1}, {Key: "first", Value: 1}}).SetBatchSize(64).
			SetProjection(bson.D{{Key: "closed", Value: 0}}))
	if err != nil {
		return nil, unavailable(ctx, "reading the audit log", err)
	}
	defer cur.Close(context.WithoutCancel(ctx))
	var out []audit.Record
	for len(out) < limit && cur.Next(ctx) {
		var d logDoc
		if err := cur.Decode(&d); err != nil {
			return nil, unavailable(ctx, "reading the audit log", err)
		}
		for i := range d.Audit {
			if n := d.First + i; len(out) < limit && (d.Seq > after.Seq || n > after.N) {
				out = append(out, d.Audit[i].record(d.Seq, n))
			}
		}
	}
	if err := cur.Err(); err != nil {
		return nil, unavailable(ctx, "reading the audit log", err)
	}
	return out, nil
}

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
	defer cur.Close(context.WithoutCancel(ctx))
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
