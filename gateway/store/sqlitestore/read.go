package sqlitestore

import (
	"context"
	"database/sql/driver"
	"time"

	"trellis.example/auth"
	"trellis.example/gateway/store"
	"trellis.example/gateway/store/sqlitestore/packed"
)

// Read implements store.Store.
func (s *Store) Read(ctx context.Context, view auth.View, k store.Key) (store.Version, error) {
	if err := ctx.Err(); err != nil {
		return store.Version{}, err
	}
	v, ok, ticket := s.cache.get(k)
	if !ok {
		var err error
		if v, err = s.load(ctx, k, sqlRead, k.Type, k.ID); err != nil {
			return store.Version{}, err
		}
		if v.Number > 0 {
			ticket.add(v)
		}
	}
	return shown(view, v)
}

// load reads the version that a query of six columns yields, whoever may see
// it; its number is 0 when there is none.
func (s *Store) load(ctx context.Context, k store.Key, sql string, args ...any) (v store.Version, err error) {
	err = s.read(ctx, func(c *conn) error {
		return c.query(sql, func(row []driver.Value) error {
			access, err := packed.ParseAccess(bytesOf(row[2]))
			if err != nil {
				return damaged(err)
			}
			v = makeVersion(k, row[0], row[1], row[3], row[4], row[5])
			v.Access = access
			return nil
		}, args...)
	})
	return v, err
}

// shown returns the version if there is one and the view sees it.
func shown(view auth.View, v store.Version) (store.Version, error) {
	if v.Number == 0 || !view.Sees(v.Key.Type, v.Access) {
		return store.Version{}, store.ErrNotFound
	}
	return v, nil
}

func makeVersion(k store.Key, pos, number, updated, deleted, body driver.Value) store.Version {
	v := store.Version{
		Key: k, Number: int(integer(number)), Seq: seqOf(integer(pos)),
		Updated: time.UnixMilli(integer(updated)).UTC(), Deleted: integer(deleted) != 0,
	}
	if !v.Deleted {
		v.Body = bytesOf(body)
	}
	return v
}

// ReadVersion implements store.Store.
func (s *Store) ReadVersion(ctx context.Context, v auth.View, k store.Key, number int) (store.Version, error) {
	got, err := s.readPast(ctx, v, k, number)
	if err == nil || ctx.Err() != nil {
		return got, err
	}
	// It is not in the past: it may be the present one.
	now, nerr := s.Read(ctx, v, k)
	if nerr == nil && now.Number == number {
		return now, nil
	}
	if nerr == nil {
		// It may have passed between the two look-ups.
		return s.readPast(ctx, v, k, number)
	}
	return store.Version{}, nerr
}

func (s *Store) readPast(ctx context.Context, view auth.View, k store.Key, number int) (store.Version, error) {
	v, err := s.load(ctx, k, sqlReadPast, k.Type, k.ID, number)
	if err != nil {
		return store.Version{}, err
	}
	return shown(view, v)
}
