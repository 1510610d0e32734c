package hl7v2

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"

	"trellis.example/fhir"
	"trellis.example/mapping/codec"
)

// Syntax is HL7 v2 for the mapping engine. A message is one record; its tree
// has segments, fields (one node per repetition), components and
// subcomponents, numbered from 1, of which a single first one stands for the
// whole.
//
// Paths are written "PID-5.1.2"; "PID" is the segment. An NTE that follows an
// OBR or OBX belongs to it and is read as "OBX/NTE-3"; any other NTE is
// "NTE-3". MSH-1 and MSH-2 are syntax and not in the tree.
//
// An empty field is not in the tree, nor is the explicit null "": a null gives
// the record an issue of severity information instead, because it asks the
// receiver to delete, which an absent element does.
type Syntax struct{}

// Path compiles a path as maps write it.
func (Syntax) Path(path string) ([]codec.Step, error) {
	var steps []codec.Step
	if parent, rest, ok := strings.Cut(path, "/"); ok {
		if !isSegmentName([]byte(parent)) && parent != agreement {
			return nil, errPath
		}
		steps, path = append(steps, codec.Step{Name: parent}), rest
	}
	seg, rest, hasField := strings.Cut(path, "-")
	if !isSegmentName([]byte(seg)) && seg != agreement {
		return nil, errPath
	}
	steps = append(steps, codec.Step{Name: seg})
	if !hasField {
		return steps, nil
	}
	parts := strings.Split(rest, ".")
	if len(parts) > 3 {
		return nil, errPath
	}
	for _, p := range parts {
		n := 0
		if !number(p, &n) {
			return nil, errPath
		}
		steps = append(steps, codec.Step{Name: itoa(n)})
	}
	return steps, nil
}

var errPath = errors.New("expected a path such as PID-5.1 or OBX/NTE-3")

// agreement names the segment that stands for what the receiver knows and the
// message does not say; no message can hold a segment of that name.
const agreement = "@"

// Read yields the message as one record. The texts stay valid.
func (Syntax) Read(r io.Reader, _ codec.Shape, yield func(*codec.Doc, []fhir.Issue) bool) []fhir.Issue {
	b, err := io.ReadAll(io.LimitReader(r, MaxMessage+1))
	if err != nil {
		return []fhir.Issue{{Code: fhir.Invalid, Text: "the document could not be read to its end"}}
	}
	m, err := Parse(b)
	if err != nil {
		return fhir.AsError(err).Issues
	}
	d := codec.NewDoc()
	yield(d, Record(d, m))
	return nil
}

// Record fills d with a message for the mapping engine and returns an issue for
// every explicit null. facts are what the receiver knows and the message does
// not say; maps read fact n as "@-n". The texts are views of m.
func Record(d *codec.Doc, m *Message, facts ...string) []fhir.Issue {
	d.Reset()
	d.Positional = true
	t := tree{d: d}
	for i := range m.Len() {
		if t.segment(m.Segment(i)); t.full() {
			t.nulls = append(t.nulls, fhir.Issue{Severity: fhir.SeverityError, Code: fhir.TooLong, Source: m.Segment(i).Place(),
				Text: "the message has more than " + itoa(MaxValues) + " values"})
			break
		}
	}
	if len(facts) > 0 {
		at := t.d.Add(codec.Root, codec.Step{Name: agreement}, "")
		for i, f := range facts {
			t.leaf(at, i+1, f)
		}
	}
	return t.nulls
}

// A tree turns a message into a record.
type tree struct {
	d     *codec.Doc
	owner codec.ID // the OBR or OBX to which an NTE belongs
	nulls []fhir.Issue
}

// full reports that the message has more values than are read.
func (t *tree) full() bool { return t.d.Len() > MaxValues }

func (t *tree) segment(s Segment) {
	name := s.Name()
	parent := codec.Root
	if name == "NTE" && t.owner != codec.Root {
		parent = t.owner
	}
	id := t.d.Add(parent, codec.Step{Name: name}, "")
	t.d.SetOrdinal(id, s.Ordinal())
	switch name {
	case "OBR", "OBX":
		t.owner = id
	case "NTE":
	default:
		t.owner = codec.Root
	}
	first := 1
	if s.Index() == 0 {
		first = 3
	}
	for n := first; n <= s.Len(); n++ {
		t.field(id, s.Field(n))
	}
}

func (t *tree) field(seg codec.ID, f Field) {
	switch {
	case f.start == f.end:
		return
	case f.paragraphs():
		t.leaf(seg, f.n, f.joined())
		return
	}
	n := f.Len()
	rest := f.Rep(0) // walked along, not sought anew for each repetition
	for i := range n {
		if t.full() {
			return
		}
		v := rest
		rest = v.next()
		switch {
		case v.Empty() && i+1 == n:
		case v.IsNull():
			t.null(v.Place())
			t.leaf(seg, f.n, "")
		default:
			t.value(seg, f.n, v)
		}
	}
}

