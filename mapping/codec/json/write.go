package json

import (
	"trellis.example/fhir"
	"trellis.example/mapping/codec"
)

// Blank returns an empty record.
func (Syntax) Blank(shape codec.Shape) *codec.Doc {
	d := codec.NewDoc()
	d.Shape = shape
	return d
}

// Write returns the record as one JSON object, its members in the order of the
// format's fields.
func (Syntax) Write(d *codec.Doc) ([]byte, error) {
	d.Sort(codec.NewOrder(Syntax{}, d.Shape.Fields))
	return append(value(nil, d, codec.Root), '\n'), nil
}

func value(b []byte, d *codec.Doc, id codec.ID) []byte {
	first := d.First(id)
	switch {
	case first == codec.None && d.Kind(id) == codec.Literal && d.Text(id) != "":
		return append(b, d.Text(id)...)
	case first == codec.None && id != codec.Root:
		return fhir.AppendString(b, d.Text(id))
	case first != codec.None && d.Name(first) == element:
		return list(b, d, first)
	}
	return object(b, d, id)
}

func object(b []byte, d *codec.Doc, id codec.ID) []byte {
	b = append(b, '{')
	start := len(b)
	for c := d.First(id); c != codec.None; c = d.Next(c) {
		if d.Element(c) > 0 || d.Repeats(c) && allHollow(d, c) || !d.Repeats(c) && hollow(d, c) {
			continue // a later element of an array, or nothing
		}
		if len(b) > start {
			b = append(b, ',')
		}
		b = append(fhir.AppendString(b, d.Name(c)), ':')
		if d.Repeats(c) {
			b = list(b, d, c)
		} else {
			b = value(b, d, c)
		}
	}
	return append(b, '}')
}

// list writes the elements of an array, of which c is the first.
func list(b []byte, d *codec.Doc, c codec.ID) []byte {
	b = append(b, '[')
	start := len(b)
	for ; c != codec.None; c = d.NextSame(c) {
		if hollow(d, c) {
			continue
		}
		if len(b) > start {
			b = append(b, ',')
		}
		b = value(b, d, c)
	}
	return append(b, ']')
}

// hollow reports whether nothing was written at or below the node.
func hollow(d *codec.Doc, id codec.ID) bool {
	for c := d.First(id); c != codec.None; c = d.Next(c) {
		if !hollow(d, c) {
			return false
		}
	}
	return d.Text(id) == ""
}

// allHollow is hollow for all elements of an array, of which c is the first.
func allHollow(d *codec.Doc, c codec.ID) bool {
	for ; c != codec.None; c = d.NextSame(c) {
		if !hollow(d, c) {
			return false
		}
	}
	return true
}
