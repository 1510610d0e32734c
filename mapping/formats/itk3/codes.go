// Package itk3 is what the two ITK3 formats share: the response codes with what
// each means for a message and for a referral, the head of a message
// (ITK-MessageHandling), and the acknowledgements that answer one, in JSON or
// XML.
//
// ITK3 messages are FHIR STU3. Every acknowledgement made here asks for none
// itself and copies the sender's reference; those are the rules that keep two
// systems from answering each other for ever.
package itk3

import (
	"slices"
	"strings"
)

// Names of the standard.
const (
	// CodeSystem is the system of the response codes.
	CodeSystem = "https://fhir.nhs.uk/STU3/CodeSystem/ITK-ResponseCodes-1"
	// EventSystem is the system of MessageHeader.event.
	EventSystem = "https://fhir.nhs.uk/STU3/CodeSystem/ITK-MessageEvent-2"
	// ResponseEvent is the event of an acknowledgement.
	ResponseEvent = "ITK008M"
	// Handling is the extension that holds the acknowledgement flags and the
	// sender's reference.
	Handling = "https://fhir.nhs.uk/STU3/StructureDefinition/Extension-ITK-MessageHandling-2"
	// ODS is the system of organisation codes.
	ODS = "https://fhir.nhs.uk/Id/ods-organization-code"

	bundleProfile  = "https://fhir.nhs.uk/STU3/StructureDefinition/ITK-Message-Bundle-1"
	headerProfile  = "https://fhir.nhs.uk/STU3/StructureDefinition/ITK-MessageHeader-2"
	outcomeProfile = "https://fhir.nhs.uk/STU3/StructureDefinition/ITK-Response-OperationOutcome-1"
)

// A Code is one of the response codes.
type Code struct {
	Code, Display string
	// Negative: fatal to the message.
	Negative bool
	// Task and Business are what the code says of a referral: Task.status, and
	// the code of our business status where one fits. Both are "" in a code
	// about the message alone.
	Task, Business string
	// issue is the OperationOutcome's code for it; "" is the usual one.
	issue string
}

// AboutReferral reports that the code tells where a referral stands; others
// tell what became of a message.
func (c Code) AboutReferral() bool { return c.Task != "" }

// IsBusiness reports a business acknowledgement, as against one of the
// infrastructure.
func (c Code) IsBusiness() bool { return strings.HasPrefix(c.Code, "3") }

