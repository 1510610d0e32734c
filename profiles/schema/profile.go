package schema

import (
	"slices"
	"strings"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
	"trellis.example/profiles/snapshot"
)

// An outline is the elements of a snapshot as a tree.
type outline struct {
	e        *snapshot.Element
	name     string // without "[x]"
	slice    string
	children []*outline
	slices   []*outline
}

// outlineOf makes the tree; nil when the elements make none.
func outlineOf(st *snapshot.Structure) *outline {
	byID := make(map[string]*outline, len(st.Elements))
	var root *outline
	for i := range st.Elements {
		o := &outline{e: &st.Elements[i]}
		byID[o.e.ID] = o
		dot := strings.LastIndexByte(o.e.ID, '.')
		o.name, o.slice, _ = strings.Cut(o.e.ID[dot+1:], ":")
		o.name = strings.TrimSuffix(o.name, "[x]")
		switch {
		case dot < 0:
			root = o
		case o.slice != "":
			if whole := byID[strings.TrimSuffix(o.e.ID, ":"+o.slice)]; whole != nil {
				whole.slices = append(whole.slices, o)
			}
		default:
			if up := byID[o.e.ID[:dot]]; up != nil {
				up.children = append(up.children, o)
			}
		}
	}
	return root
}

// asks reports whether a profile says anything of the element or of what is
// below it.
func (o *outline) asks() bool {
	return o.e.By != "" && !strings.HasPrefix(o.e.By, core) || slices.ContainsFunc(o.children, (*outline).asks) || slices.ContainsFunc(o.slices, (*outline).asks)
}

func (o *outline) child(name string) *outline {
	for _, c := range o.children {
		if c.name == name {
			return c
		}
	}
	return nil
}

// profile is what a profile asks beyond R4, as a schema of the same object.
func (b *builder) profile(st *snapshot.Structure, t *definitions.Table) object {
	root := outlineOf(st)
	if root == nil {
		return object{}
	}
	s := newShape()
	b.invariants(s, root.e, t)
	b.children(s, root, t)
	return s.object()
}

// invariants adds those of a profile.
func (b *builder) invariants(s *shape, e *snapshot.Element, t *definitions.Table) {
	for _, c := range e.Constraints {
		if !c.Warning && !byShape[c.Key] && !strings.HasPrefix(c.Source, core) && c.Source != "" {
			b.invariant(s, c.Key, c.Expression, c.Human, t, e.ID)
		}
	}
}

// children adds what is asked of an object's members.
func (b *builder) children(s *shape, o *outline, t *definitions.Table) {
	for _, c := range o.children {
		if !c.asks() {
			continue
		}
		slot := t.Slot(c.name)
		if slot == nil {
			b.note("profile: %s", c.e.ID)
			continue
		}
		b.element(s, c, slot)
	}
}

// element adds what is asked of one element: which types, how many, and what
// each value must be.
func (b *builder) element(s *shape, o *outline, slot *definitions.Slot) {
	members := b.allowed(s, o.e, slot)
	if o.e.Max == 0 || len(members) == 0 {
		return
	}
	if o.e.Min > 0 && slot.Min == 0 {
		s.requireSlot(members)
	}
	for _, m := range members {
		value := b.restricted(o, slot, m, len(members) == 1)
		if m.Many {
			s.property(m.Name, b.many(o, slot, m, value))
		} else {
			s.property(m.Name, value)
		}
		if m.Primitive() {
			b.beside(s, o, m)
		}
	}
	if slot.Choice() {
		b.typeSlices(s, o, slot)
	}
}

// allowed takes the types away that a profile leaves out, and returns those that
// stay.
func (b *builder) allowed(s *shape, e *snapshot.Element, slot *definitions.Slot) (out []*definitions.Member) {
	for _, m := range slot.Members {
		fits := len(e.Types) == 0 || m.Type.Code == "Resource" || slices.ContainsFunc(e.Types, func(t snapshot.Type) bool {
			return t.Code == m.Type.Code || strings.HasPrefix(t.Code, "http://hl7.org/fhirpath/")
		})
		if fits && e.Max != 0 {
			out = append(out, m)
		} else if e.Max == 0 || slot.Choice() {
			s.forbid(m)
		}
	}
	return out
}

// many is the array of a repeating element.
func (b *builder) many(o *outline, slot *definitions.Slot, m *definitions.Member, value object) object {
	list := newShape()
	if len(value) > 0 {
		if m.Primitive() {
			value = object{"anyOf": []any{object{"type": "null"}, value}}
		}
		list.extra["items"] = value
	}
	if o.e.Min > 1 {
		list.extra["minItems"] = o.e.Min
	}
	if o.e.Max > 0 && o.e.Max != slot.Max {
		list.extra["maxItems"] = o.e.Max
	}
	b.slices(list, o, m)
	return list.object()
}

// beside adds what is asked of the extensions of a primitive.
func (b *builder) beside(s *shape, o *outline, m *definitions.Member) {
	inner := newShape()
	b.children(inner, o, b.set.defs.Table("Element"))
	switch {
	case inner.empty():
	case m.Many:
		s.property("_"+m.Name, object{"items": inner.object()})
	default:
		s.property("_"+m.Name, inner.object())
	}
}

