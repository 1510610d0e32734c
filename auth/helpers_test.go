package auth

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/golang-jwt/jwt/v5"
)

// memStorage is a Storage in memory. broken makes every call fail.
type memStorage struct {
	mu     sync.Mutex
	docs   map[string]Entry // by kind/id
	claims map[string]time.Time
	broken bool
	reads  int
}

var errBroken = errors.New("storage is broken")

func newMemStorage() *memStorage {
	return &memStorage{docs: map[string]Entry{}, claims: map[string]time.Time{}}
}

func (m *memStorage) Doc(_ context.Context, kind, id string) ([]byte, int, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reads++
	e, ok := m.docs[kind+"/"+id]
	return e.Body, e.Version, ok, m.fault()
}

func (m *memStorage) Docs(_ context.Context, kind string) ([]Entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []Entry
	for _, k := range slices.Sorted(maps.Keys(m.docs)) {
		if strings.HasPrefix(k, kind+"/") {
			out = append(out, m.docs[k])
		}
	}
	return out, m.fault()
}

func (m *memStorage) PutDoc(_ context.Context, kind, id string, expect int, body []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.fault(); err != nil {
		return err
	}
	if m.docs[kind+"/"+id].Version != expect {
		return ErrConflict
	}
	m.docs[kind+"/"+id] = Entry{ID: id, Version: expect + 1, Body: body}
	return nil
}

func (m *memStorage) Claim(_ context.Context, scope, key string, expires time.Time) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.fault(); err != nil {
		return false, err
	}
	_, taken := m.claims[scope+"/"+key]
	if !taken {
		m.claims[scope+"/"+key] = expires
	}
	return taken, nil
}

func (m *memStorage) fault() error {
	if m.broken {
		return errBroken
	}
	return nil
}

func (m *memStorage) setBroken(b bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.broken = b
}

func (m *memStorage) claimed() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.claims)
}

// clock is a clock that tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// A testGateway is a Server behind real HTTP, with a FHIR base that answers
// who was let in.
type testGateway struct {
	*Server
	url     string
	storage *memStorage
	clock   *clock
	keyDir  string

	mu     sync.Mutex
	events []Event
}

func newGateway(t testing.TB, change ...func(*Config)) *testGateway {
	t.Helper()
	g := &testGateway{storage: newMemStorage(), keyDir: t.TempDir(), clock: &clock{t: time.Now()}}
	mux := http.NewServeMux()
	ts := httptest.NewServer(mux)
	t.Cleanup(ts.Close)
	g.url = ts.URL
	c := Config{PublicURL: ts.URL, KeyDir: g.keyDir, Storage: g.storage, Now: g.clock.now, Observe: g.observe}
	for _, f := range change {
		f(&c)
	}
	s, err := NewServer(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	g.Server = s
	mux.Handle(TokenPath, s.TokenHandler())
	mux.Handle(JWKSPath, s.JWKSHandler())
	mux.Handle(SMARTPath, s.SMARTHandler())
	mux.Handle("/fhir/", s.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := From(r.Context())
		io.WriteString(w, p.ClientID+" "+string(p.Role)+" "+p.Owner())
	})))
	return g
}

func (g *testGateway) observe(_ context.Context, e Event) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.events = append(g.events, e)
	return nil
}

func (g *testGateway) lastEvent() Event {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.events) == 0 {
		return Event{}
	}
	return g.events[len(g.events)-1]
}

func (g *testGateway) add(t testing.TB, n NewClient) (Client, Secret) {
	t.Helper()
	c, secret, err := g.Clients.Add(t.Context(), n)
	if err != nil {
		t.Fatalf("adding client: %v", err)
	}
	return c, secret
}

// An answer is what the token endpoint or the FHIR base said.
type answer struct {
	status int
	header http.Header
	body   string
	Token  string `json:"access_token"`
	Type   string `json:"token_type"`
	Expiry int    `json:"expires_in"`
	Scope  string `json:"scope"`
	Error  string `json:"error"`
	Text   string `json:"error_description"`
}

func do(t testing.TB, req *http.Request) answer {
	t.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{status: resp.StatusCode, header: resp.Header, body: string(body)}
	json.Unmarshal(body, &a) // not every answer is JSON
	return a
}

func (g *testGateway) post(t testing.TB, form url.Values, change ...func(*http.Request)) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.url+TokenPath, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, f := range change {
		f(req)
	}
	return do(t, req)
}

func basic(id string, secret Secret) func(*http.Request) {
	return func(r *http.Request) { r.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret.Reveal())) }
}

func grantForm(scope string) url.Values {
	f := url.Values{"grant_type": {"client_credentials"}}
	if scope != "" {
		f.Set("scope", scope)
	}
	return f
}

func assertionForm(assertion, scope string) url.Values {
	f := grantForm(scope)
	f.Set("client_assertion_type", assertionType)
	f.Set("client_assertion", assertion)
	return f
}

// token gets an access token with a secret and fails the test if it cannot.
func (g *testGateway) token(t testing.TB, id string, secret Secret, scope string) string {
	t.Helper()
	a := g.post(t, grantForm(scope), basic(id, secret))
	if a.status != http.StatusOK {
		t.Fatalf("token request: %d %s", a.status, a.body)
	}
	return a.Token
}

func (g *testGateway) read(t testing.TB, token string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.url+"/fhir/Patient/1", nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return do(t, req)
}

// testKeys are made once: RSA keys cost seconds under the race detector.
var testKeys = sync.OnceValue(func() (k struct {
	rsa, otherRSA *rsa.PrivateKey
	ec, ec256     *ecdsa.PrivateKey
}) {
	k.rsa, _ = rsa.GenerateKey(rand.Reader, 2048)
	k.otherRSA, _ = rsa.GenerateKey(rand.Reader, 2048)
	k.ec, _ = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	k.ec256, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	return k
})

func rsaJWK(kid string, key *rsa.PublicKey) map[string]string {
	return map[string]string{"kty": "RSA", "kid": kid, "n": b64.EncodeToString(key.N.Bytes()), "e": "AQAB"}
}

func ecJWK(t testing.TB, kid string, key *ecdsa.PublicKey) map[string]string {
	t.Helper()
	j, err := publicJWK(kid, key)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{"kty": "EC", "kid": kid, "crv": j.Crv, "x": j.X, "y": j.Y}
}

func keySetJSON(t testing.TB, keys ...map[string]string) []byte {
	t.Helper()
	b, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// testJWKS holds the RSA key "r1" and the P-384 key "e1"; neither has `use`.
func testJWKS(t testing.TB) []byte {
	return keySetJSON(t, rsaJWK("r1", &testKeys().rsa.PublicKey), ecJWK(t, "e1", &testKeys().ec.PublicKey))
}

// sign makes a client assertion with the library that partners use.
func sign(t testing.TB, method jwt.SigningMethod, kid string, key any, claims jwt.MapClaims) string {
	t.Helper()
	tok := jwt.NewWithClaims(method, claims)
	if kid != "" {
		tok.Header["kid"] = kid
	}
	s, err := tok.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// claims are those of a good assertion of the client at the gateway's time.
func (g *testGateway) claims(client string) jwt.MapClaims {
	now := g.clock.now()
	return jwt.MapClaims{
		"iss": client, "sub": client, "aud": g.url + TokenPath,
		"iat": now.Unix(), "exp": now.Add(4 * time.Minute).Unix(), "jti": rand.Text(),
	}
}

func with(c jwt.MapClaims, name string, value any) jwt.MapClaims {
	c = maps.Clone(c)
	if value == nil {
		delete(c, name)
	} else {
		c[name] = value
	}
	return c
}
