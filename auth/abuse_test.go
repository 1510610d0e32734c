package auth

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// addKeyed registers a client with the test keys.
func (g *testGateway) addKeyed(t testing.TB, id string, algs ...string) {
	t.Helper()
	g.add(t, NewClient{ID: id, Role: "gp-practice", Credentials: Credentials{JWKS: testJWKS(t), Algs: algs}})
}

// refuse posts the assertion and wants 401 invalid_client and no jti spent.
func (g *testGateway) refuse(t *testing.T, name, assertion string) {
	t.Helper()
	before := g.storage.claimed()
	a := g.post(t, assertionForm(assertion, ""))
	if a.status != 401 || a.Error != "invalid_client" {
		t.Errorf("%s: %d %s, want 401 invalid_client", name, a.status, a.body)
	}
	if g.storage.claimed() != before {
		t.Errorf("%s: a jti was spent", name)
	}
}

// Abuse case 1: alg none, HS256 keyed with a public key, unregistered alg.
func TestAbuse1Algorithms(t *testing.T) {
	g := newGateway(t)
	g.addKeyed(t, "app")
	g.addKeyed(t, "es-only", "ES384")
	k, c := testKeys(), g.claims("app")
	der, err := x509.MarshalPKIXPublicKey(&k.rsa.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	g.refuse(t, "none", sign(t, jwt.SigningMethodNone, "r1", jwt.UnsafeAllowNoneSignatureType, c))
	g.refuse(t, "HS256 with the public key", sign(t, jwt.SigningMethodHS256, "r1", public, c))
	g.refuse(t, "HS384 with the public key", sign(t, jwt.SigningMethodHS384, "r1", der, c))
	g.refuse(t, "RS256", sign(t, jwt.SigningMethodRS256, "r1", k.rsa, c))
	g.refuse(t, "ES256", sign(t, jwt.SigningMethodES256, "e1", k.ec256, c))
	g.refuse(t, "RSA algorithm, EC kid", sign(t, jwt.SigningMethodRS384, "e1", k.rsa, c))
	g.refuse(t, "EC algorithm, RSA kid", sign(t, jwt.SigningMethodES384, "r1", k.ec, c))
	g.refuse(t, "another's key", sign(t, jwt.SigningMethodRS384, "r1", k.otherRSA, c))
	g.refuse(t, "not registered", sign(t, jwt.SigningMethodRS384, "r1", k.rsa, g.claims("es-only")))
	if a := g.post(t, assertionForm(sign(t, jwt.SigningMethodES384, "e1", k.ec, g.claims("es-only")), "")); a.status != 200 {
		t.Errorf("registered algorithm: %d %s", a.status, a.body)
	}
}

// Abuse case 2: of 16 concurrent posts of one assertion exactly one succeeds,
// through two gateways of one store.
func TestAbuse2Replay(t *testing.T) {
	g := newGateway(t)
	g.addKeyed(t, "app")
	assertion := sign(t, jwt.SigningMethodES384, "e1", testKeys().ec, g.claims("app"))
	second, err := NewServer(t.Context(), Config{PublicURL: g.url, KeyDir: t.TempDir(), Storage: g.storage, Now: g.clock.now})
	if err != nil {
		t.Fatal(err)
	}
	var wins, refusals atomic.Int32
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			req := httptest.NewRequest(http.MethodPost, TokenPath, strings.NewReader(assertionForm(assertion, "").Encode()))
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			w := httptest.NewRecorder()
			[]*Server{g.Server, second}[i%2].TokenHandler().ServeHTTP(w, req)
			switch {
			case w.Code == 200:
				wins.Add(1)
			case w.Code == 401 && strings.Contains(w.Body.String(), `"invalid_client"`):
				refusals.Add(1)
			default:
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
	wg.Wait()
	if wins.Load() != 1 || refusals.Load() != 15 {
		t.Errorf("%d won and %d were refused, want 1 and 15", wins.Load(), refusals.Load())
	}
	g.refuse(t, "replayed later", assertion)
}

// Abuse case 3, and every other rule of the claims: a refused assertion does
// not spend the jti that a good one then uses.
func TestAbuse3Claims(t *testing.T) {
	g := newGateway(t)
	g.addKeyed(t, "app")
	k, good := testKeys(), g.claims("app")
	now := g.clock.now()
	at := func(d time.Duration) int64 { return now.Add(d).Unix() }
	tests := []struct {
		name  string
		claim string
		value any
	}{
		{"lives 6 minutes", "exp", at(6 * time.Minute)},
		{"lives 10 years", "exp", at(10 * 365 * 24 * time.Hour)},
		{"expired", "exp", at(-10 * time.Second)},
		{"no exp", "exp", nil},
		{"exp is text", "exp", fmt.Sprint(at(time.Minute))},
		{"exp is infinite", "exp", 1e300},
		{"negative exp", "exp", -at(0)},
		{"nbf ahead", "nbf", at(time.Minute)},
		{"nbf nonsense", "nbf", -1},
		{"iat ahead", "iat", at(time.Minute)},
		{"iat in 5000 years", "iat", 1e12},
		{"foreign aud", "aud", "https://elsewhere.example/oauth2/token"},
		{"aud is the FHIR base", "aud", g.url + "/fhir"},
		{"aud with slash", "aud", g.url + TokenPath + "/"},
		{"two audiences", "aud", []string{g.url + TokenPath, "https://elsewhere.example"}},
		{"no aud", "aud", nil},
		{"empty aud", "aud", []string{}},
		{"other iss", "iss", "someone"},
		{"no iss", "iss", nil},
		{"no sub", "sub", nil},
		{"no jti", "jti", nil},
		{"empty jti", "jti", ""},
		{"long jti", "jti", strings.Repeat("x", 257)},
		{"jti is a number", "jti", 7},
		{"too large", "pad", strings.Repeat("x", maxJWT)},
	}
	for _, tt := range tests {
		g.refuse(t, tt.name, sign(t, jwt.SigningMethodES384, "e1", k.ec, with(good, tt.claim, tt.value)))
	}
	g.refuse(t, "unknown client", sign(t, jwt.SigningMethodES384, "e1", k.ec, g.claims("nobody")))
	g.refuse(t, "no kid", sign(t, jwt.SigningMethodES384, "", k.ec, good))
	for _, typ := range []string{"at+jwt", "dpop+jwt"} {
		tok := jwt.NewWithClaims(jwt.SigningMethodES384, good)
		tok.Header["kid"], tok.Header["typ"] = "e1", typ
		s, err := tok.SignedString(k.ec)
		if err != nil {
			t.Fatal(err)
		}
		g.refuse(t, "typ "+typ, s)
	}
	f := assertionForm(sign(t, jwt.SigningMethodES384, "e1", k.ec, good), "")
	f.Set("client_id", "other")
	if a := g.post(t, f); a.status != 401 || g.storage.claimed() != 0 {
		t.Errorf("client_id differs: %d", a.status)
	}
	f.Set("client_id", "app")
	if a := g.post(t, f); a.status != 200 {
		t.Errorf("the good assertion: %d %s", a.status, a.body)
	}
}

func TestClockEdges(t *testing.T) {
	g := newGateway(t)
	g.clock.add(-time.Duration(g.clock.now().Nanosecond())) // a whole second
	g.addKeyed(t, "app")
	now := g.clock.now()
	tests := []struct {
		claim string
		off   time.Duration
		ok    bool
	}{
		{"exp", 5*time.Minute + clockSkew, true},
		{"exp", 5*time.Minute + clockSkew + time.Second, false},
		{"exp", -clockSkew + time.Second, true},
		{"exp", -clockSkew, false},
		{"iat", clockSkew, true},
		{"iat", clockSkew + time.Second, false},
		{"nbf", clockSkew, true},
		{"nbf", clockSkew + time.Second, false},
		{"iat", -10 * time.Minute, true}, // how old it is does not matter, exp does
	}
	for _, tt := range tests {
		c := with(g.claims("app"), tt.claim, now.Add(tt.off).Unix())
		if tt.claim == "exp" {
			c = with(c, "iat", nil)
		}
		a := g.post(t, assertionForm(sign(t, jwt.SigningMethodES384, "e1", testKeys().ec, c), ""))
		if (a.status == 200) != tt.ok {
			t.Errorf("%s at %v: %d %s (%s)", tt.claim, tt.off, a.status, a.body, g.lastEvent().Reason)
		}
	}
	// Fractions are allowed by RFC 7519.
	c := with(g.claims("app"), "exp", float64(now.Unix())+60.5)
	if a := g.post(t, assertionForm(sign(t, jwt.SigningMethodES384, "e1", testKeys().ec, c), "")); a.status != 200 {
		t.Errorf("fraction: %d", a.status)
	}
}

// keyServer is a partner's jwks_uri.
type keyServer struct {
	*httptest.Server
	hits  atomic.Int32
	serve atomic.Pointer[http.HandlerFunc]
}

func newKeyServer(t *testing.T, h http.HandlerFunc) *keyServer {
	t.Helper()
	k := &keyServer{}
	k.serve.Store(&h)
	k.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		k.hits.Add(1)
		(*k.serve.Load())(w, r)
	}))
	t.Cleanup(k.Close)
	return k
}

