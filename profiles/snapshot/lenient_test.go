package snapshot

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
)

// TestOfficialSnapshots takes R4's own profiles and extensions by the snapshots
// that HL7 publishes, as those of strangers are taken whose base is not known.
func TestOfficialSnapshots(t *testing.T) {
	var list []fhir.Resource
	for _, r := range official(t) {
		if r.Root().Get("snapshot").Exists() {
			list = append(list, without(t, r, "differential"))
		}
	}
	lib, err := NewLibrary(definitions.R4(), list)
	if err != nil {
		t.Fatal(err)
	}
	made, err := lib.All()
	refused := map[string]bool{}
	if err != nil {
		for _, is := range fhir.AsError(err).Issues {
			name, _, _ := strings.Cut(strings.TrimPrefix(is.Profile, core), "|")
			refused[name] = true
		}
	}
	if got := slices.Sorted(maps.Keys(refused)); !slices.Equal(got, []string{"catalog", "codesystem-history", "familymemberhistory-genetic"}) || len(made)+len(got) != len(list) {
		t.Errorf("refused %v, made %d of %d", got, len(made), len(list)) // these three are at fault themselves: testdata/official.txt
	}
}
