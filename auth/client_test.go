package auth

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"trellis.example/fhir"
)

const chosen = Secret("correct-Horse_battery.Staple-7")

func TestAddFaults(t *testing.T) {
	r := NewRegistry(newMemStorage(), false)
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	private := ecJWK(t, "e", &testKeys().ec.PublicKey)
	private["d"] = "AAAA"
	good := rsaJWK("r", &testKeys().rsa.PublicKey)
	key := func(change ...string) []byte {
		k := rsaJWK("r", &testKeys().rsa.PublicKey)
		for i := 0; i < len(change); i += 2 {
			k[change[i]] = change[i+1]
		}
		return keySetJSON(t, k)
	}
	offCurve := ecJWK(t, "e", &testKeys().ec.PublicKey)
	offCurve["y"] = offCurve["x"]
	tests := []struct {
		name string
		n    NewClient
		want []string // one fault each
	}{
		{"everything", NewClient{ID: "-x", Role: "doctor", Org: "a8", Scope: "x", Credentials: Credentials{Secret: "short", Algs: []string{"none"}}}, []string{"client_id", "role", "org", "scope", "secret", "algs"}},
		{"nothing", NewClient{}, []string{"client_id", "role"}},
		{"scope beyond the role", NewClient{ID: "x", Role: "police", Scope: "system/AuditEvent.r"}, []string{"does not allow r"}},
		{"scope with constraint", NewClient{ID: "x", Role: "police", Scope: "system/ServiceRequest.r?status=active"}, []string{"not supported"}},
		{"two credentials", NewClient{ID: "x", Role: "police", Credentials: Credentials{Secret: chosen, JWKS: key()}}, []string{"give one"}},
		{"private key", NewClient{ID: "x", Role: "police", Credentials: Credentials{JWKS: keySetJSON(t, good, private)}}, []string{"private"}},
		{"symmetric key", NewClient{ID: "x", Role: "police", Credentials: Credentials{JWKS: keySetJSON(t, map[string]string{"kty": "oct", "kid": "k", "k": "AAAA"})}}, []string{"private"}},
		{"small key", NewClient{ID: "x", Role: "police", Credentials: Credentials{JWKS: keySetJSON(t, rsaJWK("r", &weak.PublicKey))}}, []string{"2048"}},
		{"even exponent", NewClient{ID: "x", Role: "police", Credentials: Credentials{JWKS: key("e", "AQAA")}}, []string{"not a sound"}},
		{"no kid", NewClient{ID: "x", Role: "police", Credentials: Credentials{JWKS: key("kid", "")}}, []string{"kid"}},
		{"same kid twice", NewClient{ID: "x", Role: "police", Credentials: Credentials{JWKS: keySetJSON(t, good, good)}}, []string{"twice"}},
		{"for encryption", NewClient{ID: "x", Role: "police", Credentials: Credentials{JWKS: key("use", "enc")}}, []string{"no key"}},
		{"padded", NewClient{ID: "x", Role: "police", Credentials: Credentials{JWKS: key("e", "AQAB====")}}, []string{"base64url"}},
		{"wrong alg", NewClient{ID: "x", Role: "police", Credentials: Credentials{JWKS: key("alg", "RS256")}}, []string{"fits none"}},
		{"key does not fit", NewClient{ID: "x", Role: "police", Credentials: Credentials{JWKS: key(), Algs: []string{"ES384"}}}, []string{"no key fits"}},
		{"P-256", NewClient{ID: "x", Role: "police", Credentials: Credentials{JWKS: keySetJSON(t, ecJWK(t, "e", &testKeys().ec256.PublicKey))}}, []string{"fits none"}},
		{"off the curve", NewClient{ID: "x", Role: "police", Credentials: Credentials{JWKS: keySetJSON(t, offCurve)}}, []string{"curve"}},
		{"OKP", NewClient{ID: "x", Role: "police", Credentials: Credentials{JWKS: keySetJSON(t, map[string]string{"kty": "OKP", "kid": "k", "crv": "Ed25519", "x": "AA"})}}, []string{"RSA or EC"}},
		{"not a set", NewClient{ID: "x", Role: "police", Credentials: Credentials{JWKS: []byte(`[]`)}}, []string{"not a JWK set"}},
		{"binding", NewClient{ID: "x", Role: "police", MLLP: &MLLPBinding{CertSHA256: "x", CN: "y", Partner: "P!"}}, []string{"cert_sha256", "not both", "MSH-3", "partner"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := r.Add(t.Context(), tt.n)
			var e *fhir.Error
			if !errors.As(err, &e) || len(e.Issues) != len(tt.want) {
				t.Fatalf("%v, want %d faults", err, len(tt.want))
			}
			for _, w := range tt.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q lacks %q", err, w)
				}
			}
		})
	}
	if l, _ := r.List(t.Context()); len(l) != 0 {
		t.Errorf("refused clients were stored: %v", l)
	}
}

