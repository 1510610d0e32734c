package sqlitestore

import (
	"bytes"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strings"

	"trellis.example/gateway/store"
	"trellis.example/gateway/store/sqlitestore/packed"
)

// How much one transaction indexes anew, for which commits wait some
// milliseconds.
const (
	reindexRows  = 128
	reindexBytes = 4 << 20
)

// Indexer is how the entries of a document are found.
type indexer = func(typ string, body []byte) ([]store.Index, error)

// Reindex implements store.Keeper. It changes entries and index rows of
// versions and nothing else, all of one version in one transaction, so that it
// may run beside searches and beside the process that serves: what that keeps in
// memory are bodies, numbers and access.
func (s *Store) Reindex(ctx context.Context, after string, n int, index indexer) (next string, looked int, err error) {
	var faults []error
	for looked < n {
		if err := s.goesOn(ctx); err != nil {
			return after, looked, err
		}
		found, err := s.standingFrom(ctx, after, min(n-looked, reindexRows))
		if err != nil {
			return after, looked, err
		}
		if len(found) == 0 {
			return "", looked, errors.Join(faults...)
		}
		fresh, err := reindexed(found, index)
		faults = append(faults, err)
		if err := s.submit(ctx, &job{run: func(g *group) error { return g.reindex(fresh) }}); err != nil {
			return after, looked, err
		}
		looked += len(found)
		after = found[len(found)-1].key.String()
	}
	return after, looked, errors.Join(faults...)
}

// An indexedVersion is a current version with what it is found by.
type indexedVersion struct {
	key     store.Key
	pos     int64
	deleted bool
	body    []byte
	parties []string
	entries []byte // as they are
	fresh   []byte // as they should be
	rows    rows   // as they should be
}

var errEnough = errors.New("enough")

// standingFrom returns current versions in the order of their keys after one.
func (s *Store) standingFrom(ctx context.Context, after string, n int) (found []indexedVersion, err error) {
	typ, id, _ := strings.Cut(after, "/")
	size := 0
	err = s.read(ctx, func(c *conn) error {
		return c.query(sqlReindexFrom, func(row []driver.Value) error {
			v, err := readIndexed(row)
			found = append(found, v)
			if size += len(v.body); err == nil && size > reindexBytes {
				err = errEnough
			}
			return err
		}, typ, id, n)
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return found, err
}

// readIndexed reads a row of sqlReindexFrom.
func readIndexed(row []driver.Value) (indexedVersion, error) {
	v := indexedVersion{
		key: store.Key{Type: text(row[0]), ID: text(row[1])}, pos: integer(row[2]), deleted: integer(row[3]) != 0,
		entries: bytesOf(row[4]), body: bytesOf(row[5]),
	}
	a, err := packed.ParseAccess(bytesOf(row[6]))
	v.parties = indexParties(a)
	return v, damaged(err)
}

// expect works out by what the version should be found.
func (v *indexedVersion) expect(index indexer) error {
	if v.deleted {
		v.fresh, v.rows = packed.Entries(v.parties, nil), pastRows(v.key.Type, v.parties)
		return nil
	}
	entries, err := index(v.key.Type, v.body)
	if err != nil {
		return fmt.Errorf("version at position %d: %w", v.pos, err)
	}
	v.fresh, v.rows = packed.Entries(v.parties, entries), indexRows(v.key.Type, v.parties, entries)
	return nil
}

// reindexed returns the versions whose entries could be worked out.
func reindexed(found []indexedVersion, index indexer) (fresh []indexedVersion, err error) {
	var faults []error
	for _, v := range found {
		if err := v.expect(index); err != nil {
			faults = append(faults, err)
			continue
		}
		fresh = append(fresh, v)
	}
	return fresh, errors.Join(faults...)
}

// reindex puts what versions are found by in the place of what they were found
// by. One that was replaced meanwhile was indexed with its replacement.
func (g *group) reindex(vs []indexedVersion) error {
	for _, v := range vs {
		h, err := g.head(v.key)
		if err != nil {
			return err
		}
		if h.pos != v.pos {
			continue
		}
		g.changed = true
		if err := g.reindexVersion(v); err != nil {
			return err
		}
	}
	return nil
}

// reindexVersion adds all rows, those that are there in vain, so that lost ones
// are back.
func (g *group) reindexVersion(v indexedVersion) error {
	g.addIndexRows(v.rows, v.pos)
	if bytes.Equal(v.entries, v.fresh) {
		return nil
	}
	if err := g.exec(sqlSetEntries, v.fresh, v.pos); err != nil {
		return err
	}
	// Entries that cannot be read any more leave rows that find nothing.
	parties, index, err := packed.ParseEntries(v.entries)
	if err != nil || v.deleted {
		return nil
	}
	return g.dropRows(indexRows(v.key.Type, parties, index).without(v.rows), v.pos)
}

// without returns the rows that the other has not.
func (r rows) without(o rows) rows {
	return rows{
		exact: slices.DeleteFunc(slices.Clone(r.exact), func(h int64) bool { return slices.Contains(o.exact, h) }),
		dates: slices.DeleteFunc(slices.Clone(r.dates), func(d dateRow) bool { return slices.Contains(o.dates, d) }),
		texts: slices.DeleteFunc(slices.Clone(r.texts), func(t textRow) bool { return slices.Contains(o.texts, t) }),
	}
}

// Count implements store.Keeper. It counts keys, deleted ones too.
func (s *Store) Count(ctx context.Context) (n int, err error) {
	err = s.read(ctx, func(c *conn) error {
		count, _, err := c.number(sqlCount)
		n = int(count)
		return err
	})
	return n, err
}

// Schema implements store.Keeper.
func (s *Store) Schema(ctx context.Context) (has, newest int, err error) {
	err = s.read(ctx, func(c *conn) error {
		v, _, err := c.number("PRAGMA user_version")
		has = int(v)
		return err
	})
	return has, len(migrations), err
}
