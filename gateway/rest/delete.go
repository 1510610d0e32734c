package rest

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"trellis.example/fhir"
	"trellis.example/gateway/audit"
	"trellis.example/gateway/store"
)

// maxDeleted is how many resources one conditional delete may delete.
const maxDeleted = 100

// Delete serves DELETE /fhir/{type}/{id}: 204, also when it was deleted before.
// The history stays. What other resources refer to is 409.
//
// DELETE /fhir/{type}?criteria deletes the one resource that matches, if any;
// several are 412, unless _count says how many may go: then all that match, or,
// when they are more, none.
func (a *API) Delete() *Operation {
	return &Operation{Interaction: "delete", Action: audit.Delete, api: a, run: a.delete}
}

func (a *API) delete(q *Request) (Response, error) {
	if err := q.Principal.Require("delete", q.Type); err != nil {
		return Response{}, err
	}
	if err := q.only(); err != nil && !q.byCriteria() {
		return Response{}, err
	}
	pre, err := q.precondition()
	if err == nil && pre.fresh {
		err = fhir.Errorf(fhir.NotSupported, "If-None-Match has no meaning for a deletion")
	}
	if err != nil {
		return Response{}, err
	}
	once, resp, err := q.once(nil)
	if once.answered || err != nil {
		return resp, err
	}
	d, err := a.newDeletion(q, pre, once)
	if err != nil {
		return Response{}, err
	}
	for range tries {
		resp, err = d.try()
		if _, lost := errors.AsType[*store.Conflict](err); !lost || pre.only() {
			break
		}
	}
	if _, lost := errors.AsType[*store.Conflict](err); lost && pre.only() {
		err = stale()
	}
	return resp, err
}

// A deletion is one request to delete.
type deletion struct {
	api  *API
	q    *Request
	pre  precondition
	once *once
	crit *criteria // nil: the address names an id
	most int       // how many may go
}

func (a *API) newDeletion(q *Request, pre precondition, once *once) (d *deletion, err error) {
	d = &deletion{api: a, q: q, pre: pre, once: once, most: 1}
	if q.ID != "" {
		return d, nil
	}
	params := q.search()
	if d.most, err = deleteCount(params); err != nil {
		return nil, err
	}
	d.crit, err = a.criteriaOf(q.Principal, q.Type, params)
	return d, err
}

// deleteCount takes _count out of the criteria of a deletion; 1 without it.
func deleteCount(params url.Values) (int, error) {
	v := params["_count"]
	if len(v) == 0 {
		return 1, nil
	}
	delete(params, "_count")
	n, err := strconv.Atoi(v[0])
	if err != nil || n < 1 || n > maxDeleted || len(v) > 1 {
		return 0, fhir.StatusErrorf(400, fhir.BadValue, "_count of a conditional delete is how many resources may be deleted, from 1 to %d", maxDeleted)
	}
	return n, nil
}

// try deletes what there is now.
func (d *deletion) try() (Response, error) {
	found, err := d.found()
	if err != nil {
		return Response{}, err
	}
	if len(found) == 0 {
		return Response{Status: http.StatusNoContent}, d.q.record()
	}
	defer d.api.guard.hold(nil, keysOf(found))()
	if err := d.api.unreferenced(d.q.Context(), d.q.Principal, found); err != nil {
		return Response{}, err
	}
	c := d.commit(found)
	resp := d.response(found)
	d.once.claim(&c, resp, found[0].Key)
	return d.api.commit(d.q, c, nil, resp, d.once)
}

// found returns the versions to be deleted; none when they were deleted before.
func (d *deletion) found() ([]store.Version, error) {
	q, view := d.q, d.q.Principal.View("delete")
	if d.crit != nil {
		found, err := d.api.matches(q.Context(), view, d.crit, d.most+1)
		if err == nil && len(found) > d.most {
			err = severalMatches()
		}
		if err == nil && len(found) == 1 || d.pre.only() && err == nil {
			return found, d.pre.judge(numberOf(found))
		}
		return found, err
	}
	k := store.Key{Type: q.Type, ID: q.ID}
	old, err := d.api.Store.Read(q.Context(), view, k)
	if err != nil {
		return nil, err
	}
	q.entry.Entities = []string{k.String()}
	if err := d.pre.judge(old.Number); err != nil || old.Deleted {
		return nil, err
	}
	return []store.Version{old}, nil
}

// numberOf is the number of the only version; 0 when there are more or none.
func numberOf(found []store.Version) int {
	if len(found) != 1 {
		return 0
	}
	return found[0].Number
}

func (d *deletion) commit(found []store.Version) store.Commit {
	var c store.Commit
	e := &d.q.entry
	e.Entities, e.Patients = nil, nil
	for _, v := range found {
		e.Entities = append(e.Entities, v.Key.String())
		d.q.addPatients(d.q.patientsOf(v.Key, v.Body))
		c.Writes = append(c.Writes, store.Write{View: d.q.Principal.View("delete"), Key: v.Key, Expect: v.Number, Deleted: true, Updated: d.api.now()})
	}
	c.Audit = []audit.Entry{*e}
	return c
}

func (d *deletion) response(found []store.Version) Response {
	resp := Response{Status: http.StatusNoContent}
	if len(found) == 1 {
		resp.Version = found[0].Number + 1
	}
	if d.q.prefer("return") == "OperationOutcome" {
		resp.Status = http.StatusOK
		resp.Body = fhir.Outcome([]fhir.Issue{{Severity: fhir.SeverityInformation, Code: fhir.Information, Text: fmt.Sprintf("%d deleted", len(found))}})
	}
	return resp
}

// search returns the parameters of the address that are search parameters.
func (q *Request) search() url.Values {
	out := url.Values{}
	for n, v := range q.Params {
		if n != "_format" && n != "_pretty" {
			out[n] = slices.Clone(v)
		}
	}
	return out
}
