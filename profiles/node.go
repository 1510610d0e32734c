package profiles

import (
	"sync"
	"sync/atomic"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
	"trellis.example/fhir/path"
)

// A node is a definitions table with what the walk needs beside it: checks of
// primitives, value sets, reference targets and compiled invariants.
type node struct {
	table    *definitions.Table
	special  special
	rules    []rule
	members  []member // by definitions.Member.Index
	required []int    // slots with a minimum
}

// special marks the types with rules that no table expresses.
type special uint8

const (
	ordinary special = iota
	isExtension
	isReference
	isNarrative
	isIdentifier
	isCoding
	isQuantity
	isMeta
	isBundle
	isEntry
	isDomainResource
)

// A member is what one JSON member must satisfy.
type member struct {
	prim    primitive
	set     *definitions.ValueSet // of a required binding
	format  format
	bind    *binding // extensible or preferred; nil: none
	targets []string
	rules   []rule
	simple  bool // a SimpleQuantity: no comparator
	child   atomic.Pointer[node]
}

// A rule is an invariant.
type rule struct {
	key, human string
	expression string // for issues
	line       string // the definition that states it, for issues
	warning    bool
	path       *path.Path
	foreign    *foreign                         // instead of path, in definitions of a user
	extension  fhir.Value                       // %extension in the condition of an extension
	sure       func(w *walk, v fhir.Value) bool // nil, or whether it needs no evaluation
}

// nodes holds the compiled nodes of one validator by table.
type nodes struct {
	defs  *definitions.Definitions
	cache sync.Map // *definitions.Table to *node
	rules sync.Map // "root\x00expression" to *path.Path
	late  atomic.Int32
}

func (n *nodes) of(t *definitions.Table) *node {
	if c, ok := n.cache.Load(t); ok {
		known, _ := c.(*node)
		return known
	}
	c, _ := n.cache.LoadOrStore(t, n.compile(t))
	known, _ := c.(*node)
	return known
}

// child returns the node of a member's type; nil for the type Resource.
func (n *nodes) child(m *definitions.Member, info *member) *node {
	if c := info.child.Load(); c != nil {
		return c
	}
	t := m.Table()
	if t == nil {
		return nil
	}
	c := n.of(t)
	info.child.Store(c)
	return c
}

func (n *nodes) compile(t *definitions.Table) *node {
	c := &node{table: t, special: specialOf(t), members: make([]member, t.Members())}
	c.rules = n.compileRules(t.Constraints, t.Path, lineOf(t.Path))
	for i := range t.Slots {
		s := &t.Slots[i]
		if s.Min > 0 {
			c.required = append(c.required, i)
		}
		for _, m := range s.Members {
			n.member(&c.members[m.Index], t, s, m)
		}
	}
	return c
}

func (n *nodes) member(info *member, t *definitions.Table, s *definitions.Slot, m *definitions.Member) {
	if m.Primitive() {
		info.prim = primitiveOf(m.Type.Code)
	}
	if s.Name == "id" && t.Kind == definitions.Resource {
		info.prim = pID // the tables call it a string
	}
	if s.ValueSet != "" {
		info.set = n.defs.ValueSet(s.ValueSet)
		if info.set != nil && info.set.Open {
			info.set, info.format = nil, formatOf(s.ValueSet)
		}
	}
	if s.Binding.Strength == "extensible" || s.Binding.Strength == "preferred" {
		info.bind = newBinding(s.Binding.Strength, s.Binding.ValueSet, "", "", lineOf(slotPath(t, s)))
	}
	if m.Type.Code == "Reference" && len(m.Type.Targets) > 0 && m.Type.Targets[0] != "Resource" {
		info.targets = m.Type.Targets
	}
	for _, p := range m.Type.Profiles {
		info.simple = info.simple || p == "SimpleQuantity"
	}
	root := m.Type.Code
	if m.Type.Code == "BackboneElement" || m.Type.Code == "Element" {
		root = t.Path + "." + s.Name
	}
	if len(s.Constraints) > 0 && m.Type.Code != "Resource" {
		info.rules = n.compileRules(s.Constraints, root, lineOf(slotPath(t, s)))
	}
}

// byHand are the invariants that the walk checks itself, or that Trellis leaves
// out; see the package documentation.
var byHand = map[string]bool{
	"ele-1": true, "ext-1": true, "ref-1": true, "txt-1": true, "txt-2": true,
	"dom-2": true, "dom-3": true, "dom-4": true, "dom-5": true,
	"dom-6": true, // best practice: a narrative. Its absence is no fault and would be remarked on nearly every document.
}

func (n *nodes) compileRules(list []definitions.Constraint, root, line string) []rule {
	var out []rule
	for _, c := range list {
		if byHand[c.Key] {
			continue
		}
		if p := n.path(c.Expression, root); p != nil {
			out = append(out, rule{key: c.Key, human: c.Human, expression: c.Expression, line: line, warning: !c.Error, path: p, sure: sure[[2]string{c.Key, c.Expression}]})
		}
	}
	return out
}

// path compiles an expression once; nil when it is outside the subset, which a
// test of package path excludes for R4's own.
func (n *nodes) path(expression, root string) *path.Path {
	key := root + "\x00" + expression
	if p, ok := n.rules.Load(key); ok {
		known, _ := p.(*path.Path)
		return known
	}
	p, err := path.Compile(expression, root)
	if err != nil {
		return nil
	}
	n.rules.Store(key, p)
	return p
}

func specialOf(t *definitions.Table) special {
	switch t.Path {
	case "Extension":
		return isExtension
	case "Reference":
		return isReference
	case "Narrative":
		return isNarrative
	case "Identifier":
		return isIdentifier
	case "Coding":
		return isCoding
	case "Quantity", "Age", "Count", "Distance", "Duration", "SimpleQuantity":
		return isQuantity
	case "Meta":
		return isMeta
	case "Bundle":
		return isBundle
	case "Bundle.entry":
		return isEntry
	}
	if t.Kind == definitions.Resource && t.Slot("contained") != nil {
		return isDomainResource
	}
	return ordinary
}
