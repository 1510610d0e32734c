package rest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"trellis.example/gateway/server/servertest"
)

// BenchmarkTransaction stores transactions of a Patient and Observations that
// refer to it, validated, and reports the processor time of one.
func BenchmarkTransaction(b *testing.B) {
	for _, n := range []int{100, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			g := servertest.Assemble(b, servertest.OpenStore(b), validated(b))
			entries := []string{entry("POST", "Patient", "fullUrl", uuid1, "resource", `{"resourceType":"Patient","identifier":[{"system":"s","value":"1"}],"name":[{"family":"Testperson","given":["A"]}],"birthDate":"1950-01-01"}`)}
			for len(entries) < n {
				entries = append(entries, entry("POST", "Observation", "resource", `{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"1234-5"}]},"subject":{"reference":"`+uuid1+`"},"effectiveDateTime":"2026-01-01","valueQuantity":{"value":1.50,"unit":"kg"}}`))
			}
			doc := bundle("transaction", entries...)
			h := g.Server.Handler()
			b.ReportAllocs()
			before := cpu(b)
			for b.Loop() {
				r := httptest.NewRequest(http.MethodPost, "/fhir", strings.NewReader(doc))
				r.Header.Set("Authorization", "Bearer gp")
				r.Header.Set("Content-Type", fhirJSON)
				w := httptest.NewRecorder()
				if h.ServeHTTP(w, r); w.Code != http.StatusOK {
					b.Fatalf("%d %s", w.Code, w.Body)
				}
			}
			b.ReportMetric(float64(cpu(b)-before)/float64(time.Millisecond)/float64(b.N), "cpu-ms/op")
		})
	}
}

// cpu is the processor time that this process has used.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
