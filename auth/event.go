package auth

import (
	"net/http"
	"time"
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
	// Client, Role and Party are set when the client is authenticated; an
	// event without Client is anonymous and should be counted, not kept.
	Client string
	Role   Role
	Party  string
	// Status is the HTTP status answered; Code the OAuth2 error code, or "".
	Status int
	Code   string
	// Reason says more than the caller is told. It holds no value from the
	// request.
	Reason string
	// Request is the request concerned, for its address and id.
	Request *http.Request
}
