package rest

import (
	"net/http"
	"net/url"
	"strings"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/gateway/store"
)

// A txEntry is one entry of a transaction.
type txEntry struct {
	fhir.Entry
	i           int
	interaction string
	typ, id     string
	query       string // of the address
	history     bool
	version     string
	pre         precondition
	crit        *criteria
	most        int // resources that a conditional delete may delete

	// What a try makes of it.
	key   store.Key
	old   *store.Version
	gone  []store.Version // what a deletion deletes
	found bool            // a conditional create that creates nothing
	res   fhir.Resource
	write *pendingWrite
}

// writes reports whether the entry stores a document.
func (e *txEntry) writes() bool {
	switch e.interaction {
	case "create", "update", "patch":
		return !e.found
	}
	return false
}

func (e *txEntry) fail(code fhir.Code, at, text string) error {
	return &fhir.Error{Status: http.StatusBadRequest, Issues: []fhir.Issue{{Code: code, Expression: place(e.i) + at, Text: text}}}
}

// txEntry reads what an entry asks for.
func (a *API) txEntry(p auth.Principal, i int, entry fhir.Entry) (*txEntry, error) {
	e := &txEntry{Entry: entry, i: i, most: 1}
	if phase(e.Method) < 0 {
		return e, e.fail(fhir.NotSupported, ".request.method", "request.method is GET, HEAD, POST, PUT, PATCH or DELETE")
	}
	if err := e.address(a); err != nil {
		return e, err
	}
	if !a.Registry.Held(e.typ) && !(p.UpdateAsCreate() && a.Registry.IsResource(e.typ)) && e.typ != auditEvent {
		return e, e.fail(fhir.NotSupported, ".request.url", "this resource type is not held here; /fhir/metadata lists those that are")
	}
	if e.typ == auditEvent && phase(e.Method) != len(phases)-1 {
		return e, &fhir.Error{Status: http.StatusMethodNotAllowed, Issues: []fhir.Issue{{Code: fhir.NotSupported, Expression: place(i) + ".request.url", Text: "the audit is the gateway's own; nobody writes it"}}}
	}
	if err := p.Require(e.interaction, e.typ); err != nil {
		return e, err
	}
	if err := e.document(); err != nil {
		return e, err
	}
	return e, e.conditions(a, p)
}

// address reads request.url: which interaction it is with the method.
func (e *txEntry) address(a *API) error {
	address, ok := a.below(e.URL)
	path, query, _ := strings.Cut(address, "?")
	parts := strings.Split(path, "/")
	e.typ, e.query = strings.Clone(parts[0]), query
	if len(parts) > 1 {
		e.id = strings.Clone(parts[1])
	}
	e.history = len(parts) > 2 && parts[2] == "_history"
	if len(parts) > 3 {
		e.version = parts[3]
	}
	ok = ok && len(parts) <= 4 && (len(parts) < 3 || e.history) && (len(parts) == 1 || fhir.IsID(e.id))
	byID := len(parts) == 2 && query == ""
	byQuery := len(parts) == 1 && query != ""
	switch e.Method {
	case http.MethodPost:
		e.interaction, ok = "create", ok && len(parts) == 1 && query == ""
	case http.MethodPut:
		e.interaction, ok = "update", ok && (byID || byQuery)
	case http.MethodPatch:
		e.interaction, ok = "patch", ok && (byID || byQuery)
	case http.MethodDelete:
		e.interaction, ok = "delete", ok && (byID || byQuery)
	default:
		e.interaction = [...]string{1: "search-type", 2: "read", 3: "history-instance", 4: "vread"}[min(len(parts), 4)]
	}
	if !ok {
		return e.fail(fhir.Invalid, ".request.url", expectedURL(e.Method))
	}
	return nil
}

func expectedURL(method string) string {
	switch method {
	case http.MethodPost:
		return "expected the type of the entry's resource"
	case http.MethodPut, http.MethodPatch, http.MethodDelete:
		return "expected Type/id, or Type?criteria"
	}
	return "a transaction reads by Type/id, Type/id/_history, Type/id/_history/version or Type?search"
}

// document checks that there is a resource where one is needed, of the type that
// the address names.
func (e *txEntry) document() error {
	has := e.Resource.Exists()
	switch e.interaction {
	case "create", "update":
		if !has || e.Type() != e.typ {
			return e.fail(fhir.Invalid, ".request.url", "expected the type of the entry's resource")
		}
	case "patch":
		if t := e.Type(); t != "Parameters" && t != "Binary" {
			return e.fail(fhir.Invalid, ".resource", "expected the patch as Parameters, or as a Binary that holds a JSON Patch")
		}
	default:
		if has {
			return e.fail(fhir.Invalid, ".resource", "this method takes no resource")
		}
	}
	return nil
}

// conditions reads ifMatch, ifNoneMatch, ifNoneExist and the criteria of the
// address.
func (e *txEntry) conditions(a *API, p auth.Principal) (err error) {
	if err := e.headers(); err != nil {
		return err
	}
	query := e.IfNoneExist
	switch e.interaction {
	case "update", "patch", "delete":
		query = e.query
	}
	if query == "" {
		return nil
	}
	params, err := url.ParseQuery(strings.TrimPrefix(query, "?"))
	if err != nil {
		return e.fail(fhir.Invalid, ".request", "the criteria are not well formed; expected a search, such as identifier=system|value")
	}
	if e.interaction == "delete" {
		if e.most, err = deleteCount(params); err != nil {
			return err
		}
	}
	e.crit, err = a.criteriaOf(p, e.typ, params)
	return err
}

// headers reads what the entry asks of the version it changes. A read's own
// conditions are the read's.
func (e *txEntry) headers() error {
	changes := e.interaction == "update" || e.interaction == "patch" || e.interaction == "delete"
	reads := phase(e.Method) == len(phases)-1
	if e.IfNoneExist != "" && e.interaction != "create" {
		return e.fail(fhir.NotSupported, ".request.ifNoneExist", "ifNoneExist is for POST")
	}
	if e.IfMatch != "" {
		n, ok := etag(e.IfMatch)
		if !ok || !changes {
			return e.fail(fhir.Invalid, ".request.ifMatch", `ifMatch is one version, such as W/"3", of what is changed`)
		}
		e.pre.match = n
	}
	if e.IfNoneMatch != "" && !reads {
		if e.IfNoneMatch != "*" || e.interaction != "update" || e.IfMatch != "" {
			return e.fail(fhir.NotSupported, ".request.ifNoneMatch", "ifNoneMatch of a change is * alone, and for PUT")
		}
		e.pre.fresh = true
	}
	return nil
}

// applier returns the patch of the entry.
func (e *txEntry) applier() (applier, error) {
	body, contentType, err := entryBody(e.Entry)
	if err != nil {
		return nil, err
	}
	if e.Type() == "Parameters" {
		params, err := e.Decode()
		return pathPatch(params), err
	}
	if contentType != JSONPatch {
		return nil, e.fail(fhir.NotSupported, ".resource.contentType", "expected "+JSONPatch)
	}
	return jsonPatch([]byte(body)), nil
}

// operations is the number of operations of the entry's patch.
func (e *txEntry) operations() (int, error) {
	if e.Type() == "Parameters" {
		return e.Resource.Get("parameter").Len(), nil
	}
	body, _, err := entryBody(e.Entry)
	if err != nil {
		return 0, err
	}
	ops, err := fhir.Parse([]byte(body), fhir.MaxResource)
	if err != nil {
		return 0, err
	}
	return ops.Root().Len(), nil
}
