package formats

import (
	"strings"
	"testing"
	"testing/fstest"
)

// northshire is a force with headings of its own: a folder and no code.
const northshire = `id: northshire-csv
version: 1.0.0
partner: Northshire Police, vulnerability notices
base: ppn-csv
paths: {ppn_reference: Notice No, subject_surname: Surname, subject_forenames: First names}
`

// TestOpen holds that a user's folder of formats joins the program's.
func TestOpen(t *testing.T) {
	set, err := Open(fstest.MapFS{"northshire-csv/map.yaml": {Data: []byte(northshire)}})
	if err != nil {
		t.Fatal(err)
	}
	e, ok, err := set.Lookup("northshire-csv")
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	res := e.Read([]byte("Notice No,force_code,created_datetime,Surname,First names,consent_to_share\nN1,99,02/03/2026 08:00,SAMPLE,Robin Jo,Yes\n"))
	if !res.Accepted() || !strings.Contains(string(res.Records[0].Bundle), `"given":["Robin","Jo"]`) {
		t.Errorf("%v %v", res.Faults, res.Records)
	}
	if _, ok, err := set.Lookup("hl7v2"); !ok || err != nil {
		t.Errorf("the program's own formats are gone: %v", err)
	}
	if _, ok, _ := Lookup("northshire-csv"); ok {
		t.Error("the user's format is in the program's own set")
	}
}

func TestOpenRefuses(t *testing.T) {
	for name, tt := range map[string]struct{ folder, text, want string }{
		"the name of a built-in one": {"ppn-csv", northshire, "call yours something else"},
		"another id":                 {"southshire-csv", northshire, "must be the folder's name"},
		"a broken map":               {"northshire-csv", northshire + "colour: blue\n", "schema"},
	} {
		_, err := Open(fstest.MapFS{tt.folder + "/map.yaml": {Data: []byte(tt.text)}})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}
