package server

import (
	"net/http"
	"regexp"
	"strings"

	"trellis.example/gateway/rest"
	"trellis.example/gateway/terminology"
)

// A route is one address and what each method does there.
type route struct {
	path    string
	prefix  bool // everything below path
	open    bool // needs no access token
	methods methods
}

// methods are the handlers of one address; GET serves HEAD too.
type methods map[string]http.Handler

const (
	typ     = "{type:[A-Z][A-Za-z]+}"
	id      = "{id:[A-Za-z0-9.-]{1,64}}"
	version = "{version:[A-Za-z0-9.-]{1,64}}"
	format  = "{format:[a-z0-9-]{1,32}}"
	job     = "{job:[0-9a-f-]{36}}"
	file    = "{file:[0-9a-z.]{1,32}}"
	digest  = "{digest:[0-9a-fA-F]{64}}"
	key     = "{key:[A-Za-z0-9._~:%-]{1,500}}"
	schema  = "{schema:[A-Za-z0-9.-]{1,128}}"
	// member is the type searched in a compartment.
	member = "{member:[A-Z][A-Za-z]+|\\*}"
)

// openReferral are the addresses of an Open Referral UK directory; what else is
// asked for below it is refused in its own way.
var openReferral = [...]string{"", "/", "/services", "/services/" + key, "/organizations", "/organizations/" + key,
	"/service_at_locations", "/service_at_locations/" + key, "/taxonomies", "/taxonomies/" + key, "/taxonomy_terms", "/taxonomy_terms/" + key}

var compartment = "{type:" + strings.Join(rest.Compartments[:], "|") + "}"

