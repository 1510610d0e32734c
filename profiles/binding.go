package profiles

import (
	"strings"
	"sync"

	"trellis.example/fhir"
	"trellis.example/profiles/terminology"
)

// A strength says how far a value set binds (R4 terminologies, section 4.1.3).
type strength uint8

const (
	isExample    strength = iota // binds nobody
	isPreferred                  // a remark, and only where the caller asked for an explanation
	isExtensible                 // another code only where none of the set fits: a warning
	isRequired                   // an error
)

func strengthOf(s string) strength {
	switch s {
	case "required":
		return isRequired
	case "extensible":
		return isExtensible
	case "preferred":
		return isPreferred
	}
	return isExample
}

// A binding is what is asked of the codes of one element. Its value set is
// looked up when first needed.
type binding struct {
	strength strength
	valueSet string
	// max is the value set that no code may be outside of; nil: none.
	max *binding
	// rule and line name the rule in issues; "" for R4's own.
	rule, line string

	once sync.Once
	set  *terminology.Set // nil: not held here
	form format
}

// newBinding compiles a binding: strength, value set and maximum value set as a
// definition gives them, the rule's id and its profile line for issues ("" for
// R4's own). It is nil when nothing is asked. A profile needs one only where its
// binding differs from that of the type it builds on: the walk applies R4's.
func newBinding(strengthCode, valueSet, maximum, rule, line string) *binding {
	b := &binding{strength: strengthOf(strengthCode), valueSet: valueSet, rule: rule, line: line}
	if maximum != "" {
		b.max = &binding{strength: isRequired, valueSet: maximum, rule: rule, line: line}
	}
	switch {
	case b.strength > isExample && valueSet != "":
		return b
	case b.max != nil:
		return b.max
	}
	return nil
}

// name is the value set as issues show it. One that a Questionnaire of the
// document names, of which there is no line to show, is a text of the document.
func (b *binding) name() string {
	if b.rule != "" && b.line == "" {
		return "the value set that the Questionnaire names"
	}
	return "the value set " + b.valueSet
}

// load finds the value set once.
func (b *binding) load(s *terminology.Service) *terminology.Set {
	b.once.Do(func() {
		if s != nil {
			b.set = s.Set(b.valueSet)
		}
		if b.set == nil {
			url, _, _ := strings.Cut(b.valueSet, "|")
			b.form = formatOf(url)
		}
	})
	return b.set
}

// bound checks v, a value of type typ (code, Coding, CodeableConcept, Quantity,
// uri, string and so on), against the binding. What cannot be decided here is
// kept until the document has been walked; see [walk.finish].
func (w *walk) bound(v fhir.Value, typ string, b *binding) {
	if b.max != nil {
		w.bound(v, typ, b.max)
	}
	if b.strength == isPreferred && w.o.Explain == nil {
		return
	}
	switch w.judge(v, typ, b) {
	case terminology.No:
		w.outside(v, typ, b)
	case terminology.Unknown:
		w.pending = append(w.pending, question{v, typ, b})
	}
}

// judge says whether a value is in the set, as far as that can be told here. Of
// a concept one coding is enough. Words without a code break only a required
// binding: where none of the set fits, they are what an extensible one asks for.
func (w *walk) judge(v fhir.Value, typ string, b *binding) terminology.Answer {
	set := b.load(w.v.codes)
	switch typ {
	case "CodeableConcept":
		return judgeConcept(v, b, set)
	case "Coding", "Quantity":
		return judgeCoding(v, b, set)
	}
	switch {
	case typ == "uri" && b.strength < isRequired && strings.Contains(v.Text(), ":"):
		return terminology.Yes // names a thing of its own, as http://hl7.org/fhirpath/System.String does
	case set != nil:
		return set.HasCode(v.Text())
	case b.form != anyFormat:
		return answerOf(b.form.valid(v.Text()))
	}
	return terminology.Unknown
}

func judgeConcept(v fhir.Value, b *binding, set *terminology.Set) terminology.Answer {
	out, coded := terminology.No, false
	for c := v.Get("coding").First(); c.Exists(); c = c.Next() {
		if !c.Get("code").Exists() {
			continue
		}
		coded = true
		switch judgeCoding(c, b, set) {
		case terminology.Yes:
			return terminology.Yes
		case terminology.Unknown:
			out = terminology.Unknown
		}
	}
	if !coded {
		return answerOf(b.strength < isRequired)
	}
	return out
}

func judgeCoding(v fhir.Value, b *binding, set *terminology.Set) terminology.Answer {
	code := v.Get("code")
	switch {
	case code.Kind() != fhir.String:
		return answerOf(b.strength < isRequired)
	case set != nil:
		return set.Has(v.Get("system").Text(), code.Text())
	case b.form != anyFormat:
		return answerOf(b.form.valid(code.Text()))
	}
	return terminology.Unknown
}

func answerOf(yes bool) terminology.Answer {
	if yes {
		return terminology.Yes
	}
	return terminology.No
}

