package intake

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"time"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/gateway/rest"
	"trellis.example/gateway/store"
	"trellis.example/gateway/workflow"
)

// Written is the rest hook: it gives a ServiceRequest that was created or
// updated by plain FHIR what a referral gets by any other door. The service
// addressed may see it and what it refers to; an active one gets its Task and
// Provenance, one that is taken back ends its Task. A Task that is accepted or
// rejected owes its HL7 v2 sender an answer. Other resources have no side
// effects.
func (in *Intake) Written(ctx context.Context, ch rest.Change) (store.Commit, error) {
	if ch.Resource.Type() == "Task" {
		return in.decided(ctx, ch)
	}
	if ch.Resource.Type() != "ServiceRequest" || !workflow.IsReferral(ch.Resource.Root()) {
		return store.Commit{}, nil
	}
	w := &written{in: in, ctx: ctx, ch: ch, root: ch.Resource.Root(), now: ch.Write.Updated}
	w.task = store.Key{Type: "Task", ID: in.id("task", ch.Write.Key.String())}
	if err := w.share(); err != nil {
		return store.Commit{}, err
	}
	if err := w.work(); err != nil {
		return store.Commit{}, err
	}
	return w.c, nil
}

type written struct {
	in   *Intake
	ctx  context.Context //nolint:containedctx // lives for one write
	ch   rest.Change
	root fhir.Value
	task store.Key
	now  time.Time
	c    store.Commit
}

// share lets the services addressed see the request and what it refers to, as
// far as that is the sender's to share.
func (w *written) share() error {
	parties, err := w.in.Addressees(w.ctx, w.ch.Principal.View("read"), w.root, nil)
	if err != nil {
		return err
	}
	if len(parties) == 0 && w.in.Service != "" {
		parties = []string{w.in.Service}
	}
	a := w.ch.Write.Access
	if a.Owner == "" && w.ch.Old != nil {
		a = w.ch.Old.Access
	}
	with := auth.NewAccess(a.Owner, append(slices.Clone(a.Parties), parties...)...)
	with.Labels = a.Labels
	w.ch.Write.Access = with
	var seen []string
	eachReference(w.root, func(ref fhir.Value) {
		if r, ok := fhir.ParseReference(ref.Text()); ok && r.Kind == fhir.RefRelative && !slices.Contains(seen, r.Relative()) {
			seen = append(seen, r.Relative())
		}
	})
	for _, name := range seen {
		if err := w.shareOne(key(name), with.Parties); err != nil {
			return err
		}
	}
	return nil
}

func (w *written) shareOne(k store.Key, parties []string) error {
	view := w.ch.Principal.View("read")
	v, err := w.in.Store.Read(w.ctx, view, k)
	if errors.Is(err, store.ErrNotFound) || err == nil && (v.Deleted || slices.Contains(v.Access.Parties, auth.PartyPublic)) {
		return nil
	}
	if err != nil {
		return err
	}
	with := auth.NewAccess(v.Access.Owner, append(slices.Clone(v.Access.Parties), parties...)...)
	if len(with.Parties) == len(v.Access.Parties) || v.Access.Owner != w.ch.Principal.Owner() {
		return nil
	}
	with.Labels = v.Access.Labels
	next, err := w.in.rewriteVersion(v, slices.Clone(v.Body), w.now)
	next.Access = with
	w.c.Writes = append(w.c.Writes, next)
	return err
}

// work starts or ends the Task.
func (w *written) work() error {
	v, err := w.in.Store.Read(w.ctx, auth.SystemView(), w.task)
	if errors.Is(err, store.ErrNotFound) {
		if !workflow.IsActive(w.root) {
			return nil
		}
		return w.start()
	}
	ending, ends := endings[w.root.Get("status").Text()]
	if err != nil || !ends || v.Deleted {
		return err
	}
	task, err := fhir.Decode(v.Body)
	if err != nil || workflow.IsClosed(task.Root()) {
		return err
	}
	next, err := w.in.rewriteVersion(v, workflow.End(task, ending, w.now), w.now)
	w.c.Writes = append(w.c.Writes, next)
	return err
}

func (w *written) start() error {
	lawful, err := w.lawful()
	if err != nil {
		return err
	}
	body, err := workflow.Task(workflow.Start{Request: w.ch.Write.Key.String(), Root: w.root, Lawful: lawful, Now: w.now,
		Missing: w.in.Validator.Referral([]fhir.Resource{w.ch.Resource})})
	if err != nil {
		return err
	}
	if err := w.add(w.task, body); err != nil {
		return err
	}
	sum := sha256.Sum256(w.ch.Resource.JSON())
	body, err = workflow.Provenance(workflow.Origin{
		Targets: []string{versionName(w.ch.Write.Key, w.ch.Write.Expect+1), versionName(w.task, 1)},
		Org:     w.ch.Principal.Org, Client: w.ch.Principal.ClientID,
		Hash: hex.EncodeToString(sum[:]), Update: w.ch.Old != nil, Now: w.now,
	})
	if err != nil {
		return err
	}
	return w.add(store.Key{Type: "Provenance", ID: randomID()}, body)
}

func (w *written) add(k store.Key, body []byte) error {
	res, err := fhir.Decode(body)
	if err != nil {
		return err
	}
	w.c.Writes = append(w.c.Writes, store.Write{View: auth.SystemView(), Key: k, Body: res.Stamp(k.ID, 1, w.now),
		Updated: w.now, Index: w.in.Index(res), Access: w.ch.Write.Access})
	return nil
}

// lawful reports whether the sender has recorded a Consent of the subject that
// permits sharing.
func (w *written) lawful() (bool, error) {
	subject := w.root.At("subject", "reference").Text()
	if subject == "" {
		return false, nil
	}
	page, err := w.in.Store.Search(w.ctx, store.Query{
		View: w.ch.Principal.View("search"), Type: "Consent", Limit: 20,
		Where: []store.Clause{{Param: "patient", Kind: store.Reference, Any: []store.Match{{Value: subject}}}},
	})
	if err != nil {
		return false, err
	}
	for _, v := range page.Versions {
		if c, err := fhir.Decode(v.Body); err == nil && workflow.PermitsSharing(c.Root()) {
			return true, nil
		}
	}
	return false, nil
}
