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
		sq.Snapshot, sq.After, sq.Total = out.Snapshot, out.Next, false
		sq.Limit = min(want-len(out.Versions), chunk)
		var next store.Page
		next, err = a.Store.Search(ctx, sq)
		out.Versions, out.More, out.Next = append(out.Versions, next.Versions...), next.More, next.Next
	}
	return out, err
}

func size(p store.Page) (n int) {
	for _, v := range p.Versions {
		n += len(v.Body)
	}
	return n
}