func serveBytes(b []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.Write(b) }
}

func sandbox(c *Config) { c.Sandbox = true }

// Abuse case 4: a flood of unknown kids costs at most one fetch in 30 seconds.
func TestAbuse4UnknownKids(t *testing.T) {
	g := newGateway(t, sandbox)
	ks := newKeyServer(t, serveBytes(testJWKS(t)))
	g.add(t, NewClient{ID: "app", Role: RoleSandbox, Credentials: Credentials{JWKSURI: ks.URL}})
	good := func() string { return sign(t, jwt.SigningMethodES384, "e1", testKeys().ec, g.claims("app")) }
	if a := g.post(t, assertionForm(good(), "")); a.status != 200 {
		t.Fatalf("known kid: %d %s", a.status, a.body)
	}
	before := ks.hits.Load()
	flood := func() {
		var wg sync.WaitGroup
		for range 25 {
			s := sign(t, jwt.SigningMethodES384, rand.Text(), testKeys().ec, g.claims("app"))
			wg.Go(func() { g.refuse(t, "unknown kid", s) })
		}
		wg.Wait()
	}
	flood()
	if n := ks.hits.Load() - before; n != 0 {
		t.Errorf("%d fetches within 30 s of the last", n)
	}
	g.clock.add(31 * time.Second)
	flood()
	flood()
	if n := ks.hits.Load() - before; n != 1 {
		t.Errorf("%d fetches, want 1", n)
	}
	if a := g.post(t, assertionForm(good(), "")); a.status != 200 {
		t.Errorf("known kid after the flood: %d", a.status)
	}
}

