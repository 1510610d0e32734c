package main

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"sync"
	"time"
)

// logDelay is how long a line of the access log may wait to be written with
// others: a write for each request is a good part of a read's cost.
const logDelay = 50 * time.Millisecond

// newLogger logs JSON lines to w. Lines wait up to logDelay; a warning or an
// error, and whatever came before it, is written at once; flush writes the rest
// at the end.
func newLogger(w io.Writer, level string) (log *slog.Logger, flush func()) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		l = slog.LevelInfo
	}
	lines := &lineWriter{w: bufio.NewWriterSize(w, 64<<10)}
	return slog.New(urgent{slog.NewJSONHandler(lines, &slog.HandlerOptions{Level: l}), lines}), lines.flush
}

// A lineWriter gathers lines. It is safe for concurrent use.
type lineWriter struct {
	mu      sync.Mutex
	w       *bufio.Writer
	waiting bool
}

// Write adds a line and sees to it that it is written soon.
func (l *lineWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.waiting {
		l.waiting = true
		time.AfterFunc(logDelay, l.flush)
	}
	return l.w.Write(b)
}

func (l *lineWriter) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting = false
	_ = l.w.Flush() // there is nowhere to report a log that cannot be written
}

// urgent writes what is urgent at once.
type urgent struct {
	slog.Handler
	lines *lineWriter
}

// Handle logs a record.
func (u urgent) Handle(ctx context.Context, r slog.Record) error {
	err := u.Handler.Handle(ctx, r)
	if r.Level > slog.LevelInfo || r.Message == "listening" {
		u.lines.flush()
	}
	return err
}

// WithAttrs keeps what is urgent urgent.
func (u urgent) WithAttrs(a []slog.Attr) slog.Handler { return urgent{u.Handler.WithAttrs(a), u.lines} }

// WithGroup keeps what is urgent urgent.
func (u urgent) WithGroup(name string) slog.Handler {
	return urgent{u.Handler.WithGroup(name), u.lines}
}
