package intake

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

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

// An HL7Answer is the acknowledgement of a message.
type HL7Answer struct {
	Code hl7v2.Code
	Ack  []byte
}

// HL7 takes one HL7 v2 message in. The same message again (MSH-3, MSH-4,
// MSH-10) gets its first acknowledgement; with another content it is AE. A
// client whose role does not send HL7 v2 gets AR. It never fails: trouble on our
// side is AR, and the sender tries again. Every answer is audited.
func (in *Intake) HL7(ctx context.Context, s Sender, msg []byte) HL7Answer {
	sub := Submission{Sender: s, Format: "hl7v2", Interaction: "intake-hl7v2"}
	out, ack, err := in.hl7(ctx, sub, msg)
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
	return in.acknowledge(msg, issues)
}

// auditTimeout bounds the wait for the audit of a refusal.
const auditTimeout = 5 * time.Second

func (in *Intake) acknowledge(msg []byte, issues []fhir.Issue) HL7Answer {
	code := hl7v2.CodeFor(issues)
	return HL7Answer{code, hl7v2.BuildAck(msg, code, issues, in.Clock(), controlID())}
}

// RejectHL7 answers a message whose sender was not found: nobody knows it, or,
// when err is trouble on our side, nobody could look, and it may send again.
func (in *Intake) RejectHL7(msg []byte, err error) HL7Answer {
	if fault := fhir.AsError(rest.StoreError(err)); fault.HTTPStatus() >= http.StatusInternalServerError {
		return in.acknowledge(msg, fault.Issues)
	}
	return in.acknowledge(msg, []fhir.Issue{{Code: fhir.Security, Source: "MSH-3", Text: "this sender is not bound to a partner here"}})
}

func controlID() string { return "TR" + rand.Text()[:18] }

// hl7 returns the stored or new acknowledgement of an accepted message, or the
// outcome of a refused one.
func (in *Intake) hl7(ctx context.Context, sub Submission, msg []byte) (Outcome, []byte, error) {
	s := sub.Sender
	if !in.MaySend(s, "hl7v2") {
		return Outcome{Status: Rejected, Issues: fhir.AsError(NotYourFormat()).Issues}, nil, nil
	}
	h, err := hl7v2.ReadHeader(msg)
	var issues []fhir.Issue
	if err != nil {
		issues = fhir.AsError(err).Issues
	}
	issues = append(issues, h.Check()...)
	if fhir.Faults(issues) != nil {
		return Outcome{Status: Rejected, Issues: issues}, nil, nil
	}
	o := original(msg, "application/hl7-v2")
	claim := store.Claim{Scope: "hl7/" + s.Owner(), Key: h.Key(), Expires: in.Clock().Add(hl7Keep)}
	if held, taken, err := in.Store.Claimed(ctx, claim.Scope, claim.Key); err != nil {
		return Outcome{}, nil, err
	} else if taken {
		return in.hl7Again(ctx, sub, held, o.Hash)
	}
	f, ok := in.Formats("hl7v2")
	if !ok {
		return Outcome{}, nil, errors.New("intake: the format hl7v2 is not there")
	}
	rec, err := in.hl7Record(f, s, msg)
	if err != nil {
		return Outcome{}, nil, err
	}
	sub, err = in.submission(s, f, rec, o)
	if err != nil {
		return Outcome{}, nil, err
	}
	sub.Claims = []store.Claim{claim}
	return in.hl7Tries(ctx, sub, h, msg)
}

// hl7Tries takes the message up again when it lost a race with another writer
// of the same referral.
func (in *Intake) hl7Tries(ctx context.Context, sub Submission, h hl7v2.Header, msg []byte) (out Outcome, ack []byte, err error) {
	for range tries {
		out, ack, err = in.hl7Submit(ctx, sub, h, msg)
		if err == nil || fhir.AsError(rest.StoreError(err)).Issues[0].Code != fhir.Conflict {
			break
		}
	}
	return out, ack, err
}

