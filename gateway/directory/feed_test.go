package directory_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"trellis.example/auth"
	"trellis.example/gateway"
	"trellis.example/gateway/directory"
	"trellis.example/gateway/store"
)

// A feed is an Open Referral UK directory that behaves as a test wants.
type feed struct {
	*httptest.Server
	mu       sync.Mutex
	services map[string]map[string]any
	asked    map[string]int // by path
	// spoil, when set, may answer in the feed's place.
	spoil func(w http.ResponseWriter, r *http.Request, n int) bool
	v1    bool
}

func newFeed(t *testing.T, n int) *feed {
	t.Helper()
	f := &feed{services: map[string]map[string]any{}, asked: map[string]int{}}
	for i := range n {
		id := serviceID(i)
		f.services[id] = map[string]any{"id": id, "name": fmt.Sprintf("Club %03d", i), "description": "<p>Meets & greets.</p>", "status": "active", "url": "https://club.example/" + strconv.Itoa(i),
			"organization": map[string]any{"id": serviceID(90000 + i%3), "name": fmt.Sprintf("Society %d", i%3), "description": "A society."},
			"schedules":    []any{map[string]any{"id": serviceID(50000 + i), "freq": "WEEKLY", "byday": "TU", "opens_at": "10:00", "closes_at": "12:00"}}}
	}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

func serviceID(i int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", i) }

func (f *feed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked[r.URL.Path]++
	if f.spoil != nil && f.spoil(w, r, f.asked[r.URL.Path]) {
		return
	}
	if id, ok := strings.CutPrefix(r.URL.Path, "/services/"); ok {
		s := f.services[id]
		if s == nil {
			http.NotFound(w, r)
			return
		}
		f.send(w, r, s)
		return
	}
	ids := []string{}
	for id := range f.services {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	page, _ := strconv.Atoi(r.URL.Query().Get("page"))
	per, _ := strconv.Atoi(r.URL.Query().Get("per_page"))
	from, to := min((page-1)*per, len(ids)), min(page*per, len(ids))
	contents := []any{}
	for _, id := range ids[from:to] {
		s := f.services[id]
		contents = append(contents, map[string]any{"id": id, "name": s["name"], "status": s["status"], "last_modified": s["last_modified"]})
	}
	pages := max(1, (len(ids)+per-1)/per)
	if f.v1 {
		f.send(w, r, map[string]any{"totalElements": len(ids), "totalPages": pages, "number": page, "size": len(contents), "first": page == 1, "last": page >= pages, "empty": len(contents) == 0, "content": contents})
		return
	}
	f.send(w, r, map[string]any{"total_items": len(ids), "total_pages": pages, "page_number": page, "size": len(contents), "first_page": page == 1, "last_page": page >= pages, "empty": len(contents) == 0, "contents": contents})
}

func (f *feed) send(w http.ResponseWriter, r *http.Request, v any) {
	b, _ := json.Marshal(v)
	h := uint64(14695981039346656037)
	for _, c := range b {
		h = (h ^ uint64(c)) * 1099511628211
	}
	tag := fmt.Sprintf(`"%x"`, h)
	w.Header().Set("ETag", tag)
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	_, _ = w.Write(b)
}

// count is how often services were asked for in full.
func (f *feed) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for p, c := range f.asked {
		if strings.HasPrefix(p, "/services/") {
			n += c
		}
	}
	f.asked = map[string]int{}
	return n
}

// An env is a store with what takes feeds into it.
type env struct {
	store  store.Store
	puller *directory.Puller
}

func newEnv(t testing.TB) env {
	t.Helper()
	ctx := context.Background()
	c := gateway.Defaults()
	c.Data, c.PublicURL = t.TempDir(), "https://trellis.test"
	s, err := gateway.OpenStore(ctx, c, true, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	p, err := gateway.Puller(ctx, c, s, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return env{s, p}
}

func (e env) pull(t testing.TB, f directory.Feed) directory.Report {
	t.Helper()
	r, err := e.puller.Pull(context.Background(), f)
	if err != nil {
		t.Fatalf("pull: %v (%+v)", err, r)
	}
	return r
}

func (f *feed) feed() directory.Feed {
	return directory.Feed{URL: f.URL, Private: true, Rate: 1e6, Backoff: time.Millisecond, PerPage: 10}
}

// active counts the stored services that are active, and all of them.
func (e env) active(t testing.TB) (active, all, orgs int) {
	t.Helper()
	q := store.ScanQuery{View: auth.SystemView(), Types: []string{"HealthcareService", "Organization"}, Limit: 1000}
	for {
		p, err := e.store.Scan(context.Background(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range p.Versions {
			if v.Key.Type == "Organization" {
				orgs++
				continue
			}
			all++
			if strings.Contains(string(v.Body), `"active":true`) {
				active++
			}
		}
		if q.After, q.Snapshot = p.Next, p.Snapshot; p.Next == "" {
			return active, all, orgs
		}
	}
}

// TestPull takes a feed in, again, changed, and shrunk.
func TestPull(t *testing.T) {
	f, e := newFeed(t, 25), newEnv(t)
	r := e.pull(t, f.feed())
	if r.Created != 25 || r.Pages != 3 || !r.Complete || r.Rejected != 0 || f.count() != 25 {
		t.Fatalf("first pull: %+v", r)
	}
	if active, all, orgs := e.active(t); active != 25 || all != 25 || orgs != 3 {
		t.Errorf("stored: %d active of %d, %d organisations; want 25, 25 and 3 shared ones", active, all, orgs)
	}
	if r = e.pull(t, f.feed()); r.Asked != 0 || r.Services != 25 || f.count() != 0 {
		t.Errorf("nothing changed, yet %+v", r)
	}
	f.services[serviceID(7)]["name"] = "Another Club"
	delete(f.services, serviceID(3))
	if r = e.pull(t, f.feed()); r.Updated != 1 || r.Asked != 1 || r.Inactive != 1 {
		t.Errorf("one changed and one gone: %+v", r)
	}
	if active, all, _ := e.active(t); active != 24 || all != 25 {
		t.Errorf("%d active of %d: a service that is gone becomes inactive and is kept", active, all)
	}
	f.services[serviceID(3)] = map[string]any{"id": serviceID(3), "name": "Club 003", "status": "active"}
	if r = e.pull(t, f.feed()); r.Updated != 1 {
		t.Errorf("a service that came back: %+v", r)
	}
	if active, _, _ := e.active(t); active != 25 {
		t.Errorf("%d active after one came back", active)
	}
	again := f.feed()
	again.Afresh = true
	if r = e.pull(t, again); r.Asked != 25 || r.Unchanged != 25 {
		t.Errorf("afresh: %+v", r)
	}
}

// TestPullResumes breaks a pull off and goes on.
func TestPullResumes(t *testing.T) {
	f, e := newFeed(t, 40), newEnv(t)
	broken := true
	f.spoil = func(w http.ResponseWriter, r *http.Request, _ int) bool {
		if broken && r.URL.Path == "/services" && r.URL.Query().Get("page") == "3" {
			w.WriteHeader(http.StatusInternalServerError)
			return true
		}
		return false
	}
	r, err := e.puller.Pull(context.Background(), f.feed())
	if err == nil || r.Created != 20 || r.Complete {
		t.Fatalf("a page that fails for good: %v, %+v", err, r)
	}
	if f.count() != 20 {
		t.Error("more was asked for than the two good pages hold")
	}
	broken = false
	if r = e.pull(t, f.feed()); r.Created != 20 || r.Asked != 20 || !r.Complete || r.Inactive != 0 {
		t.Errorf("the rest: %+v", r)
	}
	if n := f.asked["/services"]; n > 3 {
		t.Errorf("%d pages were asked for again; two were done", n)
	}
}

// TestPullStumbles: errors that pass are tried again, and one bad service holds
// up no other.
func TestPullStumbles(t *testing.T) {
	f, e := newFeed(t, 12), newEnv(t)
	f.services[serviceID(4)]["status"] = "resting"
	f.services[serviceID(5)]["minimum_age"] = "old"
	f.spoil = func(w http.ResponseWriter, r *http.Request, n int) bool {
		switch {
		case n == 1 && (r.URL.Path == "/services" || strings.HasSuffix(r.URL.Path, "01")):
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusServiceUnavailable)
		case n == 1 && strings.HasSuffix(r.URL.Path, "02"): // broken off
			w.Header().Set("Content-Length", "5000")
			_, _ = w.Write([]byte(`{"id":`))
		case strings.HasSuffix(r.URL.Path, "06"):
			w.WriteHeader(http.StatusNotFound)
		case strings.HasSuffix(r.URL.Path, "07"):
			_, _ = w.Write([]byte(`["not", "a", "service"]`))
		default:
			return false
		}
		return true
	}
	r := e.pull(t, f.feed())
	if r.Created != 8 || r.Rejected != 4 || len(r.Refused) != 4 || !r.Complete {
		t.Errorf("%+v", r)
	}
	for _, x := range r.Refused {
		if x.ID == serviceID(4) && (len(x.Issues) == 0 || x.Issues[0].Source != "/status") {
			t.Errorf("the fault is not named at its place: %+v", x)
		}
	}
	f.spoil = nil
	f.services[serviceID(4)]["status"] = "active"
	f.services[serviceID(5)]["minimum_age"] = 50
	if r = e.pull(t, f.feed()); r.Created != 4 || r.Asked != 4 {
		t.Errorf("what was refused is asked for again: %+v", r)
	}
}

// TestVanishedFeed: a feed that is suddenly empty takes nothing away.
func TestVanishedFeed(t *testing.T) {
	f, e := newFeed(t, 30), newEnv(t)
	e.pull(t, f.feed())
	kept := f.services
	f.services = map[string]map[string]any{}
	if r := e.pull(t, f.feed()); r.Inactive != 0 || len(r.Warnings) != 1 {
		t.Errorf("an empty feed: %+v", r)
	}
	if active, _, _ := e.active(t); active != 30 {
		t.Errorf("%d of 30 are active", active)
	}
	sure := f.feed()
	sure.Vanish = true
	if r := e.pull(t, sure); r.Inactive != 30 {
		t.Errorf("accepted: %+v", r)
	}
	f.services = kept
	if r := e.pull(t, f.feed()); r.Updated != 30 {
		t.Errorf("all came back: %+v", r)
	}
}

// TestVersion1 pulls a feed of version 1, with numbers for ids.
func TestVersion1(t *testing.T) {
	f, e := newFeed(t, 0), newEnv(t)
	f.v1 = true
	for i := range 7 {
		id := strconv.Itoa(1500 + i)
		f.services[id] = map[string]any{"id": id, "name": "Lunch " + id, "status": "active", "regular_schedules": []any{map[string]any{"id": "r" + id, "byday": "WE", "freq": "WEEKLY", "interval": "1", "opens_at": "12:00:00"}}}
	}
	one := f.feed()
	if _, err := e.puller.Pull(context.Background(), one); err == nil || !strings.Contains(err.Error(), "version 1") {
		t.Errorf("a feed of version 1 is read as 3: %v", err)
	}
	one.Version = 1
	if r := e.pull(t, one); r.Created != 7 {
		t.Errorf("%+v", r)
	}
}

// TestHostileFeed: what a stranger may send ends soon, with an error that says
// what was wrong and nothing of what it sent.
func TestHostileFeed(t *testing.T) {
	secret := "zq-secret-zq"
	write := func(s string) func(http.ResponseWriter, *http.Request, int) bool {
		return func(w http.ResponseWriter, _ *http.Request, _ int) bool {
			_, _ = io.WriteString(w, s)
			return true
		}
	}
	for name, spoil := range map[string]func(http.ResponseWriter, *http.Request, int) bool{
		"no JSON":   write("<html>" + secret),
		"no object": write(`["` + secret + `"]`),
		"no list":   write(`{"contents":{"` + secret + `":1}}`),
		"words":     write(`{"contents":[],"total_pages":"` + secret + `"}`),
		"deep":      write(strings.Repeat("[", 100000)),
		"repeats":   write(`{"contents":[{"id":"1"}],"total_pages":1000000}`),
		"endless": func(w http.ResponseWriter, _ *http.Request, _ int) bool {
			for range 20 {
				if _, err := io.WriteString(w, strings.Repeat(" ", 1<<20)); err != nil {
					return true
				}
			}
			return true
		},
		"circle": func(w http.ResponseWriter, r *http.Request, _ int) bool {
			http.Redirect(w, r, r.URL.String(), http.StatusFound)
			return true
		},
		"gone": func(w http.ResponseWriter, _ *http.Request, _ int) bool {
			w.WriteHeader(http.StatusForbidden)
			return true
		},
	} {
		f, e := newFeed(t, 1), newEnv(t)
		f.spoil = func(w http.ResponseWriter, r *http.Request, n int) bool {
			if strings.HasPrefix(r.URL.Path, "/services/") {
				return false
			}
			return spoil(w, r, n)
		}
		_, err := e.puller.Pull(context.Background(), f.feed())
		if err == nil || strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "127.0.0.1") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestInternalAddress: a feed cannot lead the gateway inside.
func TestInternalAddress(t *testing.T) {
	f, e := newFeed(t, 1), newEnv(t)
	for _, u := range []string{f.URL, "https://127.0.0.1:1", "https://[::1]:1", "https://169.254.169.254/latest", "https://user@host.example", "ftp://host.example", "https://h.example?q=1"} {
		one := directory.Feed{URL: u, Rate: 1e6, Backoff: time.Millisecond}
		if _, err := e.puller.Pull(context.Background(), one); err == nil {
			t.Errorf("%s is accepted", u)
		}
	}
	if f.asked["/services"] > 0 {
		t.Error("an internal address was asked")
	}
}

// TestBusy: two pulls of one feed do not run at once.
func TestBusy(t *testing.T) {
	f, e := newFeed(t, 3), newEnv(t)
	inside, leave := make(chan bool), make(chan bool)
	var once sync.Once
	f.spoil = func(http.ResponseWriter, *http.Request, int) bool {
		once.Do(func() { inside <- true; <-leave })
		return false
	}
	done := make(chan error, 1)
	go func() { _, err := e.puller.Pull(context.Background(), f.feed()); done <- err }()
	<-inside
	if _, err := e.puller.Pull(context.Background(), f.feed()); err == nil {
		t.Error("a second pull ran beside the first")
	}
	close(leave)
	if err := <-done; err != nil {
		t.Error(err)
	}
}
