package sqlitestore

import (
	"database/sql/driver"
	"slices"
	"time"

	"trellis.example/auth"
	"trellis.example/gateway/store"
	"trellis.example/gateway/store/sqlitestore/packed"
)

// A candidate is a version that may belong to an answer.
type candidate struct {
	pos     int64
	key     store.Key
	number  int
	updated int64
	deleted bool
	entries []byte
	head    int64 // the key's present version
	access  auth.Access
	index   []store.Index // of entries, once they are parsed
	parsed  bool
	body    []byte
	hasBody bool
	sort    []byte // see store.SortKey
}

// readCandidate reads a row of candidateColumns.
func (cn *conn) readCandidate(row []driver.Value) (c candidate, err error) {
	c = candidate{
		pos: integer(row[0]), key: store.Key{Type: text(row[1]), ID: text(row[2])}, number: int(integer(row[3])),
		updated: integer(row[4]), deleted: integer(row[5]) != 0, entries: bytesOf(row[6]), head: integer(row[7]),
	}
	c.body, c.hasBody = row[9].([]byte)
	c.access, err = cn.parseAccess(bytesOf(row[8]))
	return c, err
}

// maxAccesses is how many accesses a connection keeps unpacked. Resources that
// are found together mostly have the same.
const maxAccesses = 256

// parseAccess unpacks an access, which others may have too: cloneAccess makes
// one of the caller's own.
func (cn *conn) parseAccess(b []byte) (auth.Access, error) {
	if a, ok := cn.accesses[string(b)]; ok {
		return a, nil
	}
	a, err := packed.ParseAccess(b)
	if err != nil {
		return a, damaged(err)
	}
	if cn.accesses == nil || len(cn.accesses) == maxAccesses {
		cn.accesses = map[string]auth.Access{}
	}
	cn.accesses[string(b)] = a
	return a, nil
}

// parse unpacks the entries of the parameters, always the same ones.
func (c *candidate) parse(params []string) (err error) {
	if !c.parsed {
		c.index, err = packed.SomeEntries(c.entries, params)
		c.parsed = true
	}
	return damaged(err)
}

func (c *candidate) version() store.Version {
	v := store.Version{
		Key: c.key, Number: c.number, Updated: time.UnixMilli(c.updated).UTC(), Deleted: c.deleted,
		Access: cloneAccess(c.access), Seq: seqOf(c.pos),
	}
	if !c.deleted {
		v.Body = c.body
	}
	return v
}

// currentAt reports whether the version was current at the snapshot, which it
// does not lie above.
func (c *conn) currentAt(v *candidate, snapshot int64) (bool, error) {
	if v.head == v.pos {
		return true, nil
	}
	until, ok, err := c.number(sqlUntil, v.key.Type, v.key.ID, v.number)
	return ok && until > snapshot, err
}

// A window is where positions are looked for, and in which order: down from
// high, which does not belong to it, or up from low, which does.
type window struct {
	low, high int64
	up        bool
}

// beyond returns what is left of the window after a position.
func (w window) beyond(pos int64) window {
	if w.up {
		w.low = max(w.low, pos+1)
	} else {
		w.high = min(w.high, pos)
	}
	return w
}

func (w window) contains(pos int64) bool { return w.low <= pos && pos < w.high }

func (w window) isEmpty() bool { return w.low >= w.high }

// before reports whether a comes before b in the window's order.
func (w window) before(a, b int64) bool {
	if w.up {
		return a < b
	}
	return a > b
}

func (w window) sort(ps []int64) []int64 {
	ps = slices.DeleteFunc(ps, func(pos int64) bool { return !w.contains(pos) })
	slices.Sort(ps)
	ps = slices.Compact(ps)
	if !w.up {
		slices.Reverse(ps)
	}
	return ps
}

// candidates returns the versions at the positions, in their order.
func (c *conn) candidates(ps []int64, want columns) ([]candidate, error) {
	at := make(map[int64]int, len(ps))
	for i, pos := range ps {
		at[pos] = i
	}
	cs := make([]candidate, len(ps))
	err := c.lookUp(sqlCandidate, sqlCandidates, ps, func(row []driver.Value) (err error) {
		cs[at[integer(row[0])]], err = c.readCandidate(row)
		return err
	}, flag(want.bodies), flag(want.entries))
	return slices.DeleteFunc(cs, func(c candidate) bool { return c.number == 0 }), err
}

// lookUp runs a query over positions, one or many at a time.
func (c *conn) lookUp(one, many string, pos []int64, each func([]driver.Value) error, first ...any) error {
	for len(pos) > 0 {
		sql, places, n := many, manyRead, min(len(pos), manyRead)
		if n == 1 {
			sql, places = one, 1
		}
		args := append(make([]any, 0, len(first)+places), first...)
		for i := range places {
			if i < n {
				args = append(args, pos[i])
			} else {
				args = append(args, int64(-1)) // there is none
			}
		}
		if err := c.query(sql, each, args...); err != nil {
			return err
		}
		pos = pos[n:]
	}
	return nil
}
