package json

import (
	"bytes"
	"errors"
	"io"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"trellis.example/fhir"
	"trellis.example/mapping/codec"
)

// A stream reads the records of a batch one by one. The members that stand
// beside the records' array are kept and belong to each of them.
type stream struct {
	dec      *jsontext.Decoder
	in       *bounded
	steps    []codec.Step
	yield    func(*codec.Doc, []fhir.Issue) bool
	gather   bool // only the members beside the records are read
	gathered bool // that has been done
	outer    [][]member
	size     int // of outer, in bytes
	doc      *codec.Doc
	row      int
	found    bool         // the array of the records
	ended    bool         // yield wants no more
	kept     []fhir.Issue // faults of what stands beside the records
	issues   []fhir.Issue
}

// A member stands beside the records, or beside an object around them.
type member struct {
	name  string
	value *fhir.Tree
}

func newStream(r io.Reader, steps []codec.Step, yield func(*codec.Doc, []fhir.Issue) bool) *stream {
	s := &stream{in: &bounded{r: r}, steps: steps, yield: yield, doc: codec.NewDoc(), outer: make([][]member, len(steps))}
	s.dec = jsontext.NewDecoder(s.in)
	return s
}

// A bounded reader fails when a value needs more bytes than a record may have.
type bounded struct {
	r           io.Reader
	read, until int64
}

var errLong = errors.New("a record is too long")

// Read fills p: the decoder begins a value anew whenever it gets more of it, and
// a sender that drips bytes must not make it do so for each of them.
func (b *bounded) Read(p []byte) (int, error) {
	if b.read >= b.until {
		return 0, errLong
	}
	n, err := io.ReadFull(b.r, p[:min(int64(len(p)), b.until-b.read)])
	b.read += int64(n)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil // the next call says that this was the end
	}
	return n, err
}

// allow lets the decoder read one more value.
func (s *stream) allow() { s.in.until = s.dec.InputOffset() + 2*MaxDocument }

func (s *stream) report(code fhir.Code, source, text string) {
	s.issues = append(s.issues, fhir.Issue{Severity: fhir.SeverityError, Code: code, Source: source, Text: text})
}

// run reads the whole document.
func (s *stream) run() {
	s.allow()
	var err error
	if s.dec.PeekKind() == '[' {
		err = s.array()
	} else {
		err = s.walk(0, "")
	}
	if err == nil && !s.ended {
		_, err = s.dec.ReadToken()
		if err = syntax(err); err == nil {
			s.report(fhir.Invalid, "", "there is data after the end of the document")
		}
	}
	if s.issues = append(s.kept, s.issues...); s.gather {
		return
	}
	switch {
	case s.ended:
	case errors.Is(err, io.EOF):
		if !s.found && len(s.issues) == 0 {
			s.single()
		}
	case err != nil:
		s.broken(err)
	}
}

// single yields a document without the records' array: it is one record by
// itself.
func (s *stream) single() {
	if s.dec.InputOffset() == 0 {
		s.report(fhir.Invalid, "", "the document is empty")
		return
	}
	s.doc.Reset()
	s.beside()
	s.yield(s.doc, nil)
}

// broken reports what ended the reading. No text of the document is shown.
func (s *stream) broken(err error) {
	at := ""
	if s.row > 0 {
		at = "row " + strconv.Itoa(s.row)
	}
	switch {
	case errors.Is(err, errLong):
		s.report(fhir.TooLong, at, "a record is larger than "+strconv.Itoa(MaxDocument)+" bytes; the rows before stand")
	case errors.Is(err, errSyntax), errors.Is(err, io.ErrUnexpectedEOF):
		s.report(fhir.Invalid, at, "the document is not strict JSON here or soon after; the rows before stand")
	default:
		s.report(fhir.Invalid, at, "reading the document failed here; the rows before stand")
	}
}

// errSyntax marks faults of the document, as against those of the connection.
var errSyntax = errors.New("not strict JSON")

// syntax classifies what the decoder returned.
func syntax(err error) error {
	if _, ok := errors.AsType[*jsontext.SyntacticError](err); ok && !errors.Is(err, errLong) {
		return errSyntax
	}
	return err
}

