//go:build unix

package sqlitestore

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"trellis.example/auth"
	"trellis.example/gateway/audit"
	"trellis.example/gateway/store"
)

var benchBody = []byte(`{"resourceType":"ServiceRequest","text":"` + strings.Repeat("social prescribing ", 140) + `"}`)

// benchCommit creates a ServiceRequest of 2.7 KB as the gateway does: with
// eight index entries for two parties and one audit entry.
func benchCommit(n int64) store.Commit {
	now := time.Now()
	id := fmt.Sprintf("%08x-7c4e-4e0a-9c3d-%012x", uint32(n*2654435761), n)
	token := func(param, sys, value string, common bool) store.Index {
		return store.Index{Param: param, Kind: store.Token, System: sys, Value: value, Common: common}
	}
	ref := func(param, value string) store.Index {
		return store.Index{Param: param, Kind: store.Reference, Value: value}
	}
	return store.Commit{
		Writes: []store.Write{{
			View: auth.SystemView(), Key: store.Key{Type: "ServiceRequest", ID: id}, Body: benchBody, Updated: now,
			Access: auth.NewAccess(fmt.Sprint("Organization/", n%200), fmt.Sprint("Organization/hub", n%10)),
			Index: []store.Index{
				token("identifier", "https://example.org/referral", id, false),
				ref("patient", fmt.Sprint("Patient/", n%5000)), ref("subject", fmt.Sprint("Patient/", n%5000)),
				ref("requester", fmt.Sprint("Organization/", n%200)),
				token("status", "http://hl7.org/fhir/request-status", "active", true),
				token("intent", "http://hl7.org/fhir/request-intent", "order", true),
				token("category", "http://snomed.info/sct", "871731000000106", true),
				{Param: "authored", Kind: store.Date, Low: now.UnixMilli(), High: now.UnixMilli() + 1000},
			},
		}},
		Audit: []audit.Entry{benchEntry(id)},
	}
}

func benchEntry(id string) audit.Entry {
	return audit.Entry{
		At: time.Now(), Action: audit.Create, Interaction: "create", Outcome: "0", Client: "practice-system-1",
		Party: "Organization/1", Role: "referrer", Address: "192.0.2.17", RequestID: id,
		Entities: []string{"ServiceRequest/" + id}, Patients: []string{"Patient/1"},
	}
}

