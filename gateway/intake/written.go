package intake

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
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
	return in.written(ctx, ch, nil)
}

// written is Written for a change that is committed with the documents beside.
func (in *Intake) written(ctx context.Context, ch rest.Change, beside []fhir.Resource) (store.Commit, error) {
	if ch.Resource.Type() == "Task" {
		return in.decided(ctx, ch)
	}
	if ch.Resource.Type() != "ServiceRequest" || !workflow.IsReferral(ch.Resource.Root()) {
		return store.Commit{}, nil
	}
	w := &written{in: in, ctx: ctx, ch: ch, root: ch.Resource.Root(), beside: beside, now: ch.Write.Updated}
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
	// earlier are the services that the request was addressed to before.
	earlier []string
	// beside are the documents that the same commit stores.
	beside []fhir.Resource
	now    time.Time
	c      store.Commit
}

// share lets the services addressed see the request and what it refers to, as
// far as that is the sender's to share. What an earlier form of the request
// gave to a service that it no longer names is taken back.
func (w *written) share() error {
	parties, err := w.parties(w.root)
	if err != nil {
		return err
	}
	a := w.ch.Write.Access
	var before []string
	if w.ch.Old != nil {
		if a, before, err = w.before(a); err != nil {
			return err
		}
	}
	w.earlier = before
	with := readdress(a, before, auth.NewAccess(a.Owner, parties...))
	if w.ch.Principal.Owner() != a.Owner && !w.ch.Principal.UpdateAsCreate() {
		if !slices.Equal(before, parties) {
			return &fhir.Error{Status: http.StatusUnprocessableEntity, Issues: []fhir.Issue{{Code: fhir.BusinessRule, Rule: "readdress", Expression: "ServiceRequest.performer",
				Text: "only the sender of a referral addresses it to another service"}}}
		}
		return nil // only the sender shares what is the sender's
	}
	w.ch.Write.Access = with
	w.c.Writes, err = w.in.shareReferred(w.ctx, w.ch.Principal, w.root, with.Parties, nil, w.now)
	return err
}

// before returns the access that the request has, and whom its present form is
// addressed to.
func (w *written) before(a auth.Access) (auth.Access, []string, error) {
	if a.Owner == "" {
		a = w.ch.Old.Access
	}
	if w.ch.Old.Deleted {
		return a, nil, nil
	}
	old, err := fhir.Decode(w.ch.Old.Body)
	if err != nil {
		return a, nil, err
	}
	parties, err := w.parties(old.Root())
	return a, parties, err
}

// parties are the services that a request is addressed to; the default one
// when it names nobody.
func (w *written) parties(request fhir.Value) ([]string, error) {
	if request.Get("status").Text() == "draft" {
		return nil, nil // nobody is asked yet
	}
	parties, err := w.in.Addressees(w.ctx, w.ch.Principal.View("read"), request, nil)
	if err == nil && w.in.Service != "" && !request.Get("performer").Exists() {
		parties = []string{w.in.Service}
	}
	return parties, err
}

// shareReferred gives the parties those resources that the document refers to
// and that are the principal's own: each a new version with wider access.
func (in *Intake) shareReferred(ctx context.Context, p auth.Principal, root fhir.Value, parties []string, done map[string]bool, now time.Time) ([]store.Write, error) {
	var writes []store.Write
	var failed error
	if done == nil {
		done = map[string]bool{}
	}
	fhir.EachReference(root, func(ref fhir.Value) {
		r, ok := fhir.ParseReference(ref.Text())
		if !ok || r.Kind != fhir.RefRelative || done[r.Relative()] || failed != nil {
			return
		}
		done[r.Relative()] = true
		w, err := in.shareOne(ctx, p, key(r.Relative()), parties, now)
		if failed = err; w.Key.ID != "" {
			writes = append(writes, w)
		}
	})
	return writes, failed
}

// shareOne returns the write that gives the parties one resource; the zero
// Write when there is nothing to give.
func (in *Intake) shareOne(ctx context.Context, p auth.Principal, k store.Key, parties []string, now time.Time) (store.Write, error) {
	v, err := in.Store.Read(ctx, p.View("read"), k)
	if errors.Is(err, store.ErrNotFound) {
		return store.Write{}, nil
	}
	if err != nil || v.Deleted || v.Access.Owner != p.Owner() || slices.Contains(v.Access.Parties, auth.PartyPublic) {
		return store.Write{}, err
	}
	with := auth.NewAccess(v.Access.Owner, append(slices.Clone(v.Access.Parties), parties...)...)
	if with.Labels = v.Access.Labels; sameAccess(with, v.Access) {
		return store.Write{}, nil
	}
	res, err := fhir.Decode(v.Body)
	if err != nil || restricted(res.Root()) {
		return store.Write{}, err
	}
	w, err := in.rewriteVersion(v, slices.Clone(v.Body), now)
	w.Access = with
	return w, err
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
	if err != nil || v.Deleted {
		return err
	}
	task, err := fhir.Decode(v.Body)
	if err != nil || workflow.IsClosed(task.Root()) {
		return err
	}
	body, access := slices.Clone(v.Body), readdress(v.Access, w.earlier, w.ch.Write.Access)
	if ending, ends := endings[w.root.Get("status").Text()]; ends {
		body = workflow.End(task, ending, w.now)
	} else if sameAccess(access, v.Access) {
		return nil
	}
	next, err := w.in.rewriteVersion(v, body, w.now)
	next.Access = access
	w.c.Writes = append(w.c.Writes, next)
	return err
}

// start makes the Task and Provenance of a referral. What PRSB makes mandatory is
// refused here as in a Bundle, where it is claimed or agreed on; what the request
// refers to by a literal reference was judged where it is held.
func (w *written) start() error {
	missing := w.in.Validator.Referral([]fhir.Resource{w.ch.Resource}, w.ch.Principal.Profiles...)
	if err := fhir.Faults(missing); err != nil {
		return err
	}
	lawful, err := w.lawful()
	if err != nil {
		return err
	}
	body, err := workflow.Task(workflow.Start{Request: w.ch.Write.Key.String(), Root: w.root, Lawful: lawful, Now: w.now, Missing: missing})
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
	return w.add(store.Key{Type: "Provenance", ID: newID()}, body)
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
	if permits, denies := permitted(w.beside, subject); permits || denies {
		return permits && !denies, nil
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
