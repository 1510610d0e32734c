package directory

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"trellis.example/gateway/store"
)

// stateKind is the kind of the store's docs that remember feeds; the pages of a
// feed are docs of the kind pageKind and the feed's id.
const (
	stateKind = "directory-feed"
	pageKind  = "directory-page/"
)

// leaseTime is how long a pull keeps other gateways of the store from the same
// feed without a sign of life.
const leaseTime = 10 * time.Minute

// A state is what is remembered of a feed.
type state struct {
	// URL is the feed's; Pull numbers its pulls. Until is when the pull under
	// way is given up for lost, zero when none is.
	URL   string    `json:"url"`
	Pull  int       `json:"pull"`
	Until time.Time `json:"until"`
	// Finished and Complete are when the last pull, and the last of the whole
	// feed, came to its end; Began is when that began, by the gateway's clock.
	Finished time.Time `json:"finished"`
	Complete time.Time `json:"complete"`
	Began    time.Time `json:"began"`
	// Open says that a pull of the whole feed is not finished.
	Open bool `json:"open"`

	version int
}

// A page is what is remembered of one page of a feed.
type page struct {
	Pull  int    `json:"pull"`
	ETag  string `json:"etag,omitempty"`
	Last  bool   `json:"last,omitempty"`
	Total int    `json:"total"`
	Items []item `json:"items"`

	version int
}

// An item is one service of a page.
type item struct {
	ID string `json:"id"`
	// Hash is of the list's entry, ETag of the detail's answer.
	Hash string `json:"hash,omitempty"`
	ETag string `json:"etag,omitempty"`
	// Taken says that the service was stored as it then was.
	Taken bool `json:"taken,omitempty"`
}

// FeedID names a feed in docs and clients: its host and a hash of its address.
func FeedID(base string) string {
	base = strings.TrimRight(base, "/")
	sum := sha256.Sum256([]byte(base))
	host := base
	if _, rest, ok := strings.Cut(base, "://"); ok {
		host = rest
	}
	host, _, _ = strings.Cut(host, "/")
	host = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' || r == '-' {
			return r
		}
		return '-'
	}, strings.ToLower(host))
	return host[:min(len(host), 40)] + "-" + hex.EncodeToString(sum[:4])
}

// A memory keeps what is remembered of one feed.
type memory struct {
	store store.Store
	id    string
	now   func() time.Time
}

var errBusy = errors.New("another gateway of this store is pulling the feed; it goes on within ten minutes after that one stops")

// begin takes the feed for this process. whole asks for a pull of the whole
// feed; one that broke off is gone on with.
func (m *memory) begin(ctx context.Context, url string, whole bool) (*state, error) {
	s, err := m.read(ctx)
	if err != nil {
		return nil, err
	}
	if m.now().Before(s.Until) {
		return nil, errBusy
	}
	if !s.Open || !whole {
		s.Pull++
		s.Began = m.now()
	}
	s.URL, s.Open = url, whole || s.Open
	return s, m.keep(ctx, s)
}

func (m *memory) read(ctx context.Context) (*state, error) {
	s := &state{}
	doc, err := m.store.Doc(ctx, stateKind, m.id)
	if errors.Is(err, store.ErrNotFound) {
		return s, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(doc.Body, s); err != nil {
		return nil, fmt.Errorf("read what is remembered of the feed: %w", err)
	}
	s.version = doc.Version
	return s, nil
}

// keep writes the state and says that the pull is alive.
func (m *memory) keep(ctx context.Context, s *state) error {
	s.Until = m.now().Add(leaseTime)
	return m.save(ctx, s)
}

func (m *memory) save(ctx context.Context, s *state) error {
	body, err := json.Marshal(s)
	if err != nil {
		return err
	}
	_, err = m.store.Commit(ctx, store.Commit{Docs: []store.DocWrite{{Kind: stateKind, ID: m.id, Expect: s.version, Body: body}}})
	if _, lost := errors.AsType[*store.Conflict](err); lost {
		return errBusy
	}
	if err == nil {
		s.version++
	}
	return err
}

// release gives the feed free.
func (m *memory) release(ctx context.Context, s *state) error {
	s.Until = time.Time{}
	return m.save(ctx, s)
}

// pages returns what is remembered of the feed's pages.
func (m *memory) pages(ctx context.Context) (map[int]*page, error) {
	docs, err := m.store.Docs(ctx, pageKind+m.id)
	if err != nil {
		return nil, err
	}
	out := make(map[int]*page, len(docs))
	for _, d := range docs {
		p, n := &page{version: d.Version}, 0
		if _, err := fmt.Sscanf(d.ID, "%d", &n); err != nil {
			return nil, fmt.Errorf("read what is remembered of a page: %w", err)
		}
		if err := json.Unmarshal(d.Body, p); err != nil {
			return nil, fmt.Errorf("read what is remembered of a page: %w", err)
		}
		out[n] = p
	}
	return out, nil
}

// keepPage remembers a page, and in the same commit that the pull is alive.
func (m *memory) keepPage(ctx context.Context, s *state, n int, p *page) error {
	s.Until = m.now().Add(leaseTime)
	whole, err := json.Marshal(s)
	if err != nil {
		return err
	}
	body, err := json.Marshal(p)
	if err != nil {
		return err
	}
	_, err = m.store.Commit(ctx, store.Commit{Docs: []store.DocWrite{
		{Kind: stateKind, ID: m.id, Expect: s.version, Body: whole},
		{Kind: pageKind + m.id, ID: pageID(n), Expect: p.version, Body: body}}})
	if _, lost := errors.AsType[*store.Conflict](err); lost {
		return errBusy
	}
	if err == nil {
		s.version++
		p.version++
	}
	return err
}

func (m *memory) dropPage(ctx context.Context, n int, p *page) error {
	_, err := m.store.Commit(ctx, store.Commit{Docs: []store.DocWrite{{Kind: pageKind + m.id, ID: pageID(n), Expect: p.version, Delete: true}}})
	return err
}

func pageID(n int) string { return fmt.Sprintf("%06d", n) }
