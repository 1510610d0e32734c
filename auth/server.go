package auth

import (
	"context"
	"net/http"
	"time"

	"trellis.example/fhir"
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
	// TokenLife is how long an access token is valid; 0 means 5 minutes.
	TokenLife time.Duration
	// KeyLife is the age at which [Server.Maintain] replaces the signing
	// key; 0 means 90 days.
	KeyLife time.Duration
	// Sandbox allows the role sandbox, and jwks_uri by http and at private
	// addresses.
	Sandbox bool
	// Observe is told of every token issued and every refusal. When it
	// returns an error for an issued token, the token is not handed out.
	// May be nil.
	Observe func(context.Context, Event) error
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// A Server issues access tokens and recognises them. It is safe for
// concurrent use.
type Server struct {
	// Clients is the registry of clients that the server consults.
	Clients *Registry
}

// NewServer returns a server; at the first start it makes and publishes a
// signing key.
func NewServer(ctx context.Context, c Config) (*Server, error) { return &Server{}, nil }

// Maintain replaces the signing key when it has come of age and forgets
// retired ones. Call it every few minutes.
func (s *Server) Maintain(ctx context.Context) error { return nil }

// TokenHandler serves POST /oauth2/token.
func (s *Server) TokenHandler() http.Handler { return http.NotFoundHandler() }

// JWKSHandler serves GET /oauth2/jwks.
func (s *Server) JWKSHandler() http.Handler { return http.NotFoundHandler() }

// SMARTHandler serves GET /.well-known/smart-configuration.
func (s *Server) SMARTHandler() http.Handler { return http.NotFoundHandler() }

// Authenticate returns who sent the request. Its errors are *fhir.Error with
// status 401, or 503 when the store cannot answer; [Challenge] gives the
// WWW-Authenticate value.
func (s *Server) Authenticate(r *http.Request) (Principal, error) { return Principal{}, noToken() }

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
	w.Write(fhir.Outcome(e.Issues)) //nolint:errcheck // the caller is gone
}
