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

// Read yields the document's record, or those of a batch.
func (Syntax) Read(r io.Reader, shape codec.Shape, yield func(*codec.Doc, []fhir.Issue) bool) []fhir.Issue {
	head := make([]byte, 3)
	n, err := io.ReadFull(r, head)
	if head = head[:n]; err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return []fhir.Issue{unread}
	}
	head = bytes.TrimPrefix(head, []byte("\xef\xbb\xbf"))
	first, rest, err := firstByte(io.MultiReader(bytes.NewReader(head), r))
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return []fhir.Issue{unread}
	case shape.Record == "" && first != '[':
		return single(rest, yield)
	}
	steps, err := Syntax{}.Path(shape.Record)
	if err != nil && shape.Record != "" {
		return []fhir.Issue{{Severity: fhir.SeverityError, Code: fhir.Exception, Text: "the map's record path is wrong"}}
	}
	s := newStream(rest, yield)
	s.run(steps)
	return s.issues
}

var unread = fhir.Issue{Severity: fhir.SeverityError, Code: fhir.Invalid, Text: "the document could not be read to its end"}

// firstByte returns the first byte that is no white space, and the document.
func firstByte(r io.Reader) (byte, io.Reader, error) {
	var seen []byte
	one := make([]byte, 1)
	for len(seen) < 1<<16 {
		if _, err := io.ReadFull(r, one); err != nil {
			return 0, bytes.NewReader(seen), err
		}
		if seen = append(seen, one[0]); !bytes.ContainsAny(one, " \t\r\n") {
			break
		}
	}
	return one[0], io.MultiReader(bytes.NewReader(seen), r), nil
}

// single reads a document that is one record.
func single(r io.Reader, yield func(*codec.Doc, []fhir.Issue) bool) []fhir.Issue {
	b, err := io.ReadAll(io.LimitReader(r, MaxDocument+1))
	if err != nil {
		return []fhir.Issue{unread}
	}
	t, err := fhir.Parse(b, MaxDocument)
	if err != nil {
		return fhir.AsError(err).Issues
	}
	if t.Root().Kind() != fhir.Object {
		return []fhir.Issue{{Severity: fhir.SeverityError, Code: fhir.Structure, Text: "expected a JSON object, or an array of objects"}}
	}
	d := codec.NewDoc()
	members(d, codec.Root, t.Root())
	yield(d, nil)
	return nil
}

// A stream reads the records of a batch one by one.
type stream struct {
	dec    *jsontext.Decoder
	in     *bounded
	yield  func(*codec.Doc, []fhir.Issue) bool
	doc    *codec.Doc
	row    int
	found  bool // the array of the records
	ended  bool // yield wants no more
	issues []fhir.Issue
}

func newStream(r io.Reader, yield func(*codec.Doc, []fhir.Issue) bool) *stream {
	s := &stream{in: &bounded{r: r}, yield: yield, doc: codec.NewDoc()}
	s.dec = jsontext.NewDecoder(s.in)
	return s
}

// A bounded reader fails when a value needs more bytes than a record may have.
type bounded struct {
	r           io.Reader
	read, until int64
}

var errLong = errors.New("a record is too long")

func (b *bounded) Read(p []byte) (int, error) {
	if b.read >= b.until {
		return 0, errLong
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.until-b.read)])
	b.read += int64(n)
	return n, err
}

// allow lets the decoder read one more value.
func (s *stream) allow() { s.in.until = s.dec.InputOffset() + 2*MaxDocument }

func (s *stream) report(sev fhir.Severity, code fhir.Code, source, text string) {
	s.issues = append(s.issues, fhir.Issue{Severity: sev, Code: code, Source: source, Text: text})
}

// run reads the whole document.
func (s *stream) run(steps []codec.Step) {
	s.allow()
	err := s.descend(steps, "")
	if err == nil && !s.ended {
		_, err = s.dec.ReadToken()
		if err = syntax(err); err == nil {
			s.report(fhir.SeverityError, fhir.Invalid, "", "there is data after the end of the document")
			return
		}
	}
	switch {
	case s.ended:
	case errors.Is(err, io.EOF) && len(s.issues) == 0 && !s.found:
		s.report(fhir.SeverityError, fhir.Invalid, "", "the document is empty or ends early")
	case err != nil && !errors.Is(err, io.EOF):
		s.broken(err)
	}
}

