package redcapcsv

import (
	"encoding/json"
	"fmt"
	"strings"
)

// The parts of a map file that are made from a dictionary, as map.schema.json
// has them.
type mapFile struct {
	ID             string           `json:"id"`
	Version        string           `json:"version"`
	Partner        string           `json:"partner"`
	PartnerVersion string           `json:"partner_version"`
	Status         string           `json:"status"`
	Since          string           `json:"since"`
	Codec          string           `json:"codec"`
	MediaTypes     []string         `json:"media_types"`
	Senders        []string         `json:"senders"`
	Receipt        string           `json:"receipt"`
	Key            []string         `json:"key"`
	RecordKey      string           `json:"record_key"`
	Fields         []string         `json:"fields"`
	Groups         map[string]group `json:"groups"`
	Rules          []rule           `json:"rules"`
}

type group struct {
	Partner string `json:"partner"`
}

type rule struct {
	ID       string `json:"id"`
	Partner  string `json:"partner,omitempty"`
	Each     string `json:"each,omitempty"`
	Resource string `json:"resource,omitempty"`
	FHIR     string `json:"fhir,omitempty"`
	Value    any    `json:"value,omitempty"`
	Type     string `json:"type,omitempty"`
	Table    string `json:"table,omitempty"`
	Required bool   `json:"required,omitempty"`
	Min      *int   `json:"min,omitempty"`
	Max      *int   `json:"max,omitempty"`
	Dir      string `json:"dir,omitempty"`
	When     []when `json:"when,omitempty"`
	Loss     string `json:"loss,omitempty"`
	Note     string `json:"note,omitempty"`
}

type when struct {
	Partner string   `json:"partner"`
	In      []string `json:"in,omitempty"`
	Not     []string `json:"not,omitempty"`
	Present *bool    `json:"present,omitempty"`
}

type table struct {
	ID      string `json:"id"`
	Version string `json:"version"`
	System  string `json:"system,omitempty"`
	Rows    []row  `json:"rows"`
}

type row struct {
	Partner string `json:"partner"`
	Code    string `json:"code"`
	Display string `json:"display,omitempty"`
	Reverse *bool  `json:"reverse,omitempty"`
	Loss    string `json:"loss,omitempty"`
}

// Where identifiers of a REDCap project stand in FHIR.
const (
	recordSystem   = "https://trellis.example/fhir/Id/redcap-record"
	surveySystem   = "https://trellis.example/fhir/Id/redcap-survey-identifier"
	nhsSystem      = "https://fhir.nhs.uk/Id/nhs-number"
	tagSystem      = "https://trellis.example/fhir/CodeSystem/redcap-"
	referralPrefix = "ServiceRequest?identifier=https://trellis.example/fhir/Id/client-reference|"
	absent         = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
)

// subjectOf and referralOf tell the fields that are not answers: the person's
// NHS number and the referral's reference, by their name or an annotation.
func subjectOf(f *field) bool {
	return f.name() == "nhs_number" || strings.Contains(f.get(colAnnotation), "@TRELLIS-NHS-NUMBER")
}

func referralOf(f *field) bool {
	return f.name() == "referral_reference" || strings.Contains(f.get(colAnnotation), "@TRELLIS-REFERRAL")
}

// A maker makes the map of a project.
type maker struct {
	p      project
	files  memory
	taken  map[string]bool
	record string // the column of the record's own id
	rules  []rule
}

// makeMap makes the files of a project's map.
func makeMap(p project) (memory, error) {
	m := &maker{p: p, files: memory{}, taken: map[string]bool{}, record: p.fields[0].name()}
	f := mapFile{ID: formatID, Version: version, Partner: "REDCap export with its data dictionary (CSV)", PartnerVersion: "1", Status: "active",
		Since: "2026-11-23", Codec: "csv", MediaTypes: []string{"text/csv"}, Receipt: "csv", RecordKey: "all", Groups: map[string]group{},
		Senders: []string{"outcome-tool", "link-worker", "service-manager", "importer", "sandbox"},
		Key:     []string{m.record, "redcap_event_name", "redcap_repeat_instrument", "redcap_repeat_instance"}}
	for _, c := range p.export() {
		f.Fields = append(f.Fields, c.path())
	}
	for _, form := range p.forms {
		f.Groups[form] = group{form}
		m.form(form)
	}
	f.Rules = m.rules
	m.table(table{ID: "complete", System: "http://hl7.org/fhir/questionnaire-answers-status", Rows: []row{
		{Partner: "0", Code: "in-progress"}, {Partner: "2", Code: "completed"},
		{Partner: "1", Code: "completed", Reverse: no(), Loss: "unverified and complete become one status"},
		{Partner: "Incomplete", Code: "in-progress", Reverse: no()}, {Partner: "Complete", Code: "completed", Reverse: no()},
		{Partner: "Unverified", Code: "completed", Reverse: no(), Loss: "unverified and complete become one status"},
	}})
	return m.files, m.files.add("map.yaml", f)
}

