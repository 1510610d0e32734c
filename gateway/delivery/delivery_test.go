package delivery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"trellis.example/gateway/store"
	"trellis.example/gateway/store/sqlitestore"
)

// A partner records what it is sent, and fails as it is told to.
type partner struct {
	mu   sync.Mutex
	got  []string
	fail map[string]error // once each
}

func (p *partner) take(_ context.Context, e store.Event) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.got = append(p.got, e.ID)
	err := p.fail[e.ID]
	delete(p.fail, e.ID)
	return err
}

func (p *partner) seen() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.got)
}

func run(t *testing.T, p *partner, events ...store.Event) *sqlitestore.Store {
	t.Helper()
	s, err := sqlitestore.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Commit(t.Context(), store.Commit{Events: events}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	// The clock lies five seconds back, so that what is tried again is due.
	w := &Worker{Store: s, Topic: "x", Handler: p.take, Log: slog.New(slog.DiscardHandler), Poll: 5 * time.Millisecond,
		Clock: func() time.Time { return time.Now().Add(-5 * time.Second) }}
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		s.Close()
	})
	return s
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("%s did not happen", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func event(id, partition string) store.Event {
	return store.Event{ID: id, Topic: "x", Partition: partition, Payload: []byte("{}"), Due: time.Now().Add(-time.Minute)}
}

// TestOrderAndRetry: what fails is tried again before what comes after it for
// the same partner, and others do not wait.
func TestOrderAndRetry(t *testing.T) {
	p := &partner{fail: map[string]error{"a1": errors.New("down")}}
	s := run(t, p, event("a1", "a"), event("a2", "a"), event("b1", "b"))
	waitFor(t, "delivery", func() bool { return len(p.seen()) == 4 })
	var a []string
	for _, id := range p.seen() {
		if id != "b1" {
			a = append(a, id)
		}
	}
	if want := []string{"a1", "a1", "a2"}; !slices.Equal(a, want) {
		t.Errorf("partner a got %v, want %v", a, want)
	}
	waitFor(t, "an empty outbox", func() bool {
		left, err := s.LeaseEvents(t.Context(), "x", 10, time.Millisecond)
		return err == nil && len(left) == 0
	})
}

// TestUndeliverable: what can never be delivered leaves the outbox and holds
// up nobody.
func TestUndeliverable(t *testing.T) {
	p := &partner{fail: map[string]error{"a1": fmt.Errorf("%w: no address", ErrUndeliverable)}}
	run(t, p, event("a1", "a"), event("a2", "a"))
	waitFor(t, "delivery", func() bool { return len(p.seen()) == 2 })
	if got, want := p.seen(), []string{"a1", "a2"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestPause(t *testing.T) {
	for attempt, bound := range map[int]time.Duration{0: firstTry, 1: firstTry, 2: 2 * firstTry, 5: 16 * firstTry, 11: 1024 * firstTry, 12: lastTry, 1 << 20: lastTry} {
		for range 100 {
			if p := pause(attempt); p <= 0 || p > bound+time.Millisecond {
				t.Fatalf("pause(%d) = %v, want at most %v", attempt, p, bound)
			}
		}
	}
}

func TestAcknowledged(t *testing.T) {
	ack := func(code string) []byte {
		return []byte("MSH|^~\\&|A|B|C|D|20260304||ACK^I12^ACK|1|P|2.5.1\rMSA|" + code + "|X\r")
	}
	tests := []struct {
		code      string
		ok, final bool
	}{{"AA", true, false}, {"CA", true, false}, {"AE", false, true}, {"AR", false, false}, {"CR", false, false}, {"", false, false}}
	for _, tt := range tests {
		err := acknowledged(ack(tt.code))
		if (err == nil) != tt.ok || errors.Is(err, ErrUndeliverable) != tt.final {
			t.Errorf("MSA-1 %q: %v", tt.code, err)
		}
	}
	if err := acknowledged([]byte("nonsense")); err == nil || errors.Is(err, ErrUndeliverable) {
		t.Errorf("an answer that is no acknowledgement: %v", err)
	}
}
