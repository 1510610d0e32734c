// Package codec is what the mapping engine and the codecs agree on: a record
// of a partner's document as a tree of named nodes, and the [Syntax] that reads
// and writes it.
//
// A codec knows syntax only. It does not know what a field means, and it loses
// nothing: every leaf of the document is a leaf of the tree, so that the engine
// can tell which ones no rule consumed.
package codec

import (
	"io"

	"trellis.example/fhir"
)

// A Step is one level of a path into a record: a column, an object member, a
// segment, a field number. Repeats marks a step whose nodes are elements of a
// list even when there is only one (a JSON array).
type Step struct {
	Name    string
	Repeats bool
}

// A Shape is what the map says about the records of a format.
type Shape struct {
	// Fields are the partner's fields in the order of the format.
	Fields []string
	// Required are those that a document must have a place for.
	Required []string
	// Wide is set for files whose rows may hold several points of time.
	Wide *Wide
	// Record is the path whose elements are the records of a document that
	// holds many; "" when the document is one record.
	Record string
	// Namespaces are the XML namespaces of the format by the prefix that paths
	// write; "" is that of names without a prefix. Nil takes any namespace.
	Namespaces map[string]string
}

// A Wide says that one row of a file may hold several points of time, in columns
// with a prefix each, and is then one record for each point.
type Wide struct {
	// Column is the field that says which point a record is.
	Column string
	// Points are the prefixes and what Column then holds.
	Points []WidePoint
}

// A WidePoint is a prefix of columns ("baseline_") and the point of time that
// it stands for ("Baseline").
type WidePoint struct {
	Prefix string `yaml:"prefix"`
	Value  string `yaml:"value"`
}

// Names are the names that a field's column may have.
func (s Shape) Names(field string) []string {
	names := []string{field}
	if s.Wide == nil || field == s.Wide.Column {
		return names
	}
	for _, p := range s.Wide.Points {
		names = append(names, p.Prefix+field)
	}
	return names
}

// Told reports whether a field's value is told by the columns that are there:
// the point of time is, where some column bears its prefix.
func (s Shape) Told(field string, there func(name string) bool) bool {
	if s.Wide == nil || field != s.Wide.Column {
		return false
	}
	for _, f := range s.Fields {
		for _, n := range s.Names(f)[1:] {
			if there(n) {
				return true
			}
		}
	}
	return false
}

// A Syntax reads and writes the records of one kind of document. It is
// immutable and safe for concurrent use.
type Syntax interface {
	// Path compiles a path as maps write it, such as "subject_dob",
	// "/patient/dob" or "PID-5.1".
	Path(path string) ([]Step, error)
	// Place names, in the sender's terms, the place that lies rest below the
	// node at: "row 4, subject_dob", "/patient/dob", "PID-5.1". It never shows
	// content.
	Place(d *Doc, at ID, rest []Step) string
	// AppendPlace appends what Place returns.
	AppendPlace(dst []byte, d *Doc, at ID, rest []Step) []byte
	// Read yields the records of a document one by one until yield returns
	// false. The Doc and its texts are valid only during the call. The issues
	// passed along are faults of that record; Doc is nil when it could not be
	// read at all. The issues returned are those of the document itself.
	Read(r io.Reader, shape Shape, yield func(*Doc, []fhir.Issue) bool) []fhir.Issue
	// Blank returns an empty record to be filled for [Syntax.Write].
	Blank(shape Shape) *Doc
	// Write returns the document that holds the one record.
	Write(d *Doc) ([]byte, error)
}

// An ID names a node of a [Doc].
type ID int32

// None is the ID of no node; Root is the record itself.
const (
	None ID = -1
	Root ID = 0
)

// A Kind says how a leaf is written where the syntax tells kinds apart (JSON).
type Kind uint8

// The kinds of leaves.
const (
	Text Kind = iota
	Literal
)

// A Doc is one record of a partner's document. The zero value is ready for
// [Doc.Reset]. It is not safe for concurrent use.
type Doc struct {
	// Row is the 1-based number of the record in a batch file, header excluded,
	// or 0.
	Row int
	// Prefix stands before the names of the columns that have an ordinal, as the
	// sender wrote them ([Wide]).
	Prefix string
	// Positional says that children are named "1", "2", … and that a node
	// with only a first child is the same as that child (HL7 v2: PID-7 is
	// PID-7.1 is PID-7.1.1).
	Positional bool
	// Own is the name of the child that holds a node's own text when it has
	// other children too, and that a node without children is itself (XML:
	// "text()"); "" when inner nodes have no text.
	Own string
	// Shape is what [Syntax.Write] goes by; [Syntax.Blank] sets it.
	Shape Shape

	nodes []node
}

// own is the name of the child that stands for its parent.
func (d *Doc) own() string {
	if d.Positional {
		return "1"
	}
	return d.Own
}

