package auth

import (
	"errors"
	"net/http"
	"time"

	"trellis.example/fhir"
)

// The kinds of an [Event].
const (
	// TokenIssued: the token endpoint is about to answer 200.
	TokenIssued = "token-issued"
	// TokenRefused: the token endpoint answers an error.
	TokenRefused = "token-refused"
	// AccessRefused: a request came with a token that is not valid.
	AccessRefused = "access-refused"
)

// An Event is something the audit wants to know. It holds no secret and no
// token.
type Event struct {
	At   time.Time
	Kind string
	// Client, Role and Party are set when the client proved itself; an event
	// without Client is anonymous and should be counted, not kept, because
	// anyone can cause any number of them.
	Client string
	Role   Role
	Party  string
	// Named is a registered client that the request named without proof, by
	// its id or a token that counts no longer; "" when there is none.
	Named string
	// Status is the HTTP status answered; Code the OAuth2 error code, or "".
	Status int
	Code   string
	// Reason says more than the caller is told. It holds no value from the
	// request.
	Reason string
	// Request is the request concerned, for its address and id.
	Request *http.Request
}

// event begins an event of a request.
func (s *Server) event(r *http.Request, kind string, status int) Event {
	return Event{At: s.config.Now().UTC(), Kind: kind, Status: status, Request: r}
}

func (e Event) by(rec *clientRecord) Event {
	if rec != nil {
		e.Client, e.Role = rec.ID, rec.Role
		e.Party = Principal{ClientID: rec.ID, Org: rec.Org}.Owner()
	}
	return e
}

// issuedToken tells the audit of a token before it is handed out.
func (s *Server) issuedToken(r *http.Request, t issuedToken) error {
	if s.config.Observe == nil {
		return nil
	}
	return s.config.Observe(r.Context(), s.event(r, TokenIssued, http.StatusOK).by(t.client))
}

// refusedToken tells the audit of a refusal; it stands whether or not that
// could be written.
func (s *Server) refusedToken(r *http.Request, e *oauthError) {
	if s.config.Observe == nil {
		return
	}
	ev := s.event(r, TokenRefused, e.httpStatus())
	switch {
	case e.client == nil:
	case e.code == "invalid_client":
		ev.Named = e.client.ID
	default:
		ev = ev.by(e.client)
	}
	ev.Code, ev.Reason = e.code, e.reason
	_ = s.config.Observe(r.Context(), ev) // the answer is a refusal either way
}

func (s *Server) refusedAccess(r *http.Request, p Principal, err error) {
	if s.config.Observe == nil {
		return
	}
	ev := s.event(r, AccessRefused, fhir.AsError(err).HTTPStatus())
	ev.Named = p.ClientID
	if c, ok := errors.AsType[*challenge](err); ok {
		ev.Code, ev.Reason = c.code, c.reason
	}
	_ = s.config.Observe(r.Context(), ev) // the answer is a refusal either way
}