// cpuTime returns the processor time that the process has used.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// concurrently runs do b.N times from so many goroutines and reports rate and
// processor time.
func concurrently(b *testing.B, clients int, do func(n int64) error) {
	b.ReportAllocs()
	var next atomic.Int64
	var wg sync.WaitGroup
	cpu, start := cpuTime(), time.Now()
	b.ResetTimer()
	for range clients {
		wg.Go(func() {
			for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
				if err := do(n); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/time.Since(start).Seconds(), "op/s")
	b.ReportMetric(float64((cpuTime()-cpu).Microseconds())/float64(b.N), "cpu-µs/op")
}

func BenchmarkCommit(b *testing.B) {
	for _, clients := range []int{1, 2, 8} {
		b.Run(fmt.Sprint("clients=", clients), func(b *testing.B) {
			s := open(b, b.TempDir())
			var last atomic.Int64
			concurrently(b, clients, func(n int64) error {
				r, err := s.Commit(context.Background(), benchCommit(n))
				last.Store(r.Seq)
				return err
			})
			b.ReportMetric(float64(b.N)/float64(last.Load()), "commits/group")
		})
	}
}

func BenchmarkAuditOnly(b *testing.B) {
	for _, clients := range []int{8, 64} {
		b.Run(fmt.Sprint("clients=", clients), func(b *testing.B) {
			s := open(b, b.TempDir())
			concurrently(b, clients, func(n int64) error {
				_, err := s.Commit(context.Background(), store.Commit{Audit: []audit.Entry{benchEntry(fmt.Sprint(n))}})
				return err
			})
		})
	}
}

const benchStored = 10_000

func benchStore(b *testing.B) *Store {
	s := open(b, b.TempDir())
	var c store.Commit
	for n := range int64(benchStored) {
		c.Writes = append(c.Writes, benchCommit(n).Writes...)
		if len(c.Writes) == 500 {
			mustCommit(b, s, c)
			c.Writes = nil
		}
	}
	return s
}

func BenchmarkRead(b *testing.B) {
	s := benchStore(b)
	view := auth.NewView([]string{"Organization/hub3"}, []string{"*"}, nil)
	var keys []store.Key
	for n := int64(3); n < benchStored; n += 10 {
		keys = append(keys, benchCommit(n).Writes[0].Key)
	}
	for _, clients := range []int{1, 8} {
		b.Run(fmt.Sprint("clients=", clients), func(b *testing.B) {
			concurrently(b, clients, func(n int64) error {
				_, err := s.Read(context.Background(), view, keys[n%int64(len(keys))])
				return err
			})
		})
	}
}

// manyResources is how many are stored for the searches beside benchStored.
const (
	manyResources = 1_000_000
	manyEnv       = "TRELLIS_BENCH_MILLION"
)

// BenchmarkSearch searches among ten thousand resources and, when the
// environment asks for it, among a million; each search is for another value.
func BenchmarkSearch(b *testing.B) {
	for _, n := range []int64{benchStored, manyResources} {
		b.Run(fmt.Sprint("resources=", n), func(b *testing.B) {
			if n == manyResources && os.Getenv(manyEnv) == "" {
				b.Skip("set " + manyEnv + " to store a million resources, which takes minutes and 2 GB")
			}
			s := open(b, b.TempDir())
			fillNation(b, s, n)
			for _, c := range nationCases(n) {
				b.Run(c.name, func(b *testing.B) { concurrently(b, 1, c.search(s)) })
			}
		})
	}
}

// In the nation of the benchmark each patient has five requests, and each
// practice one patient in two hundred.
func nationWrite(n int64) store.Write {
	w := benchCommit(n).Writes[0]
	patient := n / 5
	w.Body = benchBody[len(benchBody)-700:]
	w.Access = auth.NewAccess(fmt.Sprint("Organization/", patient%200), fmt.Sprint("Organization/hub", patient%10))
	w.Updated = w.Updated.Add(time.Duration(n-manyResources) * time.Second)
	w.Index[1].Value, w.Index[2].Value = fmt.Sprint("Patient/", patient), fmt.Sprint("Patient/", patient)
	w.Index[3].Value = fmt.Sprint("Organization/", patient%200)
	w.Index[4].Value = []string{"active", "active", "completed", "draft"}[n%4]
	w.Index[7].Low = w.Updated.UnixMilli()
	w.Index[7].High = w.Index[7].Low + 999
	return w
}

func fillNation(b *testing.B, s *Store, n int64) {
	var c store.Commit
	for i := range n {
		if c.Writes = append(c.Writes, nationWrite(i)); len(c.Writes) == 2500 || i == n-1 {
			mustCommit(b, s, c)
			c.Writes = nil
		}
	}
}

type nationCase struct {
	name  string
	where func(n int64) []store.Clause // looks for what resource n has
	sort  []store.Order
	n     int64
}

func nationCases(n int64) []nationCase {
	has := func(at int, common bool) func(int64) []store.Clause {
		return func(n int64) []store.Clause {
			i := nationWrite(n).Index[at]
			return []store.Clause{{Param: i.Param, Kind: i.Kind, Common: common, Any: []store.Match{{System: i.System, Value: i.Value}}}}
		}
	}
	both := func(n int64) []store.Clause { return append(has(4, true)(n), has(6, true)(n)...) }
	return []nationCase{
		{name: "identifier", where: has(0, false), n: n}, {name: "subject", where: has(2, false), n: n},
		{name: "status", where: has(4, true), n: n}, {name: "status-category", where: both, n: n},
		{name: "type-by-time", where: func(int64) []store.Clause { return nil }, n: n, sort: []store.Order{{Param: "_lastUpdated", Kind: store.Date, Descending: true}}},
	}
}

// search asks under the view of the practice that sees what is looked for.
func (c nationCase) search(s *Store) func(int64) error {
	return func(i int64) error {
		n := i * 7919 % c.n
		view := auth.NewView([]string{fmt.Sprint("Organization/", n/5%200)}, []string{"*"}, nil)
		p, err := s.Search(context.Background(), store.Query{View: view, Type: "ServiceRequest", Limit: 10, Where: c.where(n), Sort: c.sort})
		if err == nil && len(p.Versions) == 0 {
			err = fmt.Errorf("nothing found")
		}
		return err
	}
}

// BenchmarkScan exports everything, and what one practice sees.
func BenchmarkScan(b *testing.B) {
	s := benchStore(b)
	for name, view := range map[string]auth.View{
		"all": auth.SystemView(), "narrow": auth.NewView([]string{"Organization/hub3"}, []string{"*"}, nil),
	} {
		b.Run(name, func(b *testing.B) {
			n, cpu := 0, cpuTime()
			for n < b.N {
				q := store.ScanQuery{View: view, Types: []string{"ServiceRequest"}, Limit: 1000}
				for {
					p, err := s.Scan(b.Context(), q)
					if err != nil {
						b.Fatal(err)
					}
					n += len(p.Versions)
					if q.After, q.Snapshot = p.Next, p.Snapshot; p.Next == "" {
						break
					}
				}
			}
			b.ReportMetric(float64((cpuTime()-cpu).Nanoseconds())/1000/float64(n), "cpu-µs/version")
		})
	}
}
