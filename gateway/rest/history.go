package rest

import (
	"context"
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

// History serves GET /fhir/{type}/{id}/_history: the versions of one resource,
// newest first, under today's access, deletions among them (R4 http 3.1.0.11).
func (a *API) History() *Operation {
	return &Operation{Interaction: "history-instance", Action: audit.Read, api: a, run: func(q *Request) (Response, error) {
		q.entry.Entities = []string{q.Type + "/" + q.ID + "/_history"}
		if err := q.Principal.Require("history-instance", q.Type); err != nil {
			return Response{}, err
		}
		return a.history(q, store.HistoryQuery{View: q.Principal.View("history-instance"), Key: store.Key{Type: q.Type, ID: q.ID}})
	}}
}

// HistoryType serves GET /fhir/{type}/_history: the versions of all resources
// of the type that the caller sees.
func (a *API) HistoryType() *Operation {
	return &Operation{Interaction: "history-type", Action: audit.Execute, api: a, run: func(q *Request) (Response, error) {
		q.entry.Entities = []string{q.Type + "/_history?" + q.names()}
		if err := q.Principal.Require("history-type", q.Type); err != nil {
			return Response{}, err
		}
		return a.history(q, store.HistoryQuery{View: q.Principal.View("history-type"), Types: []string{q.Type}})
	}}
}

// HistorySystem serves GET /fhir/_history: the versions of everything that the
// caller sees.
func (a *API) HistorySystem() *Operation {
	return &Operation{Interaction: "history-system", Action: audit.Execute, api: a, run: func(q *Request) (Response, error) {
		q.entry.Entities = []string{"_history?" + q.names()}
		types := q.types("history-system")
		if len(types) == 0 {
			return Response{}, q.Principal.Require("history-system", "*")
		}
		return a.history(q, store.HistoryQuery{View: q.Principal.View("history-system"), Types: types})
	}}
}

// names returns the names of the address's parameters, for the audit.
func (q *Request) names() string {
	var names []string
	for n := range q.Params {
		if n != "_format" && n != "_pretty" && n != "_cursor" {
			names = append(names, search.ShowName(n))
		}
	}
	slices.Sort(names)
	return strings.Join(names, ",")
}

// types returns the types that there may be resources of and that the caller may
// see with the interaction.
func (q *Request) types(interaction string) (out []string) {
	all := q.api.held
	if q.Principal.UpdateAsCreate() { // may store what is not held otherwise
		all = definitions.R4().Resources()
	}
	view := q.Principal.View(interaction)
	for _, t := range all {
		if t != auditEvent && view.SeesType(t) {
			out = append(out, t)
		}
	}
	return out
}

// A historyWalk is a walk over a history: where it is, what it asks, and the
// cursor it goes on from.
type historyWalk struct {
	path    string // below the base
	query   store.HistoryQuery
	applied url.Values
	sealed  string
	total   int
}

func (a *API) history(q *Request, hq store.HistoryQuery) (Response, error) {
	w := &historyWalk{path: strings.TrimPrefix(q.target()+"/_history", "/"), query: hq, total: -1}
	if err := w.read(q); err != nil {
		return Response{}, err
	}
	page, err := a.historyPage(q.Context(), w.query)
	if err != nil {
		return Response{}, err
	}
	b, err := a.historyBundle(q, w, page)
	if err != nil {
		return Response{}, err
	}
	if err := q.record(); err != nil {
		return Response{}, err
	}
	return Response{Body: b.bytes()}, nil
}

// read reads the parameters, or those that the cursor keeps of the first page.
func (w *historyWalk) read(q *Request) (err error) {
	if w.sealed = q.Params.Get("_cursor"); w.sealed == "" {
		if err := q.only("_count", "_since", "_at"); err != nil {
			return err
		}
		return w.params(q.Params)
	}
	if err := q.only("_cursor"); err != nil {
		return fhir.Errorf(fhir.NotSupported, "a page is asked for by its link as it stands; no other parameter is possible beside _cursor")
	}
	cur, err := q.api.cursors.Open(q.Principal.ClientID, w.path, w.sealed)
	if err != nil {
		return err
	}
	if w.query.Before, w.total = cur.Before, cur.Total; cur.Before == 0 {
		w.query.After = after(cur)
	}
	params, err := url.ParseQuery(cur.Query)
	if err != nil {
		return err
	}
	return w.params(params)
}

// params reads _count, _since and _at.
func (w *historyWalk) params(params url.Values) error {
	w.query.Limit, w.applied = search.DefaultCount, url.Values{}
	for _, name := range [...]string{"_count", "_since", "_at"} {
		values := params[name]
		if len(values) == 0 {
			continue
		}
		text := w.param(name, values[0])
		if len(values) > 1 {
			text = "the parameter may be given once"
		}
		if text != "" {
			return &fhir.Error{Status: http.StatusBadRequest, Issues: []fhir.Issue{{Code: fhir.BadValue, Text: text, Source: "parameter " + name}}}
		}
		w.applied.Set(name, values[0])
	}
	return nil
}

// param reads one parameter; what it returns says what is wrong with it.
func (w *historyWalk) param(name, value string) string {
	switch name {
	case "_count":
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 {
			return "a whole number from 1 to " + strconv.Itoa(search.MaxCount) + " was expected"
		}
		w.query.Limit = min(n, search.MaxCount)
	case "_since":
		// A "+" of a zone that was not escaped arrives as a space.
		t, err := time.Parse(time.RFC3339Nano, strings.Replace(value, " ", "+", 1))
		if err != nil {
			return "an instant such as 2026-03-04T10:15:30Z was expected"
		}
		w.query.Since = t
	case "_at":
		m, text := search.ParseDate(value)
		if text == "" && m.Op != "eq" {
			text = "a date or time without a prefix was expected"
		}
		w.query.AtFrom, w.query.AtTo = time.UnixMilli(m.Low), time.UnixMilli(m.High)
		return text
	}
	return ""
}

// historyReads bounds the reads of the store for one page: a history of types
// may look at much that the caller does not see.
const historyReads = 50

func (a *API) historyPage(ctx context.Context, hq store.HistoryQuery) (out store.Page, err error) {
	want := hq.Limit
	for range historyReads {
		hq.Limit = min(want-len(out.Versions), chunk)
		var next store.Page
		if next, err = a.Store.History(ctx, hq); err != nil {
			return out, err
		}
		out.Versions, out.More, out.Next = append(out.Versions, next.Versions...), next.More, next.Next
		if !out.More || len(out.Versions) >= want || size(out) >= maxPageBytes {
			break
		}
		if hq.Key.ID != "" {
			hq.Before = out.Versions[len(out.Versions)-1].Number
		}
		hq.After = next.Next
	}
	return out, nil
}

func (a *API) historyBundle(q *Request, w *historyWalk, page store.Page) (*bundle, error) {
	b := newBundle("history", page.Versions)
	b.formats = q.formatLink()
	if w.query.Key.ID != "" && w.sealed == "" && len(page.Versions) > 0 && !w.applied.Has("_since") && !w.applied.Has("_at") {
		w.total = page.Versions[0].Number // versions are numbered without gaps
	}
	b.total(w.total)
	if err := a.historyLinks(q, w, page, b); err != nil {
		return nil, err
	}
	back := broughtBack(page.Versions)
	for _, v := range page.Versions {
		q.addPatients(q.patientsOf(v.Key, v.Body))
		b.version(a.base, v, back[v.Key] == v.Number)
	}
	return b, nil
}

// broughtBack returns the versions among them that follow a deletion.
func broughtBack(versions []store.Version) map[store.Key]int {
	out := map[store.Key]int{}
	for _, v := range versions {
		if v.Deleted {
			out[v.Key] = v.Number + 1
		}
	}
	return out
}

func (a *API) historyLinks(q *Request, w *historyWalk, page store.Page, b *bundle) error {
	base := a.base + "/" + w.path
	first := base
	if len(w.applied) > 0 {
		first += "?" + w.applied.Encode()
	}
	self := first
	if w.sealed != "" {
		self = base + "?_cursor=" + w.sealed
	}
	b.link("self", self)
	b.link("first", first)
	if !page.More {
		return nil
	}
	cur := search.Cursor{Path: w.path, Query: w.applied.Encode(), Total: w.total}
	if w.query.Key.ID != "" {
		cur.Before = page.Versions[len(page.Versions)-1].Number
	} else {
		cur.At(page.Next)
	}
	next, err := a.cursors.Seal(q.Principal.ClientID, cur)
	if err != nil {
		return err
	}
	b.link("next", base+"?_cursor="+next)
	return nil
}