// hl7Record reads the message's one record; faults of the file are its own.
func (in *Intake) hl7Record(f mapping.Format, s Sender, msg []byte) (mapping.Record, error) {
	res := Agreed(f, s.ImpliedConsent).Read(msg)
	if len(res.Records) == 1 {
		rec := res.Records[0]
		rec.Faults = append(res.Faults, rec.Faults...)
		return rec, nil
	}
	if fhir.Faults(res.Faults) == nil {
		return mapping.Record{}, errors.New("intake: an HL7 message gave no record and no fault")
	}
	return mapping.Record{Faults: res.Faults}, nil
}

func (in *Intake) hl7Submit(ctx context.Context, sub Submission, h hl7v2.Header, msg []byte) (Outcome, []byte, error) {
	var ack []byte
	sub.Finish = func(o Outcome) []byte {
		ack = hl7v2.BuildAck(msg, hl7v2.AA, warnings(o.Issues), in.Clock(), controlID())
		return keepAck(sub.Original.Hash, o, ack)
	}
	old, _, err := in.recall(ctx, sub)
	if err != nil {
		return Outcome{}, nil, err
	}
	if sub.Docs, err = in.came(ctx, sub, old, h); err != nil {
		return Outcome{}, nil, err
	}
	if h.Event != "I12" && !sub.refused() {
		if old == nil {
			sub.Issues = append(slices.Clone(sub.Issues), fhir.Issue{Code: fhir.NotFound, Source: "RF1-6", Text: "no referral of yours has this originating referral identifier"})
		} else if h.Event == "I14" {
			return in.hl7Cancel(ctx, sub, old, func() []byte { return ack })
		}
	}
	out, err := in.Submit(ctx, sub)
	switch {
	case err != nil || out.Status == Rejected:
		return out, nil, err
	case out.Taken != nil:
		return in.hl7Again(ctx, sub, *out.Taken, sub.Original.Hash)
	}
	return out, ack, nil
}

// came remembers which message a referral came from, so that the answer to it
// can say so.
func (in *Intake) came(ctx context.Context, sub Submission, old *record, h hl7v2.Header) (func(Outcome) []store.DocWrite, error) {
	version := 0
	if old != nil {
		doc, err := in.Store.Doc(ctx, delivery.KindHL7, key(old.Referral).ID)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
		version = doc.Version
	}
	body, err := json.Marshal(delivery.Came{Client: sub.Sender.ClientID, Message: h.ControlID, Version: h.Version})
	return func(o Outcome) []store.DocWrite {
		return []store.DocWrite{{Kind: delivery.KindHL7, ID: o.Referral.ID, Expect: version, Body: body}}
	}, err
}

// keepAck is what a message's claim keeps: the hash of the message, what became
// of it, and the acknowledgement.
func keepAck(hash string, o Outcome, ack []byte) []byte {
	return append([]byte(hash+" "+o.Referral.String()+"\n"), ack...)
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

// hl7Cancel takes a referral back (I14): the request is revoked and its Task
// cancelled; what came with the referral stays.
func (in *Intake) hl7Cancel(ctx context.Context, sub Submission, old *record, ack func() []byte) (Outcome, []byte, error) {
	c := closing{status: "revoked", ending: endings["revoked"]}
	done, err := in.end(ctx, sub.Sender.View("read"), key(old.Referral), old.Task, c, in.now())
	if err != nil {
		return Outcome{}, nil, err
	}
	origin, err := in.closingProvenance(sub, done)
	if err != nil {
		return Outcome{}, nil, err
	}
	writes := append(done.writes, origin)
	out := Outcome{Status: Updated, Referral: key(old.Referral)}
	sub.Claims[0].Answer = sub.Finish(out)
	sub.Original.Refs = []store.Key{out.Referral}
	_, err = in.Store.Commit(ctx, store.Commit{Writes: writes, Claims: sub.Claims,
		Originals: []store.Blob{sub.Original}, Audit: []audit.Entry{in.changeEntry(ctx, sub, writes, done.patient)}})
	if taken, ok := errors.AsType[*store.Taken](err); ok {
		return in.hl7Again(ctx, sub, taken.Claim, sub.Original.Hash)
	}
	if err != nil {
		return Outcome{}, nil, err
	}
	return out, ack(), nil
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
