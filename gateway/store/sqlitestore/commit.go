package sqlitestore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql/driver"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"trellis.example/auth"
	"trellis.example/gateway/store"
	"trellis.example/gateway/store/sqlitestore/packed"
)

// errBeside keeps versions from being written past the serving process.
var errBeside = errors.New("resources are written by the serving process alone")

// Commit implements store.Store.
func (s *Store) Commit(ctx context.Context, c store.Commit) (store.Result, error) {
	if s.beside && len(c.Writes) > 0 {
		return store.Result{}, errBeside
	}
	if s.loading.Load() {
		return store.Result{}, errLoading
	}
	p := &commit{Commit: c, now: s.now().UnixMilli()}
	if err := p.prepare(); err != nil {
		return store.Result{}, err
	}
	var seq int64
	j := &job{size: p.size, numbered: true, bulk: p.isBulk(), run: func(g *group) error {
		seq = g.seq
		return p.run(g)
	}}
	for _, w := range c.Writes {
		j.ids = append(j.ids, rankOf(w.Key))
	}
	if err := s.submit(ctx, j); err != nil {
		return store.Result{}, err
	}
	return store.Result{Seq: seq}, nil
}

// A commit is a store.Commit with what can be worked out before it reaches the
// writer.
type commit struct {
	store.Commit
	now    int64 // Unix milliseconds
	size   int
	packed []packedWrite
	audit  []byte
}

// A packedWrite holds a write's columns. Of a write that keeps the present
// access, entries and rows are only known in the transaction.
type packedWrite struct {
	access  []byte
	entries []byte
	rows    rows
	keeps   bool
}

func (p *commit) isBulk() bool { return len(p.Writes) >= bulkVersions }

func (p *commit) prepare() error {
	if len(p.Writes) > maxWrites {
		return fmt.Errorf("%d writes: %w", len(p.Writes), store.ErrTooLarge)
	}
	if err := p.checkSizes(); err != nil {
		return err
	}
	if err := p.checkNames(); err != nil {
		return err
	}
	for _, b := range p.Originals {
		sum := sha256.Sum256(b.Data)
		if b.Data != nil && b.Hash != hex.EncodeToString(sum[:]) {
			return errors.New("original under a hash that is not its own")
		}
	}
	p.Writes = slices.Clone(p.Writes) // the caller keeps its own
	for i := range p.Writes {
		p.packed = append(p.packed, packWrite(&p.Writes[i]))
	}
	for _, e := range p.Audit {
		p.audit = packed.Audit(p.audit, e)
	}
	p.size += len(p.audit)
	return nil
}

// checkSizes refuses what is over a limit.
func (p *commit) checkSizes() error {
	check := func(what string, size, limit int) error {
		p.size += size
		if size > limit {
			return fmt.Errorf("%s of %d bytes: %w", what, size, store.ErrTooLarge)
		}
		return nil
	}
	var errs []error
	for _, w := range p.Writes {
		errs = append(errs, check("body", len(w.Body), store.MaxBody))
		if len(w.Index) > store.MaxIndex {
			errs = append(errs, fmt.Errorf("%d index entries: %w", len(w.Index), store.ErrTooLarge))
		}
	}
	for _, c := range p.Claims {
		errs = append(errs, check("answer", len(c.Answer), store.MaxAnswer))
	}
	for _, e := range p.Events {
		errs = append(errs, check("event", len(e.Payload), store.MaxBody))
	}
	for _, d := range p.Docs {
		errs = append(errs, check("document", len(d.Body), store.MaxBody))
	}
	for _, b := range p.Originals {
		errs = append(errs, check("original", len(b.Data), maxBlob))
	}
	return errors.Join(errs...)
}

// checkNames refuses a commit that names something twice.
func (p *commit) checkNames() error {
	if len(p.Writes)+len(p.Claims)+len(p.Events)+len(p.Docs) <= 1 {
		return nil
	}
	seen := map[[3]string]bool{}
	twice := func(sort, a, b string) bool {
		k := [3]string{sort, a, b}
		was := seen[k]
		seen[k] = true
		return was
	}
	for _, c := range p.Claims {
		if twice("claim", c.Scope, c.Key) {
			return &store.Taken{Claim: c}
		}
	}
	for _, w := range p.Writes {
		if twice("write", w.Key.Type, w.Key.ID) {
			return &store.Conflict{Key: w.Key}
		}
	}
	for _, e := range p.Events {
		if twice("event", "", e.ID) {
			return &store.Conflict{Key: store.Key{Type: e.Topic, ID: e.ID}}
		}
	}
	for _, d := range p.Docs {
		if twice("doc", d.Kind, d.ID) {
			return &store.Conflict{Key: store.Key{Type: d.Kind, ID: d.ID}}
		}
	}
	return nil
}

func isZero(a auth.Access) bool {
	return a.Owner == "" && len(a.Parties) == 0 && len(a.Labels) == 0
}

func packWrite(w *store.Write) packedWrite {
	if w.Deleted {
		w.Body, w.Index = nil, nil
	}
	pw := packedWrite{keeps: w.Expect > 0 && isZero(w.Access)}
	if !pw.keeps {
		pw.access = packed.Access(w.Access)
		pw.index(w, w.Access)
	}
	return pw
}