func (c exportColumn) path() string {
	if c.form == "" {
		return c.name
	}
	return c.form + "/" + c.name
}

func no() *bool  { v := false; return &v }
func yes() *bool { v := true; return &v }

// slug makes a rule's id or an element's name of a variable's.
func slug(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '_' }), "-")
}

// add adds a rule of one instrument. Its id is made unique: a_b and a__b are
// two variables.
func (m *maker) add(form string, r rule) {
	r.ID = strings.Join(strings.FieldsFunc(slug(form)+"-"+r.ID, func(c rune) bool { return c == '-' }), "-")
	for id, n := r.ID, 2; m.taken[r.ID]; n++ {
		r.ID = fmt.Sprintf("%s-%d", id, n)
	}
	m.taken[r.ID] = true
	r.Each = form
	if r.FHIR != "" {
		r.Resource = "QuestionnaireResponse:" + slug(form)
	}
	m.rules = append(m.rules, r)
}

func (m *maker) table(t table) {
	t.Version = version
	_ = m.files.add("tables/"+t.ID+".yaml", t) // strings only: never fails
}

// form makes the rules of one instrument: a QuestionnaireResponse.
func (m *maker) form(form string) {
	add := func(r rule) { m.add(form, r) }
	add(rule{ID: "questionnaire", FHIR: "questionnaire", Value: m.p.url(form) + "|" + m.p.version})
	add(rule{ID: "record-system", FHIR: "identifier.system", Value: recordSystem})
	add(rule{ID: "record", FHIR: "identifier.value", Partner: m.record, Required: true})
	for _, t := range [...]string{"event-name", "repeat-instrument", "repeat-instance", "data-access-group"} {
		add(rule{ID: t + "-system", FHIR: "meta.tag[" + t + "].system", Value: tagSystem + t})
		add(rule{ID: t, FHIR: "meta.tag[" + t + "].code", Type: "code", Partner: "redcap_" + strings.ReplaceAll(t, "-", "_")})
	}
	add(rule{ID: "survey-system", FHIR: "source.identifier.system", Value: surveySystem})
	add(rule{ID: "survey-identifier", FHIR: "source.identifier.value", Partner: "redcap_survey_identifier"})
	done := form + "/" + form + "_complete"
	add(rule{ID: "status", FHIR: "status", Type: "code", Table: "complete", Partner: done, When: []when{{Partner: done, Present: yes()}}})
	add(rule{ID: "status-unsaid", FHIR: "status", Value: "in-progress"})
	add(rule{ID: "status-back", Partner: done, Value: "0", Dir: "out", Note: "what is in progress is incomplete, also where the export said nothing"})
	m.time(form)
	m.who(form)
	for i, f := range m.p.fields {
		if i > 0 && f.form() == form && !subjectOf(f) && !referralOf(f) {
			m.answer(f)
		}
	}
}

// time makes the rules of when an instrument was filled in: REDCap says so of
// surveys only, and completed answers want a time.
func (m *maker) time(form string) {
	at := form + "/" + form + "_timestamp"
	m.add(form, rule{ID: "authored", FHIR: "authored", Type: "localdatetime", Partner: at, When: []when{{Partner: at, Not: []string{"[not completed]"}}}})
	m.add(form, rule{ID: "not-completed", Partner: at, When: []when{{Partner: at, In: []string{"[not completed]"}}}, Loss: "a survey that was not completed has no time; the status says so"})
	for _, w := range []struct {
		id   string
		cond when
	}{{"unknown", when{Partner: at, Present: no()}}, {"open", when{Partner: at, In: []string{"[not completed]"}}}} {
		m.add(form, rule{ID: "authored-" + w.id + "-url", FHIR: "_authored.extension[0].url", Value: absent, When: []when{w.cond}})
		m.add(form, rule{ID: "authored-" + w.id, FHIR: "_authored.extension[0].valueCode", Value: "unknown", When: []when{w.cond}})
	}
}

// who makes the rules of the person and the referral. The columns may stand in
// another instrument of the row; they are written back there.
func (m *maker) who(form string) {
	var fallback []when
	for _, f := range m.p.fields[1:] {
		path, dir, note := f.form()+"/"+f.name(), "", ""
		if f.form() != form {
			dir, note = "in", "written back where the column stands"
		}
		switch {
		case subjectOf(f) && fallback == nil:
			there := []when{{Partner: path, Present: yes()}}
			fallback = []when{{Partner: path, Present: no()}}
			m.add(form, rule{ID: "subject-nhs-system", FHIR: "subject.identifier.system", Value: nhsSystem, When: there})
			m.add(form, rule{ID: "subject-nhs", FHIR: "subject.identifier.value", Type: "nhsnumber", Partner: path, When: there, Dir: dir, Note: note})
		case referralOf(f):
			m.add(form, rule{ID: "referral", FHIR: "basedOn[0].reference", Type: "prefixed", Value: referralPrefix, Partner: path, Dir: dir, Note: note})
		}
	}
	m.add(form, rule{ID: "subject-system", FHIR: "subject.identifier.system", Value: recordSystem, When: fallback})
	m.add(form, rule{ID: "subject", FHIR: "subject.identifier.value", Partner: m.record, When: fallback, Dir: "in", Note: "the record stands in the identifier too"})
}

