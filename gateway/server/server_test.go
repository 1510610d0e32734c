package server_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"trellis.example/gateway/audit"
	"trellis.example/gateway/rest"
	"trellis.example/gateway/server"
	"trellis.example/gateway/server/servertest"
	"trellis.example/gateway/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t testing.TB, o servertest.Options) *servertest.Gateway {
	t.Helper()
	return servertest.Start(t, servertest.OpenStore(t), o)
}

const patient = `{"resourceType":"Patient","active":true}`

func create(t testing.TB, g *servertest.Gateway, client, doc string) string {
	t.Helper()
	r := g.Do(t, client, "POST", "/fhir/Patient", doc)
	if r.Status != 201 {
		t.Fatalf("create: %d %s", r.Status, r.Body)
	}
	loc := strings.TrimSuffix(r.Header.Get("Location"), "/_history/1")
	return strings.TrimPrefix(loc, g.URL)
}

func TestAddresses(t *testing.T) {
	g := start(t, servertest.Options{})
	path := create(t, g, "gp", patient)
	tests := []struct {
		method, path string
		want         int
		allow        string
	}{
		{"GET", "/", 404, ""},
		{"GET", "/nothing", 404, ""},
		{"GET", "//x", 404, ""},
		{"POST", "//fhir/Patient", 404, ""},
		{"GET", "/fhir//Patient", 404, ""},
		{"GET", "/fhir/../fhir/metadata", 404, ""},
		{"GET", "/fhir/metadata", 200, ""},
		{"GET", "/fhir/metadata/", 200, ""},
		{"HEAD", "/fhir/metadata", 200, ""},
		{"POST", "/fhir/metadata", 405, "GET, HEAD, OPTIONS"},
		{"GET", path, 200, ""},
		{"GET", path + "/", 200, ""},
		{"GET", path + "//", 404, ""},
		{"POST", path, 405, "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"},
		{"BREW", "/fhir/Patient", 405, "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"},
		{"GET", "/fhir", 200, ""},
		{"GET", "/fhir/_history", 200, ""},
		{"GET", "/fhir/Patient/_history", 200, ""},
		{"GET", path + "/Observation", 200, ""},
		{"GET", path + "/*", 200, ""},
		{"GET", path + "/**", 404, ""},
		{"POST", path + "/*", 405, "GET, HEAD, OPTIONS"},
		{"GET", path + "/_search", 405, "OPTIONS, POST"},
		{"GET", path + "/Observation/_search", 405, "OPTIONS, POST"},
		{"GET", path + "/$everything", 200, ""},
		{"DELETE", path + "/$everything", 405, "GET, HEAD, OPTIONS, POST"},
		{"GET", path + "/$meta", 200, ""},
		{"GET", path + "/$nothing", 404, ""},
		{"GET", "/fhir/Patient/_search", 405, "OPTIONS, POST"},
		{"DELETE", path + "/_history", 405, "GET, HEAD, OPTIONS"},
		{"OPTIONS", path, 204, "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"},
		{"BREW", path, 405, "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"},
		{"GET", "/health/live", 200, ""},
		{"GET", "/health/ready", 200, ""},
		{"GET", "/metrics", 404, ""}, // on the admin side only
	}
	for _, tt := range tests {
		r := g.Do(t, "gp", tt.method, tt.path, "")
		if r.Status != tt.want || r.Header.Get("Allow") != tt.allow {
			t.Errorf("%s %s: %d, Allow %q; want %d, %q", tt.method, tt.path, r.Status, r.Header.Get("Allow"), tt.want, tt.allow)
		}
		if r.Status >= 400 && !strings.Contains(r.Body, "OperationOutcome") {
			t.Errorf("%s %s: the error is no OperationOutcome: %s", tt.method, tt.path, r.Body)
		}
		for _, h := range []string{"X-Request-Id", "X-Content-Type-Options", "Content-Security-Policy"} {
			if r.Header.Get(h) == "" {
				t.Errorf("%s %s: no %s", tt.method, tt.path, h)
			}
		}
	}
}

func TestRequestIDs(t *testing.T) {
	g := start(t, servertest.Options{})
	for in, echoed := range map[string]bool{"3f0a-good-id.1": true, "short": true, "with space!": false, strings.Repeat("x", 65): false, "": false} {
		r := g.Do(t, "", "GET", "/health/live", "", "X-Request-ID", in, "X-Correlation-ID", in)
		if got := r.Header.Get("X-Request-ID"); (got == in) != echoed || got == "" {
			t.Errorf("%q: X-Request-ID %q, want echoed %t", in, got, echoed)
		}
		if got := r.Header.Get("X-Correlation-ID"); (got != "") != echoed {
			t.Errorf("%q: X-Correlation-ID %q", in, got)
		}
	}
}

