package rest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"trellis.example/fhir/definitions"
	"trellis.example/gateway/audit"
	"trellis.example/gateway/search"
)

// A Routed is what an address serves: what the CapabilityStatement is made of.
type Routed struct {
	// Path is the route's template below the FHIR base: "/{type}/{id}".
	Path        string
	Interaction string
}

// Capabilities serves GET /fhir/metadata from what is routed. It needs no token
// and names nothing but the software. cors tells whether browsers may call.
func (a *API) Capabilities(routes []Routed, cors bool) (*Operation, error) {
	body, err := json.Marshal(a.statement(routes, cors))
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(body)
	header := http.Header{
		"Etag":          {`W/"` + hex.EncodeToString(sum[:8]) + `"`},
		"Cache-Control": {"public, max-age=300"},
	}
	return &Operation{Interaction: "capabilities", Action: audit.Execute, Open: true, api: a, run: func(q *Request) (Response, error) {
		if err := q.only("mode"); err != nil {
			return Response{}, err
		}
		return Response{Body: body, Header: header}, nil
	}}, nil
}

type object = map[string]any

func (a *API) statement(routes []Routed, cors bool) object {
	software := object{"name": "Trellis"}
	if a.Version != "" {
		software["version"] = a.Version
	}
	o := object{
		"resourceType": "CapabilityStatement", "status": "active", "kind": "instance",
		"date": a.now().Format("2006-01-02"), "fhirVersion": "4.0.1",
		"format":         []string{MediaType, MediaTypeXML, "json", "xml"},
		"patchFormat":    []string{"application/json-patch+json", MediaType, MediaTypeXML},
		"software":       software,
		"implementation": object{"description": "Trellis, a gateway for social prescribing", "url": a.base},
		"rest":           []object{a.restObject(routes, cors)},
	}
	if slices.ContainsFunc(routes, func(r Routed) bool { return r.Path == "/$process-message" }) && len(a.Messages) > 0 {
		o["messaging"] = a.messaging()
	}
	return o
}

func (a *API) restObject(routes []Routed, cors bool) object {
	o := object{"mode": "server", "security": a.security(cors), "resource": a.resources(routes)}
	if list := compartmentURLs(routes); len(list) > 0 {
		o["compartment"] = list
	}
	if list := systemInteractions(routes); len(list) > 0 { // FHIR has no empty arrays
		o["interaction"] = list
	}
	if list := operations(routes, a.PublicURL); len(list) > 0 {
		o["operation"] = list
	}
	return o
}

func (a *API) security(cors bool) object {
	return object{
		"cors": cors,
		"service": []object{{"coding": []object{{
			"system": "http://terminology.hl7.org/CodeSystem/restful-security-service", "code": "SMART-on-FHIR",
		}}}},
		"extension": []object{{
			"url":       "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris",
			"extension": []object{{"url": "token", "valueUri": a.PublicURL + "/oauth2/token"}},
		}},
	}
}

// resources lists each type with the interactions of the routes that serve it:
// those of the type's own routes when it has any, else of "{type}".
func (a *API) resources(routes []Routed) []object {
	types := []string{auditEvent}
	for _, h := range search.HeldTypes() {
		types = append(types, h.Type)
	}
	if a.Sandbox {
		types = append(types, definitions.R4().Resources()...)
	}
	slices.Sort(types)
	types = slices.Compact(types)
	referrers := a.revIncludes(types)
	out := []object{}
	for _, typ := range types {
		own := typeInteractions(routes, "/"+typ)
		if len(own) == 0 {
			own = typeInteractions(routes, "/{type}")
		}
		o := a.resourceObject(typ, own)
		a.includes(o, typ, referrers[typ])
		if list := a.Profiles[typ]; len(list) > 0 {
			o["supportedProfile"] = list
		}
		if list := typeOperations(routes, typ, a.PublicURL); len(list) > 0 && typ != auditEvent {
			o["operation"] = list
		}
		out = append(out, o)
	}
	return out
}

// includes says what an answer about the type may carry beside it.
func (a *API) includes(o object, typ string, referrers []string) {
	if typ == auditEvent {
		return
	}
	include := []string{"*"}
	for _, p := range a.Registry.Params(typ) {
		if p.Chains() {
			include = append(include, typ+":"+p.Name)
		}
	}
	o["searchInclude"] = include
	if len(referrers) > 0 {
		o["searchRevInclude"] = referrers
	}
}

