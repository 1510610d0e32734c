package terminology

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
	"trellis.example/profiles/terminology"
)

const sct = fhir.SNOMEDSystem

// needs is a value set of ours with an open part.
const needs = `{"resourceType":"ValueSet","url":"urn:needs","compose":{"include":[
 {"system":"urn:own","concept":[{"code":"loneliness","display":"Loneliness"}]},
 {"system":"http://snomed.info/sct","filter":[{"property":"concept","op":"in","value":"1373501000000105"}]}]}}`

func service(tb testing.TB, docs ...string) *terminology.Service {
	tb.Helper()
	var list []fhir.Resource
	for _, d := range docs {
		r, err := fhir.Decode([]byte(d))
		if err != nil {
			tb.Fatal(err)
		}
		list = append(list, r)
	}
	s, err := terminology.New(definitions.R4(), list)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// A peer is a terminology server that knows one code. It keeps what it was sent.
type peer struct {
	*httptest.Server
	mu     sync.Mutex
	bodies []string
	asked  atomic.Int32
	// answer, when set, replaces what it does.
	answer func(w http.ResponseWriter, r *http.Request)
}

func newPeer(tb testing.TB) *peer {
	tb.Helper()
	p := &peer{}
	p.Server = httptest.NewServer(p)
	tb.Cleanup(p.Close)
	return p
}

func (p *peer) answers(f func(w http.ResponseWriter, r *http.Request)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = f
}

func (p *peer) answering() func(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.answer
}

func (p *peer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.asked.Add(1)
	b, _ := io.ReadAll(r.Body)
	p.mu.Lock()
	p.bodies = append(p.bodies, r.URL.String()+" "+string(b))
	p.mu.Unlock()
	if answer := p.answering(); answer != nil {
		answer(w, r)
		return
	}
	var params struct {
		Parameter []struct {
			Name, ValueCode, ValueURI string
			Resource                  json.RawMessage
		}
	}
	if err := json.Unmarshal(b, &params); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	code := ""
	for _, x := range params.Parameter {
		if x.Name == "code" {
			code = x.ValueCode
		}
		if x.Name == "url" && x.ValueURI == "urn:unheard" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
	}
	switch {
	case strings.HasSuffix(r.URL.Path, "$expand"):
		send(w, `{"resourceType":"ValueSet","status":"active","expansion":{"timestamp":"2026-01-01T00:00:00Z","contains":[{"system":"http://snomed.info/sct","code":"422650009","display":"Social isolation"},{"system":"http://snomed.info/sct","code":"160932005","display":"Financial problem"}]}}`)
	case strings.HasSuffix(r.URL.Path, "$lookup"):
		send(w, `{"resourceType":"Parameters","parameter":[{"name":"name","valueString":"SNOMED CT"},{"name":"display","valueString":"Social isolation"}]}`)
	default:
		send(w, result(code == "422650009"))
	}
}

func result(yes bool) string {
	return fmt.Sprintf(`{"resourceType":"Parameters","parameter":[{"name":"result","valueBoolean":%t}]}`, yes)
}

func send(w http.ResponseWriter, body string) {
	w.Header().Set("Content-Type", "application/fhir+json;charset=utf-8")
	io.WriteString(w, body)
}

func client(tb testing.TB, p *peer) *Client {
	tb.Helper()
	return NewClient(ClientConfig{URL: p.URL + "/fhir", Token: "t0ken", Service: service(tb, needs), Metrics: prometheus.NewRegistry()})
}

// counted reads the client's counter.
func counted(t *testing.T, c *Client, outcome string) float64 {
	t.Helper()
	families, err := c.cfg.Metrics.(*prometheus.Registry).Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if m.GetLabel()[0].GetValue() == outcome {
				return m.GetCounter().GetValue()
			}
		}
	}
	return 0
}

func TestClientValidates(t *testing.T) {
	p := newPeer(t)
	c := client(t, p)
	for _, tt := range []struct {
		q    terminology.Query
		want terminology.Answer
	}{
		{terminology.Query{ValueSet: "urn:needs", System: sct, Code: "422650009", Display: "Jane is lonely"}, terminology.Yes},
		{terminology.Query{ValueSet: "urn:needs", System: sct, Code: "160932005"}, terminology.No},
		{terminology.Query{ValueSet: "urn:far|2", System: sct, Code: "422650009"}, terminology.Yes},
		{terminology.Query{ValueSet: "urn:unheard", System: sct, Code: "422650009"}, terminology.Unknown},
		{terminology.Query{System: sct, Code: "422650009"}, terminology.Yes},
	} {
		got, err := c.ValidateCode(t.Context(), tt.q)
		if got != tt.want || err != nil {
			t.Errorf("%+v: %v %v", tt.q, got, err)
		}
	}
	want := []string{
		`/fhir/ValueSet/$validate-code {"parameter":[{"name":"system","valueUri":"http://snomed.info/sct"},{"name":"code","valueCode":"422650009"},{"name":"valueSet","resource":{"compose":{"include":[{"filter":[{"op":"in","property":"concept","value":"1373501000000105"}],"system":"http://snomed.info/sct"}]},"resourceType":"ValueSet","status":"active"}}],"resourceType":"Parameters"}`,
		``,
		`/fhir/ValueSet/$validate-code {"parameter":[{"name":"system","valueUri":"http://snomed.info/sct"},{"name":"code","valueCode":"422650009"},{"name":"url","valueUri":"urn:far"},{"name":"valueSetVersion","valueString":"2"}],"resourceType":"Parameters"}`,
		``,
		`/fhir/CodeSystem/$validate-code {"parameter":[{"name":"url","valueUri":"http://snomed.info/sct"},{"name":"code","valueCode":"422650009"}],"resourceType":"Parameters"}`,
	}
	for i, w := range want {
		if w != "" && p.bodies[i] != w {
			t.Errorf("asked\n%s\nwant\n%s", p.bodies[i], w)
		}
	}
	if all := strings.Join(p.bodies, "\n"); strings.Contains(all, "Jane") || strings.Contains(all, "display") {
		t.Error("a display left the house")
	}
}

