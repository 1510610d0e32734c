package hl7v2

// A Writer builds one message. Fields are set by number in any order within
// the current segment; everything is escaped. The zero Writer is not usable:
// call [NewWriter].
type Writer struct {
	sep     Separators
	charset Charset
	out     []byte
	name    string
	fields  [][][][]string // field, repetition, component, subcomponent
}

// null marks the explicit null among the texts: no text of a message holds
// that control character.
const null = "\x00"

// NewWriter returns a Writer that writes with those separators and in that
// character set.
func NewWriter(sep Separators, cs Charset) *Writer {
	return &Writer{sep: sep, charset: cs}
}

// Segment ends the current segment and begins the next. A segment named MSH
// gets its first two fields itself.
func (w *Writer) Segment(name string) {
	w.flush()
	w.name = name
}

// Set puts text at a place of the current segment: field, rep, comp and sub
// count from 1. An empty text changes nothing.
func (w *Writer) Set(field, rep, comp, sub int, text string) {
	if text == "" || field < 1 || rep < 1 || comp < 1 || sub < 1 {
		return
	}
	w.fields = grow(w.fields, field)
	f := &w.fields[field-1]
	*f = grow(*f, rep)
	r := &(*f)[rep-1]
	*r = grow(*r, comp)
	c := &(*r)[comp-1]
	*c = grow(*c, sub)
	(*c)[sub-1] = text
}

// SetNull writes the explicit null "" as the field.
func (w *Writer) SetNull(field int) { w.Set(field, 1, 1, 1, null) }

// Clear empties a field.
func (w *Writer) Clear(field int) {
	if field > 0 && field <= len(w.fields) {
		w.fields[field-1] = nil
	}
}

// Put sets the components of a field's first repetition.
func (w *Writer) Put(field int, comps ...string) {
	for i, c := range comps {
		w.Set(field, 1, i+1, 1, c)
	}
}

// Copy sets a field to what v holds, escapes resolved and written anew for
// this message's separators, so that an echo means the same.
func (w *Writer) Copy(field int, v Value) { w.copyRep(field, 1, v) }

// CopyField is [Writer.Copy] for all repetitions of a field.
func (w *Writer) CopyField(field int, f Field) {
	v := f.Rep(0) // walked along: seeking each anew would take the square of the time
	for i := range f.Len() {
		w.copyRep(field, i+1, v)
		v = v.next()
	}
}

func (w *Writer) copyRep(field, rep int, v Value) {
	if v.IsNull() {
		w.Set(field, rep, 1, 1, null)
		return
	}
	for c := range v.Components() {
		comp := v.Component(c + 1)
		for s := range comp.Subs() {
			w.Set(field, rep, c+1, s+1, nullOr(comp.Sub(s+1)))
		}
	}
}

// nullOr returns the text of a value, or what stands for the explicit null.
func nullOr(v Value) string {
	if v.IsNull() {
		return null
	}
	return v.Text()
}

func grow[T any](s []T, n int) []T {
	for len(s) < n {
		var zero T
		s = append(s, zero)
	}
	return s
}

// flush writes the current segment.
func (w *Writer) flush() {
	if w.name == "" {
		return
	}
	w.out = append(w.out, w.name...)
	fields := w.fields
	if w.name == "MSH" {
		w.out = append(append(w.out, w.sep.Field), w.sep.Encoding()...)
		fields = fields[min(2, len(fields)):]
	}
	for _, f := range fields {
		w.out = append(w.out, w.sep.Field)
		for i, rep := range f {
			w.between(i, w.sep.Repetition)
			w.repetition(rep)
		}
	}
	w.out = append(w.out, '\r')
	w.name, w.fields = "", w.fields[:0]
	clear(w.fields[:cap(w.fields)])
}

func (w *Writer) repetition(rep [][]string) {
	for i, comp := range rep {
		w.between(i, w.sep.Component)
		for j, sub := range comp {
			w.between(j, w.sep.Subcomponent)
			w.value(sub)
		}
	}
}

// value writes one text. A text that is two quotation marks is not the null.
func (w *Writer) value(text string) {
	switch text {
	case null:
		w.out = append(w.out, `""`...)
	case `""`:
		w.out = append(w.out, w.sep.Escape)
		w.out = append(append(w.out, "X2222"...), w.sep.Escape)
	default:
		w.out = AppendEscaped(w.out, text, w.sep)
	}
}

func (w *Writer) between(i int, sep byte) {
	if i > 0 {
		w.out = append(w.out, sep)
	}
}

// Bytes ends the message and returns it in the character set.
func (w *Writer) Bytes() []byte {
	w.flush()
	return w.charset.encode(w.out)
}
