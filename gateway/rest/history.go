package rest

import (
	"net/http"
	"strconv"

	"trellis.example/fhir"
	"trellis.example/gateway/audit"
	"trellis.example/gateway/search"
	"trellis.example/gateway/store"
)

// History serves GET /fhir/{type}/{id}/_history: the versions of one resource,
// newest first, under today's access.
func (a *API) History() *Operation {
	return &Operation{Interaction: "history-instance", Action: audit.Read, api: a, run: a.history}
}

func (a *API) history(q *Request) (Response, error) {
	if err := q.Principal.Require("history-instance", q.Type); err != nil {
		return Response{}, err
	}
	q.entry.Entities = []string{q.Type + "/" + q.ID + "/_history"}
	if err := q.only("_count", "_cursor"); err != nil {
		return Response{}, err
	}
	path := q.Type + "/" + q.ID + "/_history"
	cur, count, err := q.walk(path)
	if err != nil {
		return Response{}, err
	}
	page, err := a.historyPage(q.Context(), store.HistoryQuery{
		View: q.Principal.View("history-instance"), Key: store.Key{Type: q.Type, ID: q.ID}, Limit: count, Before: cur.Before,
	})
	if err != nil {
		return Response{}, err
	}
	b, err := a.historyBundle(q, path, cur, count, page)
	if err != nil {
		return Response{}, err
	}
	if err := q.record(); err != nil {
		return Response{}, err
	}
	return Response{Body: b.bytes()}, nil
}

// walk reads _count and _cursor; the page size belongs to the cursor.
func (q *Request) walk(path string) (cur search.Cursor, count int, err error) {
	count = search.DefaultCount
	if s := q.Params.Get("_count"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			return cur, 0, fhir.StatusErrorf(http.StatusBadRequest, fhir.BadValue, "_count is a whole number from 1 to %d", search.MaxCount)
		}
		count = min(n, search.MaxCount)
	}
	if s := q.Params.Get("_cursor"); s != "" {
		cur, err = q.api.cursors.Open(q.Principal.ClientID, path, s)
	}
	return cur, count, err
}

func (a *API) historyBundle(q *Request, path string, cur search.Cursor, count int, page store.Page) (*bundle, error) {
	b := newBundle("history", page.Versions)
	total := cur.Total
	if cur.Before == 0 && len(page.Versions) > 0 {
		total = page.Versions[0].Number // versions are numbered without gaps
	}
	b.total(total)
	self := a.base + "/" + path + "?_count=" + strconv.Itoa(count)
	b.link("self", self+q.cursorParam())
	if page.More {
		last := page.Versions[len(page.Versions)-1]
		next, err := a.cursors.Seal(q.Principal.ClientID, search.Cursor{Path: path, Before: last.Number, Total: total})
		if err != nil {
			return nil, err
		}
		b.link("next", self+"&_cursor="+next)
	}
	for _, v := range page.Versions {
		q.addPatients(Patients(v.Key, v.Body))
		b.version(a.base, v)
	}
	return b, nil
}

func (q *Request) cursorParam() string {
	if s := q.Params.Get("_cursor"); s != "" {
		return "&_cursor=" + s
	}
	return ""
}
