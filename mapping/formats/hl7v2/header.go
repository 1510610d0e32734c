package hl7v2

import (
	"slices"
	"strings"

	"trellis.example/fhir"
	"trellis.example/mapping/codec/hl7v2"
)

// A Header is the MSH of a message as a receiver needs it.
type Header struct {
	// SendingApplication (MSH-3.1) and SendingFacility (MSH-4, its identifier)
	// name the sender; they are what a partner is bound to.
	SendingApplication, SendingFacility     string
	ReceivingApplication, ReceivingFacility string
	// Type, Event and Structure are MSH-9: "REF", "I12", "REF_I12".
	Type, Event, Structure string
	// ControlID is MSH-10, which the acknowledgement repeats.
	ControlID string
	// Processing is MSH-11.1: P production, T training, D debugging.
	Processing string
	// Version is MSH-12.1, such as "2.5.1".
	Version string
	// AcceptAck and ApplicationAck are MSH-15 and MSH-16: AL, NE, SU, ER or "".
	AcceptAck, ApplicationAck string
}

// ReadHeader reads the header of a message, even of one that is otherwise
// broken. The error, a *fhir.Error, lists the faults of syntax of the whole
// message; the Header is what could be read all the same.
func ReadHeader(msg []byte) (Header, error) { return Options{}.ReadHeader(msg) }

// ReadHeader is [ReadHeader] as the partner's agreement has it.
func (o Options) ReadHeader(msg []byte) (Header, error) {
	m, err := hl7v2.ReadAnyAs(msg, o.charset())
	return header(m), err
}

func header(m *hl7v2.Message) Header {
	if m == nil {
		return Header{}
	}
	msh := m.First("MSH")
	text := func(field, comp int) string {
		return strings.Clone(msh.Field(field).Rep(0).Component(comp).Sub(1).Text())
	}
	return Header{
		SendingApplication: text(3, 1), SendingFacility: facility(msh.Field(4).Rep(0)),
		ReceivingApplication: text(5, 1), ReceivingFacility: facility(msh.Field(6).Rep(0)),
		Type: text(9, 1), Event: text(9, 2), Structure: text(9, 3),
		ControlID: text(10, 1), Processing: text(11, 1), Version: text(12, 1),
		AcceptAck: text(15, 1), ApplicationAck: text(16, 1),
	}
}

// facility returns the namespace of an HD field, or its universal id when the
// sender gives only that.
func facility(v hl7v2.Value) string {
	if ns := v.Component(1).Text(); ns != "" {
		return strings.Clone(ns)
	}
	return strings.Clone(v.Component(2).Text())
}

// Key returns what makes two messages the same message: sending application,
// sending facility and control id (HL7 v2, chapter 2.9). It is "" without a
// control id. It is personal to the sender: do not log it.
func (h Header) Key() string {
	if h.ControlID == "" {
		return ""
	}
	return h.SendingApplication + "\x1f" + h.SendingFacility + "\x1f" + h.ControlID
}

// Table0357 is the code system of HL7 table 0357, message error condition
// codes. A fault whose Details carry a code of it keeps that code in ERR-3.
const Table0357 = "http://terminology.hl7.org/CodeSystem/v2-0357"

// A Kind is what a message is about: its type, MSH-9.1.
type Kind string

// The kinds of messages that are taken in.
const (
	// Referral (REF): refer I12, modify I13, cancel I14, ask for the status I15.
	Referral Kind = "REF"
	// Response (RRI): what a service that was referred to has decided.
	Response Kind = "RRI"
	// Visit (ADT): admitted A01, discharged A03, changed A08. It is context and
	// never a referral.
	Visit Kind = "ADT"
	// Result (ORU): scores and observations, R01.
	Result Kind = "ORU"
)

// Kind returns what the message is about; one that [Header.Check] refuses may
// be none of the kinds.
func (h Header) Kind() Kind { return Kind(h.Type) }

// Events are the trigger events of a kind that are taken in; none for a kind
// that is not.
func Events(k Kind) []string {
	switch k {
	case Referral, Response:
		return []string{"I12", "I13", "I14", "I15"}
	case Visit:
		return []string{"A01", "A03", "A08"}
	case Result:
		return []string{"R01"}
	}
	return nil
}

// Versions are the versions of HL7 that are taken in.
func Versions() []string {
	return []string{"2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.7.1", "2.8"}
}

// Check returns why the message is not one that is taken in, if so: faults
// that reject it (AR), each with its code of table 0357.
func (h Header) Check() []fhir.Issue {
	var issues []fhir.Issue
	reject := func(code string, fc fhir.Code, source, text string) {
		issues = append(issues, fhir.Issue{Code: fc, Source: source, Text: text, Details: coding0357(code)})
	}
	switch {
	case h.Type == "":
		reject("101", fhir.Required, "MSH-9.1", "the message type is required; expected REF, RRI, ADT or ORU")
	case Events(h.Kind()) == nil:
		reject("200", fhir.NotSupported, "MSH-9.1", "unsupported message type; expected REF, RRI, ADT or ORU")
	case h.Event == "":
		reject("101", fhir.Required, "MSH-9.2", "the trigger event is required; expected "+strings.Join(Events(h.Kind()), ", "))
	case !slices.Contains(Events(h.Kind()), h.Event):
		reject("201", fhir.NotSupported, "MSH-9.2", "unsupported trigger event; expected "+strings.Join(Events(h.Kind()), ", "))
	}
	if h.ControlID == "" {
		reject("101", fhir.Required, "MSH-10", "the message control id is required")
	}
	if !slices.Contains([]string{"P", "T", "D"}, h.Processing) {
		reject("202", fhir.NotSupported, "MSH-11.1", "unsupported processing id; expected P, T or D")
	}
	if !slices.Contains(Versions(), h.Version) {
		reject("203", fhir.NotSupported, "MSH-12.1", "unsupported version; expected 2.3 to 2.8")
	}
	return issues
}

// rejects reports whether a fault means AR rather than AE: the message is not
// one for this receiver, or the system is in trouble.
func rejects(is fhir.Issue) bool {
	if is.Details.System == Table0357 {
		return slices.Contains([]string{"200", "201", "202", "203", "206", "207"}, is.Details.Code) || strings.HasPrefix(is.Source, "MSH-")
	}
	switch is.Code {
	case fhir.Structure, fhir.Invalid, fhir.TooLong, fhir.NotSupported:
		return is.Expression == "" // syntax, not content
	}
	return trouble(is.Code) || notOurs(is.Code)
}

// notOurs reports faults of who the sender is.
func notOurs(c fhir.Code) bool {
	return c == fhir.Security || c == fhir.Login || c == fhir.Forbidden
}

// trouble reports faults on our side, which pass: the sender sends again.
func trouble(c fhir.Code) bool {
	return slices.Contains([]fhir.Code{
		fhir.Transient, fhir.Throttled, fhir.Timeout, fhir.NoStore, fhir.Exception,
	}, c)
}
