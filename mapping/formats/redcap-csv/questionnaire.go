package redcapcsv

import (
	"encoding/json"
	"fmt"
	"strings"

	"trellis.example/mapping"
)

// An item is an item of a FHIR Questionnaire, as encoding/json writes it.
type item struct {
	Extension      []extension    `json:"extension,omitempty"`
	LinkID         string         `json:"linkId"`
	Prefix         string         `json:"prefix,omitempty"`
	Text           string         `json:"text,omitempty"`
	Type           string         `json:"type"`
	EnableWhen     []enableWhen   `json:"enableWhen,omitempty"`
	EnableBehavior string         `json:"enableBehavior,omitempty"`
	Required       bool           `json:"required,omitempty"`
	Repeats        bool           `json:"repeats,omitempty"`
	ReadOnly       bool           `json:"readOnly,omitempty"`
	AnswerOption   []answerOption `json:"answerOption,omitempty"`
}

type extension struct {
	URL     string `json:"url"`
	Integer *int   `json:"valueInteger,omitempty"`
}

type coding struct {
	System  string `json:"system"`
	Code    string `json:"code"`
	Display string `json:"display"`
}

type answerOption struct {
	Coding coding `json:"valueCoding"`
}

type enableWhen struct {
	Question string      `json:"question"`
	Operator string      `json:"operator"`
	Boolean  *bool       `json:"answerBoolean,omitempty"`
	Integer  json.Number `json:"answerInteger,omitempty"`
	Decimal  json.Number `json:"answerDecimal,omitempty"`
	String   string      `json:"answerString,omitempty"`
	Coding   *coding     `json:"answerCoding,omitempty"`
}

type questionnaire struct {
	ResourceType string   `json:"resourceType"`
	URL          string   `json:"url"`
	Version      string   `json:"version"`
	Name         string   `json:"name"`
	Title        string   `json:"title"`
	Status       string   `json:"status"`
	SubjectType  []string `json:"subjectType"`
	Item         []item   `json:"item"`
}

const questionnaires = "https://trellis.example/fhir/Questionnaire/"

// A project is a dictionary under the id and version of its format: they name
// its Questionnaires.
type project struct {
	*dictionary
	id, version string
}

// url is the canonical of an instrument's Questionnaire, without version.
func (p project) url(form string) string {
	return questionnaires + p.id + "-" + strings.ReplaceAll(form, "_", "-")
}

// system is the code system of a field's choices: they are codes of this field
// and of no other.
func (p project) system(f *field) string { return p.url(f.form()) + "/" + f.name() }

// itemType is the FHIR type of a field's answers; "" for what is no answer.
func (f *field) itemType() string {
	switch f.kind() {
	case "radio", "dropdown", "checkbox":
		return "choice"
	case "yesno", "truefalse":
		return "boolean"
	case "slider":
		return "integer"
	case "calc":
		return "decimal"
	case "notes":
		return "text"
	case "descriptive":
		return "display"
	case "file":
		return "attachment"
	}
	v := f.get(colValidation)
	switch {
	case v == "integer":
		return "integer"
	case v == "number" || strings.HasPrefix(v, "number_"):
		return "decimal"
	case strings.HasPrefix(v, "datetime_"):
		return "dateTime"
	case strings.HasPrefix(v, "date_"):
		return "date"
	case v == "time":
		return "time"
	}
	return "string"
}

// questionnaire makes the Questionnaire of one instrument and says what of the
// dictionary it does not carry.
func (p project) questionnaire(form string) (questionnaire, []mapping.Loss) {
	title := strings.ReplaceAll(form, "_", " ")
	q := questionnaire{ResourceType: "Questionnaire", URL: p.url(form), Version: p.version, Name: pascal(p.id) + pascal(form),
		Title: strings.ToUpper(title[:1]) + title[1:], Status: "active", SubjectType: []string{"Patient"}}
	var losses []mapping.Loss
	for i, f := range p.fields {
		if f.form() != form || i == 0 || subjectOf(f) || referralOf(f) {
			continue
		}
		if s := f.get(colSection); s != "" {
			q.Item = append(q.Item, item{LinkID: f.name() + ".section", Text: s, Type: "display"})
		}
		it := p.item(f)
		losses = append(losses, p.enable(&it, f)...)
		q.Item = append(q.Item, it)
		losses = append(losses, lostOf(f)...)
	}
	return q, losses
}

