// Package form reads and writes what web forms send: names and values, as
// application/x-www-form-urlencoded (the URL standard, section 5) or
// multipart/form-data (RFC 7578). One submission is one record.
//
// A path is the name of a field. A name that is sent several times is a list;
// so is one written with brackets, "reasons[]" or "reasons[0]", even when it is
// sent once: its path is "reasons[]".
//
// What the package promises:
//   - The two syntaxes cannot be taken for each other: a multipart document
//     begins with its boundary, on a line of its own, and a urlencoded one is a
//     single line. The boundary is read there; text before it is refused.
//   - Values are UTF-8; a broken percent sign, another character set or
//     encoding is a fault of its field, and all such faults are reported at once.
//   - Files are refused, not dropped: a form's map has places for text alone, and
//     a sender who attached something must hear that it did not arrive. A file
//     input that was left empty is passed over.
//   - There are limits on the size, on the number of fields and on the length of
//     names. No fault shows a value, nor a name that does not look like one.
//   - What is written is urlencoded, in the order of the format's fields.
package form

import (
	"bytes"
	"errors"
	"io"
	"net/url"
	"strconv"
	"strings"

	"trellis.example/fhir"
	"trellis.example/mapping/codec"
)

// Limits on what a stranger may send.
const (
	// MaxDocument is the largest submission, in bytes.
	MaxDocument = 1 << 20
	// MaxFields is the largest number of values.
	MaxFields = 1000
	// MaxName is the longest name of a field, in bytes.
	MaxName = 128
)

// Syntax is the [codec.Syntax] of web forms.
type Syntax struct{}

var _ codec.Syntax = Syntax{}

// Path compiles the name of a field; brackets behind it say that it is a list.
func (Syntax) Path(path string) ([]codec.Step, error) {
	s := step(path)
	if s.Name == "" || len(s.Name) > MaxName || strings.ContainsAny(path, "&=\r\n") || path != strings.TrimSpace(path) {
		return nil, errors.New("expected the name of a field, such as last_name, or reasons[] for a list")
	}
	return []codec.Step{s}, nil
}

// step reads a name: "reasons[]" and "reasons[3]" are elements of a list.
func step(name string) codec.Step {
	if i := strings.LastIndexByte(name, '['); i > 0 && strings.HasSuffix(name, "]") {
		if index := name[i+1 : len(name)-1]; len(index) < 5 && strings.Trim(index, "0123456789") == "" {
			return codec.Step{Name: name[:i], Repeats: true}
		}
	}
	return codec.Step{Name: name}
}

// Place names a field, and which of its values when there are several:
// "reasons, value 2".
func (Syntax) Place(d *codec.Doc, at codec.ID, rest []codec.Step) string {
	return string(Syntax{}.AppendPlace(nil, d, at, rest))
}

// AppendPlace appends the place that [Syntax.Place] names.
func (Syntax) AppendPlace(dst []byte, d *codec.Doc, at codec.ID, rest []codec.Step) []byte {
	switch {
	case at == codec.Root && len(rest) == 0:
		return dst
	case at == codec.Root:
		return append(dst, safeName(rest[0].Name)...)
	}
	dst = append(dst, safeName(d.Name(at))...)
	if n := d.Ordinal(at); n > 0 {
		dst = strconv.AppendInt(append(dst, ", value "...), int64(n), 10)
	}
	return dst
}

// nesting takes out what forms nest names with.
var nesting = strings.NewReplacer("[", "", "]", "", ".", "", ":", "")

// safeName is a name that may be shown: words, with the brackets and dots in
// which forms nest them.
func safeName(name string) string {
	if fhir.SafeName(nesting.Replace(name)) == "?" {
		return "?"
	}
	return name
}

