package bulk

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/gateway/audit"
	"trellis.example/gateway/rest"
	"trellis.example/gateway/search"
	"trellis.example/gateway/store"
)

// An Importer loads existing records.
type Importer struct {
	Store    store.Store
	Registry *search.Registry
	// Validate returns the faults and remarks on a resource.
	Validate func(fhir.Resource) []fhir.Issue
	// Owner is the party that owns what is new.
	Owner string
	// Entry is the audit entry that each batch's is made from.
	Entry audit.Entry
	Clock func() time.Time
	// Checkpoint names how far an import came, such as the hash of its file; ""
	// keeps none.
	Checkpoint string
	// Fault is told every line that is left out; may be nil.
	Fault func(Fault)
	// Progress is told how many lines and bytes are done; may be nil.
	Progress func(lines int, bytes int64)
}

// A Fault is a line that cannot be stored.
type Fault struct {
	Line   int          `json:"line"`
	Issues []fhir.Issue `json:"-"`
}

// A Count says what became of the lines of an import.
type Count struct {
	Lines     int   `json:"lines"`
	Bytes     int64 `json:"bytes"`
	Created   int   `json:"created"`
	Updated   int   `json:"updated"`
	Unchanged int   `json:"unchanged"`
	Refused   int   `json:"refused"`
}

const (
	checkpointKind = "import"
	// batchLines and batchBytes bound one commit.
	batchLines = 1000
	batchBytes = 8 << 20
)