func (p project) item(f *field) item {
	it := item{LinkID: f.name(), Prefix: f.get(colNumber), Text: f.get(colLabel), Type: f.itemType(),
		Required: f.get(colRequired) == "y", Repeats: f.kind() == "checkbox", ReadOnly: f.kind() == "calc"}
	if it.Type == "display" {
		return item{LinkID: it.LinkID, Text: it.Text, Type: it.Type}
	}
	for _, c := range f.choices {
		it.AnswerOption = append(it.AnswerOption, answerOption{coding{p.system(f), c.code, c.label}})
	}
	for _, limit := range [...]struct{ col, url string }{{colMin, "minValue"}, {colMax, "maxValue"}} {
		if n, ok := wholeNumber(f.get(limit.col)); ok && it.Type == "integer" {
			it.Extension = append(it.Extension, extension{"http://hl7.org/fhir/StructureDefinition/" + limit.url, &n})
		}
	}
	return it
}

// enable turns branching logic into enableWhen, whole or not at all.
func (p project) enable(it *item, f *field) []mapping.Loss {
	logic := f.get(colBranching)
	if logic == "" {
		return nil
	}
	lost := func() []mapping.Loss {
		it.EnableWhen, it.EnableBehavior = nil, ""
		return []mapping.Loss{f.lost(colBranching, "branching", "only simple comparisons of fields of the same instrument become enableWhen: the question is always shown")}
	}
	conds, all, ok := branching(logic)
	if !ok {
		return lost()
	}
	for _, c := range conds {
		w, ok := p.when(c, f.form())
		if !ok {
			return lost()
		}
		it.EnableWhen = append(it.EnableWhen, w)
	}
	if len(conds) > 1 {
		it.EnableBehavior = map[bool]string{true: "all", false: "any"}[all]
	}
	return nil
}

func (p project) when(c condition, form string) (enableWhen, bool) {
	w := enableWhen{Question: c.field, Operator: c.operator}
	f := p.byName[c.field]
	if f == nil || f.form() != form || f == p.fields[0] || subjectOf(f) || referralOf(f) || (c.choice != "") != (f.kind() == "checkbox") {
		return w, false
	}
	if c.operator == "exists" {
		yes := c.value == "true"
		w.Boolean = &yes
		return w, true
	}
	_, number := wholeNumber(c.value)
	switch f.itemType() {
	case "choice":
		for _, ch := range f.choices {
			if ch.code == c.value && (c.operator == "=" || c.operator == "!=") {
				w.Coding = &coding{p.system(f), ch.code, ch.label}
				return w, true
			}
		}
		return w, false
	case "boolean":
		yes := c.value == "1"
		w.Boolean = &yes
		return w, (c.value == "1" || c.value == "0") && (c.operator == "=" || c.operator == "!=")
	case "integer":
		w.Integer = json.Number(c.value)
		return w, number
	case "decimal":
		w.Decimal = json.Number(c.value)
		return w, number
	case "string", "text":
		w.String = c.value
		return w, c.operator == "=" || c.operator == "!="
	}
	return w, false
}

func (f *field) lost(col, rule, text string) mapping.Loss {
	return mapping.Loss{Source: fmt.Sprintf("row %d, %s", f.row, col), Rule: rule, Text: text}
}

// lostOf lists what a Questionnaire does not carry of a field.
func lostOf(f *field) []mapping.Loss {
	var out []mapping.Loss
	for _, l := range [...]struct {
		col, rule, text string
		when            bool
	}{
		{colChoices, "calculation", "the calculation is not carried: the answer is read-only", f.kind() == "calc"},
		{colChoices, "slider-labels", "the labels of a slider are not carried", f.kind() == "slider"},
		{colChoices, "sql", "the query is not carried: the answer is text", f.kind() == "sql"},
		{colLabel, "piping", "text that REDCap pipes in stays as it is written", strings.Contains(f.get(colLabel), "[")},
		{colNote, "field-note", "the note beside a field is not carried", true},
		{colValidation, "validation", "this check of text is not carried", f.kind() == "text" && f.itemType() == "string"},
		{colMin, "limits", "only limits of whole numbers are carried", f.itemType() != "integer"},
		{colMax, "limits", "only limits of whole numbers are carried", f.itemType() != "integer"},
		{colIdentifier, "identifier", "that a field identifies people is not said in a Questionnaire", true},
		{colAlignment, "layout", "layout is not carried", true},
		{colMatrix, "layout", "layout is not carried", true},
		{colRanking, "layout", "layout is not carried", true},
		{colAnnotation, "annotation", "action tags are not carried", true},
	} {
		if l.when && f.get(l.col) != "" {
			out = append(out, f.lost(l.col, l.rule, l.text))
		}
	}
	return out
}

func wholeNumber(s string) (int, bool) {
	var n int
	_, err := fmt.Sscanf(s+"\n", "%d\n", &n)
	return n, err == nil && fmt.Sprint(n) == s
}

// pascal makes a name that may stand in Questionnaire.name.
func pascal(s string) string {
	var b strings.Builder
	for _, part := range strings.FieldsFunc(s, func(r rune) bool { return r == '_' || r == '-' }) {
		b.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return b.String()
}
