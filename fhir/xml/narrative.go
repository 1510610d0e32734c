package xml

import (
	"bytes"
	"strconv"
	"strings"

	"trellis.example/fhir"
)

// narrative reads the div of a narrative and writes it as a JSON string of the
// same bytes.
func (d *decoder) narrative() error {
	start := d.at
	if err := d.xhtml(); err != nil {
		return err
	}
	d.out = fhir.AppendString(d.out, text(d.src[start:d.pos]))
	return nil
}

// xhtml passes over the div whose start tag was read. Text and markup are for
// the validator, which knows what a narrative may hold; here they need only
// mean the same outside the document.
func (s *scanner) xhtml() error {
	if !s.declaresXHTML() {
		return s.fault(s.at, `a narrative is <div xmlns="`+xhtmlNamespace+`">, which declares its namespace itself`)
	}
	s.narrative = true
	defer func() { s.narrative = false }()
	if err := s.bare(); err != nil || s.empty {
		return err
	}
	for depth := len(s.open); len(s.open) >= depth; {
		tok, err := s.next()
		if err == nil && tok == tokStart {
			err = s.bare()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// declaresXHTML reports whether the tag is div and makes XHTML the default
// namespace.
func (s *scanner) declaresXHTML() bool {
	for i := len(s.scopes) - 1; i >= 0 && s.scopes[i].depth == len(s.open); i-- {
		if c := s.scopes[i]; len(c.prefix) == 0 {
			return c.space == spaceXHTML && string(s.open[len(s.open)-1]) == "div"
		}
	}
	return false
}

// bare refuses names with prefixes, which would mean nothing once the narrative
// stands alone, and elements of another namespace.
func (s *scanner) bare() error {
	if s.space != spaceXHTML || bytes.IndexByte(s.open[len(s.open)-1], ':') >= 0 {
		return s.fault(s.at, "the elements of a narrative are XHTML without prefix")
	}
	for _, a := range s.attrs {
		if prefix, _, found := cutName(a.name); found && text(prefix) != "xml" {
			return s.fault(s.at, "the attributes of a narrative have no prefix but xml")
		}
	}
	return nil
}

// appendNarrative appends the div that a JSON document has as a string. It must
// be well-formed by itself; the named entities of HTML, which XML does not know,
// become numbers.
func appendNarrative(out []byte, div string) ([]byte, bool) {
	div = strings.TrimSpace(numbered(div))
	s := scanner{src: []byte(div)}
	if err := s.start(); err != nil || s.pos != 0 {
		return out, false
	}
	if tok, err := s.next(); err != nil || tok != tokStart || s.at != 0 || s.xhtml() != nil {
		return out, false
	}
	if tok, err := s.next(); err != nil || tok != tokEOF || s.sawText {
		return out, false
	}
	return append(out, div...), true
}

// numbered replaces named HTML entities by character numbers.
func numbered(s string) string {
	i := strings.IndexByte(s, '&')
	if i < 0 {
		return s
	}
	var b strings.Builder
	for ; i >= 0; i = strings.IndexByte(s, '&') {
		b.WriteString(s[:i])
		s = s[i:]
		if _, n := reference([]byte(s[:min(len(s), 16)])); n > 0 {
			b.WriteString(s[:n])
			s = s[n:]
			continue
		}
		chars, n := htmlEntity(s)
		if n == 0 {
			b.WriteByte('&')
			s = s[1:]
			continue
		}
		for _, r := range chars {
			b.WriteString("&#" + strconv.Itoa(int(r)) + ";")
		}
		s = s[n:]
	}
	b.WriteString(s)
	return b.String()
}
