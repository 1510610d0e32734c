//go:build unix

package intake_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"

	"trellis.example/auth"
)

// nhs returns a number of the range 999, which is never issued to a person,
// with its Modulus 11 check digit.
func nhs(serial int) string {
	for ; ; serial += 100_003 {
		s := fmt.Sprintf("999%06d", serial%1_000_000)
		sum := 0
		for i := range 9 {
			sum += int(s[i]-'0') * (10 - i)
		}
		if check := (11 - sum%11) % 11; check < 10 {
			return s + strconv.Itoa(check)
		}
	}
}

// police returns a file of n full rows with references and persons of their own.
func police(t testing.TB, run string, n int) string {
	t.Helper()
	head, row, _ := strings.Cut(demo(t, "referral.csv", run+"-@@"), "\n")
	var b strings.Builder
	b.WriteString(head + "\n")
	for i := range n {
		b.WriteString(strings.NewReplacer("@@", strconv.Itoa(i), "9991234020", nhs(i)).Replace(strings.TrimSuffix(row, "\n")) + "\n")
	}
	return b.String()
}

// requests returns a file of n rows with the least that a request has.
func requests(t testing.TB, run string, n int) string {
	t.Helper()
	in, err := os.ReadFile("../../mapping/formats/cld-csv/testdata/thin/in.csv")
	if err != nil {
		t.Fatal(err)
	}
	head, row, _ := strings.Cut(string(in), "\n")
	columns, cells := strings.Split(strings.TrimSpace(head), ","), strings.Split(strings.TrimSpace(row), ",")
	var b strings.Builder
	b.WriteString(strings.TrimSpace(head) + "\n")
	for i := range n {
		for c, name := range columns {
			switch name {
			case "Event Reference":
				cells[c] = fmt.Sprintf("EV-%s-%d", run, i)
			case "NHS Number":
				cells[c] = nhs(i)
			case "LA Person Unique Identifier":
				cells[c] = fmt.Sprintf("P%07d", i)
			}
		}
		b.WriteString(strings.Join(cells, ",") + "\n")
	}
	return b.String()
}

// BenchmarkFile takes files of 1,500 rows in, to committed and audited.
func BenchmarkFile(b *testing.B) {
	for _, bm := range []struct {
		format string
		role   auth.Role
		file   func(testing.TB, string, int) string
	}{{"cld-csv", "social-care", requests}, {"ppn-csv", "police", police}} {
		b.Run(bm.format, func(b *testing.B) {
			const rows = 1500
			h := newHouse(b)
			h.quiet = true
			ctx, s := caller(b, "sender", bm.role, "P99")
			spent, n := int64(0), 0
			for b.Loop() {
				file := bm.file(b, strconv.Itoa(n), rows)
				r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/intake/"+bm.format, strings.NewReader(file))
				r.Header.Set("Content-Type", "text/csv")
				before := cpu(b)
				a, err := h.Document(r, s, bm.format, "http://t.example")
				if spent += cpu(b) - before; err != nil || a.Status != http.StatusOK || strings.Contains(body(b, a), ",rejected,") {
					b.Fatalf("%d %v\n%.400s", a.Status, err, a.Body)
				}
				n++
			}
			b.ReportMetric(float64(n*rows)/b.Elapsed().Seconds(), "rows/s")
			b.ReportMetric(float64(spent)/1000/float64(n*rows), "CPU-µs/row")
		})
	}
}
