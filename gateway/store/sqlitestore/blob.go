package sqlitestore

import (
	"context"
	"database/sql/driver"

	"trellis.example/gateway/store"
)

// An original is cut into chunks; chunk n of blob b is row b<<chunkBits | n.
const (
	chunkSize = 1 << 20
	chunkBits = 12
	maxBlob   = chunkSize << chunkBits / 4 // 1 GB, SQLite's own limit of a value
)

// A blobRow is a row of blobs; its b is 0 when there is none.
type blobRow struct {
	b    int64
	typ  string
	size int64
}

func (c *conn) blob(hash string) (r blobRow, err error) {
	err = c.query(sqlBlobByHash, func(row []driver.Value) error {
		r = blobRow{integer(row[0]), text(row[1]), integer(row[2])}
		return nil
	}, hash)
	return r, err
}

// checkBlob refuses refs of an original that is not there.
func (g *group) checkBlob(b store.Blob) error {
	if b.Data != nil {
		return nil
	}
	r, err := g.blob(b.Hash)
	if err == nil && r.b == 0 {
		return store.ErrNotFound
	}
	return err
}

// putBlob stores an original, or adds the refs of one that is there. Either
// way its day begins anew.
func (g *group) putBlob(b store.Blob, now int64) error {
	r, err := g.blob(b.Hash)
	if err != nil {
		return err
	}
	if r.b == 0 {
		r.b, err = g.newBlob(b, now)
	} else {
		err = g.exec(sqlTouchBlob, now, r.b)
	}
	if err != nil {
		return err
	}
	for _, k := range b.Refs {
		if err := g.exec(sqlNewRef, r.b, k.Type, k.ID); err != nil {
			return err
		}
	}
	return nil
}

func (g *group) newBlob(b store.Blob, now int64) (int64, error) {
	id, _, err := g.number(sqlNewBlob, b.Hash, b.Type, len(b.Data), now)
	if err != nil {
		return 0, err
	}
	for n, data := int64(0), b.Data; len(data) > 0; n++ {
		size := min(len(data), chunkSize)
		if err := g.exec(sqlNewChunk, id<<chunkBits|n, data[:size]); err != nil {
			return 0, err
		}
		data = data[size:]
	}
	return id, nil
}

// Blob implements store.Store.
func (s *Store) Blob(ctx context.Context, hash string) (b store.Blob, err error) {
	err = s.snapshot(ctx, func(c *conn) error {
		r, err := c.blob(hash)
		if err != nil {
			return err
		}
		if r.b == 0 {
			return store.ErrNotFound
		}
		b, err = c.original(hash, r)
		return err
	})
	return b, err
}

// original returns a blob with its data and refs.
func (c *conn) original(hash string, r blobRow) (b store.Blob, err error) {
	b = store.Blob{Hash: hash, Type: r.typ, Data: make([]byte, 0, min(max(r.size, 0), maxBlob))}
	err = c.query(sqlChunks, func(row []driver.Value) error {
		b.Data = append(b.Data, bytesOf(row[0])...)
		return nil
	}, r.b<<chunkBits, (r.b+1)<<chunkBits)
	if err != nil {
		return b, err
	}
	b.Refs, err = c.refs(r.b)
	return b, err
}

// refs returns a blob's refs, sorted.
func (c *conn) refs(b int64) (refs []store.Key, err error) {
	err = c.query(sqlRefs, func(row []driver.Value) error {
		refs = append(refs, store.Key{Type: text(row[0]), ID: text(row[1])})
		return nil
	}, b)
	return refs, err
}
