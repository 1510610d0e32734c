// Package csv reads and writes the syntax of CSV files with a header row: RFC
// 4180 quoting, CRLF or LF, with or without a byte order mark, UTF-8 or
// Windows-1252.
//
// What the package promises:
//   - Columns are found by name; letter case and spaces are disregarded. A
//     duplicated or missing required column refuses the file, and then no row
//     is read.
//   - A bad row is a fault of that row and never of its neighbours.
//   - Rows are read one by one, in memory that does not grow with the file.
//   - The encoding is never guessed row by row: the first row that is not
//     ASCII decides, a row that contradicts it is a fault, and Windows-1252 is
//     said in a warning.
package csv

import (
	"bytes"
	"strconv"
	"strings"

	"trellis.example/fhir"
	"trellis.example/mapping/codec"
)

// Limits on what a stranger may send.
const (
	// MaxRow is the longest row, in bytes.
	MaxRow = 1 << 20
	// MaxColumns is the largest number of columns.
	MaxColumns = 1000
)

// Syntax is the [codec.Syntax] of CSV files.
type Syntax struct{}

var _ codec.Syntax = Syntax{}

// Path returns the one step of a column name.
func (Syntax) Path(path string) ([]codec.Step, error) {
	if path != strings.TrimSpace(path) || path == "" || strings.ContainsAny(path, "\r\n\"") {
		return nil, fhir.Errorf(fhir.BadValue, "expected a column name")
	}
	return []codec.Step{{Name: path}}, nil
}

// Place names a cell: "row 4, subject_dob".
func (Syntax) Place(d *codec.Doc, at codec.ID, rest []codec.Step) string {
	var array [80]byte
	return string(Syntax{}.AppendPlace(array[:0], d, at, rest))
}

// AppendPlace appends the place that [Syntax.Place] names.
func (Syntax) AppendPlace(dst []byte, d *codec.Doc, at codec.ID, rest []codec.Step) []byte {
	name := ""
	if at != codec.Root {
		name = d.Name(at)
	} else if len(rest) > 0 {
		name = rest[0].Name
	}
	if at != codec.Root && d.Ordinal(at) > 0 {
		name = d.Prefix + name // the column as the sender wrote it
	}
	if d.Row == 0 {
		return append(dst, name...)
	}
	dst = strconv.AppendInt(append(dst, "row "...), int64(d.Row), 10)
	if name != "" {
		dst = append(append(dst, ", "...), name...)
	}
	return dst
}

// Blank returns a record with an empty cell for each column.
func (Syntax) Blank(shape codec.Shape) *codec.Doc {
	d := codec.NewDoc()
	for _, f := range shape.Fields {
		d.Add(codec.Root, codec.Step{Name: f}, "")
	}
	return d
}

// Write returns a file with the header and one row, CRLF at the line ends.
func (Syntax) Write(d *codec.Doc) ([]byte, error) {
	var names, cells []string
	for c := d.First(codec.Root); c != codec.None; c = d.Next(c) {
		names, cells = append(names, d.Name(c)), append(cells, d.Text(c))
	}
	return AppendRow(AppendRow(nil, names), cells), nil
}

// AppendRow appends a row with its line end; cells are quoted where RFC 4180
// asks for it, and where blanks at the ends would be lost.
func AppendRow(b []byte, cells []string) []byte {
	for i, c := range cells {
		if i > 0 {
			b = append(b, ',')
		}
		if c != strings.TrimSpace(c) || strings.ContainsAny(c, "\",\r\n") || c == "" && len(cells) == 1 {
			b = append(b, '"')
			b = append(b, bytes.ReplaceAll([]byte(c), []byte(`"`), []byte(`""`))...)
			b = append(b, '"')
			continue
		}
		b = append(b, c...)
	}
	return append(b, "\r\n"...)
}

// plainName is a column name without letter case and spaces.
func plainName(s string) string {
	return strings.ToLower(strings.Join(strings.Fields(s), ""))
}
