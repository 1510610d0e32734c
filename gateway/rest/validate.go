package rest

import (
	"net/http"
	"slices"
	"strings"

	"trellis.example/fhir"
	"trellis.example/gateway/audit"
	"trellis.example/gateway/store"
)

// Check serves $validate (R4 resource operations): POST at a type or at an
// instance with a resource, or with Parameters resource, mode and profile; GET
// at an instance. The answer is 200 with the findings, whatever they are;
// nothing is stored.
//
// Without a mode the document is judged by itself. With create, update or delete
// it is judged as that interaction would, by the rules of the gateway too; with
// profile by the profile named besides.
func (a *API) Check() *Operation {
	return &Operation{Interaction: "validate", Action: audit.Execute, api: a, run: a.check}
}

// A checking is one request to validate.
type checking struct {
	q             *Request
	res           fhir.Resource
	given         bool // there is a resource
	mode, profile string
	faults        []fhir.Issue // of the body itself
}

func (a *API) check(q *Request) (Response, error) {
	if err := q.mayValidate(); err != nil {
		return Response{}, err
	}
	c, err := q.checking()
	if err != nil {
		return Response{}, err
	}
	issues := c.faults
	if issues == nil {
		if issues, err = a.findings(c); err != nil {
			return Response{}, err
		}
	}
	return Response{Body: fhir.Outcome(q.places(issues))}, q.record()
}

// mayValidate: whoever may do anything with the type.
func (q *Request) mayValidate() error {
	if err := q.only("mode", "profile"); err != nil {
		return err
	}
	for _, interaction := range [...]string{"create", "update", "read"} {
		if q.Principal.Allow(interaction, q.Type) {
			return nil
		}
	}
	return q.Principal.Require("read", q.Type)
}

// modes are the codes of resource-validation-mode.
var modes = []string{"", "create", "update", "delete", "profile"}

// checking reads what is to be validated. What is wrong with the document is a
// finding; what is wrong with the request is an error.
func (q *Request) checking() (*checking, error) {
	c := &checking{q: q, mode: q.Params.Get("mode"), profile: q.Params.Get("profile")}
	if q.Method == http.MethodPost {
		if err := c.body(); err != nil {
			return nil, err
		}
	}
	switch {
	case !slices.Contains(modes, c.mode):
		return nil, fhir.StatusErrorf(400, fhir.BadValue, "mode is create, update, delete or profile")
	case c.mode == "profile" && c.profile == "":
		return nil, fhir.StatusErrorf(400, fhir.Required, "mode profile needs the parameter profile")
	case c.mode == "create" && q.ID != "":
		return nil, fhir.Errorf(fhir.Invalid, "mode create is asked for at the type")
	case c.mode == "delete" && q.ID == "":
		return nil, fhir.Errorf(fhir.Invalid, "mode delete is asked for at an instance")
	case c.faults == nil && !c.given && q.ID == "":
		return nil, fhir.StatusErrorf(400, fhir.Required, "there is no resource to validate")
	}
	return c, nil
}

func (c *checking) body() error {
	if err := ContentType(c.q.Header); err != nil {
		return err
	}
	b, err := Body(c.q.Request, fhir.MaxResource)
	if err != nil {
		return err
	}
	res, err := fhir.Decode(b)
	if err != nil {
		c.faults = fhir.AsError(err).Issues
		return nil
	}
	if res.Type() != "Parameters" || c.q.Type == "Parameters" {
		c.res, c.given = res, true
		return nil
	}
	return c.parameters(res)
}

