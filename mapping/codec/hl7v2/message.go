package hl7v2

import (
	"bytes"

	"trellis.example/fhir"
)

// Limits on what a stranger may send.
const (
	// MaxMessage is the largest message in bytes.
	MaxMessage = 4 << 20
	// MaxSegments is the largest number of segments in a message.
	MaxSegments = 2_000
	// MaxFields is the largest number of fields in a message.
	MaxFields = 100_000
	// MaxValues is the largest number of values (repetitions, components and
	// subcomponents included) of a message that is mapped.
	MaxValues = 200_000
)

// A Message is one parsed message: an index over its text. It is immutable
// once parsed and then safe for concurrent use.
type Message struct {
	sep     Separators
	charset Charset
	text    []byte // UTF-8
	segs    []segment
	fields  []uint32 // offset of each field's first byte, all segments in order
}

type segment struct {
	start, end uint32
	first, n   uint32 // fields[first : first+n]; field 1 is at first
	ordinal    uint32 // 1-based among the segments of the same name
}

// Parse reads one message. It keeps b, or a transcoded copy of it; the caller
// must not modify b afterwards. The error is a *fhir.Error of code structure,
// invalid, too-long or not-supported that lists every fault found.
func Parse(b []byte) (*Message, error) {
	m := &Message{}
	if err := m.Parse(b); err != nil {
		return nil, err
	}
	return m, nil
}

// ParseAs is [Parse] for a sender that has agreed to a character set which its
// messages do not state: silent is that of a message whose MSH-18 is empty.
func ParseAs(b []byte, silent Charset) (*Message, error) {
	m := &Message{}
	if err := m.parse(b, silent); err != nil {
		return nil, err
	}
	return m, nil
}

// Parse reads b into m in place of what m held, reusing m's memory, so that a
// loop over messages does not allocate. Values taken from m before are void.
func (m *Message) Parse(b []byte) error { return m.parse(b, ASCII) }

func (m *Message) parse(b []byte, silent Charset) error {
	m.segs, m.fields, m.text = m.segs[:0], m.fields[:0], nil
	sep, err := readSeparators(b)
	if err != nil {
		return err
	}
	m.sep, m.text = sep, b
	wide, control := m.index()
	if len(m.segs) > MaxSegments || len(m.fields) > MaxFields {
		return fhir.Errorf(fhir.TooLong, "the message has more than %d segments or %d fields", MaxSegments, MaxFields)
	}
	if err := m.checkCharset(wide, silent); err != nil {
		return err
	}
	if issues := m.checkSegments(control); len(issues) > 0 {
		return &fhir.Error{Issues: issues}
	}
	return nil
}

// checkSegments names each segment that is not one, and counts occurrences;
// control says that there are control characters to be found.
func (m *Message) checkSegments(control bool) []fhir.Issue {
	var issues []fhir.Issue
	for i := range m.segs {
		s := &m.segs[i]
		name := m.text[s.start:min(s.end, s.start+3)]
		switch {
		case !isSegmentName(name) || s.end > s.start+3 && m.text[s.start+3] != m.sep.Field:
			issues = append(issues, fhir.Issue{Code: fhir.Structure, Source: "segment " + itoa(i+1),
				Text: "expected a segment: three capital letters or digits and the field separator"})
			continue
		case i > 0 && string(name) == "MSH":
			issues = append(issues, fhir.Issue{Code: fhir.Structure, Source: "segment " + itoa(i+1),
				Text: "a second MSH: send one message at a time"})
		}
		s.ordinal = m.countBefore(i, name) + 1
		if control && m.hasControl(s) {
			issues = append(issues, fhir.Issue{Code: fhir.Invalid, Source: Segment{m, int32(i)}.Place(),
				Text: "a control character is not allowed; escape it"})
		}
	}
	return issues
}

// countBefore returns the occurrence number of the nearest earlier segment of
// that name. Repeats stand together as a rule, so the walk back is short; a
// cap on segments bounds the worst case.
func (m *Message) countBefore(i int, name []byte) uint32 {
	for j := i - 1; j >= 0; j-- {
		s := m.segs[j]
		if s.end-s.start >= 3 && string(m.text[s.start:s.start+3]) == string(name) {
			return s.ordinal
		}
	}
	return 0
}

// Separators returns the message's own separators.
func (m *Message) Separators() Separators { return m.sep }

// Charset returns the character set stated by MSH-18.
func (m *Message) Charset() Charset { return m.charset }

// Len returns the number of segments.
func (m *Message) Len() int { return len(m.segs) }

// Segment returns the i-th segment, counting from 0 in message order; the
// zero Segment when there is none.
func (m *Message) Segment(i int) Segment {
	if m == nil || i < 0 || i >= len(m.segs) {
		return Segment{}
	}
	return Segment{m, int32(i)}
}

// First returns the first segment of that name, or the zero Segment.
func (m *Message) First(name string) Segment {
	if m == nil {
		return Segment{}
	}
	for i := range m.segs {
		if m.Segment(i).Name() == name {
			return m.Segment(i)
		}
	}
	return Segment{}
}

// Bytes returns the message in its own character set, every segment ended by
// CR: what was parsed, with LF and CRLF made CR and blank lines left out.
func (m *Message) Bytes() []byte {
	out := make([]byte, 0, len(m.text)+1)
	for i := range m.segs {
		s := m.segs[i]
		out = append(out, m.text[s.start:s.end]...)
		out = append(out, '\r')
	}
	return m.charset.encode(out)
}

// readSeparators reads MSH-1 and MSH-2.
func readSeparators(b []byte) (Separators, error) {
	switch {
	case len(b) > MaxMessage:
		return Separators{}, fhir.Errorf(fhir.TooLong, "the message is larger than %d bytes", MaxMessage)
	case !bytes.HasPrefix(b, []byte("MSH")):
		return Separators{}, headFault("segment 1", "expected the message to begin with MSH")
	case len(b) < 9:
		return Separators{}, headFault("MSH-2", "expected MSH-1 and the encoding characters of MSH-2")
	}
	s := Separators{Field: b[3], Component: b[4], Repetition: b[5], Escape: b[6], Subcomponent: b[7]}
	rest := b[8:]
	if rest[0] != s.Field && rest[0] != '\r' && rest[0] != '\n' { // the truncation character of v2.7
		s.Truncation, rest = rest[0], rest[1:]
	}
	if len(rest) == 0 || rest[0] != s.Field {
		return Separators{}, headFault("MSH-2", "expected four or five encoding characters and then the field separator")
	}
	if !s.valid() {
		return Separators{}, headFault("MSH-2", "expected separators that are punctuation and differ from each other")
	}
	return s, nil
}

func headFault(source, text string) error {
	return &fhir.Error{Issues: []fhir.Issue{{Code: fhir.Structure, Source: source, Text: text}}}
}
