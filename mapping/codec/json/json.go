// Package json reads and writes partners' JSON documents: one object is one
// record; an array of objects is a batch, and so is an object that holds an
// array of them at the path that the map calls record. What stands beside that
// array belongs to each of its records, whose own members win; an object
// without the array is one record by itself.
//
// What the package promises:
//   - Strict JSON only, as [fhir.Parse] reads it: UTF-8, no duplicate names, no
//     trailing data, limits on size and depth. A byte order mark is passed over.
//   - The records of a batch are read one by one, in memory that does not grow
//     with their number. What stands behind them, in a document that cannot be
//     read twice, is a fault.
//   - Members are written in the order of the format's fields, and a list of
//     one element as a list.
//   - Every string, number and boolean is a leaf of the record; numbers keep
//     their spelling. null and empty containers say nothing and are no leaves
//     with text.
//   - Member names that do not look like names are never shown in a place,
//     because they may hold content.
package json

import (
	"errors"
	"strconv"
	"strings"

	"trellis.example/fhir"
	"trellis.example/mapping/codec"
)

// MaxDocument is the largest record in bytes.
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
		if strings.Contains(part, "~") {
			part = strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
		}
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
