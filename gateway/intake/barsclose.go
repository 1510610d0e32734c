package intake

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/gateway/audit"
	"trellis.example/gateway/store"
	"trellis.example/gateway/workflow"
	"trellis.example/mapping/formats/bars"
)

// barsCancel takes a referral back. Only a current one can be.
func (in *Intake) barsCancel(ctx context.Context, s Submission, m bars.Message) (Answer, error) {
	if err := bars.Refusal(append(s.Issues, in.check(s)...)); err != nil {
		return Answer{}, err
	}
	old, _, err := in.recall(ctx, s)
	if err != nil {
		return Answer{}, err
	}
	if old == nil {
		return Answer{}, fhir.Errorf(fhir.NotFound, "no referral of yours has this Bundle.id")
	}
	if id := m.Request.Get("id").Text(); id != "" && id != key(old.Referral).ID {
		return Answer{}, fhir.Errorf(fhir.NotFound, "no referral of yours has this Bundle.id and ServiceRequest.id")
	}
	status := m.Request.Get("status").Text()
	reason := m.Request.Get("reasonCode")
	now := in.Clock().UTC().Truncate(time.Millisecond)
	writes, patient, err := in.closeReferral(ctx, s.Sender.View("read"), key(old.Referral), old.Task, closing{status, reason, endings[status]}, now)
	if err != nil {
		return Answer{}, err
	}
	c := store.Commit{Writes: writes, Claims: s.Claims, Audit: []audit.Entry{in.changeEntry(ctx, s, writes, patient)}}
	o := s.Original
	o.Refs = []store.Key{key(old.Referral)}
	c.Originals = []store.Blob{o}
	if _, err := in.Store.Commit(ctx, c); err != nil {
		if _, taken := errors.AsType[*store.Taken](err); taken {
			err = alreadyReceived()
		}
		return Answer{}, err
	}
	return Answer{Status: http.StatusOK, Type: FHIRJSON, Header: http.Header{}, Body: echo(s.Bundle, in.cancelKeys(s, old, m))}, nil
}

// cancelKeys finds our ids for the entries of a cancellation: those that came
// with the referral under the same full URL.
func (in *Intake) cancelKeys(s Submission, old *record, m bars.Message) map[string]store.Key {
	keys := in.keys(s)
	for url, k := range keys {
		if _, ok := old.Parts[k.String()]; !ok {
			delete(keys, url)
		}
	}
	keys[m.RequestURL] = key(old.Referral)
	return keys
}

// A closing is how a referral's request ends.
type closing struct {
	status string
	reason fhir.Value // ServiceRequest.reasonCode of the message, may be absent
	ending workflow.Ending
}

// closeReferral writes the request's end and its Task's. A referral that is no
// longer active is a conflict.
func (in *Intake) closeReferral(ctx context.Context, view auth.View, referral store.Key, task string, c closing, now time.Time) ([]store.Write, string, error) {
	ver, err := in.Store.Read(ctx, view, referral)
	if err != nil {
		return nil, "", err
	}
	sr, err := fhir.Decode(ver.Body)
	if ver.Deleted || err == nil && !workflow.IsActive(sr.Root()) {
		return nil, "", fhir.Errorf(fhir.Conflict, "the referral is no longer active")
	}
	if err != nil {
		return nil, "", err
	}
	ed := fhir.NewEditor(sr.Root())
	ed.SetString(sr.Root().Get("status"), c.status)
	if c.reason.Exists() {
		if v := sr.Root().Get("reasonCode"); v.Exists() {
			ed.SetRaw(v, mergeArrays(v, c.reason))
		} else {
			ed.Insert(sr.Root().Get("status"), "reasonCode", c.reason.Raw())
		}
	}
	writes := make([]store.Write, 0, 2)
	w, err := in.rewriteVersion(ver, ed.Bytes(), now)
	if err != nil {
		return nil, "", err
	}
	writes = append(writes, w)
	if task != "" {
		w, err = in.endTask(ctx, key(task), c.ending, now)
		if err != nil {
			return nil, "", err
		}
		if w.Key.ID != "" {
			writes = append(writes, w)
		}
	}
	return writes, sr.Root().At("subject", "reference").Text(), nil
}

