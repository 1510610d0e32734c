package page

import (
	"strings"

	"trellis.example/profiles/snapshot"
)

// A writer writes a page as Markdown of a small kind, which xhtml reads too:
// headings, paragraphs, lists, tables, code, bold, italic and links.
type writer struct {
	site *Site
	st   *snapshot.Structure
	// link is the address of another structure's page.
	link      func(*snapshot.Structure) string
	narrative bool
	b         strings.Builder
}

func (w *writer) heading(level int, text string) {
	w.b.WriteString(strings.Repeat("#", level) + " " + text + "\n\n")
}

func (w *writer) paragraph(text string) { w.b.WriteString(text + "\n\n") }

func (w *writer) item(text string) { w.b.WriteString("- " + oneLine(text) + "\n") }

// end closes a list or a table.
func (w *writer) end() { w.b.WriteString("\n") }

func (w *writer) table(heads ...string) {
	w.row(heads...)
	w.b.WriteString("|" + strings.Repeat("---|", len(heads)) + "\n")
}

// row writes the cells of a table, which are Markdown already.
func (w *writer) row(cells ...string) {
	for _, c := range cells {
		w.b.WriteString("| " + strings.ReplaceAll(oneLine(c), "|", `\|`) + " ")
	}
	w.b.WriteString("|\n")
}

func (w *writer) to(st *snapshot.Structure, title string) string {
	return "[" + plain(title) + "](" + w.link(st) + ")"
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// plain writes text that must not be read as markup.
func plain(s string) string {
	var b strings.Builder
	for _, c := range oneLine(s) {
		if strings.ContainsRune("\\`*_[]<>#", c) {
			b.WriteByte('\\')
		}
		b.WriteRune(c)
	}
	return b.String()
}

// code writes text as code; a backtick within it is given as an apostrophe,
// which no id, path or expression needs otherwise.
func code(s string) string {
	if s = oneLine(s); s == "" {
		return ""
	}
	return "`" + strings.ReplaceAll(s, "`", "'") + "`"
}
