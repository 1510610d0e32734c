package mongostore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"trellis.example/auth"
	"trellis.example/gateway/store"
	"trellis.example/gateway/store/mongostore/mongotest"
)

// fill stores tasks of one party in large commits.
func fill(t testing.TB, s *Store, party string, n int) {
	t.Helper()
	for from := 0; from < n; from += 200 {
		var c store.Commit
		for i := from; i < min(n, from+200); i++ {
			one := commitOf(fmt.Sprintf("%s-%d", party, i))
			w := one.Writes[0]
			w.Access = auth.NewAccess(party)
			w.Updated = time.UnixMilli(int64(1000 * i))
			w.Index[3].Low, w.Index[3].High = int64(i), int64(i)
			c.Writes = append(c.Writes, w)
		}
		mustCommit(t, s, c)
	}
}

// A plan is what a server says of a query it ran.
type plan struct {
	stages, indexes []string
	// keys and docs are the most that any stage examined; -1 when not told.
	keys, docs int64
}

func (p *plan) read(v any) {
	switch v := v.(type) {
	case bson.D:
		for _, e := range v {
			switch e.Key {
			case "stage":
				p.stages = append(p.stages, fmt.Sprint(e.Value))
			case "indexName":
				p.indexes = append(p.indexes, fmt.Sprint(e.Value))
			case "totalKeysExamined", "keysExamined":
				p.keys = max(p.keys, number(e.Value))
			case "totalDocsExamined", "docsExamined":
				p.docs = max(p.docs, number(e.Value))
			case "command", "rejectedPlans", "allPlansExecution", "serverInfo":
				continue
			}
			p.read(e.Value)
		}
	case bson.A:
		for _, x := range v {
			p.read(x)
		}
	}
}

func number(v any) int64 {
	switch n := v.(type) {
	case int32:
		return int64(n)
	case int64:
		return n
	case float64:
		return int64(n)
	}
	return -1
}

func explain(ctx context.Context, s *Store, p mongo.Pipeline) (plan, error) {
	var r bson.D
	err := s.db.RunCommand(ctx, bson.D{
		{Key: "explain", Value: bson.D{{Key: "aggregate", Value: "versions"}, {Key: "pipeline", Value: p}, {Key: "cursor", Value: bson.D{}}}},
		{Key: "verbosity", Value: "executionStats"},
	}).Decode(&r)
	out := plan{keys: -1, docs: -1}
	out.read(r)
	return out, err
}

