package mongostore

import (
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"trellis.example/gateway/store"
	"trellis.example/gateway/store/mongostore/mongotest"
)

// firstLayout lays the database out as the first release did: no number, no
// entries, dates under one name, other indexes, nothing to find the past by.
func firstLayout(t *testing.T, s *Store) {
	t.Helper()
	access := bson.D{{Key: "owner", Value: "a"}, {Key: "parties", Value: bson.A{"a"}}}
	version := func(id string, n, from, to int64, deleted bool, more ...bson.E) bson.D {
		return append(bson.D{
			{Key: "_id", Value: versionID(store.Key{Type: "Task", ID: id}, int(n))}, {Key: "type", Value: "Task"}, {Key: "id", Value: id},
			{Key: "n", Value: n}, {Key: "from", Value: from}, {Key: "to", Value: to}, {Key: "updated", Value: 1000 * from},
			{Key: "deleted", Value: deleted}, {Key: "access", Value: access}, {Key: "body", Value: []byte(`{}`)},
		}, more...)
	}
	found := []bson.E{
		{Key: "viewers", Value: bson.A{"*|Task", "a|Task"}},
		{Key: "sp", Value: bson.A{"|Task|_id|token|t", "*|Task|status|token|active", "a|Task|status|token|active",
			"|Task|patient|reference|Patient/1", "|Task|na%7Cme|text|smith|s", "|Task|url|uri|http://x/y"}},
		{Key: "exact", Value: bson.A{"status|s%7C1|active"}},
		{Key: "dates", Value: bson.A{bson.D{{Key: "p", Value: "Task|authored"}, {Key: "low", Value: int64(5)}, {Key: "high", Value: int64(6)}}}},
	}
	old := []any{
		version("t", 1, 2, 3, false), // swept
		version("t", 2, 3, open, false, found...),
		version("gone", 1, 4, 5, false),
		version("gone", 2, 5, open, true),
	}
	if _, err := s.versions.InsertMany(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	if err := s.advance(t.Context(), "seq", 5); err != nil {
		t.Fatal(err)
	}
	if _, err := s.meta.DeleteOne(t.Context(), byID(schemaNote)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"sp", "viewers"} {
		if err := s.versions.Indexes().DropOne(t.Context(), name+"_page"); err != nil {
			t.Fatal(err)
		}
		if _, err := s.versions.Indexes().CreateOne(t.Context(), mongo.IndexModel{
			Keys: bson.D{{Key: name, Value: 1}, {Key: "from", Value: -1}, {Key: "id", Value: 1}}, Options: options.Index().SetName(name + "_newest")}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestUpgrade(t *testing.T) {
	uri := mongotest.Database(t, mongotest.URI(t, "that a database of an older release is brought up to date"))
	s := openTest(t, uri, Options{})
	firstLayout(t, s)
	if has, err := s.schema(t.Context()); has != firstSchema || err != nil {
		t.Fatalf("layout %d, %v; want %d", has, err, firstSchema)
	}
	for range 2 { // an upgrade that was cut short runs again
		if err := s.upgrade(t.Context(), firstSchema); err != nil {
			t.Fatal(err)
		}
	}
	s = openTest(t, uri, Options{})
	if has, err := s.schema(t.Context()); has != newestSchema || err != nil {
		t.Errorf("layout %d, %v; want %d", has, err, newestSchema)
	}
	date := clause("authored", store.Date, false, store.Match{Op: "ge", Low: 4, High: 4})
	commonDate, not := date, tokenClause("status", "s|1", "done", true)
	commonDate.Common, not.Not = true, true
	for name, c := range map[string]store.Clause{
		"status": tokenClause("status", "s|1", "active", true), "not": not, "date": date, "common date": commonDate,
		"reference": clause("patient", store.Reference, false, store.Match{Value: "Patient/1"}),
		"text":      clause("na|me", store.Text, false, store.Match{Value: "smith|"}),
		"contains":  clause("na|me", store.Text, false, store.Match{Value: "th", Op: store.OpContains}),
		"below":     clause("url", store.URI, false, store.Match{Value: "http://x", Op: store.OpBelow}),
	} {
		p, err := s.Search(t.Context(), store.Query{View: narrow("a"), Type: "Task", Limit: 5, Where: []store.Clause{c}, Values: "patient"})
		if err != nil || len(p.Versions) != 1 || len(p.Versions[0].Values) != 1 {
			t.Errorf("%s: %+v, %v", name, p.Versions, err)
		}
	}
	p, err := s.History(t.Context(), store.HistoryQuery{View: narrow("a"), Types: []string{"Task"}, Limit: 5})
	if err != nil || len(p.Versions) != 4 || !p.Versions[0].Deleted || p.Versions[3].Number != 1 {
		t.Errorf("history: %+v, %v", p.Versions, err)
	}
	specs, err := s.versions.Indexes().ListSpecifications(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, sp := range specs {
		if strings.HasSuffix(sp.Name, "_newest") {
			t.Errorf("index %s is still there", sp.Name)
		}
	}
}

func TestNewerLayoutIsRefused(t *testing.T) {
	uri := mongotest.Database(t, mongotest.URI(t, "that a database of a newer release is refused"))
	s := openTest(t, uri, Options{})
	if err := s.advance(t.Context(), schemaNote, newestSchema+1); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), uri, Options{})
	if err == nil || !strings.Contains(err.Error(), "newer release") {
		t.Errorf("Open: %v", err)
	}
}
