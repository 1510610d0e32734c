package intake

import (
	"context"
	"errors"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/gateway/audit"
	"trellis.example/gateway/rest"
	"trellis.example/gateway/store"
	"trellis.example/gateway/workflow"
	"trellis.example/mapping/formats/hl7v2"
)

// accepted is what an RRI with RF1-1 A says of the Task, expired one with E.
var (
	accepted = workflow.Ending{Status: "accepted", Business: "accepted", Display: "Accepted", Reason: "The service accepted the referral."}
	expired  = workflow.Ending{Status: "cancelled", Business: "moved-or-died", Display: "No longer needed", Reason: "The referral expired before the service took it."}
)

// response takes RRI: what a service that was referred to has decided. It may
// tell only of a referral whose Task it may change; the words that it sends
// become a note of the Task.
func (m *hl7Message) response(ctx context.Context) (Outcome, error) {
	facts := hl7v2.Answered(m.raw, m.a.Options)
	ver, unknown, err := m.referred(ctx, m.maySee, facts.Place, facts.Ours, facts.Referral)
	if err != nil || unknown != nil {
		return m.orRefuse(unknown), err
	}
	sr, err := fhir.Decode(ver.Body)
	if err != nil {
		return Outcome{}, err
	}
	if same, err := m.samePerson(ctx, sr.Root(), facts.NHSNumber); err != nil || !same {
		return m.refuse(fhir.Issue{Code: fhir.NotFound, Source: facts.Place, Text: unknownReferral}), err
	}
	task, err := m.in.Store.Read(ctx, m.theirs(), store.Key{Type: "Task", ID: m.in.id("task", ver.Key.String())})
	if errors.Is(err, store.ErrNotFound) || err == nil && task.Deleted {
		return m.refuse(fhir.Issue{Code: fhir.NotFound, Source: facts.Place, Text: "the referral with this reference asks nobody for an answer"}), nil
	}
	if err != nil {
		return Outcome{}, err
	}
	if !m.sub.Sender.View("update").Changes("Task", task.Access) {
		return Outcome{}, fhir.Errorf(fhir.Forbidden, "this client's role or scopes do not allow to answer a referral")
	}
	return m.decide(ctx, ver, task)
}

func (m *hl7Message) maySee(a auth.Access) bool { return m.theirs().Sees("ServiceRequest", a) }

// decide writes the decision into the Task and, where it ends the referral, into
// the request.
func (m *hl7Message) decide(ctx context.Context, request, task store.Version) (Outcome, error) {
	out := Outcome{Status: Updated, Referral: request.Key, Issues: m.sub.Issues}
	was, err := fhir.Decode(task.Body)
	if err != nil {
		return Outcome{}, err
	}
	told := m.sub.Bundle.Root().At("entry", 0, "resource")
	status := told.Get("status").Text()
	switch {
	case status == was.Root().Get("status").Text() || status == "requested":
		out.Status = Unchanged
		return m.commitHL7(ctx, out, store.Commit{}, audit.Read, "")
	case workflow.IsClosed(was.Root()):
		return Outcome{}, fhir.Errorf(fhir.Conflict, "the referral is closed")
	}
	done, err := m.ended(ctx, request, task, was, status, told)
	if err != nil {
		return Outcome{}, err
	}
	origin, err := m.in.closingProvenance(m.sub, done)
	if err != nil {
		return Outcome{}, err
	}
	c, err := m.passOn(ctx, task, done)
	if err != nil {
		return Outcome{}, err
	}
	c.Writes = append(done.writes, origin)
	return m.commitHL7(ctx, out, c, audit.Update, done.patient)
}

// ended makes the writes of a decision.
func (m *hl7Message) ended(ctx context.Context, request, task store.Version, was fhir.Resource, status string, told fhir.Value) (ended, error) {
	now := m.in.now()
	if status == "accepted" {
		w, err := m.in.rewriteVersion(task, noted(workflow.End(was, accepted, now), told), now)
		return ended{writes: []store.Write{w}, patient: was.Root().At("for", "reference").Text(), access: task.Access}, err
	}
	ending := workflow.Refused
	if status == "cancelled" {
		ending = expired
	}
	done, err := m.in.end(ctx, m.theirs(), request.Key, task.Key.String(), closing{status: "revoked", ending: ending}, now)
	for i, w := range done.writes {
		if w.Key != task.Key || err != nil {
			continue
		}
		done.writes[i], err = m.in.rewriteVersion(task, noted(w.Body, told), now)
	}
	return done, err
}

// noted adds the words of a response to the notes of a Task.
func noted(task []byte, told fhir.Value) []byte {
	note := told.Get("note")
	if !note.Exists() {
		return task
	}
	res, err := fhir.Decode(task)
	if err != nil {
		return task
	}
	root := res.Root()
	ed := fhir.NewEditor(root)
	if v := root.Get("note"); v.Exists() {
		ed.SetRaw(v, mergeArrays(v, note))
	} else {
		ed.Insert(root.Get("status"), "note", note.Raw())
	}
	return ed.Bytes()
}

// passOn tells the one who referred, where that was by HL7 v2 too.
func (m *hl7Message) passOn(ctx context.Context, task store.Version, done ended) (store.Commit, error) {
	for i := range done.writes {
		if done.writes[i].Key != task.Key {
			continue
		}
		res, err := fhir.Decode(done.writes[i].Body)
		if err != nil {
			return store.Commit{}, err
		}
		return m.in.decided(ctx, rest.Change{Principal: m.sub.Sender.Principal, Old: &task, Resource: res, Write: &done.writes[i]})
	}
	return store.Commit{}, nil
}
