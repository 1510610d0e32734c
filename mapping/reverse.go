package mapping

import (
	"slices"
	"strconv"
	"strings"

	"trellis.example/fhir"
	"trellis.example/mapping/codec"
)

// maxReverse is the largest FHIR document, in bytes, that is written in a
// partner's format.
const maxReverse = 16 << 20

// A back is the state of writing one FHIR document in the partner's format.
type back struct {
	m       *Map
	d       *codec.Doc
	entries []entry
	byURL   map[string]int
	found   map[*instance][]int // entries of each instance
	used    []bool              // by value index: some rule carried it
	frames  []backFrame
	wrote   []wrote
	oneWay  []oneWay
	listed  map[listKey][]fhir.Value
	lost    int // losses that are not listed
	losses  []Loss
	faults  []fhir.Issue
}

type entry struct {
	url      string
	resource fhir.Value
	owner    *instance
}

// A backFrame is one element of a group on the way back. Its node is made when
// the first value is written to it.
type backFrame struct {
	group, parent, n int
	item             fhir.Value
	node             codec.ID
	part             string // what was written of a split list
}

// listKey names the elements that a [*] of the map has in one array.
type listKey struct {
	node  *tnode
	array int
}

// wrote remembers a rule's when, which is fulfilled after all values stand.
type wrote struct {
	rule  *rule
	frame int
}

// oneWay is a value that a rule reads but never writes back.
type oneWay struct {
	rule  *rule
	frame int
	value fhir.Value
}

// Write writes a FHIR Bundle, or a single resource, as one record of the
// partner's format. Every element that the format does not carry is a loss.
func (m *Map) Write(resource []byte) Written {
	if !m.info.Out {
		return refused(fhir.Errorf(fhir.NotSupported, "format %s cannot be written", m.info.ID))
	}
	res, err := fhir.DecodeLimit(resource, maxReverse)
	if err != nil {
		return refused(err)
	}
	b := &back{m: m, d: m.syntax.Blank(m.shape), byURL: map[string]int{}, found: map[*instance][]int{}, listed: map[listKey][]fhir.Value{}, used: make([]bool, res.Root().Tree().Size())}
	b.collect(res)
	b.identify()
	b.carry()
	b.settle()
	b.excuse()
	b.residue(res.Root())
	if b.lost > 0 {
		b.losses = append(b.losses, Loss{Rule: "residue", Text: strconv.Itoa(b.lost) + " more elements are lost than are listed"})
	}
	w := Written{Losses: b.losses, Faults: b.faults}
	if fhir.Faults(b.faults) != nil {
		return w
	}
	doc, err := m.syntax.Write(b.d)
	if err != nil {
		w.Faults = append(w.Faults, fhir.AsError(err).Issues...)
		return w
	}
	w.Document = string(doc)
	return w
}

func refused(err error) Written { return Written{Faults: fhir.AsError(err).Issues} }

// collect lists the resources of the document.
func (b *back) collect(res fhir.Resource) {
	if res.Type() != "Bundle" {
		b.add("", res.Root())
		return
	}
	for e := range res.Root().Get("entry").All() {
		if r := e.Get("resource"); r.Kind() == fhir.Object {
			b.add(e.Get("fullUrl").Text(), r)
		}
	}
}

func (b *back) add(url string, r fhir.Value) {
	i := len(b.entries)
	b.entries = append(b.entries, entry{url: url, resource: r})
	names := []string{url}
	if id := r.Get("id").Text(); id != "" {
		names = append(names, r.Get("resourceType").Text()+"/"+id)
	}
	for _, n := range names {
		if _, taken := b.byURL[n]; !taken && n != "" {
			b.byURL[n] = i
		}
	}
}

// target returns the entry that a reference points to, or -1.
func (b *back) target(ref string) int {
	if i, ok := b.byURL[ref]; ok {
		return i
	}
	parts := strings.Split(ref, "/")
	if n := len(parts); n > 2 { // absolute, or with a version
		if n > 3 && parts[n-2] == "_history" {
			parts = parts[:n-2]
		}
		if i, ok := b.byURL[strings.Join(parts[len(parts)-2:], "/")]; ok {
			return i
		}
	}
	return -1
}

// identify finds the map's instances among the resources: by the references
// between them, starting from the first instance that type and constants tell.
func (b *back) identify() {
	for {
		for b.follow() {
		}
		if !b.recognise() {
			break
		}
	}
	for _, inst := range b.m.instances {
		if inst.star {
			b.others(inst)
		}
	}
}

// others claims the resources to which no reference points, for an instance
// that there may be many of.
func (b *back) others(inst *instance) {
	n := len(b.found[inst])
	for i := range b.entries {
		if b.entries[i].owner == nil && b.is(inst, b.entries[i].resource) {
			b.claim(inst, i)
		}
	}
	if n > 0 && len(b.found[inst]) > n {
		slices.Sort(b.found[inst]) // the order of the document, where references give none
	}
}

// follow claims the resources to which references of claimed ones point.
func (b *back) follow() bool {
	progress := false
	for _, r := range b.m.refs {
		for _, i := range b.found[r.inst] {
			visit(b.entries[i].resource, r.path, true, func(v fhir.Value) {
				t := b.target(v.Text())
				if t < 0 || b.entries[t].resource.Get("resourceType").Text() != r.ref.typ {
					return
				}
				if r.shared && !b.is(r.ref, b.entries[t].resource) {
					return // the list holds resources of several meanings: only constants tell which this is
				}
				switch first := len(b.found[r.ref]) == 0; {
				case b.entries[t].owner == nil && (r.ref.star || first):
					b.claim(r.ref, t)
					progress = true
				case b.entries[t].owner != r.ref && !r.ref.star && first && b.is(r.ref, b.entries[t].resource):
					b.found[r.ref] = []int{t} // one resource in two parts: a practice that refers its own patient
					progress = true
				}
			})
		}
	}
	return progress
}

