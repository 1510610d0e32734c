package hl7v2

import (
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"

	"trellis.example/fhir"
	"trellis.example/mapping"
	"trellis.example/mapping/codec"
	"trellis.example/mapping/codec/hl7v2"
)

// Options are what the partner's agreement says about reading its messages.
type Options struct {
	// ImpliedConsent says that the agreement rests on implied consent for
	// direct care. A referral without CON then gets a Consent with policy rule
	// IMPLIED and is active; otherwise it is a draft, with a warning.
	ImpliedConsent bool
}

// A Format reads and writes HL7 v2 referral messages. It is immutable and safe
// for concurrent use.
type Format struct {
	m    *mapping.Map
	o    Options
	docs *sync.Pool // of *codec.Doc
}

var _ mapping.Format = (*Format)(nil)

// New compiles the map of the format's folder.
func New(files fs.FS, lib mapping.Library) (*Format, error) {
	m, err := mapping.Compile(files, lib)
	if err != nil {
		return nil, err
	}
	return &Format{m: m, docs: &sync.Pool{New: func() any { return codec.NewDoc() }}}, nil
}

// With returns the format as one partner's agreement has it.
func (f *Format) With(o Options) *Format { return &Format{m: f.m, o: o, docs: f.docs} }

// Map returns the compiled map.
func (f *Format) Map() *mapping.Map { return f.m }

// Info describes the format.
func (f *Format) Info() mapping.Info { return f.m.Info() }

// ReadStream reads one message; see [Format.Read].
func (f *Format) ReadStream(r io.Reader, yield func(mapping.Record) bool) []fhir.Issue {
	b, err := io.ReadAll(io.LimitReader(r, hl7v2.MaxMessage+1))
	if err != nil {
		return []fhir.Issue{{Code: fhir.Invalid, Text: "the document could not be read to its end"}}
	}
	res := f.Read(b)
	for _, rec := range res.Records {
		if !yield(rec) {
			break
		}
	}
	return res.Faults
}

// Read reads one message. Faults of the Result are faults of syntax or of the
// header and mean AR; faults of the Record mean AE. The record's key is RF1-6,
// or MSH-10 when the message has none.
func (f *Format) Read(doc []byte) mapping.Result {
	res := mapping.Result{Map: f.m.Name()}
	m, err := hl7v2.Parse(slices.Clone(doc))
	if err != nil {
		res.Faults = fhir.AsError(err).Issues
		return res
	}
	h := header(m)
	if res.Faults = h.Check(); len(res.Faults) > 0 {
		return res
	}
	res.Records = []mapping.Record{f.record(m, h)}
	return res
}

// record maps a message whose header is in order.
func (f *Format) record(m *hl7v2.Message, h Header) mapping.Record {
	basis := "none"
	if f.o.ImpliedConsent {
		basis = "implied"
	}
	d := f.docs.Get().(*codec.Doc)
	defer f.docs.Put(d)
	issues := hl7v2.Record(d, m, basis, reference(m, h))
	issues = append(issues, structure(m)...)
	issues = append(issues, f.remarks(m, h)...)
	rec := f.m.ReadDoc(d)
	rec.Faults = append(issues, rec.Faults...)
	rec.Losses = slices.DeleteFunc(rec.Losses, func(l mapping.Loss) bool { return envelope(m, l) })
	rec.Losses = append(rec.Losses, birthTime(m)...)
	if rec.Refused() {
		rec.Bundle, rec.Places = nil, nil
	}
	return rec
}

// reference is the sender's own reference for the referral: RF1-6, and without
// one the placer's order number or the control id.
func reference(m *hl7v2.Message, h Header) string {
	if id := m.Get("RF1-6.1"); id != "" {
		return id
	}
	return h.ControlID
}

// envelope reports losses that are none: the header, which this package reads
// itself, set ids, which only number segments, what the receiver added, and
// the words and table name beside a code whose table the map has.
func envelope(m *hl7v2.Message, l mapping.Loss) bool {
	if l.Rule != "residue" {
		return false
	}
	if strings.HasPrefix(l.Source, "MSH-") || strings.HasPrefix(l.Source, "@") {
		return true
	}
	p, ok := hl7v2.ParsePath(l.Source)
	if !ok || p.Sub != 0 {
		return false
	}
	switch p.Component {
	case 0, 1:
		return p.Field == 1 && hasSetID(p.Segment)
	case 2:
		return codedBy(p) != ""
	case 3:
		table := codedBy(p)
		return table != "" && m.At(p).Text() == table
	}
	return false
}

// hasSetID reports the segments whose first field numbers them.
func hasSetID(segment string) bool {
	return strings.Contains("PID NK1 DG1 AL1 OBR OBX NTE PV1 CON", segment)
}

// codedBy returns the table of a coded field that the map reads by its code
// alone.
func codedBy(p hl7v2.Path) string {
	switch p.Segment + "-" + itoa(p.Field) {
	case "RF1-1":
		return "HL70283"
	case "RF1-2":
		return "HL70280"
	case "PRD-1":
		return "HL70286"
	case "AL1-2":
		return "HL70127"
	case "AL1-4":
		return "HL70128"
	case "OBX-8":
		return "HL70078"
	case "PV1-2":
		return "HL70004"
	case "NTE-4":
		return "HL70364"
	case "CON-11":
		return "HL70498"
	}
	return ""
}

// birthTime reports the time of birth, for which a birthDate has no room.
func birthTime(m *hl7v2.Message) []mapping.Loss {
	if v := m.First("PID").Field(7).Rep(0).Component(1); len(v.Text()) > 8 {
		return []mapping.Loss{{Source: v.Place(), Rule: "born", Text: "the time of birth is not carried"}}
	}
	return nil
}
