package rest

import (
	"context"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/gateway/store"
)

// maxStored is how many different resources of the store the entries of one
// transaction may refer to.
const maxStored = 1000

// An overlay is the store as it will be once a transaction is committed: what is
// to be written is read as if it were there. A version that is to be written has
// the number that it replaces, so that whoever writes it over takes its place.
// Searches show the store alone.
type overlay struct {
	store.Store
	order []store.Key
	items map[store.Key]*pendingWrite
	read  map[store.Key]*store.Version // what was read of the store; nil: not there
	refs  map[string][]store.Key       // who of items refers to "Type/id"
}

type pendingWrite struct {
	store.Write
	kept auth.Access // the present access, for a write that keeps it
}

// access is what the resource will have.
func (p *pendingWrite) access() auth.Access {
	if p.Access.Owner != "" || len(p.Access.Parties) > 0 {
		return p.Access
	}
	return p.kept
}

func newOverlay(s store.Store) *overlay {
	return &overlay{Store: s, items: map[store.Key]*pendingWrite{}, read: map[store.Key]*store.Version{}}
}

// Read returns what will be there.
func (o *overlay) Read(ctx context.Context, v auth.View, k store.Key) (store.Version, error) {
	p := o.items[k]
	if p == nil {
		return o.stored(ctx, v, k)
	}
	if !v.Sees(k.Type, p.access()) {
		return store.Version{}, store.ErrNotFound
	}
	return store.Version{Key: k, Number: p.Expect, Updated: p.Updated, Deleted: p.Deleted, Body: p.Body, Access: p.access()}, nil
}

// stored reads the store, once for each key and view: a thousand entries that
// refer to one Patient cost one look-up.
func (o *overlay) stored(ctx context.Context, v auth.View, k store.Key) (store.Version, error) {
	if !v.All() { // not the gateway's own look-ups
		return o.Store.Read(ctx, v, k)
	}
	if got, known := o.read[k]; known {
		if got == nil {
			return store.Version{}, store.ErrNotFound
		}
		return *got, nil
	}
	if len(o.read) >= maxStored {
		return store.Version{}, fhir.Errorf(fhir.TooCostly, "a transaction may refer to at most %d resources that stand here", maxStored)
	}
	got, err := o.Store.Read(ctx, v, k)
	switch {
	case err == nil:
		o.read[k] = &got
	case isNotFound(err):
		o.read[k] = nil
	}
	return got, err
}

// put notes a write. One for a key that is to be written already takes its
// place, with the rights of the first: only what the gateway adds comes second.
func (o *overlay) put(w store.Write, kept auth.Access) *pendingWrite {
	o.refs = nil
	if first := o.items[w.Key]; first != nil {
		if w.View = first.View; w.Access.Owner == "" {
			w.Access = first.Access
		}
		first.Write = w
		return first
	}
	p := &pendingWrite{w, kept}
	o.order = append(o.order, w.Key)
	o.items[w.Key] = p
	return p
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
		out[i] = o.items[k].Write
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
		for _, from := range o.order {
			for _, e := range o.items[from].Index {
				if e.Kind == store.Reference {
					o.refs[e.Value] = append(o.refs[e.Value], from)
				}
			}
		}
	}
	for _, from := range o.refs[k.String()] {
		if p := o.items[from]; !p.Deleted && from != k && from.Type != "Provenance" {
			out = append(out, store.Version{Key: from, Access: p.access()})
		}
	}
	return out
}
