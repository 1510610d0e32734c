package gateway

import (
	"context"
	"errors"
	"time"

	"trellis.example/auth"
	"trellis.example/gateway/store"
)

// authStorage keeps auth's documents and single-use names in the store.
type authStorage struct{ store.Store }

// AuthStorage adapts a store to what package auth needs of one.
func AuthStorage(s store.Store) auth.Storage { return authStorage{s} }

func (a authStorage) Doc(ctx context.Context, kind, id string) ([]byte, int, bool, error) {
	d, err := a.Store.Doc(ctx, kind, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, 0, false, nil
	}
	return d.Body, d.Version, err == nil, err
}

func (a authStorage) Docs(ctx context.Context, kind string) ([]auth.Entry, error) {
	docs, err := a.Store.Docs(ctx, kind)
	out := make([]auth.Entry, 0, len(docs))
	for _, d := range docs {
		out = append(out, auth.Entry{ID: d.ID, Version: d.Version, Body: d.Body})
	}
	return out, err
}

func (a authStorage) PutDoc(ctx context.Context, kind, id string, expect int, body []byte) error {
	_, err := a.Commit(ctx, store.Commit{Docs: []store.DocWrite{{Kind: kind, ID: id, Expect: expect, Body: body}}})
	if _, conflict := errors.AsType[*store.Conflict](err); conflict {
		return auth.ErrConflict
	}
	return err
}

func (a authStorage) Claim(ctx context.Context, scope, key string, expires time.Time) (bool, error) {
	_, err := a.Commit(ctx, store.Commit{Claims: []store.Claim{{Scope: scope, Key: key, Expires: expires}}})
	if _, taken := errors.AsType[*store.Taken](err); taken {
		return true, nil
	}
	return false, err
}
