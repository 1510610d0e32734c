package auth

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

func rawJWT(head, body string) string {
	return b64.EncodeToString([]byte(head)) + "." + b64.EncodeToString([]byte(body)) + ".AAAA"
}

func TestParseJWT(t *testing.T) {
	ok := `{"alg":"ES384","kid":"k"}`
	tests := []struct {
		name, in string
		ok       bool
	}{
		{"good", rawJWT(ok, `{"iss":"a","exp":1}`), true},
		{"no signature", b64.EncodeToString([]byte(ok)) + ".e30.", true}, // verify refuses it
		{"unknown members", rawJWT(ok, `{"x":1}`), true},
		{"duplicate claim", rawJWT(ok, `{"sub":"a","sub":"b"}`), false},
		{"duplicate alg", rawJWT(`{"alg":"ES384","alg":"none"}`, `{}`), false},
		{"two parts", "e30.e30", false},
		{"four parts", "e30.e30.AA.AA", false},
		{"JWE", "e30.e30.AA.AA.AA", false},
		{"padding", "e30=.e30.AA", false},
		{"loose bits", "e30.e30.AB", false},
		{"not JSON", rawJWT(`x`, `{}`), false},
		{"a list", rawJWT(ok, `[]`), false},
		{"null", rawJWT(`null`, `{}`), false},
		{"trailing", rawJWT(ok, `{} {}`), false},
		{"invalid UTF-8", rawJWT(ok, "{\"sub\":\"\xff\"}"), false},
		{"crit", rawJWT(`{"alg":"ES384","crit":["b64"],"b64":false}`, `{}`), false},
		{"kid is a number", rawJWT(`{"alg":"ES384","kid":1}`, `{}`), false},
		{"aud is a number", rawJWT(ok, `{"aud":1}`), false},
		{"empty", "", false},
		{"huge", rawJWT(ok, `{"x":"`+strings.Repeat("a", maxJWT)+`"}`), false},
	}
	for _, tt := range tests {
		if _, err := parseJWT(tt.in); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	// Names are matched exactly: "Sub" is not sub.
	if p, err := parseJWT(rawJWT(ok, `{"Sub":"a"}`)); err != nil || p.claims.Sub != "" {
		t.Errorf("%+v, %v", p.claims, err)
	}
}

// FuzzAssertion: for any bytes there is no panic and no spent jti, and a
// refusal is invalid_client.
func FuzzAssertion(f *testing.F) {
	g := newGateway(f)
	g.addKeyed(f, "app")
	good := sign(f, jwt.SigningMethodES384, "e1", testKeys().ec, g.claims("app"))
	f.Add(good[:len(good)-1])
	f.Add(rawJWT(`{"alg":"none"}`, `{"iss":"app","sub":"app"}`))
	f.Add(rawJWT(`{"alg":"ES384","kid":"e1"}`, `{"iss":"app","sub":"app","aud":["x"],"exp":1e9,"jti":"1"}`))
	f.Add(rawJWT(`{"alg":"RS384","kid":"r1"}`, `{"exp":1e999,"nbf":-0.0}`))
	f.Fuzz(func(t *testing.T, in string) {
		if in == good {
			return
		}
		rec, err := g.checkAssertion(t.Context(), in, "")
		if err == nil {
			t.Fatalf("accepted for %s", rec.ID)
		}
		if e := asOAuthError(err); e.code != "invalid_client" || g.storage.claimed() != 0 {
			t.Errorf("%v, %d claims", err, g.storage.claimed())
		}
	})
}

// FuzzClaims: an assertion with a good signature is accepted only when every
// claim keeps the rules, as another reading of the same JSON sees them.
func FuzzClaims(f *testing.F) {
	g := newGateway(f)
	g.addKeyed(f, "app")
	now := g.clock.now()
	f.Add(`{"exp":1}`)
	f.Add(`{"aud":["x","y"]}`)
	f.Add(`{"iat":1e3,"nbf":2,"jti":"\u0000"}`)
	f.Fuzz(func(t *testing.T, in string) {
		c := g.claims("app")
		var change map[string]any
		if json.Unmarshal([]byte(in), &change) != nil {
			return
		}
		maps.Copy(c, change)
		if _, err := g.checkAssertion(t.Context(), sign(t, jwt.SigningMethodES384, "e1", testKeys().ec, c), ""); err != nil {
			return
		}
		b, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		c = jwt.MapClaims{}
		if err := json.Unmarshal(b, &c); err != nil {
			t.Fatal(err)
		}
		exp, err := c.GetExpirationTime()
		if err != nil || exp == nil || exp.After(now.Add(maxAssertionLife+clockSkew)) || exp.Before(now.Add(-clockSkew-time.Second)) {
			t.Errorf("exp %v, %v", exp, err)
		}
		if aud, err := c.GetAudience(); err != nil || len(aud) != 1 || c["iss"] != "app" || c["sub"] != "app" || c["jti"] == "" {
			t.Errorf("accepted %v", c)
		}
	})
}

// FuzzKeySet: no bytes make a panic, a key of a set with private members, or
// a key that fits no algorithm.
func FuzzKeySet(f *testing.F) {
	f.Add(testJWKS(f))
	f.Add([]byte(`{"keys":[{"kty":"EC","kid":"k","crv":"P-384","x":"","y":""}]}`))
	f.Add([]byte(`{"keys":[{"kty":"RSA","kid":"k","n":"AQ","e":"AQAB","d":"AQ"}]}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		set, problems := parseKeySet(in)
		if len(set) == 0 && len(problems) == 0 {
			t.Error("neither keys nor problems")
		}
		if len(set) > 0 && !set.usableWith(nil) {
			t.Error("an unusable key")
		}
	})
}
