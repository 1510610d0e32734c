package search

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/gateway/store"
	"trellis.example/gateway/store/sqlitestore"
)

// A memory answers searches over a few documents by [store.Clause.Holds] alone.
type memory struct {
	reg  *Registry
	docs []memoryDoc
	// costly makes a search by no leading clause fail, as in a large store.
	costly   bool
	searches int
	seq      int64
}

type memoryDoc struct {
	key    store.Key
	index  []store.Index
	access auth.Access
}

func newMemory(t testing.TB, r *Registry, docs ...string) *memory {
	t.Helper()
	m := &memory{reg: r, seq: 7}
	for _, d := range docs {
		m.put(t, d, "gp")
	}
	return m
}

func (m *memory) put(t testing.TB, doc, owner string) {
	t.Helper()
	res, err := fhir.Decode([]byte(doc))
	if err != nil {
		t.Fatalf("%s: %v", doc, err)
	}
	m.docs = append(m.docs, memoryDoc{store.Key{Type: res.Type(), ID: res.ID()}, m.reg.Index(res), auth.NewAccess(owner)})
}

func (m *memory) Search(_ context.Context, q store.Query) (store.Page, error) {
	m.searches++
	page := store.Page{Snapshot: cmp.Or(q.Snapshot, m.seq), Total: -1}
	for _, d := range m.docs {
		for _, p := range q.Parts() {
			if m.costly && !slices.ContainsFunc(p.Where, store.Clause.Leads) {
				return page, store.ErrTooCostly
			}
			if p.Type != d.key.Type || !q.View.Sees(p.Type, d.access) || !holdsAll(p.Where, d) {
				continue
			}
			v := store.Version{Key: d.key, Access: d.access}
			for _, ix := range d.index {
				if ix.Param == q.Values && ix.Kind == store.Reference {
					v.Values = append(v.Values, ix.Value)
				}
			}
			page.Versions = append(page.Versions, v)
			break
		}
	}
	if page.More = len(page.Versions) > q.Limit; page.More {
		page.Versions = page.Versions[:q.Limit]
	}
	return page, nil
}

func holdsAll(where []store.Clause, d memoryDoc) bool {
	for _, c := range where {
		if !c.Holds(d.key.ID, 1_767_225_600_000, d.index) { // 2026-01-01
			return false
		}
	}
	return true
}

// ask runs a search over types as a caller of the party and returns the ids.
func (m *memory) ask(t testing.TB, types, query, party string) ([]string, error) {
	t.Helper()
	return ask(t, m.reg, m, types, query, party)
}

func ask(t testing.TB, r *Registry, s Searcher, types, query, party string) ([]string, error) {
	t.Helper()
	params, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	q, err := r.Parse(strings.Fields(types), params, false)
	if err != nil {
		return nil, err
	}
	sq, err := r.Resolve(t.Context(), s, auth.NewView([]string{party}, []string{"*"}, nil), q, 0)
	if err != nil {
		return nil, err
	}
	sq.Limit = 1000
	page, err := s.Search(t.Context(), sq)
	ids := []string{}
	for _, v := range page.Versions {
		ids = append(ids, v.Key.ID)
	}
	return ids, err
}

// inStore puts the documents of m into a real store.
func (m *memory) inStore(t *testing.T) store.Store {
	t.Helper()
	s, err := sqlitestore.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	for _, d := range m.docs {
		w := store.Write{Key: d.key, Body: []byte(`{}`), Index: d.index, Access: d.access, Updated: time.UnixMilli(1_767_225_600_000)}
		if _, err := s.Commit(t.Context(), store.Commit{Writes: []store.Write{w}}); err != nil {
			t.Fatal(err)
		}
	}
	return s
}
