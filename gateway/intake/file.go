package intake

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"trellis.example/fhir"
	"trellis.example/gateway/audit"
	"trellis.example/gateway/store"
	"trellis.example/mapping"
	"trellis.example/mapping/csvresult"
	"trellis.example/profiles"
)

// chunkRows is how many rows a worker prepares at a time.
const chunkRows = 32

// file takes a batch file in, row by row: a bad row never blocks a good one, a
// bad header blocks the file. The answer is the result file, 200 when a row was
// taken and 422 when none was. However long the file, it costs the same memory.
//
// The file is received whole before anything is done with it. Rows are then
// prepared by all processors and stored in groups, in their order; how far the
// file came and its result so far are part of each group's commit. A file that
// is sent again goes on where it stopped, or, when it came to its end, costs a
// look-up for every row that is still as the file has it.
func (in *Intake) file(r *http.Request, s Sender, f mapping.Format) (Answer, error) {
	src, body, err := in.spool(r, f.Info().MediaTypes[0])
	if err != nil {
		return Answer{}, err
	}
	defer body.Close() //nolint:errcheck // a temporary file without a name
	return in.take(r.Context(), s, f, src)
}

// rows takes in a batch that was read whole.
func (in *Intake) rows(ctx context.Context, s Sender, f mapping.Format, body []byte) (Answer, error) {
	return in.take(ctx, s, f, inMemory(body, f.Info().MediaTypes[0]))
}

func (in *Intake) take(ctx context.Context, s Sender, f mapping.Format, src source) (_ Answer, err error) {
	b := &batch{in: in, s: s, f: f, src: src, file: in.fileID(s, f.Info().ID, src.hash), opts: in.options(ctx, s)}
	b.entry = in.entry(ctx, Submission{Interaction: "intake-" + f.Info().ID})
	if b.out, err = in.scratch(); err != nil {
		return Answer{}, err
	}
	issues, err := b.run(ctx)
	if err == nil && b.Rows == 0 {
		if fhir.Faults(issues) == nil {
			issues = append(issues, fhir.Issue{Code: fhir.Structure, Text: "the file holds no record"})
		}
		err = &fhir.Error{Issues: issues, Status: statusOfFile(src.size, issues)}
	}
	if err == nil {
		err = b.finish(ctx, issues)
	}
	if err != nil {
		return Answer{}, errors.Join(err, b.out.Close())
	}
	a, err := resultFile([]byte(b.Head), b.out)
	if b.Taken == 0 {
		a.Status = http.StatusUnprocessableEntity
	}
	return a, err
}

// A batch is one file on its way in.
type batch struct {
	in    *Intake
	s     Sender
	f     mapping.Format
	src   source
	file  string // see fileID
	opts  profiles.Options
	entry audit.Entry
	out   scratch // the lines of the result

	progress
	old     progress // of the pass before
	version int      // of the progress; 0: it is not stored yet
	lost    bool     // somebody else takes the same file in, and keeps its progress
	seen    bool     // rows of the file may be there
	done    int      // rows that an earlier run has answered

	// repeats: rows of the file were there already, so that the others are
	// looked up before they are written.
	repeats atomic.Bool
	parts   []string // of the file, once it is kept
	refers  bool     // a resource refers to them

	next  []*row // the rows of the next group
	names map[string]bool
	size  int // of their writes, in bytes
	count int // of their writes
}

// A chunk is some rows in the order of the file.
type chunk struct {
	rows  []*row
	ready chan struct{} // closed when they are prepared
}

// run submits every record of the file. The issues are those of the file itself.
func (b *batch) run(ctx context.Context) ([]fhir.Issue, error) {
	if err := b.resume(ctx); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ordered := make(chan *chunk, 2*runtime.GOMAXPROCS(0))
	work := make(chan *chunk, cap(ordered))
	var issues []fhir.Issue
	var failed error
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(ordered)
		defer close(work)
		issues, failed = b.read(ctx, ordered, work)
	})
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for c := range work {
				b.prepare(ctx, c)
			}
		})
	}
	err := b.storeAll(ctx, ordered)
	cancel()
	wg.Wait()
	return issues, errors.Join(err, failed)
}

