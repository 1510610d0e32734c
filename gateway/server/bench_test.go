package server_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/gateway/server"
	"trellis.example/gateway/server/servertest"
	"trellis.example/profiles"
)

// The benchmarks call the handler without a network: routing, policy, decoding,
// indexing, audit and the embedded store, with a practice's narrow view.
// "cpu-ms/op" is processor time of the whole process, the store's writer
// included.

const referral = `{"resourceType":"ServiceRequest","identifier":[{"system":"https://gp.example/referrals","value":"R-%d"}],"status":"active","intent":"order","priority":"routine","category":[{"coding":[{"system":"http://snomed.info/sct","code":"306206005","display":"Referral to service"}]}],"code":{"coding":[{"system":"http://snomed.info/sct","code":"871731000000106","display":"Referral to social prescribing service"}]},"subject":{"reference":"Patient/%s"},"requester":{"identifier":{"system":"https://fhir.nhs.uk/Id/ods-organization-code","value":"A81001"}},"performer":[{"display":"Social prescribing service"}],"authoredOn":"2026-03-04T10:15:30Z","reasonCode":[{"text":"Lonely since a bereavement"}],"note":[{"text":"%s"}]}`

func bench(b *testing.B, validate bool) (http.Handler, string) {
	b.Helper()
	o := servertest.Options{Config: server.Config{Limits: server.Limits{ClientRate: -1}}}
	if validate {
		v, err := profiles.New()
		if err != nil {
			b.Fatal(err)
		}
		o.Validate = func(_ context.Context, _ auth.Principal, r fhir.Resource, _ ...string) []fhir.Issue {
			return v.Validate(r, profiles.Options{})
		}
	}
	g := servertest.Assemble(b, servertest.OpenStore(b), o)
	h := g.Server.Handler()
	w := call(b, h, "POST", "/fhir/Patient", patient)
	return h, strings.Split(w.Header().Get("Location"), "/")[5]
}

func call(b *testing.B, h http.Handler, method, path, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer gp")
	if body != "" {
		r.Header.Set("Content-Type", "application/fhir+json")
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code >= 400 {
		b.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
	}
	return w
}

// parallel runs f on 8 goroutines, as many as the clients of the target, and
// reports the processor time of one call.
func parallel(b *testing.B, f func(n int64)) {
	b.Helper()
	var n atomic.Int64
	b.ReportAllocs()
	b.SetParallelism(4) // times GOMAXPROCS
	before := cpu(b)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			f(n.Add(1))
		}
	})
	b.ReportMetric((cpu(b)-before).Seconds()*1000/float64(b.N), "cpu-ms/op")
}

func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func body(n int64, patient string) string {
	return fmt.Sprintf(referral, n, patient, strings.Repeat("What matters to this person. ", 80))
}

func BenchmarkCreate(b *testing.B) {
	h, pat := bench(b, true)
	parallel(b, func(n int64) { call(b, h, "POST", "/fhir/ServiceRequest", body(n, pat)) })
}

func BenchmarkRead(b *testing.B) {
	h, pat := bench(b, false)
	w := call(b, h, "POST", "/fhir/ServiceRequest", body(1, pat))
	path := strings.TrimSuffix(strings.TrimPrefix(w.Header().Get("Location"), "http://gateway.example"), "/_history/1")
	parallel(b, func(int64) { call(b, h, "GET", path, "") })
}

func BenchmarkSearchIdentifier(b *testing.B) {
	h, pat := bench(b, false)
	for n := range int64(2000) {
		call(b, h, "POST", "/fhir/ServiceRequest", body(n, pat))
	}
	parallel(b, func(n int64) { call(b, h, "GET", fmt.Sprintf("/fhir/ServiceRequest?identifier=R-%d", n%2000), "") })
}

func BenchmarkSearchTen(b *testing.B) {
	h, pat := bench(b, false)
	for n := range int64(2000) {
		if n%100 == 0 {
			pat = strings.Split(call(b, h, "POST", "/fhir/Patient", patient).Header().Get("Location"), "/")[5]
		}
		call(b, h, "POST", "/fhir/ServiceRequest", body(n, pat))
	}
	for _, by := range []string{"identifier=R-7", "status=active", "subject=Patient/" + pat} {
		name, _, _ := strings.Cut(by, "=")
		b.Run(name, func(b *testing.B) {
			parallel(b, func(int64) { call(b, h, "GET", "/fhir/ServiceRequest?_count=10&"+by, "") })
		})
	}
}

func BenchmarkSearchStatus(b *testing.B) {
	h, pat := bench(b, false)
	for n := range int64(2000) {
		call(b, h, "POST", "/fhir/ServiceRequest", body(n, pat))
	}
	parallel(b, func(int64) { call(b, h, "GET", "/fhir/ServiceRequest?status=active&_count=20&_total=none", "") })
}

func BenchmarkSearchStatusTotal(b *testing.B) {
	h, pat := bench(b, false)
	for n := range int64(2000) {
		call(b, h, "POST", "/fhir/ServiceRequest", body(n, pat))
	}
	parallel(b, func(int64) { call(b, h, "GET", "/fhir/ServiceRequest?status=active&_count=20&_total=accurate", "") })
}
