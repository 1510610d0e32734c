package gateway_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/gateway"
	"trellis.example/gateway/intake/mllp"
)

const service = "Z9D01"

// A system is a whole gateway on loopback, spoken to as its partners do.
type system struct {
	t       *testing.T
	cfg     gateway.Config
	g       *gateway.Gateway
	log     *logBuffer
	stop    context.CancelFunc
	done    chan error
	secrets map[string]string
	tokens  map[string]string
}

// logBuffer keeps the log, to be searched for what must not be in it.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// onStores runs a test on every store that is to be had.
func onStores(t *testing.T, f func(t *testing.T, s *system)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { f(t, newSystem(t, noChange)) })
	t.Run("mongo", func(t *testing.T) {
		uri := mongoURI(t)
		f(t, newSystem(t, func(c *gateway.Config) { c.Mongo = auth.Secret(uri) }))
	})
}

func noChange(*gateway.Config) {}

func newSystem(t *testing.T, change func(*gateway.Config)) *system {
	t.Helper()
	c := gateway.Defaults()
	c.Data, c.Listen, c.Admin, c.MLLP, c.Service = t.TempDir(), "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0", service
	c.Rate, c.Burst = 1e6, 1e6
	change(&c)
	s := &system{t: t, cfg: c, secrets: map[string]string{}, log: &logBuffer{}}
	s.up()
	t.Cleanup(s.down)
	return s
}

func (s *system) up() {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	g, err := gateway.Open(ctx, s.cfg, slog.New(slog.NewJSONHandler(s.log, nil)))
	if err != nil {
		cancel()
		s.t.Fatal(err)
	}
	s.g, s.stop, s.done, s.tokens = g, cancel, make(chan error, 1), map[string]string{}
	go func() { s.done <- g.Serve(ctx) }()
}

func (s *system) down() {
	if s.stop == nil {
		return
	}
	s.stop()
	s.stop = nil
	if err := <-s.done; err != nil {
		s.t.Errorf("Serve: %v", err)
	}
}

// partner registers a client once and remembers its secret.
func (s *system) partner(id string, role auth.Role, org string, mllp *auth.MLLPBinding) {
	s.t.Helper()
	_, secret, err := s.g.Auth.Clients.Add(context.Background(), auth.NewClient{ID: id, Role: role, Org: org, MLLP: mllp})
	if err != nil {
		s.t.Fatal(err)
	}
	s.secrets[id] = secret.Reveal()
}

// partners registers the five that the tests know.
func (s *system) partners() {
	s.partner("surgery", "gp-practice", "Y99001", nil)
	s.partner("other", "gp-practice", "Y99002", nil)
	s.partner("hospital", "hospital-discharge", "RZ901", &auth.MLLPBinding{MSH3: "DEMOPAS", MSH4: "RZ901"})
	s.partner("police", "police", "P99", nil)
	s.partner("worker", "link-worker", service, nil)
	s.partner("auditor", "auditor", "", nil)
}

func (s *system) token(who string) string {
	s.t.Helper()
	if tok := s.tokens[who]; tok != "" {
		return tok
	}
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {"system/*.cruds"}}
	req, _ := http.NewRequest(http.MethodPost, s.g.PublicURL+"/oauth2/token", strings.NewReader(form.Encode()))
	req.SetBasicAuth(who, s.secrets[who])
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	var out struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil || out.AccessToken == "" {
		s.t.Fatalf("token for %s: %s %v", who, resp.Status, err)
	}
	s.tokens[who] = out.AccessToken
	return out.AccessToken
}

// An answer is an HTTP answer, read whole.
type answer struct {
	*http.Response
	body []byte
}

// json returns the body's root.
func (a answer) root(t *testing.T) fhir.Value {
	t.Helper()
	r, err := fhir.DecodeLimit(a.body, 64<<20)
	if err != nil {
		t.Fatalf("%s: %v\n%s", a.Status, err, a.body)
	}
	return r.Root()
}

