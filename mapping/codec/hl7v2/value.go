package hl7v2

import (
	"bytes"
	"strconv"
	"unsafe"
)

// A Segment is one segment of a message. The zero Segment stands for one that
// is not there; every method of it is safe and returns a zero result.
type Segment struct {
	m *Message
	i int32
}

// Exists reports whether the segment is in the message.
func (s Segment) Exists() bool { return s.m != nil }

// Index is the segment's position in the message, counting from 0.
func (s Segment) Index() int { return int(s.i) }

// Name returns the three letters of the segment, or "".
func (s Segment) Name() string {
	if s.m == nil {
		return ""
	}
	g := s.m.segs[s.i]
	return view(s.m.text[g.start:min(g.end, g.start+3)])
}

// Ordinal counts the segment among those of its name, from 1.
func (s Segment) Ordinal() int {
	if s.m == nil {
		return 0
	}
	return int(s.m.segs[s.i].ordinal)
}

// Place returns "PRD[2]", or "PID" for the first of its name.
func (s Segment) Place() string {
	if n := s.Ordinal(); n > 1 {
		return s.Name() + "[" + itoa(n) + "]"
	}
	return s.Name()
}

// Len returns the number of fields written, the highest field number.
func (s Segment) Len() int {
	if s.m == nil {
		return 0
	}
	return int(s.m.segs[s.i].n)
}

// Field returns field n, counting from 1 as HL7 does. MSH-1 is the field
// separator and MSH-2 the encoding characters.
func (s Segment) Field(n int) Field {
	if n < 1 || n > s.Len() {
		return Field{seg: s, n: n}
	}
	g := s.m.segs[s.i]
	at := int(g.first) + n - 1
	start, end := s.m.fields[at], g.end
	if n < int(g.n) {
		end = s.m.fields[at+1] - 1
	}
	if s.i == 0 && n == 1 {
		end = start + 1
	}
	return Field{seg: s, n: n, start: start, end: end}
}

// A Field is all repetitions of one field of a segment.
type Field struct {
	seg        Segment
	n          int
	start, end uint32
}

// opaque reports MSH-1 and MSH-2, whose characters separate nothing.
func (f Field) opaque() bool { return f.seg.m != nil && f.seg.i == 0 && f.n <= 2 }

// Raw returns the field as written. The caller must not modify it.
func (f Field) Raw() []byte {
	if f.seg.m == nil {
		return nil
	}
	return f.seg.m.text[f.start:f.end:f.end]
}

// Len returns the number of repetitions; 0 when the field is empty.
func (f Field) Len() int {
	switch {
	case f.start == f.end:
		return 0
	case f.opaque():
		return 1
	}
	return bytes.Count(f.Raw(), []byte{f.seg.m.sep.Repetition}) + 1
}

// Rep returns the i-th repetition, counting from 0.
func (f Field) Rep(i int) Value {
	v := Value{field: f, rep: i}
	if f.seg.m == nil {
		return v
	}
	if f.opaque() && i == 0 {
		v.start, v.end = f.start, f.end
		return v
	}
	v.start, v.end = part(f.seg.m.text, f.start, f.end, f.seg.m.sep.Repetition, i)
	return v
}

// next returns the repetition after v; it is meaningless after the last.
func (v Value) next() Value {
	f := v.field
	n := Value{field: f, rep: v.rep + 1, start: f.end, end: f.end}
	if v.end < f.end {
		n.start, n.end = part(f.seg.m.text, v.end+1, f.end, f.seg.m.sep.Repetition, 0)
	}
	return n
}

// Place returns "PID-3".
func (f Field) Place() string { return f.seg.Place() + "-" + itoa(f.n) }

// A Value is one repetition of a field, or a component or subcomponent of it.
// A Value that is not in the message is empty.
type Value struct {
	field      Field
	rep        int
	comp, sub  int // from 1; 0: the whole
	start, end uint32
}

// Component returns component n, counting from 1. The component of a value
// that has no components is, for n = 1, the value itself.
func (v Value) Component(n int) Value {
	c := Value{field: v.field, rep: v.rep, comp: n}
	if m := v.field.seg.m; m != nil && n > 0 {
		c.start, c.end = part(m.text, v.start, v.end, m.sep.Component, n-1)
	}
	return c
}

// Sub returns subcomponent n of a component, counting from 1.
func (v Value) Sub(n int) Value {
	if v.comp == 0 {
		v = v.Component(1)
	}
	c := Value{field: v.field, rep: v.rep, comp: v.comp, sub: n}
	if m := v.field.seg.m; m != nil && n > 0 {
		c.start, c.end = part(m.text, v.start, v.end, m.sep.Subcomponent, n-1)
	}
	return c
}

// Components returns the number of components; 0 when the value is empty.
func (v Value) Components() int { return v.count(v.separators().Component) }

// Subs returns the number of subcomponents; 0 when the value is empty.
func (v Value) Subs() int { return v.count(v.separators().Subcomponent) }

func (v Value) separators() Separators {
	if v.field.seg.m == nil {
		return Separators{}
	}
	return v.field.seg.m.sep
}

func (v Value) count(sep byte) int {
	if v.Empty() {
		return 0
	}
	return bytes.Count(v.Raw(), []byte{sep}) + 1
}

// Raw returns the value as written, escapes included. The caller must not
// modify it.
func (v Value) Raw() []byte {
	if v.field.seg.m == nil {
		return nil
	}
	return v.field.seg.m.text[v.start:v.end:v.end]
}

// Empty reports that the sender made no statement.
func (v Value) Empty() bool { return v.start == v.end }

// IsNull reports the explicit null "", which asks the receiver to delete.
func (v Value) IsNull() bool {
	return v.end-v.start == 2 && string(v.Raw()) == `""`
}

// Text returns the value with its escapes resolved; "" for the explicit null.
// It does not allocate unless there are escapes.
func (v Value) Text() string {
	if v.Empty() || v.IsNull() {
		return ""
	}
	if v.field.opaque() {
		return view(v.Raw())
	}
	return unescape(v.Raw(), v.field.seg.m.sep)
}

// Place returns the value's place: "PID-3[2].1.1".
func (v Value) Place() string {
	b := append(make([]byte, 0, 24), v.field.Place()...)
	if v.rep > 0 {
		b = append(b, '[')
		b = strconv.AppendInt(b, int64(v.rep)+1, 10)
		b = append(b, ']')
	}
	for _, n := range [2]int{v.comp, v.sub} {
		if n > 0 {
			b = append(b, '.')
			b = strconv.AppendInt(b, int64(n), 10)
		}
	}
	return string(b)
}

// part returns the i-th part, from 0, of text[start:end] between separators.
func part(text []byte, start, end uint32, sep byte, i int) (from, to uint32) {
	if i < 0 {
		return end, end
	}
	for ; ; i-- {
		n := bytes.IndexByte(text[start:end], sep)
		if n < 0 {
			if i > 0 {
				return end, end
			}
			return start, end
		}
		if i == 0 {
			return start, start + uint32(n)
		}
		start += uint32(n) + 1
	}
}

// view shows b as a string: a message never changes its bytes.
func view(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b)) //nolint:gosec // the bytes outlive the string and never change
}

func itoa(n int) string { return strconv.Itoa(n) }
