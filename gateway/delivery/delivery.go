// Package delivery sends what the outbox holds: documents that partners are
// owed after a commit.
//
// Delivery is at least once, with the same message id at every try, so that
// the receiver can tell a repeat. Events of one partner keep their order. An
// event leaves the outbox only when the partner has acknowledged it; what
// fails is tried again with growing, random pauses and is never dropped.
package delivery

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"trellis.example/gateway/store"
)

// The pace of the worker.
const (
	poll     = time.Second
	lease    = time.Minute
	batch    = 16
	firstTry = 2 * time.Second // the longest pause after the first failure
	lastTry  = time.Hour       // the longest pause ever
)

// A Handler delivers one event. An error means that it is tried again;
// [ErrUndeliverable] that it never can be.
type Handler func(ctx context.Context, e store.Event) error

// ErrUndeliverable ends an event: the partner is gone or takes no such
// document. The log says so.
var ErrUndeliverable = errors.New("cannot be delivered")

// A Worker delivers the events of one topic.
type Worker struct {
	Store   store.Store
	Topic   string
	Handler Handler
	Log     *slog.Logger
	Clock   func() time.Time
	// Poll is how often the outbox is looked at; 0 means every second.
	Poll time.Duration
}

// Run delivers until ctx ends; what is in hand then is finished or goes back
// with its lease.
func (w *Worker) Run(ctx context.Context) error {
	every := w.Poll
	if every == 0 {
		every = poll
	}
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		if err := w.turn(ctx); err != nil && ctx.Err() == nil {
			w.Log.LogAttrs(ctx, slog.LevelError, "the outbox could not be read", slog.String("error", err.Error()))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}

// turn takes what is due and delivers it, partners beside each other.
func (w *Worker) turn(ctx context.Context) error {
	leases, err := w.Store.LeaseEvents(ctx, w.Topic, batch, lease)
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	for _, l := range leases {
		wg.Go(func() { w.deliver(ctx, l) })
	}
	wg.Wait()
	return nil
}

func (w *Worker) deliver(ctx context.Context, l store.Lease) {
	limit, cancel := context.WithTimeout(ctx, lease/2)
	defer cancel()
	err := w.Handler(limit, l.Event)
	settle := context.WithoutCancel(ctx)
	if err == nil || errors.Is(err, ErrUndeliverable) {
		w.report(settle, slog.LevelWarn, "an event cannot be delivered", l, err)
		err = w.Store.DoneEvent(settle, l)
	} else {
		w.report(settle, slog.LevelInfo, "a delivery is tried again", l, err)
		err = w.Store.RetryEvent(settle, l, w.Clock().Add(pause(l.Attempt)))
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		w.report(settle, slog.LevelError, "a delivery could not be settled", l, err)
	}
}

// report logs the event by its id and topic; its payload stays out.
func (w *Worker) report(ctx context.Context, level slog.Level, msg string, l store.Lease, err error) {
	if err != nil {
		w.Log.LogAttrs(ctx, level, msg, slog.String("topic", l.Topic), slog.String("event", l.ID), slog.Int("attempt", l.Attempt), slog.String("error", err.Error()))
	}
}

// pause is a random time up to a bound that doubles with every attempt (full
// jitter), so that many failed deliveries do not come back together.
func pause(attempt int) time.Duration {
	bound := lastTry
	if attempt < 12 {
		bound = min(lastTry, firstTry<<max(0, attempt-1))
	}
	return rand.N(bound) + time.Millisecond
}
