package openapi

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// A Route is one method at one address.
type Route struct {
	Method string
	// Path is the template from the root: "/fhir/{type}/{id}".
	Path string
	// Interaction is the FHIR interaction or operation, or what else names it.
	Interaction string
	// Open needs no access token.
	Open bool
	// Types are those that "{type}" stands for; nil is all.
	Types []string
}

// A Type is a resource type that "{type}" stands for.
type Type struct {
	Name   string
	Params []Param
}

// A Param is a search parameter.
type Param struct{ Name, Type, About string }

// A Site is what the document is about.
type Site struct {
	// URL is the public base without "/fhir" and without a trailing slash.
	URL, Version string
	Routes       []Route
	Types        []Type
	// Controls are the search parameters that every search has.
	Controls []Param
}

type object = map[string]any

// Document returns the description as JSON.
func (s Site) Document() ([]byte, error) {
	paths := object{}
	for _, r := range s.Routes {
		if !strings.Contains(r.Path, "{type}") {
			add(paths, r.Path, r, s.operation(r, nil))
			continue
		}
		for _, t := range s.Types {
			if r.Types == nil || slices.Contains(r.Types, t.Name) {
				add(paths, strings.Replace(r.Path, "{type}", t.Name, 1), r, s.operation(r, &t))
			}
		}
	}
	version := s.Version
	if version == "" {
		version = "development"
	}
	return json.Marshal(object{
		"openapi": "3.1.0",
		"info": object{
			"title": "Trellis", "version": version,
			"summary":     "FHIR R4 gateway for social prescribing",
			"description": "The FHIR interface is described to FHIR clients by " + s.URL + "/fhir/metadata; this document says the same to others. Resources follow FHIR R4 (4.0.1).",
			"license":     object{"name": "Apache-2.0", "identifier": "Apache-2.0"},
		},
		"externalDocs": object{"description": "FHIR R4, RESTful API", "url": "https://hl7.org/fhir/R4/http.html"},
		"servers":      []object{{"url": s.URL}},
		"security":     []object{{"oauth2": []string{}}},
		"paths":        paths,
		"components":   s.components(),
	})
}

func add(paths object, path string, r Route, op object) {
	item, ok := paths[path].(object)
	if !ok {
		item = object{}
		paths[path] = item
		if names := inPath(path); len(names) > 0 {
			item["parameters"] = names
		}
	}
	item[strings.ToLower(r.Method)] = op
}

// inPath refers to the parameters of a path template.
func inPath(path string) []object {
	var out []object
	for part := range strings.SplitSeq(path, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			out = append(out, ref("parameters", strings.TrimSuffix(name, "}")))
		}
	}
	return out
}

func ref(kind, name string) object { return object{"$ref": "#/components/" + kind + "/" + name} }

func (s Site) operation(r Route, t *Type) object {
	op := object{"operationId": operationID(r, t), "tags": []string{tag(r, t)}, "responses": responses(r)}
	if r.Open {
		op["security"] = []object{}
	}
	if params := s.parameters(r, t); len(params) > 0 {
		op["parameters"] = params
	}
	if body := requestBody(r); body != nil {
		op["requestBody"] = body
	}
	return op
}

// operationID is unique: the interaction, the type and, where one interaction
// has several addresses or methods, those.
func operationID(r Route, t *Type) string {
	id := strings.ReplaceAll(r.Interaction, "-", "_")
	if t != nil {
		id += "_" + t.Name
	}
	for part := range strings.SplitSeq(r.Path, "/") {
		part = strings.Trim(part, "{}$_.")
		if part != "" && part != "fhir" && part != "type" && part != r.Interaction {
			id += "_" + strings.NewReplacer("-", "_", ".", "_", "$", "").Replace(part)
		}
	}
	return strings.ToLower(r.Method) + "_" + id
}

func tag(r Route, t *Type) string {
	switch {
	case t != nil:
		return t.Name
	case strings.HasPrefix(r.Path, "/fhir"):
		return "FHIR"
	}
	first, _, _ := strings.Cut(strings.TrimPrefix(r.Path, "/"), "/")
	return first
}

func (s Site) parameters(r Route, t *Type) []object {
	if !strings.HasPrefix(r.Interaction, "search-") || r.Method != http.MethodGet {
		return nil
	}
	out := make([]object, 0, len(s.Controls))
	for _, p := range s.Controls {
		out = append(out, ref("parameters", p.Name))
	}
	if t != nil {
		for _, p := range t.Params {
			out = append(out, query(p))
		}
	}
	return out
}

