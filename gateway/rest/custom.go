package rest

import "trellis.example/fhir"

// For names the resource type of an address that does not carry it as a
// variable, for the handlers of other packages.
func (o *Operation) For(typ string) *Operation {
	o.typ = typ
	return o
}

// Audited writes the audit entry of a request that only asks, for the handlers
// of other packages: it is durable before anything is answered. The entry names
// what the address names.
func (q *Request) Audited() error { return q.record() }

// Parameters reads the body as a Parameters resource, for the handlers of other
// packages.
func (q *Request) Parameters() (fhir.Resource, error) { return q.parameters() }
