package formats

import (
	"testing"
)

// BenchmarkMap reads the first case of each format: the codec and the map.
func BenchmarkMap(b *testing.B) {
	for _, e := range all(b) {
		docs := inputs(b, e)
		if len(docs) == 0 {
			continue
		}
		b.Run(e.Info().ID, func(b *testing.B) {
			b.SetBytes(int64(len(docs[0])))
			b.ReportAllocs()
			for b.Loop() {
				e.Read(docs[0])
			}
		})
	}
}
