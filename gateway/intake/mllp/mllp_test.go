package mllp

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo answers "ACK " and the message.
func echo(_ context.Context, _ Peer, msg []byte) []byte { return append([]byte("ACK "), msg...) }

// rejectWith answers "AR", the error and what was read.
func rejectWith(head []byte, err error) []byte {
	return fmt.Appendf(nil, "AR %v: %s", err, head)
}

// start serves s on a loopback port and shuts it down after the test.
func start(t *testing.T, s *Server) string {
	t.Helper()
	l, err := s.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return l.Addr().String()
}

func dialRaw(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	return c
}

func send(t *testing.T, c net.Conn, s string) {
	t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		t.Fatal(err)
	}
}

// answer reads one framed answer.
func answer(t *testing.T, r *bufio.Reader) string {
	t.Helper()
	if err := waitStart(r); err != nil {
		t.Fatalf("waiting for an answer: %v", err)
	}
	b, err := readBlock(r, 1<<20)
	if err != nil {
		t.Fatalf("reading the answer: %v", err)
	}
	return string(b)
}

// closed reports that the server ends the connection without saying more.
func closed(t *testing.T, r *bufio.Reader) {
	t.Helper()
	if b, err := io.ReadAll(r); len(b) > 0 || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("expected the connection to be closed, read %q, %v", b, err)
	}
}

func TestClientAndServer(t *testing.T) {
	addr := start(t, &Server{Handler: echo})
	c, err := Dial(t.Context(), addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	for _, msg := range []string{"one", "", "two\rlines\r", strings.Repeat("x", 100_000)} {
		got, err := c.Send(t.Context(), []byte(msg))
		if err != nil || string(got) != "ACK "+msg {
			t.Errorf("Send(%.10q) = %.20q, %v", msg, got, err)
		}
	}
}

// TestEndsOfFrames: CR, LF and both end a frame; line ends between frames say
// nothing.
func TestEndsOfFrames(t *testing.T) {
	c := dialRaw(t, start(t, &Server{Handler: echo}))
	r := bufio.NewReader(c)
	send(t, c, "\x0bone\x1c\n\x0btwo\x1c\r\n\n\x0bthree\x1c\r")
	for _, want := range []string{"one", "two", "three"} {
		if got := answer(t, r); got != "ACK "+want {
			t.Errorf("answer %q, want ACK %s", got, want)
		}
	}
}

func TestTwoMessagesInOnePacket(t *testing.T) {
	addr := start(t, &Server{Handler: echo})
	c := dialRaw(t, addr)
	r := bufio.NewReader(c)
	send(t, c, "\x0bone\x1c\r\r\n\x0btwo\x1c\r")
	if a, b := answer(t, r), answer(t, r); a != "ACK one" || b != "ACK two" {
		t.Errorf("answers %q, %q", a, b)
	}
}

func TestSlowSender(t *testing.T) {
	addr := start(t, &Server{Handler: echo})
	c := dialRaw(t, addr)
	for _, b := range []byte("\x0bslow\x1c\r") {
		send(t, c, string(b))
		time.Sleep(2 * time.Millisecond)
	}
	if got := answer(t, bufio.NewReader(c)); got != "ACK slow" {
		t.Errorf("answer %q", got)
	}
}

func TestBrokenFrames(t *testing.T) {
	tests := []struct {
		name, in, want string
		half           bool // close our side after sending
	}{
		{name: "no start", in: "MSH|^~\\&|\r", want: "AR " + ErrNoStart.Error() + ": "},
		{name: "HTTP", in: "GET / HTTP/1.1\r\n\r\n", want: "AR " + ErrNoStart.Error() + ": "},
		{name: "nested", in: "\x0bMSH|one\x0bMSH|two\x1c\r", want: "AR " + ErrNested.Error() + ": MSH|one"},
		{name: "end without CR", in: "\x0bMSH|one\x1cX", want: "AR " + ErrBadEnd.Error() + ": MSH|one"},
		{name: "cut", in: "\x0bMSH|one", half: true, want: "AR " + ErrCut.Error() + ": MSH|one"},
		{name: "cut before CR", in: "\x0bMSH|one\x1c", half: true, want: "AR " + ErrCut.Error() + ": MSH|one"},
		{name: "timeout", in: "\x0bMSH|one", want: "AR " + ErrTimeout.Error() + ": MSH|one"},
		{name: "too large", in: "\x0b" + strings.Repeat("M", 5000), want: "AR " + ErrTooLarge.Error() + ": " + strings.Repeat("M", 1000)},
		{name: "after a good one", in: "\x0bok\x1c\rjunk", want: "ACK ok"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &Server{Handler: echo, Reject: rejectWith, MaxMessage: 1000, ReadTimeout: 100 * time.Millisecond}
			c := dialRaw(t, start(t, s))
			send(t, c, tt.in)
			if tt.half {
				_ = c.(*net.TCPConn).CloseWrite()
			}
			r := bufio.NewReader(c)
			if got := answer(t, r); got != tt.want {
				t.Errorf("answer %.80q, want %.80q", got, tt.want)
			}
			if tt.name == "after a good one" {
				answer(t, r)
			}
			closed(t, r)
			if st := s.Stats(); st.Broken != 1 {
				t.Errorf("stats %+v, want one broken frame", st)
			}
		})
	}
}

