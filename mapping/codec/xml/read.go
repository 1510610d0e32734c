package xml

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strconv"
	"strings"

	"trellis.example/fhir"
	"trellis.example/mapping/codec"
)

// Read yields the document's record, or those of a batch.
func (Syntax) Read(r io.Reader, shape codec.Shape, yield func(*codec.Doc, []fhir.Issue) bool) []fhir.Issue {
	x := &reader{src: newSource(r), yield: yield, doc: codec.NewDoc(), names: names{declared: shape.Namespaces}}
	x.doc.Own = own
	if shape.Record != "" {
		steps, err := Syntax{}.Path(shape.Record)
		if err != nil {
			return []fhir.Issue{{Severity: fhir.SeverityError, Code: fhir.Exception, Text: "the map's record path is wrong"}}
		}
		x.path = steps
	}
	x.dec = xml.NewDecoder(x.src)
	x.dec.CharsetReader = x.charset
	if err := x.document(); err != nil {
		x.broken(err)
	}
	if x.src.said != "" {
		x.report(fhir.SeverityWarning, fhir.Information, "", "the document is not UTF-8: it was read as "+x.src.said+"; please send UTF-8")
	}
	return x.issues
}

// A reader builds the records of one document.
type reader struct {
	src   *source
	dec   *xml.Decoder
	yield func(*codec.Doc, []fhir.Issue) bool
	path  []codec.Step // of the records; nil when the document is one
	names names

	doc    *codec.Doc
	open   []level
	inside int // the depth of the record's element; 0 outside of records
	row    int
	counts map[sibling]count
	begun  bool // something was read
	closed bool // the document element was
	issues []fhir.Issue
}

// A level is an element that is open.
type level struct {
	raw    xml.Name
	id     codec.ID // in a record
	beside bool     // belongs to no record: passed over
	text   []byte   // since the last child
	kids   bool     // has child elements
	mixed  bool     // has text between them
}

// A sibling is the name of a node below its parent; a count says how many there
// are and which was the first.
type sibling struct {
	parent codec.ID
	name   string
}

type count struct {
	first codec.ID
	n     int
}

// A fault ends the reading; its text shows no content.
type fault struct {
	code  fhir.Code
	place string
	text  string
}

func (f *fault) Error() string { return f.text }

var errStop = errors.New("the caller wants no more")

func (x *reader) report(sev fhir.Severity, code fhir.Code, place, text string) {
	x.issues = append(x.issues, fhir.Issue{Severity: sev, Code: code, Source: place, Text: text})
}

// broken reports what ended the reading.
func (x *reader) broken(err error) {
	line, column := x.dec.InputPos()
	at := "line " + strconv.Itoa(line) + ", column " + strconv.Itoa(column)
	if f, ok := errors.AsType[*fault](err); ok {
		if f.place != "" {
			at = f.place
		}
		x.report(fhir.SeverityError, f.code, at, f.text)
		return
	}
	_, isSyntax := errors.AsType[*xml.SyntaxError](err)
	switch {
	case errors.Is(err, errStop):
	case errors.Is(err, errLong):
		x.report(fhir.SeverityError, fhir.TooLong, at, "the record is larger than "+strconv.Itoa(MaxRecord)+" bytes")
	case errors.Is(err, errCharset):
		x.report(fhir.SeverityError, fhir.NotSupported, "", errCharset.Error()+": please send UTF-8")
	case errors.Is(err, errByte):
		x.report(fhir.SeverityError, fhir.Invalid, at, errByte.Error())
	case isSyntax, errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), strings.HasPrefix(err.Error(), "xml:"):
		x.report(fhir.SeverityError, fhir.Invalid, at, "the document is not well-formed XML 1.0 here: elements are nested and closed, attributes are quoted, & begins one of &amp; &lt; &gt; &quot; &apos; or a character number")
	default:
		x.report(fhir.SeverityError, fhir.Invalid, at, "the document could not be read to its end")
	}
}

// charset is asked when the XML declaration names an encoding.
func (x *reader) charset(name string, in io.Reader) (io.Reader, error) {
	if x.begun {
		return nil, &fault{code: fhir.Invalid, text: "an XML declaration stands at the start of the document only"}
	}
	return x.src.declared(name, in)
}

// document reads tokens to the end of the document.
func (x *reader) document() error {
	for {
		tok, err := x.dec.RawToken()
		if errors.Is(err, io.EOF) && len(x.open) == 0 && x.closed {
			return nil
		}
		if err != nil {
			return err
		}
		if err := x.token(tok); err != nil {
			return err
		}
		x.begun = true
	}
}

func (x *reader) token(tok xml.Token) error {
	switch t := tok.(type) {
	case xml.StartElement:
		return x.start(t)
	case xml.EndElement:
		return x.end(t.Name)
	case xml.CharData:
		return x.text(t)
	case xml.ProcInst:
		if strings.EqualFold(t.Target, "xml") && x.begun {
			return &fault{code: fhir.Invalid, text: "an XML declaration stands at the start of the document only"}
		}
	case xml.Directive:
		return &fault{code: fhir.NotSupported, text: "document type declarations are not accepted: send the document without one"}
	}
	return nil
}