// index works out what the version is found by under the access.
func (pw *packedWrite) index(w *store.Write, a auth.Access) {
	parties := indexParties(a)
	pw.entries = packed.Entries(parties, w.Index)
	if w.Deleted {
		pw.rows = pastRows(w.Key.Type, parties)
		return
	}
	pw.rows = indexRows(w.Key.Type, parties, w.Index)
}

// run decides all parts of the commit and then makes them.
func (p *commit) run(g *group) error {
	heads, err := p.check(g)
	if err != nil {
		return err
	}
	g.changed = true
	for i := range p.Writes {
		if err := p.write(g, i, heads[i]); err != nil {
			return err
		}
	}
	for _, c := range p.Claims {
		if err := g.exec(sqlTakeClaim, c.Scope, c.Key, c.Expires.UnixMilli(), c.Answer); err != nil {
			return err
		}
	}
	for _, e := range p.Events {
		if err := g.addEvent(e); err != nil {
			return err
		}
	}
	for _, d := range p.Docs {
		if err := g.putDoc(d); err != nil {
			return err
		}
	}
	for _, b := range p.Originals {
		if err := g.putBlob(b, p.now); err != nil {
			return err
		}
	}
	p.appendAudit(g)
	return nil
}

func (p *commit) appendAudit(g *group) {
	if len(p.Audit) == 0 {
		return
	}
	if len(g.audit) == 0 {
		g.audit = append(g.audit, packed.AuditFormat)
	}
	g.audit = append(g.audit, p.audit...)
	for _, e := range p.Audit {
		g.note(slotAudit, e.At.UnixMilli())
	}
}

// check returns the heads of the keys to be written, or why the commit loses.
func (p *commit) check(g *group) ([]head, error) {
	for _, c := range p.Claims {
		held, ok, err := g.claim(c.Scope, c.Key, p.now)
		if err != nil {
			return nil, err
		}
		if ok {
			return nil, &store.Taken{Claim: held}
		}
	}
	heads := make([]head, len(p.Writes))
	for i, w := range p.Writes {
		h, err := g.head(w.Key)
		if err != nil {
			return nil, err
		}
		if err := judge(w, h); err != nil {
			return nil, err
		}
		heads[i] = h
	}
	for _, e := range p.Events {
		if err := g.checkEvent(e); err != nil {
			return nil, err
		}
	}
	for _, d := range p.Docs {
		if err := g.checkDoc(d); err != nil {
			return nil, err
		}
	}
	for _, b := range p.Originals {
		if err := g.checkBlob(b); err != nil {
			return nil, err
		}
	}
	return heads, nil
}

// judge says whether a write may replace the head.
func judge(w store.Write, h head) error {
	sees := h.number > 0 && w.View.Sees(w.Key.Type, h.access)
	switch {
	case w.Expect == 0 && h.number == 0:
		return nil
	case w.Expect == 0 && !sees:
		return &store.Conflict{Key: w.Key}
	case w.Expect == 0:
		return &store.Conflict{Key: w.Key, Current: h.number}
	case !sees:
		return store.ErrNotFound
	case !w.View.Changes(w.Key.Type, h.access):
		return store.ErrForbidden
	case h.number != w.Expect:
		return &store.Conflict{Key: w.Key, Current: h.number}
	}
	return nil
}

// A head is the state of a key; its number is 0 when the key is absent.
type head struct {
	pos    int64
	number int
	access auth.Access
	packed []byte // access
}

func (c *conn) head(k store.Key) (h head, err error) {
	err = c.query(sqlHead, func(row []driver.Value) error {
		h = head{pos: integer(row[0]), number: int(integer(row[1])), packed: bytesOf(row[2])}
		var err error
		h.access, err = packed.ParseAccess(h.packed)
		return damaged(err)
	}, k.Type, k.ID)
	return h, err
}

// damaged classifies an error of unpacking.
func damaged(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
}

// write makes the new version of the i-th key, whose head is h.
func (p *commit) write(g *group, i int, h head) error {
	w, pw := &p.Writes[i], p.packed[i]
	if pw.keeps {
		pw.access = bytes.Clone(h.packed)
		pw.index(w, h.access)
	}
	g.written = append(g.written, store.Version{Key: w.Key})
	pos := position(g.seq, g.ordinal[i])
	if err := p.moveHead(g, w, pw, h, pos); err != nil {
		return err
	}
	updated := w.Updated.UnixMilli()
	g.addVersion(versionRow{pos, w.Key, w.Expect + 1, updated, w.Deleted, pw.entries, w.Body}, pw.rows)
	g.note(slotUpdated, updated)
	if p.isBulk() {
		return nil // what is read next is hardly among them
	}
	return g.remember(w, pw.access, pos)
}

// moveHead points the key at its new version and closes the old one.
func (p *commit) moveHead(g *group, w *store.Write, pw packedWrite, h head, pos int64) error {
	if h.number == 0 {
		g.addHead(headRow{w.Key, pos, 1, pw.access})
		return nil
	}
	if err := g.exec(sqlMoveHead, pos, w.Expect+1, pw.access, w.Key.Type, w.Key.ID); err != nil {
		return err
	}
	g.past = append(g.past, pastRow{w.Key, h.number, h.pos, g.seq})
	return g.exec(sqlNewClosed, p.now, h.pos, g.seq)
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
