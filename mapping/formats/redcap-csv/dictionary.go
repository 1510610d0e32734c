package redcapcsv

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"trellis.example/fhir"
	"trellis.example/mapping/codec"
	"trellis.example/mapping/codec/csv"
)

// The columns of a data dictionary that are read, as REDCap names them.
const (
	colName       = "Variable / Field Name"
	colForm       = "Form Name"
	colSection    = "Section Header"
	colType       = "Field Type"
	colLabel      = "Field Label"
	colChoices    = "Choices, Calculations, OR Slider Labels"
	colNote       = "Field Note"
	colValidation = "Text Validation Type OR Show Slider Number"
	colMin        = "Text Validation Min"
	colMax        = "Text Validation Max"
	colIdentifier = "Identifier?"
	colBranching  = "Branching Logic (Show field only if...)"
	colRequired   = "Required Field?"
	colAlignment  = "Custom Alignment"
	colNumber     = "Question Number (surveys only)"
	colMatrix     = "Matrix Group Name"
	colRanking    = "Matrix Ranking?"
	colAnnotation = "Field Annotation"
)

// dictionaryColumns are all 18, in REDCap's order.
func dictionaryColumns() []string {
	return []string{colName, colForm, colSection, colType, colLabel, colChoices, colNote, colValidation, colMin, colMax,
		colIdentifier, colBranching, colRequired, colAlignment, colNumber, colMatrix, colRanking, colAnnotation}
}

// Limits on a dictionary.
const (
	maxForms   = 60
	maxFields  = 900
	maxChoices = 200
)

// A field is one row of a data dictionary.
type field struct {
	row     int
	cells   map[string]string
	choices []choice
}

// A choice is one answer of a radio, dropdown or checkbox field.
type choice struct{ code, label string }

func (f *field) get(col string) string { return f.cells[col] }
func (f *field) name() string          { return f.cells[colName] }
func (f *field) form() string          { return f.cells[colForm] }
func (f *field) kind() string          { return f.cells[colType] }

// A dictionary is a REDCap project's data dictionary.
type dictionary struct {
	fields []*field
	forms  []string // in the dictionary's order
	byName map[string]*field
}

// isDictionary reports whether a document is a data dictionary: REDCap fixes
// the first column's name, which no variable can have.
func isDictionary(doc []byte) bool {
	doc = bytes.TrimPrefix(doc, []byte("\xef\xbb\xbf"))
	return bytes.HasPrefix(bytes.TrimPrefix(doc, []byte(`"`)), []byte(colName))
}

// readDictionary reads a dictionary and names every fault of it.
func readDictionary(doc []byte) (*dictionary, []fhir.Issue) {
	d := &dictionary{byName: map[string]*field{}}
	shape := codec.Shape{Fields: dictionaryColumns(), Required: []string{colName, colForm, colType, colLabel, colChoices, colValidation}}
	var faults []fhir.Issue
	issues := csv.Syntax{}.Read(bytes.NewReader(doc), shape, func(rec *codec.Doc, bad []fhir.Issue) bool {
		if faults = append(faults, bad...); len(bad) > 0 {
			return true
		}
		f := &field{row: rec.Row, cells: map[string]string{}}
		for c := rec.First(codec.Root); c != codec.None; c = rec.Next(c) {
			f.cells[rec.Name(c)] = strings.Clone(strings.TrimSpace(rec.Text(c)))
		}
		faults = append(faults, d.add(f)...)
		return len(d.fields) < maxFields
	})
	faults = append(issues, faults...)
	if fhir.Faults(faults) == nil && len(d.fields) == 0 {
		faults = append(faults, fault(fhir.Structure, "header", "the data dictionary has no field"))
	}
	if len(d.forms) > maxForms || len(d.fields) == maxFields {
		faults = append(faults, fault(fhir.TooLong, "header", fmt.Sprintf("expected at most %d instruments and fewer than %d fields", maxForms, maxFields)))
	}
	return d, faults
}

func fault(code fhir.Code, source, text string) fhir.Issue {
	return fhir.Issue{Severity: fhir.SeverityError, Code: code, Source: source, Rule: "dictionary", Text: text}
}

