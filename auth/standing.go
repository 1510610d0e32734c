package auth

import "context"

// Principal returns a client with all the scopes it is registered with, for
// work that it began and that goes on after its request. An unknown or disabled
// client is an error.
func (r *Registry) Principal(ctx context.Context, id string) (Principal, error) {
	rec, err := r.read(ctx, id)
	if err != nil {
		return Principal{}, err
	}
	if rec == nil || rec.Disabled {
		return Principal{}, errNoClient()
	}
	return rec.principal(rec.scopes), nil
}

// principal returns the client with those of its scopes.
func (rec *clientRecord) principal(scopes Scopes) Principal {
	p := NewPrincipal(rec.ID, rec.Role, rec.Org, scopes)
	p.Profiles = rec.Profiles
	return p
}