func TestBodyLimits(t *testing.T) {
	g := start(t, servertest.Options{})
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	fmt.Fprint(z, patient)
	z.Close()
	var bomb bytes.Buffer
	z = gzip.NewWriter(&bomb)
	z.Write(bytes.Repeat([]byte(" "), 64<<20))
	z.Close()
	tests := []struct {
		name     string
		body     io.Reader
		length   int64 // -1: chunked
		encoding string
		want     int
	}{
		{"gzip", bytes.NewReader(zipped.Bytes()), int64(zipped.Len()), "gzip", 201},
		{"gzip bomb", bytes.NewReader(bomb.Bytes()), int64(bomb.Len()), "gzip", 413},
		{"cut gzip", bytes.NewReader(zipped.Bytes()[:20]), 20, "gzip", 400},
		{"not gzip", strings.NewReader(patient), int64(len(patient)), "gzip", 400},
		{"brotli", strings.NewReader(patient), int64(len(patient)), "br", 415},
		{"50 MB", io.LimitReader(zeros{}, 50<<20), 50 << 20, "", 413},
		{"50 MB, chunked", io.LimitReader(zeros{}, 50<<20), -1, "", 413},
		{"4 MB and a byte", io.LimitReader(zeros{}, 4<<20+1), -1, "", 413},
		{"chunked", strings.NewReader(patient), -1, "", 201},
		{"nothing", http.NoBody, 0, "", 400},
	}
	for _, tt := range tests {
		req, err := http.NewRequestWithContext(t.Context(), "POST", g.URL+"/fhir/Patient", io.NopCloser(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		req.ContentLength = tt.length
		req.Header.Set("Authorization", "Bearer gp")
		req.Header.Set("Content-Type", "application/fhir+json")
		if tt.encoding != "" {
			req.Header.Set("Content-Encoding", tt.encoding)
		}
		if r := g.Send(t, req); r.Status != tt.want {
			t.Errorf("%s: %d, want %d; %s", tt.name, r.Status, tt.want, r.Body)
		}
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = ' '
	}
	return len(b), nil
}

func TestGzipAnswers(t *testing.T) {
	g := start(t, servertest.Options{})
	small := create(t, g, "gp", patient)
	large := create(t, g, "gp", `{"resourceType":"Patient","name":[{"text":"`+strings.Repeat("long ", 5000)+`"}]}`)
	plain := g.Do(t, "gp", "GET", large, "")
	if plain.Header.Get("Content-Encoding") != "" || strings.Join(plain.Header.Values("Vary"), ", ") != "Accept, Accept-Encoding" {
		t.Errorf("not asked for: %v", plain.Header)
	}
	r := g.Do(t, "gp", "GET", large, "", "Accept-Encoding", "br, gzip;q=0.8")
	zr, err := gzip.NewReader(strings.NewReader(r.Body))
	if err != nil {
		t.Fatalf("%v; %v", err, r.Header)
	}
	if b, err := io.ReadAll(zr); err != nil || string(b) != plain.Body {
		t.Errorf("unzipped differs: %v", err)
	}
	if r := g.Do(t, "gp", "GET", large, "", "Accept-Encoding", "gzip;q=0"); r.Header.Get("Content-Encoding") != "" {
		t.Error("zipped in spite of q=0")
	}
	if r := g.Do(t, "gp", "GET", small, "", "Accept-Encoding", "gzip"); r.Header.Get("Content-Encoding") != "" {
		t.Error("a small answer was zipped")
	}
}

func TestCORS(t *testing.T) {
	g := start(t, servertest.Options{Config: server.Config{CORSOrigins: []string{"https://app.example"}}})
	preflight := func(origin string) servertest.Response {
		return g.Do(t, "", "OPTIONS", "/fhir/Patient", "", "Origin", origin, "Access-Control-Request-Method", "POST")
	}
	good := preflight("https://app.example")
	if good.Status != 204 || good.Header.Get("Access-Control-Allow-Origin") != "https://app.example" || !strings.Contains(good.Header.Get("Access-Control-Allow-Headers"), "If-Match") {
		t.Errorf("allowed origin: %d %v", good.Status, good.Header)
	}
	if bad := preflight("https://evil.example"); bad.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("other origin: %v", bad.Header)
	}
	r := g.Do(t, "", "GET", "/fhir/metadata", "", "Origin", "https://app.example")
	if r.Header.Get("Access-Control-Allow-Origin") != "https://app.example" || !strings.Contains(r.Header.Get("Access-Control-Expose-Headers"), "ETag") || !slices.Contains(r.Header.Values("Vary"), "Origin") {
		t.Errorf("answer: %v", r.Header)
	}
}

func TestRates(t *testing.T) {
	g := start(t, servertest.Options{Config: server.Config{Limits: server.Limits{ClientRate: 0.5, ClientBurst: 5, AddressRate: 0.1, AddressBurst: 6}}})
	statuses := func(client string, n int) (out map[int]int, last servertest.Response) {
		out = map[int]int{}
		for range n {
			last = g.Do(t, client, "GET", "/fhir/Patient/none", "")
			out[last.Status]++
		}
		return out, last
	}
	got, last := statuses("gp", 8)
	if got[404] != 5 || got[429] != 3 || last.Header.Get("Retry-After") != "2" {
		t.Errorf("gp: %v, Retry-After %q; want 5 answers and 3 refusals, 2 s", got, last.Header.Get("Retry-After"))
	}
	if got, _ := statuses("gp2", 2); got[404] != 2 {
		t.Errorf("another client behind the same address: %v", got)
	}
	if got, _ := statuses("sandbox", 20); got[404] != 20 {
		t.Errorf("sandbox: %v, want no limit", got)
	}
	got, last = statuses("", 10)
	if got[401] != 6 || got[429] != 4 || last.Header.Get("Retry-After") != "10" {
		t.Errorf("without token: %v, Retry-After %q", got, last.Header.Get("Retry-After"))
	}
	g.Clock.Advance(time.Minute)
	if got, _ := statuses("gp", 1); got[404] != 1 {
		t.Errorf("gp a minute later: %v", got)
	}
}

func TestAddressBehindProxy(t *testing.T) {
	proxies := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8")}
	tests := []struct {
		trust     []netip.Prefix
		forwarded string
		want      string
	}{
		{nil, "203.0.113.9", "127.0.0.1"},
		{proxies, "", "127.0.0.1"},
		{proxies, "203.0.113.9", "203.0.113.9"},
		{proxies, "198.51.100.1, 203.0.113.9, 10.1.2.3", "203.0.113.9"}, // what stands before was the caller's own claim
		{proxies, "203.0.113.9, nonsense", "127.0.0.1"},
	}
	for _, tt := range tests {
		g := start(t, servertest.Options{Config: server.Config{TrustedProxies: tt.trust}})
		g.Do(t, "gp", "GET", "/fhir/Patient/none", "", "X-Forwarded-For", tt.forwarded)
		rs, err := g.Store.AuditEntries(t.Context(), store.AuditPosition{}, 10)
		if err != nil || len(rs) != 1 || rs[0].Address != tt.want {
			t.Errorf("%q: audited %+v, %v; want %s", tt.forwarded, rs, err, tt.want)
		}
	}
}

func TestPanicIsContained(t *testing.T) {
	g := start(t, servertest.Options{Deps: func(d *server.Deps) {
		// A panic on purpose, with a value that must reach neither log nor answer.
		d.Transaction = d.REST.Custom(audit.Execute, "transaction", func(*rest.Request) (rest.Response, error) { panic("9434765919") })
	}})
	r := g.Do(t, "gp", "POST", "/fhir", "{}")
	if r.Status != 500 || !strings.Contains(r.Body, "OperationOutcome") || r.Header.Get("X-Request-ID") == "" {
		t.Errorf("%d %s", r.Status, r.Body)
	}
	if r := g.Do(t, "gp", "POST", "/fhir/", "{}"); r.Status != 500 {
		t.Errorf("POST /fhir/ is not POST /fhir: %d", r.Status)
	}
	if logs := g.Logs.String(); strings.Contains(logs, "9434765919") || !strings.Contains(logs, `"msg":"panic"`) {
		t.Errorf("log: %s", logs)
	}
}

func TestCustomOperation(t *testing.T) {
	g := start(t, servertest.Options{Deps: func(d *server.Deps) {
		d.Message = d.REST.Custom(audit.Execute, "process-message", func(q *rest.Request) (rest.Response, error) {
			return rest.Response{}, errors.New("secret of the database")
		})
	}})
	r := g.Do(t, "gp", "POST", "/fhir/$process-message", "{}")
	if r.Status != 500 || strings.Contains(r.Body, "secret") {
		t.Errorf("%d %s", r.Status, r.Body)
	}
	if r := g.Do(t, "gp", "POST", "/fhir/%24process-message", "{}"); r.Status != 500 {
		t.Errorf("escaped address: %d", r.Status)
	}
	if r := g.Do(t, "", "GET", "/fhir/metadata", ""); !strings.Contains(r.Body, `"process-message"`) {
		t.Error("the CapabilityStatement does not name the operation")
	}
}

func TestMetrics(t *testing.T) {
	g := start(t, servertest.Options{})
	path := create(t, g, "gp", patient)
	g.Do(t, "gp", "GET", path, "")
	g.Do(t, "gp", "BREW", path, "")
	w := httptest.NewRecorder()
	g.Admin.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	body := w.Body.String()
	for _, want := range []string{
		`trellis_http_requests_total{method="GET",route="/fhir/{type}/{id}",status="200"} 1`,
		`trellis_http_requests_total{method="other",route="/fhir/{type}/{id}",status="405"} 1`,
		"trellis_http_request_duration_seconds_bucket", "go_goroutines", "process_open_fds",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s", want)
		}
	}
	if strings.Contains(body, path) {
		t.Error("a metric names a resource")
	}
}

