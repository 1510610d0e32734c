package rest

import (
	"slices"

	"trellis.example/fhir"
	"trellis.example/gateway/search"
	"trellis.example/gateway/store"
)

// maxReferral is how much of one referral is put together, in bytes; a page of
// it is smaller.
const maxReferral = 64 << 20

// referralRounds is how far removed from the ServiceRequest something may be
// that is based on it: a Provenance of a Task of its Task.
const referralRounds = 4

// referralPage reads a page of a referral. The whole is put together for each
// page, as of the walk's snapshot, so that its order is always the same.
func (a *API) referralPage(e *everything) (p everyPage, err error) {
	view := e.Principal.View("search-type")
	root := store.Query{View: view, Type: e.of.Type, Limit: 1, Snapshot: e.cursor.Snapshot,
		Where: []store.Clause{{Param: "_id", Kind: store.Token, Any: []store.Match{{Value: e.of.ID, AnySystem: true}}}}}
	page, err := a.Store.Search(e.Context(), root)
	if err != nil {
		return p, err
	}
	p.snapshot = page.Snapshot
	g := a.gather(e.Request, page)
	g.room = maxReferral
	based, err := g.backward(page.Versions, g.types)
	if err != nil {
		return p, err
	}
	mark := len(g.found)
	if err := g.forward(slices.Concat(page.Versions, based), 2, func(store.Key) bool { return true }); err != nil {
		return p, err
	}
	match := slices.DeleteFunc(slices.Concat(page.Versions, g.found[:mark]), func(v store.Version) bool { return !e.returns(v) })
	include := slices.DeleteFunc(slices.Clone(g.found[mark:]), func(v store.Version) bool { return !e.returns(v) })
	p.issues = g.warning()
	p.cut(e, match, include)
	return p, nil
}

// cut takes the page out of the whole.
func (p *everyPage) cut(e *everything, match, include []store.Version) {
	all := slices.Concat(match, include)
	from := min(e.cursor.N, len(all))
	to, bytes := from, 0
	for to < len(all) && to-from < e.count && (to == from || bytes+len(all[to].Body) <= maxPageBytes) {
		bytes += len(all[to].Body)
		to++
	}
	if to < len(all) {
		p.next = &search.Cursor{N: to}
	}
	at := min(max(len(match), from), to)
	p.match, p.include = all[from:at], all[at:to]
}

// backward adds what refers to the versions by any element, and what refers to
// that, and so on; it returns all of it.
func (g *gathering) backward(from []store.Version, types []string) ([]store.Version, error) {
	start := len(g.found)
	for round := 0; round < referralRounds && len(from) > 0; round++ {
		mark := len(g.found)
		for some := range slices.Chunk(from, maxKeys) {
			targets := make([]string, len(some))
			for i, v := range some {
				targets[i] = v.Key.String()
			}
			if err := g.referring(search.Include{Type: "*", Param: "*"}, types, targets); err != nil {
				return nil, err
			}
		}
		from = g.found[mark:]
	}
	return g.found[start:], nil
}

// forward adds what the versions refer to and follow accepts, and what that
// refers to, as many times as hops says.
func (g *gathering) forward(from []store.Version, hops int, follow func(store.Key) bool) error {
	for ; hops > 0 && len(from) > 0; hops-- {
		docs, err := decodeAll(from)
		if err != nil {
			return err
		}
		var keys []store.Key
		for _, d := range docs {
			fhir.EachReference(d.Root(), func(v fhir.Value) {
				if k, ok := g.api.localKey(v.Text()); ok && follow(k) {
					keys = append(keys, k)
				}
			})
		}
		mark := len(g.found)
		if err := g.fetch(keys); err != nil {
			return err
		}
		from = g.found[mark:]
	}
	return nil
}
