package intake_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"trellis.example/gateway/intake"
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

func BenchmarkPoliceFile(b *testing.B) {
	h := newHouse(b)
	h.quiet = true
	const rows = 2000
	n := 0
	for b.Loop() {
		file := police(b, strconv.Itoa(n), rows)
		n++
		ctx, s := caller(b, "police", "police", "P99")
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/intake/ppn-csv", strings.NewReader(file))
		r.Header.Set("Content-Type", "text/csv")
		a, err := h.Document(r, s, "ppn-csv", "http://t.example")
		if err != nil || a.Status != 200 {
			b.Fatalf("%d %v", a.Status, err)
		}
		h.commits = nil
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(n*rows), "µs/row")
	b.ReportMetric(float64(cpu(b))/1000/float64(n*rows), "CPU-µs/row")
	_ = intake.JSON
}
