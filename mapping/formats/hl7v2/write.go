package hl7v2

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"trellis.example/fhir"
	"trellis.example/mapping"
	"trellis.example/mapping/codec/hl7v2"
)

// An Envelope is what the header of a message of ours says. Empty members get
// the defaults named.
type Envelope struct {
	// SendingApplication defaults to "TRELLIS".
	SendingApplication, SendingFacility     string
	ReceivingApplication, ReceivingFacility string
	// ControlID is MSH-10, at most 20 characters; it defaults to a digest of
	// what is written.
	ControlID string
	// Now is MSH-7; it defaults to the time the referral was authored.
	Now time.Time
	// Event defaults to I12, or I14 when the referral is revoked.
	Event string
	// Version defaults to 2.5.1.
	Version string
	// InReplyTo is MSH-10 of the message answered (RRI).
	InReplyTo string
	// Charset is that of the message; it defaults to UTF-8. A character that it
	// does not have is written as "?".
	Charset hl7v2.Charset
	// Referral is the reference of the referral that results belong to (ORU).
	Referral string

	nhsNumber string // of results whose subject is no resource
	// AcceptAck and ApplicationAck are MSH-15 and MSH-16.
	AcceptAck, ApplicationAck string
}

// Write writes what the Bundle holds with the default [Envelope]: a referral (a
// ServiceRequest) as REF^I12, or I14 when it is revoked; what has become of one
// (a Task by itself) as RRI^I12; answers and observations that are based on a
// referral as ORU^R01; a person and a visit as ADT. Anything else is refused.
func (f *Format) Write(resource []byte) mapping.Written {
	kind, fault := kindOf(resource)
	switch kind {
	case Referral:
		return f.WriteREF(resource, Envelope{Event: referralEvent(resource)})
	case Result:
		return f.WriteORU(resource, Envelope{})
	case Visit:
		return f.writeKind(Visit, resource, Envelope{Event: visitEvent(resource)})
	case Response:
		_, reference := about(resource, "")
		return f.writeKind(Response, resource, Envelope{Event: "I12", Referral: reference})
	}
	return mapping.Written{Faults: []fhir.Issue{fault}}
}

// kindOf says which kind of message a document becomes.
func kindOf(resource []byte) (Kind, fhir.Issue) {
	b, err := fhir.DecodeLimit(resource, maxWritten)
	if err != nil {
		return "", fhir.AsError(err).Issues[0]
	}
	has := map[string]bool{}
	for _, e := range b.Entries() {
		has[e.Type()] = true
		has["basedOn"] = has["basedOn"] || e.Resource.Get("basedOn").Exists()
	}
	switch results := has["QuestionnaireResponse"] || has["Observation"]; {
	case has["ServiceRequest"]:
		return Referral, fhir.Issue{}
	case has["Encounter"], has["Patient"] && !results:
		return Visit, fhir.Issue{}
	case results:
		return Result, fhir.Issue{}
	case has["Task"]:
		return Response, fhir.Issue{}
	}
	return "", fhir.Issue{Severity: fhir.SeverityError, Code: fhir.Required, Expression: "Bundle.entry",
		Text: "expected a Bundle with a ServiceRequest and its Patient; or with answers, with a visit, or with a Task"}
}

// referralEvent is I14 for a referral that is revoked, and otherwise for
// [Envelope] to say.
func referralEvent(resource []byte) string {
	b, err := fhir.DecodeLimit(resource, maxWritten)
	if err != nil {
		return ""
	}
	for _, e := range b.Entries() {
		if e.Type() == "ServiceRequest" && e.Resource.Get("status").Text() == "revoked" {
			return "I14"
		}
	}
	return ""
}

// visitEvent is the event that tells of the first Encounter as it stands.
func visitEvent(resource []byte) string {
	b, err := fhir.DecodeLimit(resource, maxWritten)
	if err != nil {
		return "A08"
	}
	for _, e := range b.Entries() {
		switch e.Resource.Get("status").Text() {
		case "finished":
			if e.Type() == "Encounter" {
				return "A03"
			}
		case "in-progress":
			if e.Type() == "Encounter" {
				return "A01"
			}
		}
	}
	return "A08"
}

