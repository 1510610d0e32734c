package page

import (
	"slices"
	"strings"

	"trellis.example/fhir"
	"trellis.example/profiles/snapshot"
)

const core = "http://hl7.org/fhir/StructureDefinition/"

// page writes the whole page of the structure.
func (w *writer) page() {
	root := w.st.Source.Root()
	w.heading(1, plain(titleOf(w.st)))
	if d := root.Get("description").Text(); d != "" {
		w.paragraph(plain(d))
	}
	w.facts()
	if purpose := root.Get("purpose").Text(); purpose != "" {
		w.heading(2, "What it is for")
		w.b.WriteString(prose(purpose))
	}
	w.elements()
	w.slices()
	w.rules()
	w.terminology()
	if !w.narrative {
		w.examples()
	}
}

// facts says how the structure relates to others and who uses it.
func (w *writer) facts() {
	st := w.st
	w.table("", "")
	w.row("Canonical", code(st.URL))
	w.row("Version", w.versions())
	if st.Type == "Extension" {
		w.row("Stands on", w.contexts())
	} else {
		w.row("Describes", code(st.Type)+" (FHIR R4)")
	}
	w.row("Builds on", w.named(st.Base))
	if list := w.derived(); len(list) > 0 {
		w.row("Built on by", strings.Join(list, ", "))
	}
	w.row("Applied", w.applied())
	if list := w.links(w.site.users[st.URL]); len(list) > 0 {
		w.row("Named by", strings.Join(list, ", "))
	}
	w.row("Status", plain(st.Source.Root().Get("status").Text()))
	w.end()
}

func (w *writer) versions() string {
	out := plain(w.st.Version)
	var others []string
	for _, v := range w.site.byURL[w.st.URL] {
		if v != w.st {
			others = append(others, plain(v.Version))
		}
	}
	if len(others) > 0 {
		out += "; " + strings.Join(others, ", ") + " beside it"
	}
	return out
}

func (w *writer) contexts() string {
	var out []string
	for _, c := range w.st.Contexts {
		switch c.Type {
		case "extension":
			out = append(out, "the extension "+w.named(c.Expression))
		case "fhirpath":
			out = append(out, "what "+code(c.Expression)+" selects")
		default:
			out = append(out, code(c.Expression))
		}
	}
	return strings.Join(out, ", ")
}

func (w *writer) applied() string {
	switch {
	case isDefault(w.st):
		return "to every " + code(w.st.Type) + " that the gateway takes, without being claimed"
	case w.st.Type == "Extension":
		return "wherever its URL stands in a document"
	}
	return "where a document claims it in " + code("meta.profile") + ", or a partner's agreement asks for it"
}

// named writes a canonical as a link to its page, or to HL7's.
func (w *writer) named(canonical string) string {
	if st := w.site.find(canonical); st != nil {
		title := plain(titleOf(st))
		if st.URL == w.st.URL {
			return title + " " + plain(st.Version)
		}
		return w.to(st, titleOf(st))
	}
	if name, ok := strings.CutPrefix(canonical, core); ok && isWord(name) {
		return "[" + name + "](http://hl7.org/fhir/R4/" + r4Page(name) + ")"
	}
	return code(canonical)
}

// r4Page is the file of HL7's page on a type.
func r4Page(name string) string {
	switch name {
	case "Extension":
		return "extensibility.html"
	case "Reference":
		return "references.html"
	case "SimpleQuantity", "MoneyQuantity":
		return "datatypes.html#" + name
	}
	if name[0] >= 'a' {
		return "extension-" + strings.ToLower(name) + ".html"
	}
	return strings.ToLower(name) + ".html"
}

func isWord(s string) bool { return fhir.SafeName(s) == s && s != "" && s != "?" }

func (w *writer) derived() []string {
	var list []*snapshot.Structure
	for _, st := range w.site.list {
		if fhir.ParseCanonical(st.Base).URL == w.st.URL && w.site.newest(st) {
			list = append(list, st)
		}
	}
	return w.links(list)
}

func (w *writer) links(list []*snapshot.Structure) []string {
	var out []string
	for _, st := range list {
		out = append(out, w.to(st, titleOf(st)))
	}
	return out
}

// changed yields the elements that this structure itself constrains.
func (w *writer) changed() []*snapshot.Element {
	var out []*snapshot.Element
	for i := range w.st.Elements {
		if e := &w.st.Elements[i]; i > 0 && e.By == w.st.Canonical() {
			out = append(out, e)
		}
	}
	return out
}

// mechanics reports whether a line only says how an extension is built: that its
// parts are told apart by url, and that it has parts or a value.
func mechanics(e *snapshot.Element) bool {
	switch {
	case strings.HasSuffix(e.Path, "xtension.url"):
		return true
	case strings.HasSuffix(e.Path, "xtension.extension"), strings.HasSuffix(e.Path, "xtension.value[x]"):
		if e.Max == 0 {
			return true
		}
	}
	return strings.HasSuffix(e.Path, "xtension") && e.SliceName == "" && e.Short == "" && e.Min == 0 && e.Max != 0 && !e.MustSupport
}

func (w *writer) elements() {
	list := slices.DeleteFunc(w.changed(), mechanics)
	if len(list) == 0 {
		return
	}
	w.heading(2, "What it constrains")
	if base := w.site.find(w.st.Base); base != nil {
		w.paragraph("Everything that " + w.named(w.st.Base) + " asks for holds as well.")
	}
	w.table("Element", "How many", "Must", "Type and values", "What it says")
	for _, e := range list {
		must := ""
		if e.MustSupport {
			must = "must"
		}
		w.row(code(place(e)), cardinality(e), must, w.content(e), w.says(e))
	}
	w.end()
}

// prose takes the author's Markdown a level down, so that the page keeps one
// order of headings.
func prose(text string) string {
	lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	shallow := slices.ContainsFunc(lines, func(l string) bool { n := headingLevel(l); return n > 0 && n < 3 })
	for i, l := range lines {
		if headingLevel(l) > 0 && shallow {
			lines[i] = "##" + l
		}
	}
	return strings.TrimSpace(strings.Join(lines, "\n")) + "\n\n"
}
