package audit

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/profiles"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var at = time.Date(2026, 3, 4, 10, 15, 30, 0, time.UTC)

func record(e Entry) Record {
	e.At, e.Address, e.RequestID = at, "192.0.2.7", "req-00000001"
	if e.Client == "" {
		e.Client, e.Party, e.Role = "gp", "org/A81001", "gp-practice"
	}
	if e.Outcome == "" {
		e.Outcome = Success
	}
	return Record{Seq: 184, N: 2, Entry: e}
}

var samples = map[string]Record{
	"create":  record(Entry{Action: Create, Interaction: "create", Entities: []string{"Flag/1/_history/1"}, Patients: []string{"Patient/1"}}),
	"read":    record(Entry{Action: Read, Interaction: "read", Entities: []string{"Organization/1/_history/3"}}),
	"update":  record(Entry{Action: Update, Interaction: "update", Entities: []string{"Patient/1/_history/2"}, Patients: []string{"Patient/1"}}),
	"delete":  record(Entry{Action: Delete, Interaction: "delete", Entities: []string{"Patient/1"}, Patients: []string{"Patient/1"}}),
	"search":  record(Entry{Action: Execute, Interaction: "search-type", Entities: []string{"Patient?identifier,status"}, Patients: []string{"Patient/1", "Patient/2"}}),
	"refused": record(Entry{Action: Read, Interaction: "read", Outcome: Refused, Entities: []string{"Patient/1"}}),
	"message": record(Entry{Action: Execute, Interaction: "process-message", Entities: []string{"ServiceRequest/1/_history/1", "Task/2/_history/1"}, Patients: []string{"Patient/1"}}),
	"counted": {Seq: 9, Entry: Entry{At: at, Action: Execute, Interaction: "access-refused", Outcome: Refused, Address: "192.0.2.7", Count: 17}},
	"token":   record(Entry{Action: Execute, Interaction: "token-issued", Client: "tool", Party: "client/tool", Role: "outcome-tool"}),
}

func TestRender(t *testing.T) {
	for name, r := range samples {
		got := Render(r, "https://gw.example/fhir")
		path := filepath.Join("testdata", name+".json")
		if *update {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("%s:\n got %s\nwant %s", name, got, want)
		}
	}
}

// TestRenderedIsValid: what is rendered is valid R4.
func TestRenderedIsValid(t *testing.T) {
	v, err := profiles.New()
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range samples {
		res, err := fhir.Decode(Render(r, "https://gw.example/fhir"))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := fhir.Faults(v.Validate(res, profiles.Options{BaseOnly: true})); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestProfile(t *testing.T) {
	tests := []struct{ sample, want string }{
		{"create", "PatientCreate"}, {"read", "Read"}, {"update", "PatientUpdate"}, {"delete", "PatientDelete"},
		{"search", "Query"}, {"refused", ""}, {"message", ""}, {"counted", ""}, {"token", ""},
	}
	for _, tt := range tests {
		if got := profile(samples[tt.sample].Entry); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.sample, got, tt.want)
		}
	}
}

func TestParseID(t *testing.T) {
	if seq, n, ok := ParseID(Record{Seq: 12, N: 3}.ID()); seq != 12 || n != 3 || !ok {
		t.Errorf("12-3: %d %d %t", seq, n, ok)
	}
	for _, bad := range []string{"", "1", "1-", "-1", "0-0", "01-1", "1-01", "1--1", "1-1-1", "a-1"} {
		if _, _, ok := ParseID(bad); ok {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestRecorder(t *testing.T) {
	now := at
	var written []Entry
	var down error
	r := NewRecorder(func(_ context.Context, es []Entry) error {
		if down == nil {
			written = append(written, es...)
		}
		return down
	}, func() time.Time { return now })

	for range 3 {
		r.Count(Caller{Address: "a"}, "access-refused")
	}
	r.Count(Caller{Address: "b"}, "access-refused")
	if err := r.Flush(t.Context(), false); err != nil || len(written) != 0 {
		t.Fatalf("flushed within the minute: %v, %v", written, err)
	}
	now = now.Add(time.Minute)
	down = errors.New("disk full")
	if err := r.Flush(t.Context(), false); err == nil {
		t.Error("a failed write is not reported")
	}
	down = nil
	if err := r.Flush(t.Context(), false); err != nil || len(written) != 2 || written[0].Count+written[1].Count != 4 {
		t.Errorf("got %+v, %v; want 3 and 1 counted", written, err)
	}

	written = nil
	for i := range maxAddresses + 100 {
		r.Count(Caller{Address: fmt.Sprint(i)}, "access-refused")
	}
	if err := r.Flush(t.Context(), true); err != nil || len(written) != maxAddresses+1 || written[len(written)-1].Count != 100 && written[0].Count == 0 {
		t.Errorf("a flood of addresses made %d entries, %v; want %d", len(written), err, maxAddresses+1)
	}
}

func TestObserve(t *testing.T) {
	var written []Entry
	r := NewRecorder(func(_ context.Context, es []Entry) error { written = append(written, es...); return nil }, func() time.Time { return at })
	events := []auth.Event{
		{Kind: auth.TokenIssued, Client: "gp", Role: "gp-practice", Status: 200},
		{Kind: auth.TokenRefused, Client: "gp", Status: 400},
		{Kind: auth.AccessRefused, Status: 401},
	}
	ctx := NewContext(t.Context(), &Caller{Address: "a", RequestID: "r"})
	for _, e := range events {
		if err := r.Observe(ctx, e); err != nil {
			t.Fatal(err)
		}
	}
	if len(written) != 2 || written[0].Outcome != Success || written[1].Outcome != Refused || written[0].Address != "a" {
		t.Errorf("written %+v", written)
	}
	if err := r.Flush(t.Context(), true); err != nil || len(written) != 3 || written[2].Client != "" {
		t.Errorf("the anonymous refusal is not counted: %+v, %v", written, err)
	}
}

func BenchmarkRender(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		Render(samples["search"], "https://gw.example/fhir")
	}
}