// Import reads NDJSON to its end. The error is about the store or the reader;
// what is wrong with a line is told to Fault.
func (im *Importer) Import(ctx context.Context, r io.Reader) (Count, error) {
	run := &importing{Importer: im}
	if err := run.resume(ctx); err != nil {
		return run.count, err
	}
	in := bufio.NewReaderSize(r, 1<<20)
	if _, err := io.CopyN(io.Discard, in, run.count.Bytes); err != nil {
		return run.count, fmt.Errorf("pass over the %d bytes that are done: %w", run.count.Bytes, err)
	}
	// Batches are prepared on all processors and stored in their order.
	g, ctx := errgroup.WithContext(ctx)
	ready := make(chan chan *batch, runtime.GOMAXPROCS(0))
	g.Go(func() error {
		defer close(ready)
		return run.readBatches(ctx, g, in, ready)
	})
	g.Go(func() error {
		for slot := range ready {
			select {
			case b := <-slot:
				if err := run.store(ctx, b); err != nil {
					return err
				}
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	err := g.Wait()
	return run.count, err
}

// An importing is one run.
type importing struct {
	*Importer
	count   Count
	version int // of the checkpoint
}

// A batch is some lines, prepared.
type batch struct {
	first  int // number of the first line
	lines  [][]byte
	bytes  int64
	items  []*ready
	faults []Fault
}

// A ready resource can be written.
type ready struct {
	line  int
	res   fhir.Resource
	key   store.Key
	index []store.Index
}

func (run *importing) resume(ctx context.Context) error {
	if run.Checkpoint == "" {
		return nil
	}
	doc, err := run.Store.Doc(ctx, checkpointKind, run.Checkpoint)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	run.version = doc.Version
	return json.Unmarshal(doc.Body, &run.count)
}

func (run *importing) readBatches(ctx context.Context, g *errgroup.Group, in *bufio.Reader, out chan<- chan *batch) error {
	for line := run.count.Lines + 1; ; {
		b, err := readBatch(in, line)
		if len(b.lines) > 0 {
			slot := make(chan *batch, 1)
			select {
			case out <- slot:
			case <-ctx.Done():
				return ctx.Err()
			}
			g.Go(func() error {
				run.prepare(b)
				slot <- b
				return nil
			})
			line += len(b.lines)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", line, err)
		}
	}
}

func readBatch(in *bufio.Reader, first int) (*batch, error) {
	b := &batch{first: first}
	for len(b.lines) < batchLines && b.bytes < batchBytes {
		line, n, err := readLine(in)
		if n > 0 {
			b.lines = append(b.lines, line)
			b.bytes += n
		}
		if err != nil {
			return b, err
		}
	}
	return b, nil
}

// readLine returns a line and its length in the file. Of one that is too long
// to be a resource it keeps only as much as shows that.
func readLine(in *bufio.Reader) (line []byte, n int64, err error) {
	for {
		part, err := in.ReadSlice('\n')
		n += int64(len(part))
		if len(line) <= fhir.MaxResource {
			line = append(line, part...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, n, err
		}
	}
}

// prepare reads and judges the lines.
func (run *importing) prepare(b *batch) {
	seen := map[store.Key]bool{}
	for i, line := range b.lines {
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		item, err := run.item(line)
		if err == nil && seen[item.key] {
			err = fhir.Errorf(fhir.Duplicate, "the same resource stands a few lines before")
		}
		if err != nil {
			b.faults = append(b.faults, Fault{Line: b.first + i, Issues: fhir.AsError(err).Issues})
			continue
		}
		item.line = b.first + i
		seen[item.key] = true
		b.items = append(b.items, item)
	}
}

func (run *importing) item(line []byte) (*ready, error) {
	res, err := fhir.Decode(line)
	if err != nil {
		return nil, err
	}
	if !run.Registry.Held(res.Type()) {
		return nil, fhir.Errorf(fhir.NotSupported, "this resource type is not held here")
	}
	if !fhir.IsID(res.ID()) {
		return nil, fhir.Errorf(fhir.Required, "a resource that is imported brings its id")
	}
	key := store.Key{Type: res.Type(), ID: res.ID()}
	if s, ok := run.Store.(interface{ Fixed(store.Key) bool }); ok && s.Fixed(key) {
		return nil, fhir.Errorf(fhir.Forbidden, "this resource is one of the gateway's own definitions, which nobody changes")
	}
	if len(line) > store.MaxBody-stamp {
		return nil, fhir.Errorf(fhir.TooLong, "the resource is larger than %d bytes", store.MaxBody-stamp)
	}
	if err := fhir.Faults(run.Validate(res)); err != nil {
		return nil, err
	}
	it := &ready{res: res, key: key, index: run.Registry.Index(res)}
	if len(it.index) > store.MaxIndex {
		return nil, fhir.Errorf(fhir.TooLong, "the resource would be found by more than %d values", store.MaxIndex)
	}
	return it, nil
}

// stamp is room for the id and meta of a version, in bytes.
const stamp = 256

// store commits a batch: all as new, which most imports are, or else each as
// what it is.
func (run *importing) store(ctx context.Context, b *batch) error {
	next := run.count
	next.Lines += len(b.lines)
	next.Bytes += b.bytes
	next.Refused += len(b.faults)
	next.Created += len(b.items)
	writes := make([]store.Write, len(b.items))
	for i, it := range b.items {
		writes[i] = run.write(it, nil)
	}
	err := run.commit(ctx, writes, next)
	if _, lost := errors.AsType[*store.Conflict](err); lost {
		next.Created -= len(b.items)
		err = run.storeAgain(ctx, b, next)
	} else if err == nil {
		run.count = next
	}
	if err != nil {
		return err
	}
	for _, f := range b.faults {
		if run.Fault != nil {
			run.Fault(f)
		}
	}
	if run.Progress != nil {
		run.Progress(run.count.Lines, run.count.Bytes)
	}
	return nil
}

// tries is how often a batch is taken up again after others changed one of its
// resources.
const tries = 10

// storeAgain looks at what is there already.
func (run *importing) storeAgain(ctx context.Context, b *batch, base Count) (err error) {
	for range tries {
		next := base
		var writes []store.Write
		for _, it := range b.items {
			w, kind, err := run.decide(ctx, it)
			if err != nil {
				return err
			}
			switch kind {
			case 'c':
				next.Created++
			case 'u':
				next.Updated++
			default:
				next.Unchanged++
				continue
			}
			writes = append(writes, w)
		}
		if err = run.commit(ctx, writes, next); err == nil {
			run.count = next
			return nil
		}
		if _, lost := errors.AsType[*store.Conflict](err); !lost {
			return err
		}
	}
	return err
}

// decide returns the write of an item, and whether it creates, updates or
// changes nothing.
func (run *importing) decide(ctx context.Context, it *ready) (store.Write, byte, error) {
	old, err := run.Store.Read(ctx, auth.SystemView(), it.key)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return run.write(it, nil), 'c', nil
	case err != nil:
		return store.Write{}, 0, err
	case !old.Deleted && bytes.Equal(it.res.Stamp(it.key.ID, old.Number, old.Updated), old.Body):
		return store.Write{}, 0, nil
	}
	return run.write(it, &old), 'u', nil
}

func (run *importing) write(it *ready, old *store.Version) store.Write {
	w := store.Write{View: auth.SystemView(), Key: it.key, Updated: run.Clock().UTC().Truncate(time.Millisecond), Index: it.index}
	labels := rest.Labels(it.res)
	if old == nil {
		w.Access = auth.NewAccess(run.Owner)
		if auth.PublicType(it.key.Type) {
			w.Access = auth.NewAccess(run.Owner, auth.PartyPublic)
		}
		w.Access.Labels = labels
	} else {
		w.Expect = old.Number
		if !slices.Equal(labels, old.Access.Labels) {
			w.Access = old.Access
			w.Access.Labels = labels
		}
	}
	w.Body = it.res.Stamp(it.key.ID, w.Expect+1, w.Updated)
	return w
}

// commit stores the writes with one audit entry and the checkpoint.
func (run *importing) commit(ctx context.Context, writes []store.Write, next Count) error {
	c := store.Commit{Writes: writes}
	if len(writes) > 0 {
		c.Audit = []audit.Entry{run.entry(writes)}
	}
	if run.Checkpoint != "" {
		body, err := json.Marshal(next)
		if err != nil {
			return err
		}
		c.Docs = []store.DocWrite{{Kind: checkpointKind, ID: run.Checkpoint, Expect: run.version, Body: body}}
	}
	if _, err := run.Store.Commit(ctx, c); err != nil {
		if lost, ok := errors.AsType[*store.Conflict](err); ok && lost.Key.Type == checkpointKind {
			return fmt.Errorf("another import of the same file is under way: %w", store.ErrUnavailable)
		}
		return err
	}
	if run.Checkpoint != "" {
		run.version++
	}
	return nil
}

func (run *importing) entry(writes []store.Write) audit.Entry {
	e := run.Entry
	e.At, e.Action, e.Interaction, e.Outcome = run.Clock(), audit.Create, "import", audit.Success
	seen := map[string]bool{}
	for _, w := range writes {
		e.Entities = append(e.Entities, fmt.Sprintf("%s/_history/%d", w.Key, w.Expect+1))
		for _, p := range rest.Patients(run.Registry, w.Key, w.Body) {
			if !seen[p] {
				seen[p] = true
				e.Patients = append(e.Patients, strings.Clone(p))
			}
		}
	}
	return e
}
