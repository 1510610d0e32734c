package published

import (
	"bytes"
	"cmp"
	"context"
	"slices"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/gateway/store"
)

// Over returns s with the published resources among its own.
func (c *Catalogue) Over(s store.Store) store.Store { return &over{s, c} }

type over struct {
	store.Store
	c *Catalogue
}

// Commit keeps everyone from writing over a published resource.
func (o *over) Commit(ctx context.Context, c store.Commit) (store.Result, error) {
	for _, w := range c.Writes {
		it, ok := o.c.find(w.Key)
		switch {
		case !ok:
		case w.Expect == 0:
			return store.Result{}, &store.Conflict{Key: w.Key, Current: it.Number}
		case !w.View.Sees(w.Key.Type, it.Access):
			return store.Result{}, store.ErrNotFound
		default:
			return store.Result{}, store.ErrForbidden
		}
	}
	return o.Store.Commit(ctx, c)
}

// Fixed reports whether a resource is a published one, which nobody changes.
func (o *over) Fixed(k store.Key) bool {
	_, ok := o.c.find(k)
	return ok
}

func (o *over) Read(ctx context.Context, v auth.View, k store.Key) (store.Version, error) {
	if it, ok := o.c.find(k); ok {
		return it.seen(v)
	}
	return o.Store.Read(ctx, v, k)
}

func (o *over) ReadVersion(ctx context.Context, v auth.View, k store.Key, number int) (store.Version, error) {
	it, ok := o.c.find(k)
	switch {
	case !ok:
		return o.Store.ReadVersion(ctx, v, k, number)
	case number != it.Number:
		return store.Version{}, store.ErrNotFound
	}
	return it.seen(v)
}

func (it item) seen(v auth.View) (store.Version, error) {
	if !v.Sees(it.Key.Type, it.Access) {
		return store.Version{}, store.ErrNotFound
	}
	return it.Version, nil
}

func (o *over) History(ctx context.Context, q store.HistoryQuery) (store.Page, error) {
	it, ok := o.c.find(q.Key)
	if !ok {
		return o.Store.History(ctx, q)
	}
	v, err := it.seen(q.View)
	page := store.Page{Total: -1}
	if err == nil && (q.Before == 0 || q.Before > v.Number) && !v.Updated.Before(q.Since) && (q.AtTo.IsZero() || !v.Updated.After(q.AtTo)) {
		page.Versions = []store.Version{v}
	}
	return page, err
}

// Search adds the items that match to the page of the store.
func (o *over) Search(ctx context.Context, q store.Query) (store.Page, error) {
	page, err := o.Store.Search(ctx, q)
	if err != nil {
		return page, err
	}
	m := &merge{c: o.c, q: q}
	m.items()
	if q.Total {
		page.Total += len(m.found)
	}
	if len(m.found) == 0 {
		return page, nil
	}
	return m.into(page), nil
}

// A merge brings items and the versions of a store into one order.
type merge struct {
	c     *Catalogue
	q     store.Query
	found []placed
}

// A placed version is one with what it is ordered by.
type placed struct {
	store.Version
	sort []byte
}

func (m *merge) items() {
	seen := map[store.Key]bool{}
	for _, p := range m.q.Parts() {
		if m.c.types[p.Type] == nil || !m.q.View.Sees(p.Type, access) {
			continue
		}
		items := m.c.of(p.Type)
		if m.c.types[p.Type].misses(p.Where) {
			continue
		}
		for _, it := range items {
			if !seen[it.Key] && it.meets(p.Where) {
				seen[it.Key] = true
				m.found = append(m.found, placed{m.shown(it), store.SortKey(m.q.Sort, it.Key.ID, it.Updated.UnixMilli(), it.index)})
			}
		}
	}
}

// misses reports that a clause is about a parameter that no item has, so that
// none can meet it.
func (s *shelf) misses(where []store.Clause) bool {
	return slices.ContainsFunc(where, func(c store.Clause) bool {
		return len(c.Together) == 0 && !c.Not && !c.Absent && !s.params[c.Param]
	})
}

func (it item) meets(where []store.Clause) bool {
	for _, c := range where {
		if !c.Holds(it.Key.ID, it.Updated.UnixMilli(), it.index) {
			return false
		}
	}
	return true
}

// shown is the item with what the query asks to see of it.
func (m *merge) shown(it item) store.Version {
	v := it.Version
	if m.q.KeysOnly {
		v.Body = nil
	}
	if m.q.Values != "" {
		for _, e := range it.index {
			if e.Param == m.q.Values && e.Kind == store.Reference {
				v.Values = append(v.Values, e.Value)
			}
		}
	}
	return v
}

// into returns the page with the items that belong on it.
func (m *merge) into(page store.Page) store.Page {
	limit := min(max(m.q.Limit, 1), 1000)
	all := m.of(page.Versions)
	for _, p := range m.found {
		if m.q.After == nil || order(p, placed{store.Version{Key: store.Key{Type: m.q.After.Type, ID: m.q.After.ID}, Seq: m.q.After.Seq}, m.q.After.Sort}) > 0 {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, order)
	if page.More && len(page.Versions) > 0 {
		all = m.upTo(all, page)
	}
	if len(all) > limit {
		all, page.More = all[:limit], true
	}
	page.Versions, page.Next = nil, nil
	for _, p := range all {
		page.Versions = append(page.Versions, p.Version)
	}
	if page.More && len(all) > 0 {
		last := all[len(all)-1]
		page.Next = &store.Position{Seq: last.Seq, Type: last.Key.Type, ID: last.Key.ID, Sort: last.sort}
	}
	return page
}

// upTo leaves out what lies behind the last version that the store showed: more
// of the store's own may come before it.
func (m *merge) upTo(all []placed, page store.Page) []placed {
	last := m.of(page.Versions[len(page.Versions)-1:])[0]
	n, _ := slices.BinarySearchFunc(all, last, order)
	return all[:min(n+1, len(all))]
}

// of places versions of the store.
func (m *merge) of(versions []store.Version) []placed {
	out := make([]placed, len(versions))
	for i, v := range versions {
		out[i].Version = v
		if len(m.q.Sort) == 0 {
			continue
		}
		if res, err := fhir.Decode(v.Body); err == nil {
			out[i].sort = store.SortKey(m.q.Sort, v.Key.ID, v.Updated.UnixMilli(), m.c.registry.Index(res))
		}
	}
	return out
}

// order is that of a page: by the sort, newest first, then by id and type.
func order(a, b placed) int {
	return cmp.Or(bytes.Compare(a.sort, b.sort), cmp.Compare(b.Seq, a.Seq), cmp.Compare(a.Key.ID, b.Key.ID), cmp.Compare(a.Key.Type, b.Key.Type))
}
