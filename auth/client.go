package auth

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"trellis.example/fhir"
)

// A Client is a system that may ask for tokens, or an MLLP sender. It never
// marshals its secret's hash.
type Client struct {
	ID   string `json:"client_id"`
	Role Role   `json:"role"`
	// Org is the ODS code of the organisation for which the client acts, or
	// "": then it sees only what it made or was given itself.
	Org string `json:"org,omitzero"`
	// Scopes are what the client may ask for, separated by spaces.
	Scopes string `json:"scope"`
	// SecretHash is set when the client authenticates with a secret. It is
	// a hash, but still nobody's business.
	SecretHash Secret `json:"-"`
	// JWKS or JWKSURI hold the public keys of a client that authenticates
	// with signed assertions; Algs the algorithms it may use.
	JWKS    jsontext.Value `json:"jwks,omitzero"`
	JWKSURI string         `json:"jwks_uri,omitzero"`
	Algs    []string       `json:"algs,omitzero"`
	// Disabled clients get no tokens, and those they have count no longer.
	Disabled bool `json:"disabled,omitzero"`
	// MLLP binds an HL7 v2 sender to this client; nil for none.
	MLLP *MLLPBinding `json:"mllp,omitzero"`
	// Profiles are the canonicals that the partner agreed to follow: each
	// document it sends of their types must, whatever it claims itself.
	Profiles []string `json:"profiles,omitzero"`
	// Generation is raised when the client's credentials change; tokens of
	// an older generation count no longer.
	Generation int       `json:"generation"`
	CreatedAt  time.Time `json:"created_at"`
	ChangedAt  time.Time `json:"changed_at"`
}

// An MLLPBinding says which HL7 v2 connection belongs to a client. With a
// certificate, given as CertSHA256 or CN, only a TLS connection that proved it
// matches; without one, only a plain connection (which is loopback only).
type MLLPBinding struct {
	// CertSHA256 is the SHA-256 of the certificate in DER, lower-case
	// hexadecimal.
	CertSHA256 string `json:"cert_sha256,omitzero"`
	// CN is the subject's common name in a certificate that the listener
	// has verified.
	CN string `json:"cn,omitzero"`
	// MSH3 and MSH4 are the sending application and facility, compared
	// exactly. Both are required.
	MSH3 string `json:"msh3"`
	MSH4 string `json:"msh4"`
	// Partner names the agreement whose map and profiles apply.
	Partner string `json:"partner,omitzero"`
	// ReplyTo is host:port where the sender takes answers (RRI) over MLLP;
	// "" when it takes none.
	ReplyTo string `json:"reply_to,omitzero"`
	// TLSName is the name that the certificate at ReplyTo must have; "" means
	// the host of ReplyTo.
	TLSName string `json:"tls_name,omitzero"`
	// OurApplication and OurFacility are MSH-3 and MSH-4 of what is sent to the
	// partner, ReplyApplication and ReplyFacility MSH-5 and MSH-6; "" means
	// TRELLIS and nothing, and MSH3 and MSH4.
	OurApplication   string `json:"our_application,omitzero"`
	OurFacility      string `json:"our_facility,omitzero"`
	ReplyApplication string `json:"reply_application,omitzero"`
	ReplyFacility    string `json:"reply_facility,omitzero"`
	// Version is MSH-12 of what is sent to the partner; "" means the version of
	// its own message.
	Version string `json:"version,omitzero"`
	// Charset is the character set of its messages that state none, and of what
	// is sent to it: "UNICODE UTF-8", "8859/1" or "ASCII". "" means ASCII for
	// the first and UNICODE UTF-8 for the second.
	Charset string `json:"charset,omitzero"`
	// CommitAck answers with CA, CE and CR where the partner asks for an accept
	// acknowledgement (enhanced mode); otherwise with AA, AE and AR.
	CommitAck bool `json:"commit_ack,omitzero"`
	// Answer is "rri" when the partner waits for the application answer (RRI) on
	// its own connection, and "" or "ack" when it takes an ACK there and the RRI
	// later at ReplyTo.
	Answer string `json:"answer,omitzero"`
}

