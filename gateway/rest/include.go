package rest

import (
	"context"
	"slices"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/gateway/search"
	"trellis.example/gateway/store"
)

// Limits on what a page includes.
const (
	maxIncluded = 1000
	// maxRounds bounds how far :iterate goes.
	maxRounds = 16
	// maxAlternatives is how many parts one search of the store has.
	maxAlternatives = 64
	// maxKeys is how many resources one search of the store names.
	maxKeys = 100
)

// A gathering collects the resources that belong to those of a page: what they
// refer to and what refers to them, as of the page's snapshot and as far as the
// view sees. Each is there once.
type gathering struct {
	api      *API
	ctx      context.Context //nolint:containedctx // lives as long as one request
	view     auth.View
	types    []string // that the view sees
	snapshot int64

	seen  map[store.Key]bool
	found []store.Version
	room  int // bytes that are left of the page
	// cut: there was more than a page includes.
	cut bool
}

func (a *API) gather(q *Request, page store.Page) *gathering {
	g := &gathering{api: a, ctx: q.Context(), view: q.Principal.View("search-type"), types: q.types("search-type"), snapshot: page.Snapshot, seen: map[store.Key]bool{}, room: maxPageBytes - size(page)}
	for _, v := range page.Versions {
		g.seen[v.Key] = true
	}
	return g
}

// include follows _include and _revinclude (R4 search 3.1.1.5.4) from the
// versions; those with :iterate from what was found as well.
func (g *gathering) include(from []store.Version, includes []search.Include) error {
	for round := 0; len(from) > 0 && round < maxRounds && !g.cut; round++ {
		start := len(g.found)
		docs, err := decodeAll(from)
		if err != nil {
			return err
		}
		for _, in := range includes {
			if round > 0 && !in.Iterate {
				continue
			}
			if err := g.one(docs, in); err != nil {
				return err
			}
		}
		from = g.found[start:]
	}
	return nil
}

// one follows one include from the documents.
func (g *gathering) one(docs []fhir.Resource, in search.Include) error {
	if in.Reverse {
		return g.reverse(docs, in)
	}
	var keys []store.Key
	for _, d := range docs {
		if in.Type != d.Type() && in.Type != "*" {
			continue
		}
		for _, ref := range g.api.Registry.References(d, in.Param) {
			if k, ok := g.api.localKey(ref); ok && (in.Target == "" || in.Target == k.Type) {
				keys = append(keys, k)
			}
		}
	}
	return g.fetch(keys)
}

// reverse follows a _revinclude from the documents.
func (g *gathering) reverse(docs []fhir.Resource, in search.Include) error {
	var targets []string
	for _, d := range docs {
		if in.Target == "" || in.Target == d.Type() {
			targets = append(targets, d.Type()+"/"+d.ID())
		}
	}
	types := []string{in.Type}
	if in.Type == "*" {
		types = g.types
	}
	for some := range slices.Chunk(targets, maxKeys) {
		if err := g.referring(in, types, some); err != nil {
			return err
		}
	}
	return nil
}

// referring adds what refers to the targets by the include's parameter.
func (g *gathering) referring(in search.Include, types, targets []string) error {
	var all []store.Part
	for _, t := range types {
		if !g.view.SeesType(t) || in.Param != "*" && g.api.Registry.Param(t, in.Param) == nil {
			continue
		}
		parts, err := g.api.Registry.Referring(t, in.Param, targets)
		if err != nil {
			return err
		}
		all = append(all, parts...)
	}
	for some := range slices.Chunk(all, maxAlternatives) {
		if err := g.search(some); err != nil {
			return err
		}
	}
	return nil
}

// fetch adds the resources with the keys.
func (g *gathering) fetch(keys []store.Key) error {
	byType := map[string][]store.Match{}
	var types []string // in the order met: an answer does not change by chance
	for _, k := range keys {
		if g.seen[k] || !g.view.SeesType(k.Type) {
			continue
		}
		g.seen[k] = true
		if byType[k.Type] == nil {
			types = append(types, k.Type)
		}
		byType[k.Type] = append(byType[k.Type], store.Match{Value: k.ID, AnySystem: true})
	}
	for _, t := range types {
		for some := range slices.Chunk(byType[t], maxKeys) {
			if err := g.search([]store.Part{{Type: t, Where: []store.Clause{{Param: "_id", Kind: store.Token, Any: some}}}}, some...); err != nil {
				return err
			}
		}
	}
	return nil
}

// search adds what the parts match; asked are the ids that were asked for, which
// are marked as seen already.
func (g *gathering) search(parts []store.Part, asked ...store.Match) error {
	parts = slices.DeleteFunc(parts, func(p store.Part) bool { return !g.view.SeesType(p.Type) })
	if len(parts) == 0 || g.cut {
		return nil
	}
	sq := store.Query{View: g.view, Type: parts[0].Type, Where: parts[0].Where, Or: parts[1:], Snapshot: g.snapshot, Limit: maxIncluded}
	page, err := g.api.searchPage(g.ctx, sq)
	if err != nil {
		return err
	}
	for _, v := range page.Versions {
		if len(asked) == 0 && g.seen[v.Key] {
			continue
		}
		if len(g.found) == maxIncluded || len(v.Body) > g.room {
			g.cut = true
			return nil
		}
		g.seen[v.Key] = true
		g.room -= len(v.Body)
		g.found = append(g.found, v)
	}
	g.cut = page.More
	return nil
}

// warning says that a page does not include everything.
func (g *gathering) warning() []fhir.Issue {
	if !g.cut {
		return nil
	}
	return []fhir.Issue{{
		Severity: fhir.SeverityWarning, Code: fhir.TooCostly,
		Text: "not everything that belongs to this page is included; ask for smaller pages with _count, or search for it",
	}}
}

func decodeAll(versions []store.Version) ([]fhir.Resource, error) {
	docs := make([]fhir.Resource, len(versions))
	for i, v := range versions {
		var err error
		if docs[i], err = fhir.Decode(v.Body); err != nil {
			return nil, err
		}
	}
	return docs, nil
}

// localKey returns the key that a reference to this server stands for.
func (a *API) localKey(ref string) (store.Key, bool) {
	r, ok := fhir.ParseReference(ref)
	if !ok || r.Kind != fhir.RefRelative && (r.Kind != fhir.RefAbsolute || r.Base != a.base) {
		return store.Key{}, false
	}
	return store.Key{Type: r.Type, ID: r.ID}, true
}
