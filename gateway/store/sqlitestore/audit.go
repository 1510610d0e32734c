package sqlitestore

import (
	"context"
	"database/sql/driver"
	"slices"
	"strings"
	"time"

	"trellis.example/gateway/audit"
	"trellis.example/gateway/store"
	"trellis.example/gateway/store/sqlitestore/packed"
)

// How many groups of audit entries one step indexes, for which commits wait a
// few milliseconds, and how often there are steps, between which commits go on.
// Each step is a commit to disk, so there are few.
const (
	indexBatch = 64
	indexEvery = 200 * time.Millisecond
)

// AuditEntries implements store.Store.
func (s *Store) AuditEntries(ctx context.Context, after store.AuditPosition, limit int) (rs []audit.Record, err error) {
	limit = min(max(limit, 1), 10_000)
	err = s.read(ctx, func(c *conn) error {
		for from := after.Seq; len(rs) < limit; {
			groups, err := c.auditGroups(sqlAuditFrom, from, 1+limit/8)
			if err != nil || len(groups) == 0 {
				return err
			}
			for _, g := range groups {
				for _, r := range g {
					if r.Seq > after.Seq || r.Seq == after.Seq && r.N > after.N || after == (store.AuditPosition{}) {
						rs = append(rs, r)
					}
				}
				from = g[0].Seq + 1
			}
		}
		return nil
	})
	return rs[:min(limit, len(rs))], err
}

// auditGroups returns the records of the groups that a query yields, which are
// never empty.
func (c *conn) auditGroups(sql string, args ...any) (groups [][]audit.Record, err error) {
	err = c.query(sql, func(row []driver.Value) error {
		rs, err := packed.ParseAudit(integer(row[0]), bytesOf(row[1]))
		if err == nil && len(rs) == 0 {
			err = packed.ErrDamaged
		}
		groups = append(groups, rs)
		return damaged(err)
	}, args...)
	return groups, err
}

// The terms of the audit index name what a record can be found by.
func entityTerm(e string) int64       { return int64(hash64("entity", baseEntity(e))) }
func patientTerm(p string) int64      { return int64(hash64("patient", p)) }
func clientTerm(c string) int64       { return int64(hash64("client", c)) }
func actionTerm(a audit.Action) int64 { return int64(hash64("action", string(a))) }

// baseEntity returns the key of an entity that may be one of its versions.
func baseEntity(e string) string {
	base, _, _ := strings.Cut(e, "/_history/")
	return base
}

func auditTerms(rs []audit.Record) []int64 {
	var ts []int64
	for _, r := range rs {
		ts = append(ts, clientTerm(r.Client), actionTerm(r.Action))
		for _, e := range r.Entities {
			ts = append(ts, entityTerm(e))
		}
		for _, p := range r.Patients {
			ts = append(ts, patientTerm(p))
		}
	}
	slices.Sort(ts)
	return slices.Compact(ts)
}

// indexBehind indexes audit entries a while after their commits, so that those
// who wait for a commit do not wait for its index.
func (s *Store) indexBehind() {
	defer close(s.stopped)
	tick := time.NewTicker(indexEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-tick.C:
		}
		if !s.unindexed.Swap(false) {
			continue
		}
		if more, err := s.indexSteps(); more || err != nil {
			s.unindexed.Store(true)
		}
	}
}

// indexSteps indexes until nothing is left or the store is closed. A failure is
// met again by the search that needs the index.
func (s *Store) indexSteps() (more bool, err error) {
	for more = true; more && err == nil; {
		select {
		case <-s.stop:
			return true, nil
		default:
			more, err = s.indexStep(context.Background())
		}
	}
	return more, err
}

// indexStep indexes the next groups of audit entries and reports whether there
// may be more.
func (s *Store) indexStep(ctx context.Context) (more bool, err error) {
	var left bool
	err = s.submit(ctx, &job{run: func(g *group) error {
		done, _, err := g.number(sqlMeta, "audited")
		if err != nil {
			return err
		}
		groups, err := g.auditGroups(sqlAuditFrom, done+1, indexBatch)
		if err != nil || len(groups) == 0 {
			left = false
			return err
		}
		var rows []posRow
		for _, rs := range groups {
			done = rs[0].Seq
			for _, t := range auditTerms(rs) {
				rows = append(rows, posRow{t, done})
			}
		}
		g.changed = true
		left = len(groups) == indexBatch
		if err := g.insertExact(sqlNewTerm, sqlNewTerms, rows); err != nil {
			return err
		}
		return g.exec(sqlSetMeta, done, "audited")
	}})
	if err != nil {
		return false, err
	}
	return left, nil
}

