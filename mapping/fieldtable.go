package mapping

import (
	"slices"
	"strings"
)

// The marks between which a format's README holds its field table.
const (
	fieldsBegin = "<!-- fields -->"
	fieldsEnd   = "<!-- /fields -->"
)

// FieldTable returns the Markdown table of the format's fields: where each goes
// in FHIR, as what type, which ways, and what is lost.
func (m *Map) FieldTable() string {
	var b strings.Builder
	b.WriteString("| field | FHIR | type | ways | lost, and why |\n|---|---|---|---|---|\n")
	for _, name := range m.spec.Fields {
		row := m.fieldRow(name)
		b.WriteString("| `" + cell(name) + "` | " + strings.Join(row[:], " | ") + " |\n")
	}
	return b.String()
}

// fieldRow is what a map does with one field.
func (m *Map) fieldRow(name string) [4]string {
	var to, types, lost []string
	ways := direction(0)
	add := func(list *[]string, s string) {
		if s = cell(s); s != "" && !slices.Contains(*list, s) {
			*list = append(*list, s)
		}
	}
	for _, r := range m.rules {
		if !m.touches(name, r.spec.paths()...) {
			continue
		}
		add(&lost, r.spec.Loss)
		if r.inst == nil {
			continue
		}
		ways |= r.dir
		add(&to, r.expr)
		add(&types, typeWords(r))
		if r.dir != inward|outward && r.spec.Loss == "" {
			add(&lost, r.spec.Note)
		}
	}
	if len(to) == 0 {
		f := m.field(name)
		if len(f.Asked) > 0 {
			add(&to, "asked by "+strings.Join(f.Asked, ", "))
		}
	}
	return [4]string{orDash(to), orDash(types), [...]string{"–", "in", "out", "both"}[ways], orDash(lost)}
}

func typeWords(r *rule) string {
	switch {
	case r.table != nil:
		return r.spec.Type + " of " + r.table.spec.ID
	case r.spec.Type == "":
		return "text"
	case r.spec.Type == "headed":
		return "headed \"" + r.constText + "\""
	}
	return r.spec.Type
}

func orDash(list []string) string {
	if len(list) == 0 {
		return "–"
	}
	return strings.Join(list, "<br>")
}

// cell makes a text fit a cell of a Markdown table.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ").Replace(strings.TrimSpace(s))
}

// WithFieldTable returns a README with the field table between its marks; false
// when it has none.
func (m *Map) WithFieldTable(readme string) (string, bool) {
	before, rest, ok := strings.Cut(readme, fieldsBegin)
	_, after, end := strings.Cut(rest, fieldsEnd)
	if !ok || !end {
		return readme, false
	}
	return before + fieldsBegin + "\n" + m.FieldTable() + fieldsEnd + after, true
}