func TestBrokenFrameWithoutReject(t *testing.T) {
	c := dialRaw(t, start(t, &Server{Handler: echo}))
	send(t, c, "junk")
	closed(t, bufio.NewReader(c))
}

func TestIdleTimeout(t *testing.T) {
	s := &Server{Handler: echo, IdleTimeout: 30 * time.Millisecond}
	c := dialRaw(t, start(t, s))
	closed(t, bufio.NewReader(c))
	if s.Stats().Broken != 0 {
		t.Error("an idle connection is not a broken frame")
	}
}

func TestTooManyConnections(t *testing.T) {
	s := &Server{Handler: echo, MaxConns: 1}
	addr := start(t, s)
	first := dialRaw(t, addr)
	send(t, first, "\x0bone\x1c\r")
	answer(t, bufio.NewReader(first))
	closed(t, bufio.NewReader(dialRaw(t, addr)))
	if st := s.Stats(); st.Refused != 1 || st.Open != 1 {
		t.Errorf("stats %+v", st)
	}
}

func TestPanicIsAnswered(t *testing.T) {
	var n atomic.Int64
	s := &Server{Reject: rejectWith, Handler: func(ctx context.Context, p Peer, msg []byte) []byte {
		if n.Add(1) == 1 {
			panic("broken") // on purpose: the server must outlive a handler that panics
		}
		return echo(ctx, p, msg)
	}}
	c := dialRaw(t, start(t, s))
	r := bufio.NewReader(c)
	send(t, c, "\x0bone\x1c\r\x0btwo\x1c\r")
	if a, b := answer(t, r), answer(t, r); !strings.HasPrefix(a, "AR "+ErrInternal.Error()) || b != "ACK two" {
		t.Errorf("answers %q, %q", a, b)
	}
}

func TestNoAnswer(t *testing.T) {
	s := &Server{Handler: func(_ context.Context, _ Peer, msg []byte) []byte {
		if string(msg) == "quiet" {
			return nil
		}
		return msg
	}}
	c := dialRaw(t, start(t, s))
	send(t, c, "\x0bquiet\x1c\r\x0bloud\x1c\r")
	if got := answer(t, bufio.NewReader(c)); got != "loud" {
		t.Errorf("answer %q", got)
	}
}

func TestSlowReader(t *testing.T) {
	s := &Server{WriteTimeout: 50 * time.Millisecond, Handler: func(context.Context, Peer, []byte) []byte {
		return make([]byte, 64<<20) // more than the socket buffers hold
	}}
	c := dialRaw(t, start(t, s))
	send(t, c, "\x0bone\x1c\r")
	waitFor(t, func() bool { return s.Stats().Messages == 1 })
	waitFor(t, func() bool { return s.Stats().Open == 0 })
}

func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	for range 500 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("waited in vain")
}

// TestShutdownAnswersTheMessageInHand: the message being handled is answered,
// the one behind it in the buffer is not begun, idle connections close.
func TestShutdownAnswersTheMessageInHand(t *testing.T) {
	begun, goOn := make(chan struct{}), make(chan struct{})
	var handled atomic.Int64
	s := &Server{Handler: func(ctx context.Context, p Peer, msg []byte) []byte {
		handled.Add(1)
		close(begun)
		<-goOn
		return echo(ctx, p, msg)
	}}
	addr := start(t, s)
	idle, busy := dialRaw(t, addr), dialRaw(t, addr)
	send(t, busy, "\x0bone\x1c\r\x0btwo\x1c\r")
	<-begun
	down := make(chan error, 1)
	go func() { down <- s.Shutdown(context.Background()) }()
	closed(t, bufio.NewReader(idle))
	close(goOn)
	r := bufio.NewReader(busy)
	if got := answer(t, r); got != "ACK one" {
		t.Errorf("answer %q", got)
	}
	closed(t, r)
	if err := <-down; err != nil || handled.Load() != 1 {
		t.Errorf("Shutdown: %v, %d handled", err, handled.Load())
	}
	if _, err := net.Dial("tcp", addr); err == nil {
		t.Error("still listening")
	}
}

