package directory

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"strings"
	"time"
)

// wholeEvery is how often a scheduled pull asks for a whole feed; in between it
// asks for what changed.
const wholeEvery = 24 * time.Hour

// ParseFeed reads a feed as the configuration names it: its URL, with "v1:"
// before it when the feed follows version 1 of the standard.
func ParseFeed(s string) (Feed, error) {
	f := Feed{Version: 3}
	if rest, ok := strings.CutPrefix(s, "v1:"); ok {
		f.Version, s = 1, rest
	}
	f.URL = strings.TrimRight(s, "/")
	u, err := url.Parse(f.URL)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return f, errFeedURL
	}
	return f, nil
}

// Keep pulls the feeds when it begins and then at every interval, until ctx
// ends. What goes wrong is logged, and tried again at the next interval.
func (p *Puller) Keep(ctx context.Context, feeds []Feed, interval time.Duration) error {
	t := time.NewTicker(interval)
	defer t.Stop()
	for {
		for _, f := range feeds {
			p.scheduled(ctx, f)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}

func (p *Puller) scheduled(ctx context.Context, f Feed) {
	f.Changed = p.recent(ctx, f)
	r, err := p.Pull(ctx, f)
	if ctx.Err() != nil || errors.Is(err, errBusy) {
		return
	}
	attrs := []slog.Attr{slog.String("feed", FeedID(f.URL)), slog.Int("services", r.Services), slog.Int("created", r.Created), slog.Int("updated", r.Updated),
		slog.Int("rejected", r.Rejected), slog.Int("inactive", r.Inactive), slog.Bool("complete", r.Complete)}
	if err != nil {
		p.Log.LogAttrs(ctx, slog.LevelError, "a directory was not pulled to its end; it will be gone on with", append(attrs, slog.String("error", err.Error()))...)
		return
	}
	p.Log.LogAttrs(ctx, slog.LevelInfo, "a directory was pulled", attrs...)
	for _, w := range r.Warnings {
		p.Log.LogAttrs(ctx, slog.LevelWarn, "a directory", slog.String("feed", FeedID(f.URL)), slog.String("warning", w))
	}
}

// recent reports whether the whole feed was seen not long ago.
func (p *Puller) recent(ctx context.Context, f Feed) bool {
	m := &memory{store: p.Store, id: FeedID(f.URL), now: p.Clock}
	s, err := m.read(ctx)
	return err == nil && !s.Open && !s.Complete.IsZero() && p.Clock().Sub(s.Complete) < wholeEvery
}
