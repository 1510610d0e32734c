package xml

import (
	"slices"
	"strings"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
)

// Encode writes a resource in JSON as XML, without an XML declaration. Faults
// are code invalid for what is not JSON, and code processing, at their
// FHIRPath, for what XML cannot hold: members that R4 does not define, values of
// another JSON kind than their type's, characters that XML 1.0 does not allow.
func Encode(b []byte) ([]byte, error) { return encode(b, false) }

// EncodeIndent is [Encode] with each element on a line of its own, indented by
// two blanks a level. Narratives are not touched.
func EncodeIndent(b []byte) ([]byte, error) { return encode(b, true) }

func encode(b []byte, indent bool) ([]byte, error) {
	t, err := fhir.Parse(b, maxEncode)
	if err != nil {
		return nil, err
	}
	e := encoder{defs: definitions.R4(), out: make([]byte, 0, len(b)+len(b)/2), parts: make([]part, 0, 48), indent: indent}
	if err := e.resource(t.Root(), ` xmlns="`+fhirNamespace+`"`); err != nil {
		return nil, err
	}
	return e.out, nil
}

// maxEncode is what fhir.Parse can address; our own answers are smaller.
const maxEncode = 1<<31 - 1

// An encoder walks the parsed document once.
type encoder struct {
	defs   *definitions.Definitions
	out    []byte
	parts  []part // of all objects that are open
	indent bool
	depth  int
}

// A part is one element of an object: its value and, for a primitive, the object
// with its id and extensions.
type part struct {
	m             *definitions.Member
	value, shadow fhir.Value
}

func fault(at fhir.Value, text string) error {
	return &fhir.Error{Issues: []fhir.Issue{{Code: fhir.Processing, Expression: at.Path(), Text: text}}}
}

// resource writes a resource element.
func (e *encoder) resource(v fhir.Value, declare string) error {
	typ := v.Get("resourceType").Text()
	if v.Kind() != fhir.Object || !e.defs.IsResource(typ) {
		return fault(v, "a resource of an R4 type is expected")
	}
	return e.object(v, e.defs.Table(typ), typ, declare)
}

// object writes an object as the element of that name; declare follows the name.
func (e *encoder) object(v fhir.Value, t *definitions.Table, name, declare string) error {
	base := len(e.parts)
	defer func() { e.parts = e.parts[:base] }()
	if err := e.take(v, t, base); err != nil {
		return err
	}
	e.begin(name)
	e.out = append(e.out, declare...)
	parts, err := e.attributes(t, e.parts[base:])
	if err != nil {
		return err
	}
	return e.content(name, parts)
}

// take collects the parts of an object in the order of the definition.
func (e *encoder) take(v fhir.Value, t *definitions.Table, base int) error {
	if v.Kind() != fhir.Object {
		return fault(v, "an object is expected")
	}
	for c := v.First(); c.Exists(); c = c.Next() {
		name := c.Key()
		if t.Kind == definitions.Resource && name == "resourceType" {
			continue
		}
		m := t.Member(name)
		if m == nil && name != "" && name[0] == '_' {
			if m = t.Member(name[1:]); m == nil || !m.Primitive() {
				return fault(c, "R4 does not define this member")
			}
			e.pair(base, m).shadow = c
			continue
		}
		if m == nil || t.Kind == definitions.Primitive && m.Name == "value" {
			return fault(c, "R4 does not define this member")
		}
		e.pair(base, m).value = c
	}
	parts := e.parts[base:]
	if len(parts) == 0 && t.Kind != definitions.Resource {
		return fault(v, "an element has content")
	}
	slices.SortStableFunc(parts, func(a, b part) int { return a.m.Slot - b.m.Slot })
	for i := 1; i < len(parts); i++ {
		if parts[i].m.Slot == parts[i-1].m.Slot {
			return fault(v, "an element is given in one type only")
		}
	}
	return nil
}

// pair returns the part of a member, which its sibling may have begun.
func (e *encoder) pair(base int, m *definitions.Member) *part {
	for i := len(e.parts) - 1; i >= base; i-- {
		if e.parts[i].m == m {
			return &e.parts[i]
		}
	}
	e.parts = append(e.parts, part{m: m})
	return &e.parts[len(e.parts)-1]
}

// attributes writes the parts that are XML attributes and returns the others.
func (e *encoder) attributes(t *definitions.Table, parts []part) ([]part, error) {
	n := 0
	for _, p := range parts {
		if !isAttribute(t, p.m) {
			parts[n] = p
			n++
			continue
		}
		if p.shadow.Exists() {
			return nil, fault(p.shadow, "this element is an XML attribute and cannot have extensions")
		}
		if err := e.attribute(p.m.Name, p.value, fhir.String); err != nil {
			return nil, err
		}
	}
	return parts[:n], nil
}