// writeKind writes a message by the map of its kind.
func (f *Format) writeKind(k Kind, resource []byte, e Envelope) mapping.Written {
	w, m := segments(f.kinds[k], resource)
	if m == nil {
		return w
	}
	w.Document = string(message(m, string(k), defaults(e, m), nil))
	return w
}

// maxWritten is the largest document, in bytes, that is written as HL7 v2.
const maxWritten = 16 << 20

// WriteREF writes a referral as REF. Losses name what HL7 has no place for.
func (f *Format) WriteREF(resource []byte, e Envelope) mapping.Written {
	w, m := f.body(resource)
	if m == nil {
		return w
	}
	w.Document = string(message(m, "REF", defaults(e, m), nil))
	return w
}

// WriteORU writes scores and observations about one person as ORU^R01:
// Envelope.Referral is the reference of the referral that they belong to.
//
// Without one, and without a Patient, the reference and the NHS number are those
// that the results themselves name.
func (f *Format) WriteORU(resource []byte, e Envelope) mapping.Written {
	by := f.m
	if !hasPatient(resource) {
		by = f.kinds[Result]
	}
	w, m := segments(by, resource)
	if m == nil {
		return w
	}
	e.Event = "R01"
	e.nhsNumber, e.Referral = about(resource, e.Referral)
	w.Document = string(message(m, "ORU", defaults(e, m), nil))
	return w
}

// A Decision is what a person decided about a referral.
type Decision struct {
	// Status is RF1-1, a code of table 0283; "" for a state that the table has
	// no code for, which Text then tells. See [StatusOf].
	Status string
	// Reference is our own id of the referral (RF1-11), Authority who gives
	// it.
	Reference, Authority string
	// Text is for the referrer: the reason, or what happens next.
	Text string
}

// StatusOf returns the code of table 0283 for a referral's Task. A referral
// that is under way is accepted. There is none for one that waits, that the
// person declined or did not attend, or that is finished: false.
func StatusOf(task string) (string, bool) {
	switch task {
	case "draft", "requested", "received", "ready":
		return "P", true
	case "accepted", "in-progress":
		return "A", true
	case "rejected":
		return "R", true
	}
	return "", false
}

// statusWords are the displays of table 0283.
func statusWords(code string) string {
	return map[string]string{"A": "Accepted", "E": "Expired", "P": "Pending", "R": "Rejected"}[code]
}

// BuildRRI writes the answer to a referral, RRI^I12 unless the envelope names
// another event. Of the referral it repeats RF1, PRD and PID; all else stays
// here, which is no loss.
func (f *Format) BuildRRI(referral []byte, d Decision, e Envelope) mapping.Written {
	w, m := f.body(referral)
	if m == nil {
		return w
	}
	e.Event = or(e.Event, "I12")
	e = defaults(e, m)
	w.Losses = nil
	w.Document = string(message(m, "RRI", e, &d))
	return w
}

// decide puts the decision into RF1 in place of what the referrer said.
func decide(w *hl7v2.Writer, rf1 hl7v2.Segment, d Decision) {
	w.Clear(1)
	if d.Status != "" {
		w.Put(1, d.Status, statusWords(d.Status), codedBy(hl7v2.Path{Segment: "RF1", Field: 1}))
	}
	if d.Reference != "" && !names(rf1.Field(11), d.Reference) {
		rep := rf1.Field(11).Len() + 1
		w.Set(11, rep, 1, 1, d.Reference)
		w.Set(11, rep, 2, 1, d.Authority)
	}
}

// names reports whether some repetition of a field is that identifier.
func names(f hl7v2.Field, id string) bool {
	for i := range min(f.Len(), maxIdentifiers) {
		if f.Rep(i).Component(1).Text() == id {
			return true
		}
	}
	return false
}

