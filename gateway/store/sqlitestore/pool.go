package sqlitestore

import (
	"context"
	"sync"
)

// A pool holds the connections that read. The one used last is used next: its
// page cache is warm.
type pool struct {
	slots  chan struct{} // one for each connection in use
	dial   func() (*conn, error)
	mu     sync.Mutex
	free   []*conn
	closed bool
}

func (p *pool) init(size int, dial func() (*conn, error)) {
	p.slots = make(chan struct{}, size)
	p.dial = dial
}

func (p *pool) get(ctx context.Context) (*conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	c, err := p.take()
	if err != nil {
		<-p.slots
	}
	return c, err
}

func (p *pool) take() (*conn, error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, errClosed
	}
	if n := len(p.free); n > 0 {
		c := p.free[n-1]
		p.free = p.free[:n-1]
		p.mu.Unlock()
		return c, nil
	}
	p.mu.Unlock()
	return p.dial()
}

func (p *pool) put(c *conn) {
	p.mu.Lock()
	p.free = append(p.free, c)
	p.mu.Unlock()
	<-p.slots
}

// close waits for the connections in use and closes all.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	for range cap(p.slots) {
		p.slots <- struct{}{}
	}
	for range cap(p.slots) {
		<-p.slots
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.free {
		_ = c.close() // it only read
	}
	p.free = nil
}

// read runs f, which makes a single query, on a connection of its own.
func (s *Store) read(ctx context.Context, f func(*conn) error) error {
	c, err := s.readers.get(ctx)
	if err != nil {
		return err
	}
	defer s.readers.put(c)
	return f(c)
}

// A beginning says when a connection's next query begins a transaction.
type beginning int

const (
	beginNot    beginning = iota
	beginSecond           // the query after it will
	beginFirst            // it will
	begun                 // it did
)

// beginInTime begins the transaction if it is time to.
func (c *conn) beginInTime() error {
	switch c.begin {
	case beginSecond:
		c.begin = beginFirst
	case beginFirst:
		c.begin = begun
		return c.exec(sqlBeginRead)
	}
	return nil
}

// queries runs f, whose first query stands alone and whose others see one
// moment. Most need but one, which a transaction of its own would make dearer.
func (s *Store) queries(ctx context.Context, f func(*conn) error) error {
	return s.read(ctx, func(c *conn) error {
		c.begin = beginSecond
		err := f(c)
		begins := c.begin == begun
		c.begin = beginNot
		if !begins {
			return err
		}
		if cerr := c.exec(sqlCommit); err == nil {
			err = cerr
		}
		return err
	})
}

// snapshot runs f in one read transaction.
func (s *Store) snapshot(ctx context.Context, f func(*conn) error) error {
	return s.read(ctx, func(c *conn) error {
		if err := c.exec(sqlBeginRead); err != nil {
			return err
		}
		err := f(c)
		if cerr := c.exec(sqlCommit); err == nil {
			err = cerr
		}
		return err
	})
}
