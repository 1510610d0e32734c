package auth

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"trellis.example/fhir"
)

// The paths of the endpoints, below the public URL.
const (
	TokenPath = "/oauth2/token" //nolint:gosec // an address, not a secret
	JWKSPath  = "/oauth2/jwks"
	SMARTPath = "/.well-known/smart-configuration"
	fhirPath  = "/fhir"
)

const (
	defaultTokenLife = 5 * time.Minute
	maxForm          = 64 << 10 // bytes of a token request
)

// Config is what a Server needs.
type Config struct {
	// PublicURL is the base URL partners use, without a trailing slash. The
	// issuer is PublicURL, the token endpoint PublicURL/oauth2/token and the
	// audience of access tokens PublicURL/fhir. Required.
	PublicURL string
	// KeyDir holds this gateway's private signing keys (mode 0600); it is
	// made when missing. Required.
	KeyDir string
	// Storage is shared by every gateway of one installation. Required.
	Storage Storage
	// TokenLife is how long an access token is valid, 1 minute to 1 hour; 0
	// means 5 minutes.
	TokenLife time.Duration
	// KeyLife is the age at which [Server.Maintain] replaces the signing
	// key; 0 means 90 days.
	KeyLife time.Duration
	// Sandbox lets clients of the role sandbox in, with a jwks_uri by http
	// and at internal addresses if they like.
	Sandbox bool
	// Observe is told of every token issued and every refusal. When it
	// returns an error for an issued token, the token is not handed out.
	// May be nil.
	Observe func(context.Context, Event) error
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// check returns every fault of the configuration, and fills in the defaults.
func (c *Config) check() error {
	var errs []error
	u, err := url.Parse(c.PublicURL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" ||
		u.RawQuery != "" || u.Fragment != "" || u.User != nil || strings.HasSuffix(c.PublicURL, "/") {
		errs = append(errs, errors.New("public URL must be http or https, without query and trailing slash"))
	}
	if c.KeyDir == "" || c.Storage == nil {
		errs = append(errs, errors.New("a key folder and a storage are needed"))
	}
	if c.TokenLife == 0 {
		c.TokenLife = defaultTokenLife
	}
	if c.TokenLife < time.Minute || c.TokenLife > time.Hour {
		errs = append(errs, errors.New("token life must be 1 minute to 1 hour"))
	}
	if c.KeyLife == 0 {
		c.KeyLife = defaultKeyLife
	}
	if c.KeyLife < time.Hour {
		errs = append(errs, errors.New("key life must be at least 1 hour"))
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return errors.Join(errs...)
}

// A Server issues access tokens and recognises them. It is safe for
// concurrent use.
type Server struct {
	// Clients is the registry of clients that the server consults.
	Clients *Registry
	// Keys are the signing keys.
	Keys *Keys

	config     Config
	granter    *granter
	secrets    *secretChecker
	tokens     *cache[[32]byte, *verifiedToken]
	principals *cache[principalKey, Principal]
}

// NewServer returns a server; at the first start it makes and publishes a
// signing key. Its error names every fault of the configuration.
func NewServer(ctx context.Context, c Config) (*Server, error) {
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("configuration of auth: %w", err)
	}
	if _, err := roles(); err != nil {
		return nil, err
	}
	s := &Server{
		Clients:    NewRegistry(c.Storage, c.Sandbox),
		Keys:       OpenKeys(c.KeyDir, c.Storage, c.TokenLife),
		config:     c,
		secrets:    newSecretChecker(),
		tokens:     newCache[[32]byte, *verifiedToken](maxTokens),
		principals: newCache[principalKey, Principal](maxPrincipals),
	}
	s.Clients.now, s.Clients.fetch.now, s.Keys.now = c.Now, c.Now, c.Now
	s.granter = newGranter(s)
	if err := s.Maintain(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Server) tokenURL() string { return s.config.PublicURL + TokenPath }
func (s *Server) fhirURL() string  { return s.config.PublicURL + fhirPath }

// Maintain replaces the signing key when it has come of age and forgets
// retired ones. Call it every few minutes.
func (s *Server) Maintain(ctx context.Context) error {
	return s.Keys.Maintain(ctx, s.config.KeyLife)
}

// TokenHandler serves POST /oauth2/token: the client-credentials grant (RFC
// 6749, section 4.4).
func (s *Server) TokenHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			methodNotAllowed(w, http.MethodPost)
			return
		}
		issued, err := s.issue(w, r)
		if err != nil {
			e := asOAuthError(err)
			s.refusedToken(r, e)
			writeOAuth(w, e.httpStatus(), errorAnswer{Error: e.code, Description: e.text})
			return
		}
		writeOAuth(w, http.StatusOK, tokenAnswer{
			AccessToken: issued.text, TokenType: "bearer",
			ExpiresIn: int(s.config.TokenLife.Seconds()), Scope: issued.scopes.String(),
		})
	})
}

