package snapshot

import (
	"strconv"
	"strings"

	"trellis.example/fhir"
)

// A writer writes JSON in the order it is told.
type writer struct{ b []byte }

// comma separates what follows from what was written before it.
func (w *writer) comma() {
	if c := w.b[len(w.b)-1]; c != '{' && c != '[' {
		w.b = append(w.b, ',')
	}
}

func (w *writer) open(bracket byte) { w.b = append(w.b, bracket) }

func (w *writer) shut(bracket byte) { w.b = append(w.b, bracket) }

func (w *writer) key(name string) {
	w.comma()
	w.b = append(fhir.AppendString(w.b, name), ':')
}

func (w *writer) raw(name string, raw []byte) {
	w.key(name)
	w.b = append(w.b, raw...)
}

// text writes a string member; an empty one is left out.
func (w *writer) text(name, s string) {
	if s != "" {
		w.key(name)
		w.b = fhir.AppendString(w.b, s)
	}
}

func (w *writer) number(name string, n int) {
	w.key(name)
	w.b = strconv.AppendInt(w.b, int64(n), 10)
}

func (w *writer) boolean(name string, on bool) {
	w.key(name)
	w.b = strconv.AppendBool(w.b, on)
}

func (w *writer) list(name string, items []string) {
	if len(items) == 0 {
		return
	}
	w.key(name)
	w.open('[')
	for _, s := range items {
		w.comma()
		w.b = fhir.AppendString(w.b, s)
	}
	w.shut(']')
}

// escape makes text safe within XHTML.
func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace(s)
}
