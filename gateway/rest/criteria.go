package rest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/gateway/search"
	"trellis.example/gateway/store"
)

const (
	ifNoneExistScope = "if-none-exist"
	// ifNoneExistLife is longer than any commit takes: once it is over, the
	// search finds what was created.
	ifNoneExistLife = time.Minute
)

// criteria are the search by which a conditional interaction names its resource
// (R4 http, sections 3.1.0.4.3, 3.1.0.7.1 and 3.1.0.8.1).
type criteria struct {
	typ   string
	query *search.Query
	// key names the criteria among the claims: of many at once who find nothing,
	// one creates.
	key string
	// made is the id of what another request created under the claim meanwhile.
	made string
	// chains is what chains may go through: what the client may search, whatever
	// the interaction.
	chains auth.View
}

// criteria reads a search as it stands after the "?" of an address.
func (a *API) criteria(p auth.Principal, typ, raw string) (*criteria, error) {
	params, err := url.ParseQuery(strings.TrimPrefix(raw, "?"))
	if err != nil {
		return nil, fhir.Errorf(fhir.Invalid, "the criteria are not well formed; expected a search, such as identifier=system|value")
	}
	return a.criteriaOf(p, typ, params)
}

func (a *API) criteriaOf(p auth.Principal, typ string, params url.Values) (*criteria, error) {
	for name := range params {
		if _, other := resultParams[name]; other {
			return nil, fhir.Errorf(fhir.NotSupported, "criteria hold search parameters only, none that shape an answer")
		}
	}
	q, err := a.Registry.Parse([]string{typ}, params, false)
	if err != nil {
		return nil, err
	}
	if len(params) == 0 || q.Conditions() == 0 {
		return nil, fhir.Errorf(fhir.Invalid, "a conditional interaction needs at least one search parameter, such as identifier=system|value")
	}
	sum := sha256.Sum256([]byte(typ + "?" + q.Applied.Encode()))
	return &criteria{typ: typ, query: q, key: p.Owner() + "\n" + hex.EncodeToString(sum[:]), chains: p.View("search-type")}, nil
}

// resultParams shape the answer of a search and say nothing of a match.
var resultParams = map[string]struct{}{
	"_count": {}, "_cursor": {}, "_elements": {}, "_include": {}, "_revinclude": {}, "_include:iterate": {}, "_revinclude:iterate": {},
	"_sort": {}, "_summary": {}, "_total": {}, "_contained": {}, "_containedType": {},
}

// matches returns at most limit resources that meet the criteria, as far as the
// view sees them.
func (a *API) matches(ctx context.Context, v auth.View, c *criteria, limit int) ([]store.Version, error) {
	if c.made != "" {
		return a.madeMeanwhile(ctx, v, c)
	}
	through := v
	if c.chains.SeesType(c.typ) {
		through = c.chains
	}
	sq, err := a.Registry.Resolve(ctx, a.Store, through, c.query, 0)
	if err != nil {
		return nil, err
	}
	sq.View, sq.Limit, sq.Total = v, limit, false
	page, err := a.Store.Search(ctx, sq)
	return page.Versions, err
}

// madeMeanwhile returns what the holder of the claim has created. It stands for
// the criteria while the claim does, whether or not it meets them.
func (a *API) madeMeanwhile(ctx context.Context, v auth.View, c *criteria) ([]store.Version, error) {
	got, err := a.Store.Read(ctx, v, store.Key{Type: c.typ, ID: c.made})
	if err != nil {
		return nil, err
	}
	if got.Deleted {
		return nil, fhir.Errorf(fhir.Conflict, "a resource with these criteria was created and deleted within the last minute; try again")
	}
	return []store.Version{got}, nil
}

// match returns the one resource that meets the criteria, nil when none does;
// several are 412.
func (a *API) match(ctx context.Context, v auth.View, c *criteria) (*store.Version, error) {
	found, err := a.matches(ctx, v, c, 2)
	switch {
	case err != nil || len(found) == 0:
		return nil, err
	case len(found) > 1:
		return nil, severalMatches()
	}
	return &found[0], nil
}

func severalMatches() error {
	return fhir.Errorf(fhir.MultipleHits, "the criteria match more than one resource")
}

// claim lets exactly one of many concurrent creates with these criteria through.
func (c *criteria) claim(commit *store.Commit, id string, now time.Time) {
	if c != nil {
		commit.Claims = append(commit.Claims, store.Claim{Scope: ifNoneExistScope, Key: c.key, Answer: []byte(id), Expires: now.Add(ifNoneExistLife)})
	}
}

// lost notes what another request has created under the same criteria, and
// reports whether that is why err came about.
func (c *criteria) lost(err error) bool {
	taken, ok := errors.AsType[*store.Taken](err)
	if !ok || c == nil || taken.Claim.Scope != ifNoneExistScope || taken.Claim.Key != c.key {
		return false
	}
	c.made = string(taken.Claim.Answer)
	return true
}

// ifNoneExist reads the header of a conditional create; nil without it.
func (q *Request) ifNoneExist() (*criteria, error) {
	h := q.Header["If-None-Exist"]
	switch {
	case len(h) == 0:
		return nil, nil //nolint:nilnil // no criteria is no error
	case len(h) > 1:
		return nil, fhir.Errorf(fhir.Invalid, "If-None-Exist is one search, such as identifier=system|value")
	}
	return q.api.criteria(q.Principal, q.Type, h[0])
}

// found answers a conditional create with what is there.
func (q *Request) found(v store.Version) (Response, error) {
	q.entry.Entities = []string{versionName(v.Key, v.Number)}
	q.entry.Patients = q.patientsOf(v.Key, v.Body)
	if err := q.record(); err != nil {
		return Response{}, err
	}
	resp := versioned(http.StatusOK, v)
	if !q.Principal.Allow("read", v.Key.Type) { // who may create need not be shown what others did
		resp.Body = nil
	}
	resp.Location = q.api.location(v.Key, v.Number)
	return q.preferred(resp, nil), nil
}
