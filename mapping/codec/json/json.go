// Package json reads and writes partners' JSON documents: one object is one
// record, an array of objects is a batch.
//
// What the package promises:
//   - Strict JSON only, as [fhir.Parse] reads it: UTF-8, no duplicate names, no
//     trailing data, limits on size and depth.
//   - Every string, number and boolean is a leaf of the record; numbers keep
//     their spelling. null and empty containers say nothing and are no leaves
//     with text.
//   - Member names that do not look like names are never shown in a place,
//     because they may hold content.
package json

import (
	"errors"
	"io"
	"strconv"
	"strings"

	"trellis.example/fhir"
	"trellis.example/mapping/codec"
)

// MaxDocument is the largest document in bytes.
const MaxDocument = 4 << 20

// element is the path step for the elements of an array: "/contacts/-/name".
const element = "-"

// Syntax is the [codec.Syntax] of JSON documents.
type Syntax struct{}

var _ codec.Syntax = Syntax{}

// Path compiles a JSON pointer (RFC 6901) in which "-" stands for the elements
// of an array.
func (Syntax) Path(path string) ([]codec.Step, error) {
	rest, ok := strings.CutPrefix(path, "/")
	if !ok || rest == "" {
		return nil, errors.New("expected a JSON pointer such as /patient/dob or /contacts/-/name")
	}
	var steps []codec.Step
	for part := range strings.SplitSeq(rest, "/") {
		part = strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
		if part == element && len(steps) > 0 && !steps[len(steps)-1].Repeats {
			steps[len(steps)-1].Repeats = true
			continue
		}
		steps = append(steps, codec.Step{Name: part, Repeats: part == element})
	}
	return steps, nil
}

// Place is the JSON pointer of the place, behind the row of a batch.
func (Syntax) Place(d *codec.Doc, at codec.ID, rest []codec.Step) string {
	return string(Syntax{}.AppendPlace(nil, d, at, rest))
}

// AppendPlace appends the place that [Syntax.Place] names.
func (Syntax) AppendPlace(dst []byte, d *codec.Doc, at codec.ID, rest []codec.Step) []byte {
	if d.Row > 0 {
		dst = append(strconv.AppendInt(append(dst, "row "...), int64(d.Row), 10), ", "...)
	}
	dst = appendPointer(dst, d, at)
	for _, s := range rest {
		dst = append(append(dst, '/'), fhir.SafeName(s.Name)...)
	}
	return dst
}

func appendPointer(b []byte, d *codec.Doc, id codec.ID) []byte {
	if id == codec.Root {
		return b
	}
	b = appendPointer(b, d, d.Parent(id))
	if d.Name(id) != element {
		b = append(append(b, '/'), fhir.SafeName(d.Name(id))...)
	}
	if d.Repeats(id) {
		b = strconv.AppendInt(append(b, '/'), int64(d.Element(id)), 10)
	}
	return b
}

// Read yields the document's record, or those of a batch.
func (Syntax) Read(r io.Reader, _ codec.Shape, yield func(*codec.Doc, []fhir.Issue) bool) []fhir.Issue {
	b, err := io.ReadAll(io.LimitReader(r, MaxDocument+1))
	if err != nil {
		return []fhir.Issue{{Severity: fhir.SeverityError, Code: fhir.Invalid, Text: "the document could not be read to its end"}}
	}
	t, err := fhir.Parse(b, MaxDocument)
	if err != nil {
		return fhir.AsError(err).Issues
	}
	root := t.Root()
	switch root.Kind() {
	case fhir.Object:
		d := codec.NewDoc()
		members(d, codec.Root, root)
		yield(d, nil)
		return nil
	case fhir.Array:
		return batch(root, yield)
	}
	return []fhir.Issue{{Severity: fhir.SeverityError, Code: fhir.Structure, Text: "expected a JSON object, or an array of objects"}}
}

func batch(root fhir.Value, yield func(*codec.Doc, []fhir.Issue) bool) []fhir.Issue {
	d, row := codec.NewDoc(), 0
	for v := range root.All() {
		row++
		d.Reset()
		d.Row = row
		var faults []fhir.Issue
		if v.Kind() == fhir.Object {
			members(d, codec.Root, v)
		} else {
			faults = []fhir.Issue{{Severity: fhir.SeverityError, Code: fhir.Structure, Source: "row " + strconv.Itoa(row), Text: "expected a JSON object"}}
		}
		if !yield(d, faults) {
			break
		}
	}
	return nil
}

func members(d *codec.Doc, to codec.ID, v fhir.Value) {
	for m := range v.All() {
		add(d, to, codec.Step{Name: m.Key()}, m)
	}
}

// add adds a value: an array becomes siblings of one name.
func add(d *codec.Doc, to codec.ID, s codec.Step, v fhir.Value) {
	switch v.Kind() {
	case fhir.Object:
		members(d, d.Add(to, s, ""), v)
	case fhir.Array:
		if s.Repeats { // an array in an array
			to = d.Add(to, s, "")
			s.Name = element
		}
		s.Repeats = true
		for e := range v.All() {
			add(d, to, s, e)
		}
	case fhir.String:
		d.Add(to, s, v.Text())
	case fhir.Number, fhir.Bool:
		d.Set(d.Add(to, s, ""), v.Text(), codec.Literal)
	}
}

// Blank returns an empty record.
func (Syntax) Blank(codec.Shape) *codec.Doc { return codec.NewDoc() }

// Write returns the record as one JSON object.
func (Syntax) Write(d *codec.Doc) ([]byte, error) {
	return append(value(nil, d, codec.Root), '\n'), nil
}

func value(b []byte, d *codec.Doc, id codec.ID) []byte {
	first := d.First(id)
	switch {
	case first == codec.None && d.Kind(id) == codec.Literal && d.Text(id) != "":
		return append(b, d.Text(id)...)
	case first == codec.None && id != codec.Root:
		return fhir.AppendString(b, d.Text(id))
	case first != codec.None && d.Name(first) == element:
		return list(b, d, first)
	}
	return object(b, d, id)
}

func object(b []byte, d *codec.Doc, id codec.ID) []byte {
	b = append(b, '{')
	start := len(b)
	for c := d.First(id); c != codec.None; c = d.Next(c) {
		if d.Element(c) > 0 || hollow(d, c) && !d.Repeats(c) {
			continue // a later element of an array, or nothing
		}
		if len(b) > start {
			b = append(b, ',')
		}
		b = append(fhir.AppendString(b, d.Name(c)), ':')
		if d.Repeats(c) {
			b = list(b, d, c)
		} else {
			b = value(b, d, c)
		}
	}
	return append(b, '}')
}

// list writes the elements of an array, of which c is the first.
func list(b []byte, d *codec.Doc, c codec.ID) []byte {
	b = append(b, '[')
	start := len(b)
	for ; c != codec.None; c = d.NextSame(c) {
		if hollow(d, c) {
			continue
		}
		if len(b) > start {
			b = append(b, ',')
		}
		b = value(b, d, c)
	}
	return append(b, ']')
}

// hollow reports whether nothing was written at or below the node.
func hollow(d *codec.Doc, id codec.ID) bool {
	for c := d.First(id); c != codec.None; c = d.Next(c) {
		if !hollow(d, c) {
			return false
		}
	}
	return d.Text(id) == ""
}