func (s *system) do(who, method, path string, h http.Header, body []byte) answer {
	s.t.Helper()
	req, err := http.NewRequest(method, s.g.PublicURL+path, bytes.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	for k, v := range h {
		req.Header[http.CanonicalHeaderKey(k)] = v
	}
	if who != "" {
		req.Header.Set("Authorization", "Bearer "+s.token(who))
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{resp, b}
}

func (s *system) get(who, path string) answer {
	s.t.Helper()
	return s.do(who, http.MethodGet, path, nil, nil)
}

func (s *system) post(who, path, contentType string, body []byte) answer {
	s.t.Helper()
	return s.do(who, http.MethodPost, path, http.Header{"Content-Type": {contentType}}, body)
}

func (s *system) want(a answer, status int) answer {
	s.t.Helper()
	if a.StatusCode != status {
		s.t.Fatalf("%s %s: got %s, want %d\n%s", a.Request.Method, a.Request.URL.Path, a.Status, status, a.body)
	}
	return a
}

// hl7 sends one message over MLLP and returns the acknowledgement, segments on
// lines.
func (s *system) hl7(msg []byte) string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c, err := mllp.Dial(ctx, s.g.MLLP, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	ack, err := c.Send(ctx, msg)
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.ReplaceAll(string(ack), "\r", "\n")
}

// document returns one of the demo's documents with a reference of its own.
func document(t *testing.T, name, run string) []byte {
	t.Helper()
	b, err := os.ReadFile("../cmd/trellis/demo/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return []byte(strings.NewReplacer("{{run}}", run, "{{uuid}}", uuid.NewSHA1(uuid.Nil, []byte(run)).String(), "{{now}}", "2026-03-04T10:15:30Z",
		"{{date}}", "2026-03-04", "{{hl7now}}", "20260304101530+0000", "{{hl7day}}", "20260304", "{{ukdatetime}}", "04/03/2026 10:15").Replace(string(b)))
}

func barsHeaders() http.Header {
	return http.Header{
		"Content-Type": {"application/fhir+json"}, "X-Request-Id": {uuid.NewString()}, "X-Correlation-Id": {uuid.NewString()},
		"Nhsd-Target-Identifier": {base64.StdEncoding.EncodeToString([]byte(`{"value":"9900000001","system":"https://fhir.nhs.uk/Id/dos-service-id"}`))},
	}
}

// referrals returns the ServiceRequests that the caller sees, by id.
func (s *system) referrals(who string) map[string]fhir.Value {
	s.t.Helper()
	out := map[string]fhir.Value{}
	for e := range s.want(s.get(who, "/fhir/ServiceRequest?_count=200"), 200).root(s.t).Get("entry").Items() {
		r := e.Get("resource")
		out[r.Get("id").Text()] = r
	}
	return out
}

// task returns the one Task of a referral.
func (s *system) task(who, referral string) fhir.Value {
	s.t.Helper()
	b := s.want(s.get(who, "/fhir/Task?focus=ServiceRequest/"+referral), 200).root(s.t)
	if n := b.Get("entry").Len(); n != 1 {
		s.t.Fatalf("referral %s has %d Tasks, want 1", referral, n)
	}
	return b.At("entry", 0, "resource")
}

func only(t *testing.T, m map[string]fhir.Value) string {
	t.Helper()
	if len(m) != 1 {
		t.Fatalf("%d referrals, want 1", len(m))
	}
	for id := range m {
		return id
	}
	return ""
}

// TestFourPartners sends one referral by each door and reads them back.
func TestFourPartners(t *testing.T) {
	onStores(t, func(t *testing.T, s *system) {
		s.partners()
		s.want(s.post("surgery", "/fhir", "application/fhir+json", document(t, "referral.json", "1")), 200)
		if ack := s.hl7(document(t, "referral.hl7", "1")); !strings.Contains(ack, "\nMSA|AA|DEMO1") {
			t.Fatalf("HL7 refused:\n%s", ack)
		}
		if csv := s.want(s.post("police", "/intake/ppn-csv", "text/csv", document(t, "referral.csv", "1")), 200); !strings.Contains(string(csv.body), ",created,") {
			t.Fatalf("CSV refused:\n%s", csv.body)
		}
		s.want(s.do("surgery", http.MethodPost, "/fhir/$process-message", barsHeaders(), document(t, "message.json", "1")), 200)

		seen := map[string]int{"surgery": 2, "hospital": 1, "police": 1, "worker": 4, "other": 0}
		for who, n := range seen {
			if got := s.referrals(who); len(got) != n {
				t.Errorf("%s sees %d referrals, want %d", who, len(got), n)
			}
		}
		for id, sr := range s.referrals("worker") {
			task := s.task("worker", id)
			if got := task.Get("status").Text(); got != "requested" {
				t.Errorf("Task of %s is %s, want requested", sr.Raw(), got)
			}
			if !s.hasProvenance(id) {
				t.Errorf("referral %s has no Provenance", id)
			}
			s.want(s.get("other", "/fhir/ServiceRequest/"+id), 404)
		}
		s.audited()
		s.logsAreClean()
	})
}

func (s *system) hasProvenance(referral string) bool {
	s.t.Helper()
	return s.want(s.get("worker", "/fhir/Provenance?target=ServiceRequest/"+referral), 200).root(s.t).Get("entry").Len() > 0
}

// audited checks that the auditor finds the doors that were used, and may see
// nothing clinical.
func (s *system) audited() {
	s.t.Helper()
	b := s.want(s.get("auditor", "/fhir/AuditEvent?_count=200"), 200).body
	for _, part := range []string{"transaction", "intake-hl7v2", "intake-ppn-csv", "process-message", "search-type"} {
		if !bytes.Contains(b, []byte(part)) {
			s.t.Errorf("the audit lacks %s", part)
		}
	}
	s.want(s.get("auditor", "/fhir/ServiceRequest"), 403)
}

// personal are values of the documents that must not be in a log.
var personal = []string{"9991234", "Example", "Rowan", "Specimen", "TESTCASE", "Placeholder", "07700900", "Sample Street"}

func (s *system) logsAreClean() {
	s.t.Helper()
	log := s.log.String()
	if !strings.Contains(log, `"msg":"request"`) {
		s.t.Error("the log has no request")
	}
	for _, p := range personal {
		if strings.Contains(log, p) {
			s.t.Errorf("the log holds %q", p)
		}
	}
}

// TestRestart: what was stored is there after a stop, and so are the clients.
func TestRestart(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	s.want(s.post("surgery", "/fhir", "application/fhir+json", document(t, "referral.json", "1")), 200)
	id := only(t, s.referrals("surgery"))
	s.down()
	s.up()
	s.want(s.get("surgery", "/fhir/ServiceRequest/"+id), 200)
	s.want(s.get("other", "/fhir/ServiceRequest/"+id), 404)
}

// TestSecondServerIsRefused: the folder belongs to one gateway.
func TestSecondServerIsRefused(t *testing.T) {
	s := newSystem(t, noChange)
	if g, err := gateway.Open(context.Background(), s.cfg, slog.New(slog.DiscardHandler)); err == nil {
		t.Errorf("a second gateway opened the folder: %v", g.Close())
	}
}

func ExampleConfig_Validate() {
	c := gateway.Defaults()
	c.Sandbox, c.Listen, c.MLLP = true, "0.0.0.0:8080", "0.0.0.0:2575"
	fmt.Println(strings.Count(c.Validate().Error(), "\n") + 1)
	// Output: 4
}
