package mapping

import (
	"bytes"
	"io"
	"slices"

	"trellis.example/fhir"
	"trellis.example/mapping/codec"
)

// Read reads a whole document. It keeps no part of doc.
func (m *Map) Read(doc []byte) Result {
	res := Result{Map: m.Name()}
	res.Faults = m.ReadStream(bytes.NewReader(doc), func(r Record) bool {
		res.Records = append(res.Records, r)
		return true
	})
	return res
}

// ReadStream reads a document record by record. The memory it needs does not
// grow with the number of records. A key that occurs twice in one document is
// the caller's affair.
func (m *Map) ReadStream(r io.Reader, yield func(Record) bool) []fhir.Issue {
	x := m.runs.Get().(*run)
	defer m.runs.Put(x)
	return m.syntax.Read(r, m.shape, func(d *codec.Doc, faults []fhir.Issue) bool {
		return yield(x.record(d, faults))
	})
}

// ReadStreamExcept is [Map.ReadStream] without the records that skip asks to pass
// over, by their row and key, before they are mapped: for those that the caller
// has read before.
func (m *Map) ReadStreamExcept(r io.Reader, skip func(row int, key string) bool, yield func(Record) bool) []fhir.Issue {
	x := m.runs.Get().(*run)
	defer m.runs.Put(x)
	return m.syntax.Read(r, m.shape, func(d *codec.Doc, faults []fhir.Issue) bool {
		if d != nil && fhir.Faults(faults) == nil {
			x.reset(d)
			x.frame(frame{parent: -1, node: codec.Root})
			if skip(d.Row, x.key()) {
				return true
			}
		}
		return yield(x.record(d, faults))
	})
}

// ReadDoc maps one record that the caller's codec has read: for formats whose
// documents need more than a map, such as HL7 v2 acknowledgements.
func (m *Map) ReadDoc(d *codec.Doc) Record {
	x := m.runs.Get().(*run)
	defer m.runs.Put(x)
	return x.record(d, nil)
}

func (x *run) record(d *codec.Doc, faults []fhir.Issue) Record {
	switch {
	case d == nil:
		return Record{Faults: slices.Clone(faults)}
	case fhir.Faults(faults) != nil: // its cells cannot be trusted
		return Record{Row: d.Row, Faults: slices.Clone(faults)}
	}
	rec := x.read(d)
	rec.Faults = append(slices.Clone(faults), rec.Faults...)
	return rec
}

// Syntax returns the codec that the map was compiled with.
func (m *Map) Syntax() codec.Syntax { return m.syntax }