// body writes the referral by the map; the message is nil when that failed.
func (f *Format) body(resource []byte) (mapping.Written, *hl7v2.Message) {
	w, m := segments(f.m, resource)
	if m != nil && !m.First("PID").Exists() {
		return mapping.Written{Faults: []fhir.Issue{{Severity: fhir.SeverityError, Code: fhir.Required, Expression: "ServiceRequest.subject",
			Text: "expected a Bundle with a ServiceRequest and its Patient"}}}, nil
	}
	return w, m
}

// segments writes what a map has a place for.
func segments(by *mapping.Map, resource []byte) (mapping.Written, *hl7v2.Message) {
	w := by.Write(resource)
	if fhir.Faults(w.Faults) != nil {
		return w, nil
	}
	m, err := hl7v2.Parse([]byte(w.Document))
	if err != nil {
		return mapping.Written{Faults: fhir.AsError(err).Issues}, nil
	}
	return w, m
}

func hasPatient(resource []byte) bool {
	b, err := fhir.DecodeLimit(resource, maxWritten)
	if err != nil {
		return false
	}
	for _, e := range b.Entries() {
		if e.Type() == "Patient" {
			return true
		}
	}
	return false
}

// about returns the NHS number and the reference of the referral that results
// name themselves, where they refer to neither by a resource.
func about(resource []byte, referral string) (number, reference string) {
	b, err := fhir.DecodeLimit(resource, maxWritten)
	if err != nil {
		return "", referral
	}
	for _, e := range b.Entries() {
		id := e.Resource.At("subject", "identifier")
		if number == "" && id.Get("system").Text() == "https://fhir.nhs.uk/Id/nhs-number" {
			number = id.Get("value").Text()
		}
		for _, ref := range []string{e.Resource.At("basedOn", 0, "reference").Text(), e.Resource.At("focus", "reference").Text()} {
			_, search, ok := strings.Cut(ref, "ServiceRequest?identifier=")
			if ok && referral == "" {
				referral = search[strings.LastIndexByte(search, '|')+1:]
			}
		}
	}
	return number, referral
}

// defaults fills the envelope from the referral.
func defaults(e Envelope, m *hl7v2.Message) Envelope {
	sum := sha256.Sum256(m.Bytes())
	e.SendingApplication = or(e.SendingApplication, "TRELLIS")
	e.ControlID = or(e.ControlID, strings.ToUpper(hex.EncodeToString(sum[:10])))
	e.Version = or(e.Version, "2.5.1")
	e.Charset = hl7v2.Charset(or(string(e.Charset), string(hl7v2.UTF8)))
	e.Referral = or(e.Referral, m.Get("OBR-2"))
	if e.Event == "" {
		e.Event = "I12"
		if m.Get("RF1-1.1") == "R" {
			e.Event = "I14"
		}
	}
	return e
}

// kept are the segments of each message; "" keeps all.
func kept(typ string) string {
	switch typ {
	case "RRI":
		return "RF1 PRD PID NTE"
	case "ORU":
		return "PID ORC OBR OBX NTE"
	}
	return ""
}

