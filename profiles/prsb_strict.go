package profiles

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"trellis.example/fhir"
)

// What PRSB's guidance asks for beyond the mandatory items. It is judged only
// where conformance is claimed, and never refuses.

// Extensions and systems of UK Core that the must-have items stand in.
const (
	ukCoreExtension   = "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-"
	ethnicCategory    = ukCoreExtension + "EthnicCategory"
	numberUnavailable = ukCoreExtension + "NHSNumberUnavailableReason"
	birthSex          = ukCoreExtension + "BirthSex"
	noSafeguarding    = "861931000000100" // SNOMED CT: No safeguarding issues identified
)

// mustHaves looks for the items that the model's guidance calls must-haves
// "for other purposes": those of the person only where the person came along.
func (s *referral) mustHaves() {
	if p := s.person(); p.Exists() {
		for _, m := range []struct {
			ok   bool
			rule string
		}{
			{p.Get("gender").Exists(), "prsb-gender"},
			{hasExtension(p, ethnicCategory), "prsb-ethnicity"},
			{hasNHSNumber(p), "prsb-nhs-number"},
			{p.Get("address").Len() > 0, "prsb-address"},
			{isReachable(p), "prsb-contact"},
			{s.any("Observation", saysOrientation), "prsb-sexual-orientation"},
			{s.any("Flag", isAdjustment), "prsb-requirements"},
			{s.any("", aboutSafeguarding), "prsb-safeguarding"},
		} {
			if !m.ok {
				s.wanting(m.rule)
			}
		}
	}
	if !s.refersTo("Consent") && !s.any("Consent", always) {
		s.wanting("prsb-consent")
	}
	if !s.request.Get("reasonReference").Exists() && !s.any("Condition", always) {
		s.wanting("prsb-presenting-complaint")
	}
}

// any reports whether a part of the type ("": any type) passes the test.
func (s *referral) any(typ string, test func(fhir.Value) bool) bool {
	for _, p := range s.parts {
		if (typ == "" || p.typ == typ) && test(p.v) {
			return true
		}
	}
	return false
}

func always(fhir.Value) bool { return true }

// refersTo reports whether the request's supporting information names a
// resource of that type.
func (s *referral) refersTo(typ string) bool {
	for info := range s.request.Get("supportingInfo").Items() {
		if _, t := s.resolve(s.request, info); t == typ {
			return true
		}
	}
	return false
}

func hasNHSNumber(p fhir.Value) bool {
	for id := range p.Get("identifier").Items() {
		if fhir.IsNHSNumberSystem(id.Get("system").Text()) && id.Get("value").Text() != "" {
			return true
		}
	}
	return hasExtension(p, numberUnavailable)
}

func isReachable(p fhir.Value) bool {
	for t := range p.Get("telecom").Items() {
		switch t.Get("system").Text() {
		case "phone", "sms", "email":
			return true
		}
	}
	return false
}

func saysOrientation(o fhir.Value) bool {
	code := o.Get("code")
	return hasCodeOf(code, "sexual-orientation") || strings.Contains(strings.ToLower(code.Get("text").Text()), "sexual orientation")
}

func isAdjustment(f fhir.Value) bool {
	return hasCode(f.Get("category"), []string{"RA", "reasonable-adjustment"}) || hasCodeOf(f.Get("code"), "1108111000000107")
}

func aboutSafeguarding(v fhir.Value) bool {
	return isSafeguarding(v) || hasCodeOf(v.Get("code"), noSafeguarding)
}

// hasCodeOf is hasCode for one concept.
func hasCodeOf(concept fhir.Value, code string) bool {
	for c := range concept.Get("coding").Items() {
		if c.Get("code").Text() == code {
			return true
		}
	}
	return false
}

// advise adds a warning that nothing is missing but something is amiss.
func (s *referral) advise(rule, at, text, expected, found, hint string) {
	s.issues = append(s.issues, fhir.Issue{Severity: fhir.SeverityWarning, Code: fhir.BusinessRule, Rule: rule, Expression: at,
		Text: text, Expected: expected, Found: found, Profile: prsbLine, Hint: hint})
}

// guidance checks what the guidance says of items that are there.
func (s *referral) guidance() {
	if p := s.person(); p.Get("gender").Exists() && hasExtension(p, birthSex) {
		s.advise(ruleSexApart, "Patient.extension",
			"sex and gender together can reveal a gender reassignment (Gender Recognition Act 2004, section 22)",
			"sex held apart, labelled restricted", "both on the Patient", "Send the sex as an Observation with a restricted label, or leave it out.")
	}
	if s.any("HealthcareService", hasSpecialty) {
		s.advise(ruleSpecialty, "HealthcareService.specialty",
			"there is no specialty for social prescribing, and PRSB asks to leave it out",
			"the service in words", "a specialty", "Leave the specialty out and name the service in text.")
	}
	if s.any("Task", s.fulfilsSignpost) {
		s.advise(ruleSignpostTask, "Task.focus",
			"a signpost is not a referral: nothing is sent and nobody answers, so no Task follows it",
			"a request that is a referral", "a signpost", "Leave the Task out, or refer instead of signposting.")
	}
}

func hasSpecialty(v fhir.Value) bool { return v.Get("specialty").Len() > 0 }

func (s *referral) fulfilsSignpost(task fhir.Value) bool {
	focus, _ := s.resolve(task, task.Get("focus"))
	return focus.Exists() && isSignpost(focus)
}

// lengths are the lengths in characters that the model prints for free text and
// names, by type and path. Longer text is accepted: systems built to the model
// may cut it, so the sender should know.
var lengths = map[string][]struct {
	path string
	most int
}{
	"Patient": {
		{"name.family", 35},
		{"name.given", 35},
		{"name.prefix", 35},
		{"name.suffix", 35},
		{"name.text", 70},
		{"address.line", 35},
		{"address.postalCode", 8},
		{"telecom.value", 255},
	},
	"Practitioner":     {{"name.text", 70}, {"telecom.value", 70}},
	"PractitionerRole": {{"code.text", 150}, {"telecom.value", 70}},
	"Condition":        {{"note.text", 150}},
	"Observation":      {{"valueString", 150}, {"note.text", 150}},
	"Flag":             {{"code.text", 150}},
	"RiskAssessment":   {{"note.text", 150}},
}

// lengths warns of each element that is longer than the model prints, once.
func (s *referral) lengths() {
	seen := map[string]bool{}
	for _, p := range s.parts {
		for _, l := range lengths[p.typ] {
			at := p.typ + "." + l.path
			if seen[at] || !longer(p.v, l.path, l.most) {
				continue
			}
			seen[at] = true
			most := strconv.Itoa(l.most) + " characters"
			s.issues = append(s.issues, fhir.Issue{Severity: fhir.SeverityWarning, Code: fhir.TooLong, Rule: ruleTextLength, Expression: at,
				Text:     "longer than the " + most + " that PRSB's model prints; it is kept whole, but other systems may cut it",
				Expected: "at most " + most, Found: "a longer text", Profile: prsbLine, Hint: "Shorten it where that loses nothing."})
		}
	}
}

// longer reports whether a string on the path, through arrays, has more
// characters.
func longer(v fhir.Value, path string, most int) bool {
	name, rest, deeper := strings.Cut(path, ".")
	for x := range v.Get(name).Items() {
		if deeper && longer(x, rest, most) || !deeper && utf8.RuneCountInString(x.Text()) > most {
			return true
		}
	}
	return false
}
