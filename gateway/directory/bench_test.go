package directory_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/gateway"
	"trellis.example/gateway/directory"
	"trellis.example/gateway/store"
	"trellis.example/mapping"
	"trellis.example/mapping/formats"
)

func lookup(id string) (mapping.Format, bool) {
	e, ok, err := formats.Lookup(id)
	return e.Format, ok && err == nil
}

// fill stores n services with their places, as a pull would, without its checks.
func fill(tb testing.TB, s store.Store, n int) {
	tb.Helper()
	f, _ := lookup("oruk-v3")
	access := auth.NewAccess("client/directory-bench", auth.PartyPublic)
	var writes []store.Write
	flush := func() {
		if _, err := s.Commit(context.Background(), store.Commit{Writes: writes}); err != nil {
			tb.Fatal(err)
		}
		writes = nil
	}
	for i := range n {
		doc := fmt.Sprintf(`{"id":"%s","name":"Club %d of the %s","description":"%s","status":"active","url":"https://club.example/%d","email":"club%d@club.example","fees":"Free","minimum_age":%d,"last_modified":"2026-01-02T03:04:05Z",
			"schedules":[{"id":"%s","freq":"WEEKLY","byday":"TU,TH","opens_at":"10:00","closes_at":"12:00","description":"In the hall"},{"id":"%s","freq":"MONTHLY","byday":"1SA","opens_at":"10:00"}],
			"attributes":[{"id":"%s","link_type":"service_type","taxonomy_term":{"id":"%s","name":"Kind %d","description":"Kind","taxonomy":"esdServiceTypes"}}],
			"organization":{"id":"%s","name":"Society %d","description":"A society that runs clubs."},
			"service_at_locations":[{"id":"%s","location":{"id":"%s","location_type":"physical","name":"Hall %d","latitude":%.4f,"longitude":%.4f,"addresses":[{"id":"%s","address_1":"Lane %d","city":"Exampleton","state_province":"","postal_code":"ZZ%d 1AA","country":"GB","address_type":"physical"}]}}]}`,
			serviceID(i), i, []string{"north", "south", "east", "west"}[i%4], "A club that meets to talk, to walk and to drink tea, with help for those who come for the first time. Bring what you like.", i, i, i%60,
			serviceID(1e6+i), serviceID(2e6+i), serviceID(3e6+i), serviceID(4e6+i%200), i%200, serviceID(5e6+i%5000), i%5000, serviceID(6e6+i), serviceID(7e6+i), i, 51+float64(i%4000)/1000, -1-float64(i%900)/1000, serviceID(8e6+i), i, i%90)
		rec := f.Read([]byte(doc)).Records[0]
		b, err := fhir.DecodeLimit(rec.Bundle, 1<<20)
		if err != nil {
			tb.Fatal(rec.Faults, err)
		}
		keys := map[string]store.Key{}
		for _, e := range b.Entries() {
			keys[e.FullURL] = store.Key{Type: e.Type(), ID: e.FullURL[len("urn:uuid:"):]}
		}
		for _, e := range b.Entries() {
			r, err := fhir.Sub(e.Resource)
			if err != nil {
				tb.Fatal(err)
			}
			ed := fhir.NewEditor(r.Root())
			fhir.EachReference(r.Root(), func(v fhir.Value) { ed.SetString(v, keys[v.Text()].String()) })
			out, err := fhir.Decode(ed.Bytes())
			if err != nil {
				tb.Fatal(err)
			}
			k := keys[e.FullURL]
			writes = append(writes, store.Write{View: auth.SystemView(), Key: k, Body: out.Stamp(k.ID, 1, time.Now()), Updated: time.Now(), Access: access})
		}
		if len(writes) > 400 {
			flush()
		}
	}
	flush()
}

// BenchmarkDirectory asks a directory of TRELLIS_BENCH_SERVICES services (5,000
// unless said) what its users ask. It reports the time and memory that the index
// takes, and of each question the 99th percentile beside the mean.
func BenchmarkDirectory(b *testing.B) {
	n, err := strconv.Atoi(os.Getenv("TRELLIS_BENCH_SERVICES"))
	if err != nil {
		n = 5000
	}
	c := gateway.Defaults()
	c.Data, c.PublicURL = b.TempDir(), "https://trellis.test"
	s, err := gateway.OpenStore(context.Background(), c, true, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	fill(b, s, n)
	d := &directory.Directory{Store: s, Formats: lookup, PublicURL: "https://trellis.test", Log: slog.New(slog.DiscardHandler)}
	ask := func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		d.ServeHTTP(w, httptest.NewRequest(http.MethodGet, directory.Base+path, nil))
		return w
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	began := time.Now()
	if w := ask("/services"); w.Code != 200 || !slices.Contains([]int{n}, total(w.Body.String())) {
		b.Fatalf("%d %.200s", w.Code, w.Body)
	}
	took := time.Since(began)
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.Logf("%d services: index made in %v, %.1f MB held", n, took, float64(after.HeapAlloc-before.HeapAlloc)/1e6)
	for _, path := range []string{"/services", "/services?search=walk+tea&day=TU&minimum_age=30", "/services?page=" + strconv.Itoa(n/50), "/services/" + serviceID(n/2), "/services?full=true",
		"/service_at_locations?postcode=ZZ5%201AA&proximity=20000", "/organizations", "/taxonomy_terms"} {
		b.Run(path, func(b *testing.B) {
			var times []time.Duration
			for b.Loop() {
				at := time.Now()
				if w := ask(path); w.Code != 200 {
					b.Fatalf("%d %s", w.Code, w.Body)
				}
				times = append(times, time.Since(at))
			}
			slices.Sort(times)
			b.ReportMetric(float64(times[len(times)*99/100].Microseconds()), "p99-µs")
		})
	}
}

func total(body string) int {
	n := 0
	if i := len(`"total_items":`); len(body) > i {
		for j := 0; j+i < len(body); j++ {
			if body[j:j+i] == `"total_items":` {
				_, _ = fmt.Sscanf(body[j+i:], "%d", &n)
				return n
			}
		}
	}
	return n
}
