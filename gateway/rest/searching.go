package rest

import (
	"fmt"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
	"trellis.example/gateway/audit"
	"trellis.example/gateway/search"
	"trellis.example/gateway/store"
)

// maxForm is the largest search form, in bytes.
const maxForm = 64 << 10

// Search serves GET /fhir/{type} and POST /fhir/{type}/_search. POST keeps what
// is searched for (an NHS number) out of addresses; page links never show it.
func (a *API) Search() *Operation {
	return &Operation{Interaction: "search-type", Action: audit.Execute, api: a, run: func(q *Request) (Response, error) {
		q.entry.Entities = []string{q.Type + "?"}
		if err := q.Principal.Require("search-type", q.Type); err != nil {
			return Response{}, err
		}
		return a.search(q, searchScope{path: q.Type, types: []string{q.Type}})
	}}
}

// SearchSystem serves GET /fhir and POST /fhir/_search: a search over all types
// that the caller sees, or over those that _type names.
func (a *API) SearchSystem() *Operation {
	return &Operation{Interaction: "search-system", Action: audit.Execute, api: a, run: func(q *Request) (Response, error) {
		q.entry.Entities = []string{"?"}
		types := q.types("search-system")
		if len(types) == 0 {
			return Response{}, q.Principal.Require("search-system", "*")
		}
		return a.search(q, searchScope{types: types, many: true})
	}}
}

// A searchScope is what a search is over: the types, and the compartment that
// their resources must belong to.
type searchScope struct {
	path   string // below the base
	types  []string
	within store.Key // zero: no compartment
	// many: _type chooses among the types.
	many bool
}

func (a *API) search(q *Request, scope searchScope) (Response, error) {
	s, err := q.searchRequest(scope)
	if err != nil {
		return Response{}, err
	}
	q.entry.Entities = []string{scope.path + "?" + s.query.Names()}
	page, err := a.firstOrNext(q, s)
	if err != nil {
		return Response{}, err
	}
	if s.query.Count == 0 {
		page.Versions, page.More = nil, false
	}
	g := &gathering{}
	if len(s.query.Includes) > 0 {
		g = a.gather(q, page)
		if err := g.include(page.Versions, s.query.Includes); err != nil {
			return Response{}, err
		}
	}
	b, err := a.searchBundle(q, s, page, g)
	if err != nil {
		return Response{}, err
	}
	if err := q.record(); err != nil {
		return Response{}, err
	}
	return Response{Body: b.bytes()}, nil
}

// firstOrNext reads a page. The total is known for nothing when the first page
// holds everything.
func (a *API) firstOrNext(q *Request, s *searchRequest) (store.Page, error) {
	sq, err := s.storeQuery(q)
	if err != nil {
		return store.Page{}, err
	}
	page, err := a.searchPage(q.Context(), sq)
	if s.first() && s.query.Total == search.TotalAuto && !page.More {
		page.Total = len(page.Versions)
	}
	return page, err
}

// A searchRequest is a first page's request, or that of the walk a cursor
// continues.
type searchRequest struct {
	scope  searchScope
	query  *search.Query
	cursor search.Cursor
	// sealed is the cursor as sent, or "".
	sealed string
}

// first reports whether the page is the first of a walk that begins now.
func (s *searchRequest) first() bool { return s.sealed == "" }

func (q *Request) searchRequest(scope searchScope) (*searchRequest, error) {
	params, err := q.searchParams()
	if err != nil {
		return nil, err
	}
	s := &searchRequest{scope: scope, sealed: params.Get("_cursor")}
	s.cursor.Total = -1
	lenient := q.lenient()
	if params.Has("_cursor") {
		count := params["_count"]
		for n := range params {
			if n != "_cursor" && n != "_count" && n != "_format" && n != "_pretty" {
				return nil, fhir.Errorf(fhir.NotSupported, "a page is asked for by its link as it stands; only _count is possible beside _cursor")
			}
		}
		if s.cursor, err = q.api.cursors.Open(q.Principal.ClientID, scope.path, s.sealed); err != nil {
			return nil, err
		}
		if params, err = url.ParseQuery(s.cursor.Query); err != nil {
			return nil, err
		}
		if count != nil { // clients in use add a size of their own to a page's link
			params["_count"] = count
		}
		lenient = true
	}
	if s.query, err = q.parse(scope, params, lenient); err != nil {
		return nil, err
	}
	if s.query.Summary == search.SummaryText && len(s.query.Includes) > 0 { // R4 search 3.1.1.5.8
		return nil, fhir.StatusErrorf(http.StatusBadRequest, fhir.NotSupported, "_summary=text shows no included resources; leave one of the two out")
	}
	if scope.within.ID != "" {
		err = q.api.Registry.Within(s.query, scope.within.Type, scope.within.ID)
	}
	return s, err
}

