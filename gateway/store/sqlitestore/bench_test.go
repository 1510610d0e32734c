//go:build unix

package sqlitestore

import (
	"context"
	"fmt"
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

func BenchmarkSearch(b *testing.B) {
	s := benchStore(b)
	narrow := auth.NewView([]string{"Organization/hub3"}, []string{"*"}, nil)
	exact := func(param string, kind store.Kind, common bool, m store.Match) []store.Clause {
		return []store.Clause{{Param: param, Kind: kind, Common: common, Any: []store.Match{m}}}
	}
	for name, where := range map[string][]store.Clause{
		"identifier": exact("identifier", store.Token, false, store.Match{System: "https://example.org/referral", Value: benchCommit(1003).Writes[0].Key.ID}),
		"patient":    exact("patient", store.Reference, false, store.Match{Value: "Patient/1003"}),
		"status":     exact("status", store.Token, true, store.Match{System: "http://hl7.org/fhir/request-status", Value: "active"}),
	} {
		b.Run(name, func(b *testing.B) {
			concurrently(b, 1, func(int64) error {
				p, err := s.Search(context.Background(), store.Query{View: narrow, Type: "ServiceRequest", Limit: 10, Where: where})
				if err == nil && len(p.Versions) == 0 {
					err = fmt.Errorf("nothing found")
				}
				return err
			})
		})
	}
}
