package rest

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/gateway/store"
)

// maxReferrers is how many resources that refer to a deleted one are named.
const maxReferrers = 10

// unreferenced refuses to delete what the current version of another resource
// refers to: 409, naming those that the caller may see. What is deleted with it
// is no obstacle. Earlier versions do not count, nor do Provenances: they name
// versions, which stay. In the sandbox nothing is checked.
func (a *API) unreferenced(ctx context.Context, p auth.Principal, deleted []store.Version) error {
	return a.unreferencedBut(ctx, p, deleted, deleted, nil)
}

// unreferencedBut is unreferenced where more is deleted at the same time, and
// pending is written.
func (a *API) unreferencedBut(ctx context.Context, p auth.Principal, deleted, all []store.Version, pending *overlay) error {
	if p.Sandbox() {
		return nil
	}
	going := make(map[store.Key]bool, len(all))
	for _, v := range all {
		going[v.Key] = true
	}
	var names []string
	held := false
	for _, v := range deleted {
		refs, err := a.referrers(ctx, v.Key, going, pending)
		if err != nil {
			return err
		}
		held = held || len(refs) > 0
		for _, r := range refs {
			if p.View("read").Sees(r.Key.Type, r.Access) && len(names) < maxReferrers && !slices.Contains(names, r.Key.String()) {
				names = append(names, r.Key.String())
			}
		}
	}
	if !held {
		return nil
	}
	return referred(names)
}

// referred is the refusal to delete; without names when the caller may see none
// of those who refer.
func referred(names []string) error {
	const text = "other resources refer to it; delete or change them first"
	if len(names) == 0 {
		return fhir.StatusErrorf(http.StatusConflict, fhir.Conflict, text)
	}
	e := &fhir.Error{Status: http.StatusConflict}
	for _, n := range names {
		e.Issues = append(e.Issues, fhir.Issue{Code: fhir.Conflict, Rule: "referential-integrity", Text: text + ": " + n})
	}
	return e
}

// referrers returns some of the resources that will refer to the key.
func (a *API) referrers(ctx context.Context, k store.Key, going map[store.Key]bool, pending *overlay) ([]store.Version, error) {
	var out []store.Version
	parts := slices.DeleteFunc(a.Registry.Referrers(k), func(p store.Part) bool { return p.Type == "Provenance" || p.Type == auditEvent })
	for len(parts) > 0 && len(out) < maxReferrers {
		n := min(len(parts), maxParts)
		page, err := a.Store.Search(ctx, store.Query{View: auth.SystemView(), Type: parts[0].Type, Where: parts[0].Where, Or: parts[1:n],
			Limit: maxReferrers + len(going) + pending.size(), KeysOnly: true})
		if errors.Is(err, store.ErrTooCostly) { // far too many to look at
			return []store.Version{{}}, nil
		}
		if err != nil {
			return nil, err
		}
		for _, v := range page.Versions {
			if !going[v.Key] && v.Key != k && !pending.writes(v.Key) {
				out = append(out, v)
			}
		}
		parts = parts[n:]
	}
	return append(out, pending.referrers(k)...), nil
}

// maxParts is how many alternatives one query has.
const maxParts = 64
