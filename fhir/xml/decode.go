package xml

import (
	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
)

// maxIssues is how many faults of one document are reported.
const maxIssues = 50

// Decode reads one resource in XML of at most limit bytes and returns it as
// JSON. All faults of the FHIR structure are reported together; one of the XML
// itself ends the reading. Codes are invalid, structure, value, and too-long
// when b is larger than limit.
func Decode(b []byte, limit int) ([]byte, error) {
	if len(b) > limit {
		return nil, fhir.Errorf(fhir.TooLong, "the document is larger than %d bytes", limit)
	}
	d := decoder{scanner: scanner{src: b}, out: make([]byte, 0, len(b)), defs: definitions.R4()}
	if err := d.document(); err != nil {
		d.syntax(err)
	}
	if len(d.issues) > 0 {
		return nil, &fhir.Error{Issues: d.issues}
	}
	return d.out, nil
}

// A decoder turns the tags into JSON as it meets them. Methods that read an
// element begin on its start tag and end on its end tag, or on the start tag
// itself when it is empty.
type decoder struct {
	scanner
	out    []byte
	defs   *definitions.Definitions
	places []step
	issues []fhir.Issue
}

// document reads the one resource of the document.
func (d *decoder) document() error {
	if err := d.start(); err != nil {
		return err
	}
	tok, err := d.next()
	if err != nil {
		return err
	}
	if tok != tokStart || d.sawText {
		return d.fault(d.at, "the document is one element, named after the resource type")
	}
	if err := d.resource(); err != nil {
		return err
	}
	if tok, err = d.next(); err == nil && (tok != tokEOF || d.sawText) {
		return d.fault(d.at, "there is something after the end of the document")
	}
	return err
}

// resource reads a resource element.
func (d *decoder) resource() error {
	name := d.name
	if d.space != spaceFHIR {
		d.report(fhir.Structure, "elements are in the namespace "+fhirNamespace)
		return d.skip()
	}
	if !d.defs.IsResource(name) {
		d.report(fhir.Structure, "the name of an R4 resource type is expected")
		return d.skip()
	}
	d.enter(step{name: name, resource: true})
	defer d.leave()
	for _, a := range d.attrs {
		if !d.schemaLocation(a) {
			d.report(fhir.Structure, "a resource has no attributes; its id is an element")
		}
	}
	d.out = append(d.out, `{"resourceType":"`...)
	d.out = append(d.out, name...)
	d.out = append(d.out, '"')
	if d.empty {
		d.out = append(d.out, '}')
		return nil
	}
	if err := d.children(d.defs.Table(name)); err != nil {
		return err
	}
	d.out = append(d.out, '}')
	return nil
}

// schemaLocation reports the one attribute that tools add and that means
// nothing, allowed on the document's element.
func (d *decoder) schemaLocation(a attr) bool {
	prefix, local, _ := cutName(a.name)
	return len(d.places) == 1 && local == "schemaLocation" && d.resolve(prefix) == spaceXSI
}

// complex reads a complex element as a JSON object.
func (d *decoder) complex(t *definitions.Table) error {
	start := len(d.out)
	d.out = append(d.out, '{')
	d.xmlAttributes(t)
	if !d.empty {
		if err := d.children(t); err != nil {
			return err
		}
	}
	if len(d.out) == start+1 {
		d.report(fhir.Structure, "an element has content: children or, if it is a primitive, a value")
	}
	d.out = append(d.out, '}')
	return nil
}

// xmlAttributes writes the attributes that are elements of FHIR: the id of any
// element, and the url of an extension.
func (d *decoder) xmlAttributes(t *definitions.Table) {
	for _, a := range d.attrs {
		switch name := text(a.name); {
		case name == "id", name == "url" && t.Type == "Extension":
			d.member(name)
			d.out = appendJSON(d.out, a.raw)
		case name == "value":
			d.report(fhir.Structure, "this element has children, not a value")
		default:
			d.report(fhir.Structure, "the element has no such attribute")
		}
	}
}

// member begins a member of the JSON object that is open.
func (d *decoder) member(name string) {
	if d.out[len(d.out)-1] != '{' {
		d.out = append(d.out, ',')
	}
	d.out = append(d.out, '"')
	d.out = append(d.out, name...)
	d.out = append(d.out, '"', ':')
}

