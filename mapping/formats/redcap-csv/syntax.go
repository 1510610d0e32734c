package redcapcsv

import (
	"bufio"
	"bytes"
	"io"
	"strings"

	"trellis.example/fhir"
	"trellis.example/mapping/codec"
	"trellis.example/mapping/codec/csv"
)

// syntax is CSV whose columns lie, for the map, below the instrument that they
// belong to: an instrument that a row says nothing of is then not there, and
// an export has one row for several instruments or one for each.
type syntax struct {
	columns []exportColumn
	forms   map[string]string // of each column
}

var _ codec.Syntax = syntax{}

func newSyntax(d *dictionary) syntax {
	s := syntax{columns: d.export(), forms: map[string]string{}}
	for _, c := range s.columns {
		s.forms[c.name] = c.form
	}
	return s
}

// Path compiles "column" and "instrument/column".
func (s syntax) Path(path string) ([]codec.Step, error) {
	form, column, ok := strings.Cut(path, "/")
	if !ok {
		return csv.Syntax{}.Path(path)
	}
	return []codec.Step{{Name: form}, {Name: column}}, nil
}

// Place names the cell as the sender sees it.
func (s syntax) Place(d *codec.Doc, at codec.ID, rest []codec.Step) string {
	return string(s.AppendPlace(nil, d, at, rest))
}

// AppendPlace appends what Place returns.
func (s syntax) AppendPlace(dst []byte, d *codec.Doc, at codec.ID, rest []codec.Step) []byte {
	if len(rest) > 1 {
		rest = rest[len(rest)-1:]
	}
	if len(rest) == 1 { // a cell that is not there
		at = codec.Root
	}
	return csv.Syntax{}.AppendPlace(dst, d, at, rest)
}

// flat is what the file must look like: every column of the dictionary.
func (s syntax) flat() codec.Shape {
	var shape codec.Shape
	for _, c := range s.columns {
		shape.Fields = append(shape.Fields, c.name)
		if !c.optional {
			shape.Required = append(shape.Required, c.name)
		}
	}
	return shape
}

// headerBytes is how far into the file the header may reach.
const headerBytes = 256 << 10

// Read reads the rows of an export. An export with other columns than the
// dictionary is refused whole: it was made with another dictionary.
func (s syntax) Read(r io.Reader, _ codec.Shape, yield func(*codec.Doc, []fhir.Issue) bool) []fhir.Issue {
	in, shape := bufio.NewReaderSize(r, headerBytes), s.flat()
	start, _ := in.Peek(headerBytes) // what there is; the reader itself tells faults
	if faults := unlike(start, shape); faults != nil {
		return faults
	}
	rec := codec.NewDoc()
	return csv.Syntax{}.Read(in, shape, func(d *codec.Doc, faults []fhir.Issue) bool {
		if len(faults) > 0 {
			return yield(d, faults)
		}
		s.nest(rec, d)
		return yield(rec, nil)
	})
}

// unlike lists the columns by which a header differs from the dictionary: those
// too many, then those that are missing.
func unlike(start []byte, shape codec.Shape) []fhir.Issue {
	head := func(shape codec.Shape) []fhir.Issue {
		return csv.Syntax{}.Read(bytes.NewReader(start), shape, func(*codec.Doc, []fhir.Issue) bool { return false })
	}
	var out []fhir.Issue
	for _, is := range head(codec.Shape{Fields: shape.Fields}) {
		if is.Code == fhir.NotSupported {
			out = append(out, fault(fhir.NotSupported, is.Source, "the data dictionary of this project has no such column: export with the dictionary that is registered here, or register the new one"))
		}
	}
	for _, is := range head(shape) {
		if is.Code == fhir.Required {
			out = append(out, fault(fhir.Required, is.Source, "the data dictionary of this project has this column and the file has not: export with the dictionary that is registered here, or register the new one"))
		}
	}
	return out
}

// nest puts the cells of an instrument below it, when any of them says
// something.
func (s syntax) nest(rec, d *codec.Doc) {
	rec.Reset()
	rec.Row = d.Row
	said := map[string]codec.ID{}
	for c := d.First(codec.Root); c != codec.None; c = d.Next(c) {
		if form := s.forms[d.Name(c)]; form != "" && strings.TrimSpace(d.Text(c)) != "" {
			said[form] = codec.None
		}
	}
	for c := d.First(codec.Root); c != codec.None; c = d.Next(c) {
		form, name := s.forms[d.Name(c)], d.Name(c)
		at, ok := said[form]
		switch {
		case form == "":
			rec.Add(codec.Root, codec.Step{Name: name}, d.Text(c))
			continue
		case !ok:
			continue
		case at == codec.None:
			at = rec.Add(codec.Root, codec.Step{Name: form}, "")
			said[form] = at
		}
		rec.Add(at, codec.Step{Name: name}, d.Text(c))
	}
}

// Blank returns an empty record: instruments come when something is written to
// them.
func (s syntax) Blank(codec.Shape) *codec.Doc { return codec.NewDoc() }

// Write writes the columns of the dictionary, all of them and in its order.
func (s syntax) Write(d *codec.Doc) ([]byte, error) {
	flat := codec.NewDoc()
	for _, c := range s.columns {
		at := codec.Root
		if c.form != "" {
			at = d.Child(codec.Root, c.form)
		}
		text := ""
		if at != codec.None {
			if cell := d.Child(at, c.name); cell != codec.None {
				text = d.Text(cell)
			}
		}
		if c.optional && text == "" {
			continue // a column that not every project has
		}
		flat.Add(codec.Root, codec.Step{Name: c.name}, text)
	}
	return csv.Syntax{}.Write(flat)
}
