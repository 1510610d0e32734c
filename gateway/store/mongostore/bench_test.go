package mongostore

import (
	"fmt"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"trellis.example/auth"
	"trellis.example/gateway/store"
	"trellis.example/gateway/store/mongostore/mongotest"
)

func benchStore(b *testing.B) *Store {
	return openTest(b, mongotest.Database(b, mongotest.URI(b, "how fast mongostore is")), Options{})
}

// BenchmarkCommit commits a resource with its claim, event and audit record
// from as many callers as a busy gateway has.
func BenchmarkCommit(b *testing.B) {
	for _, callers := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			s := benchStore(b)
			var n atomic.Int64
			b.SetParallelism(callers)
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					c := commitOf(fmt.Sprint(n.Add(1)))
					c.Writes[0].Body = make([]byte, 3400)
					if _, err := s.Commit(b.Context(), c); err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
		})
	}
}

func BenchmarkRead(b *testing.B) {
	s := benchStore(b)
	fill(b, s, "a", 1000)
	b.ResetTimer()
	for i := range b.N {
		if _, err := s.Read(b.Context(), narrow("a"), store.Key{Type: "Task", ID: fmt.Sprintf("a-%d", i%1000)}); err != nil {
			b.Fatal(err)
		}
	}
}

// cpuTime returns the processor time that this process, not the server, has
// used.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkSearch searches among as many resources of others as resourcesEnv
// says.
func BenchmarkSearch(b *testing.B) {
	s := benchStore(b)
	populate(b, s, resources(b))
	fill(b, s, "few", 50)
	subject := clause("patient", store.Reference, false, store.Match{Value: "Patient/few-3"})
	status := tokenClause("status", "s", "active", true)
	for _, bm := range []struct {
		name string
		q    store.Query
	}{
		{"identifier", store.Query{Where: []store.Clause{tokenClause("identifier", "s", "few-3", false)}}},
		{"subject", store.Query{Where: []store.Clause{subject}}},
		{"status", store.Query{Where: []store.Clause{status}}},
		{"status, everyone's", store.Query{View: auth.SystemView(), Where: []store.Clause{status}}},
		{"status, newest first", store.Query{Where: []store.Clause{status}, Sort: []store.Order{{Param: "_lastUpdated", Kind: store.Date, Descending: true}}}},
	} {
		b.Run(bm.name, func(b *testing.B) {
			if bm.q.Type, bm.q.Limit = "Task", 20; !bm.q.View.All() {
				bm.q.View = narrow("few")
			}
			b.ReportAllocs()
			cpu := cpuTime()
			for b.Loop() {
				p, err := s.Search(b.Context(), bm.q)
				if err != nil || len(p.Versions) == 0 {
					b.Fatalf("%d found, %v", len(p.Versions), err)
				}
			}
			b.ReportMetric(float64((cpuTime()-cpu).Microseconds())/float64(b.N), "cpu-µs/op")
		})
	}
}

// BenchmarkEncode is the part of a commit that is done here.
func BenchmarkEncode(b *testing.B) {
	c := commitOf("1", "b", "c")
	access := newAccessDoc(auth.NewAccess("a", "b", "c"))
	b.ReportAllocs()
	for b.Loop() {
		newVersion(&c.Writes[0], 1, access)
	}
}