func TestShutdownGivesUp(t *testing.T) {
	begun := make(chan struct{})
	s := &Server{Handler: func(ctx context.Context, _ Peer, _ []byte) []byte {
		close(begun)
		<-ctx.Done()
		return nil
	}}
	c := dialRaw(t, start(t, s))
	send(t, c, "\x0bone\x1c\r")
	<-begun
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown: %v", err)
	}
}

func TestPlainTCPOnlyOnLoopback(t *testing.T) {
	s := &Server{Handler: echo}
	if l, err := s.Listen("0.0.0.0:0"); err == nil {
		_ = l.Close()
		t.Error("plain TCP on every address must be refused")
	}
	l, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(l); err == nil {
		t.Error("Serve must refuse it too")
	}
}

func TestClientFailsForGood(t *testing.T) {
	s := &Server{Handler: func(ctx context.Context, _ Peer, _ []byte) []byte {
		<-ctx.Done()
		return nil
	}}
	l, err := s.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	c, err := Dial(t.Context(), l.Addr().String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	c.Timeout = 30 * time.Millisecond
	if _, err := c.Send(t.Context(), []byte("one")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Send: %v", err)
	}
	if _, err := c.Send(t.Context(), []byte("two")); err == nil {
		t.Error("a client must not be used after a time-out")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_ = s.Shutdown(ctx)
	<-served
}

// FuzzReadBlock checks that any bytes give a message or an error, that a
// message never holds a frame byte nor exceeds the limit, and that what was
// framed is read back.
func FuzzReadBlock(f *testing.F) {
	f.Add([]byte("\x0bMSH|one\x1c\r\n\x0btwo\x1c\r"), []byte("MSH|"))
	f.Add([]byte("\x0b\x0b\x1c\r"), []byte{})
	f.Add(bytes.Repeat([]byte("\x0bx\x1c"), 50), bytes.Repeat([]byte("long"), 40))
	f.Fuzz(func(t *testing.T, stream, msg []byte) {
		const limit = 100
		r := bufio.NewReaderSize(bytes.NewReader(stream), 16)
		for waitStart(r) == nil {
			b, err := readBlock(r, limit)
			if len(b) > limit || bytes.ContainsAny(b, "\x0b\x1c") {
				t.Fatalf("read %q", b)
			}
			if err != nil {
				break
			}
		}
		if bytes.ContainsAny(msg, "\x0b\x1c") || len(msg) > limit {
			return
		}
		r = bufio.NewReaderSize(bytes.NewReader(frame(msg)), 16)
		if err := waitStart(r); err != nil {
			t.Fatal(err)
		}
		if b, err := readBlock(r, limit); err != nil || !bytes.Equal(b, msg) {
			t.Fatalf("%q became %q, %v", msg, b, err)
		}
	})
}

func BenchmarkRoundTrip(b *testing.B) {
	s := &Server{Handler: echo}
	l, err := s.Listen("127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	go func() { _ = s.Serve(l) }()
	defer func() { _ = s.Shutdown(context.Background()) }()
	c, err := Dial(context.Background(), l.Addr().String(), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	msg := bytes.Repeat([]byte("x"), 1500)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Send(context.Background(), msg); err != nil {
			b.Fatal(err)
		}
	}
}

// FuzzFrames holds that any bytes give messages and at most one fault, in bounded
// memory, and that what was framed is read back as it was.
func FuzzFrames(f *testing.F) {
	f.Add([]byte("\x0bMSH|^~\\&|\x1c\r\x0btwo\x1c\r"))
	f.Add([]byte("junk\x0b\x1c"))
	f.Add([]byte("\x0b\x0b\x1c\n\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		r := bufio.NewReader(bytes.NewReader(in))
		for range len(in) + 1 {
			if waitStart(r) != nil {
				break
			}
			msg, err := readBlock(r, 64)
			if len(msg) > 64 {
				t.Fatalf("a message of %d bytes passed the limit", len(msg))
			}
			if err != nil {
				break
			}
			back, err := func() ([]byte, error) {
				again := bufio.NewReader(bytes.NewReader(frame(msg)))
				if err := waitStart(again); err != nil {
					return nil, err
				}
				return readBlock(again, 64)
			}()
			if err != nil || !bytes.Equal(back, msg) {
				t.Fatalf("%q framed is %q, %v", msg, back, err)
			}
		}
	})
}