func query(p Param) object {
	o := object{"name": p.Name, "in": "query", "schema": object{"type": "string"}}
	if p.About != "" || p.Type != "" {
		o["description"] = strings.TrimSpace("(" + p.Type + ") " + p.About)
	}
	return o
}

// fhirContent is a FHIR document in both of its formats.
func fhirContent(schema string) object {
	content := object{"schema": ref("schemas", schema)}
	return object{"application/fhir+json": content, "application/fhir+xml": object{"schema": object{"type": "string"}}}
}

func requestBody(r Route) object {
	any := object{"schema": object{}}
	switch {
	case r.Method == http.MethodPatch:
		return object{"required": true, "content": object{
			"application/json-patch+json": object{"schema": object{"type": "array", "items": object{"type": "object"}}},
			"application/fhir+json":       object{"schema": ref("schemas", "Resource")},
		}}
	case strings.HasSuffix(r.Path, "/_search"), r.Path == "/oauth2/token":
		return object{"content": object{"application/x-www-form-urlencoded": object{"schema": object{"type": "object"}}}}
	case r.Method != http.MethodPost && r.Method != http.MethodPut:
		return nil
	case strings.HasPrefix(r.Path, "/fhir") && r.Interaction == "import":
		return object{"required": true, "content": object{"application/fhir+ndjson": any}}
	case strings.HasPrefix(r.Path, "/fhir"):
		return object{"required": true, "content": fhirContent("Resource")}
	}
	return object{"required": true, "content": object{"*/*": any}}
}

func responses(r Route) object {
	out := object{"default": ref("responses", "Error")}
	status, text := "200", "Done."
	switch {
	case r.Method == http.MethodDelete:
		status, text = "204", "Gone, or was gone before."
	case r.Interaction == "create":
		status, text = "201", "Created."
	case r.Interaction == "export" && strings.HasSuffix(r.Path, "$export"):
		status, text = "202", "Accepted; Content-Location says where the export stands."
	}
	ok := object{"description": text}
	if strings.HasPrefix(r.Path, "/fhir") && status != "204" && status != "202" {
		ok["content"] = fhirContent("Resource")
	}
	out[status] = ok
	if r.Interaction == "update" {
		out["201"] = object{"description": "Created, for those who choose ids."}
	}
	if !r.Open {
		out["401"], out["403"] = ref("responses", "Error"), ref("responses", "Error")
	}
	return out
}

func (s Site) components() object {
	params := object{}
	for _, r := range s.Routes {
		for part := range strings.SplitSeq(r.Path, "/") {
			if name, ok := strings.CutPrefix(part, "{"); ok && name != "type}" {
				name = strings.TrimSuffix(name, "}")
				params[name] = object{"name": name, "in": "path", "required": true, "schema": object{"type": "string"}}
			}
		}
	}
	for _, p := range s.Controls {
		params[p.Name] = query(p)
	}
	return object{
		"parameters": params,
		"schemas": object{
			"Resource": object{
				"type": "object", "required": []string{"resourceType"}, "additionalProperties": true,
				"properties": object{"resourceType": object{"type": "string"}, "id": object{"type": "string"}, "meta": object{"type": "object"}},
			},
			"OperationOutcome": object{"allOf": []object{ref("schemas", "Resource"), {"required": []string{"issue"}}}},
		},
		"responses": object{"Error": object{
			"description": "All that was wrong, each fault with its place and what was expected.",
			"content":     fhirContent("OperationOutcome"),
		}},
		"securitySchemes": object{"oauth2": object{
			"type": "oauth2", "description": "SMART Backend Services; scopes such as system/ServiceRequest.rs",
			"flows": object{"clientCredentials": object{"tokenUrl": s.URL + "/oauth2/token", "scopes": scopes(s.Types)}},
		}},
	}
}

func scopes(types []Type) object {
	out := object{"system/*.cruds": "all that the client's role allows"}
	names := make([]string, 0, len(types))
	for _, t := range types {
		names = append(names, t.Name)
	}
	slices.Sort(names)
	for _, n := range names {
		out["system/"+n+".rs"] = "read and search " + n
	}
	return out
}