// parameters reads resource, mode and profile.
func (c *checking) parameters(params fhir.Resource) error {
	for p := range params.Root().Get("parameter").Items() {
		switch p.Get("name").Text() {
		case "resource":
			if c.given {
				return &fhir.Error{Issues: []fhir.Issue{{Code: fhir.Invalid, Expression: p.Path(), Text: "one resource is validated at a time"}}}
			}
			res, err := fhir.Sub(p.Get("resource"))
			if err == nil {
				res, err = fhir.Decode(res.JSON()) // places are those of the resource itself
			}
			if err != nil {
				return err
			}
			c.res, c.given = res, true
		case "mode":
			c.mode = p.Get("valueCode").Text()
		case "profile":
			if c.profile = p.Get("valueUri").Text(); c.profile == "" {
				c.profile = p.Get("valueCanonical").Text()
			}
		default:
			return &fhir.Error{Issues: []fhir.Issue{{Code: fhir.NotSupported, Expression: p.Path(), Text: "expected the parameters resource, mode and profile"}}}
		}
	}
	return nil
}

// findings judges the document as the mode says.
func (a *API) findings(c *checking) ([]fhir.Issue, error) {
	old, err := a.instance(c)
	if err != nil {
		return nil, err
	}
	if c.mode == "delete" {
		return a.deletable(c.q, old)
	}
	if !c.given {
		if c.res, err = fhir.Decode(old.Body); err != nil {
			return nil, err
		}
	}
	issues, err := a.judged(c)
	if err != nil || c.mode != "create" && c.mode != "update" {
		return issues, err
	}
	if err := c.q.Principal.Require(c.mode, c.q.Type); err != nil {
		return append(issues, fhir.AsError(err).Issues...), nil
	}
	more, err := a.rules(c.q, c.res, old)
	return append(issues, more...), err
}

// instance reads the resource that the address names, as far as the caller may
// see it; nil at a type.
func (a *API) instance(c *checking) (*store.Version, error) {
	q, interaction := c.q, "read"
	if q.ID == "" {
		return nil, nil //nolint:nilnil // a type has no version
	}
	if c.mode == "update" || c.mode == "delete" || c.given && !q.Principal.Allow("read", q.Type) {
		interaction = "update"
	}
	v, err := a.Store.Read(q.Context(), q.Principal.View(interaction), store.Key{Type: q.Type, ID: q.ID})
	if err != nil {
		return nil, err
	}
	if v.Deleted {
		return nil, gone()
	}
	q.entry.Patients = q.patientsOf(v.Key, v.Body)
	return &v, nil
}

// judged validates the document by its profiles.
func (a *API) judged(c *checking) ([]fhir.Issue, error) {
	q, res := c.q, c.res
	if res.Type() != q.Type {
		return []fhir.Issue{{Code: fhir.Invalid, Expression: "Resource", Text: "the resource is not of the type that the address names"}}, nil
	}
	var issues []fhir.Issue
	if q.ID != "" && c.given && res.ID() != q.ID && c.mode == "update" {
		issues = fhir.AsError(otherID(q.Type)).Issues
	}
	if c.profile == "" || strings.TrimSuffix(c.profile, "|4.0.1") == "http://hl7.org/fhir/StructureDefinition/"+q.Type { // judged by it anyway
		return append(issues, a.Validate(q.Context(), q.Principal, res)...), nil
	}
	typ := ""
	if a.ProfileType != nil {
		typ = a.ProfileType(c.profile)
	}
	switch typ {
	case "":
		return nil, fhir.StatusErrorf(http.StatusUnprocessableEntity, fhir.NotFound, "there is no such profile here")
	case q.Type:
		return append(issues, a.Validate(q.Context(), q.Principal, res, c.profile)...), nil
	}
	return nil, fhir.StatusErrorf(http.StatusUnprocessableEntity, fhir.BadValue, "the profile asked for is one of %s, the resource is a %s", typ, q.Type)
}

// deletable says why the caller may not delete the version.
func (a *API) deletable(q *Request, old *store.Version) ([]fhir.Issue, error) {
	err := q.Principal.Require("delete", q.Type)
	if err == nil && !q.Principal.View("delete").Changes(q.Type, old.Access) {
		err = StoreError(store.ErrForbidden)
	}
	if err == nil {
		err = a.unreferenced(q.Context(), q.Principal, []store.Version{*old})
	}
	if e := fhir.AsError(err); err != nil && e.HTTPStatus() < 500 {
		return e.Issues, nil
	}
	return nil, err
}