// read cuts the file into chunks of rows.
func (b *batch) read(ctx context.Context, ordered, work chan<- *chunk) ([]fhir.Issue, error) {
	var failed error
	c := &chunk{ready: make(chan struct{})}
	push := func(r *row) bool {
		c.rows = append(c.rows, r)
		if len(c.rows) < chunkRows {
			return failed == nil
		}
		ok := send(ctx, c, ordered, work)
		c = &chunk{ready: make(chan struct{})}
		return ok && failed == nil
	}
	unread := 0 // rows in succession that are no rows of this format
	yield := func(rec mapping.Record) bool {
		if unread++; !unreadable(rec) {
			unread = 0
		}
		return unread <= maxUnread && (rec.Row <= b.done && rec.Row > 0 || push(&row{rec: rec}))
	}
	skip := func(n int, key string) bool {
		if n <= b.done {
			return true
		}
		r, err := b.known(ctx, n, key)
		if failed = errors.Join(failed, err); r == nil {
			return false
		}
		push(r)
		return true
	}
	var issues []fhir.Issue
	if m := mapOf(b.f); m != nil && (b.seen || b.done > 0) {
		issues = m.ReadStreamExcept(b.src.reader(), skip, yield)
	} else {
		issues = b.f.ReadStream(b.src.reader(), yield)
	}
	if len(c.rows) > 0 {
		send(ctx, c, ordered, work)
	}
	if unread > maxUnread {
		issues = append(issues, fhir.Issue{Code: fhir.Structure, Rule: "file-unreadable",
			Text: strconv.Itoa(maxUnread) + " rows in succession could not be read as rows of this format: what follows them was not looked at; mend the file and send it again"})
	}
	return issues, failed
}

// maxUnread is how many rows in succession may be no rows of the format at all
// before the rest of the file is given up: millions of them would keep the
// gateway at work, and make a result larger than the file.
const maxUnread = 1000

// unreadable reports a record whose syntax is at fault, not what it says.
func unreadable(rec mapping.Record) bool {
	return rec.Refused() && slices.ContainsFunc(rec.Faults, func(is fhir.Issue) bool { return is.IsError() && is.Code == fhir.Structure })
}

