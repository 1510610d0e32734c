package auth

import (
	"context"
	"crypto/sha256"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	// maxAssertionLife is how far ahead an assertion may expire (SMART
	// Backend Services, "Authentication JWT Claims").
	maxAssertionLife = 5 * time.Minute
	maxID            = 256 // of a jti or kid, in bytes
)

// authenticateClient returns the client that the token request proves to come
// from. Exactly one way of authentication may be used (RFC 6749, section 2.3).
func (s *Server) authenticateClient(ctx context.Context, r *http.Request, form url.Values) (*clientRecord, error) {
	_, basic := r.Header["Authorization"]
	assertion := form.Has("client_assertion") || form.Has("client_assertion_type")
	switch {
	case form.Has("client_secret"):
		return nil, visibleFault("client_secret in the body is not supported: use HTTP Basic")
	case basic && assertion:
		return nil, oauthFault("invalid_request", "use one way of client authentication")
	case basic:
		return s.checkBasic(ctx, r, form)
	case !assertion:
		return nil, visibleFault("authenticate with HTTP Basic or a client_assertion")
	case form.Get("client_assertion_type") != assertionType:
		return nil, oauthFault("invalid_request", "client_assertion_type must be "+assertionType)
	}
	return s.checkAssertion(ctx, form.Get("client_assertion"), form.Get("client_id"))
}

// checkBasic checks client_secret_basic; RFC 6749, section 2.3.1 has both
// halves form-encoded.
func (s *Server) checkBasic(ctx context.Context, r *http.Request, form url.Values) (*clientRecord, error) {
	user, pass, ok := r.BasicAuth()
	id, errID := url.QueryUnescape(user)
	secret, errSecret := url.QueryUnescape(pass)
	if !ok || errID != nil || errSecret != nil || len(r.Header["Authorization"]) != 1 {
		return nil, visibleFault("the Authorization header must be HTTP Basic with form-encoded halves")
	}
	if form.Has("client_id") && form.Get("client_id") != id {
		return nil, oauthFault("invalid_request", "client_id differs from the authenticated client")
	}
	rec, err := s.usableClient(ctx, id)
	if err != nil {
		return nil, err
	}
	if rec.SecretHash == "" {
		return nil, invalidClient("client has no secret", rec)
	}
	match, err := s.secrets.check(ctx, rec.SecretHash.Reveal(), Secret(secret))
	if err != nil {
		return nil, storeFault(err)
	}
	if !match {
		return nil, invalidClient("wrong secret", rec)
	}
	return rec, nil
}

// usableClient returns an enabled client, or invalid_client.
func (s *Server) usableClient(ctx context.Context, id string) (*clientRecord, error) {
	rec, err := s.Clients.lookup(ctx, id)
	switch {
	case err != nil:
		return nil, err
	case rec == nil:
		return nil, invalidClient("unknown client", nil)
	case !s.enabled(rec):
		return nil, invalidClient("client is disabled", rec)
	}
	return rec, nil
}

func (s *Server) enabled(rec *clientRecord) bool {
	return !rec.Disabled && rec.Role.Valid() && (rec.Role != RoleSandbox || s.config.Sandbox)
}

// checkAssertion checks private_key_jwt (RFC 7523; SMART Backend Services).
// The jti is spent last, when nothing else can fail: a faulty assertion must
// not use up the name of a good one.
func (s *Server) checkAssertion(ctx context.Context, text, formID string) (*clientRecord, error) {
	a, err := parseJWT(text)
	if err != nil {
		return nil, visibleFault("assertion is not a signed JWT of at most 8 KiB")
	}
	alg, ok := assertionAlgs[a.header.Alg]
	if !ok {
		return nil, visibleFault("assertion algorithm must be RS384, RS512, PS256 or ES384")
	}
	if reason := s.assertionFault(a, formID); reason != "" {
		return nil, visibleFault(reason)
	}
	rec, err := s.usableClient(ctx, a.claims.Sub)
	if err != nil {
		return nil, err
	}
	if len(rec.Algs) > 0 && !slices.Contains(rec.Algs, a.header.Alg) {
		return nil, invalidClient("client is not registered for this algorithm", rec)
	}
	key, ok := s.clientKeys(ctx, rec, a.header.Kid).find(a.header.Kid, a.header.Alg)
	if !ok {
		return nil, invalidClient("unknown kid", rec)
	}
	if !a.verify(alg, key) {
		return nil, invalidClient("signature does not verify", rec)
	}
	return rec, s.spend(ctx, rec, a.claims)
}

// assertionFault says which rule the header or claims break, or "".
func (s *Server) assertionFault(a parsedJWT, formID string) string {
	c, now := a.claims, s.config.Now()
	switch {
	case a.header.Typ != "" && !strings.EqualFold(a.header.Typ, "JWT"):
		return "assertion typ is not JWT"
	case a.header.Kid == "" || len(a.header.Kid) > maxID:
		return "assertion has no kid"
	case c.Iss == "" || c.Iss != c.Sub:
		return "iss and sub must both be the client id"
	case formID != "" && formID != c.Sub:
		return "client_id differs from sub"
	case string(c.Aud) != s.tokenURL() && string(c.Aud) != s.config.PublicURL:
		return "aud is not this token endpoint"
	case c.JTI == "" || len(c.JTI) > maxID:
		return "assertion has no jti of at most 256 bytes"
	}
	return timeFault(c, now)
}

func timeFault(c jwtClaims, now time.Time) string {
	latest := now.Add(clockSkew)
	switch {
	case !c.Exp.sane() || c.Iat.set() && !c.Iat.sane() || c.Nbf.set() && !c.Nbf.sane():
		return "exp is missing, or a time is out of range"
	case !now.Before(c.Exp.time().Add(clockSkew)):
		return "assertion has expired"
	case c.Exp.time().After(latest.Add(maxAssertionLife)):
		return "exp is more than five minutes ahead"
	case c.Nbf.set() && c.Nbf.time().After(latest):
		return "assertion is not valid yet"
	case c.Iat.set() && (c.Iat.time().After(latest) || c.Iat > c.Exp):
		return "assertion was issued in the future"
	}
	return ""
}

func (s *Server) clientKeys(ctx context.Context, rec *clientRecord, kid string) keySet {
	if rec.JWKSURI != "" {
		return s.Clients.fetch.keys(ctx, rec.ID, s.Clients.location(rec.Role, rec.JWKSURI), kid)
	}
	return rec.keys
}

// spend takes the jti, once for all gateways of the store.
func (s *Server) spend(ctx context.Context, rec *clientRecord, c jwtClaims) error {
	name := sha256.Sum256([]byte(rec.ID + "\n" + c.JTI))
	// A minute more than the assertion can be used, so that no gateway's
	// clock, or the store's, forgets it too early.
	until := c.Exp.time().Add(clockSkew + time.Minute)
	taken, err := s.config.Storage.Claim(ctx, scopeJTI, b64.EncodeToString(name[:]), until)
	if err != nil {
		return storeFault(err)
	}
	if taken {
		return invalidClient("assertion was used before", rec)
	}
	return nil
}
