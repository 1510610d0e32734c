package mongostore

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"trellis.example/auth"
	"trellis.example/gateway/store"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func narrow(parties ...string) auth.View { return auth.NewView(parties, []string{"*"}, nil) }

func tokenClause(param, system, value string, common bool) store.Clause {
	return store.Clause{Param: param, Kind: store.Token, Common: common, Any: []store.Match{{System: system, Value: value}}}
}

var queries = []struct {
	name string
	q    store.Query
}{
	{"type, one party", store.Query{View: narrow("org|A")}},
	{"type, system", store.Query{View: auth.SystemView()}},
	{"identifier, system", store.Query{View: auth.SystemView(), Where: []store.Clause{tokenClause("identifier", "sys|1", "a*b", false)}}},
	{"identifier, two parties", store.Query{View: narrow("a", "b"), Where: []store.Clause{tokenClause("identifier", "s", "v", false)}}},
	{"any system", store.Query{View: auth.SystemView(), Where: []store.Clause{{Param: "identifier", Kind: store.Token, Any: []store.Match{{Value: "v", AnySystem: true}}}}}},
	{"status, two parties", store.Query{View: narrow("a", "b"), Where: []store.Clause{tokenClause("status", "s", "active", true)}}},
	{"status and patient", store.Query{View: narrow("a"), Where: []store.Clause{
		tokenClause("status", "s", "active", true),
		{Param: "patient", Kind: store.Reference, Any: []store.Match{{Value: "Patient/1"}, {Value: "https://example.org/Patient/1"}}}}}},
	{"date", store.Query{View: narrow("a"), Where: []store.Clause{{Param: "authored", Kind: store.Date, Any: []store.Match{{Op: "ge", Low: 10, High: 20}}}}}},
	{"text", store.Query{View: narrow("a"), Where: []store.Clause{{Param: "name", Kind: store.Text, Any: []store.Match{{Value: "smi"}}}}}},
	{"last updated, second page", store.Query{View: narrow("a"), After: &store.Position{Seq: 7, ID: "x"},
		Where: []store.Clause{{Param: "_lastUpdated", Kind: store.Date, Any: []store.Match{{Op: "gt", Low: 10, High: 20}}}}}},
	{"id", store.Query{View: narrow("a"), Where: []store.Clause{{Param: "_id", Kind: store.Token, Any: []store.Match{{Value: "x/1"}}}}}},
	{"nothing asked for", store.Query{View: narrow("a"), Where: []store.Clause{{Param: "identifier", Kind: store.Token}}}},
	{"invalid text", store.Query{View: narrow("a"), Where: []store.Clause{tokenClause("identifier", "", "\xff", false)}}},
	{"operators are values", store.Query{View: narrow("$all"), Where: []store.Clause{
		tokenClause("$where", `{"$gt":""}`, `{"$ne":null}`, false), tokenClause("a.b", "$in", "$regex", true)}}},
}

// planned is a search that has asked the database nothing yet.
func planned(q store.Query, snapshot int64) *search {
	return &search{q: q, want: q.Limit + 1, snapshot: snapshot, groups: groups(&q)}
}

// pipelines returns all that a search may ask of the database.
func pipelines(x *search) (out []bson.D) {
	for _, g := range x.groups {
		for i := range g.ways {
			w := &g.ways[i]
			rest, isOpen := g.filter(x.q.View, w)
			out = append(out, bson.D{
				{Key: "rank", Value: int(w.rank)},
				{Key: "page", Value: x.chunk(g, w, x.q.After, x.want, true)},
				{Key: "rest", Value: rest}, {Key: "open", Value: isOpen},
			})
		}
	}
	return out
}

// TestPipelines compares what each query asks of the database, way by way,
// with the golden file.
func TestPipelines(t *testing.T) {
	var out bytes.Buffer
	for _, tt := range queries {
		tt.q.Type, tt.q.Limit = "Task", 10
		fmt.Fprintf(&out, "# %s\n", tt.name)
		for _, p := range pipelines(planned(tt.q, 42)) {
			b, err := bson.MarshalExtJSON(p, false, false)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&out, "%s\n", b)
		}
	}
	golden(t, "pipelines.golden", out.Bytes())
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; run with -update and read the diff:\n%s", path, got)
	}
}

// A client's value is never a field name, an operator or a part of another
// entry, whatever it is made of.
func FuzzQuery(f *testing.F) {
	f.Add("$where", "{\"$gt\":\"\"}", "a.b")
	f.Add("a|b", "*|Task", "%7C")
	f.Fuzz(func(t *testing.T, id, system, value string) {
		for k := range store.Point + 2 {
			q := store.Query{View: narrow("a"), Type: "Task", Limit: 1, Where: []store.Clause{
				{Param: "p", Kind: k, Any: []store.Match{{System: system, Value: value}}},
				{Param: "_id", Kind: store.Token, Any: []store.Match{{Value: id}}}}}
			for _, p := range pipelines(planned(q, 1)) {
				b, err := bson.MarshalExtJSON(p, false, false)
				if err != nil {
					t.Fatal(err)
				}
				checkNames(t, b)
			}
		}
		// Entries of different values and parameters differ.
		if value != id && len(value) <= longValue && len(id) <= longValue &&
			term("a", "T", "p", store.Token, value) == term("a", "T", "p", store.Token, id) {
			t.Error("two values share an entry")
		}
		if exactTerm("p", system, value) == exactTerm("p", value, system) && system != value {
			t.Error("system and value can be exchanged")
		}
	})
}