func TestOneLogEventPerRequest(t *testing.T) {
	g := start(t, servertest.Options{})
	g.Do(t, "gp", "GET", "/fhir/Patient/none", "", "X-Request-ID", "request-0007")
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
	var events []map[string]any
	s := bufio.NewScanner(strings.NewReader(g.Logs.String()))
	for s.Scan() {
		var e map[string]any
		if err := json.Unmarshal(s.Bytes(), &e); err != nil {
			t.Fatalf("%s: %v", s.Text(), err)
		}
		events = append(events, e)
	}
	if len(events) != 2 || events[0]["msg"] != "listening" || events[0]["name"] != "http" || "http://"+fmt.Sprint(events[0]["addr"]) != g.URL {
		t.Fatalf("events %v", events)
	}
	e := events[1]
	if e["msg"] != "request" || e["method"] != "GET" || e["route"] != "/fhir/{type}/{id}" || e["status"] != 404.0 || e["client"] != "gp" || e["request_id"] != "request-0007" || e["reason"] != "not-found" {
		t.Errorf("event %v", e)
	}
}

// TestDraining: a request under way is finished, readiness is withdrawn first,
// and nothing new is accepted.
func TestDraining(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	g := start(t, servertest.Options{Deps: func(d *server.Deps) {
		d.Transaction = d.REST.Custom(audit.Execute, "transaction", func(*rest.Request) (rest.Response, error) {
			close(entered)
			<-release
			return rest.Response{Body: []byte(`{"resourceType":"Bundle","type":"transaction-response"}`)}, nil
		})
	}})
	answer := make(chan servertest.Response, 1)
	go func() { answer <- g.Do(t, "gp", "POST", "/fhir", "{}") }()
	<-entered
	stopped := make(chan error, 1)
	go func() { stopped <- g.Stop() }()
	ready := func() int {
		w := httptest.NewRecorder()
		g.Admin.ServeHTTP(w, httptest.NewRequest("GET", "/health/ready", nil))
		return w.Code
	}
	for deadline := time.Now().Add(5 * time.Second); ready() != 503; {
		if time.Now().After(deadline) {
			t.Fatal("still ready while draining")
		}
		time.Sleep(time.Millisecond)
	}
	select {
	case err := <-stopped:
		t.Fatalf("stopped while a request was under way: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	close(release)
	if r := <-answer; r.Status != 200 {
		t.Errorf("the request under way: %d", r.Status)
	}
	if err := <-stopped; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if c, err := net.DialTimeout("tcp", strings.TrimPrefix(g.URL, "http://"), time.Second); err == nil {
		c.Close()
		t.Error("a connection was accepted after the end")
	}
}

// TestSlowCallers: who does not send the header, or not the body, is cut off.
func TestSlowCallers(t *testing.T) {
	g := start(t, servertest.Options{Config: server.Config{Limits: server.Limits{ReadHeader: 100 * time.Millisecond, Read: 300 * time.Millisecond}}})
	for name, sent := range map[string]string{
		"header": "GET /fhir/metadata HTTP/1.1\r\nHost: x\r\n",
		"body":   "POST /fhir/Patient HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer gp\r\nContent-Type: application/fhir+json\r\nContent-Length: 1000\r\n\r\n{",
	} {
		c, err := net.Dial("tcp", strings.TrimPrefix(g.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(c, sent)
		c.SetDeadline(time.Now().Add(5 * time.Second))
		b, err := io.ReadAll(c)
		c.Close()
		if err != nil {
			t.Errorf("%s: the connection stayed open: %v", name, err)
		}
		if name == "body" && !strings.Contains(string(b), " 408 ") {
			t.Errorf("%s: %q, want 408", name, b)
		}
	}
	req, _ := http.NewRequestWithContext(t.Context(), "GET", g.URL+"/fhir/metadata", nil)
	req.Header.Set("X-Long", strings.Repeat("x", 80<<10))
	if r := g.Send(t, req); r.Status != 431 {
		t.Errorf("80 KB of header: %d, want 431", r.Status)
	}
}