// issue grants a token and has it audited before anyone gets it.
func (s *Server) issue(w http.ResponseWriter, r *http.Request) (issuedToken, error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := checkForm(r); err != nil {
		return issuedToken{}, err
	}
	issued, err := s.granter.grant(r.Context(), r)
	if err != nil {
		return issuedToken{}, err
	}
	if err := s.issuedToken(r, issued); err != nil {
		return issuedToken{}, storeFault(err)
	}
	return issued, nil
}

// checkForm reads the form and refuses what RFC 6749, sections 3.2 and 4.4.2
// do not allow.
func checkForm(r *http.Request) error {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/x-www-form-urlencoded" {
		return oauthFault("invalid_request", "Content-Type must be application/x-www-form-urlencoded")
	}
	if r.URL.RawQuery != "" {
		return oauthFault("invalid_request", "parameters belong in the body, not in the URL")
	}
	if err := r.ParseForm(); err != nil {
		e := oauthFault("invalid_request", "the form cannot be read, or is larger than 64 KiB")
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			e.status = http.StatusRequestEntityTooLarge
		}
		return e
	}
	for _, values := range r.PostForm {
		if len(values) > 1 {
			return oauthFault("invalid_request", "a parameter is given more than once")
		}
	}
	if len(r.PostForm.Get("scope")) > maxScopeText {
		return oauthFault("invalid_scope", "scope is too long")
	}
	switch r.PostForm.Get("grant_type") {
	case "client_credentials":
		return nil
	case "":
		return oauthFault("invalid_request", "grant_type is missing")
	}
	return oauthFault("unsupported_grant_type", "grant_type must be client_credentials")
}

// JWKSHandler serves GET /oauth2/jwks: the keys that verify access tokens.
func (s *Server) JWKSHandler() http.Handler {
	return getHandler(func(r *http.Request) ([]byte, error) { return s.Keys.jwks(r.Context()) })
}

// SMARTHandler serves GET /.well-known/smart-configuration.
func (s *Server) SMARTHandler() http.Handler {
	return getHandler(func(*http.Request) ([]byte, error) { return s.smartConfiguration() })
}

func getHandler(body func(*http.Request) ([]byte, error)) http.Handler {
	maxAge := "public, max-age=" + strconv.Itoa(int(jwksMaxAge.Seconds()))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			methodNotAllowed(w, "GET, HEAD")
			return
		}
		b, err := body(r)
		if err != nil {
			writeOutcome(w, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", maxAge)
		w.Header().Set("Content-Length", strconv.Itoa(len(b)))
		_, _ = w.Write(b) // nobody is left to tell
	})
}

func methodNotAllowed(w http.ResponseWriter, allow string) {
	w.Header().Set("Allow", allow)
	writeOAuth(w, http.StatusMethodNotAllowed, errorAnswer{Error: "invalid_request", Description: "the method must be " + allow})
}

// Middleware lets only authenticated requests through, with the principal in
// their context for [From]. Others get an OperationOutcome.
func (s *Server) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, err := s.Authenticate(r)
		if err != nil {
			writeOutcome(w, err)
			return
		}
		next.ServeHTTP(w, r.WithContext(NewContext(r.Context(), p)))
	})
}

func writeOutcome(w http.ResponseWriter, err error) {
	e := fhir.AsError(err)
	if c := Challenge(err); c != "" {
		w.Header().Set("WWW-Authenticate", c)
	}
	w.Header().Set("Content-Type", "application/fhir+json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(e.HTTPStatus())
	_, _ = w.Write(fhir.Outcome(e.Issues)) // nobody is left to tell
}
