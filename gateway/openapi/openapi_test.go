package openapi

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestDocument(t *testing.T) {
	s := Site{URL: "https://gw.example", Routes: []Route{
		{"GET", "/fhir/{type}/{id}", "read", false, nil}, {"PUT", "/fhir/{type}/{id}", "update", false, nil}, {"DELETE", "/fhir/{type}/{id}", "delete", false, nil},
		{"GET", "/fhir/{type}", "search-type", false, nil}, {"POST", "/fhir/{type}", "create", false, nil}, {"POST", "/fhir/{type}/_search", "search-type", false, nil},
		{"GET", "/fhir/metadata", "capabilities", true, nil}, {"POST", "/intake/{format}", "intake", false, nil},
		{"GET", "/fhir/{type}/{id}/{member}", "search-type", false, []string{"Patient"}},
	}, Types: []Type{
		{Name: "Patient", Params: []Param{{"family", "string", "Begins with the value."}}},
		{Name: "Task"},
	}, Controls: []Param{{"_count", "number", "Size of a page."}}}
	b, err := s.Document()
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		OpenAPI string
		Paths   map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal(b, &d); err != nil || d.OpenAPI != "3.1.0" {
		t.Fatalf("%v, version %q", err, d.OpenAPI)
	}
	if d.Paths["/fhir/Patient/{id}"]["put"] == nil || d.Paths["/fhir/Task/{id}/{member}"] != nil || d.Paths["/fhir/Patient/{id}/{member}"]["get"] == nil {
		t.Errorf("paths %v", d.Paths)
	}
	if got := string(d.Paths["/fhir/Patient"]["get"]); !strings.Contains(got, `"family"`) || !strings.Contains(got, "#/components/parameters/_count") {
		t.Errorf("search: %s", got)
	}
	if got := string(d.Paths["/fhir/metadata"]["get"]); !strings.Contains(got, `"security":[]`) {
		t.Errorf("metadata needs a token: %s", got)
	}
	ids := map[string]bool{}
	for path, item := range d.Paths {
		for method, raw := range item {
			var op struct{ OperationID string }
			if method == "parameters" {
				continue
			}
			if err := json.Unmarshal(raw, &op); err != nil || op.OperationID == "" || ids[op.OperationID] {
				t.Errorf("%s %s: operation id %q is missing or there twice", method, path, op.OperationID)
			}
			ids[op.OperationID] = true
		}
	}
}
