package gateway_test

import (
	"net/url"
	"testing"
)

// TestDefinitionsServed reads definitions as a partner does: profiles in each
// version with snapshot and narrative, extensions, and what codes and answers are
// judged by.
func TestDefinitionsServed(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	const ours = "https://trellis.example/fhir/"
	tests := []struct {
		typ, canonical, version string
		want                    int
	}{
		{"StructureDefinition", ours + "StructureDefinition/ServiceRequest", "", 2},
		{"StructureDefinition", ours + "StructureDefinition/ServiceRequest", "1.0.0", 1},
		{"StructureDefinition", ours + "StructureDefinition/ServiceRequest", "1.1.0", 1},
		{"StructureDefinition", ours + "StructureDefinition/ServiceRequest", "0.9.0", 0},
		{"StructureDefinition", ours + "StructureDefinition/ext-safe-to-contact", "", 1},
		{"StructureDefinition", "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-BirthSex", "", 1},
		{"CodeSystem", ours + "CodeSystem/referral-source", "", 1},
		{"ValueSet", ours + "ValueSet/request-category", "", 1},
		{"ValueSet", "http://hl7.org/fhir/ValueSet/request-status", "", 1},
	}
	for _, tt := range tests {
		params := url.Values{"url": {tt.canonical}}
		if tt.version != "" {
			params.Set("version", tt.version)
		}
		bundle := s.want(s.get("surgery", "/fhir/"+tt.typ+"?"+params.Encode()), 200).root(t)
		if n := bundle.Get("entry").Len(); n != tt.want {
			t.Errorf("%s %s|%s: %d found, want %d", tt.typ, tt.canonical, tt.version, n, tt.want)
			continue
		}
		for e := range bundle.Get("entry").Items() {
			id := e.At("resource", "id").Text()
			read := s.want(s.get("surgery", "/fhir/"+tt.typ+"/"+id), 200).root(t)
			if read.Get("url").Text() != tt.canonical {
				t.Errorf("%s/%s is %s", tt.typ, id, read.Get("url").Text())
			}
			if tt.typ == "StructureDefinition" && (read.At("snapshot", "element").Len() == 0 || !read.At("text", "div").Exists()) {
				t.Errorf("%s has no snapshot or no narrative", id)
			}
		}
	}
}
