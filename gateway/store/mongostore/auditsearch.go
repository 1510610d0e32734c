package mongostore

import (
	"context"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"trellis.example/gateway/audit"
	"trellis.example/gateway/store"
)

// AuditSearch returns records newest first. It first indexes what was
// committed and is not indexed yet.
func (s *Store) AuditSearch(ctx context.Context, q store.AuditQuery) ([]audit.Record, bool, error) {
	if err := s.catchUp(ctx); err != nil {
		return nil, false, err
	}
	limit := pageSize(q.Limit)
	var out []audit.Record
	for after := (*auditIndexDoc)(nil); ; {
		rows, err := s.auditCandidates(ctx, q, after)
		if err != nil {
			return nil, false, err
		}
		found, err := s.auditRecords(ctx, q, rows, limit+1-len(out))
		if err != nil {
			return nil, false, err
		}
		if out = append(out, found...); len(out) > limit {
			return out[:limit], true, nil
		}
		if len(rows) < auditBatch {
			return out, false, nil
		}
		after = rows[len(rows)-1]
	}
}

// auditBatch is how many index documents are followed in one go.
const auditBatch = 32

// auditFilter asks for the most telling key first: the server drives the query
// by it.
func auditFilter(q store.AuditQuery, after *auditIndexDoc) bson.D {
	all := bson.A{}
	for _, k := range [][2]string{{"p|", q.Patient}, {"e|", unversioned(q.Entity)}, {"c|", q.Client}, {"a|", string(q.Action)}} {
		if k[1] != "" {
			all = append(all, bson.D{{Key: "k", Value: k[0] + short(k[1])}})
		}
	}
	if !q.From.IsZero() {
		all = append(all, bson.D{{Key: "latest", Value: bson.D{{Key: "$gte", Value: q.From.UnixMilli()}}}})
	}
	if !q.To.IsZero() {
		all = append(all, bson.D{{Key: "earliest", Value: bson.D{{Key: "$lte", Value: q.To.UnixMilli()}}}})
	}
	if q.After != nil {
		all = append(all, bson.D{{Key: "seq", Value: bson.D{{Key: "$lte", Value: q.After.Seq}}}})
	}
	if after != nil {
		all = append(all,
			bson.D{{Key: "seq", Value: bson.D{{Key: "$lte", Value: after.Seq}}}},
			bson.D{{Key: "$nor", Value: bson.A{bson.D{{Key: "seq", Value: after.Seq}, {Key: "first", Value: bson.D{{Key: "$gte", Value: after.First}}}}}}})
	}
	if len(all) == 0 {
		return bson.D{{Key: "seq", Value: bson.D{{Key: "$gt", Value: int64(0)}}}}
	}
	return bson.D{{Key: "$and", Value: all}}
}

func (s *Store) auditCandidates(ctx context.Context, q store.AuditQuery, after *auditIndexDoc) ([]*auditIndexDoc, error) {
	cur, err := s.auditIndex.Find(ctx, auditFilter(q, after), options.Find().
		SetSort(bson.D{{Key: "seq", Value: -1}, {Key: "first", Value: -1}}).
		SetLimit(auditBatch).
		SetProjection(bson.D{{Key: "k", Value: 0}}))
	if err != nil {
		return nil, unavailable(ctx, "searching the audit log", err)
	}
	var rows []*auditIndexDoc
	if err := cur.All(ctx, &rows); err != nil {
		return nil, unavailable(ctx, "searching the audit log", err)
	}
	return rows, nil
}

// auditRecords reads the candidates' records and returns those that meet the
// query, newest first, at most n.
func (s *Store) auditRecords(ctx context.Context, q store.AuditQuery, rows []*auditIndexDoc, n int) ([]audit.Record, error) {
	ids := make([]string, len(rows))
	for i, r := range rows {
		ids[i] = r.ID
	}
	logs := map[string]*logDoc{}
	if err := each(ctx, s.journal, ids, []string{"seq", "first", "audit"}, func(d *logDoc) { logs[d.ID] = d }); err != nil {
		return nil, unavailable(ctx, "reading the audit log", err)
	}
	var out []audit.Record
	for _, id := range ids {
		d := logs[id]
		if d == nil {
			continue
		}
		for i, e := range slices.Backward(d.Audit) {
			r := e.record(d.Seq, d.First+i)
			if len(out) < n && meets(q, &r) {
				out = append(out, r)
			}
		}
	}
	return out, nil
}

func meets(q store.AuditQuery, r *audit.Record) bool {
	switch {
	case q.After != nil && (r.Seq > q.After.Seq || r.Seq == q.After.Seq && r.N >= q.After.N):
		return false
	case q.Client != "" && q.Client != r.Client:
		return false
	case q.Action != "" && q.Action != r.Action:
		return false
	case q.Patient != "" && !slices.Contains(r.Patients, q.Patient):
		return false
	case !q.From.IsZero() && r.At.Before(q.From):
		return false
	case !q.To.IsZero() && !r.At.Before(q.To):
		return false
	}
	return q.Entity == "" || slices.ContainsFunc(r.Entities, func(e string) bool {
		return e == q.Entity || strings.HasPrefix(e, q.Entity+"/_history/")
	})
}
