package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Listen opens a TCP listener and says where, in the one line that scripts wait
// for: {"msg":"listening","name":"http","addr":"127.0.0.1:34567"}. Port 0 takes
// a free one.
func Listen(ctx context.Context, log *slog.Logger, name, addr string) (net.Listener, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen for %s: %w", name, err)
	}
	log.LogAttrs(ctx, slog.LevelInfo, "listening", slog.String("name", name), slog.String("addr", ln.Addr().String()))
	return ln, nil
}

// Serve answers on both listeners until ctx ends; then it drains: ready says
// 503, no connection is accepted any more, requests under way are finished. It
// closes the listeners and returns nil after a clean end. admin may be nil.
func (s *Server) Serve(ctx context.Context, public, admin net.Listener) error {
	servers := []*http.Server{s.httpServer(s.Handler())}
	listeners := []net.Listener{public}
	if admin != nil {
		servers, listeners = append(servers, s.httpServer(s.Admin())), append(listeners, admin)
	}
	failed := make(chan error, len(servers))
	for i := range servers {
		go func() { failed <- servers[i].Serve(listeners[i]) }()
	}
	recording, stop := context.WithCancel(context.WithoutCancel(ctx))
	recorded := make(chan struct{})
	go func() {
		defer close(recorded)
		s.deps.Recorder.Run(recording, s.reportAudit)
	}()
	var err error
	running := len(servers)
	select {
	case <-ctx.Done():
	case err = <-failed:
		running--
	}
	err = errors.Join(err, s.shutdown(ctx, servers))
	for range running {
		<-failed //nolint:errcheck // http.ErrServerClosed
	}
	stop()
	<-recorded
	return err
}

func (s *Server) reportAudit(err error) {
	s.deps.Logger.LogAttrs(context.Background(), slog.LevelError, "refusals could not be written to the audit", slog.String("error", err.Error()))
}

// shutdown ends the servers; the admin side last, so that draining can be
// watched.
func (s *Server) shutdown(ctx context.Context, servers []*http.Server) error {
	s.draining.Store(true)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.DrainDelay+s.cfg.ShutdownTimeout)
	defer cancel()
	if s.cfg.DrainDelay > 0 {
		time.Sleep(s.cfg.DrainDelay)
	}
	var err error
	for _, hs := range servers {
		if e := hs.Shutdown(ctx); e != nil {
			err = errors.Join(err, fmt.Errorf("requests were still under way when the time to shut down was over: %w", e), hs.Close())
		}
	}
	return err
}

func (s *Server) httpServer(h http.Handler) *http.Server {
	l := s.cfg.Limits
	return &http.Server{
		Handler: h, ReadHeaderTimeout: l.ReadHeader, ReadTimeout: l.Read, WriteTimeout: l.Write, IdleTimeout: l.Idle,
		MaxHeaderBytes: l.MaxHeader, ErrorLog: slog.NewLogLogger(s.deps.Logger.Handler(), slog.LevelDebug),
	}
}
