package intake

import (
	"bytes"
	"context"
	"hash/fnv"
	"net/http"
	"slices"
	"sync"

	"trellis.example/fhir"
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
	o := original(body, f.Info().MediaTypes[0])
	if _, err := in.Store.Commit(ctx, store.Commit{Originals: []store.Blob{o}}); err != nil {
		return Answer{}, err
	}
	o.Data = nil // the rows only refer to it
	rows, issues, err := in.rows(ctx, s, f, body, o)
	if err != nil {
		return Answer{}, err
	}
	if bad := fhir.Faults(issues); bad != nil && len(rows) == 0 {
		e := fhir.AsError(bad)
		e.Status = http.StatusUnprocessableEntity
		return Answer{}, e
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

// rows submits every record of the file and returns the outcomes in the order
// of the file. Rows with the same key keep their order.
func (in *Intake) rows(ctx context.Context, s Sender, f mapping.Format, body []byte, o store.Blob) ([]csvresult.Outcome, []fhir.Issue, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		out   []csvresult.Outcome
		lanes [fileWorkers]chan mapping.Record
	)
	for i := range lanes {
		lanes[i] = make(chan mapping.Record, 4)
		wg.Go(func() {
			for rec := range lanes[i] {
				res, err := in.row(ctx, s, f, rec, o)
				if err != nil {
					cancel(err)
					continue
				}
				mu.Lock()
				out = append(out, rowOutcome(rec, res))
				mu.Unlock()
			}
		})
	}
	issues := f.ReadStream(bytes.NewReader(body), func(rec mapping.Record) bool {
		select {
		case lanes[lane(rec.Key)] <- rec:
			return true
		case <-ctx.Done():
			return false
		}
	})
	for _, l := range lanes {
		close(l)
	}
	wg.Wait()
	slices.SortFunc(out, func(a, b csvresult.Outcome) int { return a.Row - b.Row })
	return out, issues, context.Cause(ctx)
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

func lane(key string) int {
	h := fnv.New32a()
	h.Write([]byte(key))
	return int(h.Sum32() % fileWorkers)
}

func (in *Intake) row(ctx context.Context, s Sender, f mapping.Format, rec mapping.Record, o store.Blob) (Outcome, error) {
	if err := context.Cause(ctx); err != nil {
		return Outcome{}, err
	}
	sub, err := in.submission(s, f, rec, o)
	if err != nil {
		return Outcome{}, err
	}
	out, err := in.Submit(ctx, sub)
	if e := fhir.AsError(err); err != nil && e.HTTPStatus() < 500 && e.Issues[0].Code == fhir.Conflict {
		return Outcome{Status: Rejected, Issues: e.Issues}, nil
	}
	if err == nil && out.Status == Rejected {
		err = in.auditRefusal(ctx, sub)
	}
	return out, err
}
