package xml

import (
	"bytes"
	"unicode/utf8"
	"unsafe"

	"trellis.example/fhir"
)

// A token is what the scanner stands on.
type token uint8

const (
	tokEnd token = iota // an end tag
	tokStart
	tokEOF
)

// maxAttributes bounds the attributes of one element: each is compared with the
// others.
const maxAttributes = 64

// A scanner splits a document into tags. It checks that the document is
// well-formed XML 1.0 with namespaces; what it reads is for the decoder to judge.
type scanner struct {
	src []byte
	pos int

	// The tag the scanner stands on.
	at      int    // its offset
	name    string // its local name
	space   namespace
	attrs   []attr
	empty   bool // <name/>
	sawText bool // there was text before the tag

	open   [][]byte // qualified names of the elements that are open
	scopes []scope
	// narrative: in XHTML, where text counts.
	narrative bool
	failed    bool // a syntax error ended the reading
}

// An attr is an attribute that is no namespace declaration.
type attr struct {
	name []byte // with its prefix
	raw  []byte // between the quotes
}

// A namespace is one of those that matter.
type namespace uint8

const (
	spaceNone namespace = iota
	spaceFHIR
	spaceXHTML
	spaceXSI
	spaceXML
	spaceOther
)

// A scope is a namespace declaration and the depth of its element.
type scope struct {
	prefix []byte
	space  namespace
	depth  int
}

// A syntaxError is a fault that ends the reading.
type syntaxError struct {
	at   int
	text string
}

func (e *syntaxError) Error() string { return e.text }

func (s *scanner) fault(at int, text string) error {
	s.failed = true
	return &syntaxError{at, text}
}

// start checks the characters, and passes over the byte order mark and the XML
// declaration.
func (s *scanner) start() error {
	if !utf8.Valid(s.src) {
		return s.fault(badUTF8(s.src), "the document is not valid UTF-8")
	}
	for i, c := range s.src {
		if c < ' ' && c != '\n' && c != '\t' && c != '\r' || c == 0xEF && isNonCharacter(s.src[i:]) {
			return s.fault(i, "the document has a character that XML 1.0 does not allow")
		}
	}
	if bytes.HasPrefix(s.src, []byte("\xef\xbb\xbf")) {
		s.pos = 3
	}
	if bytes.HasPrefix(s.src[s.pos:], []byte("<?xml")) && s.pos+5 < len(s.src) && isSpace(s.src[s.pos+5]) {
		return s.declaration()
	}
	return nil
}

func badUTF8(b []byte) int {
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return len(b)
}

// isNonCharacter reports U+FFFE and U+FFFF.
func isNonCharacter(b []byte) bool {
	return len(b) > 2 && b[0] == 0xEF && b[1] == 0xBF && b[2] >= 0xBE
}

// declaration reads <?xml version="1.0" encoding="UTF-8" standalone="yes"?>.
func (s *scanner) declaration() error {
	end := bytes.Index(s.src[s.pos:], []byte("?>"))
	if end < 0 {
		return s.fault(s.pos, "the XML declaration is not closed")
	}
	d := scanner{src: s.src[:s.pos+end], pos: s.pos + len("<?xml")}
	if err := d.attributes(); err != nil || d.pos < len(d.src) {
		return s.fault(s.pos, `the XML declaration is <?xml version="1.0" encoding="UTF-8"?>`)
	}
	for i, a := range d.attrs {
		ok := false
		switch text(a.name) {
		case "version":
			ok = i == 0 && bytes.HasPrefix(a.raw, []byte("1."))
		case "encoding":
			ok = i == 1 && (bytes.EqualFold(a.raw, []byte("UTF-8")) || bytes.EqualFold(a.raw, []byte("US-ASCII")))
		case "standalone":
			ok = i > 0
		}
		if !ok {
			return s.fault(s.pos, `send XML 1.0 in UTF-8: <?xml version="1.0" encoding="UTF-8"?>`)
		}
	}
	s.pos += end + len("?>")
	return nil
}

// next moves to the next tag or to the end of the document, over white space,
// comments and processing instructions. Text sets sawText.
func (s *scanner) next() (token, error) {
	s.sawText = false
	if s.empty { // its attributes were still to be resolved
		s.empty = false
		s.closed()
	}
	for {
		i := s.pos
		for i < len(s.src) && isSpace(s.src[i]) {
			i++
		}
		if i < len(s.src) && s.src[i] != '<' {
			n, err := s.text(i)
			if err != nil {
				return tokEOF, err
			}
			i += n
		}
		s.pos, s.at = i, i
		if i+1 >= len(s.src) {
			return s.end()
		}
		switch s.src[i+1] {
		case '/':
			return tokEnd, s.endTag()
		case '!', '?':
			if err := s.passOver(); err != nil {
				return tokEOF, err
			}
		default:
			return tokStart, s.startTag()
		}
	}
}

