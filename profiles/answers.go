package profiles

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"sync"

	"trellis.example/fhir"
	"trellis.example/profiles/questionnaire"
	"trellis.example/profiles/terminology"
)

// Bounds of the cache of Questionnaires held elsewhere.
const (
	maxForms     = 256
	maxFormBytes = 16 << 20
)

// forms are the Questionnaires that answers are judged by.
type forms struct {
	codes *terminology.Service
	extra []fhir.Resource
	once  sync.Once
	own   map[string][]*form // by URL: ours and a user's, newest first

	mu    sync.Mutex
	held  map[string]*form // by the canonical asked for: those held elsewhere
	bytes int
}

// A form is a Questionnaire, compiled when first needed; its q is nil when it is
// faulty.
type form struct {
	r    fhir.Resource // none for one that stands in the document
	at   fhir.Value
	once sync.Once
	q    *questionnaire.Questionnaire
}

func newForms(codes *terminology.Service, extra []fhir.Resource) *forms {
	return &forms{codes: codes, extra: extra, held: map[string]*form{}}
}

func (f *forms) sets(canonical string) *terminology.Set {
	if f.codes == nil {
		return nil
	}
	return f.codes.Set(canonical)
}

func (f *forms) compile(m *form) *questionnaire.Questionnaire {
	m.once.Do(func() {
		if q, err := questionnaire.CompileAt(m.at, f.sets); err == nil {
			m.q = q
		}
	})
	return m.q
}

// load reads our Questionnaires and the user's.
func (f *forms) load() {
	f.own = map[string][]*form{}
	files, err := data.ReadDir("data/questionnaires")
	if err != nil {
		return // there are none
	}
	for _, file := range files {
		b, err := data.ReadFile("data/questionnaires/" + file.Name())
		if err != nil {
			continue
		}
		if r, err := fhir.Decode(b); err == nil {
			f.add(r)
		}
	}
	for _, r := range f.extra {
		if r.Type() == "Questionnaire" {
			f.add(r)
		}
	}
}

// add puts a Questionnaire among the versions of its URL, newest first. One that
// is there already stays.
func (f *forms) add(r fhir.Resource) {
	url, version := r.Root().Get("url").Text(), r.Root().Get("version").Text()
	list, i := f.own[url], 0
	for ; i < len(list); i++ {
		other := list[i].r.Root().Get("version").Text()
		if other == version {
			return
		}
		if fhir.CompareVersions(version, other) > 0 {
			break
		}
	}
	list = append(list, nil)
	copy(list[i+1:], list[i:])
	list[i] = &form{r: r, at: r.Root()}
	f.own[url] = list
}

// find returns a Questionnaire of ours or of a user; known says that there is
// another version of it.
func (f *forms) find(c fhir.Canonical) (found *form, known bool) {
	f.once.Do(f.load)
	list := f.own[c.URL]
	for _, m := range list {
		if c.Matches(c.URL, m.r.Root().Get("version").Text()) {
			return m, true
		}
	}
	return nil, len(list) > 0
}

// elsewhere keeps what was held elsewhere, for as long as it is the same.
func (f *forms) elsewhere(canonical string, r fhir.Resource) *form {
	f.mu.Lock()
	defer f.mu.Unlock()
	if m := f.held[canonical]; m != nil && bytes.Equal(m.r.JSON(), r.JSON()) {
		return m
	}
	size := len(canonical) + len(r.JSON())
	if len(f.held) >= maxForms || f.bytes+size > maxFormBytes {
		clear(f.held)
		f.bytes = 0
	}
	m := &form{r: r, at: r.Root()}
	f.held[strings.Clone(canonical)] = m // the canonical is part of a document
	f.bytes += size
	return m
}

// Questionnaires returns our Questionnaires and a user's in order of their URL,
// the newest version of each first.
func (v *Validator) Questionnaires() []fhir.Resource {
	v.forms.once.Do(v.forms.load)
	var out []fhir.Resource
	for _, url := range slices.Sorted(maps.Keys(v.forms.own)) {
		for _, m := range v.forms.own[url] {
			out = append(out, m.r)
		}
	}
	return out
}

