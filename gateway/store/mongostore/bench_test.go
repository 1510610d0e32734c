package mongostore

import (
	"fmt"
	"sync/atomic"
	"testing"

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

func BenchmarkSearch(b *testing.B) {
	s := benchStore(b)
	fill(b, s, "many", 3000)
	fill(b, s, "few", 20)
	for name, where := range map[string][]store.Clause{
		"identifier": {tokenClause("identifier", "s", "few-3", false)},
		"status":     {tokenClause("status", "s", "active", true)},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				p, err := s.Search(b.Context(), store.Query{View: narrow("few"), Type: "Task", Limit: 20, Where: where})
				if err != nil || len(p.Versions) == 0 {
					b.Fatalf("%d found, %v", len(p.Versions), err)
				}
			}
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
