// Package xml reads and writes partners' XML documents as trees of elements:
// one document is one record, and so is each element at the path that the map
// calls record.
//
// Paths are written "/Notice/Subject/Surname"; an attribute is
// "/Notice/@id", and the text of an element that has attributes or children
// too is the path of the element (or, to be plain, ".../text()").
// Elements that repeat are siblings of one name. White space between elements
// and an element without content say nothing; where text and elements are mixed, each piece of text is a leaf
// "text()" in its place.
//
// Namespaces: a map declares them by prefix in its key namespaces; names
// without a prefix are in the namespace of "" or in none. An element or
// attribute of a namespace that the map does not declare is "*:name", so that
// it is never taken for one of the format. A map that declares none takes local
// names whatever their namespace.
//
// What the package promises:
//   - No document type declaration, no entities but the five of XML and
//     character numbers, one document element, limits on depth, attributes,
//     nodes and size of a record. The records of a batch are read one by one, in
//     memory that does not grow with their number.
//   - UTF-8; UTF-16 with a byte order mark, and Windows-1252 or ISO-8859-1 where
//     the XML declaration says so, with a warning. Bytes that contradict the
//     encoding are a fault.
//   - Comments, processing instructions and xsi:schemaLocation are passed over:
//     they carry no content. Everything else is a leaf of a record, or is named
//     in a warning when it stands beside the records of a batch.
//   - Places are XPaths with positions: /Notice/Factors/Factor[2]. No fault
//     shows content.
//   - What is written is indented only between elements, never where there is
//     text, and can be read again.
package xml

import (
	"errors"
	"strconv"
	"strings"

	"trellis.example/fhir"
	"trellis.example/mapping/codec"
)

// Limits on what a stranger may send.
const (
	// MaxRecord is the largest record, in bytes.
	MaxRecord = 4 << 20
	// MaxNodes is the largest number of elements, attributes and texts of one
	// record.
	MaxNodes = 100_000
	// MaxAttributes is the largest number of attributes of one element.
	MaxAttributes = 64
)

// own names the text of an element in paths and places.
const own = "text()"

// Syntax is the [codec.Syntax] of XML documents.
type Syntax struct{}

var _ codec.Syntax = Syntax{}

var errPath = errors.New("expected a path such as /Notice/Subject/Surname or /Notice/@id")

// Path compiles a path as maps write it.
func (Syntax) Path(path string) ([]codec.Step, error) {
	rest, ok := strings.CutPrefix(path, "/")
	if !ok {
		return nil, errPath
	}
	var steps []codec.Step
	for part := range strings.SplitSeq(rest, "/") {
		if len(steps) > 0 && !isElement(steps[len(steps)-1].Name) {
			return nil, errPath // nothing lies below an attribute or a text
		}
		name := strings.TrimPrefix(part, "@")
		if part != own && !isQName(name) {
			return nil, errPath
		}
		steps = append(steps, codec.Step{Name: part})
	}
	if !isElement(steps[0].Name) {
		return nil, errPath
	}
	return steps, nil
}

func isElement(name string) bool { return name != own && !strings.HasPrefix(name, "@") }

// isQName reports a name with at most one prefix, such as "Notice" or
// "xsi:nil".
func isQName(s string) bool {
	prefix, local, found := strings.Cut(s, ":")
	if !found {
		return isName(s)
	}
	return (isName(prefix) || prefix == "*") && isName(local)
}

// isName reports a name of XML without colon; beyond ASCII any letter will do.
func isName(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' || c >= 0x80
		if !letter && (i == 0 || (c < '0' || c > '9') && c != '-' && c != '.') {
			return false
		}
	}
	return s != ""
}

// Place is the XPath of the place, behind the row of a batch.
func (Syntax) Place(d *codec.Doc, at codec.ID, rest []codec.Step) string {
	return string(Syntax{}.AppendPlace(nil, d, at, rest))
}

// AppendPlace appends the place that [Syntax.Place] names.
func (Syntax) AppendPlace(dst []byte, d *codec.Doc, at codec.ID, rest []codec.Step) []byte {
	if d.Row > 0 {
		dst = append(strconv.AppendInt(append(dst, "row "...), int64(d.Row), 10), ", "...)
	}
	dst = appendXPath(dst, d, at)
	for _, s := range rest {
		dst = appendName(append(dst, '/'), s.Name)
	}
	return dst
}

func appendXPath(b []byte, d *codec.Doc, id codec.ID) []byte {
	if id == codec.Root {
		return b
	}
	b = appendXPath(b, d, d.Parent(id))
	b = appendName(append(b, '/'), d.Name(id))
	if n := d.Ordinal(id); n > 0 {
		b = append(strconv.AppendInt(append(b, '['), int64(n), 10), ']')
	}
	return b
}

// appendName appends a name, or "?" for one that may hold content.
func appendName(b []byte, name string) []byte {
	if name == own {
		return append(b, own...)
	}
	if rest, ok := strings.CutPrefix(name, "@"); ok {
		b, name = append(b, '@'), rest
	}
	if prefix, local, ok := strings.Cut(name, ":"); ok {
		if prefix != "*" {
			prefix = fhir.SafeName(prefix)
		}
		b, name = append(append(b, prefix...), ':'), local
	}
	return append(b, fhir.SafeName(name)...)
}