func send(ctx context.Context, c *chunk, to ...chan<- *chunk) bool {
	for _, ch := range to {
		select {
		case ch <- c:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// A row is one record of the file.
type row struct {
	rec    mapping.Record
	sub    Submission
	plan   *plan
	issues []fhir.Issue
	// b holds the commit of a row that is to be written; nil for one that is
	// refused or unchanged.
	b   *builder
	out Outcome
	err error
}

// written reports whether the row is to be written.
func (r *row) written() bool { return r.b != nil && r.err == nil }

// known returns the row when the record with its key is as this file had it
// already: then nothing of it need be read.
func (b *batch) known(ctx context.Context, n int, name string) (*row, error) {
	if !b.seen || name == "" {
		return nil, nil //nolint:nilnil // not known is no error
	}
	s := Submission{Sender: b.s, Format: b.f.Info().ID, Key: name}
	old, _, err := b.in.recall(ctx, s)
	if err != nil || old == nil || old.Origin != b.origin(n) {
		return nil, err
	}
	status, err := b.in.statusOf(ctx, old.Referral)
	if err != nil || status == "revoked" || status == "entered-in-error" || status == "deleted" {
		return nil, err
	}
	return &row{rec: mapping.Record{Row: n, Key: name}, out: Outcome{Status: Unchanged, Referral: key(old.Referral)}}, nil
}

// origin names a row of the file as this map reads it.
func (b *batch) origin(n int) string {
	return b.in.id("origin", b.src.hash, b.f.Info().Version, itoa(n))
}

// prepare makes the rows ready to be stored.
func (b *batch) prepare(ctx context.Context, c *chunk) {
	defer close(c.ready)
	for _, r := range c.rows {
		if r.out.Status == "" && ctx.Err() == nil {
			b.guarded(ctx, r, b.work)
		}
	}
}

// errPanic is the error of a row that a fault of the program ended. What it
// panicked with may hold the row's content and is not kept.
var errPanic = errors.New("panic")

// guarded does something with a row, which alone suffers from a panic.
func (b *batch) guarded(ctx context.Context, r *row, do func(context.Context, *row) error) {
	defer func() {
		if recover() != nil {
			b.in.Log.LogAttrs(ctx, slog.LevelError, "panic", slog.Int("row", r.rec.Row), slog.String("stack", string(debug.Stack())))
			r.err = errPanic
		}
	}()
	r.err = do(ctx, r)
}

// work reads, validates and plans a row, and builds its commit.
func (b *batch) work(ctx context.Context, r *row) (err error) {
	r.sub, err = b.in.submission(b.s, b.f, r.rec, store.Blob{Hash: b.src.hash, Type: b.src.mediaType})
	if err != nil {
		return err
	}
	r.sub.Kept, r.sub.Origin = true, b.origin(r.rec.Row)
	r.issues = r.sub.Issues
	switch {
	case r.rec.NotReferral:
		r.out = Outcome{Status: csvresult.NotReferral, Issues: r.issues}
		return nil
	case r.sub.refused():
		r.out = Outcome{Status: Rejected, Issues: r.issues}
		return nil
	}
	r.issues = append(r.issues, validate(r.sub.Bundle, r.sub.Places, b.in.Validator, b.opts)...)
	p, more, err := b.in.plan(ctx, r.sub)
	if err != nil {
		return err
	}
	r.plan, r.issues = p, append(r.issues, more...)
	if fhir.Faults(r.issues) != nil {
		r.out = Outcome{Status: Rejected, Issues: r.issues}
		return nil
	}
	return b.build(ctx, r)
}

// build makes the row's commit: as a new record, or, once the file has proved to
// bring records that are there, as what it is.
func (b *batch) build(ctx context.Context, r *row) error {
	var old *record
	version := 0
	r.b, r.out = nil, Outcome{}
	if b.repeats.Load() {
		var err error
		if old, version, err = b.in.recall(ctx, r.sub); err != nil {
			return err
		}
	}
	if old != nil {
		fault, err := b.in.closed(ctx, old, r.plan)
		if err != nil {
			return err
		}
		if fault != nil {
			r.out = Outcome{Status: Rejected, Issues: append(r.issues[:len(r.issues):len(r.issues)], *fault)}
			return nil
		}
		if old.same(r.plan) {
			r.out = Outcome{Status: Unchanged, Referral: key(old.Referral), Issues: r.issues}
			return nil
		}
	}
	made := b.in.builder(r.sub, r.plan, old, r.issues)
	out, err := made.build(ctx, version)
	if r.out = out; err == nil && out.Status != Rejected {
		r.b = made
	}
	return err
}

// rowOutcome is one row of the result file. Warnings about items that no such
// file can carry are the same for every row; they are left to the Task.
func rowOutcome(rec mapping.Record, o Outcome) csvresult.Outcome {
	r := csvresult.Outcome{Row: rec.Row, Key: rec.Key, Status: o.Status}
	if o.Referral.ID != "" {
		r.Reference = o.Referral.String()
	}
	for _, is := range o.Issues {
		if is.IsError() || o.Status != Rejected && is.Source != "" {
			r.Issues = append(r.Issues, is)
		}
	}
	return r
}

// statusOfFile is 400 for what is no CSV file at all, and 422 for one whose
// columns or rows are at fault.
func statusOfFile(size int64, issues []fhir.Issue) int {
	if size == 0 {
		return http.StatusBadRequest
	}
	for _, is := range issues {
		if is.IsError() && is.Code == fhir.Structure && is.Source == "header" {
			return http.StatusBadRequest
		}
	}
	return http.StatusUnprocessableEntity
}