// children reads the children of the element whose start tag was read, up to
// its end tag.
func (d *decoder) children(t *definitions.Table) error {
	last, lastMember := -1, (*definitions.Member)(nil)
	tok, err := d.next()
	for ; err == nil; tok, err = d.proceed(tok) {
		if d.sawText {
			d.report(fhir.Structure, "text is not allowed between elements; values stand in the attribute value")
		}
		if tok != tokStart {
			return nil
		}
		m := d.expect(t, last, lastMember)
		if m == nil {
			tok = tokEnd
			if err = d.skip(); err != nil {
				return err
			}
			continue
		}
		last, lastMember = m.Slot, m
		if m.Many {
			tok, err = d.list(m)
		} else {
			tok, err = tokEnd, d.single(m)
		}
		if err != nil {
			return err
		}
	}
	return err
}

// proceed moves on from the end of a child. A list ends on the tag after its
// last element already; its token is passed through.
func (d *decoder) proceed(tok token) (token, error) {
	if tok == tokListed {
		return tokStart, nil
	}
	if tok == tokListedEnd {
		return tokEnd, nil
	}
	return d.next()
}

// Further tokens of the decoder: the tag after a list has been read.
const (
	tokListed token = iota + tokEOF + 1
	tokListedEnd
)

// expect returns the member that the start tag begins, or nil after a fault.
func (d *decoder) expect(t *definitions.Table, last int, lastMember *definitions.Member) *definitions.Member {
	if d.space != spaceFHIR && (d.space != spaceXHTML || d.name != "div") {
		d.reportChild("elements are in the namespace " + fhirNamespace)
		return nil
	}
	m := t.Member(d.name)
	switch {
	case m == nil:
		d.reportChild("an element of " + t.Path + " is expected here")
	case isAttribute(t, m):
		d.reportChild("this is an attribute of the element, not a child")
	case m.Slot < last:
		d.reportChild("the elements of " + t.Path + " stand in the order of their definition: this one is expected before " + t.Slots[last].Name)
	case m.Slot == last && m != lastMember:
		d.reportChild("the element is given in one type only")
	case m.Slot == last && !m.Many:
		d.reportChild("the element does not repeat")
	case (d.space == spaceXHTML) != (m.Type.Code == "xhtml"):
		d.reportChild("div, and only it, is in the namespace " + xhtmlNamespace)
	default:
		return m
	}
	return nil
}

// isAttribute reports whether XML writes the member as an attribute (R4 xml,
// section 2.6.1): only a resource's id is an element.
func isAttribute(t *definitions.Table, m *definitions.Member) bool {
	if t.Kind == definitions.Resource {
		return false
	}
	return m.Name == "id" || m.Name == "url" && t.Type == "Extension" || m.Name == "value" && t.Kind == definitions.Primitive
}

// single reads an element that does not repeat.
func (d *decoder) single(m *definitions.Member) error {
	d.enter(step{name: m.Name})
	defer d.leave()
	switch {
	case m.Table() == nil:
		d.member(m.Name)
		return d.holder()
	case m.Type.Code == "xhtml":
		d.member(m.Name)
		return d.narrative()
	case !m.Primitive():
		d.member(m.Name)
		return d.complex(m.Table())
	}
	if raw, ok := d.value(); ok {
		d.member(m.Name)
		d.literal(m.Type.Code, raw)
	}
	if !d.hasShadow() {
		return nil
	}
	begin := len(d.out)
	d.member("_" + m.Name)
	size := len(d.out)
	err := d.shadow(m.Table())
	if len(d.out) == size {
		d.out = d.out[:begin]
	}
	return err
}

// holder reads an element that holds a resource.
func (d *decoder) holder() error {
	for range d.attrs {
		d.report(fhir.Structure, "an element that holds a resource has no attributes")
	}
	tok, err := tokEnd, error(nil)
	if !d.empty {
		tok, err = d.next()
	}
	if err != nil {
		return err
	}
	if tok != tokStart {
		d.out = append(d.out, "null"...)
		d.report(fhir.Structure, "one resource is expected here")
		return nil
	}
	if err := d.resource(); err != nil {
		return err
	}
	if tok, err = d.next(); err != nil || tok == tokEnd {
		return err
	}
	d.report(fhir.Structure, "only one resource is expected here; repeat the element for each")
	for ; err == nil && tok == tokStart; tok, err = d.next() {
		if err := d.skip(); err != nil {
			return err
		}
	}
	return err
}

// skip passes over the element whose start tag was read.
func (d *decoder) skip() error {
	if d.empty {
		return nil
	}
	for depth := len(d.open); len(d.open) >= depth; {
		if _, err := d.next(); err != nil {
			return err
		}
	}
	return nil
}
