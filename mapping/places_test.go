package mapping_test

import (
	"strconv"
	"strings"
	"testing"

	"trellis.example/mapping"
)

// TestPlaces finds an element's own place, else that of the nearest around it,
// in small records and in large ones.
func TestPlaces(t *testing.T) {
	m := mustBuild(t, bothWays)
	for _, n := range []int{1, 400} {
		tags := strings.TrimSuffix(strings.Repeat("a;", n), ";")
		_, rec := read(t, m, `{"ref":"1","name":"x","tags":"`+tags+`"}`)
		if rec.Places.Len() != n+2 {
			t.Errorf("%d places of %d tags", rec.Places.Len(), n)
		}
		tests := map[string]string{
			"Bundle.entry[1].resource.name[0].family":                    "/name",
			"Bundle.entry[1].resource.name[0].family.extension":          "/name",
			"Bundle.entry[1].resource.name[0]":                           "",
			"Bundle.entry[" + strconv.Itoa(n+1) + "].resource.code.text": "/tags",
			"":  "",
			"x": "",
		}
		for expression, want := range tests {
			if got := rec.Places.Source(expression); got != want {
				t.Errorf("%d tags: %s is from %q, want %q", n, expression, got, want)
			}
		}
	}
	var none *mapping.Places
	if none.Source("Bundle") != "" || none.Len() != 0 {
		t.Error("no Places know a place")
	}
}

// TestPlacesWithin holds that a fault of an object is shown where its first
// member came from.
func TestPlacesWithin(t *testing.T) {
	m := mustBuild(t, `rules:
  - {id: ref, partner: /ref, resource: "Patient:p", fhir: language}
  - {id: name, partner: /name, resource: "Patient:p", fhir: "name[0].family"}
`)
	_, rec := read(t, m, `{"ref": "1", "name": "Sample"}`)
	for at, want := range map[string]string{
		"Bundle.entry[0].resource.name[0]": "/name", "Bundle.entry[0].resource": "/ref",
		"Bundle.entry[0].resource.nam": "", "Bundle.entry[1].resource": "", "": "",
	} {
		if got := rec.Places.Within(at); got != want {
			t.Errorf("%q: %q, want %q", at, got, want)
		}
	}
	var none *mapping.Places
	if none.Within("Bundle") != "" {
		t.Error("no places know a place")
	}
}