// Method returns how the client authenticates at the token endpoint:
// "client_secret_basic" or "private_key_jwt".
func (c Client) Method() string {
	if c.JWKS != nil || c.JWKSURI != "" {
		return "private_key_jwt"
	}
	return "client_secret_basic"
}

// String returns the client on one line, for people.
func (c Client) String() string {
	state := "enabled"
	if c.Disabled {
		state = "disabled"
	}
	org := c.Org
	if org == "" {
		org = "-"
	}
	return fmt.Sprintf("%-24s %-26s %-12s %-8s %-19s %s", c.ID, c.Role, org, state, c.Method(), c.Scopes)
}

// ClientHeader is the head line for a list of [Client.String].
const ClientHeader = "CLIENT                   ROLE                       ORGANISATION STATE    METHOD              SCOPE"

// DefaultScope is what a client may ask for when nothing was said: all that
// its role allows.
const DefaultScope = "system/*.cruds"

// Credentials are how a client proves itself. Exactly one of the three is
// used; when all are empty a random secret is made.
type Credentials struct {
	// Secret was chosen by a person; prefer one made here.
	Secret Secret
	// JWKS is a JWK set with public keys.
	JWKS []byte
	// JWKSURI is an https URL of one.
	JWKSURI string
	// Algs narrows the algorithms of assertions; empty means all that are
	// supported.
	Algs []string
}

// A NewClient is what a client is registered with.
type NewClient struct {
	ID   string
	Role Role
	Org  string
	// Scope is separated by spaces; "" means [DefaultScope].
	Scope string
	Credentials
	MLLP *MLLPBinding
	// Profiles are the canonicals of the partner's agreement. Whether they
	// exist is for the caller to know.
	Profiles []string
}

// maxProfiles bounds the profiles of one agreement: each costs time on every
// document.
const maxProfiles = 32

func checkProfiles(p *problems, list []string) {
	if len(list) > maxProfiles {
		p.addf("profiles", "must be at most %d canonicals", maxProfiles)
	}
	for _, c := range list {
		if u, err := url.Parse(c); err != nil || !u.IsAbs() || strings.ContainsAny(c, " \t\r\n") {
			p.addf("profiles", "must be canonical URLs, each with or without a version after |")
			return
		}
	}
}

var (
	clientID   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
	odsCode    = regexp.MustCompile(`^[A-Z0-9]{3,12}$`)
	sha256Hex  = regexp.MustCompile(`^[0-9a-f]{64}$`)
	bindingKey = regexp.MustCompile(`^[ -~]{1,227}$`)
	hl7Version = regexp.MustCompile(`^2\.(3(\.1)?|4|5(\.1)?|6|7(\.1)?|8)$`)
	partnerID  = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)
)

// problems gathers every fault of an input, so that all are told at once.
type problems []fhir.Issue

func (p *problems) addf(field, format string, args ...any) {
	*p = append(*p, fhir.Issue{Code: fhir.BadValue, Expression: field, Text: fmt.Sprintf(format, args...)})
}

// err returns the faults as one error, or nil.
func (p problems) err() error { return fhir.Faults(p) }

// check returns every fault of the registration except those of keys that
// would have to be fetched.
func (n NewClient) check() problems {
	var p problems
	if !clientID.MatchString(n.ID) {
		p.addf("client_id", "must be 1 to 64 letters, digits, dots, dashes or underscores and begin with a letter or digit")
	}
	if !n.Role.Valid() {
		p.addf("role", "must be one of %s", roleList())
	}
	if n.Org != "" && !odsCode.MatchString(n.Org) {
		p.addf("org", "must be an ODS code: 3 to 12 capital letters and digits")
	}
	checkScope(&p, n.Scope, n.Role)
	n.Credentials.check(&p, n.ID)
	n.MLLP.check(&p)
	checkProfiles(&p, n.Profiles)
	return p
}

func roleList() string {
	var names []string
	for _, r := range Roles() {
		names = append(names, string(r))
	}
	return strings.Join(names, ", ")
}