// outside reports a value that is not in the set: an error, a warning or a
// remark, as the set binds.
func (w *walk) outside(v fhir.Value, typ string, b *binding) {
	is := fhir.Issue{Severity: fhir.SeverityError, Code: fhir.CodeInvalid, Rule: b.rule, Profile: b.line,
		Expected: "a code of " + b.name(), Found: foundCode(v, typ)}
	if is.Rule == "" {
		is.Rule = ruleBinding
	}
	if is.Hint = remedies[ruleBinding].hint; b.strength == isExtensible {
		is.Hint = "Choose a code of the value set if one fits; if none does, send words alone, or keep the code."
	}
	switch b.strength {
	case isRequired:
		is.Text = "expected " + is.Expected
		w.unknownCodes(v, typ)
	case isExtensible:
		is.Severity, is.Text = fhir.SeverityWarning, is.Expected+" is expected, unless none fits"
	default:
		is.Severity, is.Text = fhir.SeverityInformation, is.Expected+" is preferred"
	}
	w.add(v, "", is)
}

// unknownCodes raises, where a code must be of a value set, a code that its own
// system does not have to an error.
func (w *walk) unknownCodes(v fhir.Value, typ string) {
	switch typ {
	case "CodeableConcept":
		for c := v.Get("coding").First(); c.Exists(); c = c.Next() {
			w.unknownCodes(c, "Coding")
		}
	case "Coding":
		if isComplete(v.Get("system").Text()) && w.codeAnswer(v) == terminology.No {
			w.unknownCode(v, fhir.SeverityError)
		}
	}
}

// codeAnswer says whether a coding's code is one of its system's.
func (w *walk) codeAnswer(coding fhir.Value) terminology.Answer {
	system, code := coding.Get("system"), coding.Get("code")
	if w.v.codes == nil || system.Kind() != fhir.String || code.Kind() != fhir.String {
		return terminology.Unknown
	}
	return w.v.codes.Code(system.Text(), code.Text())
}

func (w *walk) unknownCode(coding fhir.Value, s fhir.Severity) {
	w.add(coding.Get("code"), "", fhir.Issue{Severity: s, Code: fhir.CodeInvalid, Rule: ruleCodeUnknown,
		Text: "the code system does not have this code", Expected: "a code of the system that system names", Found: "an unknown code",
		Hint: codeHint(coding.Get("code").Text(), func(code string) bool {
			return w.v.codes.Code(coding.Get("system").Text(), code) == terminology.Yes
		})})
}

// isComplete reports whether a code system is FHIR's or ours, whose codes are
// all held here and have one display each.
func isComplete(system string) bool {
	for _, base := range [...]string{"http://terminology.hl7.org/CodeSystem/", "http://hl7.org/fhir/", "https://trellis.example/fhir/"} {
		if strings.HasPrefix(system, base) {
			return true
		}
	}
	return false
}

const ucumSystem = "http://unitsofmeasure.org"

// known checks that a coding's code exists and that its display is the code's:
// a display that says something else is read by people in the code's place.
func (w *walk) known(v fhir.Value) {
	system := v.Get("system").Text()
	switch w.codeAnswer(v) {
	case terminology.No:
		if system == ucumSystem {
			w.unit(v)
		} else if system != fhir.SNOMEDSystem { // its form is a rule of its own
			w.unknownCode(v, fhir.SeverityWarning)
		}
	case terminology.Yes:
		if isComplete(system) {
			w.display(v, system)
		}
	case terminology.Unknown:
		if w.o.Remote != nil && system != "" && v.Get("code").Exists() {
			w.pending = append(w.pending, question{at: v, typ: "Coding"})
		}
	}
}

func (w *walk) display(v fhir.Value, system string) {
	given := v.Get("display")
	if given.Kind() != fhir.String || !w.english() {
		return
	}
	if want, ok := w.v.codes.Display(system, v.Get("code").Text()); ok && !sameWords(given.Text(), want) {
		w.add(given, "", fhir.Issue{Severity: fhir.SeverityWarning, Code: fhir.CodeInvalid, Rule: ruleDisplay,
			Text: "the display is not that of the code", Expected: "the display that the code system gives", Found: "other words"})
	}
}

// english reports whether the innermost resource may be taken to be in English,
// in which displays are held.
func (w *walk) english() bool {
	if w.spoken.in != w.resource {
		lang := w.resource.Get("language").Text()
		w.spoken = speech{w.resource, lang == "" || hasPrefixFold(lang, "en")}
	}
	return w.spoken.english
}

// A speech is whether a resource is in English, looked up once.
type speech struct {
	in      fhir.Value
	english bool
}

// sameWords compares regardless of letter case and white space. It does not
// allocate.
func sameWords(a, b string) bool {
	for {
		a, b = strings.TrimLeft(a, " \t\r\n\u00a0"), strings.TrimLeft(b, " \t\r\n\u00a0")
		x, restA := word(a)
		y, restB := word(b)
		if !strings.EqualFold(x, y) {
			return false
		}
		if x == "" {
			return true
		}
		a, b = restA, restB
	}
}

func word(s string) (first, rest string) {
	if i := strings.IndexAny(s, " \t\r\n\u00a0"); i >= 0 {
		return s[:i], s[i:]
	}
	return s, ""
}

// unit reports a code that is no UCUM unit. Only its form is judged.
func (w *walk) unit(v fhir.Value) {
	w.add(v.Get("code"), "", fhir.Issue{Severity: fhir.SeverityWarning, Code: fhir.CodeInvalid, Rule: ruleUCUM,
		Text: "this is not the form of a UCUM unit", Expected: "a UCUM unit", Found: "another form"})
}

// quantity checks the unit of a quantity that names UCUM.
func (w *walk) quantity(v fhir.Value) {
	if v.Get("system").Text() == ucumSystem && w.codeAnswer(v) == terminology.No {
		w.unit(v)
	}
}
