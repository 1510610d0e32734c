package bulk

import (
	"context"
	"errors"
	"time"

	"trellis.example/auth"
	"trellis.example/gateway/store"
)

const (
	// partPages is how many pages of a scan make one file.
	partPages = 20
	// turn bounds how long one event prepares before it hands over to the next.
	turn = 10 * time.Second
)

// Prepare finds the files into which an export falls. It is the handler of the
// outbox topic [Topic]: it stores how far it came, so that it goes on after the
// end of the process.
//
// It counts what the client sees then; what it sees when it fetches a file
// decides about the file.
func (x *Exporter) Prepare(ctx context.Context, e store.Event) error {
	j, err := x.read(ctx, string(e.Payload))
	if errors.Is(err, store.ErrNotFound) {
		return nil // cancelled
	}
	if err != nil || j.State == done || e.ID != j.event(e.Due).ID {
		return err
	}
	p, err := x.Client(ctx, j.Client)
	if err != nil {
		return err
	}
	if err := x.prepare(ctx, j, p.View("search-type")); err != nil {
		return err
	}
	var c store.Commit
	if j.State == running {
		j.Turn++
		c.Events = []store.Event{j.event(x.Clock())}
	}
	err = x.put(ctx, j, c)
	if _, lost := errors.AsType[*store.Conflict](err); lost {
		return nil // cancelled meanwhile, or done by another
	}
	return err
}

// prepare goes through the types until they are done or its turn is over.
func (x *Exporter) prepare(ctx context.Context, j *job, view auth.View) error {
	until := time.Now().Add(turn)
	for ; j.Type < len(j.Types); j.Type++ {
		for first := true; first || j.After != ""; first = false {
			if time.Now().After(until) {
				return nil
			}
			p, err := x.part(ctx, j, view)
			if err != nil {
				return err
			}
			if p.Count+p.Deleted > 0 {
				j.Parts = append(j.Parts, p)
			}
			j.After = p.To
		}
	}
	j.State = done
	return nil
}

// part walks over the pages of the next file.
func (x *Exporter) part(ctx context.Context, j *job, view auth.View) (part, error) {
	p := part{Type: j.Types[j.Type], From: j.After, To: j.After}
	for range partPages {
		q := j.scan(p.Type, p.To)
		q.View = view
		page, err := x.Store.Scan(ctx, q)
		if err != nil {
			return p, err
		}
		for _, v := range page.Versions {
			switch {
			case !x.holds(j, v):
			case v.Deleted:
				p.Deleted++
			default:
				p.Count++
			}
		}
		if p.To = page.Next; p.To == "" {
			break
		}
	}
	return p, nil
}
