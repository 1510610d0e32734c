package json

import (
	"bytes"
	"errors"
	"io"

	"trellis.example/fhir"
	"trellis.example/mapping/codec"
)

// Read yields the document's record, or those of a batch.
func (Syntax) Read(r io.Reader, shape codec.Shape, yield func(*codec.Doc, []fhir.Issue) bool) []fhir.Issue {
	steps, err := Syntax{}.Path(shape.Record)
	if err != nil && shape.Record != "" {
		return []fhir.Issue{{Severity: fhir.SeverityError, Code: fhir.Exception, Text: "the map's record path is wrong"}}
	}
	if r, err = skipBOM(r); err != nil {
		return []fhir.Issue{unread}
	}
	if seeker, ok := r.(io.ReadSeeker); ok && len(steps) > 0 {
		return twice(seeker, steps, yield)
	}
	first, rest, err := firstByte(r)
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return []fhir.Issue{unread}
	case len(steps) == 0 && first != '[':
		return single(rest, yield)
	}
	s := newStream(rest, steps, yield)
	s.run()
	return s.issues
}

// twice reads a document that can be read again: first what stands beside the
// records, wherever it stands, then the records.
func twice(r io.ReadSeeker, steps []codec.Step, yield func(*codec.Doc, []fhir.Issue) bool) []fhir.Issue {
	start, err := r.Seek(0, io.SeekCurrent)
	if err != nil {
		return []fhir.Issue{unread}
	}
	first := newStream(r, steps, nil)
	first.gather = true
	first.run()
	if _, err := r.Seek(start, io.SeekStart); err != nil {
		return []fhir.Issue{unread}
	}
	s := newStream(r, steps, yield)
	s.outer, s.size, s.kept, s.gathered = first.outer, first.size, first.kept, true
	s.run()
	return s.issues
}

// skipBOM passes over a byte order mark.
func skipBOM(r io.Reader) (io.Reader, error) {
	head := make([]byte, 3)
	n, err := io.ReadFull(r, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return r, err
	}
	if string(head[:n]) == "\xef\xbb\xbf" {
		return r, nil
	}
	if seeker, ok := r.(io.ReadSeeker); ok {
		_, err := seeker.Seek(int64(-n), io.SeekCurrent)
		return seeker, err
	}
	return io.MultiReader(bytes.NewReader(head[:n]), r), nil
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
