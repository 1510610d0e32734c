package rest

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"trellis.example/fhir"
	"trellis.example/gateway/audit"
	"trellis.example/gateway/store"
)

// tries is how often an update or deletion without If-Match is taken up again
// after it lost a race.
const tries = 10

// Update serves PUT /fhir/{type}/{id}. If-Match decides which version is
// replaced; without it, the current one. What is absent or hidden is 404, except
// for roles that choose ids: for them it is created, 201.
func (a *API) Update() *Operation {
	return &Operation{Interaction: "update", Action: audit.Update, api: a, run: a.update}
}

func (a *API) update(q *Request) (Response, error) {
	res, err := q.document("update")
	if err != nil {
		return Response{}, err
	}
	if res.ID() != q.ID {
		return Response{}, &fhir.Error{Status: 400, Issues: []fhir.Issue{{Code: fhir.Invalid, Expression: q.Type + ".id", Text: "the id in the body must be the id of the address"}}}
	}
	match, err := q.ifMatch()
	if err != nil {
		return Response{}, err
	}
	once, resp, err := q.once(res.JSON())
	if once.answered || err != nil {
		return resp, err
	}
	for range tries {
		resp, err = a.updateOnce(q, res, match, once)
		if _, lost := errors.AsType[*store.Conflict](err); !lost || match > 0 {
			break
		}
	}
	if _, lost := errors.AsType[*store.Conflict](err); lost && match > 0 {
		err = stale()
	}
	return resp, err
}

func (a *API) updateOnce(q *Request, res fhir.Resource, match int, once *once) (Response, error) {
	k := store.Key{Type: q.Type, ID: q.ID}
	old, err := a.replaced(q, k, match)
	if err != nil {
		return Response{}, err
	}
	issues, err := a.judge(q, res, old)
	if err != nil {
		return Response{}, err
	}
	w := a.NewWrite(q.Principal, res, k, old)
	resp := Response{Status: http.StatusOK}
	if old == nil || old.Deleted {
		resp.Status, resp.Location = http.StatusCreated, a.location(k, w.Expect+1)
	}
	resp, err = a.put(q, res, old, &w, resp, once, nil)
	if err != nil {
		return resp, err
	}
	return q.preferred(resp, issues), nil
}

// replaced returns the version that an update replaces; nil when the caller
// creates it.
func (a *API) replaced(q *Request, k store.Key, match int) (*store.Version, error) {
	old, err := a.Store.Read(q.Context(), q.Principal.View("update"), k)
	creates := q.Principal.UpdateAsCreate()
	if errors.Is(err, store.ErrNotFound) && creates && match == 0 {
		return nil, nil
	}
	switch {
	case errors.Is(err, store.ErrNotFound) && creates:
		return nil, stale()
	case err != nil:
		return nil, err
	case match > 0 && match != old.Number:
		return nil, stale()
	case old.Deleted && !creates:
		return nil, gone()
	}
	return &old, nil
}

func stale() error {
	return fhir.StatusErrorf(http.StatusPreconditionFailed, fhir.Conflict, "If-Match does not name the current version; read it again and repeat")
}

// ifMatch returns the version that If-Match names; 0 without the header.
func (q *Request) ifMatch() (int, error) {
	h := q.Header["If-Match"]
	if len(h) == 0 {
		return 0, nil
	}
	n, ok := version(strings.Trim(strings.TrimPrefix(h[0], "W/"), `"`))
	if !ok || len(h) > 1 {
		return 0, fhir.Errorf(fhir.Invalid, `If-Match is one version, such as W/"3"`)
	}
	return n, nil
}

// version reads a version id of ours: 1, 2, 3 and so on.
func version(s string) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && n > 0 && n < 1<<31 && strconv.Itoa(n) == s
}

func versionName(k store.Key, n int) string { return k.String() + "/_history/" + strconv.Itoa(n) }
