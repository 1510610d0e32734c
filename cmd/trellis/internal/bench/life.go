package bench

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"time"
)

const (
	// starts is how often a start is measured; the median counts.
	starts = 3
	// idleTime is how long a gateway rests before its memory is read.
	idleTime = 2 * time.Second
	mb       = 1e6
)

// measureStart starts gateways on empty folders until they say they are ready.
// With MongoDB only the first start finds an empty database.
func measureStart(ctx context.Context, s *session, row *Row) error {
	n := starts
	if s.cfg.Mongo != "" {
		n = 1
	}
	var times []time.Duration
	for i := range n {
		g, err := start(ctx, s.cfg.Exe, filepath.Join(s.dir, fmt.Sprintf("empty%d", i)), s.cfg.Mongo)
		if err != nil {
			return err
		}
		d, err := g.ready(ctx)
		g.stop()
		if err != nil {
			return err
		}
		times = append(times, d)
	}
	row.Value, row.Done = inMS(median(times)), n
	return nil
}

// ready waits until the gateway says that it is and returns the time since it
// was started.
func (c *child) ready(ctx context.Context) (time.Duration, error) {
	return c.until(ctx, call{method: "GET", path: "/health/ready", host: c.http}.request())
}

// until asks the same thing until the answer is 200.
func (c *child) until(ctx context.Context, request []byte) (time.Duration, error) {
	cn := conn{addr: c.http}
	defer cn.close()
	last := ""
	for time.Since(c.began) < startTimeout && ctx.Err() == nil {
		a, err := cn.call(ctx, request)
		if err == nil && a.status == 200 {
			return time.Since(c.began), nil
		}
		last = describe(a, err)
		if err := c.alive(); err != nil {
			return 0, err
		}
		time.Sleep(time.Millisecond)
	}
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	return 0, fmt.Errorf("the gateway did not become ready: %s", last)
}

// measureFirstRead starts a gateway whose clients are registered until one of
// them has got a token and read with it.
func measureFirstRead(ctx context.Context, s *session, row *Row) error {
	if err := s.clients(ctx); err != nil {
		return err
	}
	var times []time.Duration
	for range starts {
		d, err := s.firstRead(ctx)
		if err != nil {
			return err
		}
		times = append(times, d)
	}
	row.Value, row.Done = inMS(median(times)), starts
	return nil
}

func (s *session) firstRead(ctx context.Context) (time.Duration, error) {
	g, err := start(ctx, s.cfg.Exe, s.data(), s.cfg.Mongo)
	if err != nil {
		return 0, err
	}
	defer g.stop()
	token, err := s.practice.token(ctx, g.http)
	if err != nil {
		return 0, err
	}
	return g.until(ctx, call{method: "GET", path: "/fhir/Patient?_count=1", host: g.http, token: token,
		header: map[string]string{"Accept": fhirJSON}}.request())
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

// measureIdle starts a gateway and lets it rest after its first request.
func measureIdle(ctx context.Context, s *session, row *Row) error {
	if err := s.clients(ctx); err != nil {
		return err
	}
	g, err := start(ctx, s.cfg.Exe, s.data(), s.cfg.Mongo)
	if err != nil {
		return err
	}
	defer g.stop()
	if _, err := g.ready(ctx); err != nil {
		return err
	}
	select {
	case <-time.After(idleTime):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	now, _, ok := g.memory()
	row.setMemory(now, ok)
	return nil
}

// measurePeak reads how much memory the gateway under load ever held.
func measurePeak(_ context.Context, s *session, row *Row) error {
	_, peak, ok := s.gateway.memory()
	row.setMemory(peak, ok)
	return nil
}

func (r *Row) setMemory(bytes int64, ok bool) {
	if r.Value = float64(bytes) / mb; !ok {
		r.Missing = "this system does not say"
	}
}
