package xml

import (
	"bytes"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
)

// value returns the attribute value of a primitive; other attributes than id
// are faults.
func (d *decoder) value() (raw []byte, ok bool) {
	for _, a := range d.attrs {
		switch text(a.name) {
		case "value":
			raw, ok = a.raw, true
		case "id":
		default:
			d.report(fhir.Structure, "a primitive element has the attributes value and id only")
		}
	}
	return raw, ok
}

// hasShadow reports whether the primitive that is open may have more than its
// value, or has nothing, which shadow finds.
func (d *decoder) hasShadow() bool {
	return !d.empty || len(d.attrs) != 1 || text(d.attrs[0].name) != "value"
}

// literal writes a value as the JSON kind of its type.
func (d *decoder) literal(typ string, raw []byte) {
	switch typ {
	case "boolean":
		if b := text(raw); b != "true" && b != "false" {
			d.report(fhir.BadValue, "a boolean is true or false")
		}
		d.out = append(d.out, raw...)
	case "decimal":
		if !isNumber(raw, true) {
			d.report(fhir.BadValue, "a decimal is digits with an optional fraction and exponent, such as 1.50")
		}
		d.out = append(d.out, raw...)
	case "integer", "positiveInt", "unsignedInt":
		if !isNumber(raw, false) {
			d.report(fhir.BadValue, "a whole number is digits without leading zeros")
		}
		d.out = append(d.out, raw...)
	default:
		d.out = appendJSON(d.out, raw)
	}
}

// isNumber reports whether b is a number as JSON and FHIR write it.
func isNumber(b []byte, fraction bool) bool {
	b = bytes.TrimPrefix(b, []byte("-"))
	n := digits(b)
	if n == 0 || n > 1 && b[0] == '0' {
		return false
	}
	if b = b[n:]; fraction && len(b) > 1 && b[0] == '.' {
		if n = digits(b[1:]); n == 0 {
			return false
		}
		b = b[1+n:]
	}
	if fraction && len(b) > 1 && b[0]|0x20 == 'e' {
		if b = b[1:]; len(b) > 1 && (b[0] == '+' || b[0] == '-') {
			b = b[1:]
		}
		n = digits(b)
		return n > 0 && n == len(b)
	}
	return len(b) == 0
}

func digits(b []byte) int {
	n := 0
	for n < len(b) && b[n] >= '0' && b[n] <= '9' {
		n++
	}
	return n
}

// shadow reads what a primitive has besides its value: its id and extensions.
// When it has neither and no value, it is at fault.
func (d *decoder) shadow(t *definitions.Table) error {
	start := len(d.out)
	hasValue := false
	d.out = append(d.out, '{')
	for _, a := range d.attrs {
		switch text(a.name) {
		case "id":
			d.member("id")
			d.out = appendJSON(d.out, a.raw)
		case "value":
			hasValue = true
		}
	}
	if !d.empty {
		if err := d.children(t); err != nil {
			return err
		}
	}
	if len(d.out) > start+1 {
		d.out = append(d.out, '}')
		return nil
	}
	if !hasValue {
		d.report(fhir.Structure, "a primitive element has a value or extensions")
	}
	d.out = d.out[:start] // the caller takes back the name
	return nil
}

// list reads an element that repeats and those of its name that follow, and ends
// on the tag after them.
func (d *decoder) list(m *definitions.Member) (token, error) {
	if m.Primitive() {
		return d.primitives(m)
	}
	d.member(m.Name)
	d.out = append(d.out, '[')
	tok, err := d.each(m, func(i int) error {
		if i > 0 {
			d.out = append(d.out, ',')
		}
		if m.Table() == nil {
			return d.holder()
		}
		return d.complex(m.Table())
	})
	d.out = append(d.out, ']')
	return tok, err
}

// each reads the elements of a list.
func (d *decoder) each(m *definitions.Member, read func(i int) error) (token, error) {
	for i := 0; ; i++ {
		d.enter(step{name: m.Name, index: i, list: true})
		err := read(i)
		d.leave()
		if err != nil {
			return tokEOF, err
		}
		tok, err := d.next()
		switch {
		case err != nil:
			return tok, err
		case tok != tokStart:
			return tokListedEnd, nil
		case d.sawText || d.space != spaceFHIR || d.name != m.Name:
			return tokListed, nil
		}
	}
}

// primitives reads a list of primitives: their values and, when any has them,
// their ids and extensions, in two arrays padded with null (R4 json, section
// 2.6.2.3).
func (d *decoder) primitives(m *definitions.Member) (token, error) {
	begin := len(d.out)
	d.member(m.Name)
	d.out = append(d.out, '[')
	var shadows []byte
	values := 0
	tok, err := d.each(m, func(i int) error {
		if i > 0 {
			d.out = append(d.out, ',')
		}
		raw, ok := d.value()
		if ok {
			values++
			d.literal(m.Type.Code, raw)
		} else {
			d.out = append(d.out, "null"...)
		}
		has := d.hasShadow()
		if shadows = pad(shadows, i, has); !has {
			return nil
		}
		size := len(shadows)
		d.out, shadows = shadows, d.out
		err := d.shadow(m.Table())
		d.out, shadows = shadows, d.out
		if len(shadows) == size {
			shadows = append(shadows, "null"...)
		}
		return err
	})
	d.out = append(d.out, ']')
	if values == 0 {
		d.out = d.out[:begin]
	}
	if shadows != nil {
		d.member("_" + m.Name)
		d.out = append(append(d.out, shadows...), ']')
	}
	return tok, err
}

// pad makes room for the shadow of element i; when it has none, null is put there
// unless no element had one so far.
func pad(shadows []byte, i int, has bool) []byte {
	switch {
	case shadows == nil && !has:
		return nil
	case shadows == nil:
		shadows = append(shadows, '[')
		for range i {
			shadows = append(shadows, "null,"...)
		}
		return shadows
	case has:
		return append(shadows, ',')
	}
	return append(shadows, ",null"...)
}
