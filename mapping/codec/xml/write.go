package xml

import (
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"trellis.example/fhir"
	"trellis.example/mapping/codec"
)

// Blank returns an empty record.
func (Syntax) Blank(shape codec.Shape) *codec.Doc {
	d := codec.NewDoc()
	d.Own, d.Shape = own, shape
	return d
}

// Write returns the document that holds the record: its element, with the
// format's namespaces. Codes are processing, for names and characters that XML
// does not have.
func (Syntax) Write(d *codec.Doc) ([]byte, error) {
	if len(d.Shape.Fields) > 0 {
		d.Sort(codec.NewOrder(Syntax{}, d.Shape.Fields))
	}
	w := writer{d: d, out: []byte(`<?xml version="1.0" encoding="UTF-8"?>`)}
	root := codec.None
	for c := d.First(codec.Root); c != codec.None; c = d.Next(c) {
		if hollow(d, c) {
			continue
		}
		if root != codec.None || !isElement(d.Name(c)) {
			return nil, fhir.Errorf(fhir.Processing, "the record is not one element")
		}
		root = c
	}
	if root == codec.None {
		return nil, fhir.Errorf(fhir.Processing, "nothing of this document has a place in the partner's format")
	}
	w.element(root, 0)
	if w.bad {
		return nil, fhir.Errorf(fhir.Processing, "the record has a name or a character that XML 1.0 does not allow")
	}
	return append(w.out, '\n'), nil
}

type writer struct {
	d   *codec.Doc
	out []byte
	bad bool
}

// element writes an element; depth is -1 inside mixed content, where white
// space would be content.
func (w *writer) element(id codec.ID, depth int) {
	d := w.d
	if depth >= 0 {
		w.out = append(append(w.out, '\n'), strings.Repeat("  ", depth)...)
	}
	w.out = append(w.out, '<')
	w.name(d.Name(id))
	if d.Parent(id) == codec.Root {
		w.namespaces()
	}
	text, kids := d.Text(id) != "", false
	for c := d.First(id); c != codec.None; c = d.Next(c) {
		switch name := d.Name(c); {
		case hollow(d, c):
		case name == own:
			text = true
		case isElement(name):
			kids = true
		default:
			w.out = append(w.out, ' ')
			w.name(name[1:])
			w.out = append(w.out, '=', '"')
			w.escape(d.Text(c), true)
			w.out = append(w.out, '"')
		}
	}
	if !text && !kids {
		w.out = append(w.out, '/', '>')
		return
	}
	w.out = append(w.out, '>')
	w.content(id, depth, text)
	w.out = append(w.out, '<', '/')
	w.name(d.Name(id))
	w.out = append(w.out, '>')
}

// content writes what stands between the tags.
func (w *writer) content(id codec.ID, depth int, text bool) {
	d, below := w.d, depth+1
	if text || depth < 0 {
		below = -1
	}
	w.escape(d.Text(id), false)
	for c := d.First(id); c != codec.None; c = d.Next(c) {
		switch name := d.Name(c); {
		case hollow(d, c) && below >= 0: // in mixed content it parts the text
		case name == own:
			w.escape(d.Text(c), false)
		case isElement(name):
			w.element(c, below)
		}
	}
	if below > 0 {
		w.out = append(append(w.out, '\n'), strings.Repeat("  ", depth)...)
	}
}

func (w *writer) namespaces() {
	spaces := w.d.Shape.Namespaces
	declare := func(name, uri string) {
		w.out = append(append(append(w.out, ' '), name...), '=', '"')
		w.escape(uri, true)
		w.out = append(w.out, '"')
	}
	for _, prefix := range slices.Sorted(maps.Keys(spaces)) {
		if prefix == "" {
			declare("xmlns", spaces[prefix])
		} else {
			declare("xmlns:"+prefix, spaces[prefix])
		}
	}
	if spaces["xsi"] == "" && w.uses("xsi:") {
		declare("xmlns:xsi", xsiNamespace)
	}
}

// uses reports whether a name of the record has the prefix.
func (w *writer) uses(prefix string) bool {
	for id := range w.d.Len() {
		if strings.HasPrefix(strings.TrimPrefix(w.d.Name(codec.ID(id)), "@"), prefix) {
			return true
		}
	}
	return false
}

func (w *writer) name(s string) {
	prefix, _, found := strings.Cut(s, ":")
	known := !found || prefix == "xml" || prefix == "xsi" || w.d.Shape.Namespaces[prefix] != ""
	w.bad = w.bad || !isQName(s) || !known
	w.out = append(w.out, s...)
}

// escape writes text, or the value of an attribute.
func (w *writer) escape(s string, attribute bool) {
	for i, r := range s {
		switch {
		case r == '&':
			w.out = append(w.out, "&amp;"...)
		case r == '<':
			w.out = append(w.out, "&lt;"...)
		case r == '>':
			w.out = append(w.out, "&gt;"...)
		case r == '"' && attribute:
			w.out = append(w.out, "&quot;"...)
		case r == '\r':
			w.out = append(w.out, "&#xD;"...)
		case r == '\n' && attribute:
			w.out = append(w.out, "&#xA;"...)
		case r == '\t' && attribute:
			w.out = append(w.out, "&#x9;"...)
		default:
			w.bad = w.bad || !isChar(r) || r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD")
			w.out = utf8.AppendRune(w.out, r)
		}
	}
}

// isChar reports whether XML 1.0 allows the character.
func isChar(r rune) bool {
	return r == '\t' || r == '\n' || r >= ' ' && r < 0xD800 || r > 0xDFFF && r < 0xFFFE || r > 0xFFFF && r <= utf8.MaxRune
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
