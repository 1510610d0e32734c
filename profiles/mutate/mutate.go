package mutate

import (
	"iter"
	"math/rand/v2"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
	"trellis.example/profiles/snapshot"
)

// A Fault is a document with one fault.
type Fault struct {
	// Mutation is the name of the kind, one of [Names].
	Mutation string
	// Doc is the broken document.
	Doc []byte
	// Path is the FHIRPath where the fault must be reported.
	Path string
	// Rules are the rule ids that may name it; empty: any.
	Rules []string
	// Schema is true when a JSON Schema of the type, or of the profile for a
	// fault of the profile, can tell.
	Schema bool
	// Profile is true when R4 itself allows the document and the profile does
	// not.
	Profile bool
	// Element is the id of the profile's element that is not kept; "" for faults
	// of R4.
	Element string
	// Strict is true when R4 leaves the fault to the receiver: a validator of base
	// R4 alone may accept the document.
	Strict bool
}

// A Generator makes faults of documents of one profile, or of any type of R4.
type Generator struct {
	defs *definitions.Definitions
	st   *snapshot.Structure
	seed uint64
	// share is the part of the faults at single places that is made, from 0 to 1.
	share float64
}

// New returns a generator for documents that follow the profile st; nil: R4
// alone. share is the part of the possible faults at single places to make, 1
// being all of them; which, the seed decides. Faults of the document as a whole
// and of the profile are few and always made.
func New(defs *definitions.Definitions, st *snapshot.Structure, seed uint64, share float64) *Generator {
	return &Generator{defs: defs, st: st, seed: seed, share: share}
}

// Names returns the kinds of mutation in order.
func Names() []string {
	all := kinds()
	out := make([]string, len(all))
	for i, k := range all {
		out[i] = k.name
	}
	return out
}

// Faults yields what can be broken in a valid document, in document order.
func (g *Generator) Faults(r fhir.Resource) iter.Seq[Fault] {
	return func(yield func(Fault) bool) {
		table := g.defs.Table(r.Type())
		if table == nil {
			return
		}
		w := &walk{g: g, kinds: kinds(), rnd: rand.New(rand.NewPCG(g.seed, uint64(len(r.JSON())))), yield: yield}
		w.document(r.Root())
		w.object(r.Root(), table, false)
	}
}

// An edit is a replacement of one value.
type edit struct {
	at   fhir.Value
	with string
	// path is where the fault must be reported.
	path            string
	rules           []string
	unsaid          bool // no JSON Schema can tell
	strict, profile bool
	element         string // of the profile
}

// A kind is one way to break a document; one of its functions is set.
type kind struct {
	name     string
	value    func(p *place) []edit
	object   func(o *whole) []edit
	document func(g *Generator, root fhir.Value) []edit
}

// A place is one value of a member.
type place struct {
	v fhir.Value
	t *definitions.Table
	s *definitions.Slot
	m *definitions.Member
	g *Generator
}

// A whole is one JSON object.
type whole struct {
	v fhir.Value
	t *definitions.Table
	g *Generator
}

type walk struct {
	g     *Generator
	kinds []kind
	rnd   *rand.Rand
	yield func(Fault) bool
	done  bool
}

func (w *walk) document(root fhir.Value) {
	for _, k := range w.kinds {
		if k.document != nil {
			w.emit(k.name, k.document(w.g, root), false, 1)
		}
	}
}

// object breaks an object and all that is in it. nested says that it lies in a
// resource within the document.
func (w *walk) object(v fhir.Value, t *definitions.Table, nested bool) {
	for _, k := range w.kinds {
		if k.object != nil {
			w.emit(k.name, k.object(&whole{v, t, w.g}), nested, w.g.share)
		}
	}
	for c := range v.All() {
		m := t.Member(c.Key())
		if m == nil || w.done {
			continue
		}
		w.value(place{c, t, &t.Slots[m.Slot], m, w.g}, nested)
		for e := range c.Items() {
			if c.Kind() == fhir.Array {
				w.value(place{e, t, &t.Slots[m.Slot], m, w.g}, nested)
			}
			next, inner := m.Table(), nested
			if next == nil {
				next, inner = w.g.defs.Table(e.Get("resourceType").Text()), true
			}
			if e.Kind() == fhir.Object && next != nil {
				w.object(e, next, inner)
			}
		}
	}
}

func (w *walk) value(p place, nested bool) {
	for _, k := range w.kinds {
		if k.value != nil {
			w.emit(k.name, k.value(&p), nested, w.g.share)
		}
	}
}

func (w *walk) emit(name string, edits []edit, nested bool, share float64) {
	for _, e := range edits {
		if w.done || share < 1 && w.rnd.Float64() >= share {
			continue
		}
		ed := fhir.NewEditor(e.at)
		ed.SetRaw(e.at, []byte(e.with))
		w.done = !w.yield(Fault{Mutation: name, Doc: ed.Bytes(), Path: e.path, Rules: e.rules,
			Schema: !e.unsaid && !nested, Strict: e.strict, Profile: e.profile, Element: e.element})
	}
}
