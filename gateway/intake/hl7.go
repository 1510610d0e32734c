package intake

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/gateway/audit"
	"trellis.example/gateway/delivery"
	"trellis.example/gateway/rest"
	"trellis.example/gateway/store"
	"trellis.example/mapping"
	"trellis.example/mapping/formats"
	"trellis.example/mapping/formats/hl7v2"
)

// hl7Keep is how long a message control id is remembered.
const hl7Keep = 400 * 24 * time.Hour

// An HL7Agreement is what is agreed with a partner about HL7 v2; the zero value
// is the default.
type HL7Agreement struct {
	hl7v2.Options
	hl7v2.AckPolicy
	// Envelope is the header of an RRI that answers on the partner's connection.
	Envelope hl7v2.Envelope
	// Replies says that the partner takes messages of ours on a connection of
	// its own.
	Replies bool
}

// An HL7Answer is the acknowledgement of a message.
type HL7Answer struct {
	// Code is AA, AE or AR: what came of the message.
	Code hl7v2.Code
	// Ack is the answer, in the code that the sender asked for.
	Ack []byte
}

// HL7 takes one HL7 v2 message in. The same message again (MSH-3, MSH-4,
// MSH-10) gets its first acknowledgement; with another content it is AE. A
// client whose role does not send such messages gets AR. It never fails: trouble
// on our side is AR, and the sender tries again. Every answer is audited.
func (in *Intake) HL7(ctx context.Context, s Sender, msg []byte) HL7Answer {
	return in.HL7As(ctx, s, HL7Agreement{}, msg)
}

// HL7As is [Intake.HL7] as the partner's agreement has it.
func (in *Intake) HL7As(ctx context.Context, s Sender, a HL7Agreement, msg []byte) HL7Answer {
	a.ImpliedConsent = s.ImpliedConsent
	sub := Submission{Sender: s, Format: "hl7v2", Interaction: "intake-hl7v2"}
	out, ack, err := in.hl7(ctx, sub, a, msg)
	if err == nil && ack != nil {
		return HL7Answer{hl7v2.AA, ack}
	}
	e := in.entry(ctx, sub)
	e.Outcome = audit.Refused
	issues := out.Issues
	if err != nil {
		fault := fhir.AsError(rest.StoreError(err))
		e.Outcome = audit.OutcomeOf(fault.HTTPStatus())
		issues = append(issues, fault.Issues...)
	}
	if e.Outcome == audit.Failed {
		in.Log.LogAttrs(ctx, slog.LevelError, "an HL7 v2 message was not taken", slog.String("error", err.Error()))
	}
	// A sender that hung up was refused all the same.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), auditTimeout)
	defer cancel()
	if _, err := in.Store.Commit(ctx, store.Commit{Audit: []audit.Entry{e}}); err != nil {
		issues = []fhir.Issue{{Code: fhir.Transient, Text: "the audit could not be written; send the message again"}}
	}
	return in.acknowledge(msg, issues, a.AckPolicy)
}

// auditTimeout bounds the wait for the audit of a refusal.
const auditTimeout = 5 * time.Second

func (in *Intake) acknowledge(msg []byte, issues []fhir.Issue, p hl7v2.AckPolicy) HL7Answer {
	outcome := hl7v2.CodeFor(issues)
	h, _ := hl7v2.ReadHeader(msg) // what is wrong with it is among the issues
	code, _ := h.Answer(outcome, p)
	return HL7Answer{outcome, hl7v2.BuildAck(msg, code, issues, in.Clock(), controlID())}
}

// RejectHL7 answers a message whose sender was not found: nobody knows it, or,
// when err is trouble on our side, nobody could look, and it may send again.
func (in *Intake) RejectHL7(msg []byte, err error) HL7Answer {
	if fault := fhir.AsError(rest.StoreError(err)); fault.HTTPStatus() >= http.StatusInternalServerError {
		return in.acknowledge(msg, fault.Issues, hl7v2.AckPolicy{})
	}
	return in.acknowledge(msg, []fhir.Issue{{Code: fhir.Security, Source: "MSH-3", Text: "this sender is not bound to a partner here"}}, hl7v2.AckPolicy{})
}

func controlID() string { return "TR" + rand.Text()[:18] }

// An hl7Message is one message on its way in.
type hl7Message struct {
	in   *Intake
	a    HL7Agreement
	h    hl7v2.Header
	raw  []byte
	f    *hl7v2.Format
	info mapping.Info // of the message's kind
	sub  Submission
	rec  mapping.Record
	ack  []byte // made by Finish
}

