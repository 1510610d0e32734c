package hl7v2

import (
	"bytes"

	"trellis.example/fhir"
)

// maxHead is the longest MSH that [Head] looks at, in bytes.
const maxHead = 4096

// Head reads only the MSH of a message that may otherwise be broken, so that
// its sender can be answered: bytes outside ASCII become '?', and an unknown
// character set counts as ASCII. The error is that of [Parse] when not even
// the separators can be read. It does not keep b.
func Head(b []byte) (*Message, error) {
	if i := bytes.IndexAny(b, "\r\n"); i >= 0 {
		b = b[:i]
	}
	b = bytes.Clone(b[:min(len(b), maxHead)])
	for i, c := range b {
		if c < ' ' || c >= 0x80 {
			b[i] = '?'
		}
	}
	sep, err := readSeparators(b)
	if err != nil {
		return nil, err
	}
	m := &Message{sep: sep, text: b, charset: ASCII}
	m.index()
	m.segs[0].ordinal = 1
	if cs := Charset(m.Segment(0).Field(18).Raw()); cs == Latin1 || cs == UTF8 {
		m.charset = cs
	}
	return m, nil
}

// ReadAny reads a whole message, or only its head when it is broken; then the
// error says why. The Message is nil when not even the head can be read.
func ReadAny(b []byte) (*Message, error) { return ReadAnyAs(b, ASCII) }

// ReadAnyAs is [ReadAny] with the character set that an empty MSH-18 means.
func ReadAnyAs(b []byte, silent Charset) (*Message, error) {
	m, err := ParseAs(b, silent)
	if err == nil {
		return m, nil
	}
	head, headErr := Head(b)
	if headErr != nil {
		return nil, fhir.AsError(headErr)
	}
	return head, err
}
