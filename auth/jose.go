package auth

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"math"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/golang-jwt/jwt/v5"
)

const (
	// maxJWT bounds a token or assertion, in bytes.
	maxJWT = 8 << 10
	// clockSkew is how far two honest clocks may differ.
	clockSkew = 5 * time.Second
)

var b64 = base64.RawURLEncoding.Strict()

// A jose header, RFC 7515 section 4.1. Members that would move the choice of
// the key to the sender (jwk, jku, x5u, x5c) are not read.
type joseHeader struct {
	Alg  string         `json:"alg"`
	Kid  string         `json:"kid"`
	Typ  string         `json:"typ"`
	Crit jsontext.Value `json:"crit"`
}

// jwtClaims are the registered claims (RFC 7519, section 4.1) and those of an
// access token (RFC 9068).
type jwtClaims struct {
	Iss      string      `json:"iss"`
	Sub      string      `json:"sub"`
	Aud      audience    `json:"aud"`
	Exp      numericDate `json:"exp"`
	Nbf      numericDate `json:"nbf,omitzero"`
	Iat      numericDate `json:"iat,omitzero"`
	JTI      string      `json:"jti"`
	ClientID string      `json:"client_id,omitzero"`
	Scope    string      `json:"scope,omitzero"`
	// Generation is the client's at the time of issue; see Client.
	Generation int `json:"gen,omitzero"`
}

// An audience is one string or a list of one: a token for two audiences is a
// token that one of them could replay at the other.
type audience string

var errAudience = errors.New("aud must be one string")

// UnmarshalJSON reads "a" or ["a"].
func (a *audience) UnmarshalJSON(b []byte) error {
	if jsontext.Value(b).Kind() == '"' {
		return json.Unmarshal(b, (*string)(a))
	}
	var list []string
	if err := json.Unmarshal(b, &list); err != nil || len(list) != 1 {
		return errAudience
	}
	*a = audience(list[0])
	return nil
}

// A numericDate is a time in seconds since 1970; 0 means absent.
type numericDate float64

func (d numericDate) set() bool { return d != 0 }

// sane reports whether the number can be a time at all: from 1970 to 5138.
func (d numericDate) sane() bool { return d > 0 && d < 1e11 && !math.IsNaN(float64(d)) }

func (d numericDate) time() time.Time { return time.UnixMilli(int64(float64(d) * 1000)) }

// A parsedJWT is a token taken apart and not yet believed.
type parsedJWT struct {
	header joseHeader
	claims jwtClaims
	signed string
	sig    []byte
}

var errNotJWT = errors.New("not a signed JWT")

// parseJWT takes a compact JWS apart. It is strict where parsers disagree:
// no duplicate or wrongly cased names, no padding, no critical extensions.
func parseJWT(text string) (parsedJWT, error) {
	var p parsedJWT
	if len(text) > maxJWT || strings.Count(text, ".") != 2 {
		return p, errNotJWT
	}
	dot := strings.LastIndexByte(text, '.')
	p.signed = text[:dot]
	head, body, _ := strings.Cut(p.signed, ".")
	var err error
	if p.sig, err = b64.DecodeString(text[dot+1:]); err != nil {
		return p, errNotJWT
	}
	if decodeSegment(head, &p.header) != nil || decodeSegment(body, &p.claims) != nil {
		return p, errNotJWT
	}
	if p.header.Crit != nil {
		return p, errNotJWT
	}
	return p, nil
}

func decodeSegment(text string, into any) error {
	b, err := b64.DecodeString(text)
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(b, []byte("{")) {
		return errNotJWT
	}
	return json.Unmarshal(b, into)
}

// An algorithm is a way to sign that this package accepts, and the key it
// needs. `none` and the HMAC family are not in the table, so they cannot be
// chosen.
type algorithm struct {
	method jwt.SigningMethod
	curve  elliptic.Curve // nil: RSA
}

// assertionAlgs are the algorithms of client assertions; RS384 and ES384 are
// those that SMART requires.
var assertionAlgs = map[string]algorithm{
	"RS384": {method: jwt.SigningMethodRS384},
	"RS512": {method: jwt.SigningMethodRS512},
	"PS256": {method: jwt.SigningMethodPS256},
	"ES384": {method: jwt.SigningMethodES384, curve: elliptic.P384()},
}

// tokenAlg is how this package signs access tokens.
var tokenAlg = algorithm{method: jwt.SigningMethodES256, curve: elliptic.P256()}

// fits reports whether the key is of the algorithm's kind and curve.
func (a algorithm) fits(key crypto.PublicKey) bool {
	switch k := key.(type) {
	case *rsa.PublicKey:
		return a.curve == nil
	case *ecdsa.PublicKey:
		return a.curve == k.Curve
	}
	return false
}

// verify checks the signature; a key of another kind is a failure.
func (p parsedJWT) verify(a algorithm, key crypto.PublicKey) bool {
	return a.fits(key) && a.method.Verify(p.signed, p.sig, key) == nil
}

// signJWT returns a compact JWS.
func signJWT(a algorithm, kid, typ string, claims jwtClaims, key crypto.PrivateKey) (string, error) {
	head, err := json.Marshal(map[string]string{"alg": a.method.Alg(), "kid": kid, "typ": typ}, json.Deterministic(true))
	if err != nil {
		return "", err
	}
	body, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	signed := b64.EncodeToString(head) + "." + b64.EncodeToString(body)
	sig, err := a.method.Sign(signed, key)
	if err != nil {
		return "", err
	}
	return signed + "." + b64.EncodeToString(sig), nil
}
