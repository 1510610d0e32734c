package xml

import "bytes"

// attributes reads the attributes up to the end of the tag.
func (s *scanner) attributes() error {
	s.attrs = s.attrs[:0]
	for {
		i := s.pos
		for i < len(s.src) && isSpace(s.src[i]) {
			i++
		}
		blank := i > s.pos
		s.pos = i
		if i >= len(s.src) || s.src[i] == '>' || s.src[i] == '/' {
			return nil
		}
		size := nameSize(s.src[i:])
		if !blank || size == 0 {
			return s.fault(i, "an attribute name is expected here, after white space")
		}
		s.pos += size
		raw, err := s.attributeValue()
		if err != nil {
			return err
		}
		if err := s.keep(attr{s.src[i : i+size], raw}); err != nil {
			return err
		}
	}
}

// attributeValue reads ="value".
func (s *scanner) attributeValue() ([]byte, error) {
	i := s.pos
	for i < len(s.src) && isSpace(s.src[i]) {
		i++
	}
	if i < len(s.src) && s.src[i] == '=' {
		i++
		for i < len(s.src) && isSpace(s.src[i]) {
			i++
		}
		if i < len(s.src) && (s.src[i] == '"' || s.src[i] == '\'') {
			if n := bytes.IndexByte(s.src[i+1:], s.src[i]); n >= 0 {
				raw := s.src[i+1 : i+1+n]
				s.pos = i + n + 2
				if j := bytes.IndexByte(raw, '<'); j >= 0 {
					return nil, s.fault(i+1+j, "in an attribute < is written &lt;")
				}
				return raw, s.references(i+1, raw)
			}
		}
	}
	return nil, s.fault(i, `an attribute is name="value"`)
}

// references checks every & of a value that begins at an offset.
func (s *scanner) references(at int, raw []byte) error {
	for rest := raw; ; {
		i := bytes.IndexByte(rest, '&')
		if i < 0 {
			return nil
		}
		rest = rest[i:]
		_, n := reference(rest)
		if n == 0 {
			return s.fault(at+len(raw)-len(rest), "& begins &amp; &lt; &gt; &quot; &apos; or a character number such as &#160; (named HTML entities are not known in XML)")
		}
		rest = rest[n:]
	}
}

// keep adds an attribute, or the scope of a namespace declaration.
func (s *scanner) keep(a attr) error {
	const duplicate = "an attribute is given once"
	if bytes.HasPrefix(a.name, []byte("xmlns")) && (len(a.name) == 5 || a.name[5] == ':') {
		var prefix []byte
		if len(a.name) > 5 {
			prefix = a.name[6:]
		}
		for i := len(s.scopes) - 1; i >= 0 && s.scopes[i].depth == len(s.open); i-- {
			if bytes.Equal(s.scopes[i].prefix, prefix) {
				return s.fault(s.at, duplicate)
			}
		}
		if len(s.scopes) >= maxAttributes {
			return s.fault(s.at, "there are too many namespace declarations")
		}
		s.scopes = append(s.scopes, scope{prefix, spaceOf(a.raw), len(s.open)})
		return nil
	}
	for _, b := range s.attrs {
		if bytes.Equal(a.name, b.name) {
			return s.fault(s.at, duplicate)
		}
	}
	if len(s.attrs) >= maxAttributes {
		return s.fault(s.at, "the element has too many attributes")
	}
	s.attrs = append(s.attrs, a)
	return nil
}

func spaceOf(uri []byte) namespace {
	switch text(uri) {
	case "":
		return spaceNone
	case fhirNamespace:
		return spaceFHIR
	case xhtmlNamespace:
		return spaceXHTML
	case xsiNamespace:
		return spaceXSI
	}
	return spaceOther
}

// resolve returns the namespace that a prefix stands for.
func (s *scanner) resolve(prefix []byte) namespace {
	for i := len(s.scopes) - 1; i >= 0; i-- {
		if bytes.Equal(s.scopes[i].prefix, prefix) {
			return s.scopes[i].space
		}
	}
	if text(prefix) == "xml" {
		return spaceXML
	}
	return spaceNone
}
