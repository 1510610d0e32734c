package gateway_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
)

// sample is a value that a search parameter of that type takes.
func sample(typ, code string) string {
	sp := definitions.R4().SearchParam(typ, code)
	switch {
	case code == "near":
		return "51.5|-0.12|10|km"
	case code == "relationship" && typ == "DocumentReference": // R4 names its parts in one order and their elements in the other
		return "x$Patient/x"
	case sp == nil || sp.Type == "token" && code != "_id":
		return "x"
	case sp.Type == "composite":
		var parts []string
		for _, c := range sp.Components {
			parts = append(parts, sampleOf(componentType(c.Definition)))
		}
		return strings.Join(parts, "$")
	case sp.Type == "reference" && len(sp.Targets) > 0:
		return sp.Targets[0] + "/x"
	}
	return sampleOf(sp.Type)
}

func sampleOf(kind string) string {
	return map[string]string{"date": "2026-11", "number": "5", "quantity": "5.4|http://unitsofmeasure.org|mg", "uri": "http://x.example/a", "reference": "Patient/x"}[kind] + map[string]string{"string": "x", "token": "x"}[kind]
}

// componentType is the type of a part of a composite, found by its definition.
func componentType(definition string) string {
	for _, typ := range append(definitions.R4().Resources(), "Resource", "DomainResource") {
		for _, sp := range definitions.R4().SearchParams(typ) {
			if sp.URL == definition {
				return sp.Type
			}
		}
	}
	return "token"
}

// TestCapabilityStatement exercises each thing that the statement declares: an
// interaction is answered by its handler, a search parameter, include and
// operation is understood. The statement itself is a valid resource.
func TestCapabilityStatement(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	s.partner("loader", "importer", "Y99001", nil)
	statement := s.want(s.get("", "/fhir/metadata"), 200).root(t)
	rest := statement.At("rest", 0)
	n := 0
	for r := range rest.Get("resource").Items() {
		typ, who := r.Get("type").Text(), "loader"
		if typ == "AuditEvent" {
			who = "auditor"
		}
		for i := range r.Get("interaction").Items() {
			s.interaction(who, typ, i.Get("code").Text())
			n++
		}
		for p := range r.Get("searchParam").Items() {
			name := p.Get("name").Text()
			value := sample(typ, name)
			if name == "_lastUpdated" || typ == "AuditEvent" && p.Get("type").Text() == "date" {
				value = "2026-11"
			}
			if typ == "AuditEvent" && name == "action" {
				value = "R"
			}
			if typ == "AuditEvent" && p.Get("type").Text() == "reference" {
				value = "Patient/x"
			}
			s.understood(who, "/fhir/"+typ+"?"+url.Values{name: {value}}.Encode())
			n++
		}
		for kind, list := range map[string]fhir.Value{"_include": r.Get("searchInclude"), "_revinclude": r.Get("searchRevInclude")} {
			for v := range list.Items() {
				s.understood(who, "/fhir/"+typ+"?"+url.Values{"_id": {"x"}, kind: {v.Text()}}.Encode())
				n++
			}
		}
		for o := range r.Get("operation").Items() {
			s.operation(typ, o)
			n++
		}
	}
	for i := range rest.Get("interaction").Items() {
		s.interaction("loader", "", i.Get("code").Text())
		n++
	}
	for o := range rest.Get("operation").Items() {
		s.operation("", o)
		n++
	}
	if n < 2000 {
		t.Errorf("only %d things are declared; the statement is not whole", n)
	}
	t.Logf("%d declared things exercised", n)
}

// understood wants an answer other than a refusal of the request itself.
func (s *system) understood(who, path string) {
	s.t.Helper()
	if a := s.get(who, path); a.StatusCode != http.StatusOK {
		s.t.Errorf("GET %s: %s\n%s", path, a.Status, a.body)
	}
}