// Read yields the submission.
func (Syntax) Read(r io.Reader, _ codec.Shape, yield func(*codec.Doc, []fhir.Issue) bool) []fhir.Issue {
	b, err := io.ReadAll(io.LimitReader(r, MaxDocument+1))
	f := &form{doc: codec.NewDoc(), last: map[string]count{}}
	switch {
	case err != nil:
		f.fault(fhir.Invalid, "", "the document could not be read to its end")
	case len(b) > MaxDocument:
		f.fault(fhir.TooLong, "", "the submission is larger than "+strconv.Itoa(MaxDocument)+" bytes")
	case bytes.HasPrefix(b, []byte("--")) && bytes.ContainsAny(b, "\r\n"):
		f.multipart(b)
	default:
		f.urlencoded(bytes.TrimRight(b, "\r\n"))
	}
	if len(f.issues) == 0 {
		yield(f.doc, nil)
	}
	return f.issues
}

// A form is the state of reading one submission.
type form struct {
	doc    *codec.Doc
	n      int
	last   map[string]count
	issues []fhir.Issue
}

// A count is how many values of a name there are, and the first.
type count struct {
	first codec.ID
	n     int
}

func (f *form) fault(code fhir.Code, place, text string) {
	const most = 100
	if len(f.issues) < most {
		f.issues = append(f.issues, fhir.Issue{Severity: fhir.SeverityError, Code: code, Source: place, Text: text})
	}
}

// field is how faults call the field that is being read.
func (f *form) field(name string) string {
	if name = safeName(step(name).Name); name != "?" {
		return name
	}
	return "field " + strconv.Itoa(f.n)
}

// room counts a value; false says that there are too many.
func (f *form) room() bool {
	if f.n++; f.n > MaxFields {
		f.fault(fhir.TooLong, "", "the submission has more than "+strconv.Itoa(MaxFields)+" values")
		return false
	}
	return true
}

// add adds a value.
func (f *form) add(name, value string) {
	if name == "" || len(name) > MaxName {
		f.fault(fhir.Invalid, f.field(""), "expected a field name of 1 to "+strconv.Itoa(MaxName)+" bytes")
		return
	}
	if name == "_charset_" { // how the browser wrote the form, not what was filled in
		if !strings.EqualFold(value, "utf-8") {
			f.fault(fhir.NotSupported, name, "send the form in UTF-8")
		}
		return
	}
	s := step(name)
	id := f.doc.Add(codec.Root, s, value)
	c := f.last[s.Name]
	if c.n++; c.n == 1 {
		c.first = id
	} else {
		f.doc.SetOrdinal(c.first, 1)
		f.doc.SetOrdinal(id, c.n)
	}
	f.last[s.Name] = c
}

// urlencoded reads name=value&name=value.
func (f *form) urlencoded(b []byte) {
	if bytes.ContainsAny(b, "\r\n\x00") {
		f.fault(fhir.Invalid, "", "a urlencoded submission is one line: line breaks in values are written %0D%0A")
		return
	}
	for pair := range strings.SplitSeq(string(b), "&") {
		if pair == "" {
			continue
		}
		if !f.room() {
			return
		}
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, ok := decode(rawName)
		if !ok {
			f.fault(fhir.Invalid, f.field(""), "the name cannot be read: % is followed by two hexadecimal digits, and the text is UTF-8")
			continue
		}
		value, ok := decode(rawValue)
		if !ok {
			f.fault(fhir.Invalid, f.field(name), "the value cannot be read: % is followed by two hexadecimal digits, and the text is UTF-8")
			continue
		}
		f.add(name, value)
	}
}

// Blank returns an empty record.
func (Syntax) Blank(shape codec.Shape) *codec.Doc {
	d := codec.NewDoc()
	d.Shape = shape
	return d
}

// Write returns the submission, urlencoded. Code processing says that a value
// is no text but a tree.
func (Syntax) Write(d *codec.Doc) ([]byte, error) {
	d.Sort(codec.NewOrder(Syntax{}, d.Shape.Fields))
	var b []byte
	for c := d.First(codec.Root); c != codec.None; c = d.Next(c) {
		if d.First(c) != codec.None {
			return nil, fhir.Errorf(fhir.Processing, "a form has no place for a value with parts")
		}
		if d.Text(c) == "" {
			continue
		}
		if len(b) > 0 {
			b = append(b, '&')
		}
		b = append(b, url.QueryEscape(d.Name(c))...)
		if d.Repeats(c) {
			b = append(b, "%5B%5D"...)
		}
		b = append(append(b, '='), url.QueryEscape(d.Text(c))...)
	}
	return b, nil
}