// hl7 returns the stored or new acknowledgement of an accepted message, or the
// outcome of a refused one.
func (in *Intake) hl7(ctx context.Context, sub Submission, a HL7Agreement, msg []byte) (Outcome, []byte, error) {
	m := &hl7Message{in: in, a: a, raw: msg, sub: sub}
	if err := m.open(); err != nil {
		return Outcome{}, nil, err
	}
	if issues := m.admit(); fhir.Faults(issues) != nil {
		return Outcome{Status: Rejected, Issues: issues}, nil, nil
	}
	m.sub.Original = original(msg, "application/hl7-v2")
	claim := store.Claim{Scope: "hl7/" + sub.Sender.Owner(), Key: m.h.Key(), Expires: in.Clock().Add(hl7Keep)}
	m.sub.Claims = []store.Claim{claim}
	held, taken, err := in.Store.Claimed(ctx, claim.Scope, claim.Key)
	switch {
	case err != nil:
		return Outcome{}, nil, err
	case taken:
		return in.hl7Again(ctx, m.sub, held, m.sub.Original.Hash)
	}
	if err := m.read(msg); err != nil {
		return Outcome{}, nil, err
	}
	return m.tries(ctx)
}

// open finds the format as it is agreed with the sender.
func (m *hl7Message) open() error {
	f, ok := m.in.Formats("hl7v2")
	if ok {
		m.f, ok = Agreed(f, false).(*hl7v2.Format)
	}
	if !ok {
		return errors.New("intake: the format hl7v2 is not there")
	}
	m.f = m.f.With(m.a.Options)
	return nil
}

// admit refuses what is no message for this receiver, and a sender whose role
// does not send such messages.
func (m *hl7Message) admit() []fhir.Issue {
	h, err := m.a.ReadHeader(m.raw)
	m.h = h
	kind := m.f.KindMap(h.Kind())
	if kind == nil { // a role that sends none of the kinds learns that first
		kind = m.f.Map()
	}
	m.info = kind.Info()
	if !m.mayTell() {
		return fhir.AsError(NotYourFormat()).Issues
	}
	var issues []fhir.Issue
	if err != nil {
		issues = fhir.AsError(err).Issues
	}
	return append(issues, h.Check()...)
}

// mayTell reports whether the sender's role sends messages of the kind, and its
// scopes let it write what they bring.
func (m *hl7Message) mayTell() bool {
	s := m.sub.Sender
	letters := map[hl7v2.Kind][2]string{
		hl7v2.Visit: {"create", "Encounter"}, hl7v2.Result: {"create", "QuestionnaireResponse"}, hl7v2.Response: {"update", "Task"},
	}
	need, ok := letters[m.h.Kind()]
	if !ok {
		need = [2]string{"create", "ServiceRequest"}
	}
	return slices.Contains(m.info.Senders, string(s.Role)) && s.Allow(need[0], need[1])
}

// read maps a message; faults of the file are its record's.
func (m *hl7Message) read(msg []byte) error {
	res := m.f.Read(msg)
	switch {
	case len(res.Records) == 1:
		m.rec = res.Records[0]
		m.rec.Faults = append(res.Faults, m.rec.Faults...)
	case fhir.Faults(res.Faults) == nil:
		return errors.New("intake: an HL7 message gave no record and no fault")
	default:
		m.rec = mapping.Record{Faults: res.Faults}
	}
	made, err := m.in.submission(m.sub.Sender, m.f, m.rec, m.sub.Original)
	if err != nil {
		return err
	}
	made.Claims, made.Map, made.Interaction = m.sub.Claims, m.info.ID+" "+m.info.Version, m.sub.Interaction
	m.sub = made
	m.sub.Finish = m.finish
	m.sub.Events = m.follow
	return nil
}

// tries takes the message up again when it lost a race with another writer of
// the same things.
func (m *hl7Message) tries(ctx context.Context) (out Outcome, ack []byte, err error) {
	if m.sub.refused() {
		return Outcome{Status: Rejected, Issues: m.sub.Issues}, nil, nil
	}
	read := m.sub
	for range tries {
		m.sub = read
		out, err = m.take(ctx)
		if err == nil || fhir.AsError(rest.StoreError(err)).Issues[0].Code != fhir.Conflict {
			break
		}
	}
	if taken, ok := errors.AsType[*store.Taken](err); ok {
		out, err = Outcome{Taken: &taken.Claim}, nil
	}
	switch {
	case err != nil || out.Status == Rejected:
		return out, nil, err
	case out.Taken != nil:
		return m.in.hl7Again(ctx, m.sub, *out.Taken, m.sub.Original.Hash)
	}
	return out, m.ack, nil
}

