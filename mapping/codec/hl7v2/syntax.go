package hl7v2

import (
	"cmp"
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

// A Source is a message together with facts that the receiver adds to it: fact
// n is read by maps as "@-n". It is an io.Reader, so that it goes where a
// document goes.
type Source struct {
	io.Reader
	Facts []string
}

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
	t := tree{d: codec.NewDoc()}
	t.d.Positional = true
	for i := range m.Len() {
		t.segment(m.Segment(i))
	}
	if src, ok := r.(Source); ok {
		at := t.d.Add(codec.Root, codec.Step{Name: agreement}, "")
		for i, f := range src.Facts {
			t.leaf(at, i+1, f)
		}
	}
	yield(t.d, t.nulls)
	return nil
}

// A tree turns a message into a record.
type tree struct {
	d     *codec.Doc
	owner codec.ID // the OBR or OBX to which an NTE belongs
	nulls []fhir.Issue
}

func (t *tree) segment(s Segment) {
	name := s.Name()
	parent := codec.Root
	if name == "NTE" && t.owner != codec.Root {
		parent = t.owner
	}
	id := t.d.Add(parent, codec.Step{Name: name}, "")
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
	for i := range f.Len() {
		v := f.Rep(i)
		switch {
		case v.Empty() && i+1 == f.Len():
		case v.IsNull():
			t.nulls = append(t.nulls, fhir.Issue{
				Severity: fhir.SeverityInformation, Code: fhir.Information, Source: v.Place(),
				Text: "an explicit null asks to delete the value: the element is left out",
			})
			t.leaf(seg, f.n, "")
		default:
			t.value(seg, f.n, v)
		}
	}
}

// value adds a repetition. An empty one keeps its place, so that the next has
// the right number.
func (t *tree) value(seg codec.ID, n int, v Value) {
	comps := v.Components()
	if comps <= 1 && v.Subs() <= 1 {
		t.leaf(seg, n, v.Text())
		return
	}
	id := t.leaf(seg, n, "")
	for c := 1; c <= comps; c++ {
		comp := v.Component(c)
		if comp.Subs() <= 1 {
			if s := comp.Text(); s != "" {
				t.leaf(id, c, s)
			}
			continue
		}
		cid := t.leaf(id, c, "")
		for s := 1; s <= comp.Subs(); s++ {
			if text := comp.Sub(s).Text(); text != "" {
				t.leaf(cid, s, text)
			}
		}
	}
}

func (t *tree) leaf(parent codec.ID, n int, text string) codec.ID {
	return t.d.Add(parent, codec.Step{Name: itoa(n)}, text)
}

// Place names a place below the node at: "PRD[2]-3.1", "NTE[2]-3".
func (Syntax) Place(d *codec.Doc, at codec.ID, rest []codec.Step) string {
	var up [8]codec.ID
	n := 0
	for id := at; id > codec.Root && n < len(up); id = d.Parent(id) {
		up[n] = id
		n++
	}
	b := make([]byte, 0, 24)
	for i := n - 1; i >= 0; i-- {
		b = appendStep(b, d.Name(up[i]), ordinal(d, up[i]))
	}
	for _, s := range rest {
		b = appendStep(b, s.Name, 1)
	}
	return string(b)
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

// ordinal returns the number of a node among those of its name: a segment's in
// the whole message, a repetition's in its field.
func ordinal(d *codec.Doc, id codec.ID) int {
	if d.Name(id) != "NTE" {
		n, _ := d.Repetition(id)
		return n
	}
	n := 0
	for i := codec.ID(1); i <= id; i++ {
		if d.Name(i) == "NTE" {
			n++
		}
	}
	return n
}

// Blank returns an empty record to be filled for Write.
func (Syntax) Blank(codec.Shape) *codec.Doc {
	d := codec.NewDoc()
	d.Positional = true
	return d
}

// Write returns the message that holds the record: segments in the order of
// the abstract syntax of REF and RRI, with the standard separators, in UTF-8,
// which MSH-18 must say.
func (Syntax) Write(d *codec.Doc) ([]byte, error) {
	w := NewWriter(Standard(), UTF8)
	segs := children(d, codec.Root)
	slices.SortStableFunc(segs, func(a, b codec.ID) int { return cmp.Compare(rank(d.Name(a)), rank(d.Name(b))) })
	if len(segs) == 0 || d.Name(segs[0]) != "MSH" {
		w.Segment("MSH")
	}
	for _, id := range segs {
		writeSegment(w, d, id)
	}
	return w.Bytes(), nil
}

// rank orders segments as REF_I12 and RRI_I12 do; those that neither knows
// come last.
func rank(name string) int {
	const order = "MSH SFT MSA ERR RF1 AUT CTD PRD PID PD1 NK1 GT1 IN1 IN2 IN3 ACC DG1 DRG AL1 PR1 OBR OBX PV1 PV2 NTE"
	if i := strings.Index(order, name); i >= 0 {
		return i
	}
	return len(order)
}

func children(d *codec.Doc, id codec.ID) []codec.ID {
	var out []codec.ID
	for c := d.First(id); c != codec.None; c = d.Next(c) {
		out = append(out, c)
	}
	return out
}

// writeSegment writes a segment and the segments that belong to it.
func writeSegment(w *Writer, d *codec.Doc, id codec.ID) {
	if d.Name(id) == agreement {
		return
	}
	w.Segment(d.Name(id))
	var nested []codec.ID
	reps := map[string]int{}
	for _, f := range children(d, id) {
		n, err := strconv.Atoi(d.Name(f))
		if err != nil {
			nested = append(nested, f)
			continue
		}
		reps[d.Name(f)]++
		writeField(w, d, f, n, reps[d.Name(f)])
	}
	for _, s := range nested {
		writeSegment(w, d, s)
	}
}

func writeField(w *Writer, d *codec.Doc, id codec.ID, field, rep int) {
	w.Set(field, rep, 1, 1, d.Text(id))
	for _, c := range children(d, id) {
		comp, _ := strconv.Atoi(d.Name(c))
		w.Set(field, rep, comp, 1, d.Text(c))
		for _, s := range children(d, c) {
			sub, _ := strconv.Atoi(d.Name(s))
			w.Set(field, rep, comp, sub, d.Text(s))
		}
	}
}
