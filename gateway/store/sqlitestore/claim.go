package sqlitestore

import (
	"context"
	"database/sql/driver"
	"time"

	"trellis.example/gateway/store"
)

// claim returns the claim that holds the name at that time.
func (c *conn) claim(scope, key string, now int64) (cl store.Claim, ok bool, err error) {
	err = c.query(sqlClaim, func(row []driver.Value) error {
		if expires := integer(row[0]); expires > now {
			cl = store.Claim{Scope: scope, Key: key, Expires: time.UnixMilli(expires).UTC(), Answer: bytesOf(row[1])}
			ok = true
		}
		return nil
	}, scope, key)
	return cl, ok, err
}

// Claimed implements store.Store.
func (s *Store) Claimed(ctx context.Context, scope, key string) (cl store.Claim, ok bool, err error) {
	err = s.read(ctx, func(c *conn) error {
		cl, ok, err = c.claim(scope, key, s.now().UnixMilli())
		return err
	})
	return cl, ok, err
}