// walk reads the object at a level of the way to the records.
func (s *stream) walk(level int, at string) error {
	if s.dec.PeekKind() != '{' {
		if err := s.dec.SkipValue(); err != nil {
			return syntax(err)
		}
		s.report(fhir.Structure, at, "expected a JSON object")
		return nil
	}
	if _, err := s.dec.ReadToken(); err != nil {
		return syntax(err)
	}
	for s.dec.PeekKind() == '"' && !s.ended {
		tok, err := s.dec.ReadToken()
		if err != nil {
			return syntax(err)
		}
		s.allow()
		if err := s.member(level, tok.String(), at); err != nil || s.ended {
			return err
		}
	}
	_, err := s.dec.ReadToken()
	return syntax(err)
}

// member reads the value of a member: the way to the records, or something
// beside it.
func (s *stream) member(level int, name, at string) error {
	place := at + "/" + fhir.SafeName(name)
	kind := s.dec.PeekKind()
	switch {
	case name != s.steps[level].Name || kind == 'n':
		return s.keep(level, name, place)
	case level+1 < len(s.steps):
		return s.walk(level+1, place)
	case kind == '[':
		return s.array()
	}
	if err := s.dec.SkipValue(); err != nil {
		return syntax(err)
	}
	s.report(fhir.Structure, place, "expected an array of objects")
	return nil
}

// keep keeps a member that stands beside the records.
func (s *stream) keep(level int, name, place string) error {
	if s.gathered || s.dec.PeekKind() == 'n' {
		return syntax(s.dec.SkipValue())
	}
	v, err := s.dec.ReadValue()
	if err != nil {
		return syntax(err)
	}
	if s.found && !s.gather {
		s.report(fhir.NotSupported, place, "this stands behind the records, which are read as they come: put it before them")
		return nil
	}
	if s.size += len(v); s.size > MaxDocument {
		err = fhir.Errorf(fhir.TooLong, "there are more than %d bytes beside the records", MaxDocument)
	}
	var t *fhir.Tree
	if err == nil {
		t, err = fhir.Parse(bytes.Clone(v), MaxDocument)
	}
	if err != nil {
		s.kept = append(s.kept, placed(fhir.AsError(err).Issues, place)...)
		return nil
	}
	s.outer[level] = append(s.outer[level], member{name, t})
	return nil
}

// beside adds what stands beside the records to the record. The record's own
// members win.
func (s *stream) beside() {
	to := codec.Root
	for level, list := range s.outer {
		if level > 0 {
			if s.size == 0 {
				return
			}
			up := to
			if to = s.doc.Child(up, s.steps[level-1].Name); to == codec.None {
				to = s.doc.Add(up, s.steps[level-1], "")
			}
		}
		for _, m := range list {
			if s.doc.Child(to, m.name) == codec.None {
				add(s.doc, to, codec.Step{Name: m.name}, m.value.Root())
			}
		}
	}
}

// array yields the elements of the array that comes next.
func (s *stream) array() error {
	if s.found = true; s.gather {
		return syntax(s.skipElements())
	}
	if _, err := s.dec.ReadToken(); err != nil {
		return syntax(err)
	}
	for k := s.dec.PeekKind(); k != ']'; k = s.dec.PeekKind() {
		s.allow()
		s.row++
		v, err := s.dec.ReadValue()
		if err != nil {
			return syntax(err)
		}
		if !s.record(v) {
			s.ended = true
			return nil
		}
	}
	s.allow()
	_, err := s.dec.ReadToken()
	return syntax(err)
}

// skipElements passes over an array, each element within the limit.
func (s *stream) skipElements() error {
	if _, err := s.dec.ReadToken(); err != nil {
		return err
	}
	for k := s.dec.PeekKind(); k != ']'; k = s.dec.PeekKind() {
		if s.allow(); s.dec.SkipValue() != nil {
			return errSyntax
		}
	}
	s.allow()
	_, err := s.dec.ReadToken()
	return err
}

func (s *stream) record(v jsontext.Value) bool {
	s.doc.Reset()
	s.doc.Row = s.row
	row := "row " + strconv.Itoa(s.row)
	t, err := fhir.Parse(bytes.Clone(v), MaxDocument)
	if err != nil {
		return s.yield(s.doc, placed(fhir.AsError(err).Issues, row))
	}
	if t.Root().Kind() != fhir.Object {
		return s.yield(s.doc, []fhir.Issue{{Severity: fhir.SeverityError, Code: fhir.Structure, Source: row, Text: "expected a JSON object"}})
	}
	members(s.doc, codec.Root, t.Root())
	s.beside()
	return s.yield(s.doc, nil)
}

// placed gives issues a place.
func placed(issues []fhir.Issue, at string) []fhir.Issue {
	for i := range issues {
		issues[i].Source = at
	}
	return issues
}
