package fhir

import (
	"iter"
	"strconv"
	"strings"
	"unsafe"

	"github.com/go-json-experiment/json/jsontext"
)

// A Kind is the JSON kind of a value.
type Kind uint8

// The kinds of JSON values; Absent is the kind of the zero [Value].
const (
	Absent Kind = iota
	Null
	Bool
	Number
	String
	Array
	Object
)

// A Tree is a JSON document parsed once: its nodes in document order over the
// bytes received. It is immutable and safe for concurrent use.
type Tree struct {
	src   []byte
	nodes []node
}

// A node is one value. Its first child, if any, follows it directly.
type node struct {
	start, end       uint32 // the value's bytes in src, quotes included
	keyStart, keyEnd uint32 // the member name's bytes, quotes excluded
	next, parent     int32  // index of the next sibling and of the parent; -1 for none
	count            uint32 // members or elements
	kind             Kind
	keyEscaped       bool
	escaped          bool
}

// Root returns the document's top value.
func (t *Tree) Root() Value {
	if len(t.nodes) == 0 {
		return Value{}
	}
	return Value{t, 0}
}

// Size returns the number of values in the document.
func (t *Tree) Size() int { return len(t.nodes) }

// A Value is a place in a [Tree]. The zero Value stands for something that is
// not there; every method of it is safe and returns a zero result.
type Value struct {
	t *Tree
	i int32
}

func (v Value) node() *node { return &v.t.nodes[v.i] }

// Exists reports whether the value is in the document.
func (v Value) Exists() bool { return v.t != nil }

// Index is the value's position in document order, stable for the tree's
// lifetime; 0 is the root.
func (v Value) Index() int { return int(v.i) }

// Tree returns the tree the value belongs to.
func (v Value) Tree() *Tree { return v.t }

// Kind returns the value's JSON kind.
func (v Value) Kind() Kind {
	if v.t == nil {
		return Absent
	}
	return v.node().kind
}

// Len is the number of members or elements.
func (v Value) Len() int {
	if v.t == nil {
		return 0
	}
	return int(v.node().count)
}

// Raw returns the value's bytes as received. The caller must not modify them.
func (v Value) Raw() []byte {
	if v.t == nil {
		return nil
	}
	n := v.node()
	return v.t.src[n.start:n.end:n.end]
}

// Span returns the value's byte range in the document.
func (v Value) Span() (start, end int) {
	if v.t == nil {
		return 0, 0
	}
	n := v.node()
	return int(n.start), int(n.end)
}

// Key returns the member name under which the value stands, or "".
func (v Value) Key() string {
	if v.t == nil {
		return ""
	}
	n := v.node()
	raw := text(v.t.src[n.keyStart:n.keyEnd])
	if n.keyEscaped {
		return unquote(v.t.src[n.keyStart-1 : n.keyEnd+1])
	}
	return raw
}

// Text returns a string's content, or the literal of a number or boolean; ""
// for anything else. It does not allocate unless the string has escapes.
func (v Value) Text() string {
	if v.t == nil {
		return ""
	}
	n := v.node()
	switch n.kind {
	case String:
		if n.escaped {
			return unquote(v.t.src[n.start:n.end])
		}
		return text(v.t.src[n.start+1 : n.end-1])
	case Number, Bool:
		return text(v.t.src[n.start:n.end])
	}
	return ""
}

// First returns the first member or element.
func (v Value) First() Value {
	if v.t == nil || v.node().count == 0 {
		return Value{}
	}
	return Value{v.t, v.i + 1}
}

// Next returns the next sibling.
func (v Value) Next() Value {
	if v.t == nil || v.node().next < 0 {
		return Value{}
	}
	return Value{v.t, v.node().next}
}

// Parent returns the object or array that holds the value.
func (v Value) Parent() Value {
	if v.t == nil || v.node().parent < 0 {
		return Value{}
	}
	return Value{v.t, v.node().parent}
}

// All yields the members or elements in order.
func (v Value) All() iter.Seq[Value] {
	return func(yield func(Value) bool) {
		for c := v.First(); c.Exists(); c = c.Next() {
			if !yield(c) {
				return
			}
		}
	}
}

// Items yields the elements of an array, or the value itself when it is not
// one: FHIR's view of a repeating element.
func (v Value) Items() iter.Seq[Value] {
	if v.Kind() == Array {
		return v.All()
	}
	return func(yield func(Value) bool) {
		if v.Exists() {
			yield(v)
		}
	}
}

// Get returns the member with that exact name.
func (v Value) Get(name string) Value {
	if v.Kind() != Object {
		return Value{}
	}
	for c := v.First(); c.Exists(); c = c.Next() {
		n := c.node()
		if !n.keyEscaped && int(n.keyEnd-n.keyStart) == len(name) && text(v.t.src[n.keyStart:n.keyEnd]) == name {
			return c
		}
		if n.keyEscaped && c.Key() == name {
			return c
		}
	}
	return Value{}
}

// At returns the value at a path of member names and array indexes, such as
// At("entry", 0, "resource").
func (v Value) At(path ...any) Value {
	for _, p := range path {
		switch p := p.(type) {
		case string:
			v = v.Get(p)
		case int:
			c := v.First()
			if v.Kind() != Array {
				c = Value{}
			}
			for ; p > 0 && c.Exists(); p-- {
				c = c.Next()
			}
			v = c
		}
	}
	return v
}

// Path returns the FHIRPath of the value: "ServiceRequest.category[0].coding[1].code".
// A resource inside another (Bundle entry, contained) keeps the outer path.
// Member names that are not element names are shown as "?", so that no
// content of the document leaks through a name.
func (v Value) Path() string {
	if v.t == nil {
		return ""
	}
	var b strings.Builder
	v.appendPath(&b)
	return b.String()
}

func (v Value) appendPath(b *strings.Builder) {
	p := v.Parent()
	if !p.Exists() {
		typ := v.Get("resourceType").Text()
		if !isName(typ) {
			typ = "Resource"
		}
		b.WriteString(typ)
		return
	}
	p.appendPath(b)
	if p.Kind() == Array {
		i := 0
		for c := p.First(); c.i != v.i; c = c.Next() {
			i++
		}
		b.WriteByte('[')
		b.WriteString(strconv.Itoa(i))
		b.WriteByte(']')
		return
	}
	b.WriteByte('.')
	b.WriteString(SafeName(v.Key()))
}

// Pointer returns the RFC 6901 JSON pointer of the value, with unusual names
// shown as "?".
func (v Value) Pointer() string {
	p := v.Parent()
	if !p.Exists() {
		return ""
	}
	if p.Kind() == Array {
		i := 0
		for c := p.First(); c.i != v.i; c = c.Next() {
			i++
		}
		return p.Pointer() + "/" + strconv.Itoa(i)
	}
	return p.Pointer() + "/" + SafeName(v.Key())
}

// SafeName returns name when it looks like an element name, else "?": member
// names come from strangers and must not carry content into a message.
func SafeName(name string) string {
	if isName(name) {
		return name
	}
	return "?"
}

func isName(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if c >= '0' && c <= '9' && i > 0 || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == '-' && i > 0 {
			continue
		}
		return false
	}
	return true
}

// text views b as a string: the tree never changes its bytes.
func text(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b)) //nolint:gosec // the bytes outlive the string and never change
}

func unquote(b []byte) string {
	out, err := jsontext.AppendUnquote(nil, b)
	if err != nil {
		return ""
	}
	return text(out)
}
