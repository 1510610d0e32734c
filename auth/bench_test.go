package auth

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

func benchRequest(b *testing.B, g *testGateway, secret Secret) *http.Request {
	b.Helper()
	req := httptest.NewRequest(http.MethodGet, "/fhir/Patient/1", nil)
	req.Header.Set("Authorization", "Bearer "+g.token(b, "gp-1", secret, ""))
	return req
}

// BenchmarkAuthenticate is what every request pays: a token seen before.
func BenchmarkAuthenticate(b *testing.B) {
	g := newGateway(b)
	_, secret := g.add(b, NewClient{ID: "gp-1", Role: "gp-practice", Org: "A81001"})
	req := benchRequest(b, g, secret)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := g.Authenticate(req); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAuthenticateNew is the first request with a token.
func BenchmarkAuthenticateNew(b *testing.B) {
	g := newGateway(b)
	_, secret := g.add(b, NewClient{ID: "gp-1", Role: "gp-practice", Org: "A81001"})
	req := benchRequest(b, g, secret)
	b.ReportAllocs()
	for b.Loop() {
		g.tokens = newCache[[32]byte, *verifiedToken](16)
		if _, err := g.Authenticate(req); err != nil {
			b.Fatal(err)
		}
	}
}

func benchToken(b *testing.B, h http.Handler, request func() *http.Request) {
	b.Helper()
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, request())
		if w.Code != http.StatusOK {
			b.Fatal(w.Code, w.Body)
		}
	}
}

func formRequest(body string) *http.Request {
	req := httptest.NewRequest(http.MethodPost, TokenPath, strings.NewReader(body))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return req
}

func BenchmarkTokenBasic(b *testing.B) {
	g := newGateway(b)
	_, secret := g.add(b, NewClient{ID: "gp-1", Role: "gp-practice"})
	body := grantForm("system/*.rs").Encode()
	benchToken(b, g.TokenHandler(), func() *http.Request {
		req := formRequest(body)
		req.SetBasicAuth("gp-1", secret.Reveal())
		return req
	})
}

// BenchmarkTokenAssertion includes the partner's own signature.
func BenchmarkTokenAssertion(b *testing.B) {
	g := newGateway(b)
	g.addKeyed(b, "app")
	benchToken(b, g.TokenHandler(), func() *http.Request {
		return formRequest(assertionForm(sign(b, jwt.SigningMethodPS256, "r1", testKeys().rsa, g.claims("app")), "").Encode())
	})
}
