package rest

import (
	"net/http"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
	"trellis.example/gateway/audit"
	"trellis.example/gateway/store"
)

// everyMember is the type in an address that stands for all of a compartment.
const everyMember = "*"

// SearchCompartment serves GET /fhir/{type}/{id}/{member} and POST
// /fhir/{type}/{id}[/{member}]/_search, where the member is a type or "*": a
// search in the compartment of a Patient, Encounter, Practitioner or
// RelatedPerson (R4 compartmentdefinition). The resource that the compartment is
// of must be there for the caller.
func (a *API) SearchCompartment() *Operation {
	return &Operation{Interaction: "search-type", Action: audit.Execute, api: a, run: a.searchCompartment}
}

func (a *API) searchCompartment(q *Request) (Response, error) {
	of := store.Key{Type: q.Type, ID: q.ID}
	member := q.Member
	if member == "" {
		member = everyMember
	}
	scope := searchScope{path: of.String() + "/" + member, within: of}
	q.entry.Entities = []string{scope.path + "?"}
	if err := q.compartmentOf(of); err != nil {
		return Response{}, err
	}
	defs := definitions.R4()
	if member != everyMember {
		if len(defs.Compartment(of.Type, member)) == 0 {
			return Response{}, fhir.StatusErrorf(http.StatusBadRequest, fhir.NotSupported, "this type does not belong to the compartment of a %s", of.Type)
		}
		if err := q.Principal.Require("search-type", member); err != nil {
			return Response{}, err
		}
		scope.types = []string{member}
	} else {
		scope.many = true
		for _, t := range q.types("search-type") {
			if len(defs.Compartment(of.Type, t)) > 0 {
				scope.types = append(scope.types, t)
			}
		}
	}
	return a.search(q, scope)
}

// compartmentOf refuses a compartment whose own resource the caller may not read:
// the same answer for a hidden one and for none.
func (q *Request) compartmentOf(of store.Key) error {
	if err := q.Principal.Require("read", of.Type); err != nil {
		return err
	}
	v, err := q.api.Store.Read(q.Context(), q.Principal.View("read"), of)
	if err == nil && v.Deleted {
		err = gone()
	}
	if err == nil {
		q.addPatients(q.patientsOf(v.Key, v.Body))
	}
	return err
}
