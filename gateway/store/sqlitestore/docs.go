package sqlitestore

import (
	"context"
	"database/sql/driver"

	"trellis.example/gateway/store"
)

func (c *conn) docs(sql, kind string, args ...any) (ds []store.Doc, err error) {
	err = c.query(sql, func(row []driver.Value) error {
		ds = append(ds, store.Doc{Kind: kind, ID: text(row[0]), Version: int(integer(row[1])), Body: bytesOf(row[2])})
		return nil
	}, append([]any{kind}, args...)...)
	return ds, err
}

func (g *group) checkDoc(d store.DocWrite) error {
	ds, err := g.docs(sqlDoc, d.Kind, d.ID)
	if err != nil {
		return err
	}
	have := 0
	if len(ds) > 0 {
		have = ds[0].Version
	}
	if have != d.Expect {
		return &store.Conflict{Key: store.Key{Type: d.Kind, ID: d.ID}, Current: have}
	}
	return nil
}

func (g *group) putDoc(d store.DocWrite) error {
	if d.Delete {
		return g.exec(sqlDropDoc, d.Kind, d.ID)
	}
	return g.exec(sqlNewDoc, d.Kind, d.ID, d.Expect+1, d.Body)
}

// Doc implements store.Store. It reads the database each time: another process
// may have changed it.
func (s *Store) Doc(ctx context.Context, kind, id string) (d store.Doc, err error) {
	err = s.read(ctx, func(c *conn) error {
		ds, err := c.docs(sqlDoc, kind, id)
		if err != nil {
			return err
		}
		if len(ds) == 0 {
			return store.ErrNotFound
		}
		d = ds[0]
		return nil
	})
	return d, err
}

// Docs implements store.Store.
func (s *Store) Docs(ctx context.Context, kind string) (ds []store.Doc, err error) {
	err = s.read(ctx, func(c *conn) error {
		ds, err = c.docs(sqlDocs, kind)
		return err
	})
	return ds, err
}
