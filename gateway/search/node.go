package search

import (
	"trellis.example/fhir"
	"trellis.example/fhir/path"
	"trellis.example/gateway/store"
)

// A node is an element that parameters select, or that leads to one. Merging
// all paths of a type into one tree lets a single walk find every value.
type node struct {
	children map[string]*node
	ends     []end
	// groups is the tree of the parts of composites: each value of the element
	// is a group of its own.
	groups *node
	// covered: a leading parameter finds the reference here.
	covered bool
}

// An end takes the values of one parameter from an element.
type end struct {
	param  *Param
	take   taker
	system string // see place
}

// A computed parameter evaluates an expression on the whole document.
type computed struct {
	param   *Param
	path    *path.Path
	anchors []string
}

func (n *node) at(steps []string) *node {
	for _, s := range steps {
		n = n.child(s)
	}
	return n
}

func (n *node) child(name string) *node {
	if n.children == nil {
		n.children = map[string]*node{}
	}
	c := n.children[name]
	if c == nil {
		c = &node{}
		n.children[name] = c
	}
	return c
}

func (n *node) group() *node {
	if n.groups == nil {
		n.groups = &node{}
	}
	return n.groups
}

func (n *node) end(p *Param, at place) {
	n.ends = append(n.ends, end{p, takerOf(p.kind, at.typ), at.system})
}

// cover finds the elements that a leading parameter covers; a silent one there
// is not led to by the references of [anyReference]. params are all of the
// type, several of which share an index.
func (n *node) cover(params []*Param) {
	for _, e := range n.ends {
		n.covered = n.covered || e.param.kind == store.Reference && !e.param.silent
	}
	for _, e := range n.ends {
		for _, p := range params {
			if n.covered && p.stored == e.param.stored {
				p.byRef = false
			}
		}
	}
	for _, c := range n.children {
		c.cover(params)
	}
}

// Index returns the entries by which a resource is found. The entries share the
// resource's memory.
func (r *Registry) Index(res fhir.Resource) []store.Index {
	pl, root := r.plan(res.Type()), res.Root()
	x := extractor{base: r.base, out: make([]store.Index, 0, 24), embeds: pl.embeds}
	if pl.root.groups != nil {
		x.grouped(root, pl.root.groups)
	}
	x.walk(root, pl.root)
	for i := range pl.computed {
		x.compute(root, &pl.computed[i])
	}
	return x.out
}

type extractor struct {
	base string
	out  []store.Index
	seen map[store.Index]bool // of out, once it is long
	// group is that of the composite element being read, of groups so far.
	group, groups int
	// system is that of the end being taken.
	system string
	embeds bool
}

func (x *extractor) walk(v fhir.Value, n *node) {
	for m := v.First(); m.Exists(); m = m.Next() {
		c := n.children[m.Key()]
		if m.Kind() != fhir.Array {
			x.element(m, c)
			continue
		}
		for item := m.First(); item.Exists(); item = item.Next() {
			x.element(item, c)
		}
	}
}

func (x *extractor) element(v fhir.Value, n *node) {
	kind := v.Kind()
	if n == nil {
		if kind == fhir.Object {
			x.references(v, false)
		}
		return
	}
	for i := range n.ends {
		e := &n.ends[i]
		x.system = e.system
		e.take(x, v, e.param)
	}
	if kind != fhir.Object {
		return
	}
	if n.groups != nil {
		x.grouped(v, n.groups)
	}
	if n.children != nil {
		x.walk(v, n)
	} else {
		x.references(v, n.covered)
	}
}

// references indexes what no leading parameter covers, below an element that no
// parameter looks into.
func (x *extractor) references(v fhir.Value, covered bool) {
	if x.group != 0 || x.embeds {
		return
	}
	for m := v.First(); m.Exists(); m = m.Next() {
		switch m.Kind() {
		case fhir.String:
			if !covered && m.Key() == "reference" {
				x.anyReference(m.Text())
			}
		case fhir.Object:
			x.references(m, false)
		case fhir.Array:
			for item := m.First(); item.Exists(); item = item.Next() {
				if item.Kind() == fhir.Object {
					x.references(item, false)
				}
			}
		}
	}
}

func (x *extractor) anyReference(s string) {
	value, _ := splitReference(s, x.base)
	if ref, ok := fhir.ParseReference(value); ok && ref.Kind == fhir.RefRelative {
		x.add(store.Index{Param: anyReference, Kind: store.Reference, Value: value})
	}
}

// grouped reads the parts of the composites over one element.
func (x *extractor) grouped(v fhir.Value, n *node) {
	x.groups++
	x.group = x.groups
	x.walk(v, n)
	x.group = 0
}

// compute indexes what an expression selects, unless it can select nothing.
func (x *extractor) compute(root fhir.Value, c *computed) {
	there := len(c.anchors) == 0
	for _, a := range c.anchors {
		there = there || root.Get(a).Exists()
	}
	if !there {
		return
	}
	x.system = ""
	c.path.Eval(root, func(v fhir.Value, typ string) bool {
		if typ == "Extension" {
			v, typ = extensionValue(v)
		}
		if v.Get("resourceType").Exists() {
			typ = "Resource"
		}
		if take := takerOf(c.param.kind, typ); take != nil {
			take(x, v, c.param)
		}
		return true
	})
}

// extensionValue returns the value of an extension with its data type: R4 names
// the extension where it means what it holds.
func extensionValue(v fhir.Value) (fhir.Value, string) {
	for m := v.First(); m.Exists(); m = m.Next() {
		if typ, ok := cutValue(m.Key()); ok {
			return m, typ
		}
	}
	return fhir.Value{}, ""
}

// add adds an entry once. Few entries are compared one by one; a document with
// many gets a set, so that a hostile one costs no more than its size.
func (x *extractor) add(ix store.Index) {
	ix.Group = x.group
	if x.seen == nil && len(x.out) >= 64 {
		x.seen = make(map[store.Index]bool, 2*len(x.out))
		for _, o := range x.out {
			x.seen[o] = true
		}
	}
	if x.seen == nil && x.has(&ix) || x.seen[ix] {
		return
	}
	if x.seen != nil {
		x.seen[ix] = true
	}
	x.out = append(x.out, ix)
}

func (x *extractor) has(ix *store.Index) bool {
	for i := range x.out {
		o := &x.out[i]
		if len(o.Value) == len(ix.Value) && o.Low == ix.Low && len(o.Param) == len(ix.Param) && *o == *ix {
			return true
		}
	}
	return false
}