// TestSearchUsesIndexes asks the server how it answers each kind of query over
// a store where one party has much and another little: none is a scan, and the
// party that has little pays for little.
func TestSearchUsesIndexes(t *testing.T) {
	uri := mongotest.Database(t, mongotest.URI(t, "that searches use indexes"))
	s := openTest(t, uri, Options{})
	const many, few = 4000, 10
	fill(t, s, "many", many)
	fill(t, s, "few", few)
	seq, err := s.seq(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	date := func(op string, at int64) store.Clause {
		return store.Clause{Param: "authored", Kind: store.Date, Any: []store.Match{{Op: op, Low: at, High: at}}}
	}
	updated := store.Clause{Param: "_lastUpdated", Kind: store.Date, Any: []store.Match{{Op: "le", Low: 5000, High: 5000}}}
	tests := []struct {
		name  string
		view  auth.View
		index string
		most  int64 // candidates that may be looked at
		where []store.Clause
	}{
		{"type", narrow("few"), "viewers_newest", few, nil},
		{"status", narrow("few"), "sp_newest", few, []store.Clause{tokenClause("status", "s", "active", true)}},
		{"identifier", narrow("few"), "sp_newest", 1, []store.Clause{tokenClause("identifier", "s", "few-3", false)}},
		{"patient", narrow("few"), "sp_newest", 1, []store.Clause{{Param: "patient", Kind: store.Reference, Any: []store.Match{{Value: "Patient/few-3"}}}}},
		{"patient and status", narrow("few"), "sp_newest", 1, []store.Clause{
			tokenClause("status", "s", "active", true), {Param: "patient", Kind: store.Reference, Any: []store.Match{{Value: "Patient/few-3"}}}}},
		{"date", auth.SystemView(), "dates", 16, []store.Clause{date("eq", 7)}},
		{"date from the end", auth.SystemView(), "dates", 8, []store.Clause{date("gt", many-4)}},
		{"date from the beginning", auth.SystemView(), "dates", 8, []store.Clause{date("lt", 4)}},
		{"last updated", narrow("few"), "viewers_updated", 6, []store.Clause{updated}},
		{"id", narrow("few"), "sp_newest", 1, []store.Clause{{Param: "_id", Kind: store.Token, Any: []store.Match{{Value: "few-3"}}}}},
		{"two ids", narrow("few"), "sp_newest", 2, []store.Clause{{Param: "_id", Kind: store.Token, Any: []store.Match{{Value: "few-3"}, {Value: "few-4"}}}}},
		{"status of everyone, one page", auth.SystemView(), "sp_newest", 11, []store.Clause{tokenClause("status", "s", "active", true)}},
	}
	ordered := indexGivesOrder(t, s)
	for _, tt := range tests {
		x := newSearch(s, store.Query{View: tt.view, Type: "Task", Limit: 10, Where: tt.where}, seq)
		d := x.drivers[0]
		p, err := explain(t.Context(), s, x.pipeline(d, x.rest(0, d), nil))
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		t.Logf("%s: %s by %s, keys %d, docs %d", tt.name, strings.Join(p.stages, "<"), p.indexes, p.keys, p.docs)
		for _, stage := range p.stages {
			if stage == "COLLSCAN" {
				t.Errorf("%s: the collection is scanned", tt.name)
			}
		}
		for _, ix := range p.indexes {
			if !strings.HasPrefix(ix, tt.index) {
				t.Errorf("%s: by index %s, want %s", tt.name, ix, tt.index)
			}
		}
		if tt.view.All() && d.rank.inOrder() && !ordered {
			t.Logf("%s: this server sorts all candidates, because its indexes give no order. Unproven here: that a page stops early", tt.name)
			continue
		}
		// A few more keys than candidates are the ends of ranges.
		if p.docs > tt.most || p.keys > 2*tt.most+8 {
			t.Errorf("%s: examined %d keys and %d documents for at most %d candidates", tt.name, p.keys, p.docs, tt.most)
		}
	}
	tooCostly(t, s)
}

// indexGivesOrder reports whether the server can read an index in order and
// stop.
func indexGivesOrder(t *testing.T, s *Store) bool {
	p, err := explain(t.Context(), s, mongo.Pipeline{
		{{Key: "$match", Value: bson.D{{Key: "sp", Value: "*|Task|status|token|active"}}}},
		{{Key: "$sort", Value: bson.D{{Key: "from", Value: -1}, {Key: "id", Value: 1}}}},
		{{Key: "$limit", Value: 3}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return !strings.Contains(strings.Join(p.stages, " "), "SORT")
}

// tooCostly checks that a query is refused when every way to it has more
// candidates than may be examined.
func tooCostly(t *testing.T, s *Store) {
	t.Helper()
	x := newSearch(s, store.Query{View: auth.SystemView(), Type: "Task", Limit: 10,
		Where: []store.Clause{tokenClause("status", "other", "active", true)}}, 1<<40)
	if rows, err := x.rows(t.Context(), nil); err != nil || len(rows) != 0 {
		t.Errorf("below the limit: %d rows, %v", len(rows), err)
	}
	fill(t, s, "most", maxExamined)
	if _, err := x.rows(t.Context(), nil); !errors.Is(err, store.ErrTooCostly) {
		t.Errorf("above the limit: %v, want ErrTooCostly", err)
	}
}
