package mllp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// A Peer is what the connection says about the sender.
type Peer struct {
	// CertSHA256 is the SHA-256 of the client certificate (DER), in lower
	// case hexadecimal, and CommonName its subject's common name; both are ""
	// on plain TCP and when the client showed none.
	CertSHA256, CommonName string
	// RemoteAddr is the sender's address and port.
	RemoteAddr string
}

// A Handler answers one message with the acknowledgement to send; nil sends
// nothing. ctx ends when the server gives up waiting at shutdown. The handler
// may keep msg.
type Handler func(ctx context.Context, p Peer, msg []byte) (ack []byte)

// A Server receives messages. Set its fields before [Server.Serve]; zero
// values are the defaults given.
type Server struct {
	// Handler answers messages. Required.
	Handler Handler
	// Reject makes the answer to a broken frame from what was read of its
	// message and an error of this package; nil, or a nil answer, sends none.
	Reject func(head []byte, err error) []byte
	// TLS is the server's configuration; ask for client certificates there.
	// Nil means plain TCP, which is refused except on loopback addresses.
	TLS *tls.Config
	// MaxMessage is the largest message in bytes. Default 4 MiB.
	MaxMessage int
	// MaxConns is the largest number of connections at once; one more is
	// closed at once. Default 256.
	MaxConns int
	// IdleTimeout is how long a connection may stay between messages. Default
	// 5 minutes.
	IdleTimeout time.Duration
	// ReadTimeout is how long one message, or the TLS handshake, may take to
	// arrive. Default 30 s.
	ReadTimeout time.Duration
	// WriteTimeout is how long the peer may take to read an answer. Default
	// 30 s.
	WriteTimeout time.Duration
	// Log takes connection events; nil discards them.
	Log *slog.Logger

	once     sync.Once
	mu       sync.Mutex
	draining bool
	conns    map[*conn]struct{}
	listener []net.Listener
	ctx      context.Context
	cancel   context.CancelFunc
	wg       sync.WaitGroup
	stats    counters
}

type counters struct{ connections, messages, broken, refused atomic.Int64 }

// Stats are counts since the start.
type Stats struct {
	// Connections were accepted, Refused were closed at once because there
	// were too many.
	Connections, Refused int64
	// Messages came in whole; Broken frames did not.
	Messages, Broken int64
	// Open is the number of connections now.
	Open int
}

// Stats returns the counts.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	open := len(s.conns)
	s.mu.Unlock()
	return Stats{
		Connections: s.stats.connections.Load(), Refused: s.stats.refused.Load(),
		Messages: s.stats.messages.Load(), Broken: s.stats.broken.Load(), Open: open,
	}
}

// Listen opens addr ("host:port"; port 0 picks one) for [Server.Serve]. Without
// TLS it refuses an address that is not loopback.
func (s *Server) Listen(addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("mllp: listen: %w", err)
	}
	if s.TLS == nil && !isLoopback(l.Addr()) {
		return nil, errors.Join(errors.New("mllp: plain TCP is for loopback addresses only; configure TLS to listen on "+addr), l.Close())
	}
	return l, nil
}

func isLoopback(a net.Addr) bool {
	t, ok := a.(*net.TCPAddr)
	return ok && t.IP.IsLoopback()
}

// Serve answers the connections of l until [Server.Shutdown]; then it returns
// nil. It closes l.
func (s *Server) Serve(l net.Listener) error {
	s.init()
	if s.TLS == nil && !isLoopback(l.Addr()) {
		return errors.Join(errors.New("mllp: plain TCP is for loopback addresses only"), l.Close())
	}
	if !s.track(l) {
		return l.Close()
	}
	for wait := time.Duration(0); ; {
		c, err := l.Accept()
		if err == nil {
			wait = 0
			s.start(c)
			continue
		}
		if s.stopping() {
			return nil
		}
		if errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("mllp: accept: %w", err)
		}
		wait = min(max(2*wait, 5*time.Millisecond), time.Second) // out of descriptors: it passes
		s.Log.Warn("mllp accept failed", slog.Duration("retry_in", wait))
		time.Sleep(wait)
	}
}

func (s *Server) init() {
	s.once.Do(func() {
		s.ctx, s.cancel = context.WithCancel(context.Background())
		s.conns = map[*conn]struct{}{}
		s.MaxMessage = positive(s.MaxMessage, 4<<20)
		s.MaxConns = positive(s.MaxConns, 256)
		s.IdleTimeout = positive(s.IdleTimeout, 5*time.Minute)
		s.ReadTimeout = positive(s.ReadTimeout, 30*time.Second)
		s.WriteTimeout = positive(s.WriteTimeout, 30*time.Second)
		if s.Log == nil {
			s.Log = slog.New(slog.DiscardHandler)
		}
	})
}

func positive[T int | time.Duration](v, otherwise T) T {
	if v > 0 {
		return v
	}
	return otherwise
}

func (s *Server) track(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listener = append(s.listener, l)
	return !s.draining
}

func (s *Server) stopping() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.draining
}

// start runs a connection, or closes it when there are too many.
func (s *Server) start(nc net.Conn) {
	c := newConn(s, nc)
	s.mu.Lock()
	ok := !s.draining && len(s.conns) < s.MaxConns
	if ok {
		s.conns[c] = struct{}{}
		s.wg.Add(1)
	}
	s.mu.Unlock()
	if !ok {
		s.stats.refused.Add(1)
		s.Log.Warn("mllp connection refused: too many", slog.Int("limit", s.MaxConns))
		_ = nc.Close()
		return
	}
	s.stats.connections.Add(1)
	go func() {
		defer s.wg.Done()
		defer s.remove(c)
		c.serve()
	}()
}

func (s *Server) remove(c *conn) {
	_ = c.nc.Close()
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
}

// Shutdown stops listening, closes idle connections and waits until messages
// in hand are answered. When ctx ends first, it cancels the handlers' context,
// closes what is left, waits for the handlers and returns ctx's error.
func (s *Server) Shutdown(ctx context.Context) error {
	s.init()
	s.mu.Lock()
	s.draining = true
	for _, l := range s.listener {
		_ = l.Close()
	}
	for c := range s.conns {
		c.drain()
	}
	s.mu.Unlock()
	done := make(chan struct{})
	go func() { s.wg.Wait(); close(done) }()
	select {
	case <-done:
		s.cancel()
		return nil
	case <-ctx.Done():
	}
	s.cancel()
	s.mu.Lock()
	for c := range s.conns {
		_ = c.raw.Close()
	}
	s.mu.Unlock()
	<-done
	return ctx.Err()
}
