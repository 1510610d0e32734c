package itk3

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"

	"trellis.example/fhir"
)

const (
	// MaxDocument is the largest document in bytes.
	MaxDocument = 16 << 20
	maxDepth    = 100
	maxNodes    = 200_000
	namespace   = "http://hl7.org/fhir"
	xhtml       = "http://www.w3.org/1999/xhtml"
)

// FromJSON reads a document in JSON.
func FromJSON(doc []byte) (*Node, error) {
	res, err := fhir.DecodeLimit(doc, MaxDocument)
	if err != nil {
		return nil, err
	}
	root := &Node{Name: res.Type(), Type: res.Type(), pointer: true}
	root.fill(res.Root())
	return root, nil
}

func (n *Node) fill(v fhir.Value) {
	for m := range v.All() {
		if m.Key() == "resourceType" {
			n.Type = m.Text()
			continue
		}
		for x := range m.Items() {
			k := &Node{Name: m.Key(), value: leafText(x)}
			n.add(k)
			k.more = m.Kind() == fhir.Array
			k.fill(x)
		}
	}
}

// leafText is a leaf as text; "" for what has parts.
func leafText(v fhir.Value) string {
	switch v.Kind() {
	case fhir.Object, fhir.Array:
		return ""
	case fhir.String:
		return v.Text()
	}
	return string(v.Raw())
}

// FromXML reads a document in XML: the elements of FHIR with their value and
// url, and narrative as its words. There are no entities but XML's own five, no
// document type, and no processing instructions after the first line.
func FromXML(doc []byte) (*Node, error) {
	if len(doc) > MaxDocument {
		return nil, fhir.Errorf(fhir.TooLong, "the document is larger than %d MB", MaxDocument>>20)
	}
	r := &xmlReader{d: xml.NewDecoder(bytes.NewReader(doc))}
	r.d.CharsetReader = func(string, io.Reader) (io.Reader, error) { return nil, errCharset }
	root, err := r.document()
	if err != nil {
		return nil, xmlFault(err)
	}
	return root, nil
}

var (
	errCharset = errors.New("the document must be UTF-8")
	errDoctype = errors.New("a document type is not allowed")
	errDepth   = errors.New("the elements are nested too deeply, or too many")
	errShape   = errors.New("expected one FHIR resource, in the namespace http://hl7.org/fhir, as the document element")
	errMixed   = errors.New("text stands between elements, where FHIR has values in attributes")
)

func xmlFault(err error) error {
	for _, known := range []error{errCharset, errDoctype, errDepth, errShape, errMixed} {
		if errors.Is(err, known) {
			return fhir.Errorf(fhir.Structure, "the document is not XML that is read here: %s", known)
		}
	}
	return fhir.Errorf(fhir.Structure, "the document is not well-formed XML")
}

type xmlReader struct {
	d     *xml.Decoder
	nodes int
}

func (r *xmlReader) document() (*Node, error) {
	var root *Node
	for {
		t, err := r.d.Token()
		if errors.Is(err, io.EOF) && root != nil {
			return root, nil
		}
		if err != nil {
			return nil, err
		}
		switch t := t.(type) {
		case xml.Directive:
			return nil, errDoctype
		case xml.CharData:
			if len(bytes.TrimSpace(t)) > 0 {
				return nil, errShape
			}
		case xml.StartElement:
			if root != nil || t.Name.Space != namespace {
				return nil, errShape
			}
			root = &Node{Name: t.Name.Local, Type: t.Name.Local}
			if err := r.fill(root, t, 1); err != nil {
				return nil, err
			}
		}
	}
}

// fill reads what stands in an element, to its end.
func (r *xmlReader) fill(n *Node, start xml.StartElement, depth int) error {
	if r.nodes++; depth > maxDepth || r.nodes > maxNodes {
		return errDepth
	}
	for _, a := range start.Attr {
		switch {
		case a.Name.Space == "xmlns" || a.Name.Local == "xmlns":
		case a.Name.Local == "value":
			n.value = a.Value
		default:
			n.add(&Node{Name: a.Name.Local, value: a.Value})
		}
	}
	for {
		t, err := r.d.Token()
		if err != nil {
			return err
		}
		switch t := t.(type) {
		case xml.Directive:
			return errDoctype
		case xml.EndElement:
			return nil
		case xml.CharData:
			if len(bytes.TrimSpace(t)) > 0 {
				return errMixed
			}
		case xml.StartElement:
			if err := r.child(n, t, depth); err != nil {
				return err
			}
		}
	}
}

func (r *xmlReader) child(n *Node, t xml.StartElement, depth int) error {
	if t.Name.Space == xhtml {
		s, err := r.words(depth)
		if err == nil {
			n.add(&Node{Name: t.Name.Local, value: s})
		}
		return err
	}
	if t.Name.Space != namespace {
		return errShape
	}
	c := t.Name.Local[0]
	if (n.Name == "resource" || n.Name == "contained") && c >= 'A' && c <= 'Z' && n.Type == "" {
		n.Type = t.Name.Local
		return r.fill(n, t, depth+1)
	}
	k := &Node{Name: t.Name.Local}
	if err := r.fill(k, t, depth+1); err != nil {
		return err
	}
	n.add(k)
	return nil
}