// message writes the final message: its header, then the segments of m with
// set ids, table names and the OBR that every OBX needs. With a decision it
// keeps only what the referrer must see.
func message(m *hl7v2.Message, typ string, e Envelope, d *Decision) []byte {
	w := hl7v2.NewWriter(hl7v2.Standard(), e.Charset)
	writeHeader(w, m, typ, e)
	if d != nil && !m.First("RF1").Exists() {
		w.Segment("RF1")
		decide(w, hl7v2.Segment{}, *d)
	}
	if typ == "ORU" && !m.First("PID").Exists() {
		w.Segment("PID")
		w.Put(1, "1")
		w.Put(3, e.nhsNumber)
		w.Set(3, 1, 5, 1, "NH")
	}
	only, set, last := kept(typ), 0, ""
	for i := 1; i < m.Len(); i++ {
		s := m.Segment(i)
		if only != "" && !strings.Contains(only, s.Name()) || d != nil && s.Name() == "NTE" {
			continue
		}
		if s.Name() == "OBX" && s.Ordinal() == 1 {
			writeOBR(w, e)
		}
		if set++; s.Name() != last {
			set = 1
		}
		if last = s.Name(); last != "NTE" { // notes are numbered under what they belong to
			set = s.Ordinal()
		}
		w.Segment(last)
		copySegment(w, s, set)
		if typ == "RRI" && d == nil && last == "RF1" {
			w.Put(6, e.Referral)
		}
		switch {
		case d != nil && last == "RF1":
			decide(w, s, *d)
		case last == "OBX":
			finishOBX(w, m, s)
		}
	}
	if d != nil && d.Text != "" {
		w.Segment("NTE")
		w.Put(1, "1")
		w.Put(3, d.Text)
	}
	return w.Bytes()
}

// writeOBR writes the OBR that every OBX needs.
func writeOBR(w *hl7v2.Writer, e Envelope) {
	w.Segment("OBR")
	w.Put(1, "1")
	w.Put(2, e.Referral)
	w.Put(4, "OBS", "Observations sent with the referral", "L")
}

// finishOBX gives the answers of a questionnaire the status and time that the
// first of them has: the questionnaire has them once.
func finishOBX(w *hl7v2.Writer, m *hl7v2.Message, s hl7v2.Segment) {
	first := firstScore(m, scoreCode(s))
	for _, n := range [...]int{11, 14} {
		if s.Field(n).Len() == 0 {
			w.CopyField(n, first.Field(n))
		}
	}
}

// structureOf is MSH-9.3: one structure serves all events of REF and RRI.
// A08 has the structure of A01.
func structureOf(typ, event string) string {
	switch {
	case event == "A08":
		return "ADT_A01"
	case typ == "ORU" || typ == "ADT":
		return typ + "_" + event
	}
	return typ + "_I12"
}

func writeHeader(w *hl7v2.Writer, m *hl7v2.Message, typ string, e Envelope) {
	w.Segment("MSH")
	w.Put(3, e.SendingApplication)
	w.Put(4, e.SendingFacility)
	w.Put(5, e.ReceivingApplication)
	w.Put(6, e.ReceivingFacility)
	w.Put(7, m.Get("RF1-9"))
	if !e.Now.IsZero() {
		w.Put(7, timestamp(e.Now))
	}
	w.Put(9, typ, e.Event)
	if !before(e.Version, "2.3.1") {
		w.Set(9, 1, 3, 1, structureOf(typ, e.Event))
	}
	w.Put(10, e.ControlID)
	w.Put(11, or(m.Get("MSH-11"), "P"))
	w.Put(12, e.Version)
	w.Put(15, e.AcceptAck)
	w.Put(16, e.ApplicationAck)
	if e.Charset != hl7v2.ASCII {
		w.Put(18, string(e.Charset))
	}
	if typ == string(Visit) {
		w.Segment("EVN")
		w.Put(1, e.Event)
		w.Put(2, or(m.Get("PV1-45"), m.Get("PV1-44")))
	}
	if e.InReplyTo != "" {
		w.Segment("MSA")
		w.Put(1, string(AA))
		w.Put(2, e.InReplyTo)
	}
}

func copySegment(w *hl7v2.Writer, s hl7v2.Segment, set int) {
	for n := 1; n <= s.Len(); n++ {
		f := s.Field(n)
		w.CopyField(n, f)
		if t := codedBy(hl7v2.Path{Segment: s.Name(), Field: n}); t != "" && f.Rep(0).Component(1).Text() != "" && f.Rep(0).Component(3).Empty() {
			w.Set(n, 1, 3, 1, t)
		}
	}
	if hasSetID(s.Name()) {
		w.Put(1, itoa(set))
	}
}
