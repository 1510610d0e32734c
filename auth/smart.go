package auth

import (
	"maps"
	"slices"

	"github.com/go-json-experiment/json"
)

// smartDoc is SMART App Launch 2.2, "Conformance", and RFC 8414.
type smartDoc struct {
	Issuer        string   `json:"issuer"`
	JWKSURI       string   `json:"jwks_uri"`
	TokenEndpoint string   `json:"token_endpoint"`
	AuthMethods   []string `json:"token_endpoint_auth_methods_supported"`
	AuthAlgs      []string `json:"token_endpoint_auth_signing_alg_values_supported"`
	GrantTypes    []string `json:"grant_types_supported"`
	Scopes        []string `json:"scopes_supported"`
	Challenges    []string `json:"code_challenge_methods_supported"`
	Capabilities  []string `json:"capabilities"`
}

// smartConfiguration says what is there and no more. The standard demands
// code_challenge_methods_supported of every server; it concerns only the
// authorisation endpoint, of which there is none.
func (s *Server) smartConfiguration() ([]byte, error) {
	return json.Marshal(smartDoc{
		Issuer:        s.config.PublicURL,
		JWKSURI:       s.config.PublicURL + JWKSPath,
		TokenEndpoint: s.tokenURL(),
		AuthMethods:   []string{"client_secret_basic", "private_key_jwt"},
		AuthAlgs:      slices.Sorted(maps.Keys(assertionAlgs)),
		GrantTypes:    []string{"client_credentials"},
		Scopes:        []string{DefaultScope, "system/*.rs"},
		Challenges:    []string{"S256"},
		Capabilities:  []string{"client-confidential-symmetric", "client-confidential-asymmetric", "permission-v1", "permission-v2"},
	})
}
