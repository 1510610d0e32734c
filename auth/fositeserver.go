package auth

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/ory/fosite"
	"github.com/ory/fosite/handler/oauth2"
)

// This file is the only one that knows fosite. Of fosite it uses the token
// endpoint and the client-credentials grant and nothing else. Who the client
// is, which scopes cover which, and what a token looks like is decided by our
// own code behind fosite's interfaces, because its own client assertions put
// no limit on lifetime and spend the jti before the audience is checked, its
// scope strategies do not read SMART scopes, and its signer knows one key.

// A granter runs the grant.
type granter struct {
	server   *Server
	provider fosite.OAuth2Provider
	audience string
}

// An issuedToken is what a successful request gets.
type issuedToken struct {
	text   string
	scopes Scopes
	client *clientRecord
}

func newGranter(s *Server) *granter {
	g := &granter{server: s, audience: s.fhirURL()}
	config := &fosite.Config{
		AccessTokenLifespan: s.config.TokenLife,
		ScopeStrategy:       coverStrategy,
		TokenURL:            s.tokenURL(),
		ClientAuthenticationStrategy: func(ctx context.Context, r *http.Request, form url.Values) (fosite.Client, error) {
			rec, err := s.authenticateClient(ctx, r, form)
			if err != nil {
				return nil, err
			}
			return &grantClient{rec: rec, audience: g.audience}, nil
		},
	}
	config.TokenEndpointHandlers.Append(&oauth2.ClientCredentialsGrantHandler{
		HandleHelper: &oauth2.HandleHelper{AccessTokenStrategy: g, AccessTokenStorage: g, Config: config},
		Config:       config,
	})
	g.provider = fosite.NewOAuth2Provider(g, config)
	return g
}

// coverStrategy is fosite's question whether registered scopes cover one that
// is asked for. What does not parse covers nothing and is not covered.
func coverStrategy(registered []string, wanted string) bool {
	want, err := ParseScope(wanted)
	if err != nil {
		return false
	}
	var have Scopes
	for _, text := range registered {
		if s, err := ParseScope(text); err == nil {
			have = append(have, s)
		}
	}
	return have.Cover(want)
}

// grant answers a token request whose form has been checked and parsed.
func (g *granter) grant(ctx context.Context, r *http.Request) (issuedToken, error) {
	req, err := g.provider.NewAccessRequest(ctx, r, &fosite.DefaultSession{})
	if err != nil {
		return issuedToken{}, g.fault(req, err)
	}
	client, ok := req.GetClient().(*grantClient)
	if !ok {
		return issuedToken{}, errors.New("fosite returned a client that is not ours")
	}
	scopes, err := client.rec.grantable(req.GetRequestedScopes())
	if err != nil {
		return issuedToken{}, err
	}
	for _, s := range scopes.Texts() {
		req.GrantScope(s)
	}
	req.GrantAudience(g.audience)
	resp, err := g.provider.NewAccessResponse(ctx, req)
	if err != nil {
		return issuedToken{}, g.fault(req, err)
	}
	return issuedToken{text: resp.GetAccessToken(), scopes: scopes, client: client.rec}, nil
}

// fault turns fosite's errors into ours. Its texts quote the request and are
// not passed on.
func (g *granter) fault(req fosite.AccessRequester, err error) error {
	var theirs *fosite.RFC6749Error
	if !errors.As(err, &theirs) {
		return err
	}
	e := &oauthError{code: theirs.ErrorField, text: "the request is not acceptable", reason: "refused by the grant", cause: err}
	if client, ok := clientOf(req); ok {
		e.client = client.rec
		if _, err := client.rec.grantable(req.GetRequestedScopes()); err != nil {
			return err // says which scope, and why
		}
	}
	switch _, known := oauthStatus[e.code]; {
	case errors.Is(err, fosite.ErrJTIKnown), errors.Is(err, fosite.ErrRequestUnauthorized):
		e.code = "invalid_client"
	case !known:
		e.code = "server_error"
	}
	return e
}

func clientOf(req fosite.AccessRequester) (*grantClient, bool) {
	if req == nil {
		return nil, false
	}
	c, ok := req.GetClient().(*grantClient)
	return c, ok
}

// GenerateAccessToken issues the token for a granted request.
func (g *granter) GenerateAccessToken(ctx context.Context, req fosite.Requester) (token, signature string, err error) {
	client, ok := req.GetClient().(*grantClient)
	if !ok {
		return "", "", errors.New("fosite returned a client that is not ours")
	}
	var scopes Scopes
	for _, text := range req.GetGrantedScopes() {
		s, err := ParseScope(text)
		if err != nil {
			return "", "", err
		}
		scopes = append(scopes, s)
	}
	token, err = g.server.mint(ctx, client.rec, scopes)
	return token, g.AccessTokenSignature(ctx, token), err
}

// AccessTokenSignature is the name under which fosite would store the token;
// ours are self-contained and not stored.
func (g *granter) AccessTokenSignature(context.Context, string) string { return "" }

// ValidateAccessToken is part of fosite's interface and not used: tokens are
// verified by Server.Authenticate.
func (g *granter) ValidateAccessToken(context.Context, fosite.Requester, string) error {
	return fosite.ErrRequestUnauthorized
}

// The storage that fosite's interfaces ask for. Nothing is stored here, and
// what would decide something refuses.

// GetClient refuses: clients are authenticated by our own strategy.
func (g *granter) GetClient(context.Context, string) (fosite.Client, error) {
	return nil, fosite.ErrNotFound
}

// ClientAssertionJWTValid refuses: see Server.spend.
func (g *granter) ClientAssertionJWTValid(context.Context, string) error { return fosite.ErrJTIKnown }

// SetClientAssertionJWT refuses: see Server.spend.
func (g *granter) SetClientAssertionJWT(context.Context, string, time.Time) error {
	return fosite.ErrJTIKnown
}

// CreateAccessTokenSession stores nothing.
func (g *granter) CreateAccessTokenSession(context.Context, string, fosite.Requester) error {
	return nil
}

// GetAccessTokenSession refuses.
func (g *granter) GetAccessTokenSession(context.Context, string, fosite.Session) (fosite.Requester, error) {
	return nil, fosite.ErrNotFound
}

// DeleteAccessTokenSession has nothing to delete.
func (g *granter) DeleteAccessTokenSession(context.Context, string) error { return nil }

// A grantClient is an authenticated client in fosite's terms.
type grantClient struct {
	rec      *clientRecord
	audience string
}

func (c *grantClient) GetID() string                      { return c.rec.ID }
func (c *grantClient) GetHashedSecret() []byte            { return nil }
func (c *grantClient) GetRedirectURIs() []string          { return nil }
func (c *grantClient) GetResponseTypes() fosite.Arguments { return nil }
func (c *grantClient) GetScopes() fosite.Arguments        { return c.rec.scopes.Texts() }
func (c *grantClient) IsPublic() bool                     { return false }
func (c *grantClient) GetAudience() fosite.Arguments      { return fosite.Arguments{c.audience} }
func (c *grantClient) GetGrantTypes() fosite.Arguments {
	return fosite.Arguments{"client_credentials"}
}
