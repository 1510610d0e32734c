package rest

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"trellis.example/fhir"
	"trellis.example/gateway/audit"
	"trellis.example/gateway/search"
	"trellis.example/gateway/store"
)

const auditEvent = "AuditEvent"

// ReadAudit serves GET /fhir/AuditEvent/{id}.
func (a *API) ReadAudit() *Operation {
	return &Operation{Interaction: "read", Action: audit.Read, api: a, typ: auditEvent, run: a.readAudit}
}

func (a *API) readAudit(q *Request) (Response, error) {
	if err := q.Principal.Require("read", auditEvent); err != nil {
		return Response{}, err
	}
	if err := q.only(); err != nil {
		return Response{}, err
	}
	seq, n, ok := audit.ParseID(q.ID)
	if !ok {
		return Response{}, notFound()
	}
	before := store.AuditPosition{Seq: seq, N: n - 1}
	if n == 0 {
		before = store.AuditPosition{Seq: seq - 1, N: 1<<31 - 1}
	}
	records, err := a.Store.AuditEntries(q.Context(), before, 1)
	if err != nil {
		return Response{}, err
	}
	if len(records) == 0 || records[0].Seq != seq || records[0].N != n {
		return Response{}, notFound()
	}
	if err := q.record(); err != nil {
		return Response{}, err
	}
	return Response{Body: audit.Render(records[0], a.base), Version: 1, Updated: records[0].At}, nil
}

// SearchAudit serves GET /fhir/AuditEvent and POST /fhir/AuditEvent/_search.
func (a *API) SearchAudit() *Operation {
	return &Operation{Interaction: "search-type", Action: audit.Execute, api: a, typ: auditEvent, run: a.searchAudit}
}

func (a *API) searchAudit(q *Request) (Response, error) {
	q.entry.Entities = []string{auditEvent + "?"}
	if err := q.Principal.Require("search-type", auditEvent); err != nil {
		return Response{}, err
	}
	params, err := q.searchParams()
	if err != nil {
		return Response{}, err
	}
	s, err := a.auditRequest(q, params)
	if err != nil {
		return Response{}, err
	}
	q.entry.Entities = []string{auditEvent + "?" + s.names()}
	records, more, err := a.Store.AuditSearch(q.Context(), s.q)
	if err != nil {
		return Response{}, err
	}
	b := newBundle("searchset")
	b.formats = q.formatLink()
	if err := a.auditLinks(q, b, s, records, more); err != nil {
		return Response{}, err
	}
	for _, r := range records {
		b.found(a.base, store.Key{Type: auditEvent, ID: r.ID()}, audit.Render(r, a.base), modeMatch)
	}
	if err := q.record(); err != nil {
		return Response{}, err
	}
	return Response{Body: b.bytes()}, nil
}

// An auditRequest is a search of the audit, read.
type auditRequest struct {
	q       store.AuditQuery
	applied url.Values
	sealed  string
	issues  []fhir.Issue
}

func (s *auditRequest) names() string {
	names := make([]string, 0, len(s.applied))
	for n := range s.applied {
		names = append(names, n)
	}
	slices.Sort(names)
	return strings.Join(names, ",")
}

// auditParams are the parameters by which the audit is searched, with their FHIR
// type. An agent is a client id, or "identifier" of the agent in FHIR's terms.
var auditParams = [...][2]string{{"action", "token"}, {"agent", "token"}, {"date", "date"}, {"entity", "reference"}, {"patient", "reference"}}

func (a *API) auditRequest(q *Request, params url.Values) (*auditRequest, error) {
	s := &auditRequest{applied: url.Values{}, sealed: params.Get("_cursor")}
	s.q.Limit = search.DefaultCount
	if params.Has("_cursor") {
		cur, err := a.cursors.Open(q.Principal.ClientID, auditEvent, s.sealed)
		if err != nil {
			return nil, err
		}
		if params, err = url.ParseQuery(cur.Query); err != nil {
			return nil, err
		}
		s.q.After = &store.AuditPosition{Seq: cur.Seq, N: cur.N}
	}
	for name, values := range params {
		for _, v := range values {
			s.one(a, name, v)
		}
	}
	if len(s.issues) > 0 {
		return nil, &fhir.Error{Status: 400, Issues: s.issues}
	}
	return s, nil
}

