package csv

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"unicode/utf8"

	"trellis.example/fhir"
	"trellis.example/mapping/codec"
)

// Read yields the rows of a file. Row numbers count from 1 behind the header.
func (Syntax) Read(r io.Reader, shape codec.Shape, yield func(*codec.Doc, []fhir.Issue) bool) []fhir.Issue {
	f, _ := files.Get().(*file)
	defer f.release()
	f.s.r.Reset(r)
	f.shape = shape
	if bom, err := f.s.r.Peek(3); err == nil && string(bom) == "\xef\xbb\xbf" {
		_, _ = f.s.r.Discard(3)
		f.text.kind = unicodeText
	}
	if !f.header() {
		return f.issues
	}
	if shape.Wide != nil {
		yield = melt(shape.Wide, yield)
	}
	f.rows(yield)
	return f.issues
}

// files keeps the memory for reading a file, of which a file of one row would
// otherwise need most of its time.
var files = sync.Pool{New: func() any {
	return &file{s: scanner{r: bufio.NewReaderSize(nil, 64<<10)}, doc: codec.NewDoc()}
}}

// release gives the memory back without what was read.
func (f *file) release() {
	if cap(f.s.row)+cap(f.text.buf) > 1<<16 {
		return // do not keep what one long row needed
	}
	f.s.r.Reset(nil)
	f.doc.Clear()
	clear(f.text.cells[:cap(f.text.cells)])
	*f = file{s: scanner{r: f.s.r, row: f.s.row[:0], ends: f.s.ends[:0]}, doc: f.doc, nodes: f.nodes[:0],
		text: decoder{cells: f.text.cells[:0], buf: f.text.buf[:0]}}
	files.Put(f)
}

// A file is the state of reading one file.
type file struct {
	s      scanner
	text   decoder
	shape  codec.Shape
	doc    *codec.Doc
	nodes  []codec.ID // by column
	issues []fhir.Issue
}

func (f *file) fault(sev fhir.Severity, code fhir.Code, source, format string, args ...any) {
	f.issues = append(f.issues, fhir.Issue{Severity: sev, Code: code, Source: source, Text: fmt.Sprintf(format, args...)})
}

// header reads the first row and finds the columns. It reports false when the
// file must be refused; then no name from the file is shown, because a file
// without a header starts with somebody's data.
func (f *file) header() bool {
	cells, err := f.cells()
	switch {
	case errors.Is(err, io.EOF):
		f.fault(fhir.SeverityError, fhir.Structure, "header", "the file is empty: expected a header row")
		return false
	case err != nil:
		f.fault(fhir.SeverityError, fhir.Structure, "header", "the header row cannot be read: %s", broken(err))
		return false
	}
	if f.usual(cells) {
		for _, name := range f.shape.Fields {
			f.nodes = append(f.nodes, f.doc.Add(codec.Root, codec.Step{Name: name}, ""))
		}
		return true
	}
	known := make(map[string]string, len(f.shape.Fields))
	for _, name := range f.shape.Fields {
		for _, n := range f.shape.Names(name) {
			known[plainName(n)] = n
		}
	}
	column := map[string]int{}
	for i, c := range cells {
		name := plainName(c)
		if first, twice := column[name]; twice && name != "" {
			f.fault(fhir.SeverityError, fhir.Structure, fmt.Sprintf("header, column %d", i+1), "the column has the same name as column %d", first)
			continue
		}
		column[name] = i + 1
	}
	for _, name := range f.shape.Required {
		there := func(n string) bool { return column[plainName(n)] > 0 }
		if !slices.ContainsFunc(f.shape.Names(name), there) && !f.shape.Told(name, there) {
			f.fault(fhir.SeverityError, fhir.Required, "header, "+name, "the column is missing: expected a header row with comma-separated column names")
		}
	}
	if fhir.Faults(f.issues) != nil {
		return false
	}
	f.columns(cells, known)
	return true
}

// usual reports a header that is the format's own, letter by letter: then there
// is nothing to find.
func (f *file) usual(cells []string) bool {
	if !slices.Equal(cells, f.shape.Fields) {
		return false
	}
	for _, name := range f.shape.Required {
		if !slices.Contains(cells, name) {
			return false
		}
	}
	return true
}

