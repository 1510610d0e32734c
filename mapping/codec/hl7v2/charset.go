package hl7v2

import (
	"unicode/utf8"

	"trellis.example/fhir"
)

// A Charset is a character set of HL7 table 0211 that Trellis reads.
type Charset string

// The character sets accepted. An empty MSH-18 means ASCII, as the standard
// says.
const (
	ASCII  Charset = "ASCII"
	Latin1 Charset = "8859/1"
	UTF8   Charset = "UNICODE UTF-8"
)

// checkCharset reads MSH-18 and proves that the text is written in it; Latin-1
// text is transcoded to UTF-8. wide says that there are bytes outside ASCII,
// silent is what an empty MSH-18 means.
func (m *Message) checkCharset(wide bool, silent Charset) error {
	f := m.Segment(0).Field(18)
	known := true
	switch string(f.Raw()) { // a second repetition makes it unknown
	case "":
		m.charset = silent
	case string(ASCII):
		m.charset = ASCII
	case string(Latin1):
		m.charset = Latin1
	case string(UTF8):
		m.charset = UTF8
	default:
		known = false
	}
	switch {
	case !known:
		return charsetFault("expected one character set of table 0211: UNICODE UTF-8, 8859/1 or ASCII")
	case !wide:
		return nil
	case m.charset == ASCII:
		return charsetFault("the message has bytes outside ASCII; state UNICODE UTF-8 or 8859/1 in MSH-18")
	case m.charset == UTF8 && !utf8.Valid(m.text):
		return &fhir.Error{Issues: m.badUTF8()}
	case m.charset == Latin1:
		return m.transcode()
	}
	return nil
}

// Charsets are the character sets that are read and written.
func Charsets() []Charset { return []Charset{UTF8, Latin1, ASCII} }

func charsetFault(text string) error {
	return &fhir.Error{Issues: []fhir.Issue{{Code: fhir.NotSupported, Source: "MSH-18", Text: text}}}
}

// badUTF8 names each segment that is not UTF-8.
func (m *Message) badUTF8() []fhir.Issue {
	var issues []fhir.Issue
	for i, s := range m.segs {
		if !utf8.Valid(m.text[s.start:s.end]) {
			issues = append(issues, fhir.Issue{Code: fhir.Invalid, Source: "segment " + itoa(i+1),
				Text: "the bytes are not UTF-8, which MSH-18 states"})
		}
	}
	return issues
}

// transcode turns Latin-1 text into UTF-8 and indexes it again. The bytes
// 0x80 to 0x9F are control characters there: a sender that uses them writes
// Windows-1252, which MSH-18 cannot say, so they are a fault.
func (m *Message) transcode() error {
	out := make([]byte, 0, len(m.text)+len(m.text)/8)
	for _, c := range m.text {
		if c >= 0x80 && c <= 0x9f {
			return charsetFault("the message has bytes that are control characters in 8859/1, the character set of MSH-18")
		}
		out = utf8.AppendRune(out, rune(c))
	}
	m.text, m.segs, m.fields = out, m.segs[:0], m.fields[:0]
	m.index()
	return nil
}

// encode returns UTF-8 text in the character set. A character outside it
// becomes '?': only our own texts and echoes of the same message are encoded,
// so that cannot happen to a sender's value.
func (c Charset) encode(b []byte) []byte {
	if c == UTF8 {
		return b
	}
	limit := rune(0x7f)
	if c == Latin1 {
		limit = 0xff
	}
	out := make([]byte, 0, len(b))
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		b = b[n:]
		if r > limit {
			r = '?'
		}
		out = append(out, byte(r))
	}
	return out
}