// broken reports what ended the reading. No text of the document is shown.
func (s *stream) broken(err error) {
	at := ""
	if s.row > 0 {
		at = "row " + strconv.Itoa(s.row)
	}
	switch {
	case errors.Is(err, errLong):
		s.report(fhir.SeverityError, fhir.TooLong, at, "a record is larger than "+strconv.Itoa(MaxDocument)+" bytes; the rows before stand")
	case errors.Is(err, errSyntax), errors.Is(err, io.ErrUnexpectedEOF):
		s.report(fhir.SeverityError, fhir.Invalid, at, "the document is not strict JSON here or soon after; the rows before stand")
	default:
		s.report(fhir.SeverityError, fhir.Invalid, at, "reading the document failed here; the rows before stand")
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

// descend reads the value at a place: the records' array when no step is left.
func (s *stream) descend(steps []codec.Step, at string) error {
	kind := s.dec.PeekKind()
	if len(steps) == 0 {
		if kind == '[' {
			s.found = true
			return s.records()
		}
		return s.missing(at, "expected an array of objects")
	}
	if kind != '{' {
		return s.missing(at, "expected a JSON object")
	}
	if _, err := s.dec.ReadToken(); err != nil {
		return syntax(err)
	}
	met := false
	for s.dec.PeekKind() == '"' && !s.ended {
		tok, err := s.dec.ReadToken()
		if err != nil {
			return syntax(err)
		}
		s.allow()
		name := tok.String()
		if name == steps[0].Name {
			met = true
			err = s.descend(steps[1:], at+"/"+fhir.SafeName(name))
		} else {
			err = s.beside(at + "/" + fhir.SafeName(name))
		}
		if err != nil || s.ended {
			return err
		}
	}
	if _, err := s.dec.ReadToken(); err != nil {
		return syntax(err)
	}
	if !met {
		s.report(fhir.SeverityError, fhir.Required, at+"/"+steps[0].Name, "the document must have its records here: expected an array of objects")
	}
	return nil
}

// missing passes over a value that is not what the map says.
func (s *stream) missing(at, text string) error {
	if err := s.dec.SkipValue(); err != nil {
		return syntax(err)
	}
	s.report(fhir.SeverityError, fhir.Structure, at, text)
	return nil
}

// beside names a member that belongs to no record.
func (s *stream) beside(at string) error {
	kind := s.dec.PeekKind()
	if err := s.dec.SkipValue(); err != nil {
		return syntax(err)
	}
	if kind != 'n' && len(s.issues) < maxBeside {
		s.report(fhir.SeverityWarning, fhir.NotSupported, at, "this stands beside the records: no record carries it")
	}
	return nil
}

// maxBeside bounds the warnings of one document.
const maxBeside = 100

// records yields the elements of the array that comes next.
func (s *stream) records() error {
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

func (s *stream) record(v jsontext.Value) bool {
	s.doc.Reset()
	s.doc.Row = s.row
	t, err := fhir.Parse(bytes.Clone(v), MaxDocument)
	if err != nil {
		return s.yield(s.doc, s.faults(fhir.AsError(err).Issues))
	}
	if t.Root().Kind() != fhir.Object {
		return s.yield(s.doc, s.faults([]fhir.Issue{{Severity: fhir.SeverityError, Code: fhir.Structure, Text: "expected a JSON object"}}))
	}
	members(s.doc, codec.Root, t.Root())
	return s.yield(s.doc, nil)
}

// faults places the faults of a record.
func (s *stream) faults(issues []fhir.Issue) []fhir.Issue {
	for i := range issues {
		issues[i].Source = "row " + strconv.Itoa(s.row)
	}
	return issues
}

func members(d *codec.Doc, to codec.ID, v fhir.Value) {
	for m := range v.All() {
		add(d, to, codec.Step{Name: m.Key()}, m)
	}
}

// add adds a value: an array becomes siblings of one name. A null in an array
// keeps its place, so that the elements behind it keep theirs.
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
	case fhir.Null:
		if s.Repeats {
			d.Add(to, s, "")
		}
	}
}