// attribute writes a value of that JSON kind.
func (e *encoder) attribute(name string, v fhir.Value, kind fhir.Kind) error {
	if v.Kind() != kind {
		return fault(v, "the value is not of the JSON kind that its type has")
	}
	e.out = append(e.out, ' ')
	e.out = append(e.out, name...)
	e.out = append(e.out, '=', '"')
	var ok bool
	if e.out, ok = appendAttribute(e.out, v.Text()); !ok {
		return fault(v, "the value has a character that XML 1.0 does not allow")
	}
	e.out = append(e.out, '"')
	return nil
}

// content ends the start tag of an element and writes its parts.
func (e *encoder) content(name string, parts []part) error {
	if len(parts) == 0 {
		e.out = append(e.out, '/', '>')
		return nil
	}
	e.out = append(e.out, '>')
	e.depth++
	for i := range parts {
		if err := e.part(parts[i]); err != nil {
			return err
		}
	}
	e.depth--
	e.end(name)
	return nil
}

func (e *encoder) part(p part) error {
	if p.m.Many {
		return e.list(p)
	}
	for _, v := range [...]fhir.Value{p.value, p.shadow} {
		if v.Kind() == fhir.Null || v.Kind() == fhir.Array {
			return fault(v, "one value is expected")
		}
	}
	return e.element(p.m, p.value, p.shadow)
}

// list writes the elements of an array, or of the two of a primitive.
func (e *encoder) list(p part) error {
	for _, v := range [...]fhir.Value{p.value, p.shadow} {
		if v.Exists() && (v.Kind() != fhir.Array || v.Len() == 0) {
			return fault(v, "an array with elements is expected")
		}
	}
	v, s := p.value.First(), p.shadow.First()
	for v.Exists() || s.Exists() {
		if err := e.element(p.m, v, s); err != nil {
			return err
		}
		v, s = v.Next(), s.Next()
	}
	return nil
}

// element writes one element; v or s may be absent or null, but not both.
func (e *encoder) element(m *definitions.Member, v, s fhir.Value) error {
	switch {
	case m.Table() == nil:
		e.begin(m.Name)
		e.out = append(e.out, '>')
		e.depth++
		if err := e.resource(v, ""); err != nil {
			return err
		}
		e.depth--
		e.end(m.Name)
		return nil
	case m.Type.Code == "xhtml":
		return e.div(v, s)
	case !m.Primitive():
		return e.object(v, m.Table(), m.Name, "")
	}
	return e.primitive(m, v, s)
}

func (e *encoder) primitive(m *definitions.Member, v, s fhir.Value) error {
	hasValue, hasShadow := v.Kind() > fhir.Null, s.Kind() > fhir.Null
	if !hasValue && !hasShadow {
		at := v
		if !at.Exists() {
			at = s
		}
		return fault(at, "an element has a value or extensions")
	}
	base := len(e.parts)
	defer func() { e.parts = e.parts[:base] }()
	if hasShadow {
		if err := e.take(s, m.Table(), base); err != nil {
			return err
		}
	}
	e.begin(m.Name)
	parts, err := e.attributes(m.Table(), e.parts[base:])
	if err != nil {
		return err
	}
	if hasValue {
		if err := e.attribute("value", v, kindOf(m.Type.Code)); err != nil {
			return err
		}
	}
	return e.content(m.Name, parts)
}

// kindOf is the JSON kind of a primitive type's values.
func kindOf(typ string) fhir.Kind {
	switch typ {
	case "boolean":
		return fhir.Bool
	case "decimal", "integer", "positiveInt", "unsignedInt":
		return fhir.Number
	}
	return fhir.String
}

func (e *encoder) div(v, s fhir.Value) error {
	if s.Exists() {
		return fault(s, "a narrative's div has no extensions")
	}
	if e.indent {
		e.newLine()
	}
	var ok bool
	if e.out, ok = appendNarrative(e.out, v.Text()); !ok {
		return fault(v, "the narrative is not one well-formed div of the namespace "+xhtmlNamespace)
	}
	return nil
}

// begin opens the start tag of an element.
func (e *encoder) begin(name string) {
	if e.indent && len(e.out) > 0 {
		e.newLine()
	}
	e.out = append(e.out, '<')
	e.out = append(e.out, name...)
}

// end writes an end tag.
func (e *encoder) end(name string) {
	if e.indent {
		e.newLine()
	}
	e.out = append(e.out, '<', '/')
	e.out = append(e.out, name...)
	e.out = append(e.out, '>')
}

func (e *encoder) newLine() {
	e.out = append(e.out, '\n')
	e.out = append(e.out, strings.Repeat("  ", e.depth)...)
}
