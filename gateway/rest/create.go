package rest

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/gateway/audit"
	"trellis.example/gateway/store"
)

// Create serves POST /fhir/{type}: 201 with Location, or what If-None-Exist or
// Idempotency-Key say.
func (a *API) Create() *Operation {
	return &Operation{Interaction: "create", Action: audit.Create, api: a, run: a.create}
}

func (a *API) create(q *Request) (Response, error) {
	res, err := q.document("create")
	if err != nil {
		return Response{}, err
	}
	once, resp, err := q.once(res.JSON())
	if once.answered || err != nil {
		return resp, err
	}
	defer a.guard.hold(a.targets(res), nil)()
	issues, err := a.judge(q, res, nil)
	if err != nil {
		return Response{}, err
	}
	crit, err := q.ifNoneExist()
	if err != nil {
		return Response{}, err
	}
	for range tries {
		if resp, err = a.createOnce(q, res, crit, once); !crit.lost(err) {
			break
		}
	}
	if err != nil || q.answered {
		return resp, err
	}
	return q.preferred(resp, issues), nil
}

// createOnce creates, or answers with what If-None-Exist finds.
func (a *API) createOnce(q *Request, res fhir.Resource, crit *criteria, once *once) (Response, error) {
	if crit != nil {
		found, err := a.match(q.Context(), q.Principal.View("create"), crit)
		if err != nil {
			return Response{}, err
		}
		if found != nil {
			q.answered = true
			return q.found(*found)
		}
	}
	w := a.NewWrite(q.Principal, res, store.Key{Type: q.Type, ID: newID()}, nil)
	resp := Response{Status: http.StatusCreated, Location: a.location(w.Key, 1)}
	return a.put(q, res, nil, &w, resp, once, crit)
}

// put commits the write of a create or update with what OnWrite adds and the
// claims of the request. When only something that OnWrite adds lost a race (two
// referrals share one Patient at the same moment), that is made anew.
func (a *API) put(q *Request, res fhir.Resource, old *store.Version, w *store.Write, resp Response, once *once, crit *criteria) (Response, error) {
	var err error
	for range sideTries {
		c, cerr := a.change(q, res, old, w)
		if cerr != nil {
			return Response{}, cerr
		}
		once.claim(&c, resp, w.Key)
		crit.claim(&c, w.Key.ID, a.now())
		var out Response
		if out, err = a.commit(q, c, w, resp, once); err == nil {
			return out, nil
		}
		if lost, ok := errors.AsType[*store.Conflict](err); !ok || lost.Key == w.Key {
			return out, err
		}
	}
	return Response{}, err
}

// sideTries is how often put tries: each try that loses lets another through.
const sideTries = 32

// document reads the resource that a create or update sends, once the caller
// may do that at all.
func (q *Request) document(interaction string) (fhir.Resource, error) {
	if err := q.Principal.Require(interaction, q.Type); err != nil {
		return fhir.Resource{}, err
	}
	if err := q.only(); err != nil && !q.byCriteria() {
		return fhir.Resource{}, err
	}
	return q.resource()
}

// NewWrite returns the write that stores the resource under the key: as new
// when old is nil, else as the version after old.
func (a *API) NewWrite(p auth.Principal, res fhir.Resource, k store.Key, old *store.Version) store.Write {
	return a.newWrite(p, res, k, old, a.now())
}

func (a *API) newWrite(p auth.Principal, res fhir.Resource, k store.Key, old *store.Version, now time.Time) store.Write {
	w := store.Write{View: p.View("create"), Key: k, Updated: now, Index: a.Registry.Index(res)}
	if old != nil {
		w.View, w.Expect = p.View("update"), old.Number
	}
	if old == nil {
		w.Access = p.Access(k.Type)
		if k.Type == "Organization" && foreign(p, res.Root()) {
			w.Access = auth.NewAccess(p.Owner()) // a note of its own, not an entry of the directory
		}
	}
	// Who may see a resource is policy, not what its sender writes; only those
	// who load existing records bring their labels with them.
	if now := labels(res.Root()); p.UpdateAsCreate() && (old == nil || !slices.Equal(now, old.Access.Labels)) {
		if old != nil {
			w.Access = old.Access
		}
		w.Access.Labels = now
	}
	w.Body = res.Stamp(k.ID, w.Expect+1, w.Updated)
	return w
}

// change completes the commit of a create or update: the write, what OnWrite
// adds, and the audit entry.
func (a *API) change(q *Request, res fhir.Resource, old *store.Version, w *store.Write) (store.Commit, error) {
	var c store.Commit
	if a.OnWrite != nil && !q.Principal.Sandbox() {
		var err error
		if c, err = a.OnWrite(q.Context(), Change{Principal: q.Principal, Old: old, Resource: res, Write: w}); err != nil {
			return c, err
		}
	}
	c.Writes = append([]store.Write{*w}, c.Writes...)
	q.entry.Entities, q.entry.Patients = nil, nil
	for _, x := range c.Writes {
		q.entry.Entities = append(q.entry.Entities, versionName(x.Key, x.Expect+1))
		for _, p := range q.patientsOf(x.Key, x.Body) {
			if !slices.Contains(q.entry.Patients, p) {
				q.entry.Patients = append(q.entry.Patients, p)
			}
		}
	}
	c.Audit = append([]audit.Entry{q.entry}, c.Audit...)
	return c, nil
}

// commit applies c and answers with the version written; who took the
// Idempotency-Key first decides the answer instead. A *store.Taken of the
// request's criteria is the caller's to deal with. w is nil for a deletion.
func (a *API) commit(q *Request, c store.Commit, w *store.Write, resp Response, once *once) (Response, error) {
	_, err := a.Store.Commit(q.Context(), c)
	if taken, ok := errors.AsType[*store.Taken](err); ok {
		switch taken.Claim.Scope {
		case ifNoneExistScope:
			return Response{}, err
		case idempotencyScope:
			q.answered = true
			return once.replay(taken.Claim)
		}
		return Response{}, fhir.Wrap(err, fhir.Duplicate, "this was received before") // OnWrite's own
	}
	if err != nil {
		return Response{}, err
	}
	if w != nil {
		resp.Body, resp.Version, resp.Updated = w.Body, w.Expect+1, w.Updated
	}
	return resp, nil
}

// judge validates a resource and checks what only the gateway knows. Every fault
// is one error with status 422; without fault it returns the remarks.
func (a *API) judge(q *Request, res fhir.Resource, old *store.Version) ([]fhir.Issue, error) {
	issues := a.Validate(q.Context(), q.Principal, res)
	found, err := a.rules(q, res, old)
	if err != nil {
		return nil, err
	}
	issues = append(issues, found...)
	if fhir.Faults(issues) != nil {
		return nil, &fhir.Error{Status: http.StatusUnprocessableEntity, Issues: issues}
	}
	return issues, nil
}
