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
