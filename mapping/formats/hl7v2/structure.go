package hl7v2

import (
	"trellis.example/fhir"
	"trellis.example/mapping/codec/hl7v2"
)

// structure returns what is wrong with the segments of a referral: those that
// must be there or must not repeat.
func structure(m *hl7v2.Message) []fhir.Issue {
	var issues []fhir.Issue
	fault := func(code fhir.Code, condition, source, text string) {
		issues = append(issues, fhir.Issue{Severity: fhir.SeverityError, Code: code, Details: coding0357(condition), Source: source, Text: text})
	}
	count := map[string]int{}
	for i := range m.Len() {
		s := m.Segment(i)
		if count[s.Name()]++; count[s.Name()] == 2 && (s.Name() == "PID" || s.Name() == "RF1") {
			fault(fhir.Structure, "100", s.Place(), "a referral has one "+s.Name()+"; send one message for each")
		}
	}
	pid := m.First("PID")
	switch {
	case !pid.Exists():
		fault(fhir.Required, "101", "PID", "the person referred is required: PID")
	case pid.Field(5).Rep(0).Component(1).Text() == "" && pid.Field(5).Rep(0).Component(2).Text() == "":
		fault(fhir.Required, "101", "PID-5.1", "expected a family or a given name")
	}
	return issues
}

// remarks returns warnings on what real senders leave out.
func (f *Format) remarks(m *hl7v2.Message, h Header) []fhir.Issue {
	var issues []fhir.Issue
	warn := func(code fhir.Code, source, text string) {
		issues = append(issues, fhir.Issue{Severity: fhir.SeverityWarning, Code: code, Source: source, Text: text})
	}
	if m.Get("RF1-6.1") == "" {
		source, text := "RF1-6.1", "the referral has no id of its own; the message control id names it"
		if !m.First("RF1").Exists() {
			source = "RF1"
		}
		warn(fhir.Required, source, text)
	}
	if !hasRole(m, "RP") {
		warn(fhir.Required, "PRD", "no PRD with role RP: the referral does not say who refers")
	}
	switch con := m.Get("CON-11.1"); {
	case con == "A" || h.Event == "I14" || con == "" && f.o.ImpliedConsent:
	case con == "":
		warn(fhir.BusinessRule, "CON-11.1", "no consent is recorded and the agreement does not rest on implied consent: the referral is kept as a draft")
	default:
		warn(fhir.BusinessRule, "CON-11.1", "the consent recorded does not permit sharing: the referral is kept as a draft")
	}
	return issues
}

// hasRole reports whether some PRD has the role.
func hasRole(m *hl7v2.Message, role string) bool {
	for i := range m.Len() {
		if s := m.Segment(i); s.Name() == "PRD" && s.Field(1).Rep(0).Component(1).Text() == role {
			return true
		}
	}
	return false
}