// TestKeyRollover: a new key of the partner is found, a withdrawn one is
// forgotten, and a partner's outage does not lock it out at once.
func TestKeyRollover(t *testing.T) {
	g := newGateway(t, sandbox)
	ks := newKeyServer(t, serveBytes(keySetJSON(t, rsaJWK("r1", &testKeys().rsa.PublicKey))))
	g.add(t, NewClient{ID: "app", Role: RoleSandbox, Credentials: Credentials{JWKSURI: ks.URL}})
	login := func(kid string) int {
		t.Helper()
		if kid == "r1" {
			return g.post(t, assertionForm(sign(t, jwt.SigningMethodRS384, kid, testKeys().rsa, g.claims("app")), "")).status
		}
		return g.post(t, assertionForm(sign(t, jwt.SigningMethodES384, kid, testKeys().ec, g.claims("app")), "")).status
	}
	want := func(step, kid string, status int) {
		t.Helper()
		if got := login(kid); got != status {
			t.Errorf("%s: %s got %d, want %d", step, kid, got, status)
		}
	}
	want("at first", "r1", 200)
	next := serveBytes(keySetJSON(t, ecJWK(t, "e1", &testKeys().ec.PublicKey)))
	ks.serve.Store(&next)
	g.clock.add(31 * time.Second)
	want("rolled over", "e1", 200)
	want("withdrawn", "r1", 401)
	down := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
	ks.serve.Store(&down)
	g.clock.add(10 * time.Minute)
	want("outage", "e1", 200)
	g.clock.add(2 * time.Hour)
	want("long outage", "e1", 401)
}

