package mongostore

import (
	"context"
	"fmt"
	"sync/atomic"

	"trellis.example/gateway/store"
)

// claimState settles between a caller that gives up and the writer that takes
// the commit up: whoever is first wins.
type claimState struct{ v atomic.Int32 }

const (
	waiting int32 = iota
	takenUp
	givenUp
)

func (c *claimState) take() bool   { return c.v.CompareAndSwap(waiting, takenUp) }
func (c *claimState) giveUp() bool { return c.v.CompareAndSwap(waiting, givenUp) }

// A writer turns waiting commits into transactions, one at a time: while one
// is on its way, the next group gathers.
type writer struct {
	s       *Store
	queue   chan *pending
	closing chan struct{}
	closed  chan struct{}
	txn     *transactor
}

func newWriter(s *Store) *writer {
	return &writer{
		s: s, queue: make(chan *pending, 4*maxGroupDocs), closing: make(chan struct{}),
		closed: make(chan struct{}), txn: &transactor{s: s},
	}
}

// close returns when the running group is answered.
func (w *writer) close() {
	close(w.closing)
	<-w.closed
}

var errClosed = fmt.Errorf("%w: the store is closed", store.ErrUnavailable)

// commit queues p and waits for what became of it.
func (w *writer) commit(ctx context.Context, p *pending) (store.Result, error) {
	if err := ctx.Err(); err != nil {
		return store.Result{}, unavailable(ctx, "commit", err)
	}
	select {
	case <-w.closing:
		return store.Result{}, errClosed
	case <-ctx.Done():
		return store.Result{}, unavailable(ctx, "commit", ctx.Err())
	case w.queue <- p:
	}
	select {
	case out := <-p.done:
		return store.Result{Seq: out.seq}, out.err
	case <-ctx.Done():
		// Either it never begins, or it happens whole and nobody hears.
		p.state.giveUp()
		return store.Result{}, unavailable(ctx, "waiting for the commit", ctx.Err())
	case <-w.closing:
		return w.last(p)
	}
}

// last waits for a commit that the closing writer has already taken up.
func (w *writer) last(p *pending) (store.Result, error) {
	if p.state.giveUp() {
		return store.Result{}, errClosed
	}
	out := <-p.done
	return store.Result{Seq: out.seq}, out.err
}

// run works until the writer is closed. What a group does is not ended by its
// callers: none of them owns it.
func (w *writer) run() {
	ctx := context.Background()
	defer close(w.closed)
	defer w.txn.end()
	var backlog []*pending
	for {
		if len(backlog) == 0 {
			select {
			case <-w.closing:
				return
			case p := <-w.queue:
				backlog = append(backlog, p)
			}
		}
		backlog = w.gather(backlog)
		group, rest := nextGroup(backlog)
		backlog = rest
		w.apply(ctx, group)
		select {
		case <-w.closing:
			return
		default:
		}
	}
}

// gather adds what is waiting without waiting for more.
func (w *writer) gather(backlog []*pending) []*pending {
	for len(backlog) < maxGroupDocs {
		select {
		case p := <-w.queue:
			backlog = append(backlog, p)
		default:
			return backlog
		}
	}
	return backlog
}

// nextGroup takes from the backlog, in order, what fits into one transaction:
// distinct names, at most maxGroupDocs documents and maxGroupBytes. The first
// one always fits, so a larger commit runs alone.
func nextGroup(backlog []*pending) (group, rest []*pending) {
	names := make(map[string]bool)
	docs, bytes := 0, 0
	for _, p := range backlog {
		fits := len(group) == 0 || docs+p.docs <= maxGroupDocs && bytes+p.bytes <= maxGroupBytes
		// What shares a name with a commit left behind stays behind it.
		clash := false
		for _, n := range p.names {
			clash = clash || names[n]
			names[n] = true
		}
		if !fits || clash {
			rest = append(rest, p)
			continue
		}
		group, docs, bytes = append(group, p), docs+p.docs, bytes+p.bytes
	}
	return group, rest
}

// apply runs the group and answers each of its commits. A group that the
// server refuses for a reason of its own runs again commit by commit, so that
// one cannot fail another.
func (w *writer) apply(ctx context.Context, group []*pending) {
	live := group[:0]
	for _, p := range group {
		if p.state.take() {
			live = append(live, p)
		}
	}
	if len(live) == 0 {
		return
	}
	err := w.txn.run(ctx, live)
	switch {
	case err == nil:
	case len(live) > 1 && refused(err):
		for _, p := range live {
			if err := w.txn.run(ctx, []*pending{p}); err != nil {
				p.done <- outcome{err: unavailable(ctx, "committing", err)}
			}
		}
	default:
		for _, p := range live {
			p.done <- outcome{err: unavailable(ctx, "committing", err)}
		}
	}
	w.s.wantIndex(live)
}
