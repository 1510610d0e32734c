// Package ppncsv_test holds what is particular to the format ppn-csv.
package ppncsv_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"

	"trellis.example/fhir"
	"trellis.example/mapping"
	"trellis.example/mapping/formats"
)

func compiled(t testing.TB) *mapping.Map {
	t.Helper()
	e, _, err := formats.Lookup("ppn-csv")
	if err != nil {
		t.Fatal(err)
	}
	return e.Map
}

func example(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/consented/in.csv")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// row is a file with one row of the given columns.
func row(cells map[string]string) []byte {
	all := map[string]string{"ppn_reference": "R1", "force_code": "99", "created_datetime": "02/03/2026 08:00", "subject_surname": "SAMPLE"}
	for k, v := range cells {
		all[k] = v
	}
	var head, body []string
	for k, v := range all {
		head, body = append(head, k), append(body, `"`+v+`"`)
	}
	return []byte(strings.Join(head, ",") + "\n" + strings.Join(body, ",") + "\n")
}

// TestConsent holds that only a recorded consent makes an active referral.
func TestConsent(t *testing.T) {
	tests := []struct{ share, basis, want string }{
		{"Yes", "Consent", "active"},
		{"yes", "", "active"},
		{"Y", "consent", "active"},
		{"No", "", "on-hold"},
		{"No", "Consent", "on-hold"},
		{"", "", "on-hold"},
		{"", "Consent", "on-hold"},
		{"Yes", "Vital interests", "on-hold"},
		{"No", "Public task", "on-hold"},
	}
	m := compiled(t)
	for _, tt := range tests {
		rec := m.Read(row(map[string]string{"consent_to_share": tt.share, "consent_basis": tt.basis})).Records[0]
		sr := resource(t, rec.Bundle, "ServiceRequest")
		reason := strings.Contains(string(sr.Raw()), "request-statusReason")
		if got := sr.Get("status").Text(); got != tt.want || reason != (tt.want == "on-hold") {
			t.Errorf("share %q, basis %q: status %q, reason %t; want %q", tt.share, tt.basis, got, reason, tt.want)
		}
	}
}

// TestRisk holds that a grade raises the priority and never lowers it.
func TestRisk(t *testing.T) {
	m := compiled(t)
	for grade, want := range map[string]string{"High": "urgent", "HIGH": "urgent", "Medium": "", "Standard": "", "": ""} {
		rec := m.Read(row(map[string]string{"risk_grading": grade})).Records[0]
		if got := resource(t, rec.Bundle, "ServiceRequest").Get("priority").Text(); got != want {
			t.Errorf("grade %q: priority %q, want %q", grade, got, want)
		}
	}
}

// TestRestricted holds that police records stand in the restricted Provenance
// alone, and never leave again.
func TestRestricted(t *testing.T) {
	rec := compiled(t).Read(example(t)).Records[0]
	secrets := []string{"NTH/1234/26", "NTH-20260613-0412", "4410", "PC A Example"}
	prov := resource(t, rec.Bundle, "Provenance")
	rest := strings.Replace(string(rec.Bundle), string(prov.Raw()), "", 1)
	out := compiled(t).Write(rec.Bundle)
	for _, s := range secrets {
		if !strings.Contains(string(prov.Raw()), s) || strings.Contains(rest, s) || strings.Contains(out.Document, s) {
			t.Errorf("a police record is not where it must be")
		}
	}
	if !strings.Contains(string(prov.Raw()), "NORDSCLCD") {
		t.Error("the Provenance has no restricting label")
	}
}

// TestHeader holds that a bad header refuses the file.
func TestHeader(t *testing.T) {
	tests := map[string]string{
		"":                                     "empty",
		"a,b\n1,2\n":                           "missing",
		"ppn_reference,PPN Reference\n1,2\n":   "same name",
		"ppn_reference;force_code\nR1;99\n":    "missing",
		"\"ppn_reference\"x,force_code\nR1,99": "cannot be read",
	}
	for in, want := range tests {
		res := compiled(t).Read([]byte(strings.ReplaceAll(in, "PPN Reference", "PPN_ Reference")))
		if fhir.Faults(res.Faults) == nil || len(res.Records) != 0 || !strings.Contains(fmt.Sprint(res.Faults), want) {
			t.Errorf("header %q: %v, want %q", in, res.Faults, want)
		}
	}
}

// TestStream holds that memory does not grow with the file.
func TestStream(t *testing.T) {
	if testing.Short() {
		t.Skip("reads a long file: not with -short")
	}
	m := compiled(t)
	head, body, _ := bytes.Cut(example(t), []byte("\r\n"))
	rows := &repeat{head: append(head, "\r\n"...), body: body, n: 5000}
	n, peak := 0, uint64(0)
	var ms runtime.MemStats
	faults := m.ReadStream(rows, func(r mapping.Record) bool {
		if n++; r.Refused() || r.Row != n {
			t.Fatalf("row %d: %v", n, r.Faults)
		}
		if n%1000 == 0 {
			runtime.GC()
			runtime.ReadMemStats(&ms)
			peak = max(peak, ms.HeapAlloc)
		}
		return true
	})
	if n != 5000 || fhir.Faults(faults) != nil {
		t.Fatalf("%d rows, %v", n, faults)
	}
	if peak > 64<<20 {
		t.Errorf("%d MB in use while streaming", peak>>20)
	}
}

// repeat is a reader of a header and n times the same row.
type repeat struct {
	head, body []byte
	n          int
	cur        []byte
}

func (r *repeat) Read(p []byte) (int, error) {
	if r.head != nil {
		r.cur, r.head = r.head, nil
	}
	for len(r.cur) == 0 {
		if r.n == 0 {
			return 0, io.EOF
		}
		r.n--
		r.cur = r.body
	}
	n := copy(p, r.cur)
	r.cur = r.cur[n:]
	return n, nil
}

// TestExplain holds that every element names its rule and, where it has one,
// its column.
func TestExplain(t *testing.T) {
	recs, faults := compiled(t).Explain(example(t))
	if len(recs) != 1 || len(faults) != 0 {
		t.Fatalf("%d records, %v", len(recs), faults)
	}
	found := false
	for _, e := range recs[0].Elements {
		if e.Rule == "" || e.Type == "" || e.Expression == "" {
			t.Errorf("incomplete: %+v", e)
		}
		if e.Rule == "ethnicity" {
			found = e.Source == "row 1, subject_ethnicity_16plus1" && e.Table == "ethnicity 1.0.0" && e.Row == 12
		}
	}
	if !found {
		t.Error("ethnicity is not explained by its column and table row")
	}
}

// TestSample reads the sample of the fact sheet when it is at hand.
func TestSample(t *testing.T) {
	const sample = "../../../../shared/standards/samples/police/02-composed-ppn.csv"
	doc, err := os.ReadFile(sample)
	if err != nil {
		t.Skip("the folder ../shared with the samples is not here")
	}
	res := compiled(t).Read(doc)
	if !res.Accepted() || len(res.Records) != 1 {
		t.Fatalf("refused: %v %v", res.Faults, res.Records)
	}
	p := resource(t, res.Records[0].Bundle, "Patient")
	if p.Get("birthDate").Text() != "1944-07-19" || p.At("name", 0, "family").Text() != "CARVER" {
		t.Error("the person is not the sample's")
	}
	for _, l := range res.Records[0].Losses {
		if l.Rule == "residue" {
			t.Errorf("residue at %s", l.Source)
		}
	}
}

func resource(t *testing.T, bundle []byte, typ string) fhir.Value {
	t.Helper()
	tree, err := fhir.Parse(bundle, 1<<22)
	if err != nil {
		t.Fatal(err)
	}
	for e := range tree.Root().Get("entry").All() {
		if r := e.Get("resource"); r.Get("resourceType").Text() == typ {
			return r
		}
	}
	t.Fatalf("no %s", typ)
	return fhir.Value{}
}

// BenchmarkRow maps one full row of a long file.
func BenchmarkRow(b *testing.B) {
	m := compiled(b)
	head, body, _ := bytes.Cut(example(b), []byte("\r\n"))
	b.ReportAllocs()
	b.ResetTimer()
	n := 0
	m.ReadStream(&repeat{head: append(head, "\r\n"...), body: body, n: b.N}, func(r mapping.Record) bool {
		n += len(r.Bundle)
		return true
	})
}

// BenchmarkWrite writes one bundle back as a row.
func BenchmarkWrite(b *testing.B) {
	m := compiled(b)
	bundle := m.Read(example(b)).Records[0].Bundle
	b.ReportAllocs()
	for b.Loop() {
		m.Write(bundle)
	}
}