// columns makes the record's nodes, which every row fills again.
func (f *file) columns(cells []string, known map[string]string) {
	for i, c := range cells {
		name, ok := known[plainName(c)]
		if !ok {
			if name = fhir.SafeName(c); name == "?" {
				name = fmt.Sprintf("column %d", i+1)
			}
			f.fault(fhir.SeverityWarning, fhir.NotSupported, "header, "+name, "the format has no such column: its values are reported as residue")
		}
		f.nodes = append(f.nodes, f.doc.Add(codec.Root, codec.Step{Name: name}, ""))
	}
}

func (f *file) rows(yield func(*codec.Doc, []fhir.Issue) bool) {
	for f.doc.Row = 1; ; f.doc.Row++ {
		cells, err := f.cells()
		if errors.Is(err, io.EOF) {
			return
		}
		var faults []fhir.Issue
		switch {
		case err != nil && broken(err) == "":
			f.fault(fhir.SeverityError, fhir.Invalid, fmt.Sprintf("row %d", f.doc.Row), "reading the file failed here; the rows before stand")
			return
		case err != nil:
			faults = f.rowFault(broken(err))
		case len(cells) != len(f.nodes):
			faults = f.rowFault(fmt.Sprintf("the row has %d cells: expected %d, as in the header", len(cells), len(f.nodes)))
		default:
			for i, c := range cells {
				f.doc.Set(f.nodes[i], c, codec.Text)
			}
		}
		if !yield(f.doc, faults) {
			return
		}
	}
}

func (f *file) rowFault(text string) []fhir.Issue {
	return []fhir.Issue{{Severity: fhir.SeverityError, Code: fhir.Structure, Source: fmt.Sprintf("row %d", f.doc.Row), Text: text}}
}

// broken says what is wrong with a row; "" when the reader itself failed.
func broken(err error) string {
	for _, e := range [...]error{errQuote, errOpen, errLong, errMixed, errByte} {
		if errors.Is(err, e) {
			return e.Error()
		}
	}
	return ""
}

// cells reads one row as text. All cells share one string.
func (f *file) cells() ([]string, error) {
	if err := f.s.next(); err != nil {
		return nil, err
	}
	was := f.text.kind
	row, err := f.text.decode(f.s.row, f.s.ends)
	if err != nil {
		return nil, err
	}
	if f.text.kind == windows1252 && was != windows1252 {
		f.fault(fhir.SeverityWarning, fhir.Information, "", "the file is not UTF-8: it was read as Windows-1252; please send UTF-8")
	}
	return row, nil
}

// A decoder turns bytes into text and remembers which encoding the file has.
type decoder struct {
	kind  encoding
	cells []string
	buf   []byte
}

type encoding uint8

const (
	undecided encoding = iota // ASCII so far
	unicodeText
	windows1252
)

var (
	errMixed = errors.New("the row mixes UTF-8 and Windows-1252 with the rest of the file")
	errByte  = errors.New("the row holds a byte that has no meaning in UTF-8 or Windows-1252")
)

func (d *decoder) decode(row []byte, ends []int) ([]string, error) {
	d.cells = d.cells[:0]
	if err := d.decide(row); err != nil {
		return nil, err
	}
	if d.kind == windows1252 {
		var err error
		if row, ends, err = d.widen(row, ends); err != nil {
			return nil, err
		}
	}
	all, start := string(row), 0
	for _, end := range ends {
		d.cells = append(d.cells, all[start:end])
		start = end
	}
	return d.cells, nil
}

// decide settles the encoding at the first row that is not ASCII.
func (d *decoder) decide(row []byte) error {
	ascii := true
	for _, c := range row {
		ascii = ascii && c < utf8.RuneSelf
	}
	if ascii {
		return nil
	}
	valid := utf8.Valid(row)
	switch {
	case d.kind == undecided && valid:
		d.kind = unicodeText
	case d.kind == undecided:
		d.kind = windows1252
	case valid != (d.kind == unicodeText):
		return errMixed
	}
	return nil
}

// widen rewrites a row of Windows-1252 as UTF-8.
func (d *decoder) widen(row []byte, ends []int) ([]byte, []int, error) {
	d.buf = d.buf[:0]
	out, from, ok := make([]int, 0, len(ends)), 0, false
	for _, end := range ends {
		if d.buf, ok = codec.AppendWindows1252(d.buf, row[from:end]); !ok {
			return nil, nil, errByte
		}
		from = end
		out = append(out, len(d.buf))
	}
	return d.buf, out, nil
}
