package intake

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/gateway/audit"
	"trellis.example/gateway/delivery"
	"trellis.example/gateway/rest"
	"trellis.example/gateway/store"
)

// referral takes REF: I12 a new referral (or the whole of one anew), I13 what
// changed in one, I14 its end, I15 a question about it.
func (m *hl7Message) referral(ctx context.Context) (Outcome, error) {
	old, _, err := m.in.recall(ctx, m.sub)
	if err != nil {
		return Outcome{}, err
	}
	if m.h.Event != "I12" && old == nil {
		return m.refuse(fhir.Issue{Code: fhir.NotFound, Source: "RF1-6", Text: "no referral of yours has this originating referral identifier"}), nil
	}
	came, version, err := m.in.came(ctx, old)
	if err != nil {
		return Outcome{}, err
	}
	switch m.h.Event {
	case "I14":
		return m.cancel(ctx, old)
	case "I15":
		return m.ask(ctx, old)
	case "I13":
		if err := m.merge(ctx, came); err != nil || m.sub.refused() {
			return Outcome{Status: Rejected, Issues: m.sub.Issues}, err
		}
	default:
		came.Merged = m.sub.Original.Hash
	}
	return m.refer(ctx, old, came, version)
}

// merge reads the message again as what it changes in what was said before: a
// field left empty says nothing, the null "" deletes.
func (m *hl7Message) merge(ctx context.Context, came *delivery.Came) error {
	if came.Merged == "" {
		return nil // of a time when that was not remembered: the message is the whole
	}
	before, err := m.in.Store.Blob(ctx, came.Merged)
	if err != nil {
		return err
	}
	merged, err := m.a.Merge(before.Data, nil, m.raw)
	if err != nil {
		return err
	}
	issues := m.sub.Issues
	if err := m.read(merged); err != nil {
		return err
	}
	for _, is := range issues { // nulls of this message, and what it lacks itself
		if is.Severity == fhir.SeverityInformation && !slices.Contains(m.sub.Issues, is) {
			m.sub.Issues = append(m.sub.Issues, is)
		}
	}
	blob := original(merged, "application/hl7-v2")
	m.sub.Beside, came.Merged = []store.Blob{blob}, blob.Hash
	return nil
}

// refer stores the referral, and which message it came from, so that the answer
// to it can say so.
func (m *hl7Message) refer(ctx context.Context, old *record, came *delivery.Came, version int) (Outcome, error) {
	came.Client, came.Message, came.Version, came.Event = m.sub.Sender.ClientID, m.h.ControlID, m.h.Version, m.h.Event
	body, err := json.Marshal(came)
	if err != nil {
		return Outcome{}, err
	}
	m.sub.Docs = func(o Outcome) []store.DocWrite {
		expect := version
		if old != nil && o.Referral.String() != old.Referral { // the referral got a new id: nothing is remembered of that
			expect = 0
		}
		return []store.DocWrite{{Kind: delivery.KindHL7, ID: o.Referral.ID, Expect: expect, Body: body}}
	}
	task := fhir.Value{}
	if old != nil {
		if task, err = m.taskOf(ctx, old.Task); err != nil {
			return Outcome{}, err
		}
	}
	m.sub.Finish = func(o Outcome) []byte {
		m.answer(o.Referral.String(), task, "")
		return m.finish(o)
	}
	return m.in.Submit(ctx, m.sub)
}

// answer makes the RRI that answers on the sender's own connection, where that
// is agreed: the referral is pending until a person has decided.
func (m *hl7Message) answer(referral string, task fhir.Value, text string) {
	m.ack = nil
	if !m.h.AnswersRRI(m.a.AckPolicy) {
		return
	}
	e := m.a.Envelope
	e.Event, e.Now, e.ControlID, e.InReplyTo = m.h.Event, m.in.Clock(), controlID(), m.h.ControlID
	if e.Version == "" {
		e.Version = m.h.Version
	}
	d := delivery.DecisionOf(referral, task, e)
	if !task.Exists() && text == "" {
		d.Status = "P"
	}
	if text != "" {
		d.Status, d.Text = "", text
	}
	if w := m.f.BuildRRI(m.sub.Bundle.JSON(), d, e); fhir.Faults(w.Faults) == nil {
		m.ack = []byte(w.Document)
	}
}

// taskOf reads a referral's Task; the zero Value where there is none.
func (m *hl7Message) taskOf(ctx context.Context, name string) (fhir.Value, error) {
	if name == "" {
		return fhir.Value{}, nil
	}
	v, err := m.in.Store.Read(ctx, auth.SystemView(), key(name))
	if errors.Is(err, store.ErrNotFound) || err == nil && v.Deleted {
		return fhir.Value{}, nil
	}
	if err != nil {
		return fhir.Value{}, err
	}
	res, err := fhir.Decode(v.Body)
	return res.Root(), err
}

