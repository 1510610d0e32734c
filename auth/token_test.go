package auth

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// TestRealClient runs the grant with the client library that most Go partners
// use, and verifies the token as a resource server would: with the published
// keys and another JWT library.
func TestRealClient(t *testing.T) {
	g := newGateway(t)
	_, secret := g.add(t, NewClient{ID: "gp-1", Role: "gp-practice", Org: "A81001"})
	for _, style := range []oauth2.AuthStyle{oauth2.AuthStyleInHeader, oauth2.AuthStyleAutoDetect} {
		cc := clientcredentials.Config{
			ClientID: "gp-1", ClientSecret: secret.Reveal(), TokenURL: g.url + TokenPath,
			Scopes: []string{"system/ServiceRequest.crus", "system/Patient.rs"}, AuthStyle: style,
		}
		tok, err := cc.Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if left := time.Until(tok.Expiry); left > 5*time.Minute || left < 4*time.Minute {
			t.Errorf("token lives %v, want 5m", left)
		}
		resp, err := cc.Client(t.Context()).Get(g.url + "/fhir/Patient/1")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("FHIR answered %d", resp.StatusCode)
		}
		verifyOutside(t, g, tok.AccessToken)
	}
}

func verifyOutside(t *testing.T, g *testGateway, token string) {
	t.Helper()
	keys, err := g.Keys.current(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var claims jwt.MapClaims
	parsed, err := jwt.ParseWithClaims(token, &claims, func(tok *jwt.Token) (any, error) {
		return keys.public[tok.Header["kid"].(string)].key, nil
	}, jwt.WithValidMethods([]string{"ES256"}), jwt.WithIssuer(g.url), jwt.WithAudience(g.url+"/fhir"), jwt.WithExpirationRequired())
	if err != nil {
		t.Fatal(err)
	}
	if parsed.Header["typ"] != "at+jwt" {
		t.Errorf("typ = %v", parsed.Header["typ"])
	}
	for _, name := range []string{"sub", "client_id"} {
		if claims[name] != "gp-1" {
			t.Errorf("%s = %v", name, claims[name])
		}
	}
	if claims["scope"] != "system/ServiceRequest.crus system/Patient.rs" || claims["jti"] == "" || claims["iat"] == nil {
		t.Errorf("claims = %v", claims)
	}
}

func TestAssertionMethods(t *testing.T) {
	g := newGateway(t)
	g.add(t, NewClient{ID: "app", Role: "pharmacy", Credentials: Credentials{JWKS: testJWKS(t)}})
	k := testKeys()
	for _, tt := range []struct {
		method jwt.SigningMethod
		kid    string
		key    any
	}{
		{jwt.SigningMethodRS384, "r1", k.rsa},
		{jwt.SigningMethodRS512, "r1", k.rsa},
		{jwt.SigningMethodPS256, "r1", k.rsa},
		{jwt.SigningMethodES384, "e1", k.ec},
	} {
		for _, aud := range []any{g.url + TokenPath, g.url, []string{g.url + TokenPath}} {
			a := g.post(t, assertionForm(sign(t, tt.method, tt.kid, tt.key, with(g.claims("app"), "aud", aud)), "system/Patient.r"))
			if a.status != http.StatusOK || a.Scope != "system/Patient.r" || a.Expiry != 300 || !strings.EqualFold(a.Type, "bearer") {
				t.Errorf("%s, aud %v: %d %s", tt.method.Alg(), aud, a.status, a.body)
			}
			if a.header.Get("Cache-Control") != "no-store" {
				t.Errorf("Cache-Control = %q", a.header.Get("Cache-Control"))
			}
			if got := g.read(t, a.Token).body; got != "app pharmacy client/app" {
				t.Errorf("let in as %q", got)
			}
		}
	}
}

// TestTokenErrors covers RFC 6749, section 5.2.
func TestTokenErrors(t *testing.T) {
	g := newGateway(t)
	_, secret := g.add(t, NewClient{ID: "gp-1", Role: "gp-practice", Scope: "system/ServiceRequest.crus system/Patient.rs"})
	set := func(name string, values ...string) url.Values {
		f := grantForm("")
		f[name] = values
		return f
	}
	ok := basic("gp-1", secret)
	none := func(*http.Request) {}
	assertion := assertionForm("x.y.z", "")
	tests := []struct {
		name   string
		form   url.Values
		change func(*http.Request)
		status int
		code   string
	}{
		{"no grant type", set("grant_type"), ok, 400, "invalid_request"},
		{"password grant", set("grant_type", "password"), ok, 400, "unsupported_grant_type"},
		{"authorization code", set("grant_type", "authorization_code"), ok, 400, "unsupported_grant_type"},
		{"refresh token", set("grant_type", "refresh_token"), ok, 400, "unsupported_grant_type"},
		{"two grant types in one", set("grant_type", "client_credentials password"), ok, 400, "unsupported_grant_type"},
		{"parameter twice", set("scope", "system/Patient.r", "system/Patient.s"), ok, 400, "invalid_request"},
		{"no authentication", grantForm(""), none, 401, "invalid_client"},
		{"wrong secret", grantForm(""), basic("gp-1", "trellis_wrong"), 401, "invalid_client"},
		{"empty secret", grantForm(""), basic("gp-1", ""), 401, "invalid_client"},
		{"unknown client", grantForm(""), basic("nobody", secret), 401, "invalid_client"},
		{"impossible client id", grantForm(""), basic("../key", secret), 401, "invalid_client"},
		{"secret in the body", set("client_secret", secret.Reveal()), none, 401, "invalid_client"},
		{"bearer as client authentication", grantForm(""), func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") }, 401, "invalid_client"},
		{"two ways at once", assertion, ok, 400, "invalid_request"},
		{"another client_id", set("client_id", "other"), ok, 400, "invalid_request"},
		{"assertion by a secret's client", assertion, none, 401, "invalid_client"},
		{"unknown assertion type", set("client_assertion_type", "saml"), none, 400, "invalid_request"},
		{"foreign audience", set("audience", "https://elsewhere.example"), ok, 400, "invalid_request"},
		{"parameters in the URL", grantForm(""), func(r *http.Request) { ok(r); r.URL.RawQuery = "scope=system/*.r" }, 400, "invalid_request"},
		{"JSON", grantForm(""), func(r *http.Request) { ok(r); r.Header.Set("Content-Type", "application/json") }, 400, "invalid_request"},
		{"multipart", grantForm(""), func(r *http.Request) { ok(r); r.Header.Set("Content-Type", "multipart/form-data; boundary=x") }, 400, "invalid_request"},
		{"too large", set("pad", strings.Repeat("x", maxForm)), ok, 413, "invalid_request"},
		{"scope too long", set("scope", strings.Repeat("system/Patient.r ", 400)), ok, 400, "invalid_scope"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := g.post(t, tt.form, tt.change)
			if a.status != tt.status || a.Error != tt.code || a.Text == "" {
				t.Errorf("got %d %s, want %d %s", a.status, a.body, tt.status, tt.code)
			}
			if a.header.Get("Cache-Control") != "no-store" || a.header.Get("Content-Type") != "application/json" {
				t.Errorf("headers %v", a.header)
			}
			if (a.status == 401) != (a.header.Get("WWW-Authenticate") != "") {
				t.Errorf("WWW-Authenticate = %q", a.header.Get("WWW-Authenticate"))
			}
			if strings.Contains(a.body, secret.Reveal()) || strings.ContainsAny(a.Text, `"\`) {
				t.Errorf("answer shows too much: %s", a.body)
			}
			if e := g.lastEvent(); e.Code == "invalid_client" && e.Client != "" {
				t.Errorf("an unproven client is taken for proven: %+v", e)
			}
			if e := g.lastEvent(); e.Kind != TokenRefused || e.Code != tt.code || e.Status != tt.status || e.Reason == "" {
				t.Errorf("event = %+v", e)
			}
		})
	}
	if a := do(t, mustRequest(t, http.MethodGet, g.url+TokenPath)); a.status != 405 || a.header.Get("Allow") != "POST" {
		t.Errorf("GET: %d %v", a.status, a.header)
	}
}

func mustRequest(t testing.TB, method, url string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

func TestScopeGrants(t *testing.T) {
	g := newGateway(t)
	_, wide := g.add(t, NewClient{ID: "wide", Role: "gp-practice"})
	_, narrow := g.add(t, NewClient{ID: "narrow", Role: "gp-practice", Scope: "system/ServiceRequest.crs system/Patient.read"})
	tests := []struct {
		id     string
		secret Secret
		ask    string
		want   string // "" : invalid_scope
	}{
		{"wide", wide, "", "system/*.cruds"},
		{"wide", wide, "system/*.rs", "system/*.rs"},
		{"wide", wide, "system/Patient.read system/Patient.read", "system/Patient.read"},
		{"wide", wide, "system/AuditEvent.r", ""},     // not the role's
		{"wide", wide, "system/ServiceRequest.d", ""}, // not the role's
		{"wide", wide, "system/Patient.rs?_id=1", ""}, // cannot be enforced
		{"wide", wide, "patient/Patient.r", ""},       // nobody logs in
		{"wide", wide, "openid", ""},                  //
		{"wide", wide, "system/Patient.sr", ""},       // out of order
		{"narrow", narrow, "", "system/ServiceRequest.crs system/Patient.read"},
		{"narrow", narrow, "system/ServiceRequest.c", "system/ServiceRequest.c"},
		{"narrow", narrow, "system/Patient.rs", "system/Patient.rs"},
		{"narrow", narrow, "system/Patient.s", "system/Patient.s"},
		{"narrow", narrow, "system/ServiceRequest.cruds", ""}, // wider letters
		{"narrow", narrow, "system/*.rs", ""},                 // wider types
		{"narrow", narrow, "system/Patient.*", ""},            // v1 for everything
		{"narrow", narrow, "system/Patient.r system/Task.r", ""},
	}
	for _, tt := range tests {
		a := g.post(t, grantForm(tt.ask), basic(tt.id, tt.secret))
		switch {
		case tt.want == "" && (a.status != 400 || a.Error != "invalid_scope"):
			t.Errorf("%s asks %q: %d %s, want invalid_scope", tt.id, tt.ask, a.status, a.body)
		case tt.want != "" && (a.status != 200 || a.Scope != tt.want):
			t.Errorf("%s asks %q: %d %s, want %q", tt.id, tt.ask, a.status, a.body, tt.want)
		case tt.want == "" && g.lastEvent().Client != tt.id:
			t.Errorf("refusal does not name the client")
		}
	}
}

func TestStoreDown(t *testing.T) {
	g := newGateway(t)
	_, secret := g.add(t, NewClient{ID: "gp-1", Role: "gp-practice"})
	token := g.token(t, "gp-1", secret, "")
	g.storage.setBroken(true)
	if a := g.read(t, token); a.status != 200 {
		t.Errorf("within a second: %d", a.status)
	}
	g.clock.add(2 * time.Second)
	if a := g.read(t, token); a.status != 503 || !strings.Contains(a.body, "OperationOutcome") {
		t.Errorf("after two seconds: %d %s", a.status, a.body)
	}
	if a := g.post(t, grantForm(""), basic("gp-1", secret)); a.status != 503 || a.Error != "temporarily_unavailable" {
		t.Errorf("token: %d %s", a.status, a.body)
	}
	if a := do(t, mustRequest(t, http.MethodGet, g.url+JWKSPath)); a.status != 503 {
		t.Errorf("jwks: %d", a.status)
	}
	g.storage.setBroken(false)
	if a := g.read(t, token); a.status != 200 {
		t.Errorf("after repair: %d %s", a.status, a.body)
	}
}

// TestUnaudited: a token that cannot be audited is not handed out.
func TestUnaudited(t *testing.T) {
	g := newGateway(t, func(c *Config) {
		c.Observe = func(_ context.Context, e Event) error {
			if e.Kind == TokenIssued {
				return errBroken
			}
			return nil
		}
	})
	_, secret := g.add(t, NewClient{ID: "gp-1", Role: "gp-practice"})
	if a := g.post(t, grantForm(""), basic("gp-1", secret)); a.status != 503 || a.Token != "" {
		t.Errorf("got %d %s", a.status, a.body)
	}
}

func TestAuthenticateHeader(t *testing.T) {
	g := newGateway(t)
	_, secret := g.add(t, NewClient{ID: "gp-1", Role: "gp-practice", Org: "A81001"})
	token := g.token(t, "gp-1", secret, "")
	tests := []struct {
		name      string
		header    []string
		status    int
		challenge string
	}{
		{"good", []string{"Bearer " + token}, 200, ""},
		{"any case", []string{"bearer " + token}, 200, ""},
		{"none", nil, 401, `Bearer realm="trellis"`},
		{"basic", []string{"Basic Z3A6eA=="}, 401, `Bearer realm="trellis"`},
		{"empty", []string{"Bearer "}, 401, `Bearer realm="trellis"`},
		{"garbage", []string{"Bearer x"}, 401, `Bearer realm="trellis", error="invalid_token"`},
		{"twice", []string{"Bearer " + token, "Bearer " + token}, 401, `Bearer realm="trellis", error="invalid_token"`},
		{"huge", []string{"Bearer " + strings.Repeat("a", maxJWT+1)}, 401, `Bearer realm="trellis", error="invalid_token"`},
		{"cut", []string{"Bearer " + token[:len(token)-2]}, 401, `Bearer realm="trellis", error="invalid_token"`},
	}
	for _, tt := range tests {
		req := mustRequest(t, http.MethodGet, g.url+"/fhir/Patient/1?access_token="+token)
		req.Header["Authorization"] = tt.header
		a := do(t, req)
		if a.status != tt.status || a.header.Get("WWW-Authenticate") != tt.challenge {
			t.Errorf("%s: %d %q", tt.name, a.status, a.header.Get("WWW-Authenticate"))
		}
		if a.status == 401 && (!strings.Contains(a.body, `"code":"login"`) || g.lastEvent().Kind != AccessRefused) {
			t.Errorf("%s: %s", tt.name, a.body)
		}
	}
}

func TestClientChangesCount(t *testing.T) {
	second := 1100 * time.Millisecond
	tests := []struct {
		name   string
		change func(*Registry, context.Context) error
		old    int // status of the old token
		login  int // status of a login with the old secret
	}{
		{"disable", func(r *Registry, ctx context.Context) error { _, err := r.Disable(ctx, "gp-1", false); return err }, 401, 401},
		{"rotate", func(r *Registry, ctx context.Context) error {
			_, _, err := r.Rotate(ctx, "gp-1", Credentials{})
			return err
		}, 401, 401},
		{"revoke", func(r *Registry, ctx context.Context) error { _, err := r.RevokeTokens(ctx, "gp-1"); return err }, 401, 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := newGateway(t)
			_, secret := g.add(t, NewClient{ID: "gp-1", Role: "gp-practice"})
			token := g.token(t, "gp-1", secret, "")
			if a := g.read(t, token); a.status != 200 {
				t.Fatalf("before: %d", a.status)
			}
			// Another process changes the client: this server's cache does
			// not know.
			if err := tt.change(NewRegistry(g.storage, false), t.Context()); err != nil {
				t.Fatal(err)
			}
			g.clock.add(second)
			if a := g.read(t, token); a.status != tt.old {
				t.Errorf("old token: %d, want %d", a.status, tt.old)
			}
			if e := g.lastEvent(); e.Kind != AccessRefused || e.Client != "" || e.Named != "gp-1" {
				t.Errorf("event = %+v", e)
			}
			if a := g.post(t, grantForm(""), basic("gp-1", secret)); a.status != tt.login {
				t.Errorf("log-in: %d, want %d", a.status, tt.login)
			}
		})
	}
}

func TestTokenExpires(t *testing.T) {
	g := newGateway(t)
	_, secret := g.add(t, NewClient{ID: "gp-1", Role: "gp-practice"})
	token := g.token(t, "gp-1", secret, "")
	for _, tt := range []struct {
		add  time.Duration
		want int
	}{{0, 200}, {4*time.Minute + 58*time.Second, 200}, {3 * time.Second, 401}} {
		g.clock.add(tt.add)
		if a := g.read(t, token); a.status != tt.want {
			t.Errorf("after %v more: %d, want %d", tt.add, a.status, tt.want)
		}
	}
}

func TestConfigCheck(t *testing.T) {
	storage := newMemStorage()
	for _, tt := range []struct {
		c    Config
		want string
	}{
		{Config{PublicURL: "https://x.example/", KeyDir: "k", Storage: storage}, "trailing slash"},
		{Config{PublicURL: "ftp://x.example", KeyDir: "k", Storage: storage}, "http"},
		{Config{PublicURL: "https://x.example"}, "key folder"},
		{Config{PublicURL: "https://x.example", KeyDir: "k", Storage: storage, TokenLife: 2 * time.Hour}, "token life"},
		{Config{PublicURL: "https://x.example", KeyDir: "k", Storage: storage, KeyLife: time.Second}, "key life"},
		{Config{}, "public URL"},
	} {
		if _, err := NewServer(t.Context(), tt.c); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("NewServer(%+v) = %v, want a word about %q", tt.c.PublicURL, err, tt.want)
		}
	}
}

func TestSMARTConfiguration(t *testing.T) {
	g := newGateway(t)
	a := do(t, mustRequest(t, http.MethodGet, g.url+SMARTPath))
	for _, want := range []string{
		`"issuer":"` + g.url + `"`, `"token_endpoint":"` + g.url + `/oauth2/token"`, `"jwks_uri":"` + g.url + `/oauth2/jwks"`,
		`"client-confidential-asymmetric"`, `"permission-v2"`, `["ES384","PS256","RS384","RS512"]`, `["client_credentials"]`,
	} {
		if !strings.Contains(a.body, want) {
			t.Errorf("lacks %s: %s", want, a.body)
		}
	}
	for _, not := range []string{"authorization_endpoint", "launch", "sso-openid", "refresh"} {
		if strings.Contains(a.body, not) {
			t.Errorf("promises %s: %s", not, a.body)
		}
	}
	if a := do(t, mustRequest(t, http.MethodPost, g.url+SMARTPath)); a.status != 405 {
		t.Errorf("POST: %d", a.status)
	}
	if a := do(t, mustRequest(t, http.MethodHead, g.url+JWKSPath)); a.status != 200 || a.body != "" {
		t.Errorf("HEAD: %d", a.status)
	}
}