// catchUp indexes whatever has been committed.
func (s *Store) catchUp(ctx context.Context) error {
	for {
		var behind bool
		err := s.snapshot(ctx, func(c *conn) error {
			done, _, err := c.number(sqlMeta, "audited")
			if err != nil {
				return err
			}
			groups, err := c.auditGroups(sqlAuditFrom, done+1, 1)
			behind = len(groups) > 0
			return err
		})
		if err != nil || !behind {
			return err
		}
		if _, err := s.indexStep(ctx); err != nil {
			return err
		}
	}
}

// AuditSearch implements store.Store.
func (s *Store) AuditSearch(ctx context.Context, q store.AuditQuery) (rs []audit.Record, more bool, err error) {
	limit := min(max(q.Limit, 1), 1000)
	terms := queryTerms(q)
	if len(terms) > 0 {
		if err := s.catchUp(ctx); err != nil {
			return nil, false, err
		}
	}
	err = s.snapshot(ctx, func(c *conn) error {
		rs, err = c.searchAudit(ctx, q, terms, limit+1)
		return err
	})
	if err != nil {
		return nil, false, err
	}
	if len(rs) > limit {
		return rs[:limit], true, nil
	}
	return rs, false, nil
}

// queryTerms returns the terms of a query, the most selective first.
func queryTerms(q store.AuditQuery) (ts []int64) {
	if q.Entity != "" {
		ts = append(ts, entityTerm(q.Entity))
	}
	if q.Patient != "" {
		ts = append(ts, patientTerm(q.Patient))
	}
	if q.Client != "" {
		ts = append(ts, clientTerm(q.Client))
	}
	if q.Action != "" {
		ts = append(ts, actionTerm(q.Action))
	}
	return ts
}

// searchAudit goes back through the groups that hold the first term, or all.
func (c *conn) searchAudit(ctx context.Context, q store.AuditQuery, terms []int64, limit int) (rs []audit.Record, err error) {
	first, last, err := c.seqRange(slotAudit, auditRange(q))
	if err != nil {
		return nil, err
	}
	if q.After != nil {
		last = min(last, q.After.Seq)
	}
	const batch = 64
	for first <= last && len(rs) < limit {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		sql, args := sqlAuditBack, []any{first, last, batch}
		if len(terms) > 0 {
			sql, args = sqlAuditByTerm, append([]any{terms[0]}, args...)
		}
		groups, err := c.auditGroups(sql, args...)
		if err != nil {
			return nil, err
		}
		for _, g := range groups {
			rs = appendMatching(rs, g, q)
			last = g[0].Seq - 1
		}
		if len(groups) < batch {
			break
		}
	}
	return rs[:min(limit, len(rs))], nil
}

func auditRange(q store.AuditQuery) timeRange {
	r := anyTime
	if !q.From.IsZero() {
		r.low = q.From.UnixMilli()
	}
	if !q.To.IsZero() {
		r.high = q.To.UnixMilli()
	}
	return r
}

// appendMatching appends the records of a group that match, newest first.
func appendMatching(rs, group []audit.Record, q store.AuditQuery) []audit.Record {
	for _, r := range slices.Backward(group) {
		if a := q.After; a != nil && (r.Seq > a.Seq || r.Seq == a.Seq && r.N >= a.N) {
			continue
		}
		if matchesAudit(r, q) {
			rs = append(rs, r)
		}
	}
	return rs
}

func matchesAudit(r audit.Record, q store.AuditQuery) bool {
	return (q.Entity == "" || slices.ContainsFunc(r.Entities, func(e string) bool { return e == q.Entity || baseEntity(e) == q.Entity })) &&
		(q.Patient == "" || slices.Contains(r.Patients, q.Patient)) &&
		(q.Client == "" || r.Client == q.Client) &&
		(q.Action == "" || r.Action == q.Action) &&
		(q.From.IsZero() || !r.At.Before(q.From)) &&
		(q.To.IsZero() || r.At.Before(q.To))
}
