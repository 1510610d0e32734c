package mllp

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// A Client sends messages over one connection, one at a time. It is safe for
// concurrent use; callers wait for each other.
type Client struct {
	// Timeout bounds one [Client.Send] whose context has no deadline. Default
	// 30 s.
	Timeout time.Duration
	// MaxAnswer is the largest answer in bytes. Default 4 MiB.
	MaxAnswer int

	mu     sync.Mutex
	nc     net.Conn
	r      *bufio.Reader
	failed bool
}

// Dial connects to addr; with a TLS configuration when cfg is not nil.
func Dial(ctx context.Context, addr string, cfg *tls.Config) (*Client, error) {
	d := &net.Dialer{Timeout: 10 * time.Second}
	var nc net.Conn
	var err error
	if cfg == nil {
		nc, err = d.DialContext(ctx, "tcp", addr)
	} else {
		nc, err = (&tls.Dialer{NetDialer: d, Config: cfg}).DialContext(ctx, "tcp", addr)
	}
	if err != nil {
		return nil, fmt.Errorf("mllp: dial: %w", err)
	}
	return &Client{nc: nc, r: bufio.NewReader(nc)}, nil
}

// Send sends a message and returns the answer. After an error the connection
// is closed and the Client is of no more use: a late answer to this message
// must not be taken for the answer to the next. The error is context's when
// ctx ended first. Whether the message arrived is then unknown; send it again
// with the same control id.
func (c *Client) Send(ctx context.Context, msg []byte) (ack []byte, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failed {
		return nil, errors.New("mllp: the connection has failed; dial again")
	}
	ctx, cancel := c.bound(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = c.nc.SetDeadline(time.Now()) })
	ack, err = c.exchange(msg)
	// When AfterFunc has already run, its deadline may yet hit the next call.
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		c.failed = true
		_ = c.nc.Close()
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, fmt.Errorf("mllp: send: %w", err)
	}
	return ack, nil
}

func (c *Client) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, positive(c.Timeout, 30*time.Second))
}

func (c *Client) exchange(msg []byte) ([]byte, error) {
	if _, err := c.nc.Write(frame(msg)); err != nil {
		return nil, err
	}
	if err := waitStart(c.r); err != nil {
		return nil, cut(err)
	}
	return readBlock(c.r, positive(c.MaxAnswer, 4<<20))
}

// Close closes the connection.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failed {
		return nil
	}
	c.failed = true
	return c.nc.Close()
}
