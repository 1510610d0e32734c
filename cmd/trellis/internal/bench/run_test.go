package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// asGateway makes the test's own program act as the gateway that is measured.
const asGateway = "BENCH_TEST_GATEWAY"

func TestMain(m *testing.M) {
	if os.Getenv(asGateway) != "" {
		os.Exit(fakeGateway(os.Args[1:], os.Getenv(asGateway)))
	}
	os.Exit(m.Run())
}

// fakeGateway speaks as much of the commands and of HTTP as the generator asks.
func fakeGateway(args []string, how string) int {
	if args[0] == "client" {
		json.NewEncoder(os.Stdout).Encode(map[string]string{"client_id": args[2], "client_secret": "s3cret"})
		return 0
	}
	if args[0] == "import" {
		if how == "refusing" {
			fmt.Fprintln(os.Stderr, "line 7: a fault")
			return 1
		}
		return 0
	}
	if how == "broken" {
		fmt.Fprintln(os.Stderr, "trellis: the folder is full")
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	for _, name := range []string{"http", "admin"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return 2
		}
		go http.Serve(l, fakeHandler(how))
		fmt.Fprintf(os.Stderr, `{"msg":"listening","name":%q,"addr":%q}`+"\n", name, l.Addr())
	}
	<-ctx.Done()
	return 0
}

func fakeHandler(how string) http.Handler {
	var ids atomic.Int64
	mux := http.NewServeMux()
	ok := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			io.WriteString(w, body)
		}
	}
	mux.HandleFunc("GET /health/ready", ok(""))
	mux.HandleFunc("POST /oauth2/token", ok(`{"access_token":"t","expires_in":300}`))
	mux.HandleFunc("POST /fhir/{type}/_search", ok(`{"entry":[{"search":{"mode":"match"}}]}`))
	mux.HandleFunc("GET /fhir/ServiceRequest/{id}/$everything", ok(`{"entry":[{}]}`))
	mux.HandleFunc("GET /fhir/ServiceRequest/{id}/_history", ok(`{"entry":[{}]}`))
	mux.HandleFunc("GET /fhir/ServiceRequest/_history", ok(`{"entry":[{}]}`))
	mux.HandleFunc("POST /fhir", ok(`{}`))
	mux.HandleFunc("GET /fhir/$export", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Location", "http://elsewhere.example/fhir/$export/1")
		w.WriteHeader(202)
	})
	var asked atomic.Int64
	mux.HandleFunc("GET /fhir/$export/1", func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) == 1 {
			w.WriteHeader(202)
			return
		}
		io.WriteString(w, `{"output":[{"url":"http://elsewhere.example/fhir/$export/1/0.ndjson"}]}`)
	})
	mux.HandleFunc("GET /fhir/$export/1/0.ndjson", ok(strings.Repeat("{}\n", medium)))
	mux.HandleFunc("GET /fhir/{type}", ok(`{"entry":[{"search":{"mode":"match"}}]}`))
	mux.HandleFunc("GET /fhir/{type}/{id}", ok(`{}`))
	mux.HandleFunc("POST /fhir/$process-message", ok(`{}`))
	mux.HandleFunc("POST /intake/hl7v2", ok("MSA|AA"))
	for _, path := range []string{"POST /intake/ppn-csv", "POST /intake/cld-csv"} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			io.WriteString(w, "row,record_key,status,our_reference\n")
			for i := range bytes.Count(b, []byte("\n")) - 1 {
				fmt.Fprintf(w, "%d,,created,\n", i+1)
			}
		})
	}
	mux.HandleFunc("GET /debug/pprof/profile", ok("profile"))
	mux.HandleFunc("POST /fhir/{type}", func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if bytes.Contains(b, []byte("@@")) || how == "refusing" {
			w.WriteHeader(422)
			return
		}
		w.Header().Set("Location", fmt.Sprintf("http://h/fhir/%s/00000000-0000-4000-8000-%012d/_history/1", r.PathValue("type"), ids.Add(1)))
		w.WriteHeader(201)
	})
	return mux
}

func runAs(t *testing.T, how string, c Config) (Report, error) {
	t.Helper()
	t.Setenv(asGateway, how)
	t.Setenv("TMPDIR", t.TempDir())
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c.Exe, c.Clients = exe, 2
	if c.Duration == 0 {
		c.Duration = 100 * time.Millisecond
	}
	rep, err := Run(t.Context(), c)
	if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "*")); len(left) > 0 {
		t.Errorf("%v is left behind", left)
	}
	return rep, err
}

// Every measure that needs a gateway runs against one that answers as ours.
func TestRun(t *testing.T) {
	only := slices.DeleteFunc(IDs(), func(id string) bool {
		return id == "validate" || strings.HasPrefix(id, "map-") || id == "memory-idle" || // two seconds of rest
			strings.HasSuffix(id, "-1m")
	})
	profile := filepath.Join(t.TempDir(), "cpu.pprof")
	last := ""
	rep, err := runAs(t, "good", Config{Only: only, Profile: profile, Progress: func(done, of int, what string) { last = fmt.Sprint(done, of, what) }})
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range rep.Rows {
		if r.ID != only[i] || r.Failed > 0 || r.Missing == "" && r.Value == 0 {
			t.Errorf("%+v", r)
		}
	}
	if want := fmt.Sprint(len(only), len(only), ""); last != want {
		t.Errorf("last progress %q; want %q", last, want)
	}
	if b, err := os.ReadFile(filepath.Join(filepath.Dir(profile), "cpu.create.pprof")); err != nil || string(b) != "profile" {
		t.Errorf("profile %q, %v", b, err)
	}
}

func TestRunRefused(t *testing.T) {
	if _, err := runAs(t, "refusing", Config{Only: []string{"create"}}); err == nil || !strings.Contains(err.Error(), "422") {
		t.Errorf("%v; want what the gateway answered", err)
	}
}

// What was not imported cannot be searched.
func TestRunImportRefused(t *testing.T) {
	if _, err := runAs(t, "refusing", Config{Only: []string{"search-status-10k"}}); err == nil || !strings.Contains(err.Error(), "line 7: a fault") {
		t.Errorf("%v; want what the import said", err)
	}
}

// An export that brings less than is there, or more, is a failure.
func TestExported(t *testing.T) {
	for n, want := range map[int]int{100: 0, 99: 1, 101: 1} {
		var row Row
		if row.exported(n, 100); row.Done != n || row.Failed != want || (row.Failure != "") != (want > 0) {
			t.Errorf("%d of 100: %+v", n, row)
		}
	}
}

func TestRunBroken(t *testing.T) {
	if _, err := runAs(t, "broken", Config{Only: []string{"start"}}); err == nil || !strings.Contains(err.Error(), "the folder is full") {
		t.Errorf("%v; want what the gateway said", err)
	}
}

// The gateway's own settings in the environment must not reach it.
func TestEnvironment(t *testing.T) {
	t.Setenv("TRELLIS_RATE", "1")
	env := environment("mongodb://h")
	if slices.Contains(env, "TRELLIS_RATE=1") || !slices.Contains(env, "TRELLIS_MONGO=mongodb://h") {
		t.Error("the environment is not the gateway's own")
	}
}

// The parts that are measured alone: one call each, so that a document that is
// refused is seen here and not in a report.
func TestParts(t *testing.T) {
	s := &session{}
	for _, m := range measures() {
		if !m.alone {
			continue
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // after the first call
		row := Row{}
		err := m.run(ctx, s, &row)
		if row.Missing != "" {
			t.Logf("%s is not measured here: %s", m.id, row.Missing)
			continue
		}
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", m.id, err)
		}
	}
}