// routes is every public address: full paths, the first match wins, and the busy
// ones stand as early as they can. /fhir/metadata is added to it, made from it.
func (s *Server) routes() []route {
	a, d := s.deps.REST, s.deps
	const get, post, put, patch, del = http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete
	all := []route{
		{path: "/fhir/AuditEvent/_search", methods: methods{post: a.SearchAudit()}},
		{path: "/fhir/AuditEvent/" + id, methods: methods{get: a.ReadAudit()}},
		{path: "/fhir/AuditEvent", methods: methods{get: a.SearchAudit()}},
		{path: "/fhir/" + typ + "/" + id, methods: methods{get: a.Read(), put: a.Update(), patch: a.Patch(), del: a.Delete()}},
		{path: "/fhir/" + typ, methods: methods{get: a.Search(), post: a.Create(), put: a.Update(), patch: a.Patch(), del: a.Delete()}},
		{path: "/fhir/" + typ + "/_search", methods: methods{post: a.Search()}},
		{path: "/fhir/" + typ + "/$validate", methods: methods{post: a.Check()}},
		{path: "/fhir/" + typ + "/" + id + "/$validate", methods: methods{get: a.Check(), post: a.Check()}},
		{path: "/fhir/" + typ + "/" + id + "/$meta-add", methods: methods{post: a.MetaAdd()}},
		{path: "/fhir/" + typ + "/" + id + "/$meta-delete", methods: methods{post: a.MetaDelete()}},
		{path: "/fhir/" + typ + "/" + id + "/_history", methods: methods{get: a.History()}},
		{path: "/fhir/" + typ + "/" + id + "/_history/" + version, methods: methods{get: a.VRead()}},
		{path: "/fhir/" + typ + "/_history", methods: methods{get: a.HistoryType()}},
		{path: "/fhir/_history", methods: methods{get: a.HistorySystem()}},
		{path: "/fhir/_search", methods: methods{post: a.SearchSystem()}},
		{path: "/fhir/" + compartment + "/" + id + "/" + member, methods: methods{get: a.SearchCompartment()}},
		{path: "/fhir/" + compartment + "/" + id + "/" + member + "/_search", methods: methods{post: a.SearchCompartment()}},
		{path: "/fhir/" + compartment + "/" + id + "/_search", methods: methods{post: a.SearchCompartment()}},
		{path: "/fhir/Patient/" + id + "/$everything", methods: methods{get: a.EverythingOfPatient(), post: a.EverythingOfPatient()}},
		{path: "/fhir/ServiceRequest/" + id + "/$everything", methods: methods{get: a.EverythingOfReferral(), post: a.EverythingOfReferral()}},
		{path: "/fhir/" + typ + "/" + id + "/$meta", methods: methods{get: a.Meta()}},
		{path: "/fhir/" + typ + "/$meta", methods: methods{get: a.MetaType()}},
		{path: "/fhir/$meta", methods: methods{get: a.MetaSystem()}},
		{path: "/health/live", open: true, methods: methods{get: http.HandlerFunc(s.live)}},
		{path: "/health/ready", open: true, methods: methods{get: http.HandlerFunc(s.readyNow)}},
	}
	optional := func(h http.Handler, present bool, r route, method string) {
		if present {
			r.methods = methods{method: h}
			all = append(all, r)
		}
	}
	system := methods{get: a.SearchSystem()}
	if d.Transaction != nil {
		system[post] = d.Transaction
	}
	all = append(all, route{path: "/fhir", methods: system})
	if x := d.Export; x.Start != nil {
		start := methods{get: x.Start, post: x.Start}
		all = append(all,
			route{path: "/fhir/$export", methods: start}, route{path: "/fhir/Patient/$export", methods: start}, route{path: "/fhir/Group/" + id + "/$export", methods: start},
			route{path: "/fhir/$export/" + job, methods: methods{get: x.Status, del: x.Cancel}},
			route{path: "/fhir/$export/" + job + "/" + file, methods: methods{get: x.File}})
	}
	if d.Terminology != nil {
		all = append(all, terminologyRoutes(d.Terminology)...)
	}
	optional(d.Import, d.Import != nil, route{path: "/fhir/$import"}, post)
	optional(d.Message, d.Message != nil, route{path: "/fhir/$process-message"}, post)
	optional(d.Intake, d.Intake != nil, route{path: "/intake/" + format}, post)
	// Clients of JSON:API post to a base URL with the type's name behind it.
	optional(d.Intake, d.Intake != nil, route{path: "/intake/{format:sdm-json}/incidents"}, post)
	optional(d.Results, d.Results != nil, route{path: "/intake/" + format + "/results/" + digest}, get)
	optional(d.Token, d.Token != nil, route{path: "/oauth2/token", open: true}, post)
	optional(d.JWKS, d.JWKS != nil, route{path: "/oauth2/jwks", open: true}, get)
	optional(d.SMART, d.SMART != nil, route{path: "/.well-known/smart-configuration", open: true}, get)
	optional(d.SMART, d.SMART != nil, route{path: "/fhir/.well-known/smart-configuration", open: true}, get)
	for _, path := range openReferral {
		optional(d.Directory, d.Directory != nil, route{path: "/openreferral/v3" + path, open: true}, get)
	}
	optional(d.Directory, d.Directory != nil, route{path: "/openreferral/v3/", prefix: true, open: true}, get)
	optional(d.Schemas, d.Schemas != nil, route{path: "/schemas/", open: true}, get)
	optional(d.Schemas, d.Schemas != nil, route{path: "/schemas/" + schema, open: true}, get)
	return all
}

// terminologyRoutes are asked by GET or by POST of Parameters.
func terminologyRoutes(t *terminology.Operations) []route {
	at := func(path string, o *rest.Operation) route {
		return route{path: "/fhir/" + path, methods: methods{http.MethodGet: o, http.MethodPost: o}}
	}
	return []route{
		at("ValueSet/$expand", t.Expand), at("ValueSet/"+id+"/$expand", t.Expand),
		at("ValueSet/$validate-code", t.ValidateInSet), at("ValueSet/"+id+"/$validate-code", t.ValidateInSet),
		at("CodeSystem/$lookup", t.Lookup), at("CodeSystem/$subsumes", t.Subsumes),
		at("CodeSystem/$validate-code", t.ValidateInSystem), at("CodeSystem/"+id+"/$validate-code", t.ValidateInSystem),
		at("ConceptMap/$translate", t.Translate), at("ConceptMap/"+id+"/$translate", t.Translate),
	}
}

var pattern = regexp.MustCompile(`\{([a-z]+):[^/]*\}`)

// template is the path as logs and metrics name it: "/fhir/{type}/{id}".
func (r route) template() string { return pattern.ReplaceAllString(r.path, "{$1}") }
