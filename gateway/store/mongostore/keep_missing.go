package mongostore

import (
	"bytes"
	"context"
	"reflect"
	"slices"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"trellis.example/gateway/store"
)

// A loadable is a document that Load may find there already.
type loadable[T any] interface {
	*T
	id() string
	// same reports whether the one that is there is of an equal record.
	same(have *T) bool
	// key is what a Conflict names.
	key() store.Key
}

// missing returns those of the documents that are not there. One that differs
// from what is there, or is given twice and differs, is a Conflict.
func missing[T any, P loadable[T]](ctx context.Context, c *mongo.Collection, all []*T) (out []*T, err error) {
	have := map[string]*T{}
	ids := make([]string, len(all))
	for i, d := range all {
		ids[i] = P(d).id()
	}
	if err := each(ctx, c, ids, nil, func(d *T) { have[P(d).id()] = d }); err != nil {
		return nil, err
	}
	for _, d := range all {
		there, ok := have[P(d).id()]
		switch {
		case !ok:
			have[P(d).id()], out = d, append(out, d)
		case !P(d).same(there):
			return nil, &store.Conflict{Key: P(d).key()}
		}
	}
	return out, nil
}

// insertMissing inserts those of the documents that are not there.
func insertMissing[T any, P loadable[T]](ctx context.Context, c *mongo.Collection, all []*T) error {
	rest, err := missing[T, P](ctx, c, all)
	if err != nil {
		return err
	}
	return insert(ctx, c, anys(rest))
}

func anys[T any](docs []*T) []any {
	out := make([]any, len(docs))
	for i, d := range docs {
		out[i] = d
	}
	return out
}

func (d *versionDoc) id() string { return d.ID }
func (d *versionDoc) same(have *versionDoc) bool {
	return d.From == have.From && d.To == have.To && d.Updated == have.Updated && d.Deleted == have.Deleted &&
		bytes.Equal(d.Body, have.Body) && d.Access.Owner == have.Access.Owner &&
		slices.Equal(d.Access.Parties, have.Access.Parties) && slices.Equal(d.Access.Labels, have.Access.Labels)
}

func (d *docDoc) id() string     { return d.ID }
func (d *docDoc) key() store.Key { return store.Key{Type: d.Kind, ID: d.Name} }
func (d *docDoc) same(have *docDoc) bool {
	return d.Version == have.Version && bytes.Equal(d.Body, have.Body)
}

func (d *claimDoc) id() string     { return d.ID }
func (d *claimDoc) key() store.Key { return store.Key{Type: d.Scope, ID: d.Key} }
func (d *claimDoc) same(have *claimDoc) bool {
	return d.Expires == have.Expires && bytes.Equal(d.Answer, have.Answer)
}

func (d *eventDoc) id() string     { return d.ID }
func (d *eventDoc) key() store.Key { return store.Key{Type: d.Topic, ID: d.ID} }
func (d *eventDoc) same(have *eventDoc) bool {
	return d.Topic == have.Topic && d.Partition == have.Partition && d.Due == have.Due && d.Attempt == have.Attempt &&
		bytes.Equal(d.Payload, have.Payload)
}

func (d *blobDoc) id() string     { return d.ID }
func (d *blobDoc) key() store.Key { return store.Key{Type: "original", ID: d.ID} }
func (d *blobDoc) same(have *blobDoc) bool {
	return d.Type == have.Type && d.Size == have.Size && d.At == have.At && len(d.Refs) == len(have.Refs) &&
		!slices.ContainsFunc(d.Refs, func(r blobRef) bool { return !slices.Contains(have.Refs, r) })
}

func (d *entryDoc) same(have *entryDoc) bool {
	a, b := *d, *have
	for _, e := range []*entryDoc{&a, &b} {
		e.Entities, e.Patients = slices.Concat([]string{}, e.Entities), slices.Concat([]string{}, e.Patients)
	}
	return reflect.DeepEqual(a, b)
}
