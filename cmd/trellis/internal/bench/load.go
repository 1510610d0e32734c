package bench

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// A load is one kind of request, sent by several clients at once, each waiting
// for its answer before it sends the next.
type load struct {
	addr    string
	clients int
	// requests returns what makes the requests of one client; n is different
	// for every request of the whole run.
	requests func(client int) func(n int64) []byte
	// judge says for how many units of work the answer to request n stands (1,
	// or the rows of a file) and how many of them failed. It is called by all
	// clients at once.
	judge func(n int64, a answer) (done, failed int)
	// limit bounds the requests where the gateway allows no more of them; 0 is
	// no bound but that of all loads.
	limit int64
	// next numbers the requests; shared by the loads that must not repeat each
	// other's.
	next *atomic.Int64
}

// A tally is what a load did.
type tally struct {
	requests, done, failed int
	failure                string // what the first failure was
	elapsed                time.Duration
	times                  histogram
	server, own            time.Duration // processor time
	serverKnown            bool
}

// perSecond is units of work done in a second.
func (t *tally) perSecond() float64 { return float64(t.done) / max(t.elapsed.Seconds(), 1e-9) }

// maxFailures ends a load early: nothing is learnt from the rest.
const maxFailures = 200

// run sends requests for d, at most limit of them. It ends early when ctx does,
// with its error.
func (l load) run(ctx context.Context, d time.Duration, limit int64, p process) (*tally, error) {
	r := &loadRun{load: l, left: limit}
	until := time.Now().Add(d)
	serverBefore, known := p.cpu()
	ownBefore, began := ownCPU(), time.Now()
	var wg sync.WaitGroup
	for i := range l.clients {
		wg.Go(func() { r.client(ctx, i, until) })
	}
	wg.Wait()
	t := &r.total
	t.elapsed = time.Since(began)
	t.own = ownCPU() - ownBefore
	server, _ := p.cpu()
	t.server, t.serverKnown = server-serverBefore, known
	if err := context.Cause(ctx); err != nil {
		return t, err
	}
	return t, nil
}

type loadRun struct {
	load
	left   int64 // atomic
	failed atomic.Int64
	mu     sync.Mutex
	total  tally
}

func (r *loadRun) client(ctx context.Context, i int, until time.Time) {
	var mine tally
	c := conn{addr: r.addr}
	defer c.close()
	request := r.requests(i)
	for time.Now().Before(until) && atomic.AddInt64(&r.left, -1) >= 0 && ctx.Err() == nil && r.failed.Load() < maxFailures {
		n := r.next.Add(1)
		r.one(ctx, &c, n, request(n), &mine)
	}
	r.add(&mine)
}

func (r *loadRun) one(ctx context.Context, c *conn, n int64, request []byte, mine *tally) {
	sent := time.Now()
	a, err := c.call(ctx, request)
	mine.times.add(time.Since(sent))
	mine.requests++
	done, failed := 0, 1
	if err == nil {
		done, failed = r.judge(n, a)
	}
	mine.done += done
	mine.failed += failed
	if failed == 0 {
		return
	}
	r.failed.Add(1)
	if mine.failure == "" {
		mine.failure = describe(a, err)
	}
}

func (r *loadRun) add(mine *tally) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.total.requests += mine.requests
	r.total.done += mine.done
	r.total.failed += mine.failed
	r.total.times.merge(&mine.times)
	if r.total.failure == "" {
		r.total.failure = mine.failure
	}
}

// describe says what a failed request was answered. The documents are
// invented, so nothing personal can stand in it.
func describe(a answer, err error) string {
	if err != nil {
		return err.Error()
	}
	text := bytes.Join(bytes.Fields(a.body), []byte(" "))
	return fmt.Sprintf("%d %.400s", a.status, text)
}

// ok judges by the status alone, which must be 200.
func ok(_ int64, a answer) (done, failed int) {
	if a.status == 200 {
		return 1, 0
	}
	return 0, 1
}
