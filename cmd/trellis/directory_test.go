package main

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"trellis.example/gateway"
)

// TestDirectoryPull takes a feed of two services in, one of them faulty.
func TestDirectoryPull(t *testing.T) {
	feed := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/o/services":
			_, _ = io.WriteString(w, `{"total_items":2,"total_pages":1,"last_page":true,"contents":[{"id":"a"},{"id":"b"}]}`)
		case "/o/services/a":
			_, _ = io.WriteString(w, `{"id":"a","name":"Good","status":"active"}`)
		default:
			_, _ = io.WriteString(w, `{"id":"b","name":"Bad","status":"resting"}`)
		}
	}))
	defer feed.Close()
	c := gateway.Defaults()
	c.Data = t.TempDir()
	s, err := gateway.OpenStore(t.Context(), c, true, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	pull := func(more ...string) (int, string, string) {
		var out, errs bytes.Buffer
		args := append([]string{"directory", "pull", feed.URL + "/o", "--data", c.Data, "--public-url", "https://trellis.test", "--rate", "1000"}, more...)
		code := run(t.Context(), args, strings.NewReader(""), &out, &errs)
		return code, out.String(), errs.String()
	}
	if code, _, errs := pull(); code != exitFailed || !strings.Contains(errs, "http for addresses of this machine") {
		t.Errorf("an internal feed: exit %d, %s", code, errs)
	}
	code, out, errs := pull("--allow-private", "--json")
	var r struct {
		Created, Rejected int
		Complete          bool
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != exitFaults || r.Created != 1 || r.Rejected != 1 || !r.Complete {
		t.Errorf("exit %d, %v: %s %s", code, err, out, errs)
	}
	if strings.Contains(out, "resting") {
		t.Error("a value of the feed shows")
	}
	if code, out, _ := pull("--allow-private"); code != exitFaults || !strings.Contains(out, "service b was left out") || !strings.Contains(out, "/status") {
		t.Errorf("exit %d: %s", code, out)
	}
	if code, _, errs := pull("--version", "2"); code != exitFailed || !strings.Contains(errs, "versions 3 and 1") {
		t.Errorf("exit %d: %s", code, errs)
	}
}
