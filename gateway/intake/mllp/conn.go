package mllp

import (
	"bufio"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"
)

// A conn is one connection at the server.
type conn struct {
	srv  *Server
	raw  net.Conn // TCP, on which deadlines are set
	nc   net.Conn // raw, or TLS over it
	r    *bufio.Reader
	peer Peer

	mu       sync.Mutex
	busy     bool // a frame has begun and is not yet answered
	draining bool
}

func newConn(s *Server, nc net.Conn) *conn {
	return &conn{srv: s, raw: nc, nc: nc, r: bufio.NewReaderSize(nc, 4096), peer: Peer{RemoteAddr: nc.RemoteAddr().String()}}
}

// drain asks the connection to end: at once when it is idle, else after the
// message in hand.
func (c *conn) drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.draining = true
	if !c.busy {
		_ = c.raw.SetReadDeadline(time.Now())
	}
}

// idle marks the connection as between messages. It reports false when it is
// to end.
func (c *conn) idle() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy = false
	_ = c.raw.SetReadDeadline(time.Now().Add(c.srv.IdleTimeout))
	return !c.draining
}

// begin marks that a frame, or the handshake, has begun. It reports false when the server drains:
// a message not begun is not answered, and its sender sends it again.
func (c *conn) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy = !c.draining
	if c.busy {
		now := time.Now()
		_ = c.raw.SetReadDeadline(now.Add(c.srv.ReadTimeout))
		_ = c.raw.SetWriteDeadline(now.Add(c.srv.ReadTimeout)) // the handshake writes too
	}
	return c.busy
}

func (c *conn) serve() {
	if !c.handshake() {
		return
	}
	for c.idle() {
		if err := waitStart(c.r); err != nil {
			if errors.Is(err, ErrNoStart) {
				c.broken(nil, err)
			}
			return
		}
		if !c.begin() {
			return
		}
		msg, err := readBlock(c.r, c.srv.MaxMessage)
		if err != nil {
			c.broken(msg, err)
			return
		}
		c.srv.stats.messages.Add(1)
		if !c.write(c.handle(msg)) {
			return
		}
	}
}

// handshake completes TLS and learns the client certificate.
func (c *conn) handshake() bool {
	if c.srv.TLS == nil {
		return true
	}
	t := tls.Server(c.nc, c.srv.TLS)
	if !c.begin() {
		return false
	}
	if err := t.HandshakeContext(c.srv.ctx); err != nil {
		c.srv.Log.Warn("mllp TLS handshake failed", slog.String("remote", c.peer.RemoteAddr))
		return false
	}
	if certs := t.ConnectionState().PeerCertificates; len(certs) > 0 {
		sum := sha256.Sum256(certs[0].Raw)
		c.peer.CertSHA256 = hex.EncodeToString(sum[:])
		c.peer.CommonName = certs[0].Subject.CommonName
	}
	c.nc = t
	c.r.Reset(t)
	return true
}

// handle calls the handler. A panic there costs the connection's answer, not
// the server: the sender gets the answer to a broken frame.
func (c *conn) handle(msg []byte) (ack []byte) {
	defer func() {
		if r := recover(); r != nil {
			c.srv.Log.Error("mllp handler panicked")
			ack = c.reject(msg, ErrInternal)
		}
	}()
	return c.srv.Handler(c.srv.ctx, c.peer, msg)
}

func (c *conn) reject(head []byte, err error) []byte {
	if c.srv.Reject == nil {
		return nil
	}
	return c.srv.Reject(head, err)
}

// broken counts a broken frame and answers it when an answer can be made; the
// connection then closes, since where the next frame begins is unknown.
func (c *conn) broken(head []byte, err error) {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = ErrTimeout
	}
	c.srv.stats.broken.Add(1)
	c.srv.Log.Warn("mllp frame broken", slog.String("remote", c.peer.RemoteAddr), slog.String("reason", err.Error()))
	if c.write(c.reject(head, err)) {
		c.lingerClose()
	}
}

// lingerClose lets the peer read the answer: closing with unread input would
// reset the connection and lose it. Input is discarded for a short while.
func (c *conn) lingerClose() {
	if cw, ok := c.nc.(interface{ CloseWrite() error }); ok {
		_ = cw.CloseWrite()
	}
	_ = c.raw.SetReadDeadline(time.Now().Add(min(c.srv.ReadTimeout, 2*time.Second)))
	_, _ = io.CopyN(io.Discard, c.nc, int64(c.srv.MaxMessage))
}

// write sends an answer, if any, and reports whether the connection is usable.
func (c *conn) write(ack []byte) bool {
	if ack == nil {
		return true
	}
	_ = c.raw.SetWriteDeadline(time.Now().Add(c.srv.WriteTimeout))
	_, err := c.nc.Write(frame(ack))
	return err == nil
}
