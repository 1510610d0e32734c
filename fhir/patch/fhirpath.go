package patch

import (
	"slices"
	"strconv"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
	"trellis.example/fhir/path"
)

// FHIRPath applies a FHIRPath Patch (R4 fhirpatch), a Parameters resource, to a
// resource and returns the result. Operations that cannot be read are all
// reported; the first that does not apply ends the patch.
//
// Paths are simple: they select elements of the resource and compute nothing. A
// deletion of what is not there does nothing, as the specification has it.
func FHIRPath(doc []byte, parameters fhir.Resource) ([]byte, error) {
	list, err := steps(parameters)
	if err != nil {
		return nil, err
	}
	d, err := newDocument(doc)
	if err != nil {
		return nil, err
	}
	if !definitions.R4().IsResource(d.tree.Root().Get("resourceType").Text()) {
		return nil, fhir.Errorf(fhir.Structure, "the resource to patch is of no R4 type")
	}
	for _, s := range list {
		if err := d.run(s); err != nil {
			return nil, s.blame(err)
		}
	}
	return d.src, nil
}

// blame names the step in faults of what it made, such as a document too large.
func (s step) blame(err error) error {
	e := fhir.AsError(err)
	if e.Issues[0].Expression != "" {
		return err
	}
	issues := slices.Clone(e.Issues)
	for i := range issues {
		issues[i].Expression, issues[i].Source = s.at.Path(), ""
	}
	return &fhir.Error{Issues: issues, Status: e.Status}
}

func (d *document) run(s step) error {
	switch s.kind {
	case "add":
		return d.addElement(s)
	case "insert":
		return d.insertElement(s)
	case "delete":
		return d.deleteElement(s)
	case "replace":
		return d.replaceElement(s)
	}
	return d.moveElement(s)
}

// addElement adds a child to the element selected: at the end of its list, or as
// the only one, which must not be there yet.
func (d *document) addElement(s step) error {
	sel, _, err := d.one(s, false)
	if err != nil {
		return err
	}
	members := named(sel.Table, s.text("name"))
	if members == nil {
		return s.fault("name", "the element selected has no child of this name")
	}
	m, e, err := build(s.parts["value"], members)
	if err != nil {
		return err
	}
	if sel.Table.Kind == definitions.Primitive {
		return d.addToPrimitive(s, sel, m, e)
	}
	f := d.field(sel.Value, m.Name)
	if err := s.extend(&f, m, e, taken(sel.Value, sel.Table, m)); err != nil {
		return err
	}
	return d.change(sel.Value, &f)
}

// extend adds e to a field, unless its only place is taken.
func (s step) extend(f *field, m *definitions.Member, e element, taken bool) error {
	if !m.Many && taken {
		return s.fault("name", "the element has this child already and it does not repeat: use replace")
	}
	f.list = m.Many
	f.els = append(f.els, e)
	return nil
}

// taken reports whether an object has the element of m already, for a choice in
// any type.
func taken(v fhir.Value, t *definitions.Table, m *definitions.Member) bool {
	for _, other := range t.Slots[m.Slot].Members {
		if v.Get(other.Name).Exists() || v.Get("_"+other.Name).Exists() {
			return true
		}
	}
	return false
}

// addToPrimitive adds an id or extension to a primitive: to the object beside
// it, which may not be there yet.
func (d *document) addToPrimitive(s step, sel path.Selected, m *definitions.Member, e element) error {
	p := placeOf(sel.Value)
	beside := sel.Value
	if !sel.Shadow {
		if beside = p.owner.Get("_" + p.name); p.index >= 0 {
			beside = beside.At(p.index)
		}
	}
	f := field{name: m.Name, values: container{open: '[', tail: []byte("]")}}
	c := container{open: '{', tail: []byte("}")}
	if beside.Kind() == fhir.Object {
		f, c = d.field(beside, m.Name), d.container(beside)
	}
	if err := s.extend(&f, m, e, len(f.els) > 0); err != nil {
		return err
	}
	f.store(&c)
	owner := d.field(p.owner, p.name)
	owner.els[max(p.index, 0)].shadow = c.bytes()
	return d.change(p.owner, &owner)
}

func (d *document) insertElement(s step) error {
	p, err := d.collection(s)
	if err != nil {
		return err
	}
	_, e, err := build(s.parts["value"], siblings(p))
	if err != nil {
		return err
	}
	f := d.field(p.owner, p.name)
	i := s.number("index")
	if i > len(f.els) {
		return s.fault("index", "the index lies beyond the end of the list: 0 to "+strconv.Itoa(len(f.els)))
	}
	f.els = slices.Insert(f.els, i, e)
	return d.change(p.owner, &f)
}

func (d *document) deleteElement(s step) error {
	sel, found, err := d.one(s, true)
	if err != nil || !found {
		return err
	}
	if !sel.Value.Parent().Exists() {
		return s.fault("path", "the resource itself cannot be deleted by a patch")
	}
	p := placeOf(sel.Value)
	if sel.Shadow {
		p.shadow = false // the element as a whole
	}
	return d.drop(p)
}

func (d *document) replaceElement(s step) error {
	sel, _, err := d.one(s, false)
	if err != nil {
		return err
	}
	if !sel.Value.Parent().Exists() {
		return s.fault("path", "the resource itself cannot be replaced by a patch")
	}
	p := placeOf(sel.Value)
	m, e, err := build(s.parts["value"], siblings(p))
	if err != nil {
		return err
	}
	f := d.field(p.owner, p.name)
	c := d.container(p.owner)
	if m.Name != f.name { // another type of a choice
		(&field{name: f.name}).store(&c)
		f.name = m.Name
	}
	f.els[max(p.index, 0)] = e
	f.store(&c)
	return d.replace(p.owner, c.bytes())
}

func (d *document) moveElement(s step) error {
	p, err := d.collection(s)
	if err != nil {
		return err
	}
	f := d.field(p.owner, p.name)
	from, to := s.number("source"), s.number("destination")
	for _, part := range [...]string{"source", "destination"} {
		if s.number(part) >= len(f.els) {
			return s.fault(part, "the index lies beyond the end of the list: 0 to "+strconv.Itoa(len(f.els)-1))
		}
	}
	e := f.els[from]
	f.els = slices.Insert(slices.Delete(f.els, from, from+1), to, e)
	return d.change(p.owner, &f)
}

// siblings returns the members that may stand in place of the element: for a
// choice those of every type.
func siblings(p place) []*definitions.Member {
	t := tableOf(p.owner)
	if t == nil {
		return nil
	}
	m := t.Member(p.name)
	if m == nil {
		return nil
	}
	return t.Slots[m.Slot].Members
}

// tableOf returns the definition of an object of the document; for the object
// beside a primitive that of the primitive.
func tableOf(v fhir.Value) *definitions.Table {
	d := definitions.R4()
	if typ := v.Get("resourceType"); typ.Exists() {
		return d.Table(typ.Text())
	}
	p := placeOf(v)
	if !p.owner.Exists() {
		return nil
	}
	owner := tableOf(p.owner)
	if owner == nil {
		return nil
	}
	m := owner.Member(p.name)
	if m == nil {
		return nil
	}
	return m.Table()
}