// interaction calls an interaction on what is absent: its handler answers, not
// the router.
func (s *system) interaction(who, typ, code string) {
	s.t.Helper()
	body := []byte(`{"resourceType":"` + typ + `","id":"absent-1"}`)
	type call struct {
		method, path, contentType string
		body                      []byte
		want                      []int
	}
	calls := map[string]call{
		"read":             {http.MethodGet, typ + "/absent-2", "", nil, []int{404}},
		"vread":            {http.MethodGet, typ + "/absent-2/_history/1", "", nil, []int{404}},
		"update":           {http.MethodPut, typ + "/absent-1", "application/fhir+json", body, []int{200, 201, 422}},
		"patch":            {http.MethodPatch, typ + "/absent-2", "application/json-patch+json", []byte(`[]`), []int{404}},
		"delete":           {http.MethodDelete, typ + "/absent-2", "", nil, []int{404}},
		"history-instance": {http.MethodGet, typ + "/absent-2/_history", "", nil, []int{404}},
		"history-type":     {http.MethodGet, typ + "/_history", "", nil, []int{200}},
		"create":           {http.MethodPost, typ, "application/fhir+json", body, []int{201, 422}},
		"search-type":      {http.MethodGet, typ + "?_count=1", "", nil, []int{200}},
		"search-system":    {http.MethodGet, "?_type=Patient,Task", "", nil, []int{200}},
		"history-system":   {http.MethodGet, "_history?_count=1", "", nil, []int{200}},
		"batch":            {http.MethodPost, "", "application/fhir+json", []byte(`{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"GET","url":"Patient"}}]}`), []int{200}},
		"transaction":      {http.MethodPost, "", "application/fhir+json", []byte(`{"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"GET","url":"Patient"}}]}`), []int{200}},
	}
	c, ok := calls[code]
	if !ok {
		s.t.Errorf("%s declares the interaction %q, which no test knows", typ, code)
		return
	}
	path := strings.TrimSuffix("/fhir/"+c.path, "/")
	if strings.HasPrefix(c.path, "?") {
		path = "/fhir" + c.path
	}
	a := s.do(who, c.method, path, http.Header{"Content-Type": {c.contentType}}, c.body)
	if !slices.Contains(c.want, a.StatusCode) {
		s.t.Errorf("%s %s: %s, want %v\n%s", c.method, path, a.Status, c.want, a.body)
	}
}

// operation reads the definition that is declared and calls the operation.
func (s *system) operation(typ string, o fhir.Value) {
	s.t.Helper()
	name := o.Get("name").Text()
	if def, ok := strings.CutPrefix(o.Get("definition").Text(), s.g.PublicURL); ok {
		d := s.want(s.get("loader", def), 200).root(s.t)
		if d.Get("code").Text() != name {
			s.t.Errorf("the definition of $%s is that of %s", name, d.Get("code").Text())
		}
	}
	base := strings.TrimSuffix("/fhir/"+typ, "/")
	var a answer
	switch name {
	case "validate":
		a = s.post("loader", base+"/$validate", "application/fhir+json", []byte(`{"resourceType":"`+typ+`"}`))
	case "meta":
		a = s.get("loader", base+"/$meta")
	case "meta-add", "meta-delete":
		a = s.post("loader", base+"/absent-2/$"+name, "application/fhir+json", []byte(`{"resourceType":"Parameters","parameter":[{"name":"meta","valueMeta":{"tag":[{"code":"x"}]}}]}`))
	case "everything":
		a = s.get("loader", base+"/absent-2/$everything")
	case "export":
		if typ == "Group" {
			base += "/absent-2"
		}
		a = s.do("surgery", http.MethodGet, base+"/$export?_type=Patient", http.Header{"Prefer": {"respond-async"}}, nil)
	case "import":
		a = s.post("loader", "/fhir/$import", "application/fhir+ndjson", nil)
	case "expand":
		a = s.get("loader", base+"/$expand?url=http://hl7.org/fhir/ValueSet/task-status")
	case "lookup":
		a = s.get("loader", base+"/$lookup?system=http://hl7.org/fhir/task-status&code=requested")
	case "subsumes":
		a = s.get("loader", base+"/$subsumes?system=http://hl7.org/fhir/task-status&codeA=requested&codeB=accepted")
	case "translate":
		a = s.get("loader", base+"/$translate?url=urn:none&system=urn:x&code=y")
	case "validate-code":
		a = s.get("loader", base+"/$validate-code?url=http://hl7.org/fhir/task-status&code=requested")
	case "process-message":
		a = s.post("surgery", "/fhir/$process-message", "application/fhir+json", []byte(`{"resourceType":"Bundle","type":"message"}`))
	default:
		s.t.Errorf("%s declares the operation %q, which no test knows", typ, name)
		return
	}
	out, err := fhir.DecodeLimit(a.body, 1<<20)
	is := err == nil && out.Type() == "OperationOutcome" && strings.Contains(string(a.body), "nothing at this address")
	if a.StatusCode == http.StatusMethodNotAllowed || is || a.StatusCode >= 500 {
		s.t.Errorf("$%s of %s: %s\n%s", name, fmt.Sprintf("%q", typ), a.Status, a.body)
	}
}
