package main

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"
)

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// TestLoggerWritesInTime: ordinary lines soon, urgent ones at once and in order.
func TestLoggerWritesInTime(t *testing.T) {
	var out safeBuffer
	log, flush := newLogger(&out, "info")
	log.Debug("not asked for")
	log.Info("first")
	for end := time.Now().Add(5 * time.Second); out.String() == "" && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	if got := out.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, `"msg":"first"`) {
		t.Errorf("after a while the log is %q", got)
	}
	log.With(slog.Int("a", 1)).WithGroup("g").Info("second")
	log.Error("third")
	if got := out.String(); strings.Index(got, "second") > strings.Index(got, "third") || !strings.Contains(got, "third") {
		t.Errorf("after an error the log is %q", got)
	}
	log.Info("listening")
	if !strings.Contains(out.String(), "listening") {
		t.Error("the line that scripts wait for is late")
	}
	log.Info("last")
	flush()
	if !strings.Contains(out.String(), "last") {
		t.Error("the last line is lost")
	}
}