// codes are those whose meaning is published, in order. The codes of the
// message (1xxxx, 2xxxx, 30001 to 30003) come with the standard's own displays.
var codes = []Code{
	{Code: "10001", Display: "Handling Specification Error", Negative: true},
	{Code: "10002", Display: "Infrastructure Level Response Value - Processing Error", Negative: true},
	{Code: "10003", Display: "Business Level Response Value - Processing Error", Negative: true},
	{Code: "10004", Display: "Message Definition Value - Processing Error", Negative: true, issue: "not-supported"},
	{Code: "10005", Display: "Message Definition Version Value - Processing Error", Negative: true, issue: "not-supported"},
	{Code: "10007", Display: "Sender Reference Value - Processing Error", Negative: true},
	{Code: "10008", Display: "Handling Specification Business Rule Error", Negative: true},
	{Code: "10009", Display: "Unreadable message received", Negative: true, issue: "structure"},
	{Code: "10010", Display: "Recipient Type - Processing Error", Negative: true},
	{Code: "20001", Display: "Unrecognised Recipient Person", Negative: true, issue: "not-found"},
	{Code: "20002", Display: "Unrecognised Recipient Organisation", Negative: true, issue: "not-found"},
	{Code: "20003", Display: "Unrecognised Sender", Negative: true, issue: "not-found"},
	{Code: "20004", Display: "Non-Approved file type received as an attachment", Negative: true, issue: "not-supported"},
	{Code: "20005", Display: "Unsupported file type received as an attachment", Negative: true, issue: "not-supported"},
	{Code: "20006", Display: "ITK3 Header validation failure", Negative: true, issue: "invalid"},
	{Code: "20007", Display: "Duplicate Message received", Negative: true, issue: "duplicate"},
	{Code: "20008", Display: "Duplicate Document received", Negative: true, issue: "duplicate"},
	{Code: "20009", Display: "Payload validation failure", Negative: true, issue: "invalid"},
	{Code: "20010", Display: "Unrecognised Payload Recipient Organisation", Negative: true, issue: "not-found"},
	{Code: "20011", Display: "Unrecognised Payload Recipient Person", Negative: true, issue: "not-found"},
	{Code: "20012", Display: "Unauthorised Sender", Negative: true, issue: "forbidden"},
	{Code: "20013", Display: "Success"},
	{Code: "30001", Display: "Patient known here"},
	{Code: "30002", Display: "Patient not known here", Negative: true, issue: "not-found"},
	{Code: "30003", Display: "Patient no longer at this clinical setting", Negative: true, issue: "not-found"},
	{Code: "30005", Display: "Referral open", Task: "in-progress"},
	{Code: "30006", Display: "Referral completed", Task: "completed", Business: "closed-outcome"},
	{Code: "30007", Display: "Escalated back to GP", Task: "rejected", Business: "returned-to-referrer"},
	{Code: "30008", Display: "Back to GP", Task: "rejected", Business: "returned-to-referrer"},
	{Code: "30011", Display: "Advised to go elsewhere or self-referral", Task: "completed", Business: "signposted"},
	{Code: "30012", Display: "Could not reach the person", Task: "on-hold", Business: "unattended"},
	{Code: "30014", Display: "Closure: service not accepted", Task: "cancelled", Business: "declined-by-person"},
	{Code: "30015", Display: "Duplicate", Task: "cancelled", Business: "duplicate"},
	{Code: "30016", Display: "Referral accepted", Task: "accepted", Business: "accepted"},
	{Code: "30017", Display: "Referral refused", Task: "rejected", Business: "declined-by-service"},
	{Code: "30018", Display: "Did not attend", Task: "on-hold", Business: "unattended"},
}

// Codes returns the response codes in order.
func Codes() []Code { return slices.Clone(codes) }

// Lookup returns the code; false when its meaning is not known.
func Lookup(code string) (Code, bool) {
	i, ok := slices.BinarySearchFunc(codes, code, func(c Code, s string) int {
		if c.Code < s {
			return -1
		}
		if c.Code > s {
			return 1
		}
		return 0
	})
	if !ok {
		return Code{}, false
	}
	return codes[i], true
}

// byBusiness is the code that tells each of our business statuses; "" where no
// code does.
var byBusiness = map[string]string{
	"created": "30005", "awaiting-consent": "30005", "awaiting-information": "30005", "accepted": "30016",
	"declined-by-service": "30017", "returned-to-referrer": "30007", "declined-by-person": "30014",
	"allocated": "30005", "scheduled": "30005", "unattended": "30018", "contact-cancelled": "30005",
	"seen": "30005", "plan-agreed": "30005", "waitlist": "30005", "closed-outcome": "30006",
	"signposted": "30011", "no-contact": "30012", "cancellation-requested": "30005", "withdrawn": "",
	"duplicate": "30015", "moved-or-died": "",
}

// byTask is the code that tells each Task.status, where nothing finer is known.
var byTask = map[string]string{
	"requested": "30005", "received": "30005", "accepted": "30016", "rejected": "30017", "ready": "30005",
	"cancelled": "30014", "in-progress": "30005", "on-hold": "30005", "failed": "30012", "completed": "30006",
}

// For returns the code that tells a sender where its referral stands: by our
// business status when there is one, else by Task.status. False when no code
// says it.
func For(business, status string) (Code, bool) {
	code, known := byBusiness[business]
	if !known {
		code = byTask[status]
	}
	return Lookup(code)
}
