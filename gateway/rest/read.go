package rest

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
	"trellis.example/gateway/audit"
	"trellis.example/gateway/search"
	"trellis.example/gateway/store"
)

// Read serves GET and HEAD /fhir/{type}/{id}: 200, 304 for a condition that
// says so (R4 http 3.1.0.1.5), 404 for what is absent or hidden, 410 for what
// was deleted. _summary and _elements show a part.
func (a *API) Read() *Operation {
	return &Operation{Interaction: "read", Action: audit.Read, api: a, run: a.read}
}

func (a *API) read(q *Request) (Response, error) {
	if err := q.Principal.Require("read", q.Type); err != nil {
		return Response{}, err
	}
	as, err := q.shape()
	if err != nil {
		return Response{}, err
	}
	v, err := a.Store.Read(q.Context(), q.Principal.View("read"), store.Key{Type: q.Type, ID: q.ID})
	return q.show(v, err, as)
}

// VRead serves GET and HEAD /fhir/{type}/{id}/_history/{version}.
func (a *API) VRead() *Operation {
	return &Operation{Interaction: "vread", Action: audit.Read, api: a, run: a.vread}
}

func (a *API) vread(q *Request) (Response, error) {
	if err := q.Principal.Require("vread", q.Type); err != nil {
		return Response{}, err
	}
	as, err := q.shape()
	if err != nil {
		return Response{}, err
	}
	n, ok := version(q.Version)
	if !ok {
		return Response{}, notFound()
	}
	v, err := a.Store.ReadVersion(q.Context(), q.Principal.View("vread"), store.Key{Type: q.Type, ID: q.ID}, n)
	return q.show(v, err, as)
}

// shape reads _summary and _elements of a read.
func (q *Request) shape() (*shape, error) {
	if len(q.Params) == 0 {
		return nil, nil
	}
	if err := q.only("_summary", "_elements"); err != nil {
		return nil, err
	}
	var elements []string
	if list := q.Params.Get("_elements"); list != "" {
		elements = strings.Split(list, ",")
	}
	known := topElements(definitions.R4().Type(q.Type))
	for _, name := range elements {
		if !slices.ContainsFunc(known, func(e *definitions.Element) bool { return isNamed(e, name) }) {
			return nil, fhir.StatusErrorf(http.StatusBadRequest, fhir.BadValue, "_elements names elements of the top level of this type, separated by commas")
		}
	}
	summary, ok := summaries[q.Params.Get("_summary")]
	if ok {
		return q.api.shape(q.Type, summary, elements), nil
	}
	return nil, fhir.StatusErrorf(http.StatusBadRequest, fhir.BadValue, "_summary of a read is true, text, data or false")
}

var summaries = map[string]search.Summary{
	"": search.SummaryFalse, "false": search.SummaryFalse, "true": search.SummaryTrue, "text": search.SummaryText, "data": search.SummaryData,
}

// show audits a version and answers with it.
func (q *Request) show(v store.Version, err error, as *shape) (Response, error) {
	if err != nil {
		return Response{}, err
	}
	if v.Deleted {
		return Response{}, gone()
	}
	q.entry.Patients = q.patientsOf(v.Key, v.Body)
	if q.Version == "" {
		q.entry.Entities[0] = versionName(v.Key, v.Number)
	}
	resp := versioned(http.StatusOK, v)
	if q.has(v) {
		resp.Status, resp.Body = http.StatusNotModified, nil
	} else if resp.Body, err = as.apply(v.Body); err != nil {
		return Response{}, err
	}
	if err := q.record(); err != nil {
		return Response{}, err
	}
	return resp, nil
}

// has reports whether the caller has the version: If-None-Match names it, or,
// without that header, it is not newer than If-Modified-Since (RFC 9110, section
// 13.2.2), which counts in seconds.
func (q *Request) has(v store.Version) bool {
	tags := q.Header["If-None-Match"]
	if len(tags) == 0 {
		since, err := http.ParseTime(q.Header.Get("If-Modified-Since"))
		return err == nil && !v.Updated.Truncate(time.Second).After(since)
	}
	for _, h := range tags {
		for tag := range strings.SplitSeq(h, ",") {
			tag = strings.TrimSpace(tag)
			if m, ok := version(strings.Trim(strings.TrimPrefix(tag, "W/"), `"`)); ok && m == v.Number || tag == "*" {
				return true
			}
		}
	}
	return false
}