// TestClientKeepsToItself: what may be somebody's words or numbers is not sent.
func TestClientKeepsToItself(t *testing.T) {
	p := newPeer(t)
	c := client(t, p)
	for _, q := range []terminology.Query{
		{System: sct, Code: "Jane Citizen"},
		{System: "urn:uuid:6c1f3f2e-0000-0000-0000-000000000000", Code: "x"},
		{System: "local", Code: "x"},
		{System: "https://user@host.example/x", Code: "x"},
		{System: sct, Code: "jane@mail.example"},
		{System: sct, Code: strings.Repeat("1", 129)},
		{System: sct, Code: ""},
		{System: "https://fhir.nhs.uk/Id/nhs-number", Code: "9434765919"},
		{System: "urn:oid:1.2\nhttp://loinc.org", Code: "x"},
		{ValueSet: "urn:far of Jane Citizen", System: sct, Code: "422650009"},
		{ValueSet: "https://a.example/" + strings.Repeat("x", 1<<20), System: sct, Code: "422650009"}, // nor remembered
		{ValueSet: "urn:needs", System: "https://other.example/system", Code: "x"},                    // held, and nothing of that system is open
	} {
		if a, err := c.ValidateCode(t.Context(), q); a != terminology.Unknown || err != nil {
			t.Errorf("%+v: %v %v", q, a, err)
		}
	}
	if n := p.asked.Load(); n != 0 {
		t.Errorf("%d questions left the house: %v", n, p.bodies)
	}
}

func TestClientRemembers(t *testing.T) {
	p := newPeer(t)
	c := client(t, p)
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	c.answers.now = func() time.Time { return now }
	ask := func(set string) {
		if _, err := c.ValidateCode(t.Context(), terminology.Query{ValueSet: set, System: sct, Code: "422650009"}); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		set   string
		later time.Duration
		want  int32
	}{
		{"urn:needs", 0, 1}, {"urn:needs", 59 * time.Minute, 1}, {"urn:needs", 2 * time.Minute, 2},
		{"urn:unheard", 0, 3}, {"urn:unheard", 4 * time.Minute, 3}, {"urn:unheard", 2 * time.Minute, 4},
	} {
		now = now.Add(step.later)
		if ask(step.set); p.asked.Load() != step.want {
			t.Errorf("%+v: asked %d times", step, p.asked.Load())
		}
	}
	if n := counted(t, c, "remembered"); n != 2 {
		t.Errorf("remembered %v", n)
	}
}

func TestCacheIsBounded(t *testing.T) {
	c := newCache[int](3, time.Now)
	for i := range 5 {
		c.put(fmt.Sprint(i), i, time.Hour)
		c.get("0")
	}
	if _, ok := c.get("0"); !ok || c.order.Len() != 3 || len(c.items) != 3 {
		t.Errorf("%d kept; the one asked for is among them: %t", c.order.Len(), ok)
	}
}

// TestClientBadPeers: whatever the server does, a question ends within its time
// as one that could not be asked.
func TestClientBadPeers(t *testing.T) {
	elsewhere := newPeer(t)
	for name, answer := range map[string]func(http.ResponseWriter, *http.Request){
		"slow": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"slow body": func(w http.ResponseWriter, r *http.Request) {
			send(w, `{"resource`)
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		},
		"huge": func(w http.ResponseWriter, _ *http.Request) {
			send(w, `{"resourceType":"Parameters","x":"`+strings.Repeat("x", maxAnswer)+`"}`)
		},
		"cut": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "500")
			send(w, result(true))
		},
		"no JSON": func(w http.ResponseWriter, _ *http.Request) { send(w, `true`) },
		"twice": func(w http.ResponseWriter, _ *http.Request) {
			send(w, `{"resourceType":"Parameters","parameter":[],"parameter":[]}`)
		},
		"HTML": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			io.WriteString(w, result(true))
		},
		"error":     func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"no access": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) },
		"redirection": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL+r.URL.Path, http.StatusTemporaryRedirect)
		},
		"hung up": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			p := newPeer(t)
			p.answers(answer)
			c := client(t, p)
			start := time.Now()
			a, err := c.ValidateCode(t.Context(), terminology.Query{System: sct, Code: "422650009"})
			if a != terminology.Unknown || err == nil {
				t.Errorf("%v %v", a, err)
			}
			if took := time.Since(start); took > 5*Timeout {
				t.Errorf("took %v", took)
			}
			if n := counted(t, c, "away"); n != 1 {
				t.Errorf("counted %v", n)
			}
			p.answers(nil) // a failure is not remembered
			if a, err = c.ValidateCode(t.Context(), terminology.Query{System: sct, Code: "422650009"}); a != terminology.Yes || err != nil {
				t.Errorf("afterwards: %v %v", a, err)
			}
		})
	}
	if n := elsewhere.asked.Load(); n != 0 {
		t.Error("a redirection was followed")
	}
}

