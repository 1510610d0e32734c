package auth

import (
	"context"
	"slices"

	"trellis.example/fhir"
)

// A Principal is an authenticated client for the length of one request. The
// zero Principal is nobody: it may do nothing and sees nothing.
type Principal struct {
	// ClientID is the OAuth2 client id.
	ClientID string
	// Role is the client's partner role.
	Role Role
	// Org is the ODS code of the client's organisation, or "".
	Org string
	// Partner names the agreement whose maps apply, or "".
	Partner string
	// Profiles are the canonicals that the client's agreement asks of its
	// documents; not to be changed.
	Profiles []string
	// TokenID is the access token's jti, or "" for an MLLP sender.
	TokenID string
	Grant
}

// A Grant is what a caller may do: its token's scopes, its client's scopes
// and its role taken together.
type Grant struct {
	views   *[len(letterOrder)]View // one per letter, in the order of letterOrder
	role    Role
	everyID bool
}

// letterOf maps FHIR interactions (http://hl7.org/fhir/restful-interaction)
// to the letter that allows them, as SMART App Launch 2 does.
var letterOf = map[string]int{
	"create": 0,
	"read":   1, "vread": 1, "history-instance": 1,
	"update": 2, "patch": 2,
	"delete": 3,
	"search": 4, "search-type": 4, "search-system": 4, "history-type": 4, "history-system": 4,
}

// NewPrincipal returns the principal of a client with that role, organisation
// ("" for none) and granted scopes. It is how tests and the gateway's own
// listeners make one; requests get theirs from [Server.Authenticate]. Without
// a client id it is nobody.
func NewPrincipal(clientID string, role Role, org string, scopes Scopes) Principal {
	if clientID == "" {
		return Principal{}
	}
	p := Principal{ClientID: clientID, Role: role, Org: org}
	p.Grant = newGrant(role, p.Owner(), scopes)
	return p
}

func newGrant(role Role, owner string, scopes Scopes) Grant {
	t, _ := roles()
	parties := []string{owner, PartyPublic}
	slices.Sort(parties)
	g := Grant{role: role, everyID: t.all[role], views: new([len(letterOrder)]View)}
	for i := range g.views {
		g.views[i] = View{
			all:     t.all[role],
			parties: parties,
			types:   grantedTypes(t.letters[role], scopes, 1<<i),
		}
	}
	return g
}

// grantedTypes returns the types on which both the role and the scopes give
// the letter.
func grantedTypes(role map[string]Letters, scopes Scopes, letter Letters) map[string]bool {
	types := map[string]bool{}
	for typ, l := range role {
		if l&scopes.letters(typ)&letter != 0 {
			types[typ] = true
		}
	}
	if role["*"]&letter == 0 {
		return types
	}
	for _, s := range scopes {
		if s.Letters&letter != 0 && len(s.Constraints) == 0 {
			types[s.Type] = true
		}
	}
	return types
}

// Allow reports whether the interaction (such as "create", "vread" or
// "search-type") on the type is allowed at all; which resources it reaches is
// the View's to say. An unknown interaction is not allowed.
func (g Grant) Allow(interaction, typ string) bool {
	return g.View(interaction).SeesType(typ)
}

// View returns what the interaction may see and change: only types on which
// it is allowed, and only what the caller's parties share. For an unknown
// interaction it sees nothing.
func (g Grant) View(interaction string) View {
	i, ok := letterOf[interaction]
	if !ok || g.views == nil {
		return View{}
	}
	return g.views[i]
}

// Require is [Grant.Allow] as an error: 403 with the missing scope, to which
// [Challenge] adds the header.
func (g Grant) Require(interaction, typ string) error {
	if g.Allow(interaction, typ) {
		return nil
	}
	c := &challenge{code: "insufficient_scope"}
	if i, ok := letterOf[interaction]; ok {
		c.scope = Scope{Type: typ, Letters: 1 << i}.String()
	}
	return fhir.Wrap(c, fhir.Forbidden, "this client's role and scopes do not allow "+interaction+" on this type")
}

// UpdateAsCreate reports whether the caller may choose the id of a resource
// it creates (importer and sandbox).
func (g Grant) UpdateAsCreate() bool { return g.everyID }

// Sandbox reports whether the caller is a test client of a sandbox, for whom
// no workflow, matching, consent or rate rule applies.
func (g Grant) Sandbox() bool { return g.role == RoleSandbox }

// Owner returns the party that owns what the principal creates:
// "org/<ODS code>", or "client/<id>" for a client without an organisation, or
// "" for nobody.
func (p Principal) Owner() string {
	switch {
	case p.Org != "":
		return OrgParty(p.Org)
	case p.ClientID != "":
		return "client/" + p.ClientID
	}
	return ""
}

// OrgParty returns the party of the organisation with that ODS code.
func OrgParty(ods string) string { return "org/" + ods }

// Access returns the access of a new resource of the type: the principal owns
// it and shares it with the other parties; directory entries and definitions
// are public. No value of a document decides it.
func (p Principal) Access(typ string, others ...string) Access {
	if PublicType(typ) {
		others = append(slices.Clone(others), PartyPublic)
	}
	return NewAccess(p.Owner(), others...)
}

type contextKey struct{}

// NewContext returns a context that carries the principal.
func NewContext(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, contextKey{}, p)
}

// From returns the context's principal, or the zero Principal, which may do
// nothing.
func From(ctx context.Context) Principal {
	p, _ := ctx.Value(contextKey{}).(Principal)
	return p
}
