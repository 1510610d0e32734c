// Package bars reads messages of the NHS Booking and Referral Standard
// (BaRS Core 1.2, Application 5 payload rules) that carry a referral.
//
// A BaRS message is FHIR R4 already, so nothing is mapped: the package decides
// what a message asks for (section "workflow decision" of the receiver's
// pseudo-code), and names what breaks the payload rules. There is no national
// use-case code for social prescribing; the use case `sp1` of a local system
// is taken, and so is the SNOMED CT code of the referral.
//
// Every issue carries a code of https://fhir.nhs.uk/CodeSystem/http-error-codes.
package bars

import (
	"slices"
	"strings"

	"trellis.example/fhir"
)

// Code systems of the standard.
const (
	EventSystem    = "https://fhir.nhs.uk/CodeSystem/message-events-bars"
	ReasonSystem   = "https://fhir.nhs.uk/CodeSystem/message-reason-bars"
	CategorySystem = "https://fhir.nhs.uk/CodeSystem/message-category-servicerequest"
)

// Versions are the Application versions taken (Bundle.meta.versionId).
var Versions = []string{"1.0.0", "1.1.0", "1.1.1", "1.1.2"}

// A Kind is what a message asks for.
type Kind uint8

// The kinds of message that a referral receiver takes.
const (
	// Request brings a new referral.
	Request Kind = iota + 1
	// Cancel takes a referral back.
	Cancel
	// Response says that the one who received a referral has ended it.
	Response
)

// A Message is a parsed BaRS message.
type Message struct {
	Kind   Kind
	Bundle fhir.Resource
	// ID is Bundle.id, kept by the sender through all messages of a referral.
	ID string
	// Header and Request are the MessageHeader and the focus.
	Header, Request fhir.Value
	// RequestURL and PatientURL are the full URLs of Request and of the one
	// Patient.
	RequestURL, PatientURL string
	// ResponseTo is MessageHeader.response.identifier.
	ResponseTo string
	// Destination is the endpoint of the service addressed, "system|value".
	Destination string
}

// Parse reads a message and decides what it asks for. The issues are all that
// is wrong with it as a message; whether its resources are valid is for the
// validator. When the envelope itself is broken the message is the zero value.
func Parse(b fhir.Resource) (Message, []fhir.Issue) {
	m := Message{Bundle: b, ID: b.ID()}
	if issues := m.envelope(); issues != nil {
		return Message{}, issues
	}
	issues := m.focus()
	if !m.Request.Exists() {
		return m, issues
	}
	kind, more := m.decide()
	m.Kind = kind
	issues = append(issues, more...)
	if kind != 0 {
		issues = append(append(issues, cardinalities(b, kind)...), payload(b, kind)...)
	}
	return m, issues
}

// envelope checks what must hold before anything else is read.
func (m *Message) envelope() []fhir.Issue {
	root := m.Bundle.Root()
	if m.Bundle.Type() != "Bundle" || root.Get("type").Text() != "message" {
		return single(BadRequest(fhir.Invalid, "Bundle.type", "expected a Bundle of type message"))
	}
	version := root.At("meta", "versionId").Text()
	if version == "" {
		return single(BadRequest(fhir.Invariant, "Bundle.meta.versionId", "the version of the BaRS Application is missing"))
	}
	if !slices.Contains(Versions, version) {
		return single(Unprocessable(fhir.NotSupported, "Bundle.meta.versionId", "this version of the BaRS Application is not supported; expected one of "+strings.Join(Versions, ", ")))
	}
	var issues []fhir.Issue
	if m.ID == "" {
		issues = append(issues, BadRequest(fhir.Required, "Bundle.id", "the message needs an id, kept in later messages about the same referral"))
	}
	if !root.Get("timestamp").Exists() {
		issues = append(issues, BadRequest(fhir.Required, "Bundle.timestamp", "the time of the message is missing"))
	}
	for _, e := range m.Bundle.Entries() {
		if e.Type() == "MessageHeader" {
			m.Header = e.Resource
		}
		break
	}
	if !m.Header.Exists() {
		return append(issues, BadRequest(fhir.Invariant, "Bundle.entry[0].resource", "the first entry must be the MessageHeader"))
	}
	m.ResponseTo = m.Header.At("response", "identifier").Text()
	m.Destination = m.Header.At("destination", 0, "endpoint").Text()
	return issues
}

