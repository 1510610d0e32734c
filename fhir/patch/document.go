package patch

import (
	"bytes"
	"slices"

	"trellis.example/fhir"
)

const (
	// MaxOperations is the largest number of operations in one patch.
	MaxOperations = 1000
	// maxWork is the number of bytes that one patch may make us read again:
	// every operation reads the result of the one before.
	maxWork = 64 << 20
	// maxVisits is the number of values that the paths of one patch may visit.
	maxVisits = 4_000_000
)

// A document is the resource between two operations.
type document struct {
	src  []byte
	tree *fhir.Tree
	work int // bytes read so far
	// visits is how many values paths may still visit.
	visits int
}

func newDocument(b []byte) (*document, error) {
	d := &document{visits: maxVisits}
	return d, d.set(b)
}

// set reads the result of an operation.
func (d *document) set(b []byte) error {
	if d.work += len(b); d.work > maxWork {
		return fhir.Errorf(fhir.TooCostly, "the patch has too many operations for a resource of this size; send fewer, or the whole resource")
	}
	tree, err := fhir.Parse(b, fhir.MaxResource)
	if err != nil {
		return err
	}
	d.src, d.tree = b, tree
	return nil
}

// replace puts other bytes in the place of a value.
func (d *document) replace(v fhir.Value, with []byte) error {
	start, end := v.Span()
	return d.set(slices.Concat(d.src[:start], with, d.src[end:]))
}

// A container is an object or array taken apart into the bytes of its members,
// so that those that are not changed keep theirs.
type container struct {
	open  byte
	items []item
	tail  []byte // from the end of the last value to the end
}

// An item is a member or element.
type item struct {
	name string
	lead []byte // white space, and a member's name and colon
	val  []byte
}

// container takes the object or array v apart.
func (d *document) container(v fhir.Value) container {
	pos, end := v.Span()
	c := container{open: d.src[pos], items: make([]item, 0, v.Len()+1)}
	for e := range v.All() {
		s, n := e.Span()
		c.items = append(c.items, item{name: e.Key(), lead: d.src[pos+1 : s], val: d.src[s:n]})
		pos = n
		if i := bytes.IndexByte(d.src[n:end], ','); i >= 0 && e.Next().Exists() {
			pos = n + i
		}
	}
	if v.Len() == 0 {
		pos++
	}
	c.tail = d.src[pos:end]
	return c
}

func (c *container) bytes() []byte {
	out := []byte{c.open}
	for i, it := range c.items {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(append(out, it.lead...), it.val...)
	}
	return append(out, c.tail...)
}

// space is the white space in front of each item, for new ones.
func (c *container) space() []byte {
	if len(c.items) == 0 {
		return nil
	}
	lead := c.items[0].lead
	return lead[:len(lead)-len(bytes.TrimLeft(lead, " \t\r\n"))]
}

// put sets a member of an object; nil removes it.
func (c *container) put(name string, val []byte) {
	i := slices.IndexFunc(c.items, func(it item) bool { return it.name == name })
	switch {
	case val == nil && i >= 0:
		c.items = slices.Delete(c.items, i, i+1)
	case val == nil:
	case i >= 0:
		c.items[i].val = val
	default:
		lead := append(fhir.AppendString(bytes.Clone(c.space()), name), ':')
		c.items = append(c.items, item{name: name, lead: lead, val: val})
	}
}

// insert adds an element to an array.
func (c *container) insert(i int, val []byte) {
	c.items = slices.Insert(c.items, i, item{lead: c.space(), val: val})
}

// remove takes an item out.
func (c *container) remove(i int) { c.items = slices.Delete(c.items, i, i+1) }
