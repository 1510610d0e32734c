package server

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// readiness remembers the last answer for a second, so that whoever asks often
// does not load the store.
type readiness struct {
	mu    sync.Mutex
	until time.Time
	err   error
}

// live answers while the process can answer at all.
func (s *Server) live(w http.ResponseWriter, _ *http.Request) { health(w, http.StatusOK, "live") }

// readyNow answers 200 when the gateway can do its work and is not shutting down.
func (s *Server) readyNow(w http.ResponseWriter, r *http.Request) {
	switch {
	case s.draining.Load():
		health(w, http.StatusServiceUnavailable, "draining")
	case s.isReady(r.Context()) != nil:
		health(w, http.StatusServiceUnavailable, "store unavailable")
	default:
		health(w, http.StatusOK, "ready")
	}
}

func (s *Server) isReady(ctx context.Context) error {
	c := &s.ready
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Now().Before(c.until) {
		return c.err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	c.err = s.deps.Ready(ctx)
	c.until = time.Now().Add(time.Second)
	return c.err
}

func health(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	w.Write([]byte(`{"status":"` + text + `"}`)) //nolint:errcheck // the caller is gone
}
