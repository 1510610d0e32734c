package terminology

import (
	"context"
	"net/http"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/gateway/audit"
	"trellis.example/gateway/rest"
	"trellis.example/gateway/store"
	"trellis.example/profiles/terminology"
)

// Deps is what the operations are made of.
type Deps struct {
	API     *rest.API
	Service *terminology.Service
	// Remote is asked about what Service does not decide; nil: nobody is.
	Remote *Client
	// Stored finds a ValueSet or ConceptMap that somebody stored here and the
	// caller may read, by its canonical; nil: none is.
	Stored func(ctx context.Context, p auth.Principal, typ, canonical string) (fhir.Resource, bool)
}

// Operations are the handlers. They are safe for concurrent use.
type Operations struct {
	Expand, ValidateInSet, Lookup, ValidateInSystem, Subsumes, Translate *rest.Operation
}

// New returns the handlers of the operations, for their types and, but for
// those of CodeSystem that name a code, for instances too.
func New(d Deps) *Operations {
	s := &server{d}
	return &Operations{
		Expand:           s.operation("ValueSet", "expand", s.expand),
		ValidateInSet:    s.operation("ValueSet", "validate-code", s.validateInSet),
		Lookup:           s.operation("CodeSystem", "lookup", s.lookup),
		ValidateInSystem: s.operation("CodeSystem", "validate-code", s.validateInSystem),
		Subsumes:         s.operation("CodeSystem", "subsumes", s.subsumes),
		Translate:        s.operation("ConceptMap", "translate", s.translate),
	}
}

type server struct{ Deps }

// operation audits what run answers before it is sent.
func (s *server) operation(typ, name string, run func(*rest.Request) (rest.Response, error)) *rest.Operation {
	return s.API.Custom(audit.Execute, name, func(q *rest.Request) (rest.Response, error) {
		resp, err := run(q)
		if err != nil {
			return resp, err
		}
		return resp, q.Audited()
	}).For(typ)
}

// definition finds what a request is about: the resource of the address, the one
// sent, or a canonical. When the service holds the canonical the resource is
// absent.
func (s *server) definition(q *rest.Request, url string, sent fhir.Resource) (string, fhir.Resource, error) {
	if q.ID != "" {
		if url != "" || sent.Type() != "" {
			return "", sent, fhir.StatusErrorf(http.StatusBadRequest, fhir.Invalid, "the address names the resource already")
		}
		return s.instance(q)
	}
	if sent.Type() != "" && sent.Type() != q.Type {
		return "", sent, fhir.StatusErrorf(http.StatusBadRequest, fhir.Invalid, "the resource sent must be a %s", q.Type)
	}
	if sent.Type() != "" || url == "" || s.holds(q.Type, url) || s.Stored == nil {
		return url, sent, nil
	}
	stored, _ := s.Stored(q.Context(), q.Principal, q.Type, url)
	return url, stored, nil
}

func (s *server) holds(typ, url string) bool {
	if typ == "ConceptMap" {
		return s.Service.HasMap(url)
	}
	return s.Service.Set(url) != nil
}

// instance reads the resource that the address names. One that is published
// from what the service holds is taken from there, where more is known of it.
func (s *server) instance(q *rest.Request) (string, fhir.Resource, error) {
	k := store.Key{Type: q.Type, ID: q.ID}
	v, err := s.API.Store.Read(q.Context(), q.Principal.View("read"), k)
	if err != nil {
		return "", fhir.Resource{}, err
	}
	if v.Deleted {
		return "", fhir.Resource{}, fhir.Errorf(fhir.Deleted, "the resource was deleted")
	}
	r, err := fhir.Decode(v.Body)
	if err != nil {
		return "", fhir.Resource{}, err
	}
	url := canonical(r.Root().Get("url").Text(), r.Root().Get("version").Text())
	if f, ok := s.API.Store.(interface{ Fixed(store.Key) bool }); ok && f.Fixed(k) && s.holds(q.Type, url) {
		return url, fhir.Resource{}, nil
	}
	return url, r, nil
}
