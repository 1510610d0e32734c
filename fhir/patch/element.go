package patch

import (
	"bytes"

	"trellis.example/fhir"
)

// An element is one FHIR element as JSON writes it: its value and, for a
// primitive, the object with its id and extensions. Either may be nil.
type element struct{ val, shadow []byte }

// A place is where an element stands: in a member of its owner, and in a list
// there at index; -1 when the member is no list.
type place struct {
	owner fhir.Value
	name  string // without the leading "_"
	index int
	// shadow: the place is of the id and extensions alone.
	shadow bool
}

func placeOf(v fhir.Value) place {
	p := place{owner: v.Parent(), index: -1}
	key := v.Key()
	if list := p.owner; list.Kind() == fhir.Array {
		p.index = 0
		for c := list.First(); c.Index() != v.Index(); c = c.Next() {
			p.index++
		}
		p.owner, key = list.Parent(), list.Key()
	}
	p.name = key
	if key != "" && key[0] == '_' {
		p.name, p.shadow = key[1:], true
	}
	return p
}

// A field is all elements of one name in an object.
type field struct {
	name           string
	list           bool
	els            []element
	values, shadow container // the arrays, for their white space
}

func (d *document) field(owner fhir.Value, name string) field {
	f := field{name: name}
	emptyArray := container{open: '[', tail: []byte("]")}
	f.values, f.shadow = emptyArray, emptyArray
	v, s := owner.Get(name), owner.Get("_"+name)
	if v.Kind() != fhir.Array && s.Kind() != fhir.Array {
		if v.Exists() || s.Exists() {
			f.els = []element{{present(v), present(s)}}
		}
		return f
	}
	f.list = true
	if v.Kind() == fhir.Array {
		f.values = d.container(v)
	}
	if s.Kind() == fhir.Array {
		f.shadow = d.container(s)
	}
	f.els = make([]element, max(v.Len(), s.Len()))
	for i, it := range f.values.items {
		f.els[i].val = notNull(it.val)
	}
	for i, it := range f.shadow.items {
		f.els[i].shadow = notNull(it.val)
	}
	return f
}

func present(v fhir.Value) []byte {
	if v.Kind() == fhir.Null {
		return nil
	}
	return v.Raw()
}

func notNull(b []byte) []byte {
	if bytes.Equal(b, []byte("null")) {
		return nil
	}
	return b
}

// store writes the elements into the object that c is.
func (f *field) store(c *container) {
	if !f.list {
		var e element
		if len(f.els) > 0 {
			e = f.els[0]
		}
		c.put(f.name, e.val)
		c.put("_"+f.name, e.shadow)
		return
	}
	c.put(f.name, array(&f.values, f.els, func(e element) []byte { return e.val }))
	c.put("_"+f.name, array(&f.shadow, f.els, func(e element) []byte { return e.shadow }))
}

// array writes one of the two arrays of a list, padded with null (R4 json,
// section 2.6.2.3); nil when it would hold nothing.
func array(c *container, els []element, part func(element) []byte) []byte {
	lead := c.space()
	c.items = c.items[:0]
	holds := false
	for _, e := range els {
		b := part(e)
		holds = holds || b != nil
		if b == nil {
			b = []byte("null")
		}
		c.items = append(c.items, item{lead: lead, val: b})
	}
	if !holds {
		return nil
	}
	return c.bytes()
}

// change rewrites the elements of one name in their owner.
func (d *document) change(owner fhir.Value, f *field) error {
	c := d.container(owner)
	f.store(&c)
	return d.replace(owner, c.bytes())
}

// drop deletes the element at p, and its owner with it when nothing else is in
// there.
func (d *document) drop(p place) error {
	f := d.field(p.owner, p.name)
	i := max(p.index, 0)
	if e := &f.els[i]; p.shadow && e.val != nil {
		e.shadow = nil
	} else {
		f.els = append(f.els[:i], f.els[i+1:]...)
	}
	c := d.container(p.owner)
	f.store(&c)
	if len(c.items) == 0 && p.owner.Parent().Exists() {
		return d.drop(placeOf(p.owner))
	}
	return d.replace(p.owner, c.bytes())
}
