package rest

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
	"time"

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

// conditional decides a create with If-None-Exist (R4 http, section 3.1.0.8.1).
// Without the header its methods do nothing.
type conditional struct {
	q     *Request
	query *search.Query
	key   string
	// answered: what the criteria match exists, and was returned.
	answered bool
}

func (q *Request) ifNoneExist() (*conditional, Response, error) {
	c := &conditional{q: q}
	criteria := q.Header["If-None-Exist"]
	if len(criteria) == 0 {
		return c, Response{}, nil
	}
	params, err := url.ParseQuery(strings.TrimPrefix(criteria[0], "?"))
	if err != nil || len(criteria) > 1 || len(params) == 0 {
		return c, Response{}, fhir.Errorf(fhir.Invalid, "If-None-Exist is one search, such as identifier=system|value")
	}
	if c.query, err = q.api.Registry.Parse(q.Type, params, false); err != nil {
		return c, Response{}, err
	}
	if len(c.query.Where) == 0 || c.query.Cursor != "" {
		return c, Response{}, fhir.Errorf(fhir.Invalid, "If-None-Exist needs at least one search parameter")
	}
	sum := sha256.Sum256([]byte(q.Type + "?" + c.query.Applied.Encode()))
	c.key = q.Principal.Owner() + "\n" + hex.EncodeToString(sum[:])
	resp, err := c.existing()
	return c, resp, err
}

// existing answers with the one resource that matches, as far as the caller may
// see; several are 412.
func (c *conditional) existing() (Response, error) {
	q := c.q
	page, err := q.api.Store.Search(q.Context(), store.Query{View: q.Principal.View("create"), Type: q.Type, Where: c.query.Where, Limit: 2})
	if err != nil || len(page.Versions) == 0 {
		return Response{}, err
	}
	if len(page.Versions) > 1 {
		return Response{}, fhir.Errorf(fhir.MultipleHits, "If-None-Exist matches more than one resource")
	}
	c.answered = true
	return c.found(page.Versions[0])
}

func (c *conditional) found(v store.Version) (Response, error) {
	q := c.q
	q.entry.Entities = []string{versionName(v.Key, v.Number)}
	q.entry.Patients = Patients(v.Key, v.Body)
	if err := q.record(); err != nil {
		return Response{}, err
	}
	resp := versioned(http.StatusOK, v)
	resp.Location = q.api.location(v.Key, v.Number)
	return q.preferred(resp, nil), nil
}

// claim lets exactly one of many concurrent creates with these criteria through.
func (c *conditional) claim(commit *store.Commit, k store.Key) {
	if c.key != "" {
		commit.Claims = append(commit.Claims, store.Claim{
			Scope: ifNoneExistScope, Key: c.key, Answer: []byte(k.ID), Expires: c.q.api.Clock().Add(ifNoneExistLife),
		})
	}
}

// lost answers with what another request created meanwhile.
func (c *conditional) lost(taken store.Claim) (Response, error) {
	q := c.q
	k := store.Key{Type: q.Type, ID: string(taken.Answer)}
	v, err := q.api.Store.Read(q.Context(), q.Principal.View("create"), k)
	if err != nil {
		return Response{}, err
	}
	if v.Deleted {
		return Response{}, fhir.Errorf(fhir.Conflict, "a resource with these criteria was created and deleted within the last minute; try again")
	}
	return c.found(v)
}
