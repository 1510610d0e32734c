package rest

import (
	"hash/maphash"
	"slices"
	"strings"
	"sync"

	"trellis.example/fhir"
	"trellis.example/gateway/store"
)

// A guard keeps deletions and references to what is deleted apart: who stores a
// document holds what it refers to from the look at it until the commit, and
// who deletes holds it alone from the look at what refers to it. It reaches as
// far as this process.
type guard struct {
	seed    maphash.Seed
	stripes [256]sync.RWMutex
}

func newGuard() *guard { return &guard{seed: maphash.MakeSeed()} }

// hold waits until the keys of refs are nobody's to delete, and those of deleted
// nobody's at all. The caller releases them, and holds nothing else meanwhile:
// the stripes are taken in one order by everybody.
func (g *guard) hold(refs, deleted []store.Key) (release func()) {
	want := make(map[int]bool, len(refs)+len(deleted)) // true: alone
	for _, k := range refs {
		if i := g.stripe(k); !want[i] {
			want[i] = false
		}
	}
	for _, k := range deleted {
		want[g.stripe(k)] = true
	}
	order := make([]int, 0, len(want))
	for i := range want {
		order = append(order, i)
	}
	slices.Sort(order)
	for _, i := range order {
		if want[i] {
			g.stripes[i].Lock()
		} else {
			g.stripes[i].RLock()
		}
	}
	return func() {
		for _, i := range order {
			if want[i] {
				g.stripes[i].Unlock()
			} else {
				g.stripes[i].RUnlock()
			}
		}
	}
}

func (g *guard) stripe(k store.Key) int {
	return int(maphash.String(g.seed, k.Type+"/"+k.ID) % uint64(len(g.stripes)))
}

// targets are the resources of this server that a document refers to.
func (a *API) targets(res fhir.Resource) (keys []store.Key) {
	fhir.EachReference(res.Root(), func(v fhir.Value) {
		ref, ok := fhir.ParseReference(v.Text())
		if ok && len(keys) <= maxReferences && (ref.Kind == fhir.RefRelative || ref.Kind == fhir.RefAbsolute && ref.Base == a.base) {
			keys = append(keys, store.Key{Type: strings.Clone(ref.Type), ID: strings.Clone(ref.ID)})
		}
	})
	return keys
}

func keysOf(versions []store.Version) []store.Key {
	keys := make([]store.Key, len(versions))
	for i, v := range versions {
		keys[i] = v.Key
	}
	return keys
}
