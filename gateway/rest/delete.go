package rest

import (
	"errors"
	"net/http"

	"trellis.example/gateway/audit"
	"trellis.example/gateway/store"
)

// Delete serves DELETE /fhir/{type}/{id}: 204, also when it was deleted before.
// The history stays.
func (a *API) Delete() *Operation {
	return &Operation{Interaction: "delete", Action: audit.Delete, api: a, run: a.delete}
}

func (a *API) delete(q *Request) (Response, error) {
	if err := q.Principal.Require("delete", q.Type); err != nil {
		return Response{}, err
	}
	if err := q.only(); err != nil {
		return Response{}, err
	}
	match, err := q.ifMatch()
	if err != nil {
		return Response{}, err
	}
	once, resp, err := q.once(nil)
	if once.answered || err != nil {
		return resp, err
	}
	for range tries {
		resp, err = a.deleteOnce(q, match, once)
		if _, lost := errors.AsType[*store.Conflict](err); !lost || match > 0 {
			break
		}
	}
	if _, lost := errors.AsType[*store.Conflict](err); lost && match > 0 {
		err = stale()
	}
	return resp, err
}

func (a *API) deleteOnce(q *Request, match int, once *once) (Response, error) {
	k := store.Key{Type: q.Type, ID: q.ID}
	view := q.Principal.View("delete")
	old, err := a.Store.Read(q.Context(), view, k)
	if err != nil {
		return Response{}, err
	}
	if match > 0 && match != old.Number {
		return Response{}, stale()
	}
	resp := Response{Status: http.StatusNoContent}
	q.entry.Entities = []string{k.String()}
	if old.Deleted {
		return resp, q.record()
	}
	resp.Version = old.Number + 1
	q.entry.Patients = Patients(k, old.Body)
	c := store.Commit{
		Writes: []store.Write{{View: view, Key: k, Expect: old.Number, Deleted: true, Updated: a.now()}},
		Audit:  []audit.Entry{q.entry},
	}
	once.claim(&c, resp, k)
	return a.commit(q, c, nil, resp, once, nil)
}
