package snapshot

import (
	"fmt"
	"slices"
	"strings"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
)

// maxElements bounds a snapshot.
const maxElements = 20_000

// maxFaults bounds the faults that are listed of one definition.
const maxFaults = 100

// Generate merges the differential of a StructureDefinition into the snapshot of
// its base. find returns the structures that it builds on or names, by canonical
// with or without version, nil for an unknown one; R4's own types need not be
// found. The error is a *fhir.Error with every fault of the differential.
//
// A definition that has a snapshot but no differential, or whose base is not
// known, is taken by its snapshot, which may not weaken R4's own type.
//
// A profile whose Elements are not yet made may be returned by find for its head
// alone (Type and Base): that is how two profiles may refer to each other.
// [Library] does so, and should be preferred to a find of one's own.
func Generate(defs *definitions.Definitions, find func(canonical string) *Structure, sd fhir.Resource) (*Structure, error) {
	return newGenerator(defs, find, find, newTrees(defs)).generate(sd)
}

// trees are structures as trees, kept for one set of definitions.
type trees struct {
	defs  *definitions.Definitions
	bases map[string]*Structure
	nodes map[*Structure]*node
}

func newTrees(defs *definitions.Definitions) *trees {
	return &trees{defs: defs, bases: map[string]*Structure{}, nodes: map[*Structure]*node{}}
}

func (t *trees) base(typ string) *Structure {
	s, ok := t.bases[typ]
	if !ok {
		s = Base(t.defs, typ)
		t.bases[typ] = s
	}
	return s
}

// A generator makes one snapshot.
type generator struct {
	*trees
	s    *Structure
	root *node
	// finder returns structures with their elements, header those whose head is
	// enough.
	finder, header func(canonical string) *Structure
	count          int // nodes made
	over           bool
	lenient        bool // a ready snapshot is taken
	issues         []fhir.Issue
	failed         []string // slices that could not be declared
	// shorts are the choices that the differential names by a type.
	shorts map[*node][]string
}

func newGenerator(defs *definitions.Definitions, find, header func(string) *Structure, t *trees) *generator {
	if t.defs != defs {
		t = newTrees(defs)
	}
	return &generator{trees: t, finder: find, header: header, shorts: map[*node][]string{}}
}

func (g *generator) generate(sd fhir.Resource) (*Structure, error) {
	g.s = Head(sd)
	if err := g.s.usable(); err != nil {
		return nil, err
	}
	root := sd.Root()
	list, base := root.At("differential", "element"), g.find(g.s.Base)
	if snap := root.At("snapshot", "element"); snap.Exists() && (!list.Exists() || base == nil) {
		list, base, g.lenient = snap, g.base(g.s.Type), true
	}
	if err := g.fits(base); err != nil {
		return nil, err
	}
	if list.Len() > maxElements {
		return nil, g.tooMany()
	}
	g.root = g.plant(base)
	g.count = len(base.Elements)
	g.apply(g.lines(list))
	if !g.over {
		g.s.Elements = g.write(g.root, make([]Element, 0, g.count))
	}
	if g.full() {
		return nil, g.tooMany()
	}
	if err := fhir.Faults(g.issues); err != nil {
		return nil, err
	}
	return g.s, nil
}

// apply merges the lines into the tree and then judges the whole.
func (g *generator) apply(lines []line) {
	for i := range lines {
		if g.full() {
			return
		}
		l := &lines[i]
		if g.below(l.id) {
			continue
		}
		if n := g.locate(l); n != nil {
			g.merge(n, l)
		} else {
			g.failed = append(g.failed, l.id)
		}
	}
	g.narrowChoices()
	g.check(g.root)
}

// below reports whether an element lies in one that could not be located: one
// fault tells of both.
func (g *generator) below(id string) bool {
	return slices.ContainsFunc(g.failed, func(f string) bool {
		return strings.HasPrefix(id, f) && (id[len(f):] == "" || id[len(f)] == '.' || id[len(f)] == '/')
	})
}

// fits checks what a definition builds on.
func (g *generator) fits(base *Structure) error {
	switch {
	case base == nil:
		return g.refuse(fhir.NotFound, "the base %s is not known here, or is itself at fault", safe(g.s.Base))
	case base.URL == g.s.URL && base.Version == g.s.Version || len(base.Elements) == 0:
		return g.refuse(fhir.BusinessRule, "the definition builds on itself")
	case base.Type != g.s.Type:
		return g.refuse(fhir.BadValue, "the definition is for %s, its base for %s", safe(g.s.Type), base.Type)
	}
	return nil
}

func (g *generator) refuse(code fhir.Code, format string, args ...any) error {
	return &fhir.Error{Issues: []fhir.Issue{g.issue("", code, format, args...)}}
}

func (g *generator) tooMany() error {
	return g.refuse(fhir.TooLong, "the snapshot has more than %d elements", maxElements)
}

func (g *generator) full() bool {
	g.over = g.over || g.count > maxElements
	return g.over
}

// fault notes what is wrong with an element of the differential.
func (g *generator) fault(id string, code fhir.Code, format string, args ...any) {
	if len(g.issues) < maxFaults {
		g.issues = append(g.issues, g.issue(id, code, format, args...))
	}
}

func (g *generator) issue(id string, code fhir.Code, format string, args ...any) fhir.Issue {
	text := fmt.Sprintf(format, args...)
	is := fhir.Issue{Code: code, Rule: "snapshot", Profile: safe(g.s.Canonical()), Text: text}
	if id != "" {
		is.Expression = safe(id)
		is.Profile += "#" + is.Expression
	}
	return is
}

// find returns a structure by canonical: one of R4's own types, else what the
// caller knows.
func (g *generator) find(canonical string) *Structure { return g.lookUp(canonical, g.finder) }

// head is find for its Type and Base alone. R4's own extensions have one too.
func (g *generator) head(canonical string) *Structure {
	if s := g.lookUp(canonical, g.header); s != nil {
		return s
	}
	url := fhir.ParseCanonical(canonical).URL
	if g.defs.Extension(url) == nil {
		return nil
	}
	return &Structure{URL: url, Version: release, Type: "Extension", Base: core + "Extension", Kind: "complex-type", Constraint: true}
}

func (g *generator) lookUp(canonical string, in func(string) *Structure) *Structure {
	if typ, ok := coreType(canonical); ok {
		if s := g.base(typ); s != nil {
			return s
		}
	}
	if in == nil || canonical == "" {
		return nil
	}
	return in(canonical)
}

// tree returns a structure as a tree, which must not be changed.
func (g *generator) tree(s *Structure) *node {
	n, ok := g.nodes[s]
	if !ok {
		n = g.plant(s)
		g.nodes[s] = n
	}
	return n
}

func (g *generator) baseTree(typ string) *node {
	s := g.base(typ)
	if s == nil {
		return nil
	}
	return g.tree(s)
}
