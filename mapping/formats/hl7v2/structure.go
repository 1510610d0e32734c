package hl7v2

import (
	"slices"

	"trellis.example/fhir"
	"trellis.example/mapping/codec/hl7v2"
)

// structure returns what is wrong with the segments of a message: those that
// must be there or must not repeat.
func structure(m *hl7v2.Message, h Header) []fhir.Issue {
	var issues []fhir.Issue
	fault := func(code fhir.Code, condition, source, text string) {
		issues = append(issues, fhir.Issue{Severity: fhir.SeverityError, Code: code, Details: coding0357(condition), Source: source, Text: text})
	}
	for i := range m.Len() {
		if s := m.Segment(i); s.Ordinal() == 2 && slices.Contains([]string{"PID", "RF1", "PV1"}, s.Name()) {
			fault(fhir.Structure, "100", s.Place(), "a message has one "+s.Name()+"; send one message for each")
		}
	}
	pid := m.First("PID")
	switch {
	case !pid.Exists() && h.Kind() == Response: // it tells nothing of the person
	case !pid.Exists():
		fault(fhir.Required, "101", "PID", "the person is required: PID")
	case h.Kind() != Response && h.Kind() != Result && pid.Field(5).Rep(0).Component(1).Text() == "" && pid.Field(5).Rep(0).Component(2).Text() == "":
		fault(fhir.Required, "101", "PID-5.1", "expected a family or a given name")
	}
	if s := undecided(m); s.Exists() {
		fault(fhir.Required, "101", s.Place()+"-11", "the status of a result is required")
	}
	if s := twice(m); s.Exists() {
		fault(fhir.Structure, "100", s.Place()+"-3", "a questionnaire is answered once in a message; send one message for each set of answers")
	}
	for _, need := range required(m, h) {
		fault(fhir.Required, "101", need.place, need.text)
	}
	return issues
}

// A need is what a kind of message must say and this one does not.
type need struct{ place, text string }

func required(m *hl7v2.Message, h Header) []need {
	var out []need
	lacks := func(place, text string, places ...string) {
		if firstText(m, append(places, place)...) == "" {
			out = append(out, need{place, text})
		}
	}
	switch h.Kind() {
	case Referral:
		if h.Event != "I12" {
			lacks("RF1-6.1", "the originating referral identifier is required: it says which referral is meant")
		}
	case Response:
		lacks("RF1-6.1", "the originating referral identifier is required: it says which referral is answered", "RF1-11.1")
	case Visit:
		lacks("PID-3.1", "an identifier of the person is required: it says whom this is about")
	case Result:
		lacks("OBR-2.1", "the placer's number is required: the reference of the referral that the result belongs to", "ORC-2.1")
		if !m.First("OBX").Exists() {
			out = append(out, need{"OBX", "a result is required: OBX"})
		}
	}
	return out
}

// remarks returns warnings on what real senders leave out.
func (f *Format) remarks(m *hl7v2.Message, h Header) []fhir.Issue {
	if h.Kind() != Referral || h.Event == "I15" {
		return nil
	}
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
