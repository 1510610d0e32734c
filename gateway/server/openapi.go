package server

import (
	"net/http"
	"strconv"
	"strings"
	"sync"

	"trellis.example/gateway/openapi"
	"trellis.example/gateway/rest"
)

// openAPI serves the description of the routes, made at the first request for
// it.
func (s *Server) openAPI(routes []route) http.Handler {
	document := sync.OnceValues(func() ([]byte, error) { return s.site(routes).Document() })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := document()
		if err != nil {
			rest.WriteError(w, r, err)
			return
		}
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Cache-Control", "public, max-age=300")
		h.Set("Content-Length", strconv.Itoa(len(body)))
		if r.Method != http.MethodHead {
			_, _ = w.Write(body) // the caller is gone
		}
	})
}

func (s *Server) site(routes []route) openapi.Site {
	api := s.deps.REST
	site := openapi.Site{URL: api.PublicURL, Version: api.Version, Controls: controls}
	for _, r := range routes {
		path := r.template()
		var types []string
		if strings.Contains(r.path, compartment) {
			types = rest.Compartments[:]
		}
		for method, h := range r.methods {
			site.Routes = append(site.Routes, openapi.Route{Method: method, Path: path, Interaction: interaction(h, path), Open: r.open, Types: types})
		}
	}
	for _, name := range api.Registry.Types() {
		t := openapi.Type{Name: name}
		for _, p := range api.Registry.Params(name) {
			t.Params = append(t.Params, openapi.Param{Name: p.Name, Type: p.Type, About: p.Doc()})
		}
		site.Types = append(site.Types, t)
	}
	return site
}

// controls are the parameters of every search; R4 search has more of each.
var controls = []openapi.Param{
	{Name: "_id", Type: "token", About: "The ids of resources."},
	{Name: "_lastUpdated", Type: "date", About: "When a resource was last changed."},
	{Name: "_count", Type: "number", About: "Size of a page."},
	{Name: "_sort", Type: "string", About: "Search parameters, separated by commas; - before one turns it round."},
	{Name: "_total", Type: "token", About: "none, estimate or accurate."},
	{Name: "_summary", Type: "token", About: "true, text, data, count or false."},
	{Name: "_elements", Type: "string", About: "Elements to be shown, separated by commas."},
	{Name: "_include", Type: "string", About: "Type:parameter[:target] of what matches refer to."},
	{Name: "_revinclude", Type: "string", About: "Type:parameter[:target] of what refers to matches."},
	{Name: "_format", Type: "token", About: "json or xml; wins over Accept."},
	{Name: "_pretty", Type: "token", About: "true indents the answer."},
}

// interaction names what a handler does.
func interaction(h http.Handler, path string) string {
	if op, ok := h.(*rest.Operation); ok {
		return op.Interaction
	}
	return strings.Trim(path, "/")
}