func TestRegistry(t *testing.T) {
	ctx := t.Context()
	r := NewRegistry(newMemStorage(), false)
	c, secret, err := r.Add(ctx, NewClient{ID: "b", Role: "police", Org: "P001"})
	if err != nil || !strings.HasPrefix(secret.Reveal(), secretPrefix) || len(secret) < 50 || c.Scopes != DefaultScope {
		t.Fatalf("%+v, %v", c, err)
	}
	if _, made, err := r.Add(ctx, NewClient{ID: "a", Role: "police", Credentials: Credentials{JWKS: testJWKS(t)}}); err != nil || made != "" {
		t.Fatalf("%v", err)
	}
	if _, _, err = r.Add(ctx, NewClient{ID: "b", Role: "person"}); fhir.AsError(err).HTTPStatus() != 409 {
		t.Errorf("second b: %v", err)
	}
	list, err := r.List(ctx)
	if err != nil || len(list) != 2 || list[0].ID != "a" || list[0].Method() != "private_key_jwt" || list[1].Method() != "client_secret_basic" {
		t.Errorf("%v, %v", list, err)
	}
	got, err := r.Get(ctx, "b")
	if err != nil || got.Org != "P001" || got.SecretHash != c.SecretHash || !got.CreatedAt.Equal(c.CreatedAt) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, id := range []string{"c", "", "../b"} {
		if _, err := r.Get(ctx, id); fhir.AsError(err).HTTPStatus() != 404 {
			t.Errorf("Get(%q): %v", id, err)
		}
		if _, err := r.Disable(ctx, id, false); fhir.AsError(err).HTTPStatus() != 404 {
			t.Errorf("Disable(%q): %v", id, err)
		}
	}
	rotated, again, err := r.Rotate(ctx, "b", Credentials{})
	if err != nil || again == secret || rotated.Generation != 2 || rotated.SecretHash == c.SecretHash {
		t.Errorf("%+v, %v", rotated, err)
	}
	if _, _, err := r.Rotate(ctx, "b", Credentials{Secret: "weak"}); err == nil {
		t.Error("rotated to a weak secret")
	}
	if d, err := r.Disable(ctx, "b", false); err != nil || !d.Disabled || !strings.Contains(d.String(), "disabled") {
		t.Errorf("%v, %v", d, err)
	}
	if d, err := r.Disable(ctx, "b", true); err != nil || d.Disabled {
		t.Errorf("%v, %v", d, err)
	}
}

// TestAddIsSeen: a client added by another process counts at once, one that
// was asked for before included.
func TestAddIsSeen(t *testing.T) {
	g := newGateway(t)
	if a := g.post(t, grantForm(""), basic("new", "x")); a.status != 401 {
		t.Fatal(a.status)
	}
	_, secret, err := NewRegistry(g.storage, false).Add(t.Context(), NewClient{ID: "new", Role: "person"})
	if err != nil {
		t.Fatal(err)
	}
	g.token(t, "new", secret, "")
}

func TestSandboxRole(t *testing.T) {
	g := newGateway(t, sandbox)
	_, secret := g.add(t, NewClient{ID: "kit", Role: RoleSandbox})
	g.token(t, "kit", secret, "")
	// The same store behind a gateway without --sandbox.
	s, err := NewServer(t.Context(), Config{PublicURL: g.url, KeyDir: t.TempDir(), Storage: g.storage})
	if err != nil {
		t.Fatal(err)
	}
	if rec, err := s.usableClient(t.Context(), "kit"); err == nil {
		t.Errorf("sandbox client %s is let in", rec.ID)
	}
}

func TestChosenSecret(t *testing.T) {
	g := newGateway(t)
	_, made := g.add(t, NewClient{ID: "gp-1", Role: "gp-practice", Credentials: Credentials{Secret: chosen}})
	if made != "" {
		t.Error("a secret was made beside the chosen one")
	}
	g.token(t, "gp-1", chosen, "")
	start := time.Now()
	g.token(t, "gp-1", chosen, "")
	t.Logf("second log-in took %v", time.Since(start))
	for _, wrong := range []Secret{"", chosen + "x", chosen[:len(chosen)-1], Secret(strings.Repeat("x", 300))} {
		if a := g.post(t, grantForm(""), basic("gp-1", wrong)); a.status != 401 {
			t.Errorf("wrong secret of %d characters: %d", len(wrong), a.status)
		}
	}
	g.token(t, "gp-1", chosen, "")
}

func TestSecretProblem(t *testing.T) {
	for s, ok := range map[Secret]bool{
		chosen: true, newSecret(): true,
		"short-but-V4ried": false, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa": false, "abababababababababababababababab": false,
		"with a space-0123456789-abcdef": false, "with-gp-1-in-it-0123456789-abcdef": false, "ünïcode-0123456789-abcdefghijk": false,
		Secret(strings.Repeat("0123456789", 26)): false,
	} {
		if p := secretProblem(s, "gp-1"); (p == "") != ok {
			t.Errorf("secret of %d characters: %q", len(s), p)
		}
	}
}