// revIncludes returns, by type, the reference parameters that lead to it.
func (a *API) revIncludes(types []string) map[string][]string {
	out := map[string][]string{}
	for _, t := range types {
		for _, p := range a.Registry.Params(t) {
			for _, to := range p.Targets {
				if p.Chains() {
					out[to] = append(out[to], t+":"+p.Name)
				}
			}
		}
	}
	return out
}

func (a *API) resourceObject(typ string, codes []string) object {
	o := object{"type": typ, "interaction": codeObjects(codes), "searchParam": a.searchParams(typ)}
	if !slices.Contains(codes, "update") {
		return o
	}
	o["versioning"] = "versioned" // If-Match is honoured, not asked for
	o["readHistory"] = slices.Contains(codes, "history-instance")
	o["updateCreate"] = a.Sandbox
	o["conditionalCreate"] = true
	o["conditionalRead"] = "full-support"
	o["conditionalUpdate"] = true
	o["conditionalDelete"] = "multiple"
	return o
}

func (a *API) searchParams(typ string) []object {
	if typ == auditEvent {
		out := []object{}
		for _, p := range auditParams {
			out = append(out, object{"name": p[0], "type": p[1]})
		}
		return out
	}
	out := []object{{"name": "_id", "type": "token"}, {"name": "_lastUpdated", "type": "date"}}
	for _, p := range a.Registry.Params(typ) {
		out = append(out, object{"name": p.Name, "type": p.Type, "definition": p.URL, "documentation": p.Doc()})
	}
	return out
}

func typeInteractions(routes []Routed, prefix string) []string {
	var codes []string
	for _, r := range routes {
		if strings.Contains(r.Path, "$") { // an operation is no interaction
			continue
		}
		if r.Path == prefix || strings.HasPrefix(r.Path, prefix+"/") {
			codes = append(codes, r.Interaction)
		}
	}
	slices.Sort(codes)
	return slices.Compact(codes)
}

func systemInteractions(routes []Routed) []object {
	var codes []string
	for _, r := range routes {
		if r.Path == "" && r.Interaction == "transaction" {
			codes = append(codes, "batch", r.Interaction)
		}
		if r.Interaction == "search-system" || r.Interaction == "history-system" {
			codes = append(codes, r.Interaction)
		}
	}
	slices.Sort(codes)
	return codeObjects(slices.Compact(codes))
}

// Compartments are the types whose compartments are searched.
var Compartments = [...]string{"Encounter", "Patient", "Practitioner", "RelatedPerson"}

// compartmentURLs names the compartments that are searched.
func compartmentURLs(routes []Routed) []string {
	if !slices.ContainsFunc(routes, func(r Routed) bool { return strings.HasSuffix(r.Path, "/{member}") }) {
		return nil
	}
	var out []string
	for _, typ := range Compartments {
		out = append(out, "http://hl7.org/fhir/CompartmentDefinition/"+strings.ToLower(typ))
	}
	return out
}

func codeObjects(codes []string) []object {
	out := []object{}
	for _, c := range codes {
		out = append(out, object{"code": c})
	}
	return out
}

// operations lists those of the whole system.
func operations(routes []Routed, public string) []object {
	return operationObjects(routes, public, "/$")
}

// typeOperations lists those of a type, on all of it or on one resource.
func typeOperations(routes []Routed, typ, public string) []object {
	var out []object
	for _, at := range [...]string{"/{type}/", "/" + typ + "/"} {
		for _, prefix := range [...]string{at + "$", at + "{id}/$"} {
			for _, o := range operationObjects(routes, public, prefix) {
				if !slices.ContainsFunc(out, func(x object) bool { return x["name"] == o["name"] }) {
					out = append(out, o)
				}
			}
		}
	}
	return out
}

func operationObjects(routes []Routed, public, prefix string) []object {
	out := []object{}
	for _, r := range routes {
		name, ok := strings.CutPrefix(r.Path, prefix)
		if !ok || strings.Contains(name, "/") || slices.ContainsFunc(out, func(o object) bool { return o["name"] == name }) {
			continue
		}
		out = append(out, object{"name": name, "definition": operationURL(name, public)})
	}
	return out
}

func operationURL(name, public string) string {
	if name == "process-message" { // BaRS names that of R4
		return "http://hl7.org/fhir/OperationDefinition/MessageHeader-process-message"
	}
	return public + "/fhir/OperationDefinition/" + name
}