// answers checks a QuestionnaireResponse against its Questionnaire.
func (w *walk) answers(v fhir.Value) {
	named := v.Get("questionnaire")
	if named.Kind() != fhir.String || named.Text() == "" {
		return
	}
	q := w.formOf(named)
	if q == nil {
		return
	}
	q.Check(v, questionnaire.Report{Emit: w.add, Undecided: func(at fhir.Value, valueSet, line string) {
		typ := "Coding"
		if at.Key() == "valueQuantity" {
			typ = "Quantity"
		}
		w.pending = append(w.pending, question{at, typ, newBinding("required", valueSet, "", "q-value-set", line)})
	}})
}

// formOf finds the Questionnaire that a response names; nil when there is none to
// check by, which is remarked on.
func (w *walk) formOf(named fhir.Value) *questionnaire.Questionnaire {
	canonical := named.Text()
	if canonical[0] == '#' {
		return w.containedForm(named, canonical[1:])
	}
	m, known := w.v.forms.find(fhir.ParseCanonical(canonical))
	if m == nil && w.o.Questionnaire != nil {
		if r, ok := w.o.Questionnaire(canonical); ok && r.Type() == "Questionnaire" {
			m = w.v.forms.elsewhere(canonical, r)
		}
	}
	if m == nil && !known {
		m = w.entryForm(fhir.ParseCanonical(canonical))
	}
	switch {
	case m == nil && known:
		w.add(named, "", fhir.Issue{Severity: fhir.SeverityError, Code: fhir.BusinessRule, Rule: ruleFormVersion,
			Text: "the Questionnaire has no such version", Expected: "a version that is held", Found: "another version"})
		return nil
	case m == nil:
		w.add(named, "", fhir.Issue{Severity: fhir.SeverityWarning, Code: fhir.NotFound, Rule: ruleFormUnknown,
			Text: "unable to check the answers: the Questionnaire is not known here", Expected: "a Questionnaire that is held", Found: "another"})
		return nil
	}
	q := w.v.forms.compile(m)
	if q == nil {
		w.faultyForm(named)
	}
	return q
}

func (w *walk) faultyForm(named fhir.Value) {
	w.add(named, "", fhir.Issue{Severity: fhir.SeverityWarning, Code: fhir.BusinessRule, Rule: ruleFormFaulty,
		Text: "unable to check the answers: the Questionnaire itself has faults", Expected: "a Questionnaire without faults",
		Found: "one with faults"})
}

// containedForm compiles a Questionnaire that stands in the document. That it is
// there at all is base R4's to check.
func (w *walk) containedForm(named fhir.Value, id string) *questionnaire.Questionnaire {
	m := w.formAt(w.formsOf(w.root, "contained")[id])
	if m == nil {
		return nil
	}
	q := w.v.forms.compile(m)
	if q == nil {
		w.faultyForm(named)
	}
	return q
}

// formsOf indexes the Questionnaires of a Bundle by URL, or those contained in a
// resource by id, once.
func (w *walk) formsOf(holder fhir.Value, member string) map[string]fhir.Value {
	list := holder.Get(member)
	if !list.Exists() {
		return nil
	}
	if index, known := w.formIndex[list.Index()]; known {
		return index
	}
	index := map[string]fhir.Value{}
	for e := range list.Items() {
		name := e.Get("id").Text()
		if member == "entry" {
			e = e.Get("resource")
			name = e.Get("url").Text()
		}
		if name != "" && e.Get("resourceType").Text() == "Questionnaire" {
			index[name] = e
		}
	}
	if w.formIndex == nil {
		w.formIndex = map[int]map[string]fhir.Value{}
	}
	w.formIndex[list.Index()] = index
	return index
}

// formAt returns a Questionnaire of the document, once for all responses that
// name it.
func (w *walk) formAt(v fhir.Value) *form {
	if !v.Exists() {
		return nil
	}
	if m := w.forms[v.Index()]; m != nil {
		return m
	}
	if w.forms == nil {
		w.forms = map[int]*form{}
	}
	m := &form{at: v}
	w.forms[v.Index()] = m
	return m
}

// entryForm finds a Questionnaire that came in the same Bundle: senders put the
// form beside its answers.
func (w *walk) entryForm(c fhir.Canonical) *form {
	v := w.formsOf(w.bundle, "entry")[c.URL]
	if !v.Exists() || !c.Matches(c.URL, v.Get("version").Text()) {
		return nil
	}
	return w.formAt(v)
}

// questionnaire checks a Questionnaire by itself.
func (w *walk) questionnaire(v fhir.Value) { questionnaire.Faults(v, w.v.forms.sets, w.add) }