// came returns what is remembered of the messages that a referral came from, and
// the version of that memory.
func (in *Intake) came(ctx context.Context, old *record) (*delivery.Came, int, error) {
	var came delivery.Came
	if old == nil {
		return &came, 0, nil
	}
	doc, err := in.Store.Doc(ctx, delivery.KindHL7, key(old.Referral).ID)
	if errors.Is(err, store.ErrNotFound) {
		return &came, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	return &came, doc.Version, json.Unmarshal(doc.Body, &came)
}

// cancel takes a referral back (I14): the request is revoked and its Task
// cancelled; what came with the referral stays.
func (m *hl7Message) cancel(ctx context.Context, old *record) (Outcome, error) {
	c := closing{status: "revoked", ending: endings["revoked"]}
	done, err := m.in.end(ctx, m.theirs(), key(old.Referral), old.Task, c, m.in.now())
	if err != nil {
		return Outcome{}, err
	}
	origin, err := m.in.closingProvenance(m.sub, done)
	if err != nil {
		return Outcome{}, err
	}
	m.answer(old.Referral, fhir.Value{}, "The referral was cancelled as asked.")
	out := Outcome{Status: Updated, Referral: key(old.Referral)}
	return m.commitHL7(ctx, out, store.Commit{Writes: append(done.writes, origin)}, audit.Update, done.patient)
}

// ask answers a question about a referral (I15): on the sender's connection
// where that is agreed, else by an RRI at the address bound to it.
func (m *hl7Message) ask(ctx context.Context, old *record) (Outcome, error) {
	out := Outcome{Status: Unchanged, Referral: key(old.Referral)}
	if _, err := m.in.Store.Read(ctx, m.theirs(), out.Referral); err != nil {
		return Outcome{}, err
	}
	task, err := m.taskOf(ctx, old.Task)
	if err != nil {
		return Outcome{}, err
	}
	m.answer(old.Referral, task, "")
	var c store.Commit
	if m.ack == nil {
		d := delivery.Decided{Came: delivery.Came{Client: m.sub.Sender.ClientID, Message: m.h.ControlID, Version: m.h.Version, Event: m.h.Event},
			Referral: old.Referral, At: m.in.now()}
		if task.Exists() {
			d.Task, d.TaskVersion = old.Task, versionOf(task)
		}
		e, err := delivery.NewRRI(d)
		if err != nil {
			return Outcome{}, err
		}
		c.Events = []store.Event{e}
	}
	return m.commitHL7(ctx, out, c, audit.Read, "")
}

// versionOf is the number of a stored version, from its meta.
func versionOf(v fhir.Value) int {
	n := 0
	for _, c := range v.At("meta", "versionId").Text() {
		n = n*10 + int(c-'0')
	}
	return n
}

// referred finds the one referral with a reference, among those that the sender
// may see: an identifier of the request, or the id that it has here. None,
// several and a hidden one are the same to the sender.
func (m *hl7Message) referred(ctx context.Context, sees func(auth.Access) bool, place string, refs ...string) (store.Version, *fhir.Issue, error) {
	for _, ref := range refs {
		found, err := m.called(ctx, ref)
		if err != nil {
			return store.Version{}, nil, err
		}
		found = slices.DeleteFunc(found, func(v store.Version) bool { return v.Deleted || !sees(v.Access) })
		if len(found) == 1 {
			return found[0], nil, nil
		}
		if len(found) > 1 {
			break
		}
	}
	return store.Version{}, &fhir.Issue{Code: fhir.NotFound, Source: place, Text: unknownReferral}, nil
}

const unknownReferral = "no referral that you may see has this reference, or several have"

// called returns the requests with that identifier, or that id.
func (m *hl7Message) called(ctx context.Context, ref string) ([]store.Version, error) {
	if ref == "" {
		return nil, nil
	}
	v, err := m.in.Store.Read(ctx, auth.SystemView(), store.Key{Type: "ServiceRequest", ID: ref})
	if err == nil {
		return []store.Version{v}, nil
	}
	if !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	page, err := m.in.Store.Search(ctx, store.Query{View: auth.SystemView(), Type: "ServiceRequest", Limit: maxNamesakes, Where: []store.Clause{{
		Param: "identifier", Kind: store.Token, Any: []store.Match{{Value: ref, AnySystem: true}}}}})
	if errors.Is(err, store.ErrTooCostly) || page.More {
		return nil, nil
	}
	return page.Versions, err
}

const nhsNumber = "https://fhir.nhs.uk/Id/nhs-number"

// samePerson reports whether a referral is about the person with an NHS number,
// as far as both are known.
func (m *hl7Message) samePerson(ctx context.Context, request fhir.Value, number string) (bool, error) {
	subject := request.At("subject", "reference").Text()
	if subject == "" || number == "" {
		return true, nil
	}
	v, err := m.in.Store.Read(ctx, auth.SystemView(), key(subject))
	if errors.Is(err, store.ErrNotFound) || err == nil && v.Deleted {
		return true, nil
	}
	if err != nil {
		return false, rest.StoreError(err)
	}
	res, err := fhir.Decode(v.Body)
	if err != nil {
		return false, err
	}
	for id := range res.Root().Get("identifier").Items() {
		if id.Get("system").Text() == nhsNumber {
			return id.Get("value").Text() == number, nil
		}
	}
	return true, nil
}
