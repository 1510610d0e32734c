package hl7v2

import (
	"embed"
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

//go:embed adt/map.yaml oru/map.yaml rri/map.yaml rri/tables
var kinds embed.FS

// Options are what the partner's agreement says about reading its messages.
type Options struct {
	// ImpliedConsent says that the agreement rests on implied consent for
	// direct care. A referral without CON then gets a Consent with policy rule
	// IMPLIED and is active; otherwise it is a draft, with a warning.
	ImpliedConsent bool
	// Charset is the character set of messages that state none in MSH-18;
	// "" means ASCII, as the standard says.
	Charset hl7v2.Charset
}

func (o Options) charset() hl7v2.Charset {
	if o.Charset == "" {
		return hl7v2.ASCII
	}
	return o.Charset
}

// A Format reads and writes HL7 v2 messages. It is immutable and safe for
// concurrent use.
type Format struct {
	m     *mapping.Map // referrals
	kinds map[Kind]*mapping.Map
	o     Options
	docs  *sync.Pool // of *codec.Doc
}

var _ mapping.Format = (*Format)(nil)

// New compiles the map of the format's folder, and those of the kinds of
// messages that are no referrals, which build on it.
func New(files fs.FS, lib mapping.Library) (*Format, error) {
	m, err := mapping.Compile(files, lib)
	if err != nil {
		return nil, err
	}
	f := &Format{m: m, kinds: map[Kind]*mapping.Map{Referral: m}, docs: &sync.Pool{New: func() any { return codec.NewDoc() }}}
	own := lib
	own.Folder = func(string) (fs.FS, error) { return files, nil }
	own.Tables = tableFiles{files, lib.Tables}
	for kind, folder := range map[Kind]string{Visit: "adt", Result: "oru", Response: "rri"} {
		sub, err := fs.Sub(kinds, folder)
		if err == nil {
			f.kinds[kind], err = mapping.Compile(sub, own)
		}
		if err != nil {
			return nil, err
		}
	}
	return f, nil
}

// tableFiles are the format's own tables before those that formats share.
type tableFiles struct{ own, shared fs.FS }

func (t tableFiles) Open(name string) (fs.File, error) {
	f, err := t.own.Open("tables/" + name)
	if err == nil || t.shared == nil {
		return f, err
	}
	return t.shared.Open(name)
}

// With returns the format as one partner's agreement has it.
func (f *Format) With(o Options) *Format { return &Format{m: f.m, kinds: f.kinds, o: o, docs: f.docs} }

// Map returns the compiled map of referrals.
func (f *Format) Map() *mapping.Map { return f.m }

// KindMap returns the compiled map of a kind of message; nil for one that is
// not taken in.
func (f *Format) KindMap(k Kind) *mapping.Map { return f.kinds[k] }

// Info describes the format. Its senders are those of all kinds of messages;
// who may send which, the maps of the kinds say.
func (f *Format) Info() mapping.Info {
	i := f.m.Info()
	i.Senders = slices.Clone(i.Senders)
	for _, k := range []Kind{Response, Visit, Result} {
		for _, role := range f.kinds[k].Info().Senders {
			if !slices.Contains(i.Senders, role) {
				i.Senders = append(i.Senders, role)
			}
		}
	}
	return i
}

// ReadStream reads one message; see [Format.Read].
func (f *Format) ReadStream(r io.Reader, yield func(mapping.Record) bool) []fhir.Issue {
	return mapping.StreamWhole(r, hl7v2.MaxMessage, f.Read, yield)
}

// Read reads one message. Faults of the Result are faults of syntax or of the
// header and mean AR; faults of the Record mean AE. The record's key is RF1-6
// of a referral, or MSH-10 when it has none; the visit number of a visit, the
// filler's number of a result, MSH-10 of a response.
func (f *Format) Read(doc []byte) mapping.Result {
	res := mapping.Result{Map: f.m.Name()}
	m, err := hl7v2.ParseAs(slices.Clone(doc), f.o.charset())
	if err != nil {
		res.Faults = fhir.AsError(err).Issues
		return res
	}
	h := header(m)
	if res.Faults = h.Check(); len(res.Faults) > 0 {
		return res
	}
	res.Map = f.kinds[h.Kind()].Name()
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
	issues := hl7v2.Record(d, m, basis, reference(m, h), answered(m, h), nhsNumber(m))
	issues = append(issues, structure(m, h)...)
	issues = append(issues, f.remarks(m, h)...)
	rec := f.kinds[h.Kind()].ReadDoc(d)
	rec.Faults = append(issues, rec.Faults...)
	rec.Losses = slices.DeleteFunc(rec.Losses, func(l mapping.Loss) bool { return envelope(m, l) || fact(h, l) })
	rec.Losses = append(append(rec.Losses, birthTime(m)...), moved(m, h)...)
	if rec.Refused() {
		rec.Bundle, rec.Places = nil, nil
	}
	return rec
}

// reference is the sender's own reference for what the message is about: of a
// referral RF1-6, of a result the filler's number, of a visit its number; the
// control id where there is none.
func reference(m *hl7v2.Message, h Header) string {
	var places []string
	switch h.Kind() {
	case Referral:
		places = []string{"RF1-6.1"}
	case Result:
		places = []string{"OBR-3.1", "ORC-3.1"}
	case Visit:
		places = []string{"PV1-19.1", "PV1-44.1"}
	case Response: // each is an event of its own
	}
	return or(firstText(m, places...), h.ControlID)
}

// answered is the reference of the referral that a response or a result belongs
// to, as the one who asked gave it.
func answered(m *hl7v2.Message, h Header) string {
	switch h.Kind() {
	case Response:
		return firstText(m, "RF1-6.1", "RF1-11.1")
	case Result:
		return firstText(m, "ORC-2.1", "OBR-2.1")
	case Referral, Visit:
	}
	return ""
}

func firstText(m *hl7v2.Message, places ...string) string {
	for _, p := range places {
		if s := m.Get(p); s != "" {
			return s
		}
	}
	return ""
}

// maxIdentifiers is how many of a person's identifiers are looked at.
const maxIdentifiers = 20

// nhsNumber is the first identifier of PID-3 that says it is one.
func nhsNumber(m *hl7v2.Message) string {
	f := m.First("PID").Field(3)
	for i := range min(f.Len(), maxIdentifiers) {
		v := f.Rep(i)
		typ, authority := v.Component(5).Text(), v.Component(4).Sub(1).Text()
		if typ == "NH" || typ == "NHS" || typ == "" && slices.Contains([]string{"NHS", "NHSNBR", "NHSNMBR"}, authority) {
			return v.Component(1).Text()
		}
	}
	return ""
}

// Envelope reports places that this package reads and writes itself: the header,
// set ids, and the words and table beside a code whose table the map has.
func (f *Format) Envelope(place string) bool {
	if strings.HasPrefix(place, "MSH-") || strings.HasPrefix(place, "@") || strings.HasPrefix(place, "EVN-") {
		return true
	}
	p, ok := hl7v2.ParsePath(place)
	if !ok {
		return false
	}
	switch p.Segment + "-" + itoa(p.Field) {
	case "OBR-1", "OBR-2", "OBR-4": // every OBX needs an OBR
		return true
	case "OBX-2": // the type of OBX-5
		return true
	case "RF1-6", "RF1-9": // stand for MSH-10 and MSH-7 where the sender gives none
		return true
	case "PID-3", "PID-5": // NHS and NH are one type; a name of PID-9 is of type D
		return p.Component == 5 || p.Component == 7
	case "PID-13", "PID-14", "PID-40", "NK1-5", "NK1-6", "PRD-5": // a mobile is a use in FHIR; the number is one text there
		return p.Component == 2 || p.Component == 3 || p.Component == 12
	case "PID-22":
		return p.Component == 3
	case "PRD-2", "PRD-4", "PRD-7": // a provider with two roles becomes two
		return p.Ordinal > 1
	case "OBX-6": // the unit's code is its name too where it has none
		return p.Component == 2
	}
	return p.Field == 1 && hasSetID(p.Segment) || p.Component > 1 && codedBy(p) != ""
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
		return p.Field == 1 && hasSetID(p.Segment) || saidBefore(m, p)
	case 2:
		return codedBy(p) != ""
	case 3:
		table := codedBy(p)
		return table != "" && m.At(p).Text() == table
	}
	return false
}

