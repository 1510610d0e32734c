package snapshot

import (
	"slices"
	"strings"
)

// A node is an element while a snapshot is being made. Ids and paths of cloned
// ones are written when the tree is.
type node struct {
	el    Element
	name  string // the element's name: "identifier", "value[x]"
	slice string // "" or the slice's name: "nhs", "nhs/new"
	up    *node
	kids  []*node
	// slices are those of this element; of a slice, its reslices.
	slices []*node
	// like is where the children come from while they have not been made.
	like *node
	// placed is true where the element's own ID and Path are right already.
	placed bool
	// inherited is true for what the base has.
	inherited bool
	byName    map[string]*node // of many slices
}

// manySlices is how many slices are looked through before an index is kept.
const manySlices = 8

func (n *node) child(name string) *node {
	for _, k := range n.kids {
		if k.name == name {
			return k
		}
	}
	return nil
}

// sliceNamed finds a slice or, for "a/b", a slice of a slice.
func (n *node) sliceNamed(name string) *node {
	if n.byName != nil {
		return n.byName[name]
	}
	for _, s := range n.slices {
		if s.slice == name {
			return s
		}
		if strings.HasPrefix(name, s.slice+"/") {
			if r := s.sliceNamed(name); r != nil {
				return r
			}
		}
	}
	return nil
}

// addSlice puts a slice under n: a reslice under the slice that it divides.
func (n *node) addSlice(s *node) {
	holder := n
	if i := strings.LastIndexByte(s.slice, '/'); i > 0 {
		if outer := n.sliceNamed(s.slice[:i]); outer != nil {
			holder = outer
		}
	}
	holder.slices = append(holder.slices, s)
	if n.byName == nil && len(n.slices) > manySlices {
		n.byName = map[string]*node{}
		n.index(n)
		return
	}
	if n.byName != nil {
		n.byName[s.slice] = s
	}
}

func (n *node) index(at *node) {
	for _, s := range at.slices {
		n.byName[s.slice] = s
		n.index(s)
	}
}

// sliced is the element that a slice divides, through reslices.
func (n *node) sliced() *node {
	if n.slice == "" || n.up == nil {
		return nil
	}
	return n.up.child(n.name)
}

// id writes the element id of a node anywhere in the tree.
func (n *node) id() string {
	if n.placed {
		return n.el.ID
	}
	id := n.name
	if n.slice != "" {
		id += ":" + n.slice
	}
	if n.up == nil {
		return id
	}
	return n.up.id() + "." + id
}

// plant makes a tree of a snapshot. Elements without their parent before them
// are left out; Generate has refused such snapshots.
func (g *generator) plant(s *Structure) *node {
	if len(s.Elements) == 0 {
		return nil
	}
	all := make([]node, len(s.Elements))
	byID := make(map[string]*node, len(all))
	for i := range s.Elements {
		n := &all[i]
		n.el, n.placed, n.inherited = s.Elements[i], true, true
		parent, last := cutLast(n.el.ID)
		n.name, n.slice, _ = strings.Cut(last, ":")
		byID[n.el.ID] = n
		if i == 0 {
			continue
		}
		if n.up = byID[parent]; n.up == nil {
			continue
		}
		if n.slice == "" {
			n.up.kids = append(n.up.kids, n)
		} else if of := n.up.child(n.name); of != nil {
			of.addSlice(n)
		}
	}
	return &all[0]
}

// cutLast splits an element id before its last segment.
func cutLast(id string) (parent, last string) {
	i := strings.LastIndexByte(id, '.')
	if i < 0 {
		return "", id
	}
	return id[:i], id[i+1:]
}

// clone makes a node like another under a new parent; its children follow when
// they are asked for.
func (g *generator) clone(n, up *node) *node {
	g.count++
	c := &node{el: n.el, name: n.name, slice: n.slice, up: up, like: n, inherited: n.inherited}
	for _, s := range n.slices {
		c.slices = append(c.slices, g.clone(s, up))
	}
	return c
}

// open makes the children of n, once: those of what it was cloned from, else
// those of its type.
func (g *generator) open(n *node) {
	if len(n.kids) > 0 || g.full() {
		return
	}
	from := n.like
	for from != nil && len(from.kids) == 0 {
		from = from.like
	}
	if from == nil {
		from = g.content(n)
	}
	if from == nil {
		return
	}
	for _, k := range from.kids {
		n.kids = append(n.kids, g.clone(k, n))
	}
}

// content finds the element whose children those of n are: of the element that
// a contentReference names, of the profile on its type, of its type.
func (g *generator) content(n *node) *node {
	e := &n.el
	if e.ContentRef != "" {
		return g.reference(e)
	}
	switch codes := typeCodes(e.Types); len(codes) {
	case 0:
		return nil
	case 1:
		if len(e.Types[0].Profiles) == 1 && len(e.Types) == 1 {
			if s := g.find(e.Types[0].Profiles[0]); s != nil && len(s.Elements) > 0 {
				return g.tree(s)
			}
		}
		return g.baseTree(codes[0])
	default:
		return g.baseTree("Element") // what all types of a choice have
	}
}

func typeCodes(types []Type) []string {
	var out []string
	for _, t := range types {
		if !slices.Contains(out, t.Code) {
			out = append(out, t.Code)
		}
	}
	return out
}

// reference follows a contentReference. It means R4's own definition, so that a
// profile does not constrain every level of what nests by constraining one.
func (g *generator) reference(e *Element) *node {
	_, id, _ := strings.Cut(e.ContentRef, "#")
	typ, rest, _ := strings.Cut(id, ".")
	n := g.baseTree(typ)
	for rest != "" && n != nil {
		var name string
		name, rest, _ = strings.Cut(rest, ".")
		n = n.child(name)
	}
	if n != nil {
		e.ContentRef, e.Types = "", n.el.Types
	}
	return n
}

// write appends the tree to the list in document order.
func (g *generator) write(n *node, into []Element) []Element {
	if !n.placed {
		n.place()
	}
	if len(n.kids) == 0 && n.like != nil && n.likeKids() {
		g.open(n)
	}
	into = append(into, n.el)
	for _, k := range n.kids {
		into = g.write(k, into)
	}
	for _, s := range n.slices {
		into = g.write(s, into)
	}
	return into
}

func (n *node) likeKids() bool {
	for from := n.like; from != nil; from = from.like {
		if len(from.kids) > 0 {
			return true
		}
	}
	return false
}

// place writes the id and path of a node whose parent has them.
func (n *node) place() {
	n.el.SliceName = n.slice
	n.el.ID, n.el.Path = n.name, n.name
	if n.up != nil {
		n.el.ID, n.el.Path = n.up.el.ID+"."+n.name, n.up.el.Path+"."+n.name
	}
	if n.slice != "" {
		n.el.ID += ":" + n.slice
	}
	n.placed = true
}
