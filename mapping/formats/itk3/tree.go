package itk3

import (
	"iter"
	"slices"
	"strconv"
	"strings"
)

// A Node is an element of a document of another FHIR version, as it was
// received: read without any definition of what it means, and with a memory of
// what was read, so that the rest can be told. A nil Node is an absent one.
type Node struct {
	// Name is the element's name; Type that of the resource it is, or "".
	Name, Type string
	value      string
	kids       []*Node
	parent     *Node
	// n counts the siblings of the same name before it; more says that there
	// are such siblings, or that JSON has an array here.
	n       int
	more    bool
	used    bool
	pointer bool // places are JSON pointers, not XPaths
	byName  map[string]*Node
}

// Get returns the first element at the path.
func (n *Node) Get(path ...string) *Node {
	for _, name := range path {
		var next *Node
		for k := range n.All(name) {
			next = k
			break
		}
		n = next
	}
	return n
}

// All yields the elements of a name.
func (n *Node) All(name string) iter.Seq[*Node] {
	return func(yield func(*Node) bool) {
		if n == nil {
			return
		}
		for _, k := range n.kids {
			if k.Name == name && !yield(k) {
				return
			}
		}
	}
}

// Kids yields all elements.
func (n *Node) Kids() iter.Seq[*Node] {
	return func(yield func(*Node) bool) {
		if n == nil {
			return
		}
		for _, k := range n.kids {
			if !yield(k) {
				return
			}
		}
	}
}

// Text reads the value at the path: it counts as read. "" when there is none.
func (n *Node) Text(path ...string) string {
	n = n.Get(path...)
	if n == nil {
		return ""
	}
	n.used = true
	return n.value
}

// Peek returns the value at the path without counting it as read.
func (n *Node) Peek(path ...string) string {
	if n = n.Get(path...); n == nil {
		return ""
	}
	return n.value
}

// Expect counts the value at the path as read when it is the one that goes
// without saying.
func (n *Node) Expect(want string, path ...string) {
	if n = n.Get(path...); n != nil && n.value == want {
		n.used = true
	}
}

// Use counts the node and all below it as read.
func (n *Node) Use() {
	if n == nil {
		return
	}
	n.used = true
	for _, k := range n.kids {
		k.Use()
	}
}

// Extension returns the first extension with the url; the url counts as read.
func (n *Node) Extension(url string) *Node {
	for e := range n.All("extension") {
		if strings.TrimSpace(e.Peek("url")) == url {
			e.Text("url")
			return e
		}
	}
	return nil
}

// Unread yields the leaves that nobody read, in document order.
func (n *Node) Unread() iter.Seq[*Node] {
	return func(yield func(*Node) bool) { n.unread(yield) }
}

func (n *Node) unread(yield func(*Node) bool) bool {
	if n == nil {
		return true
	}
	if n.value != "" && !n.used && !yield(n) {
		return false
	}
	for _, k := range n.kids {
		if !k.unread(yield) {
			return false
		}
	}
	return true
}

// Place is where the node stands in the document: an XPath, or in JSON a
// pointer.
func (n *Node) Place() string {
	switch {
	case n == nil:
		return ""
	case n.pointer:
		return n.jsonPlace()
	case n.parent == nil:
		return "/" + n.Type
	}
	s := n.parent.Place() + "/" + n.Name
	if n.more {
		s += "[" + strconv.Itoa(n.n+1) + "]"
	}
	if n.Type != "" {
		s += "/" + n.Type
	}
	return s
}

func (n *Node) jsonPlace() string {
	if n.parent == nil {
		return ""
	}
	s := n.parent.jsonPlace() + "/" + n.Name
	if n.more {
		s += "/" + strconv.Itoa(n.n)
	}
	return s
}

// add appends a child and numbers it among its namesakes.
func (n *Node) add(k *Node) {
	k.parent, k.pointer = n, n.pointer
	if o := n.latest(k.Name); o != nil {
		o.more, k.more, k.n = true, true, o.n+1
	}
	n.kids = append(n.kids, k)
	if n.byName != nil {
		n.byName[k.Name] = k
	}
}

// latest is the last child of a name.
func (n *Node) latest(name string) *Node {
	if len(n.kids) < 16 {
		for _, o := range slices.Backward(n.kids) {
			if o.Name == name {
				return o
			}
		}
		return nil
	}
	if n.byName == nil {
		n.byName = map[string]*Node{}
		for _, o := range n.kids {
			n.byName[o.Name] = o
		}
	}
	return n.byName[name]
}
