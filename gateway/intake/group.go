package intake

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"

	"trellis.example/fhir"
	"trellis.example/gateway/audit"
	"trellis.example/gateway/rest"
	"trellis.example/gateway/store"
	"trellis.example/mapping/csvresult"
)

// The limits of one group of rows, which is one commit: large enough to share a
// durable write among many, and small enough that others do not wait long.
const (
	groupRows   = 512
	groupWrites = 4000
	groupBytes  = 8 << 20
)

// storeAll stores the rows of the chunks in groups.
func (b *batch) storeAll(ctx context.Context, chunks <-chan *chunk) error {
	for c := range chunks {
		select {
		case <-c.ready:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		for _, r := range c.rows {
			if err := b.add(ctx, r); err != nil {
				return err
			}
		}
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	return b.store(ctx)
}

// add takes a row up into the next group. A row with the same reference as one
// of the group goes into the group after it.
func (b *batch) add(ctx context.Context, r *row) error {
	bytes, writes := 0, 0
	if r.written() {
		for _, w := range r.b.c.Writes {
			bytes += len(w.Body)
		}
		writes = len(r.b.c.Writes)
	}
	twice := r.rec.Key != "" && b.names[r.rec.Key]
	// The records of one row stay together: the file goes on behind a row.
	whole := len(b.next) == 0 || b.next[len(b.next)-1].rec.Row != r.rec.Row
	if twice {
		b.repeats.Store(true)
	}
	if twice || whole && (len(b.next) >= groupRows || b.count+writes > groupWrites || b.size+bytes > groupBytes) {
		if err := b.store(ctx); err != nil {
			return err
		}
		if twice {
			b.guarded(ctx, r, b.rebuild)
		}
	}
	if b.names == nil {
		b.names = map[string]bool{}
	}
	b.names[r.rec.Key] = true
	b.next, b.size, b.count = append(b.next, r), b.size+bytes, b.count+writes
	return nil
}

// rebuild makes the commit of a row anew, after others may have changed its
// record.
func (b *batch) rebuild(ctx context.Context, r *row) error {
	if r.plan == nil || r.out.Status == Rejected && r.b == nil && r.err == nil {
		return r.err
	}
	return b.build(ctx, r)
}

// store stores the group: in one commit or, when one of its rows stands in the
// way of the others, row by row.
func (b *batch) store(ctx context.Context) error {
	rows := b.next
	b.next, b.size, b.count = nil, 0, 0
	clear(b.names)
	if len(rows) == 0 {
		return nil
	}
	err := b.storeGroup(ctx, rows)
	if err != nil && !b.ends(ctx, err) {
		err = b.storeEach(ctx, rows)
	}
	if err != nil {
		return err
	}
	b.tell(rows)
	return nil
}

// ends reports an error that ends the file: the store is away, or the caller has
// gone.
func (b *batch) ends(ctx context.Context, err error) bool {
	return ctx.Err() != nil || errors.Is(err, store.ErrUnavailable)
}

// storeGroup stores the rows in one commit. When records prove to be there, all
// are looked up and tried once more.
func (b *batch) storeGroup(ctx context.Context, rows []*row) error {
	err := b.tryGroup(ctx, rows)
	lost, conflict := errors.AsType[*store.Conflict](err)
	if conflict && (lost.Key.Type == fileKind || lost.Key.Type == resultKind) {
		b.lost = true
		err = b.tryGroup(ctx, rows)
		_, conflict = errors.AsType[*store.Conflict](err)
	}
	if !conflict {
		return err
	}
	b.repeats.Store(true)
	for _, r := range rows {
		b.guarded(ctx, r, b.rebuild)
	}
	return b.tryGroup(ctx, rows)
}

func (b *batch) tryGroup(ctx context.Context, rows []*row) error {
	if err := b.keep(ctx, rows); err != nil {
		return err
	}
	return b.advance(ctx, b.group(ctx, rows), rows)
}

// commit is that of the store. A fault of the program there refuses the group
// and not the gateway.
func (b *batch) commit(ctx context.Context, c store.Commit) (err error) {
	defer func() {
		if recover() != nil {
			b.in.Log.LogAttrs(ctx, slog.LevelError, "panic", slog.String("stack", string(debug.Stack())))
			err = errPanic
		}
	}()
	_, err = b.in.Store.Commit(ctx, c)
	return err
}

// keep stores the file before the first row that is to be written: a file of
// which nothing is taken leaves nothing but its result.
func (b *batch) keep(ctx context.Context, rows []*row) (err error) {
	if b.parts != nil {
		return nil
	}
	for _, r := range rows {
		if r.written() {
			e := b.entry
			e.Action = audit.Create
			b.parts, err = b.in.keep(ctx, b.src, e)
			return err
		}
	}
	return nil
}

// group joins the commits of the rows.
func (b *batch) group(ctx context.Context, rows []*row) store.Commit {
	var c store.Commit
	for _, r := range rows {
		b.settle(ctx, r)
		switch {
		case r.written():
			c.Writes = append(c.Writes, r.b.c.Writes...)
			c.Docs = append(c.Docs, r.b.c.Docs...)
			c.Events = append(c.Events, r.b.c.Events...)
			c.Audit = append(c.Audit, r.b.c.Audit...)
		case r.out.Status == Rejected:
			c.Audit = append(c.Audit, b.refusal())
		}
	}
	c.Audit = append(c.Audit, b.repeated(rows, func(r *row) bool { return !r.written() })...)
	return c
}

// repeated is the one audit entry of the rows that changed nothing.
func (b *batch) repeated(rows []*row, which func(*row) bool) []audit.Entry {
	e, some := b.entry, false
	for _, r := range rows {
		if r.out.Status == Rejected || !which(r) {
			continue
		}
		if some = true; r.out.Referral.ID != "" {
			e.Entities = append(e.Entities, r.out.Referral.String())
		}
	}
	if !some {
		return nil
	}
	return []audit.Entry{e}
}

func (b *batch) refusal() audit.Entry {
	e := b.entry
	e.Outcome = audit.Refused
	return e
}

// settle makes what stopped a row the fault of that row.
func (b *batch) settle(ctx context.Context, r *row) {
	if r.err == nil {
		return
	}
	fault := fhir.AsError(rest.StoreError(r.err))
	if fault.HTTPStatus() >= http.StatusInternalServerError {
		b.in.Log.LogAttrs(ctx, slog.LevelError, "a row was not taken", slog.Int("row", r.rec.Row), slog.String("error", r.err.Error()))
	}
	r.out, r.b, r.err = Outcome{Status: Rejected, Issues: fault.Issues}, nil, nil
}

// resultPiece bounds a doc with lines of the result, in bytes.
const resultPiece = 2 << 20

// advance commits c with how far the file comes by the rows, the lines of its
// result, and, the first time, that a resource refers to the file.
func (b *batch) advance(ctx context.Context, c store.Commit, rows []*row) error {
	p, refers := b.progress, b.refers
	var lines []byte
	for _, r := range rows {
		lines = csvresult.AppendOutcome(lines, rowOutcome(r.rec, r.out))
		p.Rows = max(p.Rows, r.rec.Row)
		if r.out.Status == Rejected {
			continue
		}
		if p.Taken++; !refers && b.parts != nil && r.out.Referral.ID != "" {
			refers = true
			for _, part := range b.parts {
				c.Originals = append(c.Originals, store.Blob{Hash: part, Refs: []store.Key{r.out.Referral}})
			}
		}
	}
	if !b.lost {
		for rest := lines; len(rest) > 0; p.Groups++ {
			n := min(len(rest), resultPiece)
			c.Docs = append(c.Docs, store.DocWrite{Kind: resultKind, ID: resultID(b.file, p.Pass, p.Groups), Body: rest[:n]})
			rest = rest[n:]
		}
		c.Docs = append(c.Docs, b.progressDoc(p))
	}
	if err := b.commit(ctx, c); err != nil {
		return err
	}
	b.committed(p)
	b.refers = refers
	if _, err := b.out.Write(lines); err != nil {
		return noRoom(err)
	}
	return nil
}

func (b *batch) progressDoc(p progress) store.DocWrite {
	body, _ := json.Marshal(p) // numbers and a string: never fails
	return store.DocWrite{Kind: fileKind, ID: b.file, Expect: b.version, Body: body}
}

// committed notes that the progress is stored.
func (b *batch) committed(p progress) {
	b.progress = p
	if !b.lost {
		b.version++
	}
}

// storeEach stores the rows one by one, and then how far the file came.
func (b *batch) storeEach(ctx context.Context, rows []*row) error {
	var c store.Commit
	for _, r := range rows {
		if r.plan != nil && (r.b != nil || r.err != nil || r.out.Status != Rejected) {
			b.guarded(ctx, r, b.single)
		}
		if r.err != nil && b.ends(ctx, r.err) {
			return r.err
		}
		if b.settle(ctx, r); r.out.Status == Rejected {
			c.Audit = append(c.Audit, b.refusal())
		}
	}
	c.Audit = append(c.Audit, b.repeated(rows, func(r *row) bool { return r.plan == nil })...)
	err := b.advance(ctx, c, rows)
	if _, lost := errors.AsType[*store.Conflict](err); lost && !b.lost {
		b.lost = true
		err = b.advance(ctx, c, rows)
	}
	return err
}

func (b *batch) single(ctx context.Context, r *row) (err error) {
	r.b = nil
	r.out, err = b.in.commit(ctx, r.sub, r.plan, r.issues)
	return err
}

// tell counts what became of the rows.
func (b *batch) tell(rows []*row) {
	n := map[Status]int{}
	for _, r := range rows {
		n[r.out.Status]++
	}
	for status, k := range n {
		b.in.Count(b.f.Info().ID, status, k)
	}
}

// resume finds out how far the file came before.
func (b *batch) resume(ctx context.Context) error {
	p, version, known, err := b.in.progressOf(ctx, b.file)
	if err != nil || !known {
		return err
	}
	b.version, b.seen = version, true
	b.repeats.Store(true)
	if p.Finished {
		b.progress = progress{Pass: p.Pass + 1}
		b.old = p
		return nil
	}
	b.progress, b.done = p, p.Rows
	return b.in.lines(ctx, b.file, p, b.out)
}

// finish stores that the file came to its end, and removes the result of the
// pass before.
func (b *batch) finish(ctx context.Context, issues []fhir.Issue) error {
	p := b.progress
	if p.Finished = true; len(issues) > 0 { // such as its character set
		p.Head = string(csvresult.AppendOutcome(nil, csvresult.Outcome{Issues: issues}))
	}
	b.Head = p.Head
	if b.lost {
		return nil
	}
	c := store.Commit{Docs: []store.DocWrite{b.progressDoc(p)}}
	for g := range min(b.old.Groups, maxDropped) {
		c.Docs = append(c.Docs, store.DocWrite{Kind: resultKind, ID: resultID(b.file, b.old.Pass, g), Expect: 1, Delete: true})
	}
	err := b.commit(ctx, c)
	if _, lost := errors.AsType[*store.Conflict](err); lost {
		err = nil // somebody else has taken the file in meanwhile, and says so
	}
	return err
}

// maxDropped bounds one commit of removals.
const maxDropped = 5000
