package rest

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
	"trellis.example/gateway/audit"
	"trellis.example/gateway/search"
	"trellis.example/gateway/store"
)

// EverythingOfPatient serves GET and POST /fhir/Patient/{id}/$everything (R4
// operation Patient-everything): what is in the Patient's compartment and the
// Tasks for the Patient, newest first, and on each page what its resources refer
// to outside of it.
func (a *API) EverythingOfPatient() *Operation { return a.everything("Patient", a.patientPage) }

// EverythingOfReferral serves GET and POST /fhir/ServiceRequest/{id}/$everything:
// the ServiceRequest, what is based on it or refers to it however often removed,
// and what all of that refers to.
func (a *API) EverythingOfReferral() *Operation {
	return a.everything("ServiceRequest", a.referralPage)
}

// An everything is one request of the operation, read.
type everything struct {
	*Request
	of         store.Key
	path       string
	types      []string // to be returned
	wanted     bool     // _type was given
	count      int
	since      time.Time
	start, end string
	applied    url.Values
	sealed     string
	cursor     search.Cursor
}

// An everyPage is one page of the answer.
type everyPage struct {
	match, include []store.Version
	issues         []fhir.Issue
	// next continues; nil after the last page. Its path and query are not set.
	next     *search.Cursor
	snapshot int64
}

func (a *API) everything(typ string, page func(*everything) (everyPage, error)) *Operation {
	return &Operation{Interaction: "everything", Action: audit.Execute, api: a, typ: typ, run: func(q *Request) (Response, error) {
		e := &everything{Request: q, of: store.Key{Type: typ, ID: q.ID}, count: search.DefaultCount, applied: url.Values{}}
		e.path = e.of.String() + "/$everything"
		q.entry.Entities = []string{e.path}
		if err := q.compartmentOf(e.of); err != nil {
			return Response{}, err
		}
		if err := e.read(); err != nil {
			return Response{}, err
		}
		p, err := page(e)
		if err != nil {
			return Response{}, err
		}
		b, err := e.bundle(p)
		if err != nil {
			return Response{}, err
		}
		if err := q.record(); err != nil {
			return Response{}, err
		}
		return Response{Body: b.bytes()}, nil
	}}
}

// read reads the parameters of the address or of the Parameters sent, or those
// that the cursor keeps.
func (e *everything) read() error {
	params := e.Params
	if e.Method == http.MethodPost {
		var err error
		if params, err = e.operationParams(); err != nil {
			return err
		}
	}
	e.types = e.Request.types("search-type")
	if e.sealed = params.Get("_cursor"); e.sealed == "" {
		return e.params(params)
	}
	if err := e.only("_cursor"); err != nil {
		return err
	}
	var err error
	if e.cursor, err = e.api.cursors.Open(e.Principal.ClientID, e.path, e.sealed); err != nil {
		return err
	}
	if params, err = url.ParseQuery(e.cursor.Query); err != nil {
		return err
	}
	return e.params(params)
}

// operationParams returns the parameters of the address and those of the
// Parameters in the body, if there is one (R4 operations 3.2.0.2).
func (q *Request) operationParams() (url.Values, error) {
	out := url.Values{}
	for n, v := range q.Params {
		out[n] = v
	}
	if q.ContentLength == 0 {
		return out, nil
	}
	res, err := q.parameters()
	if err != nil {
		return nil, err
	}
	for p := range res.Root().Get("parameter").Items() {
		for m := range p.All() {
			if strings.HasPrefix(m.Key(), "value") {
				name := strings.Clone(p.Get("name").Text())
				out[name] = append(out[name], strings.Clone(m.Text()))
			}
		}
	}
	return out, nil
}

func (e *everything) params(params url.Values) error {
	var issues []fhir.Issue
	for _, name := range slices.Sorted(maps.Keys(params)) {
		for _, v := range params[name] {
			if name == "_format" || name == "_pretty" {
				continue
			}
			if text := e.param(name, v); text != "" {
				issues = append(issues, fhir.Issue{Code: fhir.NotSupported, Text: text, Source: "parameter " + search.ShowName(name)})
			}
			e.applied.Add(name, v)
		}
	}
	if len(issues) > 0 {
		return &fhir.Error{Status: http.StatusBadRequest, Issues: issues}
	}
	return nil
}

// param reads one parameter; what it returns says what is wrong with it.
func (e *everything) param(name, v string) string {
	switch {
	case name == "_count":
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 {
			return "a whole number from 1 was expected"
		}
		e.count = min(n, search.MaxCount)
	case name == "_since":
		t, err := time.Parse(time.RFC3339Nano, strings.Replace(v, " ", "+", 1))
		if err != nil {
			return "an instant such as 2026-03-04T10:15:30Z was expected"
		}
		e.since = t
	case name == "_type":
		return e.onlyTypes(strings.Split(v, ","))
	case name == "start" && e.of.Type == "Patient":
		e.start = v
		return wantDate(v)
	case name == "end" && e.of.Type == "Patient":
		e.end = v
		return wantDate(v)
	case e.of.Type == "Patient":
		return "this parameter is not supported; supported are start, end, _since, _type, _count"
	default:
		return "this parameter is not supported; supported are _since, _type, _count"
	}
	return ""
}

func wantDate(v string) string {
	if m, text := search.ParseDate(v); text != "" || m.Op != "eq" {
		return "a date without a prefix was expected"
	}
	return ""
}

// onlyTypes adds to the types to be returned. Types that the caller does not see
// are those of nothing.
func (e *everything) onlyTypes(names []string) string {
	seen := e.Request.types("search-type")
	if !e.wanted {
		e.types, e.wanted = nil, true
	}
	for _, n := range names {
		if !definitions.R4().IsResource(n) {
			return "resource types, separated by commas, were expected"
		}
		if slices.Contains(seen, n) {
			e.types = append(e.types, n)
		}
	}
	return ""
}

// returns reports whether a version is of what was asked for.
func (e *everything) returns(v store.Version) bool {
	return slices.Contains(e.types, v.Key.Type) && !v.Updated.Before(e.since)
}

func (e *everything) bundle(p everyPage) (*bundle, error) {
	b := newBundle("searchset", p.match, p.include)
	b.formats = e.formatLink()
	base := e.api.base + "/" + e.path
	self := base
	if len(e.applied) > 0 {
		self += "?" + e.applied.Encode()
	}
	b.link("first", self)
	if e.sealed != "" {
		self = base + "?_cursor=" + e.sealed
	}
	b.link("self", self)
	if p.next != nil {
		p.next.Path, p.next.Query, p.next.Snapshot, p.next.Total = e.path, e.applied.Encode(), p.snapshot, -1
		if err := e.api.sealedLink(e.Request, b, "next", base, *p.next); err != nil {
			return nil, err
		}
	}
	for _, v := range p.match {
		e.addPatients(e.patientsOf(v.Key, v.Body))
		b.found(e.api.base, v.Key, v.Body, modeMatch)
	}
	for _, v := range p.include {
		e.addPatients(e.patientsOf(v.Key, v.Body))
		b.found(e.api.base, v.Key, v.Body, modeInclude)
	}
	if len(p.issues) > 0 {
		b.outcome(p.issues)
	}
	return b, nil
}
