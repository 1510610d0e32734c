package auth

import (
	"errors"
	"net/http"

	"github.com/go-json-experiment/json"

	"trellis.example/fhir"
)

// An oauthError is a refusal by the token endpoint, RFC 6749 section 5.2.
type oauthError struct {
	code   string
	status int    // 0: the code's own
	text   string // told to the caller; ASCII without quotes
	reason string // for the audit alone
	client *clientRecord
	cause  error
}

func (e *oauthError) Error() string { return e.code + ": " + e.text }
func (e *oauthError) Unwrap() error { return e.cause }

var oauthStatus = map[string]int{
	"invalid_request": 400, "invalid_client": 401, "invalid_grant": 400,
	"unauthorized_client": 400, "unsupported_grant_type": 400, "invalid_scope": 400,
	"server_error": 500, "temporarily_unavailable": 503,
}

func (e *oauthError) httpStatus() int {
	if e.status != 0 {
		return e.status
	}
	return oauthStatus[e.code]
}

func oauthFault(code, text string) *oauthError {
	return &oauthError{code: code, text: text, reason: text}
}

// invalidClient is the one answer to every failed client authentication: which
// check failed is for the audit, because the sender may be anyone.
func invalidClient(reason string, rec *clientRecord) *oauthError {
	return &oauthError{
		code: "invalid_client", client: rec, reason: reason,
		text: "client authentication failed",
	}
}

// visibleFault is an invalid_client for what anyone can see in the request
// itself, before a client is looked up: naming it helps its author and nobody
// else.
func visibleFault(reason string) *oauthError {
	return &oauthError{code: "invalid_client", reason: reason, text: reason}
}

// asOAuthError classifies an error that is not ours: the store's as
// temporary, everything else as a fault that tells nothing.
func asOAuthError(err error) *oauthError {
	if e, ok := errors.AsType[*oauthError](err); ok {
		return e
	}
	if fhir.AsError(err).HTTPStatus() == http.StatusServiceUnavailable {
		return &oauthError{code: "temporarily_unavailable", text: "try again", reason: "store unavailable", cause: err}
	}
	return &oauthError{code: "server_error", text: "internal error", reason: "internal error", cause: err}
}

// tokenAnswer is RFC 6749, section 5.1.
type tokenAnswer struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int    `json:"expires_in"`
	Scope       string `json:"scope"`
}

type errorAnswer struct {
	Error       string `json:"error"`
	Description string `json:"error_description"`
}

func writeOAuth(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(`{"error":"server_error"}`)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("Pragma", "no-cache")
	h.Set("X-Content-Type-Options", "nosniff")
	if status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Basic realm="trellis"`)
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) // nobody is left to tell
}