// words reads a narrative as text: every word of it, a line for each block and
// row, a tab between cells, and what stands in place of an image.
func (r *xmlReader) words(depth int) (string, error) {
	var b strings.Builder
	for open := 1; open > 0; {
		t, err := r.d.Token()
		if err != nil {
			return "", err
		}
		switch t := t.(type) {
		case xml.Directive:
			return "", errDoctype
		case xml.StartElement:
			if open++; depth+open > maxDepth {
				return "", errDepth
			}
			opened(&b, t)
		case xml.EndElement:
			if open--; open > 0 {
				closed(&b, t.Name.Local)
			}
		case xml.CharData:
			flow(&b, string(t))
		}
	}
	return strings.TrimSpace(b.String()), nil
}

// opened writes what an element begins with.
func opened(b *strings.Builder, t xml.StartElement) {
	switch t.Name.Local {
	case "li":
		newLine(b)
		b.WriteString("- ")
	case "br":
		b.WriteByte('\n')
	case "td", "th":
	case "img":
		for _, a := range t.Attr {
			if a.Name.Local == "alt" && a.Value != "" {
				flow(b, " "+a.Value+" ")
			}
		}
	default:
		if block[t.Name.Local] {
			newLine(b)
		}
	}
}

// closed writes what an element ends with.
func closed(b *strings.Builder, name string) {
	switch {
	case name == "td" || name == "th":
		b.WriteByte('\t')
	case block[name] || name == "li":
		newLine(b)
	}
}

// block are the elements that stand on lines of their own.
var block = map[string]bool{
	"p": true, "div": true, "ul": true, "ol": true, "dl": true, "dt": true, "dd": true, "table": true, "tr": true,
	"thead": true, "tbody": true, "tfoot": true, "caption": true, "h1": true, "h2": true, "h3": true, "h4": true,
	"h5": true, "h6": true, "blockquote": true, "pre": true, "hr": true,
}

// newLine ends the line that has begun.
func newLine(b *strings.Builder) {
	if s := b.String(); s != "" && !strings.HasSuffix(s, "\n") {
		b.WriteByte('\n')
	}
}

// flow writes text as a browser shows it: one space for any white space, none
// at the beginning of a line.
func flow(b *strings.Builder, s string) {
	s = strings.NewReplacer("\u00a0", " ").Replace(s)
	words := strings.Fields(s)
	begun := b.String()
	fresh := begun == "" || strings.HasSuffix(begun, "\n") || strings.HasSuffix(begun, " ") || strings.HasSuffix(begun, "\t")
	if len(s) > 0 && strings.ContainsAny(s[:1], " \t\r\n") && !fresh {
		b.WriteByte(' ')
	}
	b.WriteString(strings.Join(words, " "))
	if len(words) > 0 && strings.ContainsAny(s[len(s)-1:], " \t\r\n") {
		b.WriteByte(' ')
	}
}

// A Head is what the head of a message says.
type Head struct {
	// MessageID is MessageHeader.id; SenderReference stands in the extension
	// ITK-MessageHandling. Either may be "".
	MessageID, SenderReference string
	// Event is the code of MessageHeader.event.
	Event string
	// InfAck and BusAck say which acknowledgements are asked for; each is true
	// when the message does not tell, as the standard asks.
	InfAck, BusAck bool
	// Sender is the organisation's ODS code, or "".
	Sender string
}

// HeadOf reads the head of a message, without counting it as read.
func HeadOf(message *Node) Head {
	h := Head{InfAck: true, BusAck: true}
	header := HeaderOf(message)
	h.MessageID, h.Event = header.Peek("id"), header.Peek("event", "code")
	for e := range header.All("extension") {
		if strings.TrimSpace(e.Peek("url")) != Handling {
			continue
		}
		for p := range e.All("extension") {
			switch p.Peek("url") {
			case "SenderReference":
				h.SenderReference = p.Peek("valueString")
			case "InfAckRequested":
				h.InfAck = p.Peek("valueBoolean") != "false"
			case "BusAckRequested":
				h.BusAck = p.Peek("valueBoolean") != "false"
			}
		}
	}
	sender := header.Peek("sender", "reference")
	for e := range message.All("entry") {
		if e.Peek("fullUrl") == sender && sender != "" {
			h.Sender = e.Peek("resource", "identifier", "value")
		}
	}
	return h
}

// HeaderOf returns the MessageHeader of a message; nil when the first entry is
// none.
func HeaderOf(message *Node) *Node {
	if r := message.Get("entry", "resource"); r != nil && r.Type == "MessageHeader" {
		return r
	}
	return nil
}
