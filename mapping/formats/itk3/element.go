package itk3

import (
	"bytes"
	"encoding/xml"
	"slices"

	"trellis.example/fhir"
)

// An Element is one of a FHIR document of our own making, which is written as
// JSON or as XML. One without a name is left out by the element that holds it.
type Element struct {
	name, value string
	kids        []Element
	// many: the name holds an array in JSON.
	many bool
	// bare: the value is no string in JSON.
	bare bool
}

// Leaf is a string, or nothing when the value is empty.
func Leaf(name, value string) Element {
	if value == "" {
		return Element{}
	}
	return Element{name: name, value: value}
}

// Flag is a boolean.
func Flag(name string, v bool) Element {
	if v {
		return Element{name: name, value: "true", bare: true}
	}
	return Element{name: name, value: "false", bare: true}
}

// Raw is any JSON value as it stands; it has no XML form.
func Raw(name, value string) Element {
	if value == "" {
		return Element{}
	}
	return Element{name: name, value: value, bare: true}
}

// Branch is an object of its parts, or nothing when there are none.
func Branch(name string, kids ...Element) Element {
	kids = slices.DeleteFunc(kids, func(e Element) bool { return e.name == "" })
	if len(kids) == 0 {
		return Element{}
	}
	return Element{name: name, kids: kids}
}

// Array is one object of an array; the elements of one array stand together.
func Array(name string, kids ...Element) Element { return Branch(name, kids...).Many() }

// Many makes the element one of an array.
func (e Element) Many() Element {
	e.many = true
	return e
}

// JSON returns the element's value as JSON.
func (e Element) JSON() []byte { return e.json(nil) }

// json appends the Element's value; the elements of one array stand together.
func (e Element) json(b []byte) []byte {
	switch {
	case e.kids == nil && e.bare:
		return append(b, e.value...)
	case e.kids == nil:
		return fhir.AppendString(b, e.value)
	}
	b = append(b, '{')
	for i := 0; i < len(e.kids); i++ {
		k := e.kids[i]
		if i > 0 {
			b = append(b, ',')
		}
		b = append(fhir.AppendString(b, k.name), ':')
		if !k.many {
			b = k.json(b)
			continue
		}
		b = k.json(append(b, '['))
		for i+1 < len(e.kids) && e.kids[i+1].name == k.name {
			i++
			b = e.kids[i].json(append(b, ','))
		}
		b = append(b, ']')
	}
	return append(b, '}')
}

// xml appends the Element. A resource's type is its Element's name, and an
// extension's url its attribute.
func (e Element) xml(b []byte, root bool) []byte {
	if e.kids == nil {
		b = append(append(append(b, '<'), e.name...), ` value="`...)
		return append(escaped(b, e.value), `"/>`...)
	}
	wrapped := e.kids[0].name == "resourceType"
	kids := e.kids
	open, attr := e.name, ""
	if wrapped {
		open, kids = kids[0].value, kids[1:]
		if root {
			attr = ` xmlns="http://hl7.org/fhir"`
		} else {
			b = append(append(append(b, '<'), e.name...), '>')
		}
	}
	b = append(append(append(b, '<'), open...), attr...)
	if e.name == "extension" {
		b = append(escaped(append(b, ` url="`...), kids[0].value), '"')
		kids = kids[1:]
	}
	b = append(b, '>')
	for _, k := range kids {
		b = k.xml(b, false)
	}
	b = append(append(append(b, "</"...), open...), '>')
	if wrapped && !root {
		b = append(append(append(b, "</"...), e.name...), '>')
	}
	return b
}

func escaped(b []byte, s string) []byte {
	var w bytes.Buffer
	_ = xml.EscapeText(&w, []byte(s)) // a buffer takes all
	return append(b, w.Bytes()...)
}

// Named returns the element under another name; one that is absent stays so.
func (e Element) Named(name string) Element {
	if e.name != "" {
		e.name = name
	}
	return e
}
