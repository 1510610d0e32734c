package bench

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"

	"trellis.example/fhir"
	"trellis.example/profiles"
)

// Every record must be one that an import takes, of a size as records have.
func TestRecords(t *testing.T) {
	dir := t.TempDir()
	const persons = 40
	counts, err := writeRecords(dir, nhsNumbers(persons))
	if err != nil {
		t.Fatal(err)
	}
	if counts[practiceODS] != 8 || counts[secondODS] != 16 || counts[thirdODS] != 136 {
		t.Errorf("%v: of twenty persons one is the practice's and two are another's", counts)
	}
	v, err := profiles.New()
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for _, org := range holders() {
		b, err := os.ReadFile(recordsFile(dir, org))
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(b) {
			r, err := fhir.Decode(bytes.TrimSpace(line))
			if err != nil {
				t.Fatal(err)
			}
			if err := fhir.Faults(v.Validate(r, profiles.Options{})); err != nil {
				t.Errorf("%s: %v", r.Type(), err)
			}
			if len(line) < 1000 || len(line) > 3000 || bytes.Contains(line, []byte("@@")) {
				t.Errorf("%s: %d bytes, or a mark is left", r.Type(), len(line))
			}
			ids[r.ID()] = true
		}
	}
	if len(ids) != persons*len(heldTypes()) {
		t.Errorf("%d different ids", len(ids))
	}
}

func TestPersonID(t *testing.T) {
	if id := person(3).id(1); !fhir.IsID(id) || len(id) != len(patientMark) || id[14] != '4' || id == person(4).id(1) {
		t.Errorf("id %q", id)
	}
}

func TestChosen(t *testing.T) {
	ids := func(ms []measure) (out []string) {
		for _, m := range ms {
			out = append(out, m.id)
		}
		return out
	}
	tests := []struct {
		only     []string
		large    bool
		id       string
		expected bool
	}{
		{nil, false, "search-status-100k", true},
		{nil, false, "import-1m", false},
		{nil, false, "search-status-growth-1m", false},
		{nil, true, "import-1m", true},
		{[]string{"import-1m"}, false, "import-1m", true}, // asked for by name
		{[]string{"read"}, true, "import-1m", false},
	}
	for _, tt := range tests {
		if got := slices.Contains(ids(chosen(tt.only, tt.large)), tt.id); got != tt.expected {
			t.Errorf("chosen(%v, %t) has %s: %t", tt.only, tt.large, tt.id, got)
		}
	}
	if all := ids(measures()); len(slices.Compact(slices.Sorted(slices.Values(all)))) != len(all) {
		t.Error("two measures have the same id")
	}
}

func TestGrowth(t *testing.T) {
	s := &session{cpus: map[string]float64{"x-10k": 0.2, "x-100k": 0.3}}
	var row Row
	if err := measureGrowth("x", small, medium)(t.Context(), s, &row); err != nil || row.Value < 1.49 || row.Value > 1.51 {
		t.Errorf("%v, %v", row.Value, err)
	}
	if err := measureGrowth("x", small, large)(t.Context(), s, &row); err != nil || !strings.Contains(row.Missing, "x-1m") {
		t.Errorf("%q, %v; want what must be run", row.Missing, err)
	}
}

func TestTransactionDocument(t *testing.T) {
	b, err := transaction(transactionEntries)
	if err != nil {
		t.Fatal(err)
	}
	tm := newTemplate(b)
	tm.setNumber(numberMark, 7)
	tm.set(nhsMark, "9990000018")
	r, err := fhir.DecodeLimit(tm.b, answerLimit)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for range r.Root().Get("entry").Items() {
		n++
	}
	if n != transactionEntries || bytes.Contains(tm.b, []byte("@@")) {
		t.Errorf("%d entries, or a mark is left", n)
	}
}
