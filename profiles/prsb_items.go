package profiles

import "trellis.example/fhir"

// prsbLine is the line of our profiles that states PRSB's items: they lie in
// several resources, and this one claims them all.
const prsbLine = Strict + "|1.1.0#ServiceRequest"

// An item is one thing that PRSB's model asks a referral for.
type item struct {
	// at is the element that should hold it, relative to its resource.
	at string
	// what completes "not given: ", hint says how to give it.
	what, hint string
}

// prsbItems are the items that a referral may lack, by rule; the table is only
// read. Its lines stand in docs/prsb.md too.
var prsbItems = map[string]item{
	"prsb-person-name": {"Patient.name", "the person's family name and first name", "Give a name with family and given."},
	"prsb-birth-date":  {"Patient.birthDate", "the person's date of birth", "Give the date as YYYY-MM-DD."},
	"prsb-gp-practice": {"Patient.generalPractitioner", "the identifier of the person's GP practice, or the ODS code for not being registered",
		"Give the practice's ODS code; V81997 says that there is no registered practice, V81999 that it is not known."},
	"prsb-referrer":              {"ServiceRequest.requester", "the referrer", "Name who refers; the person themselves for a self-referral."},
	"prsb-referrer-name":         {"ServiceRequest.requester", "the referrer's name", "Send the Practitioner with a name, or a display on the reference."},
	"prsb-referrer-service":      {"ServiceRequest.requester", "the referrer's service, or the source of the request", "Send UK Core's SourceOfServiceRequest, or a PractitionerRole with a code or a service."},
	"prsb-referrer-organisation": {"ServiceRequest.requester", "the referrer's organisation", "Send a PractitionerRole that refers to the Organization."},
	"prsb-referrer-contact":      {"ServiceRequest.requester", "contact details of the referrer", "Give a telephone number or an address for mail on the role, the person or the organisation."},
	"prsb-referral-to":           {"ServiceRequest.performer", "the service or team the referral is sent to", "Name the HealthcareService, Organization or team."},
	"prsb-risk": {"ServiceRequest.supportingInfo", "at least one risk entry; that there are no known risks must be said too",
		"Send a Flag of category risk or a RiskAssessment, or an empty List of risks with the reason nilknown."},
	"prsb-risk-named": {"Condition.code", "what the risk is, in an entry about risks", "Say the risk by a code or in words."},
	"prsb-problem":    {"Condition.code", "the problem that an entry of the problem list is about", "Say the problem by a code or in words."},

	"prsb-gender":               {"Patient.gender", "the person's gender", "Give the gender as the person states it, unknown where it is not known."},
	"prsb-ethnicity":            {"Patient.extension", "the person's ethnic category", "Send UK Core's EthnicCategory; Z says that the person did not state it."},
	"prsb-nhs-number":           {"Patient.identifier", "the person's NHS number, or the reason why there is none", "Send the number traced from PDS, or UK Core's NHSNumberUnavailableReason."},
	"prsb-address":              {"Patient.address", "the person's address", "Give the address; use temp or text for somebody without a home."},
	"prsb-contact":              {"Patient.telecom", "a telephone number or an email address of the person", "Give one way of reaching the person."},
	"prsb-sexual-orientation":   {"Observation.code", "the person's sexual orientation, where they have stated it", "Send an Observation that is labelled restricted, where you may."},
	"prsb-requirements":         {"Flag.category", "the person's individual requirements", "Send a Flag for each reasonable adjustment."},
	"prsb-safeguarding":         {"Flag.category", "whether there are safeguarding concerns", "Send a Flag of category safeguarding, or the finding that no issues were identified."},
	"prsb-consent":              {"ServiceRequest.supportingInfo", "what the person agreed to have shared", "Send a Consent; it is recorded so that the person knows who sees what."},
	"prsb-presenting-complaint": {"ServiceRequest.reasonReference", "the presenting complaint or issue", "Send the need as a Condition; the reason for referral only qualifies it."},
}

// missing says that an item is not given: a warning, an error where conformance
// is claimed.
func (s *referral) missing(rule string) {
	s.lacks(rule, "PRSB mandatory item not given: ", s.strict)
}

// wanting says that a must-have item, which is not mandatory, is not given.
func (s *referral) wanting(rule string) {
	s.lacks(rule, "PRSB must-have item not given: ", false)
}

func (s *referral) lacks(rule, text string, refuse bool) {
	it := prsbItems[rule]
	is := fhir.Issue{Severity: fhir.SeverityWarning, Code: fhir.Required, Rule: rule, Expression: it.at,
		Text: text + it.what, Expected: it.what, Found: "nothing", Profile: prsbLine, Hint: it.hint}
	if refuse {
		is.Severity = fhir.SeverityError
	}
	s.issues = append(s.issues, is)
}

// named checks that each entry of a problem list names its problem, and each
// entry about risks its risk: mandatory items inside of repeating ones. One
// issue says it for all.
func (s *referral) named() {
	var problem, risk bool
	for _, p := range s.parts {
		switch p.typ {
		case "Condition":
			unnamed := !p.v.Get("code").Exists()
			problem = problem || unnamed && hasCode(p.v.Get("category"), []string{"problem-list-item"})
			risk = risk || unnamed && hasCode(p.v.Get("category"), []string{"risk"})
		case "RiskAssessment":
			risk = risk || !isNamedRisk(p.v)
		}
	}
	if problem {
		s.missing("prsb-problem")
	}
	if risk {
		s.missing("prsb-risk-named")
	}
}

// isNamedRisk reports whether an assessment says what it assessed, wherever R4
// lets it say so.
func isNamedRisk(v fhir.Value) bool {
	if v.Get("code").Exists() || v.Get("note").Exists() || v.Get("condition").Exists() || v.Get("method").Exists() {
		return true
	}
	for p := range v.Get("prediction").Items() {
		if p.Get("outcome").Exists() || p.Get("rationale").Exists() {
			return true
		}
	}
	return false
}
