package path

import (
	"strings"
	"sync"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
)

// maxVisits bounds the values that one evaluation may push: some invariants of
// R4 compare every element with every other.
const maxVisits = 2_000_000

type itemKind uint8

const (
	kindNode itemKind = iota
	kindBool
	kindNumber
	kindString
	kindResolved // a resource known only by its type
	kindDate     // a date literal; s is its text
)

// An item is one value of a collection.
type item struct {
	kind   itemKind
	b      bool
	shadow bool // a primitive of which only "_name" is there; v is that object
	n      float64
	s      string
	v      fhir.Value
	t      *definitions.Table
}

// An env is one evaluation. Results lie on a stack: an expression pushes its
// items above what is there.
type env struct {
	stack                        []item
	root, resource, rootResource item
	extension                    fhir.Value // %extension
	visits, limit                int
	finder                       Finder // nil: the Bundle is searched
	one                          bool   // of a repeating element only the first value is wanted
}

var envs = sync.Pool{New: func() any { return &env{stack: make([]item, 0, 64)} }}

func newEnv(v fhir.Value, t *definitions.Table) *env {
	e, _ := envs.Get().(*env)
	e.limit = maxVisits
	e.root = item{v: v, t: t}
	e.resource, e.rootResource = e.root, e.root
	return e
}

func (e *env) release() {
	if cap(e.stack) > 4096 {
		return // do not keep what one large document needed
	}
	clear(e.stack[:min(max(e.visits, 0), cap(e.stack))]) // the pool must not hold documents
	*e = env{stack: e.stack[:0]}
	envs.Put(e)
}

func (e *env) costly() bool { return e.visits > e.limit }

// visit counts n comparisons and reports whether to go on.
func (e *env) visit(n int) bool {
	e.visits += n
	return e.visits <= e.limit
}

func (e *env) push(it item) {
	if e.visit(1) {
		e.stack = append(e.stack, it)
	}
}

func (e *env) pushBool(b bool) { e.push(item{kind: kindBool, b: b}) }

// drop removes the items between lo and hi, keeping those above.
func (e *env) drop(lo, hi int) {
	n := copy(e.stack[lo:], e.stack[hi:])
	e.stack = e.stack[:lo+n]
}

// run evaluates x and returns where its items begin.
func (e *env) run(x expr, focus item) (lo int) {
	lo = len(e.stack)
	x.eval(e, focus)
	return lo
}

// test evaluates x and reports its truth: ok is false when it is empty.
func (e *env) test(x expr, focus item) (truth, ok bool) {
	lo := e.run(x, focus)
	n := len(e.stack) - lo
	if n == 1 {
		truth = e.stack[lo].truthy()
	}
	e.stack = e.stack[:lo]
	return truth, n == 1
}

// truthy follows FHIRPath: a single item that is no boolean counts as true.
func (it item) truthy() bool {
	switch it.kind {
	case kindBool:
		return it.b
	case kindNode:
		return it.v.Kind() != fhir.Bool || it.v.Text() == "true"
	}
	return true
}

// children pushes the child elements of it with that name.
func (e *env) children(it item, name string) {
	if it.kind != kindNode || it.t == nil || it.v.Kind() != fhir.Object {
		return
	}
	if s := it.t.Slot(name); s != nil {
		e.slot(it.v, s)
	}
}

func (e *env) slot(v fhir.Value, s *definitions.Slot) {
	if !s.Choice() {
		e.memberOf(v, s.Members[0], v.Get(s.Name))
		return
	}
	for c := v.First(); c.Exists(); c = c.Next() {
		key := strings.TrimPrefix(c.Key(), "_")
		if !strings.HasPrefix(key, s.Name) {
			continue
		}
		for _, m := range s.Members {
			if m.Name != key {
				continue
			}
			if len(key) == len(c.Key()) {
				e.memberOf(v, m, c)
			} else if !v.Get(key).Exists() {
				e.memberOf(v, m, fhir.Value{})
			}
		}
	}
}

// memberOf pushes the values of one JSON member.
func (e *env) memberOf(v fhir.Value, m *definitions.Member, val fhir.Value) {
	switch {
	case !val.Exists() && m.Primitive():
		e.shadows(v.Get("_"+m.Name), m.Table())
	case val.Kind() == fhir.Array:
		for c := val.First(); c.Exists(); c = c.Next() {
			e.node(m, c)
			if e.one && c.Kind() != fhir.Null {
				return
			}
		}
	case val.Exists():
		e.node(m, val)
	}
}

// shadows pushes primitives that have extensions but no value.
func (e *env) shadows(v fhir.Value, t *definitions.Table) {
	if v.Kind() == fhir.Object {
		e.push(item{v: v, t: t, shadow: true})
		return
	}
	for s := v.First(); s.Exists(); s = s.Next() {
		if s.Kind() == fhir.Object {
			e.push(item{v: s, t: t, shadow: true})
		}
	}
}

func (e *env) node(m *definitions.Member, v fhir.Value) {
	t := m.Table()
	if t == nil {
		t = tableOf(v)
	}
	if v.Kind() != fhir.Null && t != nil {
		e.push(item{v: v, t: t})
	}
}

func resourceItem(v fhir.Value) item { return item{v: v, t: tableOf(v)} }

// tableOf returns the table of a resource; one of a type that R4 does not have
// is still a resource.
func tableOf(v fhir.Value) *definitions.Table {
	if t := definitions.R4().Table(v.Get("resourceType").Text()); t != nil {
		return t
	}
	return definitions.R4().Table("Resource")
}

// shadowOf returns the object that carries a primitive's id and extensions.
func shadowOf(it item) fhir.Value {
	if it.shadow || it.t.Kind != definitions.Primitive {
		return it.v
	}
	p := it.v.Parent()
	if p.Kind() != fhir.Array {
		return p.Get("_" + it.v.Key())
	}
	i, s := 0, p.Parent().Get("_"+p.Key()).First()
	for c := p.First(); c.Exists() && c.Index() != it.v.Index(); c = c.Next() {
		i++
	}
	for ; i > 0 && s.Exists(); i-- {
		s = s.Next()
	}
	return s
}

// truth returns a value outside any document.
func truth(b bool) fhir.Value {
	if b {
		return truths().At(1)
	}
	return truths().At(0)
}

var truths = sync.OnceValue(func() fhir.Value {
	t, err := fhir.Parse([]byte("[false,true]"), 64)
	if err != nil {
		return fhir.Value{}
	}
	return t.Root()
})