// TestClientOddAnswers: a server that does not know is not one that says no.
func TestClientOddAnswers(t *testing.T) {
	for body, want := range map[string]terminology.Answer{
		`{"resourceType":"Parameters"}`: terminology.Unknown,
		`{"resourceType":"Parameters","parameter":[{"name":"result","valueBoolean":false},{"name":"message","valueString":"no"}]}`:                                                                                    terminology.No,
		`{"resourceType":"Parameters","parameter":[{"name":"result","valueBoolean":false},{"name":"x-unknown-system","valueCanonical":"urn:x"}]}`:                                                                     terminology.Unknown,
		`{"resourceType":"Parameters","parameter":[{"name":"result","valueBoolean":false},{"name":"issues","resource":{"resourceType":"OperationOutcome","issue":[{"details":{"coding":[{"code":"not-found"}]}}]}}]}`: terminology.Unknown,
		`{"resourceType":"Parameters","parameter":[{"name":"result","valueBoolean":"yes"}]}`:                                                                                                                          terminology.Unknown,
		`{"resourceType":"OperationOutcome","issue":[]}`: terminology.Unknown,
	} {
		p := newPeer(t)
		p.answers(func(w http.ResponseWriter, _ *http.Request) { send(w, body) })
		if a, err := client(t, p).ValidateCode(t.Context(), terminology.Query{System: sct, Code: "422650009"}); a != want || err != nil {
			t.Errorf("%s: %v %v", body, a, err)
		}
	}
}

// TestClientGivesUp: after failures in a row the server is left alone.
func TestClientGivesUp(t *testing.T) {
	p := newPeer(t)
	p.answers(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	c := client(t, p)
	for i := range 20 {
		if _, err := c.ValidateCode(t.Context(), terminology.Query{System: sct, Code: fmt.Sprint(i)}); err == nil {
			t.Fatal("no error")
		}
	}
	if n := p.asked.Load(); n != failures {
		t.Errorf("asked %d times, want %d", n, failures)
	}
}

// TestClientOneAtATime: no more than MaxAtOnce questions are under way.
func TestClientOneAtATime(t *testing.T) {
	p := newPeer(t)
	var now, most atomic.Int32
	p.answer = func(w http.ResponseWriter, _ *http.Request) {
		n := now.Add(1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		time.Sleep(5 * time.Millisecond)
		now.Add(-1)
		send(w, result(true))
	}
	c := client(t, p)
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			c.ValidateCode(t.Context(), terminology.Query{System: sct, Code: fmt.Sprint(i)})
		})
	}
	wg.Wait()
	if n := most.Load(); n > MaxAtOnce {
		t.Errorf("%d at once", n)
	}
}

// TestClientCancelled: a caller who goes away does not count against the server.
func TestClientCancelled(t *testing.T) {
	p := newPeer(t)
	c := client(t, p)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for i := range 2 * failures {
		if _, err := c.ValidateCode(ctx, terminology.Query{System: sct, Code: fmt.Sprint(i)}); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	if a, err := c.ValidateCode(t.Context(), terminology.Query{System: sct, Code: "422650009"}); a != terminology.Yes || err != nil {
		t.Errorf("%v %v", a, err)
	}
}

func TestClientExpands(t *testing.T) {
	p := newPeer(t)
	c := client(t, p)
	for range 3 {
		r, err := c.Expand(t.Context(), "urn:needs", c.cfg.Service.Undecided("urn:needs", ""))
		if err != nil || len(terminology.Listing(r)) != 2 {
			t.Fatalf("%v", err)
		}
	}
	if p.asked.Load() != 1 {
		t.Errorf("asked %d times", p.asked.Load())
	}
	if r, err := c.Expand(t.Context(), "urn:unheard", nil); err != nil || r.Type() != "" {
		t.Errorf("%v %v", r.Type(), err)
	}
	p.answers(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	if _, err := c.Expand(t.Context(), "urn:other", nil); fhir.AsError(err).HTTPStatus() != http.StatusServiceUnavailable {
		t.Errorf("%v", err)
	}
}