// checkScope refuses what could never be granted, so that a client learns it
// at registration and not from an empty answer.
func checkScope(p *problems, text string, role Role) {
	scopes, err := ParseScopes(text)
	if err != nil {
		p.addf("scope", "%v", err)
		return
	}
	for i, s := range scopes {
		if err := enforceable(s, role); role.Valid() && err != nil {
			p.addf("scope", "scope %d: %v", i+1, err)
		}
	}
}

// enforceable says why the scope cannot be given to the role, or nil. A
// wildcard stands for whatever the role allows.
func enforceable(s Scope, role Role) error {
	if len(s.Constraints) > 0 {
		return errors.New("constraints after ? are not supported")
	}
	if missing := s.Letters &^ role.Letters(s.Type); s.Type != "*" && missing != 0 {
		return fmt.Errorf("the role does not allow %s on that type", missing)
	}
	return nil
}

func (c Credentials) check(p *problems, id string) {
	given := 0
	for _, set := range [3]bool{c.Secret != "", c.JWKS != nil, c.JWKSURI != ""} {
		if set {
			given++
		}
	}
	if given > 1 {
		p.addf("credentials", "give one of a secret, a JWK set and a jwks_uri")
	}
	if c.Secret != "" {
		if problem := secretProblem(c.Secret, id); problem != "" {
			p.addf("secret", "%s; better give none and use the one that is made for you", problem)
		}
	}
	c.checkKeys(p)
}

func (c Credentials) checkKeys(p *problems) {
	for _, a := range c.Algs {
		if _, ok := assertionAlgs[a]; !ok {
			p.addf("algs", "must be some of %v", slices.Sorted(maps.Keys(assertionAlgs)))
		}
	}
	if c.JWKS == nil {
		return
	}
	set, faults := parseKeySet(c.JWKS)
	for _, f := range faults {
		p.addf("jwks", "%v", f)
	}
	if len(set) > 0 && !set.usableWith(c.Algs) {
		p.addf("jwks", "no key fits the algorithms given")
	}
}

func (b *MLLPBinding) check(p *problems) {
	if b == nil {
		return
	}
	if b.CertSHA256 != "" && !sha256Hex.MatchString(b.CertSHA256) {
		p.addf("mllp.cert_sha256", "must be 64 lower-case hexadecimal digits")
	}
	if b.CertSHA256 != "" && b.CN != "" {
		p.addf("mllp", "give the certificate's hash or its common name, not both")
	}
	if b.CN != "" && !bindingKey.MatchString(b.CN) {
		p.addf("mllp.cn", "must be printable ASCII")
	}
	if !bindingKey.MatchString(b.MSH3) || !bindingKey.MatchString(b.MSH4) {
		p.addf("mllp", "MSH-3 and MSH-4 are needed, in printable ASCII")
	}
	for _, name := range []string{b.TLSName, b.OurApplication, b.OurFacility, b.ReplyApplication, b.ReplyFacility} {
		if name != "" && !bindingKey.MatchString(name) {
			p.addf("mllp", "names must be printable ASCII, at most 227 characters")
			break
		}
	}
	if b.Version != "" && !hl7Version.MatchString(b.Version) {
		p.addf("mllp.version", "must be a version of HL7 v2 from 2.3 to 2.8")
	}
	if b.Charset != "" && !slices.Contains([]string{"UNICODE UTF-8", "8859/1", "ASCII"}, b.Charset) {
		p.addf("mllp.charset", "must be UNICODE UTF-8, 8859/1 or ASCII")
	}
	if b.Answer != "" && b.Answer != "ack" && b.Answer != "rri" {
		p.addf("mllp.answer", "must be ack or rri")
	}
	if _, _, err := net.SplitHostPort(b.ReplyTo); b.ReplyTo != "" && err != nil {
		p.addf("mllp.reply_to", "must be host:port")
	}
	if b.Partner != "" && !partnerID.MatchString(b.Partner) {
		p.addf("mllp.partner", "must be 1 to 64 small letters, digits, dots, dashes or underscores")
	}
}