func TestStoredHash(t *testing.T) {
	c := newSecretChecker()
	for _, h := range []string{"", "plain", "bcrypt$x", "argon2id$x", "argon2id$AAAA$AAAA", "argon2id$!$!"} {
		if ok, err := c.check(t.Context(), h, chosen); ok || err == nil {
			t.Errorf("%q: %t, %v", h, ok, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c.slow <- struct{}{} // someone else is hashing
	if ok, err := c.check(ctx, hashChosen(chosen), chosen); ok || err == nil {
		t.Errorf("after the caller left: %t, %v", ok, err)
	}
}

// TestSecretsNeverPrint: no way of printing a client, secret or event shows a
// secret or its hash.
func TestSecretsNeverPrint(t *testing.T) {
	g := newGateway(t)
	c, secret := g.add(t, NewClient{ID: "gp-1", Role: "gp-practice"})
	token := g.token(t, "gp-1", secret, "")
	g.read(t, token)
	g.post(t, grantForm(""), basic("gp-1", chosen))
	var b bytes.Buffer
	slog.New(slog.NewJSONHandler(&b, nil)).Info("x", slog.Any("secret", secret), slog.Any("client", c))
	slog.New(slog.NewTextHandler(&b, nil)).Info("x", slog.Any("secret", secret), slog.Any("client", c))
	j, err := stdjson.Marshal(map[string]any{"c": c, "s": secret, "n": NewClient{Credentials: Credentials{Secret: chosen}}})
	if err != nil {
		t.Fatal(err)
	}
	b.Write(j)
	for _, v := range []any{c, &c, secret, NewClient{Credentials: Credentials{Secret: chosen}}} {
		fmt.Fprintf(&b, "%v %+v %#v %s %q", v, v, v, v, v)
	}
	for _, e := range g.events {
		e.Request = nil
		fmt.Fprintf(&b, "%+v", e)
	}
	for _, s := range []string{secret.Reveal(), chosen.Reveal(), c.SecretHash.Reveal(), token} {
		if strings.Contains(b.String(), s) {
			t.Errorf("printed a secret: %s", b.String())
		}
	}
}

func TestMLLPSender(t *testing.T) {
	g := newGateway(t)
	hash := strings.Repeat("a", 64)
	bind := func(id string, b MLLPBinding) {
		g.add(t, NewClient{ID: id, Role: "hospital-discharge", Org: "RX8", MLLP: &b})
	}
	bind("plain", MLLPBinding{MSH3: "PAS", MSH4: "RX8", Partner: "trust-pas"})
	bind("by-cn", MLLPBinding{MSH3: "PAS", MSH4: "RX8", CN: "pas.trust.example"})
	bind("by-hash", MLLPBinding{MSH3: "EPR", MSH4: "RX8", CertSHA256: strings.Repeat("0", 64)})
	bind("off", MLLPBinding{MSH3: "OFF", MSH4: "RX8"})
	if _, err := g.Clients.Disable(t.Context(), "off", false); err != nil {
		t.Fatal(err)
	}
	g.clock.add(2 * time.Second)
	tests := []struct {
		from Sender
		want string
	}{
		{Sender{MSH3: "PAS", MSH4: "RX8"}, "plain"},
		{Sender{CertSHA256: hash, CN: "pas.trust.example", MSH3: "PAS", MSH4: "RX8"}, "by-cn"},
		{Sender{CertSHA256: hash, CN: "other", MSH3: "PAS", MSH4: "RX8"}, ""},
		{Sender{CertSHA256: hash, MSH3: "PAS", MSH4: "RX8"}, ""},
		{Sender{CertSHA256: hash, CN: "pas.trust.example", MSH3: "EPR", MSH4: "RX8"}, ""},
		{Sender{CertSHA256: strings.Repeat("0", 64), CN: "pas.trust.example", MSH3: "EPR", MSH4: "RX8"}, "by-hash"},
		{Sender{CN: "other", MSH3: "PAS", MSH4: "RX8"}, ""}, // not a plain connection
		{Sender{MSH3: "EPR", MSH4: "RX8"}, ""},
		{Sender{MSH3: "PAS", MSH4: "RX9"}, ""},
		{Sender{MSH3: "pas", MSH4: "RX8"}, ""},
		{Sender{MSH3: "OFF", MSH4: "RX8"}, ""},
		{Sender{}, ""},
	}
	for _, tt := range tests {
		p, err := g.MLLPSender(t.Context(), tt.from)
		if p.ClientID != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%+v: %q, %v", tt.from, p.ClientID, err)
		}
		if err != nil && fhir.AsError(err).HTTPStatus() != 401 {
			t.Errorf("%v", err)
		}
	}
	p, err := g.MLLPSender(t.Context(), Sender{MSH3: "PAS", MSH4: "RX8"})
	if err != nil || p.Partner != "trust-pas" || !p.Allow("create", "ServiceRequest") || p.Owner() != "org/RX8" {
		t.Errorf("%+v, %v", p, err)
	}
	if _, _, err := g.Clients.Add(t.Context(), NewClient{ID: "again", Role: "person", MLLP: &MLLPBinding{MSH3: "PAS", MSH4: "RX8", Partner: "x"}}); err == nil {
		t.Error("two clients are bound to one sender")
	}
}
