package bench

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestCall(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /whole", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "http://h/fhir/Patient/x/_history/1")
		w.WriteHeader(201)
		w.Write([]byte("hello"))
	})
	mux.HandleFunc("POST /chunks", func(w http.ResponseWriter, _ *http.Request) {
		for range 3 {
			w.Write([]byte(strings.Repeat("abc", 1000)))
			w.(http.Flusher).Flush()
		}
	})
	mux.HandleFunc("POST /nothing", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) })
	mux.HandleFunc("POST /last", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Connection", "close") })
	srv := httptest.NewServer(mux)
	defer srv.Close()
	addr := strings.TrimPrefix(srv.URL, "http://")
	c := conn{addr: addr}
	defer c.close()
	for range 2 { // on one connection, and again after it was closed
		for _, tt := range []struct {
			path   string
			status int
			length int
			close  bool
		}{
			{"/whole", 201, 5, false},
			{"/chunks", 200, 9000, false},
			{"/nothing", 204, 0, false},
			{"/absent", 404, 19, false},
			{"/last", 200, 0, true},
		} {
			a, err := c.call(t.Context(), call{method: "POST", path: tt.path, host: addr, body: []byte("{}")}.request())
			if err != nil || a.status != tt.status || len(a.body) != tt.length || a.close != tt.close {
				t.Errorf("%s: %d, %d bytes, close %t, %v; want %d, %d, %t", tt.path, a.status, len(a.body), a.close, err, tt.status, tt.length, tt.close)
			}
			if tt.path == "/whole" && createdID(a.location) != "x" {
				t.Errorf("Location %q", a.location)
			}
		}
	}
}

func TestCreatedID(t *testing.T) {
	for in, want := range map[string]string{
		"http://127.0.0.1:1/fhir/ServiceRequest/abc/_history/1": "abc",
		"http://127.0.0.1:1/fhir/ServiceRequest/abc":            "", // not a version
		"": "",
	} {
		if got := createdID([]byte(in)); got != want {
			t.Errorf("createdID(%q) = %q; want %q", in, got, want)
		}
	}
}

type noProcess struct{}

func (noProcess) cpu() (time.Duration, bool)   { return 0, false }
func (noProcess) memory() (int64, int64, bool) { return 0, 0, false }

func testLoad(t *testing.T, status func(n int64) int) load {
	var n, next atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status(n.Add(1))) }))
	t.Cleanup(srv.Close)
	addr := strings.TrimPrefix(srv.URL, "http://")
	request := call{method: "GET", path: "/", host: addr}.request()
	return load{addr: addr, clients: 4, next: &next, judge: ok,
		requests: func(int) func(int64) []byte { return func(int64) []byte { return request } }}
}

func TestLoad(t *testing.T) {
	l := testLoad(t, func(n int64) int {
		if n%10 == 0 {
			return 500
		}
		return 200
	})
	got, err := l.run(t.Context(), time.Minute, 100, noProcess{})
	if err != nil || got.requests != 100 || got.done != 90 || got.failed != 10 || got.times.n != 100 {
		t.Errorf("%d requests, %d done, %d failed, %v", got.requests, got.done, got.failed, err)
	}
	if !strings.HasPrefix(got.failure, "500") || got.serverKnown {
		t.Errorf("failure %q, known %t", got.failure, got.serverKnown)
	}
}

// A gateway that refuses everything must not be asked for long.
func TestLoadGivesUp(t *testing.T) {
	l := testLoad(t, func(int64) int { return 503 })
	got, err := l.run(t.Context(), time.Minute, 1_000_000, noProcess{})
	if err != nil || got.failed < maxFailures || got.failed > maxFailures+l.clients {
		t.Errorf("%d failed, %v", got.failed, err)
	}
}

func TestLoadEndsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	l := testLoad(t, func(n int64) int {
		if n == 50 {
			cancel()
		}
		return 200
	})
	if _, err := l.run(ctx, time.Minute, 1_000_000, noProcess{}); err == nil {
		t.Error("no error")
	}
}

// Nobody listens: every request fails, and the load ends.
func TestLoadWithoutServer(t *testing.T) {
	l := testLoad(t, func(int64) int { return 200 })
	l.addr = "127.0.0.1:1"
	got, err := l.run(t.Context(), time.Minute, 1000, noProcess{})
	if err != nil || got.done != 0 || got.failed == 0 || got.failure == "" {
		t.Errorf("%d done, %d failed (%s), %v", got.done, got.failed, got.failure, err)
	}
}