func (in *Intake) endTask(ctx context.Context, k store.Key, e workflow.Ending, now time.Time) (store.Write, error) {
	ver, err := in.Store.Read(ctx, auth.SystemView(), k)
	if err != nil || ver.Deleted {
		return store.Write{}, err
	}
	task, err := fhir.Decode(ver.Body)
	if err != nil || workflow.IsClosed(task.Root()) {
		return store.Write{}, err
	}
	return in.rewriteVersion(ver, workflow.End(task, e, now), now)
}

// rewriteVersion makes the next version of a resource from edited bytes.
func (in *Intake) rewriteVersion(v store.Version, body []byte, now time.Time) (store.Write, error) {
	res, err := fhir.Decode(body)
	if err != nil {
		return store.Write{}, err
	}
	return store.Write{View: auth.SystemView(), Key: v.Key, Expect: v.Number,
		Body: res.Stamp(v.Key.ID, v.Number+1, now), Updated: now, Index: in.Index(res)}, nil
}

func (in *Intake) changeEntry(ctx context.Context, s Submission, writes []store.Write, patient string) audit.Entry {
	e := in.entry(ctx, s)
	e.Action = audit.Update
	for _, w := range writes {
		e.Entities = append(e.Entities, versionName(w.Key, w.Expect+1))
	}
	if strings.HasPrefix(patient, "Patient/") {
		e.Patients = []string{patient}
	}
	return e
}

// mergeArrays joins the elements of two arrays as they stand.
func mergeArrays(a, b fhir.Value) []byte {
	out := []byte{'['}
	for _, list := range []fhir.Value{a, b} {
		for v := range list.Items() {
			if len(out) > 1 {
				out = append(out, ',')
			}
			out = append(out, v.Raw()...)
		}
	}
	return append(out, ']')
}

// barsResponse takes word from the service that received a referral: a
// revoked request ends it, anything else is kept beside it.
func (in *Intake) barsResponse(ctx context.Context, s Submission, m bars.Message) (Answer, error) {
	unknown := fhir.Errorf(fhir.NotFound, "the message that this one answers is not known here")
	doc, err := in.Store.Doc(ctx, barsKind, in.id(barsKind, m.ResponseTo))
	if errors.Is(err, store.ErrNotFound) {
		return Answer{}, unknown
	}
	if err != nil {
		return Answer{}, err
	}
	referral := key(string(doc.Body))
	ver, err := in.Store.Read(ctx, s.Sender.View("read"), referral)
	if errors.Is(err, store.ErrNotFound) || ver.Deleted {
		return Answer{}, unknown
	}
	if err != nil {
		return Answer{}, err
	}
	s.Known = map[string]store.Key{m.RequestURL: referral}
	s.Parties = ver.Access.Parties
	s.Key = "response/" + m.ID + "/" + strings.ToLower(s.Claims[0].Key)
	if m.Request.Get("status").Text() == "revoked" {
		task := store.Key{Type: "Task", ID: in.id("task", referral.String())}
		c := closing{"revoked", m.Request.Get("reasonCode"), responseEnding(m)}
		now := in.Clock().UTC().Truncate(time.Millisecond)
		s.Writes, _, err = in.closeReferral(ctx, s.Sender.View("read"), referral, task.String(), c, now)
		if err != nil {
			return Answer{}, err
		}
	}
	out, err := in.Submit(ctx, s)
	if err != nil {
		return Answer{}, err
	}
	return barsAnswer(s.Bundle, out)
}

// responseEnding reads why a referral came back: a cancelled Encounter is a
// refusal, anything else that the person did not attend.
func responseEnding(m bars.Message) workflow.Ending {
	for _, e := range m.Bundle.Entries() {
		if e.Type() == "Encounter" && e.Resource.Get("status").Text() == "cancelled" {
			return workflow.Refused
		}
	}
	return workflow.Unattended
}
