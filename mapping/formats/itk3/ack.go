package itk3

import (
	"time"

	"trellis.example/mapping"
)

// A Party is the organisation that answers.
type Party struct {
	// ODS is its organisation code, Name its name; Endpoint is the MESH mailbox
	// it answers from, ODS when it has none.
	ODS, Name, Endpoint string
}

// An Ack is an acknowledgement to be written.
type Ack struct {
	// ID is the id of its own MessageHeader; "" derives one.
	ID string
	// MessageID is the id of the MessageHeader that is answered.
	MessageID string
	// SenderReference is copied from that message; "" when it had none.
	SenderReference string
	Code            Code
	// Text explains a negative code: what is wrong and where, never the
	// content. May be "".
	Text string
	// Transient says that sending the same message later may succeed.
	Transient bool
	From      Party
	At        time.Time
	// Stamp is At as it is to be written; "" writes At in UTC.
	Stamp string
}

// JSON returns the acknowledgement as a FHIR STU3 message in JSON.
func (a Ack) JSON() []byte { return a.bundle().JSON() }

// XML returns the acknowledgement as a FHIR STU3 message in XML.
func (a Ack) XML() []byte { return a.bundle().xml(nil, true) }

// ids of the resources come from what is answered and how, so that the same
// acknowledgement is the same bytes.
func (a Ack) id(n int) string {
	urn := mapping.URN("itk3-response", []string{a.MessageID, a.SenderReference, a.Code.Code, a.From.ODS, a.stamp()}, n)
	return urn[len("urn:uuid:"):]
}

func (a Ack) stamp() string {
	if a.Stamp != "" {
		return a.Stamp
	}
	return a.At.UTC().Format("2006-01-02T15:04:05+00:00")
}

func (a Ack) bundle() Element {
	return Branch("Bundle", Leaf("resourceType", "Bundle"), Leaf("id", a.id(0)), Branch("meta", Leaf("profile", bundleProfile).Many()),
		Leaf("type", "message"), a.entry(1, a.header()), a.entry(2, a.organization()), a.entry(3, a.outcome()))
}

// entry is a Bundle.entry; profile comes second in the resource, after its id.
func (a Ack) entry(n int, resource []Element) Element {
	id := a.id(n)
	if n == 1 && a.ID != "" {
		id = a.ID
	}
	kids := append([]Element{resource[0], Leaf("id", id)}, resource[1:]...)
	return Array("entry", Leaf("fullUrl", "urn:uuid:"+a.id(n)), Branch("resource", kids...))
}

func profile(url string) Element {
	return Branch("meta", Leaf("profile", url).Many())
}

func (a Ack) header() []Element {
	part := func(url string, value Element) Element {
		if value.name == "" {
			return value
		}
		return Array("extension", Leaf("url", url), value)
	}
	code := "ok"
	switch {
	case a.Code.Negative && a.Transient:
		code = "transient-error"
	case a.Code.Negative:
		code = "fatal-error"
	}
	endpoint := a.From.Endpoint
	if endpoint == "" {
		endpoint = a.From.ODS
	}
	return []Element{
		Leaf("resourceType", "MessageHeader"), profile(headerProfile),
		Array("extension", Leaf("url", Handling), part("BusAckRequested", Flag("valueBoolean", false)),
			part("InfAckRequested", Flag("valueBoolean", false)), part("SenderReference", Leaf("valueString", a.SenderReference))),
		Branch("event", Leaf("system", EventSystem), Leaf("code", ResponseEvent), Leaf("display", "ITK Response")),
		Branch("sender", Leaf("reference", "urn:uuid:"+a.id(2))), Leaf("timestamp", a.stamp()),
		Branch("source", Leaf("endpoint", endpoint)),
		Branch("response", Leaf("identifier", a.MessageID), Leaf("code", code), Branch("details", Leaf("reference", "urn:uuid:"+a.id(3)))),
	}
}

func (a Ack) organization() []Element {
	out := []Element{Leaf("resourceType", "Organization"), Array("identifier", Leaf("system", ODS), Leaf("value", a.From.ODS))}
	if a.From.Name != "" {
		out = append(out, Leaf("name", a.From.Name))
	}
	return out
}

func (a Ack) outcome() []Element {
	severity, code := a.Code.Issue()
	kids := []Element{Leaf("severity", severity), Leaf("code", code), Branch("details", Array("coding",
		Leaf("system", CodeSystem), Leaf("code", a.Code.Code), Leaf("display", a.Code.Display)))}
	if a.Text != "" {
		kids = append(kids, Leaf("diagnostics", a.Text))
	}
	return []Element{Leaf("resourceType", "OperationOutcome"), profile(outcomeProfile), Array("issue", kids...)}
}

// Issue returns the severity and the code of the OperationOutcome that carries
// the response code.
func (c Code) Issue() (severity, code string) {
	switch {
	case !c.Negative:
		return "information", "informational"
	case c.issue != "":
		return "fatal", c.issue
	}
	return "fatal", "processing"
}
