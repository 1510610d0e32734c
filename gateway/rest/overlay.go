package rest

import (
	"context"

	"trellis.example/auth"
	"trellis.example/gateway/store"
)

// An overlay is the store as it will be once a transaction is committed: what is
// to be written is read as if it were there. A version that is to be written has
// the number that it replaces, so that whoever writes it over takes its place.
// Searches show the store alone.
type overlay struct {
	store.Store
	order []store.Key
	items map[store.Key]*pendingWrite
	read  map[store.Key]store.Version // what was read of the store, by anyone
	refs  map[string][]store.Key      // who of items refers to "Type/id"
}

type pendingWrite struct {
	write store.Write
	// access is what the resource will have, whether or not the write says it.
	access auth.Access
}

func newOverlay(s store.Store) *overlay {
	return &overlay{Store: s, items: map[store.Key]*pendingWrite{}, read: map[store.Key]store.Version{}}
}

// Read returns what will be there.
func (o *overlay) Read(ctx context.Context, v auth.View, k store.Key) (store.Version, error) {
	p := o.items[k]
	if p == nil {
		return o.stored(ctx, v, k)
	}
	if !v.Sees(k.Type, p.access) {
		return store.Version{}, store.ErrNotFound
	}
	w := p.write
	return store.Version{Key: k, Number: w.Expect, Updated: w.Updated, Deleted: w.Deleted, Body: w.Body, Access: p.access}, nil
}

// stored reads the store, once for each key: a thousand entries that refer to
// one Patient cost one look-up.
func (o *overlay) stored(ctx context.Context, v auth.View, k store.Key) (store.Version, error) {
	got, known := o.read[k]
	if !known {
		var err error
		if got, err = o.Store.Read(ctx, auth.SystemView(), k); err != nil {
			return got, err
		}
		o.read[k] = got
	}
	if !v.Sees(k.Type, got.Access) {
		return store.Version{}, store.ErrNotFound
	}
	return got, nil
}

// put notes a write. One for a key that is to be written already takes its
// place, with the rights of the first: only what the gateway adds comes second.
func (o *overlay) put(w store.Write, access auth.Access) {
	if w.Access.Owner != "" || len(w.Access.Parties) > 0 {
		access = w.Access
	}
	if first := o.items[w.Key]; first != nil {
		w.View = first.write.View
		*first = pendingWrite{w, access}
		return
	}
	o.order = append(o.order, w.Key)
	o.items[w.Key] = &pendingWrite{w, access}
}

func (o *overlay) size() int {
	if o == nil {
		return 0
	}
	return len(o.items)
}

// writes reports whether the key is to be written.
func (o *overlay) writes(k store.Key) bool { return o != nil && o.items[k] != nil }

// list returns the writes in the order in which they came.
func (o *overlay) list() []store.Write {
	out := make([]store.Write, len(o.order))
	for i, k := range o.order {
		out[i] = o.items[k].write
	}
	return out
}

// referrers returns what is to be written and refers to the key.
func (o *overlay) referrers(k store.Key) (out []store.Version) {
	if o == nil {
		return nil
	}
	if o.refs == nil {
		o.refs = map[string][]store.Key{}
		for _, k := range o.order {
			for _, e := range o.items[k].write.Index {
				if e.Kind == store.Reference {
					o.refs[e.Value] = append(o.refs[e.Value], k)
				}
			}
		}
	}
	for _, from := range o.refs[k.String()] {
		if p := o.items[from]; !p.write.Deleted && from != k {
			out = append(out, store.Version{Key: from, Access: p.access})
		}
	}
	return out
}
