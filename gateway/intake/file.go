package intake

import (
	"bytes"
	"context"
	"errors"
	"hash/fnv"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"sync"

	"trellis.example/fhir"
	"trellis.example/gateway/audit"
	"trellis.example/gateway/rest"
	"trellis.example/gateway/store"
	"trellis.example/mapping"
	"trellis.example/mapping/csvresult"
)

// fileWorkers is how many rows are on their way at once: enough to share a
// durable write among them.
const fileWorkers = 16

// file takes a batch file in, row by row: a bad row never blocks a good one, a
// bad header blocks the file. The answer is the result file, 200 when every
// row was taken and 422 when none was.
func (in *Intake) file(ctx context.Context, s Sender, f mapping.Format, body []byte) (Answer, error) {
	b := &batch{in: in, s: s, f: f, original: original(body, f.Info().MediaTypes[0])}
	issues, err := b.run(ctx)
	if err != nil {
		return Answer{}, err
	}
	rows := b.rows
	if len(rows) == 0 {
		if fhir.Faults(issues) == nil {
			issues = append(issues, fhir.Issue{Code: fhir.Structure, Text: "the file holds no record"})
		}
		return Answer{}, &fhir.Error{Issues: issues, Status: statusOfFile(body, issues)}
	}
	if len(issues) > 0 { // about the file itself, such as its character set
		rows = append([]csvresult.Outcome{{Issues: issues}}, rows...)
	}
	a := Answer{Status: http.StatusOK, Type: CSV, Header: http.Header{"Content-Disposition": {`attachment; filename="result.csv"`}}, Body: csvresult.Append(nil, rows)}
	taken := func(r csvresult.Outcome) bool { return r.Row > 0 && r.Status != Rejected }
	if !slices.ContainsFunc(rows, taken) {
		a.Status = http.StatusUnprocessableEntity
	}
	return a, nil
}

// A batch is one file on its way in.
type batch struct {
	in       *Intake
	s        Sender
	f        mapping.Format
	original store.Blob
	stop     context.CancelCauseFunc

	keep sync.Once // stores the original
	kept error

	mu   sync.Mutex
	rows []csvresult.Outcome
}

// run submits every record of the file and leaves the outcomes in the order of
// the file. Rows with the same key keep their order.
func (b *batch) run(ctx context.Context) ([]fhir.Issue, error) {
	ctx, b.stop = context.WithCancelCause(ctx)
	defer b.stop(nil)
	issues := b.read(ctx)
	slices.SortFunc(b.rows, func(x, y csvresult.Outcome) int { return x.Row - y.Row })
	return issues, context.Cause(ctx)
}

// read hands the records to the lanes and returns when all are done.
func (b *batch) read(ctx context.Context) []fhir.Issue {
	var wg sync.WaitGroup
	defer wg.Wait()
	var lanes [fileWorkers]chan mapping.Record
	for i := range lanes {
		lanes[i] = make(chan mapping.Record, 4)
		defer close(lanes[i])
		wg.Go(func() {
			for rec := range lanes[i] {
				b.take(ctx, rec)
			}
		})
	}
	return b.f.ReadStream(bytes.NewReader(b.original.Data), func(rec mapping.Record) bool {
		select {
		case lanes[lane(rec.Key)] <- rec:
			return true
		case <-ctx.Done():
			return false
		}
	})
}

// take takes one row. What is wrong with the row refuses the row; only a store
// that is away and a caller that has gone stop the file.
func (b *batch) take(ctx context.Context, rec mapping.Record) {
	out, err := b.submit(ctx, rec)
	if err == nil && out.Status == Rejected {
		err = b.in.auditRefusal(ctx, Submission{Sender: b.s, Interaction: "intake-" + b.f.Info().ID})
	}
	if err != nil {
		b.stop(err)
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rows = append(b.rows, rowOutcome(rec, out))
}

func (b *batch) submit(ctx context.Context, rec mapping.Record) (Outcome, error) {
	if err := context.Cause(ctx); err != nil {
		return Outcome{}, err
	}
	out, err := b.row(ctx, rec)
	if err == nil || ctx.Err() != nil || errors.Is(err, store.ErrUnavailable) {
		return out, err
	}
	fault := fhir.AsError(rest.StoreError(err))
	if fault.HTTPStatus() >= http.StatusInternalServerError {
		b.in.Log.LogAttrs(ctx, slog.LevelError, "a row was not taken", slog.Int("row", rec.Row), slog.String("error", err.Error()))
	}
	return Outcome{Status: Rejected, Issues: fault.Issues}, nil
}

// errPanic is the error of a row that a fault of the program ended. What it
// panicked with may hold the row's content and is not kept.
var errPanic = errors.New("panic")

func (b *batch) row(ctx context.Context, rec mapping.Record) (out Outcome, err error) {
	defer func() {
		if recover() != nil {
			b.in.Log.LogAttrs(ctx, slog.LevelError, "panic", slog.Int("row", rec.Row), slog.String("stack", string(debug.Stack())))
			out, err = Outcome{}, errPanic
		}
	}()
	sub, err := b.in.submission(b.s, b.f, rec, b.original)
	if err != nil {
		return Outcome{}, err
	}
	sub.Original.Data = nil // the row only refers to it
	var kept error
	sub.Finish = func(o Outcome) []byte { // the row is good: its original must stand before the commit
		if o.Status != Unchanged {
			kept = b.keepOriginal(ctx)
		}
		return nil
	}
	out, err = b.in.Submit(ctx, sub)
	if kept != nil {
		return Outcome{}, kept
	}
	return out, err
}

// keepOriginal stores the file, once, for the first row that can be taken: a
// file of which nothing is taken leaves nothing.
func (b *batch) keepOriginal(ctx context.Context) error {
	b.keep.Do(func() {
		e := b.in.entry(ctx, Submission{Interaction: "intake-" + b.f.Info().ID})
		e.Action = audit.Create
		_, b.kept = b.in.Store.Commit(ctx, store.Commit{Originals: []store.Blob{b.original}, Audit: []audit.Entry{e}})
	})
	return b.kept
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
func statusOfFile(body []byte, issues []fhir.Issue) int {
	if len(body) == 0 {
		return http.StatusBadRequest
	}
	for _, is := range issues {
		if is.IsError() && is.Code == fhir.Structure && is.Source == "header" {
			return http.StatusBadRequest
		}
	}
	return http.StatusUnprocessableEntity
}

func lane(key string) int {
	h := fnv.New32a()
	h.Write([]byte(key))
	return int(h.Sum32() % fileWorkers)
}
