package audit

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"trellis.example/auth"
)

// maxAddresses bounds how many addresses are counted in one minute. What is
// beyond is counted under the address "other".
const maxAddresses = 4096

// A Recorder writes audit entries that belong to no commit: reads, refusals and
// tokens. It is safe for concurrent use.
type Recorder struct {
	write func(context.Context, []Entry) error
	now   func() time.Time

	mu     sync.Mutex
	counts map[refusal]*Entry
}

// A refusal is what anonymous refusals are counted by.
type refusal struct {
	address, interaction string
	minute               int64
}

// NewRecorder returns a recorder. write must make the entries durable before it
// returns: store.Commit with nothing but Audit.
func NewRecorder(write func(context.Context, []Entry) error, now func() time.Time) *Recorder {
	return &Recorder{write: write, now: now, counts: map[refusal]*Entry{}}
}

// Write makes the entries durable. What they tell of must not be disclosed when
// it fails.
func (r *Recorder) Write(ctx context.Context, entries ...Entry) error { return r.write(ctx, entries) }

// Count notes a refusal without a valid token; [Recorder.Flush] writes one entry
// per address, interaction and minute, so that a flood cannot fill the log.
func (r *Recorder) Count(c Caller, interaction string) {
	at := r.now()
	k := refusal{c.Address, interaction, at.Unix() / 60}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.counts[k] == nil && len(r.counts) >= maxAddresses {
		k.address, c = "other", Caller{Address: "other"}
	}
	e := r.counts[k]
	if e == nil {
		e = &Entry{At: at, Action: Execute, Interaction: interaction, Outcome: Refused, Address: c.Address}
		r.counts[k] = e
	}
	e.Count++
}

// Flush writes what was counted in minutes that are over, or everything when
// all is set. What cannot be written stays counted.
func (r *Recorder) Flush(ctx context.Context, all bool) error {
	minute := r.now().Unix() / 60
	r.mu.Lock()
	taken := map[refusal]*Entry{}
	for k, e := range r.counts {
		if all || k.minute < minute {
			taken[k] = e
			delete(r.counts, k)
		}
	}
	r.mu.Unlock()
	if len(taken) == 0 {
		return nil
	}
	entries := make([]Entry, 0, len(taken))
	for _, e := range taken {
		entries = append(entries, *e)
	}
	slices.SortFunc(entries, func(a, b Entry) int { return a.At.Compare(b.At) })
	err := r.write(ctx, entries)
	if err != nil {
		r.giveBack(taken)
	}
	return err
}

func (r *Recorder) giveBack(taken map[refusal]*Entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for k, e := range taken {
		if now := r.counts[k]; now != nil {
			e.Count += now.Count
		}
	}
	maps.Copy(r.counts, taken)
}

// Run flushes every half minute until ctx ends, and then a last time. A flush
// that fails is told to report and tried again.
func (r *Recorder) Run(ctx context.Context, report func(error)) {
	t := time.NewTicker(30 * time.Second)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			if err := r.Flush(ctx, false); err != nil {
				report(err)
			}
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			if err := r.Flush(last, true); err != nil {
				report(err)
			}
			return
		}
	}
}

// Observe takes the events of an auth.Server (auth.Config.Observe): those of a
// known client are written at once, anonymous ones are counted.
func (r *Recorder) Observe(ctx context.Context, e auth.Event) error {
	c := From(ctx)
	if e.Request != nil && c.Address == "" {
		c = From(e.Request.Context())
	}
	if e.Client == "" {
		r.Count(c, e.Kind)
		return nil
	}
	outcome := OutcomeOf(e.Status)
	if e.Kind == auth.TokenIssued {
		outcome = Success
	}
	return r.write(ctx, []Entry{{
		At: r.now(), Action: Execute, Interaction: e.Kind, Outcome: outcome,
		Client: e.Client, Party: e.Party, Role: string(e.Role), Address: c.Address, RequestID: c.RequestID,
	}})
}
