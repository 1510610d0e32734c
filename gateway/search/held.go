package search

import "strings"

// A Held is a resource type that Trellis holds and the parameters that lead to
// its resources, beside _id, _lastUpdated and _tag.
type Held struct {
	Type   string
	Params []string
}

// HeldTypes returns the types that Trellis holds, sorted. Others exist in the
// sandbox only.
func HeldTypes() []Held {
	var out []Held
	for line := range strings.Lines(held) {
		f := strings.Fields(line)
		if len(f) > 0 {
			out = append(out, Held{Type: strings.TrimSuffix(f[0], ":"), Params: f[1:]})
		}
	}
	return out
}

// held names few parameters on purpose: each is a row or more of an index for
// every document that is written. All other parameters of R4 are answered too,
// by comparing what these find.
const held = `
ActivityDefinition: identifier url version name status
AllergyIntolerance: identifier patient clinical-status code
Appointment: identifier patient status date actor based-on
Binary:
Bundle: identifier type timestamp
CarePlan: identifier patient subject status category intent date based-on care-team goal encounter
CareTeam: identifier patient subject status category participant
CodeSystem: identifier url version name status
Communication: identifier patient subject status category sent sender recipient based-on
CommunicationRequest: identifier patient subject status category based-on
CompartmentDefinition: url version name status
Composition: identifier patient subject status type date author
ConceptMap: identifier url version name status
Condition: identifier patient subject clinical-status category code onset-date encounter
Consent: identifier patient status category date source-reference
DocumentReference: identifier patient subject status type category date related
Encounter: identifier patient subject status class date based-on episode-of-care
Endpoint: identifier status organization
EpisodeOfCare: identifier patient status type date organization
FamilyMemberHistory: identifier patient status date
Flag: identifier patient subject date
Goal: identifier patient subject lifecycle-status achievement-status category start-date target-date
Group: identifier type actual member code managing-entity
HealthcareService: identifier active name organization location service-category service-type characteristic specialty
Library: identifier url version name status
List: identifier patient subject status code date
Location: identifier status name type organization partof address-city address-postalcode near
Measure: identifier url version name status
MedicationStatement: identifier patient subject status code effective
MessageDefinition: identifier url version name status context
MessageHeader: code event sender source-uri response-id
NamingSystem: name status value
Observation: identifier patient subject status category code date encounter focus
OperationDefinition: url version name status
Organization: identifier active name type partof address-city
Patient: identifier active name family given birthdate gender telecom address-city address-postalcode general-practitioner organization
PlanDefinition: identifier url version name status
Practitioner: identifier active name family given
PractitionerRole: identifier active practitioner organization role service location
Procedure: identifier patient subject status category code date based-on performer encounter
Provenance: patient target recorded agent entity
Questionnaire: identifier status url version name code
QuestionnaireResponse: identifier patient subject status questionnaire authored author based-on
RelatedPerson: identifier patient active relationship name
RiskAssessment: identifier patient subject date
Schedule: identifier active actor date service-type
SearchParameter: url version name status
ServiceRequest: identifier requisition patient subject status category code intent priority authored occurrence requester performer based-on encounter
Slot: identifier schedule status start service-type
StructureDefinition: identifier url version name status type
StructureMap: identifier url version name status
Task: identifier group-identifier patient subject status business-status code intent priority owner requester focus based-on part-of authored-on modified
ValueSet: identifier url version name status
`

// leading are the parameters that lead for the types that only the sandbox has.
var leading = map[string]bool{
	"identifier": true, "patient": true, "subject": true, "url": true, "name": true,
	"status": true, "code": true, "date": true, "type": true,
}

// common are the parameters with few distinct values: a store keeps their
// entries once per party, so that a narrow view does not scan everyone's.
var common = map[string]bool{
	"status": true, "category": true, "code": true, "type": true, "intent": true, "priority": true,
	"business-status": true, "clinical-status": true, "lifecycle-status": true,
	"achievement-status": true, "class": true, "active": true, "gender": true,
	"service-category": true, "service-type": true, "specialty": true, "characteristic": true,
	"role": true, "relationship": true, "event": true, "authored": true, "authored-on": true,
	"modified": true, "date": true, "recorded": true, "sent": true, "timestamp": true,
	"start": true, "start-date": true, "target-date": true, "effective": true, "onset-date": true,
	"questionnaire": true, "occurrence": true, "address-city": true,
}
