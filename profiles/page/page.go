package page

import (
	"slices"
	"strconv"
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

func (w *writer) elements() {
	list := w.changed()
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

// place is the id of an element below its type.
func place(e *snapshot.Element) string {
	_, rest, ok := strings.Cut(e.ID, ".")
	if !ok {
		return e.ID
	}
	return rest
}

func cardinality(e *snapshot.Element) string {
	limit := `\*`
	if e.Max >= 0 {
		limit = strconv.Itoa(e.Max)
	}
	return strconv.Itoa(e.Min) + ".." + limit
}

// manyTypes is how many types are listed before they are only counted.
const manyTypes = 8

// content says of which type an element is, what it refers to and which codes it
// takes.
func (w *writer) content(e *snapshot.Element) string {
	if e.Max == 0 {
		return "not used"
	}
	var types []string
	for _, t := range e.Types {
		types = append(types, w.typeName(t))
	}
	out := strings.Join(types, " or ")
	if len(types) > manyTypes {
		out = strconv.Itoa(len(types)) + " types"
	}
	if b := e.Binding; b != nil && b.ValueSet != "" {
		out += "; " + codes(b.Strength, w.valueSet(b.ValueSet))
	}
	return out
}

// codes says in words how strongly a value set binds.
func codes(strength, set string) string {
	switch strength {
	case "required":
		return "codes only of " + set
	case "extensible":
		return "codes of " + set + " where one fits"
	case "preferred":
		return "preferably codes of " + set
	}
	return "codes such as those of " + set
}

func (w *writer) typeName(t snapshot.Type) string {
	list, joined := t.Profiles, code(t.Code)
	if t.Code == "BackboneElement" {
		joined = "a group"
	}
	if len(t.TargetProfiles) > 0 {
		list, joined = t.TargetProfiles, joined+" to"
	}
	var names []string
	for _, p := range list {
		names = append(names, w.named(p))
	}
	if len(names) == 0 {
		return joined
	}
	return joined + " " + strings.Join(names, ", ")
}

func (w *writer) valueSet(canonical string) string {
	url := fhir.ParseCanonical(canonical).URL
	name := url[strings.LastIndexByte(url, '/')+1:]
	address := url
	if strings.HasPrefix(url, ourBase) && !w.narrative {
		address = "../../profiles/data/valuesets/ValueSet-" + name + ".json"
	}
	if safeAddress(address) && isWord(name) {
		return "[" + plain(name) + "](" + address + ")"
	}
	return code(canonical)
}

// says gives an element's description and the values it must have.
func (w *writer) says(e *snapshot.Element) string {
	var out []string
	text := e.Short
	if d := e.Diff.Get("definition").Text(); d != "" && len(d) <= 400 {
		text = d
	}
	if text != "" {
		out = append(out, sentence(plain(text)))
	}
	if c := e.Diff.Get("comment").Text(); c != "" {
		out = append(out, sentence(plain(c)))
	}
	switch {
	case e.Fixed.Exists():
		out = append(out, "Always "+value(e.Fixed)+".")
	case e.Pattern.Exists():
		out = append(out, "Holds "+value(e.Pattern)+".")
	}
	if e.MinValue.Exists() {
		out = append(out, "Not below "+value(e.MinValue)+".")
	}
	if e.MaxValue.Exists() {
		out = append(out, "Not above "+value(e.MaxValue)+".")
	}
	if e.MaxLength > 0 {
		out = append(out, "At most "+strconv.Itoa(e.MaxLength)+" characters.")
	}
	return strings.Join(out, " ")
}

func sentence(s string) string {
	if s == "" || strings.ContainsRune(".!?", rune(s[len(s)-1])) {
		return s
	}
	return s + "."
}

// value writes a fixed value or a pattern in a few words.
func value(v fhir.Value) string {
	switch v.Kind() {
	case fhir.Object:
		if codings := v.Get("coding"); codings.Exists() && v.Len() == 1 {
			return value(codings)
		}
		if c := v.Get("code"); c.Exists() && v.Get("system").Exists() {
			return code(c.Text()) + " of " + code(v.Get("system").Text())
		}
		return code(string(v.Raw()))
	case fhir.Array:
		var out []string
		for x := range v.All() {
			out = append(out, value(x))
		}
		return strings.Join(out, " and ")
	}
	return code(v.Text())
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