// parse reads the parameters. _type is one that this server holds and the caller
// may search.
func (q *Request) parse(scope searchScope, params url.Values, lenient bool) (*search.Query, error) {
	asked := params["_type"]
	if !scope.many || len(asked) == 0 {
		return q.api.Registry.Parse(scope.types, messageContext(scope.types, params), lenient)
	}
	var types []string
	for name := range strings.SplitSeq(asked[0], ",") {
		if len(asked) > 1 || !definitions.R4().IsResource(name) {
			return nil, &fhir.Error{Status: http.StatusBadRequest, Issues: []fhir.Issue{{
				Code: fhir.BadValue, Source: "parameter _type", Text: "resource types, separated by commas, were expected once"}}}
		}
		if err := q.Principal.Require("search-type", name); err != nil {
			return nil, err
		}
		if slices.Contains(scope.types, name) {
			types = append(types, name)
		}
	}
	if len(types) == 0 {
		return nil, fhir.StatusErrorf(http.StatusBadRequest, fhir.NotSupported, "none of the types is among those that are searched here")
	}
	others := maps.Clone(params)
	delete(others, "_type")
	query, err := q.api.Registry.Parse(types, others, lenient)
	if err == nil {
		query.Applied["_type"] = asked
	}
	return query, err
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
	return form, q.askedIn(form)
}

// storeQuery returns what the store is asked. A chain is resolved as of the
// snapshot of the walk, so that every page follows the same references.
func (s *searchRequest) storeQuery(q *Request) (store.Query, error) {
	view := q.Principal.View("search-type")
	sq, err := q.api.Registry.Resolve(q.Context(), q.api.Store, view, s.query, s.cursor.Snapshot)
	if err != nil {
		return sq, err
	}
	if !s.first() {
		sq.Snapshot, sq.After, sq.Total = s.cursor.Snapshot, after(s.cursor), false
	}
	return sq, nil
}

// after returns the position that a walk goes on from; nil for its first page.
func after(c search.Cursor) *store.Position {
	if c.ID == "" {
		return nil
	}
	return c.After()
}

func (a *API) searchBundle(q *Request, s *searchRequest, page store.Page, g *gathering) (*bundle, error) {
	b := newBundle("searchset", page.Versions, g.found)
	b.formats = q.formatLink()
	total := page.Total
	if !s.first() {
		total = s.cursor.Total
	}
	b.total(total)
	if err := a.searchLinks(q, s, page, total, b); err != nil {
		return nil, err
	}
	for _, v := range page.Versions {
		if err := a.searchEntry(q, b, v, a.shape(v.Key.Type, s.query.Summary, s.query.Elements), modeMatch); err != nil {
			return nil, err
		}
	}
	for _, v := range g.found { // _elements is about the matches alone
		if err := a.searchEntry(q, b, v, a.shape(v.Key.Type, s.query.Summary, nil), modeInclude); err != nil {
			return nil, err
		}
	}
	if issues := slices.Concat(s.query.Warnings, g.warning()); len(issues) > 0 {
		b.outcome(issues)
	}
	return b, nil
}

func (a *API) searchEntry(q *Request, b *bundle, v store.Version, as *shape, mode string) error {
	body, err := as.apply(v.Body)
	if err != nil {
		return err
	}
	q.addPatients(q.patientsOf(v.Key, v.Body))
	b.found(a.base, v.Key, body, mode)
	return nil
}

// searchLinks writes the links. The first page's self link shows what was
// applied; no other link shows what is searched for.
func (a *API) searchLinks(q *Request, s *searchRequest, page store.Page, total int, b *bundle) error {
	base := a.base
	if s.scope.path != "" {
		base += "/" + s.scope.path
	}
	cur := search.Cursor{Path: s.scope.path, Query: s.query.Applied.Encode(), Snapshot: page.Snapshot, Total: total}
	if s.first() {
		self := base
		if cur.Query != "" {
			self += "?" + cur.Query
		}
		b.link("self", self)
		b.link("first", self)
	} else {
		b.link("self", base+"?_cursor="+s.sealed)
		if err := a.sealedLink(q, b, "first", base, cur); err != nil {
			return err
		}
	}
	if !page.More {
		return nil
	}
	cur.At(page.Next)
	return a.sealedLink(q, b, "next", base, cur)
}

func (a *API) sealedLink(q *Request, b *bundle, relation, base string, cur search.Cursor) error {
	sealed, err := a.cursors.Seal(q.Principal.ClientID, cur)
	if err != nil {
		return fmt.Errorf("seal a cursor: %w", err)
	}
	b.link(relation, base+"?_cursor="+sealed)
	return nil
}

func (q *Request) addPatients(keys []string) {
	for _, k := range keys {
		if !slices.Contains(q.entry.Patients, k) {
			q.entry.Patients = append(q.entry.Patients, k)
		}
	}
}