func (x *reader) start(t xml.StartElement) error {
	switch {
	case x.closed:
		return &fault{code: fhir.Invalid, text: "there is something after the end of the document"}
	case len(x.open) >= fhir.MaxDepth:
		return &fault{code: fhir.TooLong, text: "the document is nested deeper than " + strconv.Itoa(fhir.MaxDepth) + " levels"}
	case len(t.Attr) > MaxAttributes:
		return &fault{code: fhir.TooLong, text: "an element has more than " + strconv.Itoa(MaxAttributes) + " attributes"}
	}
	attrs, err := x.names.enter(len(x.open)+1, t.Attr)
	if err != nil {
		return err
	}
	name, err := x.names.element(t.Name)
	if err != nil {
		return err
	}
	if len(x.open) == 0 && strings.HasPrefix(name, "*:") {
		return &fault{code: fhir.Structure, place: "/*", text: "the document's element is not in the namespace of this format"}
	}
	x.push(t.Name)
	if x.inside > 0 {
		return x.element(name, attrs)
	}
	return x.outside(name, attrs)
}

// push opens an element; the memory for its text is that of the last one at this
// depth.
func (x *reader) push(name xml.Name) {
	var text []byte
	if n := len(x.open); n < cap(x.open) {
		text = x.open[:n+1][n].text[:0]
	}
	x.open = append(x.open, level{raw: name, text: text})
}

// outside takes an element that stands in no record: it may begin one.
func (x *reader) outside(name string, attrs []attribute) error {
	depth, last := len(x.open), len(x.path)-1
	here := &x.open[depth-1]
	switch {
	case depth > 1 && x.open[depth-2].beside:
		here.beside = true
	case x.path == nil, depth == 1 && last > 0 && name == x.path[last].Name: // the record by itself
		return x.begin(name, attrs, 0)
	case depth <= last && name == x.path[depth-1].Name:
		for _, a := range attrs {
			x.beside(x.place(depth) + "/" + string(appendName(nil, a.name)))
		}
	case depth == last+1 && name == x.path[last].Name:
		x.row++
		return x.begin(name, attrs, x.row)
	case depth == 1:
		return &fault{code: fhir.Structure, place: "/*", text: "expected a document that begins with the element " + x.path[0].Name}
	default:
		here.beside = true
		x.beside(x.place(depth-1) + "/" + string(appendName(nil, name)))
	}
	return nil
}

// place is the place of the element at a depth on the way to the records.
func (x *reader) place(depth int) string {
	var b []byte
	for _, s := range x.path[:depth] {
		b = append(append(b, '/'), s.Name...)
	}
	return string(b)
}

// beside names something that belongs to no record, a few times.
func (x *reader) beside(place string) {
	const most = 100
	if len(x.issues) < most {
		x.report(fhir.SeverityWarning, fhir.NotSupported, place, "this stands beside the records: no record carries it")
	}
}

// begin starts a record with its element.
func (x *reader) begin(name string, attrs []attribute, row int) error {
	x.doc.Reset()
	x.doc.Row = row
	x.counts = map[sibling]count{}
	x.inside = len(x.open)
	x.src.until = x.src.read + MaxRecord
	return x.element(name, attrs)
}

// element adds an element to the record.
func (x *reader) element(name string, attrs []attribute) error {
	parent := codec.Root
	if n := len(x.open) - 1; n >= x.inside {
		up := &x.open[n-1]
		x.piece(up)
		up.kids, parent = true, up.id
	}
	id := x.add(parent, name)
	x.open[len(x.open)-1].id = id
	for _, a := range attrs {
		x.doc.Add(id, codec.Step{Name: a.name}, a.value)
	}
	if x.doc.Len() > MaxNodes {
		return &fault{code: fhir.TooLong, text: "the record has more than " + strconv.Itoa(MaxNodes) + " elements, attributes and texts"}
	}
	return nil
}

// add adds a node and numbers those of one name.
func (x *reader) add(parent codec.ID, name string) codec.ID {
	id := x.doc.Add(parent, codec.Step{Name: name}, "")
	key := sibling{parent, name}
	c := x.counts[key]
	if c.n++; c.n == 1 {
		c.first = id
	} else {
		if c.n == 2 {
			x.doc.SetOrdinal(c.first, 1)
		}
		x.doc.SetOrdinal(id, c.n)
	}
	x.counts[key] = c
	return id
}

// piece keeps text that stands before, between or behind child elements.
func (x *reader) piece(l *level) {
	if len(l.text) > 0 && (l.mixed || len(bytes.TrimSpace(l.text)) > 0) {
		x.doc.Set(x.add(l.id, own), string(l.text), codec.Text)
		l.mixed = true
	}
	l.text = l.text[:0]
}

func (x *reader) text(t xml.CharData) error {
	blank := len(bytes.TrimSpace(t)) == 0
	switch n := len(x.open); {
	case n == 0 && blank:
	case n == 0:
		return &fault{code: fhir.Invalid, text: "there is text outside the document's element"}
	case x.inside > 0:
		x.open[n-1].text = append(x.open[n-1].text, t...)
	case !blank && !x.open[n-1].beside:
		x.beside(x.place(n) + "/" + own)
	}
	return nil
}

func (x *reader) end(name xml.Name) error {
	n := len(x.open)
	if n == 0 || x.open[n-1].raw != name {
		return &fault{code: fhir.Invalid, text: "an end tag closes no open element: elements are nested and each is closed"}
	}
	l := &x.open[n-1]
	x.names.leave(n)
	if x.inside > 0 {
		x.leave(l)
	}
	x.open = x.open[:n-1]
	x.closed = n == 1
	if x.inside != n {
		return nil
	}
	x.inside = 0
	x.src.until = x.src.read + MaxRecord
	if !x.yield(x.doc, nil) {
		return errStop
	}
	return nil
}

// leave gives an element its text.
func (x *reader) leave(l *level) {
	switch {
	case l.kids:
		x.piece(l)
	case x.doc.First(l.id) == codec.None:
		x.doc.Set(l.id, string(l.text), codec.Text)
	case len(bytes.TrimSpace(l.text)) > 0:
		x.doc.Add(l.id, codec.Step{Name: own}, string(l.text))
	}
}
