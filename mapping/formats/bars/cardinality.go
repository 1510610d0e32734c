package bars

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

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

// responseBounds: what a cancellation needs, and any number of what a request
// or the booking that came of it may carry.
var responseBounds = func() map[string]bounds {
	b := map[string]bounds{
		"Appointment": {0, -1}, "Schedule": {0, -1}, "Slot": {0, -1},
		"RelatedPerson": {0, -1}, "DocumentReference": {0, -1},
	}
	for typ := range requestBounds {
		b[typ] = bounds{0, -1}
	}
	maps.Copy(b, cancelBounds)
	return b
}()

func boundsOf(kind Kind) map[string]bounds {
	switch kind {
	case Cancel:
		return cancelBounds
	case Response:
		return responseBounds
	}
	return requestBounds
}

// cardinalities names every entry that has no place in the message, and every
// type of which there are too few or too many.
func cardinalities(b fhir.Resource, kind Kind) []fhir.Issue {
	want := boundsOf(kind)
	count, urls := map[string]int{}, map[string]bool{}
	var issues []fhir.Issue
	for i, e := range b.Entries() {
		count[e.Type()]++
		if _, ok := want[e.Type()]; e.Type() == "" {
			issues = append(issues, BadRequest(fhir.Required, entryPath(i), "every entry of a message needs a resource with its resourceType"))
		} else if !ok {
			issues = append(issues, BadRequest(fhir.Invariant, entryPath(i), "the message definition has no place for this type of resource"))
		}
		issues = append(issues, fullURL(i, e.FullURL, urls)...)
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

// fullURL wants a urn:uuid that no other entry has.
func fullURL(i int, url string, seen map[string]bool) []fhir.Issue {
	at := fmt.Sprintf("Bundle.entry[%d].fullUrl", i)
	id, urn := strings.CutPrefix(url, "urn:uuid:")
	switch {
	case url == "":
		return single(BadRequest(fhir.Required, at, "every entry of a message needs a full URL"))
	case !urn || !IsUUID(id):
		return single(BadRequest(fhir.BadValue, at, "expected urn:uuid: and a UUID; ids are the receiver's to give"))
	case seen[url]:
		return single(BadRequest(fhir.Invariant, at, "another entry has this full URL"))
	}
	seen[url] = true
	return nil
}

// IsUUID reports whether s is a UUID in its usual form of 36 characters.
func IsUUID(s string) bool { return len(s) == 36 && uuid.Validate(s) == nil }

func (b bounds) String() string {
	if b.max < 0 {
		return strconv.Itoa(b.min) + " or more"
	}
	return strconv.Itoa(b.min)
}

func entryPath(i int) string { return "Bundle.entry[" + strconv.Itoa(i) + "].resource" }
