package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// tokenTyp marks an access token (RFC 9068), so that an ID token or a client
// assertion can never pass for one.
const tokenTyp = "at+jwt"

// What is remembered: verified tokens, about 1 KB each, and what they may do,
// about 10 KB for each client and set of scopes.
const (
	maxTokens     = 20_000
	maxPrincipals = 1_000
)

// A principalKey names everything a Principal is derived from: a record never
// changes.
type principalKey struct {
	rec    *clientRecord
	scopes string
}

// A verifiedToken is a token whose signature and claims have been checked
// once. What can change since (its key, its client, the time) is checked on
// every use.
type verifiedToken struct {
	kid        string
	expires    time.Time
	generation int
	scopes     Scopes
	client     string
	id         string
	// record is the client's when principal was derived from it.
	record    *clientRecord
	principal Principal
}

// grantable returns the scopes to grant: those asked for, or all registered
// ones when none was (RFC 6749, section 3.3). Each must be covered by the
// registered scopes and enforceable for the role; none is narrowed in silence.
func (rec *clientRecord) grantable(texts []string) (Scopes, error) {
	wanted, err := ParseScopes(strings.Join(texts, " "))
	if err != nil {
		return nil, rec.scopeFault(err.Error())
	}
	if len(wanted) == 0 {
		wanted = rec.scopes
	}
	for i, s := range wanted {
		if err := enforceable(s, rec.Role); err != nil {
			return nil, rec.scopeFault(fmt.Sprintf("scope %d: %v", i+1, err))
		}
		if !rec.scopes.Cover(s) {
			return nil, rec.scopeFault(fmt.Sprintf("scope %d: not covered by the scopes this client is registered with", i+1))
		}
	}
	return wanted, nil
}

func (rec *clientRecord) scopeFault(text string) error {
	text = strings.ReplaceAll(text, `"`, "'")
	return &oauthError{code: "invalid_scope", text: text, reason: "scope refused", client: rec}
}

// mint signs an access token for the client.
func (s *Server) mint(ctx context.Context, rec *clientRecord, scopes Scopes) (string, error) {
	key, err := s.Keys.signer(ctx)
	if err != nil {
		return "", err
	}
	now := s.config.Now()
	return signJWT(tokenAlg, key.kid, tokenTyp, jwtClaims{
		Iss: s.config.PublicURL, Sub: rec.ID, ClientID: rec.ID, Aud: audience(s.fhirURL()),
		Iat: numericDate(now.Unix()), Exp: numericDate(now.Add(s.config.TokenLife).Unix()),
		JTI: rand.Text(), Scope: scopes.String(), Generation: rec.Generation,
	}, key.private)
}

// Authenticate returns who sent the request. Its errors are *fhir.Error with
// status 401, or 503 when the store cannot answer; [Challenge] gives the
// WWW-Authenticate value. Only the Authorization header is read: a token in
// the URL or body (RFC 6750, sections 2.2 and 2.3) would end in logs.
func (s *Server) Authenticate(r *http.Request) (Principal, error) {
	text, err := bearer(r)
	var p Principal
	if err == nil {
		p, err = s.principal(r.Context(), text)
	}
	if err != nil {
		s.refusedAccess(r, p, err)
		return Principal{}, err
	}
	return p, nil
}

func bearer(r *http.Request) (string, error) {
	values := r.Header["Authorization"]
	if len(values) == 0 {
		return "", noToken()
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return "", noToken()
	}
	if len(values) > 1 || len(token) > maxJWT {
		return "", invalidToken("more than one Authorization header, or one too large")
	}
	return token, nil
}

// principal returns whose token it is. With an error it may still name the
// client, for the audit.
func (s *Server) principal(ctx context.Context, text string) (Principal, error) {
	hash := sha256.Sum256([]byte(text))
	t, cached := s.tokens.get(hash)
	if !cached {
		var err error
		if t, err = s.verify(ctx, text); err != nil {
			return Principal{}, err
		}
	}
	rec, err := s.stillValid(ctx, t)
	if err != nil {
		return Principal{ClientID: t.client}, err
	}
	if t.record != rec {
		t = s.derive(t, rec)
		s.tokens.put(hash, t)
	}
	return t.principal, nil
}

// derive returns the token with the principal that the client's present
// registration gives it. A scope that the client has lost since is left out.
func (s *Server) derive(t *verifiedToken, rec *clientRecord) *verifiedToken {
	var scopes Scopes
	for _, sc := range t.scopes {
		if rec.scopes.Cover(sc) {
			scopes = append(scopes, sc)
		}
	}
	key := principalKey{rec, scopes.String()}
	p, ok := s.principals.get(key)
	if !ok {
		p = rec.principal(scopes)
		s.principals.put(key, p)
	}
	n := *t
	n.record, n.principal = rec, p
	n.principal.TokenID = t.id
	return &n
}

// stillValid checks what may have changed since the token was verified.
func (s *Server) stillValid(ctx context.Context, t *verifiedToken) (*clientRecord, error) {
	now := s.config.Now()
	if !now.Before(t.expires) {
		return nil, invalidToken("token has expired")
	}
	keys, err := s.Keys.current(ctx)
	if err != nil {
		return nil, err
	}
	if !keys.live(t.kid, now) {
		return nil, invalidToken("token's key is retired")
	}
	rec, err := s.Clients.lookup(ctx, t.client)
	switch {
	case err != nil:
		return nil, err
	case rec == nil || !s.enabled(rec):
		return nil, invalidToken("client is disabled")
	case rec.Generation != t.generation:
		return nil, invalidToken("client was rotated or its tokens revoked")
	}
	return rec, nil
}

// verify checks a token's signature and claims.
func (s *Server) verify(ctx context.Context, text string) (*verifiedToken, error) {
	p, err := parseJWT(text)
	if err != nil {
		return nil, invalidToken("not a signed JWT")
	}
	typ := strings.TrimPrefix(strings.ToLower(p.header.Typ), "application/")
	if p.header.Alg != tokenAlg.method.Alg() || typ != tokenTyp {
		return nil, invalidToken("not an access token")
	}
	keys, err := s.Keys.current(ctx)
	if err != nil {
		return nil, err
	}
	key, ok := keys.public[p.header.Kid]
	if !ok || !p.verify(tokenAlg, key.key) {
		return nil, invalidToken("unknown key or wrong signature")
	}
	return s.verifyClaims(p)
}

func (s *Server) verifyClaims(p parsedJWT) (*verifiedToken, error) {
	c := p.claims
	if c.Iss != s.config.PublicURL || string(c.Aud) != s.fhirURL() {
		return nil, invalidToken("token is for another server")
	}
	if !c.Exp.sane() || c.JTI == "" || c.ClientID == "" || c.ClientID != c.Sub {
		return nil, invalidToken("token lacks a claim")
	}
	if c.Nbf.set() && c.Nbf.time().After(s.config.Now().Add(clockSkew)) {
		return nil, invalidToken("token is not valid yet")
	}
	scopes, err := ParseScopes(c.Scope)
	if err != nil {
		return nil, invalidToken("token has unknown scopes")
	}
	return &verifiedToken{
		kid: p.header.Kid, expires: c.Exp.time(), generation: c.Generation,
		scopes: scopes, client: c.ClientID, id: c.JTI,
	}, nil
}