// visit calls f with every value at a path, all elements of a [*] included;
// when loose, all elements of an array whatever their position.
func visit(v fhir.Value, path []*tnode, loose bool, f func(fhir.Value)) {
	for i, n := range path {
		switch {
		case !n.isElem:
			v = v.Get(n.key)
		case n.step.star || loose:
			for item := range v.All() {
				if n.recognised(item) {
					visit(item, path[i+1:], loose, f)
				}
			}
			return
		default:
			v = n.find(v)
		}
	}
	if v.Exists() {
		f(v)
	}
}

// recognise claims resources by type and constants for the first instance
// that has none yet. The referral itself may differ in constants, which are
// then losses: any ServiceRequest will do.
func (b *back) recognise() bool {
	for _, inst := range b.m.instances {
		if len(b.found[inst]) > 0 {
			continue
		}
		for i := range b.entries {
			if b.entries[i].owner == nil && b.is(inst, b.entries[i].resource) {
				b.claim(inst, i)
				if !inst.star {
					break
				}
			}
		}
		if len(b.found[inst]) > 0 || inst.typ == "ServiceRequest" && b.anyReferral(inst) {
			return true
		}
	}
	return false
}

func (b *back) anyReferral(inst *instance) bool {
	for i := range b.entries {
		if b.entries[i].owner == nil && b.entries[i].resource.Get("resourceType").Text() == inst.typ {
			b.claim(inst, i)
			return true
		}
	}
	return false
}

// is reports whether a resource bears the type and all constants of an
// instance.
func (b *back) is(inst *instance, r fhir.Value) bool {
	if r.Get("resourceType").Text() != inst.typ {
		return false
	}
	for _, rule := range b.m.rules {
		if rule.inst != inst || !rule.isConst || len(rule.when) > 0 || len(rule.leaf.rules) > 1 || rule.leaf.optional() {
			continue
		}
		met := false
		visit(r, rule.path, false, func(v fhir.Value) { met = met || v.Text() == rule.constText })
		if !met {
			return false
		}
	}
	return true
}

// optional reports whether the leaf lies in an object that is left out when
// the document feeds nothing into it.
func (n *tnode) optional() bool {
	for p := n.parent; p != nil && p.parent != nil; p = p.parent {
		if p.fed && !p.array { // of an array each element is there by itself
			return true
		}
	}
	return false
}

func (b *back) claim(inst *instance, i int) {
	b.entries[i].owner = inst
	b.found[inst] = append(b.found[inst], i)
}

// open builds the frames of the groups below frame i.
func (b *back) open(i int) {
	for _, g := range b.m.groups[b.frames[i].group].children {
		for n, item := range b.items(g, i) {
			if !b.belongs(g, i, item) {
				continue
			}
			b.frames = append(b.frames, backFrame{group: g, parent: i, n: n, item: item, node: codec.None})
			b.open(len(b.frames) - 1)
		}
	}
}

// items are the FHIR values that a group repeats over.
func (b *back) items(g, parent int) []fhir.Value {
	group := b.m.groups[g]
	switch {
	case group.homeInst != nil:
		if b.frames[parent].n > 0 && group.upRef == nil {
			return nil
		}
		var out []fhir.Value
		for _, e := range b.found[group.homeInst] {
			out = append(out, b.entries[e].resource)
		}
		return out
	case group.homeElem != nil:
		r := group.homeElem
		last := len(r.path) - 1
		for !(r.path[last].step.star && r.path[last].group == g) {
			last--
		}
		return b.list(r.path[last], b.locate(r, parent, r.path[:last]))
	}
	return []fhir.Value{{}}
}

// list is the elements of an array that belong to n.
func (b *back) list(n *tnode, array fhir.Value) []fhir.Value {
	key := listKey{n, array.Index()}
	items, ok := b.listed[key]
	if !ok {
		items = n.items(array)
		b.listed[key] = items
	}
	return items
}

func (b *back) in(f, group int) int {
	for b.frames[f].group != group {
		f = b.frames[f].parent
	}
	return f
}

// locate returns the value at a path of the rule's instance, as frame f sees
// it.
func (b *back) locate(r *rule, f int, path []*tnode) fhir.Value {
	var v fhir.Value
	if r.inst.star {
		v = b.frames[b.in(f, r.inst.group)].item
		if home := b.m.groups[r.inst.group].homeInst; home != r.inst {
			v = b.nthResource(r.inst, b.frames[b.in(f, r.inst.group)].n)
		}
	} else {
		v = b.nthResource(r.inst, 0)
	}
	for _, n := range path {
		switch {
		case !n.isElem:
			v = v.Get(n.key)
		case n.step.star:
			v = at(b.list(n, v), b.frames[b.in(f, n.group)].n)
		default:
			v = n.find(v)
		}
	}
	return v
}

func (b *back) nthResource(inst *instance, n int) fhir.Value {
	if list := b.found[inst]; n < len(list) {
		return b.entries[list[n]].resource
	}
	return fhir.Value{}
}

func at(list []fhir.Value, n int) fhir.Value {
	if n < len(list) {
		return list[n]
	}
	return fhir.Value{}
}
