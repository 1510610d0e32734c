package rest

import (
	"context"

	"trellis.example/gateway/store"
)

// A page is read from the store in chunks and ends early when it grows large, so
// that a thousand resources of 4 MB cannot be asked into memory at once.
const (
	chunk        = 50
	maxPageBytes = 16 << 20
)

func (a *API) searchPage(ctx context.Context, sq store.Query) (store.Page, error) {
	want := sq.Limit
	sq.Limit = min(want, chunk)
	out, err := a.Store.Search(ctx, sq)
	for err == nil && out.More && len(out.Versions) < want && size(out) < maxPageBytes {
		last := out.Versions[len(out.Versions)-1]
		sq.Snapshot, sq.After, sq.Total = out.Snapshot, &store.Position{Seq: last.Seq, ID: last.Key.ID}, false
		sq.Limit = min(want-len(out.Versions), chunk)
		var next store.Page
		next, err = a.Store.Search(ctx, sq)
		out.Versions, out.More = append(out.Versions, next.Versions...), next.More
	}
	return out, err
}

func (a *API) historyPage(ctx context.Context, hq store.HistoryQuery) (store.Page, error) {
	want := hq.Limit
	hq.Limit = min(want, chunk)
	out, err := a.Store.History(ctx, hq)
	for err == nil && out.More && len(out.Versions) < want && size(out) < maxPageBytes {
		hq.Before = out.Versions[len(out.Versions)-1].Number
		hq.Limit = min(want-len(out.Versions), chunk)
		var next store.Page
		next, err = a.Store.History(ctx, hq)
		out.Versions, out.More = append(out.Versions, next.Versions...), next.More
	}
	return out, err
}

func size(p store.Page) (n int) {
	for _, v := range p.Versions {
		n += len(v.Body)
	}
	return n
}
