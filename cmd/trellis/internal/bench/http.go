package bench

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

const (
	// answerLimit bounds the body of an answer that is kept.
	answerLimit = 8 << 20
	// callTimeout bounds one request: longer than any answer of a gateway that
	// is not stuck.
	callTimeout = 30 * time.Second
)

// A conn is one keep-alive HTTP/1.1 connection for requests made beforehand.
// It is not safe for concurrent use.
type conn struct {
	addr    string
	timeout time.Duration // of one request; 0 means callTimeout
	nc      net.Conn
	r       *bufio.Reader
	body    []byte
}

// An answer is what came back. Its slices are valid until the next call.
type answer struct {
	status   int
	body     []byte
	location []byte
	close    bool
}

// call sends one whole request and reads its answer. The connection is made
// when there is none, and dropped after an error.
func (c *conn) call(ctx context.Context, request []byte) (answer, error) {
	if c.nc == nil {
		if err := c.dial(ctx); err != nil {
			return answer{}, err
		}
	}
	a, err := c.roundTrip(request)
	if err != nil || a.close {
		c.close()
	}
	return a, err
}

func (c *conn) dial(ctx context.Context) error {
	d := net.Dialer{Timeout: 5 * time.Second}
	nc, err := d.DialContext(ctx, "tcp", c.addr)
	if err != nil {
		return err
	}
	c.nc, c.r = nc, bufio.NewReaderSize(nc, 64<<10)
	return nil
}

func (c *conn) close() {
	if c.nc != nil {
		_ = c.nc.Close() // nothing is lost
		c.nc = nil
	}
}

func (c *conn) roundTrip(request []byte) (answer, error) {
	if err := c.nc.SetDeadline(time.Now().Add(cmp.Or(c.timeout, callTimeout))); err != nil {
		return answer{}, err
	}
	if _, err := c.nc.Write(request); err != nil {
		return answer{}, err
	}
	a, length, err := c.head()
	if err != nil {
		return a, err
	}
	switch {
	case length < 0:
		err = c.chunks()
	default:
		err = c.read(length)
	}
	a.body = c.body
	return a, err
}

// head reads the status line and the headers. length is that of the body, or
// negative when it comes in chunks.
func (c *conn) head() (a answer, length int, err error) {
	c.body = c.body[:0]
	line, err := c.line()
	if err != nil {
		return a, 0, err
	}
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
		return a, 0, fmt.Errorf("the answer is not HTTP/1.1")
	}
	if a.status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return a, 0, fmt.Errorf("the answer has no status")
	}
	for {
		if line, err = c.line(); err != nil || len(line) == 0 {
			return a, length, err
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			length, err = strconv.Atoi(string(value))
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			length = -1
		case bytes.EqualFold(name, []byte("Location")):
			a.location = append([]byte(nil), value...)
		case bytes.EqualFold(name, []byte("Connection")):
			a.close = bytes.EqualFold(value, []byte("close"))
		}
		if err != nil || length > answerLimit {
			return a, 0, fmt.Errorf("the answer has no length that can be read")
		}
	}
}

func (c *conn) line() ([]byte, error) {
	line, err := c.r.ReadSlice('\n')
	return bytes.TrimRight(line, "\r\n"), err
}

// read appends n bytes to the body.
func (c *conn) read(n int) error {
	at := len(c.body)
	if at+n > answerLimit {
		return fmt.Errorf("the answer is larger than %d bytes", answerLimit)
	}
	if cap(c.body) < at+n {
		c.body = append(make([]byte, 0, at+2*n), c.body...)
	}
	c.body = c.body[:at+n]
	_, err := io.ReadFull(c.r, c.body[at:])
	return err
}

// chunks reads a body of chunks (RFC 9112, section 7.1).
func (c *conn) chunks() error {
	for {
		line, err := c.line()
		if err != nil {
			return err
		}
		size, _, _ := bytes.Cut(line, []byte(";"))
		n, err := strconv.ParseUint(string(size), 16, 31)
		if err != nil {
			return fmt.Errorf("the answer has a chunk without size")
		}
		if n == 0 {
			return c.trailer()
		}
		if err := c.read(int(n)); err != nil {
			return err
		}
		if _, err := c.line(); err != nil {
			return err
		}
	}
}

func (c *conn) trailer() error {
	for {
		line, err := c.line()
		if err != nil || len(line) == 0 {
			return err
		}
	}
}
