package mongostore

import (
	"context"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
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
	defer release(ctx, cur)
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
