package snapshot

import (
	"slices"
	"strings"

	"trellis.example/fhir"
)

// declare makes a new slice of n.
func (g *generator) declare(l *line, n *node, name string) *node {
	if n.el.Slicing == nil {
		n.el.Slicing = g.implicit(n)
	}
	switch {
	case n.el.Slicing == nil:
		g.fault(l.id, fhir.BusinessRule, "%s has no slicing, so that its slices cannot be told apart", describe(n))
		return nil
	case n.el.Slicing.Rules == "closed" && n.inherited && !g.lenient && len(g.shorts[n]) == 0 && g.closedByBase(n):
		g.fault(l.id, fhir.BusinessRule, "the slicing of %s is closed in the base: no slice may be added", describe(n))
		return nil
	}
	of := n
	if i := strings.LastIndexByte(name, '/'); i > 0 {
		if of = n.sliceNamed(name[:i]); of == nil {
			g.fault(l.id, fhir.BusinessRule, "the slice %s divides a slice that is not declared", safe(name))
			return nil
		}
	}
	g.count++
	s := &node{el: of.el, name: n.name, slice: name, up: n.up, like: of}
	s.el.Min, s.el.Slicing, s.el.SliceName = 0, nil, name
	if code := typeSuffix(n, name); code != "" {
		s.el.Types = slices.DeleteFunc(slices.Clone(s.el.Types), func(t Type) bool { return t.Code != code })
	}
	n.addSlice(s)
	return s
}

// closedByBase reports whether the closing was inherited rather than made by
// this differential, whose own slices are those that it closes to.
func (g *generator) closedByBase(n *node) bool { return n.el.By != g.s.Canonical() }

// implicit is the slicing of elements for which R4 gives it: extensions by url,
// choices by type (R4 profiling, section 5.1.0.14).
func (g *generator) implicit(n *node) *Slicing {
	switch {
	case n.name == "extension" || n.name == "modifierExtension":
		return &Slicing{Discriminators: []Discriminator{{Type: "value", Path: "url"}}, Rules: "open"}
	case strings.HasSuffix(n.name, "[x]"):
		return &Slicing{Discriminators: []Discriminator{{Type: "type", Path: "$this"}}, Rules: "open"}
	}
	return nil
}

// slicing sets how slices are told apart, or makes it stricter.
func (m *merger) slicing(v fhir.Value) {
	s := &Slicing{Ordered: v.Get("ordered").Text() == "true", Rules: v.Get("rules").Text()}
	for d := range v.Get("discriminator").Items() {
		x := Discriminator{Type: d.Get("type").Text(), Path: d.Get("path").Text()}
		if m.discriminator(x) {
			s.Discriminators = append(s.Discriminators, x)
		}
	}
	if s.Rules != "open" && s.Rules != "closed" && s.Rules != "openAtEnd" {
		m.fault("the rules of a slicing are open, closed or openAtEnd")
		return
	}
	base := m.e.Slicing
	if base == nil {
		base = m.implicit(m.n)
	}
	switch {
	case len(s.Discriminators) == 0 && v.Get("discriminator").Len() > 0: // told already
		return
	case len(s.Discriminators) == 0 && base == nil:
		m.fault("a slicing without discriminators cannot be enforced")
		return
	case base != nil && !m.stricter(base, s, v):
		return
	}
	m.e.Slicing = s
}

// stricter checks a slicing against that of the base, whose discriminators stay
// when none are named.
func (m *merger) stricter(base, s *Slicing, v fhir.Value) bool {
	if len(s.Discriminators) == 0 {
		s.Discriminators = base.Discriminators
	}
	if !v.Get("ordered").Exists() {
		s.Ordered = base.Ordered
	}
	switch {
	case base.Rules == "closed" && s.Rules != "closed", base.Rules == "openAtEnd" && s.Rules == "open":
		m.fault("the slicing is %s in the base and cannot become %s", base.Rules, s.Rules)
	case base.Ordered && !s.Ordered:
		m.fault("the slices are ordered in the base and must stay so")
	case m.e.Slicing != nil && !sameSet(base.Discriminators, s.Discriminators):
		m.fault("the base tells the slices apart by other discriminators")
	default:
		return true
	}
	return false
}

func sameSet(base, list []Discriminator) bool {
	for _, d := range base {
		if !slices.Contains(list, d) {
			return false
		}
	}
	return true
}

// discriminator checks that one can be enforced: its type is one of five, its
// path in the subset that R4 allows (profiling, section 5.1.0.13).
func (m *merger) discriminator(d Discriminator) bool {
	switch d.Type {
	case "value", "pattern", "exists", "type", "profile":
	default:
		m.fault("a discriminator's type is value, pattern, exists, type or profile")
		return false
	}
	if d.Path == "" || !simplePath(d.Path) {
		m.fault("the path of a discriminator may have element names, $this, resolve(), ofType(…) and extension(…) only")
		return false
	}
	return true
}

func simplePath(p string) bool {
	for p != "" {
		var step string
		step, p = cutStep(p)
		name, arg, call := strings.Cut(step, "(")
		switch {
		case !call && (step == "$this" || fhir.SafeName(step) != "?"):
		case call && name == "resolve" && arg == ")":
		case call && name == "ofType" && strings.HasSuffix(arg, ")") && fhir.SafeName(strings.TrimSuffix(arg, ")")) != "?":
		case call && name == "extension" && len(arg) > 3 && arg[0] == '\'' && strings.HasSuffix(arg, "')"):
		default:
			return false
		}
	}
	return true
}

// cutStep splits a path before a dot that stands outside of brackets.
func cutStep(p string) (step, rest string) {
	depth := 0
	for i := range len(p) {
		switch p[i] {
		case '(':
			depth++
		case ')':
			depth--
		case '.':
			if depth == 0 {
				return p[:i], p[i+1:]
			}
		}
	}
	return p, ""
}

// check judges the whole tree: the slices of an element must fit in it.
func (g *generator) check(n *node) {
	if len(n.slices) > 0 {
		g.sums(n)
	}
	for _, k := range n.kids {
		g.check(k)
	}
	for _, s := range n.slices {
		g.check(s)
	}
}

// sums refuses slices that together ask for more than the element may have. None
// may have more than it.
func (g *generator) sums(n *node) {
	total := 0
	for _, s := range n.slices {
		total += s.el.Min
	}
	if wider(total, n.el.Max) {
		g.fault(n.id(), fhir.BusinessRule, "the slices ask for at least %d, more than the %s that the element may have", total, maxText(n.el.Max))
		return
	}
	for _, s := range n.slices {
		if wider(s.el.Max, n.el.Max) {
			s.el.Max = n.el.Max
		}
	}
}