// text passes over the text at i and returns its size.
func (s *scanner) text(i int) (int, error) {
	s.sawText = true
	n := bytes.IndexByte(s.src[i:], '<')
	if n < 0 {
		n = len(s.src) - i
	}
	t := s.src[i : i+n]
	if j := bytes.Index(t, []byte("]]>")); j >= 0 {
		return 0, s.fault(i+j, "in text ]]> is written ]]&gt;")
	}
	return n, s.references(i, t)
}

func (s *scanner) end() (token, error) {
	if s.pos < len(s.src) || len(s.open) > 0 {
		return tokEOF, s.fault(s.pos, "the document ends early")
	}
	return tokEOF, nil
}

// passOver skips a comment or processing instruction.
func (s *scanner) passOver() error {
	rest := s.src[s.pos:]
	if bytes.HasPrefix(rest, []byte("<!--")) {
		n := bytes.Index(rest[4:], []byte("--"))
		if n < 0 || !bytes.HasPrefix(rest[4+n:], []byte("-->")) {
			return s.fault(s.pos, "a comment ends with --> and has no -- in it")
		}
		s.pos += 4 + n + 3
		return nil
	}
	if bytes.HasPrefix(rest, []byte("<?")) {
		n := bytes.Index(rest, []byte("?>"))
		if s.narrative {
			return s.fault(s.pos, "a narrative has no processing instructions")
		}
		if size := nameSize(rest[2:]); n < 0 || size == 0 || bytes.EqualFold(rest[2:2+size], []byte("xml")) {
			return s.fault(s.pos, "a processing instruction has a name and ends with ?>; an XML declaration stands at the start only")
		}
		s.pos += n + 2
		return nil
	}
	if bytes.HasPrefix(rest, []byte("<![CDATA[")) && !s.narrative {
		n := bytes.Index(rest, []byte("]]>"))
		if n < 0 {
			return s.fault(s.pos, "a CDATA section ends with ]]>")
		}
		s.sawText = true
		s.pos += n + 3
		return nil
	}
	return s.fault(s.pos, "document type declarations, and in narratives CDATA sections, are not allowed")
}

func (s *scanner) endTag() error {
	size := nameSize(s.src[s.pos+2:])
	name := s.src[s.pos+2 : s.pos+2+size]
	i := s.pos + 2 + size
	for i < len(s.src) && isSpace(s.src[i]) {
		i++
	}
	n := len(s.open)
	if i >= len(s.src) || s.src[i] != '>' || n == 0 || !bytes.Equal(name, s.open[n-1]) {
		return s.fault(s.pos, "this end tag closes no open element; elements are nested and each is closed")
	}
	s.pos = i + 1
	s.closed()
	return nil
}

// closed leaves the innermost element.
func (s *scanner) closed() {
	n := len(s.open)
	s.open = s.open[:n-1]
	for len(s.scopes) > 0 && s.scopes[len(s.scopes)-1].depth == n {
		s.scopes = s.scopes[:len(s.scopes)-1]
	}
}

func (s *scanner) startTag() error {
	size := nameSize(s.src[s.pos+1:])
	if size == 0 {
		return s.fault(s.pos, "an element name is expected after <; in values < is written &lt;")
	}
	qname := s.src[s.pos+1 : s.pos+1+size]
	if len(s.open) >= fhir.MaxDepth {
		return s.fault(s.pos, "the document is nested too deeply")
	}
	s.pos += 1 + size
	s.open = append(s.open, qname)
	if err := s.attributes(); err != nil {
		return err
	}
	switch {
	case s.pos < len(s.src) && s.src[s.pos] == '>':
		s.empty = false
		s.pos++
	case bytes.HasPrefix(s.src[s.pos:], []byte("/>")):
		s.empty = true
		s.pos += 2
	default:
		return s.fault(s.at, `a tag is <name attribute="value"> with its attributes separated by white space`)
	}
	prefix, local, found := cutName(qname)
	s.name, s.space = local, s.resolve(prefix)
	if found && s.space == spaceNone {
		return s.fault(s.at, "the prefix of this element is not declared")
	}
	return nil
}

// cutName splits a qualified name.
func cutName(qname []byte) (prefix []byte, local string, found bool) {
	if i := bytes.IndexByte(qname, ':'); i >= 0 {
		return qname[:i], text(qname[i+1:]), true
	}
	return nil, text(qname), false
}

// nameSize is the length of the XML name that b begins with; 0 for none.
func nameSize(b []byte) int {
	for i, c := range b {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' || c >= utf8.RuneSelf
		if !letter && (i == 0 || (c < '0' || c > '9') && c != '-' && c != '.' && c != ':') {
			return i
		}
	}
	return len(b)
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

// text views b as a string; b must not change afterwards.
func text(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b)) //nolint:gosec // the document outlives the string and never changes
}
