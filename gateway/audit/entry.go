package audit

import "time"

// An Action is what was done: a code of http://hl7.org/fhir/audit-event-action.
type Action string

// The actions of an audit event.
const (
	Create  Action = "C"
	Read    Action = "R"
	Update  Action = "U"
	Delete  Action = "D"
	Execute Action = "E"
)

// An Entry is one audit record.
type Entry struct {
	// At is when it happened.
	At time.Time
	// Action and Interaction: "C" and "create", "R" and "search-type", "E"
	// and "process-message" (http://hl7.org/fhir/restful-interaction, or the
	// operation's name).
	Action      Action
	Interaction string
	// Outcome is the HTTP status class in the terms of audit-event-outcome:
	// "0" success, "4" refused or faulty request, "8" server fault.
	Outcome string
	// Client is the OAuth2 client id, or "" when the caller was not
	// authenticated; Party its organisation's party; Role its partner role.
	Client, Party, Role string
	// Address is the caller's network address without port.
	Address string
	// RequestID is the X-Request-ID that the log carries too.
	RequestID string
	// Entities are the keys concerned, "Type/id" or "Type/id/_history/n"; for
	// a search the type and the names of its parameters, never their values:
	// "ServiceRequest?identifier,status".
	Entities []string
	// Patients are the keys of the Patients concerned, "Patient/id".
	Patients []string
	// Count repeats: refusals without a valid token are counted per client
	// address and minute instead of written one by one. 0 means 1.
	Count int
}

// A Record is a stored entry with its place: Seq is the store's commit number,
// N the entry's position within that commit.
type Record struct {
	Seq int64
	N   int
	Entry
}
