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

// barsCancel takes a referral back. Only a current one can be: active, not
// changed here, and nobody at work on it.
func (in *Intake) barsCancel(ctx context.Context, s Submission, m bars.Message) (Answer, error) {
	if err := bars.Refusal(append(s.Issues, in.check(ctx, s)...)); err != nil {
		return Answer{}, err
	}
	old, _, err := in.recall(ctx, s)
	if err != nil {
		return Answer{}, err
	}
	if old == nil {
		return Answer{}, fhir.Errorf(fhir.NotFound, "no referral of yours has this Bundle.id")
	}
	request := old.request()
	if id := m.Request.Get("id").Text(); id != "" && id != request.ID {
		return Answer{}, fhir.Errorf(fhir.NotFound, "no referral of yours has this Bundle.id and ServiceRequest.id")
	}
	status := m.Request.Get("status").Text()
	done, err := in.end(ctx, s.Sender.View("read"), request, old.Task, closing{
		status: status, reason: m.Request.Get("reasonCode"), ending: endings[status],
		current: true, hash: old.Parts[request.String()],
	}, in.now())
	if err != nil {
		return Answer{}, err
	}
	keys := in.cancelKeys(s, old, m)
	more, err := in.merge(ctx, s, old, m, keys)
	if err == nil && more != nil {
		err = in.barsKnown(ctx, s)
	}
	if err != nil {
		return Answer{}, err
	}
	done.writes = append(done.writes, more...)
	if err := in.commitCancel(ctx, s, request, done); err != nil {
		return Answer{}, err
	}
	return Answer{Status: http.StatusOK, Type: FHIRJSON, Header: http.Header{}, Body: echo(s.Bundle, keys)}, nil
}

// commitCancel stores the end of the referral with its Provenance, audit and
// the message as received.
func (in *Intake) commitCancel(ctx context.Context, s Submission, referral store.Key, done ended) error {
	origin, err := in.closingProvenance(s, done)
	if err != nil {
		return err
	}
	writes := append(done.writes, origin)
	o := s.Original
	o.Refs = []store.Key{referral}
	_, err = in.Store.Commit(ctx, store.Commit{Writes: writes, Claims: s.Claims, Originals: []store.Blob{o},
		Audit: []audit.Entry{in.changeEntry(ctx, s, writes, done.patient)}})
	if _, taken := errors.AsType[*store.Taken](err); taken {
		return alreadyReceived()
	}
	return err
}

// closingProvenance says who ended the referral, by which message.
func (in *Intake) closingProvenance(s Submission, done ended) (store.Write, error) {
	now := done.writes[0].Updated
	targets := make([]string, 0, len(done.writes))
	for _, w := range done.writes {
		targets = append(targets, versionName(w.Key, w.Expect+1))
	}
	body, err := workflow.Provenance(workflow.Origin{Targets: targets, Org: s.Sender.Org, Client: s.Sender.ClientID,
		Map: s.Map, Hash: s.Original.Hash, Update: true, Now: now})
	if err != nil {
		return store.Write{}, err
	}
	res, err := fhir.Decode(body)
	k := store.Key{Type: "Provenance", ID: newID()}
	return store.Write{View: auth.SystemView(), Key: k, Body: res.Stamp(k.ID, 1, now), Updated: now,
		Index: in.Index(res), Access: done.access}, err
}

// request is the one ServiceRequest of a BaRS record. A test client's record has
// no referral, for it starts no work.
func (r *record) request() store.Key {
	for name := range r.Parts {
		if k := key(name); k.Type == "ServiceRequest" {
			return k
		}
	}
	return key(r.Referral)
}

// cancelKeys finds our ids for the entries of a cancellation: those that came
// with the referral under the same full URL, and those that give our id.
func (in *Intake) cancelKeys(s Submission, old *record, m bars.Message) map[string]store.Key {
	keys := in.keys(s)
	for url, k := range keys {
		if _, ok := old.Parts[k.String()]; !ok {
			delete(keys, url)
		}
	}
	for _, e := range s.Bundle.Entries() {
		k := store.Key{Type: strings.Clone(e.Type()), ID: strings.Clone(e.Resource.Get("id").Text())}
		if _, ok := old.Parts[k.String()]; ok {
			keys[e.FullURL] = k
		}
	}
	keys[m.RequestURL] = old.request()
	return keys
}

