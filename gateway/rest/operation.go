package rest

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/gorilla/mux"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/gateway/audit"
)

// An Operation serves one FHIR interaction at one address: it negotiates,
// calls, audits refusals and writes the answer or the OperationOutcome.
type Operation struct {
	// Interaction is the code of http://hl7.org/fhir/restful-interaction, or
	// the name of an operation.
	Interaction string
	// Action is what the audit calls it.
	Action audit.Action
	// Open marks what needs no access token.
	Open bool
	// JSONOnly leaves a body in XML as it is, for the handler to refuse.
	JSONOnly bool
	// Errors changes every error before it is answered, as a standard with
	// codes of its own needs; nil changes nothing.
	Errors func(error) error
	// Refusal renders an error in a shape of its own, with its media type; nil,
	// or no body, is an OperationOutcome.
	Refusal func(*http.Request, *fhir.Error) (body []byte, mediaType string)

	api *API
	typ string // the type, when the address does not say it
	run func(*Request) (Response, error)
}

// Custom returns an operation with a handler of another package: same error
// answers and audit of refusals, and below /fhir the same negotiation. The
// handler audits its own successes.
func (a *API) Custom(action audit.Action, interaction string, run func(*Request) (Response, error)) *Operation {
	return &Operation{Interaction: interaction, Action: action, api: a, run: run}
}

// A Request is one FHIR request.
type Request struct {
	*http.Request
	Principal auth.Principal
	// Type, ID and Version are what the address names; each may be empty.
	Type, ID, Version string
	// Member is the type in the address of a compartment, or "*" for all.
	Member string
	// Params are the parameters of the address.
	Params url.Values

	api    *API
	entry  audit.Entry
	format format // of the answer
	native bool   // the content of a Binary is asked for
	// answered: what is answered is not what this request wrote, but what
	// another had done before.
	answered bool
	// refusal is that of the operation.
	refusal func(*http.Request, *fhir.Error) ([]byte, string)
}

// ServeHTTP answers one request.
func (o *Operation) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q, resp, err := o.serve(r)
	if err != nil {
		o.writeError(w, q, err)
		return
	}
	resp.write(w, q)
}

// Refuse answers an error of a request that never reached the operation, in the
// operation's way.
func (o *Operation) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	if err = StoreError(err); o.Errors != nil {
		err = o.Errors(err)
	}
	q := &Request{Request: r}
	q.negotiateError()
	o.writeError(w, q, err)
}

func (o *Operation) writeError(w http.ResponseWriter, q *Request, err error) {
	if o.Refusal != nil {
		q.refusal = o.Refusal
	}
	writeError(w, q, err)
}

// serve does what is asked and audits a refusal.
func (o *Operation) serve(r *http.Request) (*Request, Response, error) {
	q, err := o.request(r)
	if err == nil {
		err = o.known(q)
	}
	var resp Response
	if err == nil {
		resp, err = o.run(q)
	}
	if err == nil {
		return q, resp, nil
	}
	if err = StoreError(err); o.Errors != nil {
		err = o.Errors(err)
	}
	return q, resp, o.api.refused(q, err)
}

// request reads what every interaction needs. The Request it returns is usable
// for an error answer even when err is not nil.
func (o *Operation) request(r *http.Request) (*Request, error) {
	vars := mux.Vars(r)
	q := &Request{
		Request: r, Principal: auth.From(r.Context()), api: o.api,
		Type: vars["type"], ID: vars["id"], Version: vars["version"], Member: vars["member"],
	}
	if q.Type == "" {
		q.Type = o.typ
	}
	q.entry = audit.NewEntry(r.Context(), o.api.now(), o.Action, o.Interaction)
	if q.Type != "" {
		q.entry.Entities = []string{q.target()}
	}
	if r.URL.RawQuery != "" {
		var err error
		if q.Params, err = url.ParseQuery(r.URL.RawQuery); err != nil {
			return q, fhir.Errorf(fhir.Invalid, "the query string is not well formed")
		}
	}
	if !strings.HasPrefix(r.URL.Path, "/fhir") { // partners' own formats
		return q, nil
	}
	if !o.JSONOnly {
		q.Request = declareJSON(r)
	}
	return q, q.negotiate()
}

// target is what the request is about, in the audit's terms.
func (q *Request) target() string {
	s := q.Type
	if q.ID != "" {
		s += "/" + q.ID
	}
	if q.Version != "" {
		s += "/_history/" + q.Version
	}
	return s
}

// known refuses types that are not held. The sandbox holds all of R4.
func (o *Operation) known(q *Request) error {
	if q.Type == "" || o.typ != "" || o.api.Registry.Held(q.Type) || q.Principal.UpdateAsCreate() && o.api.Registry.IsResource(q.Type) {
		return nil
	}
	return fhir.StatusErrorf(http.StatusNotFound, fhir.NotSupported, "this resource type is not held here; /fhir/metadata lists those that are")
}

// only refuses parameters that the interaction does not have.
func (q *Request) only(names ...string) error {
	for n := range q.Params {
		ok := n == "_format" || n == "_pretty"
		for _, m := range names {
			ok = ok || n == m
		}
		if !ok {
			return fhir.Errorf(fhir.NotSupported, "this interaction has no such parameter; supported are %s", strings.Join(append([]string{"_format", "_pretty"}, names...), ", "))
		}
	}
	return nil
}

// lenient reports Prefer: handling=lenient.
func (q *Request) lenient() bool { return q.prefer("handling") == "lenient" }

// prefer returns the value of one preference of the Prefer headers (RFC 7240).
func (q *Request) prefer(name string) string {
	for _, h := range q.Header["Prefer"] {
		for p := range strings.FieldsFuncSeq(h, func(r rune) bool { return r == ',' || r == ';' }) {
			k, v, _ := strings.Cut(strings.TrimSpace(p), "=")
			if strings.EqualFold(k, name) {
				return strings.Trim(v, `"`)
			}
		}
	}
	return ""
}
