// Package openapi describes a gateway's HTTP interface as an OpenAPI 3.1
// document.
//
// The document is made of the routes that the server has and the search
// parameters that are answered, so it names what is there and nothing else.
// FHIR resources are described by reference to FHIR: their schemas are published
// per profile below /schemas/.
package openapi