// A closing is how a referral's request ends.
type closing struct {
	status string
	reason fhir.Value // ServiceRequest.reasonCode of the message, may be absent
	ending workflow.Ending
	// current ends only what stands as it was received, with the content of
	// that hash, and that nobody has begun to work on.
	current bool
	hash    string
}

// An ended is what the end of a referral writes.
type ended struct {
	writes  []store.Write // the request, and its Task when that is open
	patient string        // the request's subject
	access  auth.Access   // of the request
}

// end writes the request's end and its Task's. A referral that is no longer
// active is a conflict.
func (in *Intake) end(ctx context.Context, view auth.View, referral store.Key, task string, c closing, now time.Time) (ended, error) {
	ver, err := in.Store.Read(ctx, view, referral)
	if err != nil {
		return ended{}, err
	}
	sr, err := fhir.Decode(ver.Body)
	if ver.Deleted || err == nil && !workflow.IsActive(sr.Root()) {
		return ended{}, fhir.Errorf(fhir.Conflict, "the referral is no longer active")
	}
	if err != nil {
		return ended{}, err
	}
	if c.current && contentHash(sr) != c.hash {
		return ended{}, fhir.Errorf(fhir.Conflict, "the referral was changed here after it was received; read it, and speak to the service")
	}
	w, err := in.rewriteVersion(ver, c.edit(sr), now)
	if err != nil {
		return ended{}, err
	}
	done := ended{writes: []store.Write{w}, patient: sr.Root().At("subject", "reference").Text(), access: ver.Access}
	if task == "" {
		return done, nil
	}
	w, err = in.endTask(ctx, key(task), c, now)
	if w.Key.ID != "" {
		done.writes = append(done.writes, w)
	}
	return done, err
}

// edit writes the end and its reason into the request.
func (c closing) edit(sr fhir.Resource) []byte {
	root := sr.Root()
	ed := fhir.NewEditor(root)
	ed.SetString(root.Get("status"), c.status)
	if c.reason.Exists() {
		if v := root.Get("reasonCode"); v.Exists() {
			ed.SetRaw(v, mergeArrays(v, c.reason))
		} else {
			ed.Insert(root.Get("status"), "reasonCode", c.reason.Raw())
		}
	}
	return ed.Bytes()
}

// endTask returns the write that ends a Task; the zero Write when there is none
// to end.
func (in *Intake) endTask(ctx context.Context, k store.Key, c closing, now time.Time) (store.Write, error) {
	ver, err := in.Store.Read(ctx, auth.SystemView(), k)
	if errors.Is(err, store.ErrNotFound) {
		return store.Write{}, nil
	}
	if err != nil || ver.Deleted {
		return store.Write{}, err
	}
	task, err := fhir.Decode(ver.Body)
	if err != nil {
		return store.Write{}, err
	}
	if status := task.Root().Get("status").Text(); c.current && status != "requested" && status != "on-hold" {
		return store.Write{}, fhir.Errorf(fhir.Conflict, "the service is at work on the referral; speak to the service")
	}
	if workflow.IsClosed(task.Root()) {
		return store.Write{}, nil
	}
	return in.rewriteVersion(ver, workflow.End(task, c.ending, now), now)
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

// now is the time as the store keeps it.
func (in *Intake) now() time.Time { return in.Clock().UTC().Truncate(time.Millisecond) }

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

// barsResponse takes word from a service that received a referral that it has
// ended it. Its role must be one that may change referrals.
func (in *Intake) barsResponse(ctx context.Context, s Submission, m bars.Message) (Answer, error) {
	ver, err := in.barsAnswered(ctx, s.Sender, m)
	if err != nil {
		return Answer{}, err
	}
	if !s.Sender.View("update").Changes("ServiceRequest", ver.Access) {
		return Answer{}, fhir.Errorf(fhir.Forbidden, "this client's role or scopes do not allow to end a referral")
	}
	task := store.Key{Type: "Task", ID: in.id("task", ver.Key.String())}
	done, err := in.end(ctx, s.Sender.View("read"), ver.Key, task.String(), closing{
		status: "revoked", reason: m.Request.Get("reasonCode"), ending: responseEnding(m),
	}, in.now())
	if err != nil {
		return Answer{}, err
	}
	s.Known = map[string]store.Key{m.RequestURL: ver.Key}
	s.Parties = ver.Access.Parties
	s.Key = "response/" + m.ID + "/" + s.Claims[0].Key
	s.Writes = done.writes
	return in.barsSubmit(ctx, s)
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
