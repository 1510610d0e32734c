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
	// AcceptAck and ApplicationAck are MSH-15 and MSH-16.
	AcceptAck, ApplicationAck string
}

// Write writes a referral, a Bundle with one ServiceRequest, as REF^I12 with
// the default [Envelope].
func (f *Format) Write(resource []byte) mapping.Written { return f.WriteREF(resource, Envelope{}) }

// WriteREF writes a referral as REF. Losses name what HL7 has no place for.
func (f *Format) WriteREF(resource []byte, e Envelope) mapping.Written {
	w, m := f.body(resource)
	if m == nil {
		return w
	}
	w.Document = string(message(m, "REF", defaults(e, m), nil))
	return w
}

// A Decision is what a person decided about a referral.
type Decision struct {
	// Accepted says whether the service takes the referral.
	Accepted bool
	// Reference is our own id of the referral (RF1-11), Authority who gives
	// it.
	Reference, Authority string
	// Text is for the referrer: the reason, or what happens next.
	Text string
}

// BuildRRI writes the answer to a referral, RRI^I12, when a person has decided:
// RF1-1 is A or R. Of the referral it repeats RF1, PRD and PID; all else stays
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

// decide puts the decision into RF1.
func decide(w *hl7v2.Writer, rf1 hl7v2.Segment, d Decision) {
	status, words := "R", "Rejected"
	if d.Accepted {
		status, words = "A", "Accepted"
	}
	w.Put(1, status, words, codedBy(hl7v2.Path{Segment: "RF1", Field: 1}))
	if d.Reference != "" {
		rep := rf1.Field(11).Len() + 1
		w.Set(11, rep, 1, 1, d.Reference)
		w.Set(11, rep, 2, 1, d.Authority)
	}
}

// body writes the referral by the map; the message is nil when that failed.
func (f *Format) body(resource []byte) (mapping.Written, *hl7v2.Message) {
	w := f.m.Write(resource)
	if fhir.Faults(w.Faults) != nil {
		return w, nil
	}
	m, err := hl7v2.Parse([]byte(w.Document))
	if err == nil && !m.First("PID").Exists() {
		err = &fhir.Error{Issues: []fhir.Issue{{Severity: fhir.SeverityError, Code: fhir.Required, Expression: "ServiceRequest.subject",
			Text: "expected a Bundle with a ServiceRequest and its Patient"}}}
	}
	if err != nil {
		return mapping.Written{Faults: fhir.AsError(err).Issues}, nil
	}
	return w, m
}

// defaults fills the envelope from the referral.
func defaults(e Envelope, m *hl7v2.Message) Envelope {
	sum := sha256.Sum256(m.Bytes())
	e.SendingApplication = or(e.SendingApplication, "TRELLIS")
	e.ControlID = or(e.ControlID, strings.ToUpper(hex.EncodeToString(sum[:10])))
	e.Version = or(e.Version, "2.5.1")
	if e.Event == "" {
		e.Event = "I12"
		if m.Get("RF1-1.1") == "R" {
			e.Event = "I14"
		}
	}
	return e
}

// message writes the final message: its header, then the segments of m with
// set ids, table names and the OBR that every OBX needs. With a decision it
// keeps only what the referrer must see.
func message(m *hl7v2.Message, typ string, e Envelope, d *Decision) []byte {
	w := hl7v2.NewWriter(hl7v2.Standard(), hl7v2.UTF8)
	writeHeader(w, m, typ, e)
	set, last := 0, ""
	for i := 1; i < m.Len(); i++ {
		s := m.Segment(i)
		if d != nil && !strings.Contains("RF1 PRD PID", s.Name()) {
			continue
		}
		if s.Name() == "OBX" && s.Ordinal() == 1 {
			w.Segment("OBR")
			w.Put(1, "1")
			w.Put(4, "OBS", "Observations sent with the referral", "L")
		}
		if set++; s.Name() != last {
			set = 1
		}
		if last = s.Name(); last != "NTE" { // notes are numbered under what they belong to
			set = s.Ordinal()
		}
		w.Segment(last)
		copySegment(w, s, set)
		if d != nil && last == "RF1" {
			decide(w, s, *d)
		}
	}
	if d != nil && d.Text != "" {
		w.Segment("NTE")
		w.Put(1, "1")
		w.Put(3, d.Text)
	}
	return w.Bytes()
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
		w.Set(9, 1, 3, 1, typ+"_I12") // one structure serves all events
	}
	w.Put(10, e.ControlID)
	w.Put(11, or(m.Get("MSH-11"), "P"))
	w.Put(12, e.Version)
	w.Put(15, e.AcceptAck)
	w.Put(16, e.ApplicationAck)
	w.Put(18, string(hl7v2.UTF8))
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