// fact reports the values that this package reads itself to find what a
// response or a result belongs to.
func fact(h Header, l mapping.Loss) bool {
	places := map[Kind][]string{
		Result:   {"PID-3.1", "PID-3.4", "PID-3.5", "ORC-2.1", "OBR-2.1", "OBR-3.1"},
		Response: {"PID-3.1", "PID-3.4", "PID-3.5", "RF1-6.1", "RF1-11.1", "PRD-1.1"},
		Visit:    {"EVN-2", "PV1-19.4"},
	}
	return l.Rule == "residue" && slices.Contains(places[h.Kind()], l.Source)
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

// moved reports what is carried but, on the way back, stands in another field:
// FHIR has one list where HL7 has two fields.
func moved(m *hl7v2.Message, h Header) []mapping.Loss {
	var out []mapping.Loss
	if h.Kind() != Referral {
		return nil
	}
	owner := hl7v2.Segment{} // the result that a note belongs to
	for i := range m.Len() {
		s := m.Segment(i)
		switch name := s.Name(); {
		case name == "OBR" || name == "OBX":
			owner = s
		case name != "NTE":
			owner = hl7v2.Segment{}
		case owner.Name() == "OBR" || instrument(scoreCode(owner)) != "":
			out = append(out, mapping.Loss{Source: s.Field(3).Place(), Rule: "moved", Text: "that it is a note of a result is not carried: it is a note of the referral"})
		}
		if s.Name() == "DG1" && s.Field(3).Rep(0).Component(1).Empty() && s.Field(4).Len() == 0 {
			out = append(out, mapping.Loss{Source: s.Field(3).Rep(0).Component(2).Place(), Rule: "moved", Text: "that it stood in this field is not carried: the way back writes it to DG1-4"})
		}
		if n := phoneField(s.Name()); n > 0 {
			out = append(out, inParts(s, n)...)
		}
		for _, f := range fieldsMoved(s.Name()) {
			if n := s.Field(f.n); n.Len() > 0 && !n.Rep(0).IsNull() {
				out = append(out, mapping.Loss{Source: n.Place(), Rule: "moved", Text: "that it stood in this field is not carried: the way back writes it to " + f.to})
			}
		}
	}
	return out
}

// phoneField is the field of telephone numbers that stays where it is.
func phoneField(segment string) int {
	switch segment {
	case "PID":
		return 13
	case "NK1", "PRD":
		return 5
	}
	return 0
}

type fieldMoved struct {
	n  int
	to string
}

func fieldsMoved(segment string) []fieldMoved {
	switch segment {
	case "PID":
		return []fieldMoved{{9, "PID-5"}, {14, "PID-13"}, {40, "PID-13"}}
	case "NK1":
		return []fieldMoved{{6, "NK1-5"}}
	case "RF1":
		return []fieldMoved{{24, "NTE-3"}}
	}
	return nil
}

// inParts reports telephone numbers that come in parts: they are one text in FHIR.
func inParts(s hl7v2.Segment, n int) []mapping.Loss {
	var out []mapping.Loss
	for i := range min(s.Field(n).Len(), maxIdentifiers) {
		if v := s.Field(n).Rep(i); v.Component(12).Empty() && !v.Component(7).Empty() {
			out = append(out, mapping.Loss{Source: v.Place(), Rule: "moved", Text: "the parts of a number are not carried: it is one text"})
		}
	}
	return out
}

// birthTime reports the time of birth, for which a birthDate has no room.
func birthTime(m *hl7v2.Message) []mapping.Loss {
	if v := m.First("PID").Field(7).Rep(0).Component(1); len(v.Text()) > 8 {
		return []mapping.Loss{{Source: v.Place(), Rule: "born", Text: "the time of birth is not carried"}}
	}
	return nil
}
