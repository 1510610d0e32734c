package definitions

import (
	"strings"
	"sync"
)

// A Table is the compiled form of a type or of an element with children of its
// own: what the members of its JSON object may be.
type Table struct {
	// Type is the type's name: "HumanName", "Patient", "BackboneElement".
	Type string
	// Path is where the table is defined: "HumanName", "Patient.contact".
	Path string
	Kind Kind
	// Slots are the elements in order; a choice is one slot.
	Slots []Slot
	// Constraints apply to each value of the type.
	Constraints []Constraint

	members map[string]*Member
	slots   map[string]int
}

// A Slot is one child element.
type Slot struct {
	*Element
	// Name is the element's name without "[x]".
	Name string
	// Members are the JSON members that fill it: several for a choice.
	Members []*Member
}

// A Member is a JSON member name that an object may have.
type Member struct {
	Name string
	// Slot is the index in the table's Slots, Index that among all its members.
	Slot, Index int
	// Many is true when the member is an array.
	Many bool
	// Type is the member's type.
	Type TypeRef

	lazy  *lazyTable
	table *Table
}

type lazyTable struct {
	d     *Definitions
	name  string
	once  sync.Once
	table *Table
}

func (l *lazyTable) get() *Table {
	l.once.Do(func() { l.table = l.d.compile(l.name) })
	return l.table
}

// Table returns the type's table. It is nil only for the type Resource itself,
// whose values name their own type.
func (m *Member) Table() *Table {
	if m.table != nil {
		return m.table
	}
	if m.lazy == nil {
		return nil
	}
	return m.lazy.get()
}

// Primitive reports whether the member's value is a JSON primitive.
func (m *Member) Primitive() bool { return m.Type.Code[0] >= 'a' }

// Member returns the member with that JSON name, or nil. The names of sibling
// members of primitives, "_name", are not members of their own.
func (t *Table) Member(name string) *Member { return t.members[name] }

// Slot returns the element with that name, without "[x]", or nil.
func (t *Table) Slot(name string) *Slot {
	i, ok := t.slots[name]
	if !ok {
		return nil
	}
	return &t.Slots[i]
}

// Members returns the number of JSON members an object of the table may have.
func (t *Table) Members() int { return len(t.members) }

// Table returns the compiled form of a type, or nil when there is none of that
// name. It is compiled at the first call.
func (d *Definitions) Table(name string) *Table {
	l := d.tables[name]
	if l == nil {
		return nil
	}
	return l.get()
}

// TableAt returns the table of a type or of an element of it, such as
// "Questionnaire.item", or nil.
func (d *Definitions) TableAt(path string) *Table {
	name, rest, _ := strings.Cut(path, ".")
	t := d.Table(name)
	for rest != "" && t != nil {
		name, rest, _ = strings.Cut(rest, ".")
		s := t.Slot(name)
		if s == nil || len(s.Members) == 0 {
			return nil
		}
		t = s.Members[0].Table()
	}
	return t
}

// A tableBuilder compiles one type with its nested elements.
type tableBuilder struct {
	d      *Definitions
	typ    *Type
	byPath map[string]*Table
}

func (d *Definitions) compile(name string) *Table {
	typ := d.Type(name)
	b := tableBuilder{d: d, typ: typ, byPath: map[string]*Table{}}
	root := newTable(name, name, typ.Kind)
	root.Constraints = typ.Constraints
	b.byPath[""] = root
	for i := range typ.Elements {
		if e := &typ.Elements[i]; b.nested(i) {
			b.byPath[e.Path] = newTable(e.Types[0].Code, name+"."+e.Path, Complex)
		}
	}
	for i := range typ.Elements {
		b.add(&typ.Elements[i])
	}
	return root
}

func newTable(typ, path string, kind Kind) *Table {
	return &Table{Type: typ, Path: path, Kind: kind, members: map[string]*Member{}, slots: map[string]int{}}
}

// nested reports whether the element has children defined in this type.
func (b *tableBuilder) nested(i int) bool {
	els := b.typ.Elements
	return i+1 < len(els) && strings.HasPrefix(els[i+1].Path, els[i].Path+".")
}

func (b *tableBuilder) add(e *Element) {
	parent := ""
	if i := strings.LastIndexByte(e.Path, '.'); i >= 0 {
		parent = e.Path[:i]
	}
	t := b.byPath[parent]
	slot := Slot{Element: e, Name: e.Name()}
	if e.ContentRef != "" {
		slot.Members = append(slot.Members, &Member{Name: slot.Name, Type: TypeRef{Code: "BackboneElement"}, table: b.content(e.ContentRef)})
	}
	for _, ref := range e.Types {
		m := &Member{Name: slot.Name, Type: ref, table: b.byPath[e.Path]}
		if e.Choice() {
			m.Name += strings.ToUpper(ref.Code[:1]) + ref.Code[1:]
		}
		if m.table == nil && ref.Code != "Resource" {
			m.lazy = b.d.tables[ref.Code]
		}
		slot.Members = append(slot.Members, m)
	}
	for _, m := range slot.Members {
		m.Slot, m.Index, m.Many = len(t.Slots), len(t.members), e.Max != 1 && e.Max != 0
		if m.Type.Code == "String" { // the id of elements and of resources
			m.Type.Code, m.lazy = "string", b.d.tables["string"]
		}
		t.members[m.Name] = m
	}
	t.slots[slot.Name] = len(t.Slots)
	t.Slots = append(t.Slots, slot)
}

// content finds the table that a contentReference repeats: always within the
// same type in R4.
func (b *tableBuilder) content(ref string) *Table {
	return b.byPath[strings.TrimPrefix(ref, b.typ.Name+".")]
}