// answer makes the rules of one field.
func (m *maker) answer(f *field) {
	id, path, kind := slug(f.name()), f.form()+"/"+f.name(), f.itemType()
	at := "item[" + id + "]"
	if kind == "display" {
		return
	}
	if kind == "attachment" {
		m.add(f.form(), rule{ID: id, Partner: path, Loss: "an export names a file and does not hold it"})
		return
	}
	if f.kind() == "checkbox" {
		m.boxes(f, at)
		return
	}
	m.add(f.form(), rule{ID: id + "-link", FHIR: at + ".linkId", Value: f.name()})
	r := rule{ID: id, Partner: path, FHIR: at + ".answer[0]." + valueOf(kind), Type: engineType(kind)}
	switch kind {
	case "choice", "boolean":
		r.Table = slug(f.form() + "_" + f.name())
		m.table(table{ID: r.Table, System: m.p.system(f), Rows: f.rows()})
	case "integer":
		if n, ok := wholeNumber(f.get(colMin)); ok {
			r.Min = &n
		}
		if n, ok := wholeNumber(f.get(colMax)); ok {
			r.Max = &n
		}
	}
	m.add(f.form(), r)
}

// boxes makes the rules of a checkbox: a column for each choice, an answer for
// each that is ticked. The column of one that is not ticked holds 0.
func (m *maker) boxes(f *field, at string) {
	for i, column := range f.columns() {
		c := f.choices[i]
		id, path := slug(column), f.form()+"/"+column
		answer := fmt.Sprintf("%s.answer[c%d].valueCoding", at, i+1)
		t := slug(f.form() + "_" + column)
		ticked := []row{{Partner: "1", Code: oneLine(c.label)}, {Partner: "Checked", Code: oneLine(c.label), Reverse: no()}}
		m.table(table{ID: t, Rows: ticked})
		m.add(f.form(), rule{ID: id + "-not", FHIR: at + ".linkId", Value: f.name(), Dir: "in", When: []when{{Partner: path, In: []string{"0", "Unchecked"}}}, Note: "not ticked is no answer"})
		m.add(f.form(), rule{ID: id + "-system", FHIR: answer + ".system", Value: m.p.system(f)})
		m.add(f.form(), rule{ID: id + "-code", FHIR: answer + ".code", Value: c.code})
		m.add(f.form(), rule{ID: id, FHIR: answer + ".display", Type: "code", Table: t, Partner: path, When: []when{{Partner: path, Not: []string{"0", "Unchecked"}}}})
		m.add(f.form(), rule{ID: id + "-back", Partner: path, Value: "0", Dir: "out", Note: "REDCap writes 0 for a box that is not ticked"})
	}
	m.add(f.form(), rule{ID: slug(f.name()) + "-link", FHIR: at + ".linkId", Value: f.name()})
}

// rows are the choices, by code and by label: exports hold the one or the
// other.
func (f *field) rows() []row {
	switch f.kind() {
	case "yesno":
		return []row{{Partner: "1", Code: "true"}, {Partner: "0", Code: "false"}, {Partner: "Yes", Code: "true", Reverse: no()}, {Partner: "No", Code: "false", Reverse: no()}}
	case "truefalse":
		return []row{{Partner: "1", Code: "true"}, {Partner: "0", Code: "false"}, {Partner: "True", Code: "true", Reverse: no()}, {Partner: "False", Code: "false", Reverse: no()}}
	}
	var out []row
	taken := map[string]bool{}
	for _, c := range f.choices {
		out = append(out, row{Partner: c.code, Code: c.code, Display: c.label})
		taken[c.code] = true
	}
	for _, c := range f.choices {
		if !taken[c.label] { // a label that is also a code, or stands twice, is read as the code
			out = append(out, row{Partner: c.label, Code: c.code, Display: c.label, Reverse: no()})
			taken[c.label] = true
		}
	}
	return out
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// valueOf is the element that an answer of the type stands in.
func valueOf(kind string) string {
	switch kind {
	case "choice":
		return "valueCoding"
	case "text":
		return "valueString"
	}
	return "value" + strings.ToUpper(kind[:1]) + kind[1:]
}

func engineType(kind string) string {
	switch kind {
	case "choice":
		return "coding"
	case "string", "text":
		return "text"
	case "dateTime":
		return "localdatetime"
	}
	return kind
}

// add writes a part of the map; JSON is YAML.
func (m memory) add(name string, v any) error {
	b, err := json.Marshal(v)
	m[name] = b
	return err
}
