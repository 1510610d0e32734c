package gateway

import (
	"context"
	"crypto/rand"
	"errors"

	"trellis.example/gateway/store"
)

// The key that every gateway of one store must share: it makes ids that
// strangers cannot guess. Whoever reads the store sees the ids themselves, so
// the key may lie there too; private signing keys never do.
const (
	keyKind = "shared-key"
	idKey   = "record-ids"
)

// sharedKey returns the 32-byte key of that name, made by whichever gateway
// comes first.
func sharedKey(ctx context.Context, s store.Store, name string) ([]byte, error) {
	fresh := make([]byte, 32)
	rand.Read(fresh)
	for {
		d, err := s.Doc(ctx, keyKind, name)
		if !errors.Is(err, store.ErrNotFound) {
			return d.Body, err
		}
		_, err = s.Commit(ctx, store.Commit{Docs: []store.DocWrite{{Kind: keyKind, ID: name, Body: fresh}}})
		if _, lost := errors.AsType[*store.Conflict](err); err != nil && !lost {
			return nil, err
		}
	}
}