type node struct {
	name                      string
	text                      string
	parent, first, last, next ID
	element                   int32 // number within its list
	ordinal                   int32
	kind                      Kind
	repeats                   bool
}

// NewDoc returns an empty record.
func NewDoc() *Doc {
	d := &Doc{}
	d.Reset()
	return d
}

// Clear is Reset that keeps no text of the record alive either.
func (d *Doc) Clear() {
	clear(d.nodes)
	d.Reset()
}

// Reset empties the record and keeps its memory.
func (d *Doc) Reset() {
	d.nodes = append(d.nodes[:0], node{parent: None, first: None, last: None, next: None})
	d.Row, d.Prefix = 0, ""
}

// Len returns the number of nodes; IDs are below it.
func (d *Doc) Len() int { return len(d.nodes) }

// Add appends a child to parent and returns it.
func (d *Doc) Add(parent ID, s Step, text string) ID {
	id := ID(len(d.nodes))
	d.nodes = append(d.nodes, node{name: s.Name, repeats: s.Repeats, text: text, parent: parent, first: None, last: None, next: None})
	d.link(parent, id)
	return id
}

// Set gives a leaf its text.
func (d *Doc) Set(id ID, text string, kind Kind) {
	d.nodes[id].text, d.nodes[id].kind = text, kind
}

// SetOrdinal records the node's number among its like, as places show it, for
// codecs that know it while they read: counting later would take time for
// every place.
func (d *Doc) SetOrdinal(id ID, n int) { d.nodes[id].ordinal = int32(n) }

// Ordinal returns the number recorded, or 0.
func (d *Doc) Ordinal(id ID) int { return int(d.nodes[id].ordinal) }

// Name returns the node's name.
func (d *Doc) Name(id ID) string { return d.nodes[id].name }

// Text returns the node's own text.
func (d *Doc) Text(id ID) string { return d.nodes[id].text }

// Kind returns how the node's text is written.
func (d *Doc) Kind(id ID) Kind { return d.nodes[id].kind }

// Repeats reports whether the node is an element of a list.
func (d *Doc) Repeats(id ID) bool { return d.nodes[id].repeats }

// Parent returns the node above, or None for the root.
func (d *Doc) Parent(id ID) ID { return d.nodes[id].parent }

// First returns the first child, or None.
func (d *Doc) First(id ID) ID { return d.nodes[id].first }

// Next returns the next sibling, or None.
func (d *Doc) Next(id ID) ID { return d.nodes[id].next }

// Child returns the first child with the name, or None. In a positional record
// "1" of a leaf is the leaf itself, and so is the Own of any record.
func (d *Doc) Child(id ID, name string) ID {
	for c := d.nodes[id].first; c != None; c = d.nodes[c].next {
		if d.nodes[c].name == name {
			return c
		}
	}
	if id != Root && d.nodes[id].first == None && name != "" && name == d.own() {
		return id
	}
	return None
}

// NextSame returns the next sibling of the same name, or None.
func (d *Doc) NextSame(id ID) ID {
	for c := d.nodes[id].next; c != None; c = d.nodes[c].next {
		if d.nodes[c].name == d.nodes[id].name {
			return c
		}
	}
	return None
}

// Find returns the first node at the path below id, or None.
func (d *Doc) Find(id ID, path []Step) ID {
	for i := 0; i < len(path) && id != None; i++ {
		id = d.Child(id, path[i].Name)
	}
	return id
}

// Leaf returns the node whose text a reader of id means: id itself, or the
// child that holds its own text; in a positional record the first child's first
// child, and so on. It is None when there is no such leaf.
func (d *Doc) Leaf(id ID) ID {
	for id != None && d.nodes[id].first != None {
		name := d.own()
		if name == "" {
			return None
		}
		id = d.Child(id, name)
	}
	return id
}

// Make returns the node at the path below id, adding what is missing.
func (d *Doc) Make(id ID, path []Step) ID {
	for _, s := range path {
		c := d.Child(id, s.Name)
		if c == None || c == id {
			if c == id { // a leaf that now gets components: its text is the first
				c = d.Add(id, s, d.nodes[id].text)
				d.nodes[id].text = ""
			} else {
				c = d.deepen(id, s)
			}
		}
		id = c
	}
	name := d.own()
	for name != "" && id != Root && d.nodes[id].first != None {
		c := d.Child(id, name)
		if c == None {
			return d.Add(id, Step{Name: name}, "")
		}
		id = c
	}
	return id
}

// deepen adds a child; the text that a leaf had becomes the child that holds
// its own text.
func (d *Doc) deepen(id ID, s Step) ID {
	if t := d.nodes[id].text; t != "" && d.own() != "" {
		d.Add(id, Step{Name: d.own()}, t)
		d.nodes[id].text = ""
	}
	return d.Add(id, s, "")
}

// Element returns the 0-based number of a node within its list: the elements of
// a list are added one after the other.
func (d *Doc) Element(id ID) int { return int(d.nodes[id].element) }