// Abuse case 5: a private, slow or huge jwks_uri is refused at registration,
// and 401 within two seconds when it becomes so later.
func TestAbuse5KeyURI(t *testing.T) {
	strict := NewRegistry(newMemStorage(), true) // what a sandbox allows, it allows its own clients only
	ks := newKeyServer(t, serveBytes(testJWKS(t)))
	for _, uri := range []string{
		"http://keys.example/jwks", "https://127.0.0.1/jwks", "https://[::1]/", "https://10.0.0.8/", "https://192.168.1.1/",
		"https://169.254.169.254/latest/meta-data", "https://[fd00::1]/", "https://[::ffff:127.0.0.1]/", "https://100.64.0.1/",
		"https://0.0.0.0/", "https://[64:ff9b::7f00:1]/", "https://user:pass@keys.example/", "file:///etc/passwd", "https:///x", "keys.example",
		"https://localhost/jwks", // resolved, and refused at the dial
		strings.Replace(ks.URL, "http:", "https:", 1),
	} {
		_, _, err := strict.Add(t.Context(), NewClient{ID: "app", Role: "gp-practice", Credentials: Credentials{JWKSURI: uri}})
		if err == nil || !strings.Contains(err.Error(), "jwks_uri") {
			t.Errorf("%s: %v, want a refusal", uri, err)
		}
	}
	if n := ks.hits.Load(); n != 0 {
		t.Errorf("an internal server was asked %d times", n)
	}
	g := newGateway(t, sandbox)
	for name, h := range hostileKeyServers(t) {
		t.Run(name, func(t *testing.T) {
			ks := newKeyServer(t, h)
			start := time.Now()
			_, _, err := g.Clients.Add(t.Context(), NewClient{ID: name, Role: RoleSandbox, Credentials: Credentials{JWKSURI: ks.URL}})
			if err == nil {
				t.Error("was registered")
			}
			good := serveBytes(testJWKS(t))
			ks.serve.Store(&good)
			g.add(t, NewClient{ID: name, Role: RoleSandbox, Credentials: Credentials{JWKSURI: ks.URL}})
			ks.serve.Store(&h)
			g.refuse(t, "turned bad", sign(t, jwt.SigningMethodES384, "e1", testKeys().ec, g.claims(name)))
			if d := time.Since(start); d > 4500*time.Millisecond {
				t.Errorf("took %v for two tries", d)
			}
		})
	}
}

func hostileKeyServers(t *testing.T) map[string]http.HandlerFunc {
	private := rsaJWK("r1", &testKeys().rsa.PublicKey)
	private["d"] = b64.EncodeToString(testKeys().rsa.D.Bytes())
	elsewhere := newKeyServer(t, serveBytes(testJWKS(t)))
	return map[string]http.HandlerFunc{
		"slow": func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-r.Context().Done():
			case <-time.After(10 * time.Second):
			}
		},
		"huge": func(w http.ResponseWriter, _ *http.Request) {
			w.Write([]byte(`{"keys":[`))
			w.Write([]byte(strings.Repeat(" ", 1<<20)))
			w.Write([]byte(`]}`))
		},
		"redirecting": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) },
		"private":     serveBytes(keySetJSON(t, private)),
		"empty":       serveBytes([]byte(`{"keys":[]}`)),
		"html":        serveBytes([]byte(`<html>`)),
		"duplicate":   serveBytes([]byte(`{"keys":[],"keys":[]}`)),
		"failing":     func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
	}
}

// TestDialIsChecked: a name that was public at registration and leads inside
// later is refused at the dial.
func TestDialIsChecked(t *testing.T) {
	for address, ok := range map[string]bool{
		"8.8.8.8:443": true, "[2606:4700::1111]:443": true, "127.0.0.1:443": false, "10.1.2.3:443": false, "172.31.0.1:443": false,
		"[::1]:443": false, "[fe80::1%eth0]:443": false, "169.254.169.254:80": false, "[::ffff:10.0.0.1]:443": false, "224.0.0.1:443": false,
		"[2002:7f00:1::]:443": false, "[64:ff9b::a00:1]:443": false, "100.100.100.200:443": false, "255.255.255.255:1": false, "nonsense": false,
	} {
		if err := checkDial("tcp", address, nil); (err == nil) != ok {
			t.Errorf("checkDial(%s) = %v, want allowed %t", address, err, ok)
		}
	}
}

// Abuse case 6 is TestScopeGrants and TestCover.

// Abuse case 7: there are no codes and refresh tokens to reuse; TestTokenErrors
// has their grants refused, and no answer contains one.
func TestAbuse7NoRefreshToken(t *testing.T) {
	g := newGateway(t)
	_, secret := g.add(t, NewClient{ID: "gp-1", Role: "gp-practice"})
	a := g.post(t, grantForm(""), basic("gp-1", secret))
	if a.status != 200 || strings.Contains(a.body, "refresh") || strings.Contains(a.body, "id_token") {
		t.Errorf("got %d %s", a.status, a.body)
	}
	if a := g.post(t, grantForm("offline_access"), basic("gp-1", secret)); a.Error != "invalid_scope" {
		t.Errorf("offline_access: %d %s", a.status, a.body)
	}
}

