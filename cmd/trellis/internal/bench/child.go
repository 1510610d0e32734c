package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A child is a gateway that this program started.
type child struct {
	pid
	http, admin string
	began       time.Time
	cmd         *exec.Cmd
	log         *childLog
	done        chan struct{}
	err         error // of Wait; set when done is closed
}

// startTimeout bounds the start of a gateway; a database over the network may
// take a while to make its indexes.
const startTimeout = 60 * time.Second

// stopTimeout is how long a gateway may take to finish what it has in hand.
const stopTimeout = 10 * time.Second

// start starts `trellis serve` on free loopback ports and waits until it says
// on which. further are arguments besides.
func start(ctx context.Context, exe, data, mongo string, further ...string) (*child, error) {
	c := &child{log: newChildLog("http", "admin"), done: make(chan struct{})}
	args := append([]string{"serve", "--data", data, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--mllp", "off",
		"--rate", "10000000", "--burst", "10000000", "--drain", "5s", "--service", serviceODS}, further...)
	c.cmd = exec.CommandContext(ctx, exe, args...) //nolint:gosec // our own program
	c.cmd.Env = environment(mongo)
	c.cmd.Stderr = c.log
	c.cmd.SysProcAttr = childAttr()
	c.cmd.Cancel = func() error { return c.cmd.Process.Signal(syscall.SIGTERM) }
	c.cmd.WaitDelay = stopTimeout
	c.began = time.Now()
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the gateway: %w", err)
	}
	c.pid = pid(c.cmd.Process.Pid)
	go func() {
		c.err = c.cmd.Wait()
		close(c.done)
	}()
	if err := c.listening(ctx); err != nil {
		c.stop()
		return nil, err
	}
	return c, nil
}

// environment is this program's own without its settings of a gateway, so that
// the same thing is measured everywhere. The URI goes this way because the
// arguments of a process are public.
func environment(mongo string) []string {
	var env []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "TRELLIS_") {
			env = append(env, e)
		}
	}
	if mongo != "" {
		env = append(env, "TRELLIS_MONGO="+mongo)
	}
	return env
}

func (c *child) listening(ctx context.Context) error {
	select {
	case <-c.log.ready:
		c.http, c.admin = c.log.addrs["http"], c.log.addrs["admin"]
		return nil
	case <-c.done:
		return fmt.Errorf("the gateway ended at once: %s", c.log.last())
	case <-time.After(startTimeout):
		return fmt.Errorf("the gateway did not listen within %s: %s", startTimeout, c.log.last())
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// stop ends the gateway as an operator would, and by force when that takes too
// long.
func (c *child) stop() {
	_ = c.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-c.done:
	case <-time.After(stopTimeout):
		_ = c.cmd.Process.Kill()
		<-c.done
	}
}

// alive returns an error when the gateway has ended by itself.
func (c *child) alive() error {
	select {
	case <-c.done:
		return fmt.Errorf("the gateway ended during the measurement (%w): %s", errors.Join(c.err), c.log.last())
	default:
		return nil
	}
}

// A childLog reads a gateway's log until it has said where it listens, and
// keeps the end of it for the day something goes wrong.
type childLog struct {
	mu    sync.Mutex
	want  map[string]bool
	addrs map[string]string
	ready chan struct{} // closed when all addresses are known
	part  []byte        // a line that is not whole yet
	tail  []byte
}

// tailSize is how much of the log is kept.
const tailSize = 4 << 10

func newChildLog(names ...string) *childLog {
	l := &childLog{want: map[string]bool{}, addrs: map[string]string{}, ready: make(chan struct{})}
	for _, n := range names {
		l.want[n] = true
	}
	return l
}

// Write takes the next piece of the log.
func (l *childLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tail = append(l.tail, p...)
	if len(l.tail) > 16*tailSize {
		l.tail = append(l.tail[:0], l.tail[len(l.tail)-tailSize:]...)
	}
	if len(l.want) == 0 {
		return len(p), nil
	}
	l.part = append(l.part, p...)
	for {
		line, rest, ok := bytes.Cut(l.part, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		l.read(line)
		l.part = rest
	}
}

func (l *childLog) read(line []byte) {
	var m struct{ Msg, Name, Addr string }
	if json.Unmarshal(line, &m) != nil || m.Msg != "listening" || !l.want[m.Name] {
		return
	}
	l.addrs[m.Name] = m.Addr
	if delete(l.want, m.Name); len(l.want) == 0 {
		close(l.ready)
	}
}

// last returns the last lines of the log.
func (l *childLog) last() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	tail := bytes.TrimSpace(l.tail)
	if len(tail) > tailSize {
		tail = tail[len(tail)-tailSize:]
	}
	if len(tail) == 0 {
		return "its log is empty"
	}
	return string(tail)
}
