package rest

import (
	"errors"
	"net/http"
	"strconv"

	"trellis.example/fhir"
	"trellis.example/gateway/audit"
	"trellis.example/gateway/store"
)

// tries is how often a change that means no particular version is taken up
// again after it lost a race.
const tries = 10

// Update serves PUT /fhir/{type}/{id}. If-Match decides which version is
// replaced; without it, the current one. What is absent or hidden is 404, except
// for roles that choose ids: for them it is created, 201.
//
// PUT /fhir/{type}?criteria replaces the one resource that matches, or creates
// one when none does; several are 412.
func (a *API) Update() *Operation {
	return &Operation{Interaction: "update", Action: audit.Update, api: a, run: a.update}
}

func (a *API) update(q *Request) (Response, error) {
	res, err := q.document("update")
	if err != nil {
		return Response{}, err
	}
	if q.ID != "" && res.ID() != q.ID {
		return Response{}, otherID(q.Type)
	}
	once, resp, err := q.once(res.JSON())
	if once.answered || err != nil {
		return resp, err
	}
	return a.replace(q, once, func(*store.Version) (fhir.Resource, error) { return res, nil })
}

func otherID(typ string) error {
	return &fhir.Error{Status: 400, Issues: []fhir.Issue{{Code: fhir.Invalid, Expression: typ + ".id", Text: "the id in the body must be the id of the resource that is updated"}}}
}

// A remake returns the document that replaces a version; nil when there is none
// yet.
type remake func(old *store.Version) (fhir.Resource, error)

// replace stores a new version of the resource that the request names by its id
// or by criteria. Without a precondition it is taken up again, document and all,
// when somebody else was faster.
func (a *API) replace(q *Request, once *once, doc remake) (Response, error) {
	pre, err := q.precondition()
	if err != nil {
		return Response{}, err
	}
	crit, err := q.conditions()
	if err != nil {
		return Response{}, err
	}
	var resp Response
	for range tries {
		if resp, err = a.replaceOnce(q, pre, crit, once, doc); crit.lost(err) {
			continue
		}
		if _, lost := errors.AsType[*store.Conflict](err); !lost || pre.only() {
			break
		}
	}
	if _, lost := errors.AsType[*store.Conflict](err); lost && pre.only() {
		err = pre.lost()
	}
	return resp, err
}

// byCriteria reports whether the parameters of the address name the resource.
func (q *Request) byCriteria() bool { return q.ID == "" && q.entry.Interaction != "create" }

// conditions reads the criteria of a conditional update or patch; nil when the
// address names an id.
func (q *Request) conditions() (*criteria, error) {
	if !q.byCriteria() {
		return nil, nil //nolint:nilnil // no criteria is no error
	}
	return q.api.criteriaOf(q.Principal, q.Type, q.search())
}

func (a *API) replaceOnce(q *Request, pre precondition, crit *criteria, once *once, doc remake) (Response, error) {
	k, old, err := a.target(q, crit)
	if err != nil {
		return Response{}, err
	}
	if err := pre.judge(alive(old, pre)); err != nil {
		return Response{}, err
	}
	res, err := doc(old)
	if err != nil {
		return Response{}, err
	}
	if k, err = a.key(q, k, res); err != nil {
		return Response{}, err
	}
	defer a.guard.hold(a.targets(res), nil)()
	issues, err := a.judge(q, res, old)
	if err != nil {
		return Response{}, err
	}
	if old != nil {
		crit = nil // nothing is created
	}
	w := a.NewWrite(q.Principal, res, k, old)
	resp := Response{Status: http.StatusOK}
	if old == nil || old.Deleted {
		resp.Status, resp.Location = http.StatusCreated, a.location(k, w.Expect+1)
	}
	resp, err = a.put(q, res, old, &w, resp, once, crit)
	if err != nil || q.answered {
		return resp, err
	}
	return q.preferred(resp, issues), nil
}

// alive is the number that a precondition compares with: that of a deletion only
// where If-Match names one.
func alive(old *store.Version, pre precondition) int {
	if old == nil || old.Deleted && pre.fresh {
		return 0
	}
	return old.Number
}

// target finds what the request names; the version is nil, and without criteria
// the key known, when the caller creates it.
func (a *API) target(q *Request, crit *criteria) (store.Key, *store.Version, error) {
	if crit == nil {
		k := store.Key{Type: q.Type, ID: q.ID}
		old, err := a.replaced(q, k)
		return k, old, err
	}
	old, err := a.match(q.Context(), q.Principal.View("update"), crit)
	if err != nil || old == nil {
		return store.Key{}, nil, err
	}
	return old.Key, old, nil
}

// key is under which key the document of a conditional update is stored. Ids are
// the server's to give, except to those who choose them.
func (a *API) key(q *Request, k store.Key, res fhir.Resource) (store.Key, error) {
	id := res.ID()
	switch {
	case k.ID != "" && (id == "" || id == k.ID):
		return k, nil
	case k.ID != "":
		return k, otherID(q.Type)
	}
	if err := q.Principal.Require("create", q.Type); err != nil {
		return k, err
	}
	if id == "" {
		return store.Key{Type: q.Type, ID: newID()}, nil
	}
	if !q.Principal.UpdateAsCreate() {
		return k, &fhir.Error{Status: 400, Issues: []fhir.Issue{{Code: fhir.Invalid, Expression: q.Type + ".id",
			Text: "nothing matches the criteria, and a new resource gets its id from the server; send it without one"}}}
	}
	k = store.Key{Type: q.Type, ID: id}
	_, err := a.Store.Read(q.Context(), q.Principal.View("update"), k)
	if errors.Is(err, store.ErrNotFound) {
		return k, nil
	}
	if err == nil {
		err = fhir.Errorf(fhir.Conflict, "a resource with the id in the body exists, and the criteria do not match it")
	}
	return k, err
}

// replaced returns the version that an update by id replaces; nil when the
// caller creates it.
func (a *API) replaced(q *Request, k store.Key) (*store.Version, error) {
	old, err := a.Store.Read(q.Context(), q.Principal.View("update"), k)
	creates := q.Principal.UpdateAsCreate() && q.entry.Interaction == "update"
	switch {
	case errors.Is(err, store.ErrNotFound) && creates:
		return nil, nil //nolint:nilnil // nothing is replaced
	case err != nil:
		return nil, err
	case old.Deleted && !creates:
		return nil, gone()
	}
	return &old, nil
}

func versionName(k store.Key, n int) string { return k.String() + "/_history/" + strconv.Itoa(n) }