// focus finds the ServiceRequest that the header points to, and the Patient.
func (m *Message) focus() []fhir.Issue {
	want := m.Header.At("focus", 0, "reference").Text()
	for _, e := range m.Bundle.Entries() {
		switch {
		case e.Type() == "Patient" && m.PatientURL == "":
			m.PatientURL = e.FullURL
		case e.Type() == "ServiceRequest" && want != "" && e.FullURL == want:
			m.Request, m.RequestURL = e.Resource, e.FullURL
		}
	}
	if m.Request.Exists() {
		return nil
	}
	return single(BadRequest(fhir.Invariant, "Bundle.entry[0].resource.focus", "the focus must be a ServiceRequest of this message"))
}

// decide follows the receiver's published workflow table.
func (m *Message) decide() (Kind, []fhir.Issue) {
	event := m.Header.Get("eventCoding")
	if !SameURI(event.Get("system").Text(), EventSystem) {
		return 0, single(BadRequest(fhir.BadValue, "Bundle.entry[0].resource.eventCoding.system", "expected "+EventSystem))
	}
	if !m.isReferral() {
		return 0, single(BadRequest(fhir.NotSupported, m.Request.Path()+".category", "expected the category referral"))
	}
	status := m.Request.Get("status").Text()
	switch reason := m.reason(); event.Get("code").Text() + "/" + reason {
	case "servicerequest-request/new":
		return Request, nil
	case "servicerequest-request/update":
		if status == "revoked" || status == "entered-in-error" {
			return Cancel, nil
		}
		return 0, single(BadRequest(fhir.Invariant, m.Request.Path()+".status", "an update of a referral can only cancel it (revoked, entered-in-error); send other changes as a new referral"))
	case "servicerequest-response/new":
		return m.response(status)
	case "servicerequest-response/update":
		return 0, single(Unprocessable(fhir.NotSupported, "Bundle.entry[0].resource.reason", "updates of a response are not taken here; expected reason new with a ServiceRequest that is revoked"))
	case "booking-request/new", "booking-request/update", "booking-response/new", "booking-response/update":
		return 0, single(Unprocessable(fhir.NotSupported, "Bundle.entry[0].resource.eventCoding.code", "bookings are not taken here; expected servicerequest-request or servicerequest-response"))
	}
	return 0, single(BadRequest(fhir.BadValue, "Bundle.entry[0].resource", "this event with this reason is not known; expected servicerequest-request with new or update, or servicerequest-response with new"))
}

// response takes the end of a referral; other feedback is not taken.
func (m *Message) response(status string) (Kind, []fhir.Issue) {
	at := m.Request.Path() + ".status"
	switch {
	case m.ResponseTo == "":
		return 0, single(BadRequest(fhir.Required, "Bundle.entry[0].resource.response", "a response must name the message it answers"))
	case status == "revoked":
		return Response, nil
	case status == "active" || status == "completed":
		return 0, single(Unprocessable(fhir.NotSupported, at, "only a response that ends the referral (revoked) is taken here; other progress is read and written on the referral's Task"))
	}
	return 0, single(BadRequest(fhir.Invariant, at, "expected revoked in a response"))
}

func (m *Message) isReferral() bool {
	for cat := range m.Request.Get("category").Items() {
		for c := range cat.Get("coding").Items() {
			if SameURI(c.Get("system").Text(), CategorySystem) && c.Get("code").Text() == "referral" {
				return true
			}
		}
	}
	return false
}

func (m *Message) reason() string {
	for c := range m.Header.At("reason", "coding").Items() {
		if SameURI(c.Get("system").Text(), ReasonSystem) {
			return c.Get("code").Text()
		}
	}
	return ""
}

// SameURI compares as published material needs: /Id/ and /id/, http and https,
// CodeSystem and Codesystem all occur for one URI.
func SameURI(a, b string) bool {
	cut := func(s string) string {
		_, rest, ok := strings.Cut(s, "://")
		if !ok {
			return s
		}
		return rest
	}
	return strings.EqualFold(cut(a), cut(b))
}
