package rest

import (
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"

	"trellis.example/fhir"
	"trellis.example/gateway/audit"
	"trellis.example/gateway/search"
	"trellis.example/gateway/store"
)

// maxForm is the largest search form, in bytes.
const maxForm = 64 << 10

// Search serves GET /fhir/{type} and POST /fhir/{type}/_search. POST keeps what
// is searched for (an NHS number) out of addresses; page links never show it.
func (a *API) Search() *Operation {
	return &Operation{Interaction: "search-type", Action: audit.Execute, api: a, run: a.search}
}

func (a *API) search(q *Request) (Response, error) {
	q.entry.Entities = []string{q.Type + "?"}
	if err := q.Principal.Require("search-type", q.Type); err != nil {
		return Response{}, err
	}
	s, err := q.searchRequest()
	if err != nil {
		return Response{}, err
	}
	q.entry.Entities = []string{q.Type + "?" + s.query.Names()}
	page, err := a.firstOrNext(q, s)
	if err != nil {
		return Response{}, err
	}
	if s.query.Count == 0 {
		page.Versions, page.More = nil, false
	}
	b, err := a.searchBundle(q, s, page)
	if err != nil {
		return Response{}, err
	}
	if err := q.record(); err != nil {
		return Response{}, err
	}
	return Response{Body: b.bytes()}, nil
}

// firstOrNext reads a page. Counting that nobody asked for never makes a search
// fail.
func (a *API) firstOrNext(q *Request, s *searchRequest) (store.Page, error) {
	sq := s.storeQuery(q)
	page, err := a.searchPage(q.Context(), sq)
	if errors.Is(err, store.ErrTooCostly) && sq.Total && s.query.Total == search.TotalAuto {
		sq.Total = false
		page, err = a.searchPage(q.Context(), sq)
	}
	if s.sealed == "" && s.query.Total == search.TotalAuto && !page.More {
		page.Total = len(page.Versions)
	}
	return page, err
}

// A searchRequest is a first page's request, or that of the walk a cursor
// continues.
type searchRequest struct {
	query  *search.Query
	cursor search.Cursor
	// sealed is the cursor as sent, or "".
	sealed string
}

func (q *Request) searchRequest() (*searchRequest, error) {
	params, err := q.searchParams()
	if err != nil {
		return nil, err
	}
	s := &searchRequest{sealed: params.Get("_cursor")}
	s.cursor.Total = -1
	if s.sealed == "" {
		s.query, err = q.api.Registry.Parse(q.Type, params, q.lenient())
		return s, err
	}
	for n := range params {
		if n != "_cursor" && n != "_format" && n != "_pretty" {
			return nil, fhir.Errorf(fhir.NotSupported, "a page is asked for by its link as it stands; no other parameter is possible beside _cursor")
		}
	}
	if s.cursor, err = q.api.cursors.Open(q.Principal.ClientID, q.Type, s.sealed); err != nil {
		return nil, err
	}
	first, err := url.ParseQuery(s.cursor.Query)
	if err != nil {
		return nil, err
	}
	s.query, err = q.api.Registry.Parse(q.Type, first, true)
	return s, err
}

// searchParams returns the parameters of the address and, for POST, of the form.
func (q *Request) searchParams() (url.Values, error) {
	if q.Method != http.MethodPost {
		return q.Params, nil
	}
	ct, params, err := mime.ParseMediaType(q.Header.Get("Content-Type"))
	if err != nil || ct != "application/x-www-form-urlencoded" || params["charset"] != "" && params["charset"] != "utf-8" && params["charset"] != "UTF-8" {
		return nil, fhir.StatusErrorf(http.StatusUnsupportedMediaType, fhir.NotSupported, "send a search as application/x-www-form-urlencoded")
	}
	b, err := Body(q.Request, maxForm)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(b))
	if err != nil {
		return nil, fhir.Errorf(fhir.Invalid, "the form is not well formed")
	}
	for n, vs := range q.Params {
		form[n] = append(form[n], vs...)
	}
	return form, nil
}

func (s *searchRequest) storeQuery(q *Request) store.Query {
	sq := store.Query{
		View: q.Principal.View("search-type"), Type: q.Type, Where: s.query.Where,
		Limit: max(s.query.Count, 1), Total: s.query.Counts(),
	}
	if s.sealed != "" {
		sq.Snapshot, sq.After, sq.Total = s.cursor.Snapshot, s.cursor.After(), false
	}
	return sq
}

func (a *API) searchBundle(q *Request, s *searchRequest, page store.Page) (*bundle, error) {
	b := newBundle("searchset", page.Versions)
	total := page.Total
	if s.sealed != "" {
		total = s.cursor.Total
	}
	b.total(total)
	b.link("self", a.selfLink(q.Type, s))
	if page.More {
		last := page.Versions[len(page.Versions)-1]
		next, err := a.cursors.Seal(q.Principal.ClientID, search.Cursor{
			Path: q.Type, Query: s.query.Applied.Encode(), Snapshot: page.Snapshot, Seq: last.Seq, ID: last.Key.ID, Total: total,
		})
		if err != nil {
			return nil, fmt.Errorf("seal a cursor: %w", err)
		}
		b.link("next", a.base+"/"+q.Type+"?_cursor="+next)
	}
	for _, v := range page.Versions {
		q.addPatients(Patients(v.Key, v.Body))
		b.match(a.base+"/"+v.Key.String(), v.Body)
	}
	if len(s.query.Warnings) > 0 {
		b.outcome(s.query.Warnings)
	}
	return b, nil
}

// selfLink shows what was applied: the cursor, or the parameters understood.
func (a *API) selfLink(typ string, s *searchRequest) string {
	self := a.base + "/" + typ
	switch {
	case s.sealed != "":
		return self + "?_cursor=" + s.sealed
	case len(s.query.Applied) > 0:
		return self + "?" + s.query.Applied.Encode()
	}
	return self
}

func (q *Request) addPatients(keys []string) {
	for _, k := range keys {
		if !slices.Contains(q.entry.Patients, k) {
			q.entry.Patients = append(q.entry.Patients, k)
		}
	}
}