// add takes one row of the dictionary.
func (d *dictionary) add(f *field) []fhir.Issue {
	at := func(col string) string { return fmt.Sprintf("row %d, %s", f.row, col) }
	switch {
	case !isName(f.name()):
		return []fhir.Issue{fault(fhir.BadValue, at(colName), "expected a variable name: small letters, digits and underscores, a letter first")}
	case d.byName[f.name()] != nil:
		return []fhir.Issue{fault(fhir.Duplicate, at(colName), "the variable occurs twice")}
	case !isName(f.form()):
		return []fhir.Issue{fault(fhir.BadValue, at(colForm), "expected an instrument name: small letters, digits and underscores, a letter first")}
	case !slices.Contains(fieldTypes(), f.kind()):
		return []fhir.Issue{fault(fhir.BadValue, at(colType), "expected one of: "+strings.Join(fieldTypes(), ", "))}
	}
	if takesChoices(f.kind()) {
		var ok bool
		if f.choices, ok = choices(f.get(colChoices)); !ok {
			return []fhir.Issue{fault(fhir.BadValue, at(colChoices), "expected choices as in: 1, Yes | 0, No, each code once")}
		}
	}
	d.fields = append(d.fields, f)
	d.byName[f.name()] = f
	if !slices.Contains(d.forms, f.form()) {
		d.forms = append(d.forms, f.form())
	}
	return nil
}

// fieldTypes are REDCap's.
func fieldTypes() []string {
	return []string{"text", "notes", "radio", "dropdown", "checkbox", "yesno", "truefalse", "slider", "calc", "file", "descriptive", "sql"}
}

func takesChoices(kind string) bool {
	return kind == "radio" || kind == "dropdown" || kind == "checkbox"
}

// choices reads "1, Yes | 0, No".
func choices(text string) ([]choice, bool) {
	var out []choice
	seen := map[string]bool{}
	for part := range strings.SplitSeq(text, "|") {
		code, label, ok := strings.Cut(part, ",")
		code, label = strings.TrimSpace(code), strings.TrimSpace(label)
		if !ok || code == "" || label == "" || seen[code] || strings.ContainsAny(code, " \t") || len(out) == maxChoices {
			return nil, false
		}
		seen[code] = true
		out = append(out, choice{code, label})
	}
	return out, true
}

func isName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || i > 0 && (c >= '0' && c <= '9' || c == '_')) {
			return false
		}
	}
	return s != "" && len(s) <= 100
}

// suffix is a choice's part of its checkbox column: REDCap writes a code in
// small letters, and other signs, the minus of a negative code too, as "_".
func (c choice) suffix() string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToLower(c.code))
}

// columns are the columns of an export that the field has: one for each choice
// of a checkbox, none for words on the page.
func (f *field) columns() []string {
	switch f.kind() {
	case "descriptive":
		return nil
	case "checkbox":
		var out []string
		for _, c := range f.choices {
			out = append(out, f.name()+"___"+c.suffix())
		}
		return out
	}
	return []string{f.name()}
}

// An exportColumn is a column of the export: the record's own (form ""), or one
// of an instrument. Optional ones are there only in some projects.
type exportColumn struct {
	form, name string
	optional   bool
}

// export lists the columns of an export in REDCap's order.
func (d *dictionary) export() []exportColumn {
	out := []exportColumn{{name: d.fields[0].name()}}
	for _, n := range []string{"redcap_event_name", "redcap_repeat_instrument", "redcap_repeat_instance", "redcap_data_access_group", "redcap_survey_identifier"} {
		out = append(out, exportColumn{name: n, optional: true})
	}
	for _, form := range d.forms {
		out = append(out, exportColumn{form: form, name: form + "_timestamp", optional: true})
		for _, f := range d.fields[1:] {
			if f.form() != form {
				continue
			}
			for _, c := range f.columns() {
				out = append(out, exportColumn{form: form, name: c})
			}
		}
		out = append(out, exportColumn{form: form, name: form + "_complete"})
	}
	return out
}