// restricted is what is asked of one value of a member; only says that the
// element may have no other type.
func (b *builder) restricted(o *outline, slot *definitions.Slot, m *definitions.Member, only bool) object {
	e, s := o.e, newShape()
	if e.By != "" {
		b.values(s, e, slot, m)
		if m.Table() != nil || m.Primitive() {
			b.invariants(s, e, m.Table())
		}
	}
	table := m.Table()
	switch {
	case table == nil:
		table = b.resource(s, e)
	case m.Primitive():
		return s.object() // what is asked of its extensions stands beside it
	}
	if only && table != nil {
		b.children(s, o, table)
	}
	return s.object()
}

// values adds fixed values, patterns, limits, bindings, targets and profiles.
func (b *builder) values(s *shape, e *snapshot.Element, slot *definitions.Slot, m *definitions.Member) {
	if e.Fixed.Exists() {
		s.all = append(s.all, exactly(e.Fixed))
	}
	if e.Pattern.Exists() {
		s.all = append(s.all, including(e.Pattern))
	}
	if e.MaxLength > 0 && m.Primitive() {
		s.extra["maxLength"] = e.MaxLength
	}
	b.limit(s, e, e.MinValue, "minimum")
	b.limit(s, e, e.MaxValue, "maximum")
	b.bindings(s, e, slot, m)
	for _, t := range e.Types {
		if t.Code != m.Type.Code {
			continue
		}
		b.targets(s, t, m)
		if len(t.Profiles) == 1 && t.Code != "Resource" {
			b.typeProfile(s, t.Profiles[0], m)
		} else if len(t.Profiles) > 1 {
			b.note("profile: %s must follow one of several profiles", e.ID)
		}
	}
}

func (b *builder) limit(s *shape, e *snapshot.Element, v fhir.Value, word string) {
	switch v.Kind() {
	case fhir.Absent:
	case fhir.Number:
		s.extra[word] = number(v)
	default:
		b.note("%s at %s", word, e.ID)
	}
}

func (b *builder) bindings(s *shape, e *snapshot.Element, slot *definitions.Slot, m *definitions.Member) {
	if e.Binding == nil {
		return
	}
	var sets []string
	if e.Binding.Strength == "required" {
		sets = append(sets, e.Binding.ValueSet)
	}
	if e.Binding.Max != "" {
		sets = append(sets, e.Binding.Max)
	}
	for _, set := range sets {
		url, _, _ := strings.Cut(set, "|")
		if url == slot.ValueSet || e.Binding.Max == set {
			continue // R4's own, or one that words without a code may pass by
		}
		if codes := b.listed(set, e.ID); codes != nil {
			s.all = append(s.all, b.bound(m.Type.Code, set, codes)...)
		}
	}
}

// targets narrows what a reference may name.
func (b *builder) targets(s *shape, t snapshot.Type, m *definitions.Member) {
	if t.Code != "Reference" || len(t.TargetProfiles) == 0 {
		return
	}
	var types []string
	for _, p := range t.TargetProfiles {
		typ := b.typeOf(p)
		if typ == "" || typ == "Resource" {
			return
		}
		if !slices.Contains(types, typ) {
			types = append(types, typ)
		}
	}
	if !slices.Equal(types, m.Type.Targets) {
		s.property("reference", object{"pattern": targetPattern(types)})
	}
}

// typeOf is the resource type of a profile or of one of R4's own types.
func (b *builder) typeOf(canonical string) string {
	if st := b.set.find(canonical); st != nil {
		return st.Type
	}
	url, _, _ := strings.Cut(canonical, "|")
	if typ, ok := strings.CutPrefix(url, core); ok && b.set.defs.Type(typ) != nil {
		return typ
	}
	return ""
}

// typeProfile adds a profile of a data type, such as that of an extension.
func (b *builder) typeProfile(s *shape, canonical string, m *definitions.Member) {
	st := b.set.find(canonical)
	if st == nil || m.Table() == nil || st.Type != m.Type.Code {
		return
	}
	s.all = append(s.all, object{"$ref": b.profileRef(st, m.Table())})
}

// profileRef defines what a profile asks, once in a document.
func (b *builder) profileRef(st *snapshot.Structure, t *definitions.Table) string {
	name := "profile:" + lastPart(st.URL)
	if _, ok := b.defs[name]; !ok {
		b.defs[name] = nil
		b.defs[name] = b.profile(st, t)
		if p, ok := b.defs[name].(object); ok && st.Title != "" {
			p["title"] = st.Title
		}
	}
	return "#/$defs/" + name
}

// resource adds the type and the profile of a resource within the document, and
// returns its table where there is one type.
func (b *builder) resource(s *shape, e *snapshot.Element) *definitions.Table {
	if len(e.Types) != 1 || !b.set.defs.IsResource(e.Types[0].Code) {
		return nil
	}
	t := b.set.defs.Table(e.Types[0].Code)
	s.all = append(s.all, object{"$ref": b.typeRef(t)})
	if p := e.Types[0].Profiles; len(p) == 1 {
		if st := b.set.find(p[0]); st != nil && st.Type == e.Types[0].Code {
			s.all = append(s.all, object{"$ref": b.profileRef(st, t)})
		}
	}
	return t
}