// ours are the field names and operators a query may be made of.
var ours = []string{"rank", "page", "rest", "open", "p", "_id", "id", "from", "to", "n", "updated", "viewers", "sp", "exact", "dates", "low", "high", "type", "entries", "body",
	"$match", "$sort", "$limit", "$project", "$and", "$or", "$nor", "$in", "$gt", "$gte", "$lt", "$lte", "$elemMatch"}

func checkNames(t *testing.T, extJSON []byte) {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(extJSON))
	var v any
	if err := dec.Decode(&v); err != nil {
		t.Fatal(err)
	}
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for name, x := range v {
				if !slices.Contains(ours, name) {
					t.Errorf("a query holds the name %q", name)
				}
				walk(x)
			}
		case []any:
			for _, x := range v {
				walk(x)
			}
		}
	}
	walk(v)
}

func TestVersionEntries(t *testing.T) {
	w := store.Write{
		Key: store.Key{Type: "Task", ID: "1"}, Body: []byte(`{}`), Updated: time.UnixMilli(5),
		Index: []store.Index{
			{Param: "status", Kind: store.Token, System: "s|x", Value: "active", Common: true},
			{Param: "identifier", Kind: store.Token, System: "s", Value: "a|b"},
			{Param: "identifier", Kind: store.Token, System: "t", Value: "a|b"},
			{Param: "authored", Kind: store.Date, Low: 1, High: 2, Common: true},
			{Param: "url", Kind: store.URI, Value: strings.Repeat("x", 300)},
		},
	}
	d := newVersion(&w, 9, newAccessDoc(auth.NewAccess("org|1", "b*", "")))
	check := func(what string, got any, want string) {
		t.Helper()
		if g := fmt.Sprintf("%q", got); g != want {
			t.Errorf("%s:\n got %s\nwant %s", what, g, want)
		}
	}
	check("id", d.ID, `"Task/1/0000000001"`)
	check("viewers", d.Viewers, `["*|Task" "b%2A|Task" "org%7C1|Task"]`)
	check("terms", d.Terms[:5], `["|Task|_id|token|1" "*|Task|status|token|active" "b%2A|Task|status|token|active" "org%7C1|Task|status|token|active" "|Task|identifier|token|a|b"]`)
	check("exact", d.Exact, `["status|s%7Cx|active" "identifier|s|a|b" "identifier|t|a|b"]`)
	if got := len(d.Terms[5]); got > len("|Task|url|uri|")+longValue+1 {
		t.Errorf("a long value's entry has %d bytes", got)
	}
	if len(d.Terms) != 6 || len(d.Dates) != 3 || d.Dates[2] != (rangeDoc{"org%7C1|Task|authored|date", 1, 2}) {
		t.Errorf("terms %q, dates %v", d.Terms, d.Dates)
	}
	w.Deleted = true
	if d := newVersion(&w, 9, accessDoc{}); d.Body != nil || len(d.Terms) != 1 || d.Terms[0] != "|Task|*gone|1" || len(d.Viewers) != 1 || d.Viewers[0] != "*|Task|past" || d.Dates != nil || d.Entries != nil {
		t.Errorf("a deletion carries %+v", d)
	}
}

func TestKeyPrefixes(t *testing.T) {
	keys := []store.Key{{Type: "Task", ID: "1"}, {Type: "Task", ID: "1/0000000001"}, {Type: "Task", ID: "1%2F"}, {Type: "Task/1", ID: ""}, {Type: "Task", ID: ""}}
	for i, a := range keys {
		for j, b := range keys {
			if i != j && strings.HasPrefix(versionID(a, 1), keyPrefix(b)) {
				t.Errorf("a version of %v lies among those of %v", a, b)
			}
		}
	}
}

func TestNextGroup(t *testing.T) {
	p := func(docs, bytes int, names ...string) *pending {
		return &pending{docs: docs, bytes: bytes, names: names}
	}
	a, b, a2, big, c := p(1, 1, "a"), p(1, 1, "b"), p(1, 1, "a", "c"), p(1, maxGroupBytes+1), p(1, 1, "c")
	group, rest := nextGroup([]*pending{a, b, a2, big, c})
	if !slices.Equal(group, []*pending{a, b}) || !slices.Equal(rest, []*pending{a2, big, c}) {
		t.Errorf("group of %d, %d left; want 2 and 3: whoever shares a name with one left behind stays behind it", len(group), len(rest))
	}
	group, rest = nextGroup([]*pending{big, c})
	if !slices.Equal(group, []*pending{big}) || len(rest) != 1 {
		t.Errorf("a commit over the limit shares a group of %d", len(group))
	}
	many := []*pending{p(maxGroupDocs, 1), p(1, 1)}
	if group, _ := nextGroup(many); len(group) != 1 {
		t.Error("a group is over the limit of documents")
	}
}
