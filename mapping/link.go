package mapping

import (
	"slices"
	"strings"

	"trellis.example/fhir"
	"trellis.example/mapping/codec"
)

// link finds the group whose elements have the names that a link follows: the
// one that rules of the target read.
func (c *compiler) link(r *rule) {
	for _, other := range c.m.rules {
		if other.inst != r.ref || other.link {
			continue
		}
		for g := other.group; g != 0; g = c.m.groups[g].parent {
			if len(c.m.groups[g].names) > 0 {
				r.names, c.m.groups[g].named = g, r.ref
				return
			}
		}
	}
	c.errorf("rule %s: no group from which %s is read says in \"names\" what its elements are called", r.spec.ID, r.ref.name)
}

// upRefs finds, for a group within another, the reference by which the
// resources or elements of the one name the resources of the other.
func (c *compiler) upRefs() {
	for i, g := range c.m.groups {
		up := c.m.groups[g.parent].homeInst
		if i == 0 || up == nil {
			continue
		}
		for _, r := range c.m.refs {
			inside := g.homeInst != nil && r.inst == g.homeInst || g.homeElem != nil && r.inst == g.homeElem.inst && r.region == i
			if r.ref == up && inside {
				g.upRef = r
			}
		}
	}
}

// sharedRefs finds the references that do not tell by their place what they
// point to.
func (c *compiler) sharedRefs() {
	place := func(r *rule) string {
		keys := r.inst.name
		for _, s := range r.steps {
			keys += "." + s.key
		}
		return keys
	}
	for _, r := range c.m.refs {
		r.shared = slices.ContainsFunc(c.m.refs, func(other *rule) bool {
			return other.ref != r.ref && other.ref.typ == r.ref.typ && place(other) == place(r)
		})
	}
}

// belongs reports whether an element lies in the parent's element: nothing
// says so, or the reference between them does.
func (b *back) belongs(g, parent int, item fhir.Value) bool {
	r := b.m.groups[g].upRef
	if r == nil {
		return true
	}
	path := r.path
	if b.m.groups[g].homeInst == nil {
		path = path[slices.IndexFunc(path, func(n *tnode) bool { return n.isElem && n.step.star && n.group == g })+1:]
	}
	met := false
	visit(item, path, true, func(v fhir.Value) {
		t := b.target(v.Text())
		met = met || t >= 0 && b.entries[t].resource == b.frames[parent].item
	})
	return met
}

// A name is what an element of a group is called.
type name struct {
	group int
	text  string
}

// connect writes the reference for a partner's reference, when that names an
// element of which a resource was made.
func (x *run) connect(r *rule, f int) {
	if r.dir&inward == 0 || len(r.when) > 0 && !x.holds(r.when, f) {
		return
	}
	for _, g := range r.firsts {
		if x.frames[x.in(f, g)].n > 0 {
			return
		}
	}
	s, node, text := x.pick(r, f)
	v := x.cell(r, f)
	target := x.called(r, text)
	if text == "" || v.rule != nil || target < 0 || x.frames[target].live&(1<<r.ref.bit) == 0 {
		return // a name that nobody bears is residue
	}
	start := len(x.arena)
	x.arena = append(x.arena, '"')
	x.arena = x.appendURL(x.arena, r.ref, target)
	x.arena = append(x.arena, '"')
	*v = val{rule: r, node: node, start: start, end: len(x.arena)}
	x.used[node] = true
	if r.spec.Loss != "" {
		x.lose(s, f, r, r.spec.Loss)
	}
}

// called returns the frame of the target that bears a name, or -1: the name
// itself, or the type and id behind it.
func (x *run) called(r *rule, text string) int {
	if x.names == nil {
		x.names = map[name]int{}
		for f := range x.frames {
			x.nameFrame(f)
		}
	}
	f, ok := x.names[name{r.names, text}]
	if short := typeAndID(text); !ok && short != "" {
		if f, ok = x.names[name{r.names, short}]; !ok {
			if typ, id, _ := strings.Cut(short, "/"); typ == r.ref.typ {
				f, ok = x.names[name{r.names, id}]
			}
		}
	}
	switch {
	case !ok:
		return -1
	case r.ref.star:
		return x.in(f, r.ref.group)
	case x.frames[f].n > 0:
		return -1
	}
	return 0
}

// nameFrame notes the names of a group's element.
func (x *run) nameFrame(f int) {
	g := x.frames[f].group
	for i := range x.m.groups[g].names {
		node, text := x.value(&x.m.groups[g].names[i], f)
		if text == "" {
			continue
		}
		if i == 0 {
			x.used[node] = true // the name stands for the element, which has another on our side
		}
		for _, n := range [...]string{text, typeAndID(text)} {
			if _, taken := x.names[name{g, n}]; n != "" && !taken {
				x.names[name{g, n}] = f
			}
		}
	}
}

// typeAndID returns "Patient/1" of a reference or URL that ends so, with or
// without a version.
func typeAndID(ref string) string {
	parts := strings.Split(ref, "/")
	if n := len(parts); n > 3 && parts[n-2] == "_history" {
		parts = parts[:n-2]
	}
	if len(parts) < 2 {
		return ""
	}
	return strings.Join(parts[len(parts)-2:], "/")
}

// links gives the elements their names and writes the references between them.
func (b *back) links() {
	for f := range b.frames {
		b.nameElement(f)
	}
	for f := range b.frames {
		for _, r := range b.m.refs {
			if r.link && r.group == b.frames[f].group && r.dir&outward != 0 && b.counts(r, f) {
				b.linkOne(r, f)
			}
		}
	}
}

// nameElement writes the first name of an element that other rules have made.
func (b *back) nameElement(f int) {
	g := b.m.groups[b.frames[f].group]
	if len(g.names) == 0 || g.named == nil || b.frames[f].node == codec.None {
		return
	}
	if i := b.entryOf(g.named, f); i >= 0 && b.entries[i].url != "" {
		if id := b.d.Make(b.node(f), g.names[0].rest); b.d.Text(id) == "" {
			b.d.Set(id, b.entries[i].url, codec.Text)
		}
	}
}

// entryOf returns the entry of an instance that a frame is about, or -1.
func (b *back) entryOf(inst *instance, f int) int {
	n := 0
	if inst.star {
		n = b.frames[b.in(f, inst.group)].n
	} else if b.frames[f].n > 0 {
		return -1
	}
	if list := b.found[inst]; n < len(list) {
		return list[n]
	}
	return -1
}

func (b *back) linkOne(r *rule, f int) {
	v := b.locate(r, f, r.path)
	t := b.target(v.Text())
	if !v.Exists() || t < 0 || b.entries[t].owner != r.ref {
		return
	}
	for to := range b.frames {
		if b.frames[to].group != r.names || b.frames[to].node == codec.None || b.entryOf(r.ref, to) != t {
			continue
		}
		leaf := b.d.Find(b.frames[to].node, b.m.groups[r.names].names[0].rest)
		if leaf == codec.None || b.d.Text(leaf) == "" {
			return
		}
		if lost := b.put(r, f, b.d.Text(leaf)); lost != "" {
			b.lose(v, r, lost)
		} else {
			b.wrote = append(b.wrote, wrote{r, f})
		}
		b.used[v.Index()] = true
		return
	}
}
