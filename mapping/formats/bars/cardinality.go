package bars

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"trellis.example/fhir"
)

// bounds are how many resources of a type a message may carry; max -1 is any.
type bounds struct{ min, max int }

// requestBounds: MessageDefinition bars-message-servicerequest-request-referral.
var requestBounds = map[string]bounds{
	"MessageHeader": {1, 1}, "ServiceRequest": {1, 1}, "Patient": {1, 1},
	"Encounter": {1, 1}, "CarePlan": {1, 1}, "HealthcareService": {1, 1},
	"Organization": {2, -1}, "Practitioner": {1, -1}, "PractitionerRole": {1, -1},
	"Consent": {1, -1}, "Location": {0, -1}, "Observation": {0, -1}, "Flag": {0, -1},
	"MedicationStatement": {0, -1}, "AllergyIntolerance": {0, -1},
	"Questionnaire": {0, -1}, "QuestionnaireResponse": {0, -1},
	"Condition": {0, -1}, "Task": {0, -1}, "Communication": {0, -1}, "Procedure": {0, -1},
}

// cancelBounds: MessageDefinition bars-message-servicerequest-request-cancelled.
var cancelBounds = map[string]bounds{
	"MessageHeader": {1, 1}, "ServiceRequest": {1, 1}, "Patient": {1, 1}, "Organization": {2, -1},
}

// cardinalities names every type of which a message has too few or too many.
func cardinalities(b fhir.Resource, kind Kind) []fhir.Issue {
	want, closed := requestBounds, true
	switch kind {
	case Cancel:
		want = cancelBounds
	case Response:
		want, closed = map[string]bounds{"MessageHeader": {1, 1}, "ServiceRequest": {1, 1}, "Patient": {1, 1}, "Organization": {2, -1}}, false
	}
	count := map[string]int{}
	var issues []fhir.Issue
	for i, e := range b.Entries() {
		count[e.Type()]++
		if _, ok := want[e.Type()]; !ok && closed {
			issues = append(issues, BadRequest(fhir.Invariant, entryPath(i), "the message definition has no place for this type of resource"))
		}
		if e.FullURL == "" {
			issues = append(issues, BadRequest(fhir.Required, fmt.Sprintf("Bundle.entry[%d].fullUrl", i), "every entry of a message needs a full URL"))
		}
	}
	for _, typ := range slices.Sorted(maps.Keys(want)) {
		w, n := want[typ], count[typ]
		if n < w.min {
			issues = append(issues, BadRequest(fhir.Required, "Bundle.entry", fmt.Sprintf("the message has %d %s, expected %s", n, typ, w)))
		}
		if w.max >= 0 && n > w.max {
			issues = append(issues, BadRequest(fhir.Invariant, "Bundle.entry", fmt.Sprintf("the message has %d %s, expected %s", n, typ, w)))
		}
	}
	return issues
}

func (b bounds) String() string {
	if b.max < 0 {
		return strconv.Itoa(b.min) + " or more"
	}
	return strconv.Itoa(b.min)
}

func entryPath(i int) string { return "Bundle.entry[" + strconv.Itoa(i) + "].resource" }
