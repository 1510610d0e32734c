package rest

import (
	"net/http"
	"strings"

	"trellis.example/gateway/audit"
	"trellis.example/gateway/store"
)

// Read serves GET and HEAD /fhir/{type}/{id}: 200, 304 for If-None-Match, 404
// for what is absent or hidden, 410 for what was deleted.
func (a *API) Read() *Operation {
	return &Operation{Interaction: "read", Action: audit.Read, api: a, run: a.read}
}

func (a *API) read(q *Request) (Response, error) {
	if err := q.Principal.Require("read", q.Type); err != nil {
		return Response{}, err
	}
	if err := q.only(); err != nil {
		return Response{}, err
	}
	v, err := a.Store.Read(q.Context(), q.Principal.View("read"), store.Key{Type: q.Type, ID: q.ID})
	return q.show(v, err)
}

// VRead serves GET and HEAD /fhir/{type}/{id}/_history/{version}.
func (a *API) VRead() *Operation {
	return &Operation{Interaction: "vread", Action: audit.Read, api: a, run: a.vread}
}

func (a *API) vread(q *Request) (Response, error) {
	if err := q.Principal.Require("vread", q.Type); err != nil {
		return Response{}, err
	}
	if err := q.only(); err != nil {
		return Response{}, err
	}
	n, ok := version(q.Version)
	if !ok {
		return Response{}, notFound()
	}
	v, err := a.Store.ReadVersion(q.Context(), q.Principal.View("vread"), store.Key{Type: q.Type, ID: q.ID}, n)
	return q.show(v, err)
}

// show audits a version and answers with it.
func (q *Request) show(v store.Version, err error) (Response, error) {
	if err != nil {
		return Response{}, err
	}
	if v.Deleted {
		return Response{}, gone()
	}
	q.entry.Patients = Patients(v.Key, v.Body)
	if q.Version == "" {
		q.entry.Entities[0] = versionName(v.Key, v.Number)
	}
	if err := q.record(); err != nil {
		return Response{}, err
	}
	resp := versioned(http.StatusOK, v)
	if q.has(v.Number) {
		resp.Status, resp.Body = http.StatusNotModified, nil
	}
	return resp, nil
}

// has reports whether If-None-Match names the version.
func (q *Request) has(n int) bool {
	for _, h := range q.Header["If-None-Match"] {
		for tag := range strings.SplitSeq(h, ",") {
			tag = strings.TrimSpace(tag)
			if m, ok := version(strings.Trim(strings.TrimPrefix(tag, "W/"), `"`)); ok && m == n || tag == "*" {
				return true
			}
		}
	}
	return false
}