// null notes an explicit null.
func (t *tree) null(place string) {
	t.nulls = append(t.nulls, fhir.Issue{
		Severity: fhir.SeverityInformation, Code: fhir.Information, Source: place,
		Text: "an explicit null asks to delete the value: the element is left out",
	})
}

// paragraphs reports a field of formatted or plain text, whose repetitions are
// the paragraphs of one text (section 2A, types TX and FT).
func (f Field) paragraphs() bool {
	switch f.seg.Name() {
	case "NTE":
		return f.n == 3 && f.Len() > 1
	case "OBX":
		typ := string(f.seg.Field(2).Raw())
		return f.n == 5 && (typ == "TX" || typ == "FT") && f.Len() > 1
	}
	return false
}

func (f Field) joined() string {
	m := f.seg.m
	out := make([]byte, 0, len(f.Raw()))
	for rest := f.Raw(); ; {
		p, after, more := bytes.Cut(rest, []byte{m.sep.Repetition})
		out = append(out, unescape(p, m.sep)...)
		if rest = after; !more {
			return strings.TrimSpace(view(out))
		}
		out = append(out, '\n')
	}
}

// value adds a repetition. An empty one keeps its place, so that the next has
// the right number.
func (t *tree) value(seg codec.ID, n int, v Value) {
	sep := v.field.seg.m.sep
	raw := v.Raw()
	if !hasAny(raw, sep.Component, sep.Subcomponent) {
		t.d.SetOrdinal(t.leaf(seg, n, v.Text()), v.rep+1)
		return
	}
	id := t.leaf(seg, n, "")
	t.d.SetOrdinal(id, v.rep+1)
	for c := 1; ; c++ {
		part, rest, more := cut(raw, sep.Component)
		t.component(id, c, part, sep)
		if raw = rest; !more || t.full() {
			return
		}
	}
}

// cut is bytes.Cut for one byte.
func cut(b []byte, sep byte) (before, after []byte, found bool) {
	if i := bytes.IndexByte(b, sep); i >= 0 {
		return b[:i], b[i+1:], true
	}
	return b, nil, false
}

// hasAny reports whether b holds x or y: values are short.
func hasAny(b []byte, x, y byte) bool {
	for _, c := range b {
		if c == x || c == y {
			return true
		}
	}
	return false
}

func (t *tree) component(parent codec.ID, n int, raw []byte, sep Separators) {
	switch {
	case len(raw) == 0:
		return
	case string(raw) == `""`:
		t.null(Syntax{}.Place(t.d, parent, []codec.Step{{Name: itoa(n)}}))
		return
	}
	if bytes.IndexByte(raw, sep.Subcomponent) < 0 {
		t.leaf(parent, n, unescape(raw, sep))
		return
	}
	id := t.leaf(parent, n, "")
	for i := 1; ; i++ {
		part, rest, more := cut(raw, sep.Subcomponent)
		if len(part) > 0 && string(part) != `""` {
			t.leaf(id, i, unescape(part, sep))
		}
		if raw = rest; !more || t.full() {
			return
		}
	}
}

func (t *tree) leaf(parent codec.ID, n int, text string) codec.ID {
	return t.d.Add(parent, codec.Step{Name: itoa(n)}, text)
}

// Place names a place below the node at: "PRD[2]-3.1", "NTE[2]-3".
func (Syntax) Place(d *codec.Doc, at codec.ID, rest []codec.Step) string {
	var array [48]byte
	return string(Syntax{}.AppendPlace(array[:0], d, at, rest))
}

// AppendPlace appends the place that [Syntax.Place] names.
func (Syntax) AppendPlace(dst []byte, d *codec.Doc, at codec.ID, rest []codec.Step) []byte {
	var up [8]codec.ID
	n := 0
	for id := at; id > codec.Root && n < len(up); id = d.Parent(id) {
		up[n] = id
		n++
	}
	var array [48]byte
	b := array[:0]
	for i := n - 1; i >= 0; i-- {
		b = appendStep(b, d.Name(up[i]), d.Ordinal(up[i]))
	}
	for _, s := range rest {
		b = appendStep(b, s.Name, 1)
	}
	return append(dst, b...)
}

// appendStep appends one level. A nested segment begins anew: its number
// counts in the whole message.
func appendStep(b []byte, name string, n int) []byte {
	switch {
	case !isDigits(name):
		b = append(b[:0], name...)
	case len(b) > 0 && !hasField(b):
		b = append(append(b, '-'), name...)
	default:
		return append(append(b, '.'), name...)
	}
	if n > 1 {
		b = append(b, '[')
		b = strconv.AppendInt(b, int64(n), 10)
		b = append(b, ']')
	}
	return b
}

func hasField(b []byte) bool { return slices.Contains(b, '-') }

func isDigits(s string) bool { return s != "" && s[0] >= '0' && s[0] <= '9' }
