package gateway_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v5"
)

// TestSchemasForPartners does what a partner does before the first referral: it
// finds the schema of a referral, checks its documents by it with a library of
// others, and sends what passes.
func TestSchemasForPartners(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	var list struct {
		Schemas []struct{ Name, Type, URL string } `json:"schemas"`
	}
	if err := json.Unmarshal(s.want(s.get("", "/schemas/"), http.StatusOK).body, &list); err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, e := range list.Schemas {
		found[e.Name] = strings.TrimPrefix(e.URL, s.g.PublicURL)
	}
	if found["r4-Patient"] != "/schemas/r4-Patient.json" || found["ServiceRequest"] == "" {
		t.Fatalf("%d schemas are listed", len(list.Schemas))
	}
	a := s.want(s.get("", found["ServiceRequest"]), http.StatusOK)
	check := compileSchema(t, a.body)
	const good = `{"resourceType":"ServiceRequest","status":"draft","intent":"order","subject":{"reference":"%s"},"code":{"text":"Help with loneliness"}}`
	patient := s.want(s.post("surgery", "/fhir/Patient", fhirType, []byte(`{"resourceType":"Patient","name":[{"family":"Sample","given":["Ann"]}]}`)), http.StatusCreated)
	doc := strings.Replace(good, "%s", "Patient/"+patient.root(t).Get("id").Text(), 1)
	tests := []struct {
		doc    string
		passes bool
	}{
		{doc, true},
		{strings.Replace(doc, "draft", "bogus", 1), false},
		{strings.Replace(doc, `"intent":"order",`, "", 1), false},
		{strings.Replace(doc, `"draft"`, `"draft","colour":"red"`, 1), false},
		{strings.Replace(doc, "Patient/", "Device/", 1), false},
	}
	for _, tt := range tests {
		err := check(tt.doc)
		if (err == nil) != tt.passes {
			t.Errorf("%s: %v", tt.doc, err)
		}
		status := s.post("surgery", "/fhir/ServiceRequest", fhirType, []byte(tt.doc)).StatusCode
		if (status == http.StatusCreated) != tt.passes {
			t.Errorf("the gateway answers %d to %s", status, tt.doc)
		}
	}
	s.schemaHeaders(a, found["ServiceRequest"])
}

// schemaHeaders checks what lets schemas be cached and read by browsers.
func (s *system) schemaHeaders(a answer, path string) {
	s.t.Helper()
	tag := a.Header.Get("ETag")
	again := s.do("", http.MethodGet, path, http.Header{"If-None-Match": {tag}}, nil)
	if again.StatusCode != http.StatusNotModified || len(again.body) > 0 {
		s.t.Errorf("the same again: %d with %d bytes", again.StatusCode, len(again.body))
	}
	head := s.want(s.do("", http.MethodHead, path, nil, nil), http.StatusOK)
	if len(head.body) > 0 || head.Header.Get("ETag") != tag || head.Header.Get("Access-Control-Allow-Origin") != "*" || head.Header.Get("Cache-Control") == "" {
		s.t.Errorf("HEAD: %v", head.Header)
	}
	s.want(s.get("", "/schemas/nothing.json"), http.StatusNotFound)
	s.want(s.get("", "/schemas/a/b.json"), http.StatusNotFound)
	s.want(s.do("", http.MethodPost, path, nil, nil), http.StatusMethodNotAllowed)
	if api := s.want(s.get("", "/openapi.json"), http.StatusOK); !bytes.Contains(api.body, []byte(`"/schemas/{schema}"`)) {
		s.t.Error("the OpenAPI description does not tell of the schemas")
	}
}

func compileSchema(t *testing.T, body []byte) func(doc string) error {
	t.Helper()
	var head struct {
		ID string `json:"$id"`
	}
	if err := json.Unmarshal(body, &head); err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.Draft, c.AssertFormat = jsonschema.Draft2020, true
	if err := c.AddResource(head.ID, bytes.NewReader(body)); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile(head.ID)
	if err != nil {
		t.Fatal(err)
	}
	return func(doc string) error {
		var v any
		if err := json.Unmarshal([]byte(doc), &v); err != nil {
			return err
		}
		return schema.Validate(v)
	}
}
