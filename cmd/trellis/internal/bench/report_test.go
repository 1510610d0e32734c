package bench

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func sampleReport() Report {
	rows := []Row{
		{ID: "start", What: "start to ready", Value: 123.4, Unit: "ms", Targets: []Target{atMost(300)}},
		{ID: "create", What: "create", Value: 4321.6, Unit: "/s", CPU: 0.3456, OwnCPU: 0.0789, P50: 1.5, P99: 14.96, Done: 1000, Targets: createTarget()},
		{ID: "refer", What: "refer", Value: 5000, Unit: "/s", CPU: 0.41, P99: 3, Done: 1000, Targets: createTarget()},
		{ID: "read", What: "read", Value: 20000, Unit: "/s", CPU: 0.05, Done: 1000, Failed: 3, Failure: "500 no", Targets: readTarget()},
		{ID: "search", What: "search", Value: 900, Unit: "/s", Done: 10, Targets: searchTarget()},
		{ID: "validate", What: "validate", Value: 52, Unit: "µs", Allocs: 465, Targets: []Target{atMost(80), most("allocations", 500)}},
		{ID: "map", What: "map", Unit: "µs", Missing: "it broke", Targets: mapTarget()},
		{ID: "token", What: "token", Value: 12, Unit: "/s"},
	}
	for i := range rows {
		rows[i].judge()
	}
	return Report{Rows: rows, Notes: []string{"2 processors."}}
}

func TestJudge(t *testing.T) {
	want := map[string]string{
		"start": "yes", "create": "yes", "refer": "no", // too much processor time
		"read":     "no", // three failures
		"search":   "",   // processor time is not known here
		"validate": "yes", "map": "", "token": "",
	}
	for _, r := range sampleReport().Rows {
		got := ""
		if r.Reached != nil {
			got = map[bool]string{true: "yes", false: "no"}[*r.Reached]
		}
		if got != want[r.ID] {
			t.Errorf("%s: reached %q; want %q", r.ID, got, want[r.ID])
		}
	}
}

func TestGolden(t *testing.T) {
	var table, asJSON bytes.Buffer
	rep := sampleReport()
	if err := rep.Table(&table); err != nil {
		t.Fatal(err)
	}
	if err := rep.JSON(&asJSON); err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string][]byte{"testdata/report.txt": table.Bytes(), "testdata/report.json": asJSON.Bytes()} {
		if *update {
			if err := os.WriteFile(name, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s differs:\n%s", name, got)
		}
	}
	if !json.Valid(asJSON.Bytes()) {
		t.Error("the report is not JSON")
	}
}

func TestFigures(t *testing.T) {
	tests := []struct {
		v    float64
		unit string
		want string
	}{
		{12345.6, "/s", "12,346/s"}, {999, "/s", "999/s"}, {1234567, "/s", "1,234,567/s"},
		{0.0523, "ms", "0.052 ms"}, {0.4, "ms", "0.4 ms"}, {12.34, "MB", "12.3 MB"}, {300, "MB", "300 MB"}, {3, "µs", "3 µs"},
	}
	for _, tt := range tests {
		if got := figure(tt.v, tt.unit); got != tt.want {
			t.Errorf("figure(%v, %q) = %q; want %q", tt.v, tt.unit, got, tt.want)
		}
	}
}