func (s *auditRequest) one(a *API, name, v string) {
	text := ""
	switch name {
	case "_format", "_pretty", "_cursor":
		return
	case "_count":
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 {
			text = "a whole number from 1 was expected"
		}
		s.q.Limit = min(n, search.MaxCount)
	case "action":
		s.q.Action = audit.Action(v)
		if len(v) != 1 || !strings.Contains("CRUDE", v) {
			text = "C, R, U, D or E was expected"
		}
	case "agent":
		s.q.Client = v
	case "entity":
		s.q.Entity = strings.TrimPrefix(v, a.base+"/")
		text = wantKey(s.q.Entity)
	case "patient":
		if s.q.Patient = strings.TrimPrefix(v, a.base+"/"); !strings.Contains(s.q.Patient, "/") {
			s.q.Patient = "Patient/" + s.q.Patient
		}
		text = wantKey(s.q.Patient)
	case "date", "_lastUpdated":
		text = s.date(v)
	default:
		text = "this search parameter is not supported; supported are action, agent, date, entity, patient, _lastUpdated, _count, _cursor"
	}
	if text != "" {
		s.issues = append(s.issues, fhir.Issue{Code: fhir.NotSupported, Text: text, Source: "parameter " + search.ShowName(name)})
		return
	}
	if len(s.applied[name]) > 0 && name != "date" && name != "_lastUpdated" {
		s.issues = append(s.issues, fhir.Issue{Code: fhir.NotSupported, Text: "this parameter may be given once", Source: "parameter " + name})
	}
	s.applied.Add(name, v)
}

func wantKey(s string) string {
	if ref, ok := fhir.ParseReference(s); !ok || ref.Kind != fhir.RefRelative || ref.Version != "" {
		return "Type/id was expected"
	}
	return ""
}

// date narrows the range of times; several dates narrow it further.
func (s *auditRequest) date(v string) string {
	ms, text := search.ParseDate(v)
	if text != "" {
		return text
	}
	low, high := time.UnixMilli(ms.Low), time.UnixMilli(ms.High+1)
	switch ms.Op {
	case "eq":
		s.after(low)
		s.before(high)
	case "ge":
		s.after(low)
	case "gt", "sa":
		s.after(high)
	case "le":
		s.before(high)
	case "lt", "eb":
		s.before(low)
	default:
		return "the prefixes of an audit date are eq, ge, gt, le, lt, sa and eb"
	}
	return ""
}

func (s *auditRequest) after(t time.Time) {
	if s.q.From.IsZero() || t.After(s.q.From) {
		s.q.From = t
	}
}

func (s *auditRequest) before(t time.Time) {
	if s.q.To.IsZero() || t.Before(s.q.To) {
		s.q.To = t
	}
}

func (a *API) auditLinks(q *Request, b *bundle, s *auditRequest, records []audit.Record, more bool) error {
	base := a.base + "/" + auditEvent
	self := base + "?" + s.applied.Encode()
	if s.sealed != "" {
		self = base + "?_cursor=" + s.sealed
	}
	b.link("self", self)
	if !more || len(records) == 0 {
		return nil
	}
	last := records[len(records)-1]
	next, err := a.cursors.Seal(q.Principal.ClientID, search.Cursor{
		Path: auditEvent, Query: s.applied.Encode(), Seq: last.Seq, N: last.N, Total: -1,
	})
	if err != nil {
		return fmt.Errorf("seal a cursor: %w", err)
	}
	b.link("next", base+"?_cursor="+next)
	return nil
}
