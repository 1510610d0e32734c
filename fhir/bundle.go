package fhir

import (
	"iter"
	"strings"
)

// An Entry is one entry of a Bundle. Its strings share the Bundle's memory.
type Entry struct {
	// Value is the entry itself.
	Value Value
	// Resource is entry.resource, absent in entries that carry only a request.
	Resource Value
	FullURL  string
	// The request of a batch, transaction or history entry.
	Method, URL, IfMatch, IfNoneMatch, IfNoneExist string
}

// Entries yields the entries of a Bundle in order; none for any other resource.
func (r Resource) Entries() iter.Seq2[int, Entry] {
	return func(yield func(int, Entry) bool) {
		entries := r.Root().Get("entry")
		if r.typ != "Bundle" || entries.Kind() != Array {
			return
		}
		i := 0
		for v := range entries.All() {
			if !yield(i, newEntry(v)) {
				return
			}
			i++
		}
	}
}

func newEntry(v Value) Entry {
	e := Entry{Value: v, Resource: v.Get("resource"), FullURL: v.Get("fullUrl").Text()}
	if req := v.Get("request"); req.Exists() {
		e.Method, e.URL = req.Get("method").Text(), req.Get("url").Text()
		e.IfMatch, e.IfNoneMatch = req.Get("ifMatch").Text(), req.Get("ifNoneMatch").Text()
		e.IfNoneExist = req.Get("ifNoneExist").Text()
	}
	return e
}

// Type returns the type of the entry's resource, or "".
func (e Entry) Type() string { return e.Resource.Get("resourceType").Text() }

// Decode returns the entry's resource, see [Sub].
func (e Entry) Decode() (Resource, error) { return Sub(e.Resource) }

// Sub returns a resource that stands inside a document (a Bundle entry, a
// contained resource, a parameter) as a Resource of its own. It shares the
// document's bytes and does not parse them again.
func Sub(v Value) (Resource, error) {
	if v.Kind() != Object {
		return Resource{}, Errorf(Structure, "a resource is a JSON object")
	}
	return fromTree(v.subtree())
}

// fromTree makes a resource of a parsed document.
func fromTree(t *Tree) (Resource, error) {
	typ := t.Root().Get("resourceType")
	if typ.Kind() != String || !isTypeName(typ.Text()) {
		return Resource{}, &Error{Issues: []Issue{{Code: Structure, Text: "resourceType is missing or is not the name of a resource type", Expression: "Resource"}}}
	}
	return Resource{tree: t, typ: strings.Clone(typ.Text())}, nil
}

// subtree copies the nodes of v and its descendants; the bytes are shared.
func (v Value) subtree() *Tree {
	n := *v.node()
	last := v.afterLast()
	nodes := make([]node, last-v.i)
	copy(nodes, v.t.nodes[v.i:last])
	for i := range nodes {
		c := &nodes[i]
		c.start, c.end = c.start-n.start, c.end-n.start
		if c.keyStart > 0 { // array elements have no name
			c.keyStart, c.keyEnd = c.keyStart-n.start, c.keyEnd-n.start
		}
		c.parent -= v.i
		if c.next >= 0 {
			c.next -= v.i
		}
	}
	root := &nodes[0]
	root.next, root.parent = -1, -1
	root.keyStart, root.keyEnd, root.keyEscaped = 0, 0, false
	return &Tree{src: v.t.src[n.start:n.end:n.end], nodes: nodes}
}

// afterLast returns the index of the first node after v's descendants.
func (v Value) afterLast() int32 {
	for i := v.i; i >= 0; i = v.t.nodes[i].parent {
		if next := v.t.nodes[i].next; next >= 0 {
			return next
		}
	}
	return int32(len(v.t.nodes))
}
