package auth

import (
	"errors"
	"net/http"
	"strings"

	"trellis.example/fhir"
)

// A challenge is the private cause of a refusal: what the WWW-Authenticate
// header says (RFC 6750, section 3), and why, for the audit.
type challenge struct {
	code   string // "" when the request had no token at all
	scope  string
	reason string
}

func (c *challenge) Error() string {
	if c.reason != "" {
		return c.reason
	}
	return c.code
}

// Challenge returns the WWW-Authenticate value that belongs to an error of
// this package or to any other 401 or 403, and "" for every other error.
func Challenge(err error) string {
	if c, ok := errors.AsType[*challenge](err); ok {
		return c.header()
	}
	if err != nil && fhir.AsError(err).HTTPStatus() == http.StatusUnauthorized {
		return (&challenge{}).header()
	}
	return ""
}

func (c *challenge) header() string {
	var b strings.Builder
	b.WriteString(`Bearer realm="trellis"`)
	for _, p := range [2][2]string{{"error", c.code}, {"scope", c.scope}} {
		if p[1] != "" {
			b.WriteString(", " + p[0] + `="` + p[1] + `"`)
		}
	}
	return b.String()
}

// invalidToken is the refusal of a token that was sent. The caller is told
// no more than that; reason goes to the log and the audit.
func invalidToken(reason string) error {
	return fhir.Wrap(&challenge{code: "invalid_token", reason: reason}, fhir.Login,
		"the access token is not valid for this server; ask /oauth2/token for a new one")
}

// noToken is the refusal of a request without a token.
func noToken() error {
	return fhir.Wrap(&challenge{reason: "no token"}, fhir.Login,
		"an access token is needed: send it as Authorization: Bearer")
}
