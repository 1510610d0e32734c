package snapshot

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
)

// TestGolden compares the snapshot of each testdata/golden/*.json with the lines
// beside it, and what is published of it with the document beside it.
func TestGolden(t *testing.T) {
	inputs, err := filepath.Glob("testdata/golden/*.json")
	if err != nil || len(inputs) == 0 {
		t.Fatalf("no golden inputs (err %v)", err)
	}
	for _, in := range inputs {
		if strings.HasSuffix(in, ".published.json") {
			continue
		}
		b, err := os.ReadFile(in)
		if err != nil {
			t.Fatal(err)
		}
		r, err := fhir.Decode(b)
		if err != nil {
			t.Fatalf("%s: %v", in, err)
		}
		s, err := Generate(definitions.R4(), nil, r)
		if err != nil {
			t.Fatalf("%s: %v", in, err)
		}
		golden(t, strings.TrimSuffix(in, ".json")+".txt", lines(s))
		doc, err := s.Publish()
		if err != nil {
			t.Fatalf("%s: %v", in, err)
		}
		var shown bytes.Buffer
		if err := json.Indent(&shown, doc, "", " "); err != nil {
			t.Fatalf("%s: %v", in, err)
		}
		golden(t, strings.TrimSuffix(in, ".json")+".published.json", shown.Bytes())
	}
}

func lines(s *Structure) []byte {
	var b bytes.Buffer
	for i := range s.Elements {
		b.WriteString(s.Elements[i].String() + "\n")
	}
	return b.Bytes()
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s differs (err %v); run go test -run TestGolden -update and read the difference", name, err)
	}
}
