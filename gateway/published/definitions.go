package published

import (
	"encoding/json"
	"slices"
	"strings"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
	"trellis.example/gateway/search"
	"trellis.example/profiles"
	"trellis.example/profiles/page"
)

// r4 is the version of what R4 itself defines.
const r4 = "4.0.1"

// structures are our profiles and extensions, and those that stand in for UK
// Core's, in all their versions, each with its snapshot and its page.
func structures(v *profiles.Validator) []json.RawMessage {
	list := v.Structures()
	site := page.New(list, nil, page.Listed(v.Terminology()))
	out := make([]json.RawMessage, 0, len(list))
	for _, s := range list {
		if !fhir.IsID(s.Source.ID()) {
			continue // a user's own, which cannot be read by id
		}
		if b, err := site.Publish(s); err == nil { // proved by test for all of ours
			out = append(out, b)
		}
	}
	return out
}

// held are the resources of a type that documents are judged by. One without an
// id is a user's own and is not published.
func held(v *profiles.Validator, typ string) []json.RawMessage {
	list := v.Terminology().Resources()
	if typ == "Questionnaire" {
		list = v.Questionnaires()
	}
	var out []json.RawMessage
	for _, r := range list {
		if r.Type() == typ && fhir.IsID(r.ID()) {
			out = append(out, r.JSON())
		}
	}
	return out
}

// searchParameters are those that are answered for the types held, each once.
func searchParameters(defs *definitions.Definitions, reg *search.Registry) []object {
	byURL := map[string]*definitions.SearchParam{}
	for _, h := range search.HeldTypes() {
		for _, p := range reg.Params(h.Type) {
			sp := defs.SearchParam(h.Type, p.Name)
			if sp == nil { // one of ours
				sp = &definitions.SearchParam{Code: p.Name, Type: p.Type, URL: p.URL, Bases: []string{h.Type}, Targets: p.Targets}
			}
			byURL[sp.URL] = sp
		}
	}
	out := make([]object, 0, len(byURL))
	for _, sp := range byURL {
		out = append(out, searchParameter(sp))
	}
	return out
}

func searchParameter(sp *definitions.SearchParam) object {
	o := object{
		"id": lastSegment(sp.URL), "url": sp.URL, "version": r4, "name": sp.Code, "status": "active",
		"description": "Search parameter " + sp.Code + " of " + strings.Join(sp.Bases, ", ") + ".",
		"code":        sp.Code, "base": sp.Bases, "type": sp.Type,
	}
	if sp.Expression != "" {
		o["expression"], o["xpathUsage"] = sp.Expression, "normal"
	}
	if len(sp.Targets) > 0 {
		o["target"] = sp.Targets
	}
	var parts []object
	for _, c := range sp.Components {
		parts = append(parts, object{"definition": c.Definition, "expression": c.Expression})
	}
	if len(parts) > 0 {
		o["component"] = parts
	}
	return o
}

// valueSets are those of required bindings in R4. One whose codes belong to a
// system outside FHIR has no list.
func valueSets(defs *definitions.Definitions) []object {
	var out []object
	for _, v := range defs.ValueSets() {
		id := lastSegment(v.URL)
		o := object{"id": id, "url": v.URL, "version": r4, "name": id, "status": "active"}
		if v.Open {
			o["description"] = "Codes of a system outside FHIR, which are not listed here."
		}
		var include []object
		for system, codes := range v.Concepts() {
			var concepts []object
			for _, c := range codes {
				concepts = append(concepts, object{"code": c})
			}
			include = append(include, object{"system": system, "concept": concepts})
		}
		if len(include) > 0 {
			o["compose"] = object{"include": include}
		}
		out = append(out, o)
	}
	return out
}

// compartments state which held types belong to a compartment, and by which
// parameters.
func compartments(defs *definitions.Definitions, reg *search.Registry) []object {
	var out []object
	for _, code := range defs.Compartments() {
		if !reg.Held(code) {
			continue
		}
		id := strings.ToLower(code)
		var list []object
		for _, h := range search.HeldTypes() {
			entry := object{"code": h.Type}
			if params := defs.Compartment(code, h.Type); len(params) > 0 {
				entry["param"] = slices.Clone(params)
			}
			list = append(list, entry)
		}
		out = append(out, object{
			"id": id, "url": "http://hl7.org/fhir/CompartmentDefinition/" + id, "version": r4, "name": code + "Compartment",
			"status": "active", "code": code, "search": true, "resource": list,
		})
	}
	return out
}