// Abuse case 8: whatever is signed with the gateway's own key but is not an
// access token for this FHIR base is refused, and so is every foreign token.
func TestAbuse8ForeignTokens(t *testing.T) {
	g := newGateway(t)
	g.add(t, NewClient{ID: "app", Role: "gp-practice"})
	key, err := g.Keys.signer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	now := g.clock.now()
	good := jwt.MapClaims{
		"iss": g.url, "sub": "app", "client_id": "app", "aud": g.url + "/fhir", "scope": "system/*.rs",
		"iat": now.Unix(), "exp": now.Add(time.Minute).Unix(), "jti": "1", "gen": 1,
	}
	header := map[string]any{"typ": "at+jwt", "kid": key.kid}
	token := func(m jwt.SigningMethod, k any, c jwt.MapClaims, h map[string]any) string {
		tok := jwt.NewWithClaims(m, c)
		maps.Copy(tok.Header, header)
		maps.Copy(tok.Header, h)
		s, err := tok.SignedString(k)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	es := func(c jwt.MapClaims, h map[string]any) string {
		return token(jwt.SigningMethodES256, key.private, c, h)
	}
	if a := g.read(t, es(good, nil)); a.status != 200 {
		t.Fatalf("the good one: %d %s", a.status, a.body)
	}
	if a := g.read(t, es(good, map[string]any{"typ": "application/AT+JWT"})); a.status != 200 {
		t.Errorf("full media type: %d", a.status)
	}
	tests := map[string]string{
		"ID token":              es(with(good, "aud", "app"), map[string]any{"typ": "JWT"}),
		"no typ":                es(good, map[string]any{"typ": ""}),
		"client assertion":      sign(t, jwt.SigningMethodES384, "e1", testKeys().ec, g.claims("app")),
		"foreign aud":           es(with(good, "aud", "https://elsewhere.example/fhir"), nil),
		"token endpoint as aud": es(with(good, "aud", g.url+TokenPath), nil),
		"two audiences":         es(with(good, "aud", []string{g.url + "/fhir", "https://elsewhere.example"}), nil),
		"no aud":                es(with(good, "aud", nil), nil),
		"foreign iss":           es(with(good, "iss", "https://elsewhere.example"), nil),
		"no exp":                es(with(good, "exp", nil), nil),
		"expired":               es(with(good, "exp", now.Add(-time.Second).Unix()), nil),
		"not yet":               es(with(good, "nbf", now.Add(time.Minute).Unix()), nil),
		"unknown client":        es(with(with(good, "sub", "x"), "client_id", "x"), nil),
		"sub is not client_id":  es(with(good, "sub", "x"), nil),
		"other generation":      es(with(good, "gen", 2), nil),
		"no jti":                es(with(good, "jti", nil), nil),
		"strange scope":         es(with(good, "scope", "admin"), nil),
		"crit":                  es(good, map[string]any{"crit": []string{"exp"}}),
		"unknown kid":           es(good, map[string]any{"kid": "other"}),
		"own key in header":     token(jwt.SigningMethodES256, testKeys().ec256, good, map[string]any{"jwk": map[string]any{"kty": "EC"}}),
		"another's key":         token(jwt.SigningMethodES256, testKeys().ec256, good, nil),
		"none":                  token(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, good, nil),
		"HS256":                 token(jwt.SigningMethodHS256, []byte("public"), good, nil),
		"RS256":                 token(jwt.SigningMethodRS256, testKeys().rsa, good, nil),
	}
	for _, name := range slices.Sorted(maps.Keys(tests)) {
		a := g.read(t, tests[name])
		if a.status != 401 || !strings.Contains(a.header.Get("WWW-Authenticate"), `error="invalid_token"`) {
			t.Errorf("%s: %d %s", name, a.status, a.header.Get("WWW-Authenticate"))
		}
	}
}

// Abuse case 9 is TestClientChangesCount (revoked tokens) and TestKeyRotation
// (retired keys).

// Abuse case 16 is TestRoleRules.