// take does what the message asks.
func (m *hl7Message) take(ctx context.Context) (Outcome, error) {
	switch m.h.Kind() {
	case hl7v2.Visit:
		return m.visit(ctx)
	case hl7v2.Result:
		return m.result(ctx)
	case hl7v2.Response:
		return m.response(ctx)
	case hl7v2.Referral:
	}
	return m.referral(ctx)
}

// finish makes the acknowledgement and returns what the message's claim keeps:
// the hash of the message, what became of it, and the acknowledgement.
func (m *hl7Message) finish(o Outcome) []byte {
	if m.ack == nil || !m.h.AnswersRRI(m.a.AckPolicy) {
		code, _ := m.h.Answer(hl7v2.AA, m.a.AckPolicy)
		m.ack = hl7v2.BuildAck(m.raw, code, warnings(o.Issues), m.in.Clock(), controlID())
	}
	return append([]byte(m.sub.Original.Hash+" "+o.Referral.String()+"\n"), m.ack...)
}

// follow is the application acknowledgement that is owed after a commit
// acknowledgement.
func (m *hl7Message) follow(Outcome) []store.Event {
	if !m.a.Replies || !m.h.Follows(m.a.AckPolicy) {
		return nil
	}
	msg := hl7v2.BuildFollowingAck(m.raw, m.in.Clock(), controlID())
	e, err := delivery.NewAck(m.sub.Sender.ClientID, m.h.Key(), msg, m.in.Clock())
	if err != nil {
		return nil
	}
	return []store.Event{e}
}

// refuse is the outcome of a message whose content is at fault.
func (m *hl7Message) refuse(is fhir.Issue) Outcome {
	return Outcome{Status: Rejected, Issues: append(slices.Clone(m.sub.Issues), is)}
}

// hl7Again answers a message whose control id was used before.
func (in *Intake) hl7Again(ctx context.Context, sub Submission, held store.Claim, hash string) (Outcome, []byte, error) {
	head, ack, _ := bytes.Cut(held.Answer, []byte("\n"))
	was, referral, _ := strings.Cut(string(head), " ")
	if was != hash {
		return Outcome{Status: Rejected, Issues: []fhir.Issue{{Code: fhir.Duplicate, Source: "MSH-10", Text: "this message control id was used before with another content"}}}, nil, nil
	}
	return Outcome{Status: Unchanged}, ack, in.auditReplay(ctx, sub, referral)
}

// hl7Answer is the answer over HTTP: AA 200, AE 422, AR 400.
func (in *Intake) hl7Answer(ctx context.Context, s Sender, msg []byte) (Answer, error) {
	a := in.HL7(ctx, s, msg)
	if a.Ack == nil {
		return Answer{}, fhir.Errorf(fhir.Invalid, "the body is not an HL7 v2 message: no MSH segment could be read")
	}
	return Answer{Status: a.Code.HTTPStatus(), Type: HL7, Header: http.Header{}, Body: a.Ack}, nil
}

func warnings(issues []fhir.Issue) []fhir.Issue {
	var out []fhir.Issue
	for _, is := range issues {
		if is.Severity == fhir.SeverityWarning && is.Source != "" {
			out = append(out, is)
		}
	}
	return out
}

// Agreed returns the format as the partner's agreement has it: whether consent
// to a referral for direct care is implied where the format has no place for it.
func Agreed(f mapping.Format, impliedConsent bool) mapping.Format {
	if e, ok := f.(formats.Entry); ok {
		f = e.Format
	}
	if h, ok := f.(*hl7v2.Format); ok {
		return h.With(hl7v2.Options{ImpliedConsent: impliedConsent})
	}
	return f
}

// commitHL7 stores the writes of a message that is no submission of its own,
// with its acknowledgement, original and audit entry.
func (m *hl7Message) commitHL7(ctx context.Context, out Outcome, c store.Commit, action audit.Action, patient string) (Outcome, error) {
	claim := m.sub.Claims[0]
	claim.Answer = m.finish(out)
	c.Claims = []store.Claim{claim}
	o := m.sub.Original
	o.Refs = []store.Key{out.Referral}
	c.Originals = append(c.Originals, o)
	c.Events = append(c.Events, m.follow(out)...)
	e := m.in.changeEntry(ctx, m.sub, c.Writes, patient)
	e.Action = action
	if len(c.Writes) == 0 && out.Referral.ID != "" {
		e.Entities = []string{out.Referral.String()}
	}
	c.Audit = []audit.Entry{e}
	_, err := m.in.Store.Commit(ctx, c)
	return out, err
}

// theirs is the view that the sender's reads have.
func (m *hl7Message) theirs() auth.View { return m.sub.Sender.View("read") }
