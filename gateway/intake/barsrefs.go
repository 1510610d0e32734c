package intake

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/gateway/store"
	"trellis.example/mapping/formats/bars"
)

// barsKind is the kind of docs that find a referral by the message it came
// with. There is one for each party that may answer and each id that it may
// name: what others send to somebody else does not touch it.
const barsKind = "bars-message"

// barsRemembered is how many referrals to one party are remembered under one
// id. More than one is a sender's mistake, or two senders' accident.
const barsRemembered = 16

// maxBarsLookups bounds the look-ups for one message.
const maxBarsLookups = 200

// An answerable lists the referrals that one id may mean, newest last.
type answerable struct {
	Referrals []string `json:"referrals"` // "ServiceRequest/id"
}

// barsAddressees are the parties that may answer the message: those it is
// addressed to, but not its sender. Nobody is asked by a test client.
func (in *Intake) barsAddressees(ctx context.Context, s Submission, m bars.Message) ([]string, error) {
	if s.Sender.Sandbox() {
		return nil, nil
	}
	local := map[string]fhir.Value{}
	for _, e := range s.Bundle.Entries() {
		local[e.FullURL] = e.Resource
	}
	parties, err := in.Addressees(ctx, s.Sender.View("read"), m.Request, local)
	if len(parties) == 0 && in.Service != "" {
		parties = []string{in.Service}
	}
	slices.Sort(parties)
	parties = slices.DeleteFunc(slices.Compact(parties), func(p string) bool { return p == s.Sender.Owner() })
	return parties, err
}

// barsDocs lets the parties name the referral by Bundle.id, and by
// MessageHeader.id as it was sent and as it stands here.
func (in *Intake) barsDocs(ctx context.Context, parties []string, m bars.Message, o Outcome) ([]store.DocWrite, error) {
	names := []string{m.ID, m.Header.Get("id").Text()}
	for _, st := range o.Stored {
		if st.Key.Type == "MessageHeader" {
			names = append(names, st.Key.ID)
		}
	}
	slices.Sort(names)
	var docs []store.DocWrite
	for _, party := range parties {
		for _, name := range slices.Compact(names) {
			if name == "" {
				continue
			}
			d, err := in.barsDoc(ctx, in.id(barsKind, party, name), o.Referral)
			if err != nil {
				return nil, err
			}
			docs = append(docs, d)
		}
	}
	return docs, nil
}

// barsDoc adds the referral to those that an id may mean.
func (in *Intake) barsDoc(ctx context.Context, id string, referral store.Key) (store.DocWrite, error) {
	a, version, err := in.answerable(ctx, id)
	if err != nil {
		return store.DocWrite{}, err
	}
	if !slices.Contains(a.Referrals, referral.String()) {
		a.Referrals = append(a.Referrals, referral.String())
	}
	a.Referrals = a.Referrals[max(0, len(a.Referrals)-barsRemembered):]
	body, err := json.Marshal(a)
	return store.DocWrite{Kind: barsKind, ID: id, Expect: version, Body: body}, err
}

func (in *Intake) answerable(ctx context.Context, id string) (answerable, int, error) {
	var a answerable
	doc, err := in.Store.Doc(ctx, barsKind, id)
	if errors.Is(err, store.ErrNotFound) {
		return a, 0, nil
	}
	if err != nil {
		return a, 0, err
	}
	return a, doc.Version, json.Unmarshal(doc.Body, &a)
}

// barsAnswered finds the referral that a response is about: one that was sent
// to the responder, who still sees it. Anything else is unknown.
func (in *Intake) barsAnswered(ctx context.Context, s Sender, m bars.Message) (store.Version, error) {
	a, _, err := in.answerable(ctx, in.id(barsKind, s.Owner(), m.ResponseTo))
	if err != nil {
		return store.Version{}, err
	}
	var found []store.Version
	for _, name := range a.Referrals {
		v, err := in.Store.Read(ctx, s.View("read"), key(name))
		if errors.Is(err, store.ErrNotFound) || err == nil && (v.Deleted || v.Access.Owner == s.Owner()) {
			continue
		}
		if err != nil {
			return v, err
		}
		found = append(found, v)
	}
	if len(found) > 1 {
		id := m.Request.Get("id").Text()
		found = slices.DeleteFunc(found, func(v store.Version) bool { return v.Key.ID != id })
		if len(found) == 0 {
			return store.Version{}, fhir.Errorf(fhir.Conflict, "several referrals to you came with this id; give the ServiceRequest the id that it has here, or name the id of the MessageHeader here")
		}
	}
	if len(found) == 0 {
		return store.Version{}, fhir.Errorf(fhir.NotFound, "the message that this one answers is not known here")
	}
	return found[0], nil
}

// barsReferences refuses references to resources here that the sender cannot
// see. The Journey ID, a reference to an EpisodeOfCare, is a name that all
// systems of a journey share, and need not stand anywhere.
func (in *Intake) barsReferences(ctx context.Context, s Submission) ([]fhir.Issue, error) {
	if s.Sender.Sandbox() {
		return nil, nil
	}
	good := map[string]bool{}
	view := s.Sender.View("read")
	var issues []fhir.Issue
	var failed error
	fhir.EachReference(s.Bundle.Root().Get("entry"), func(v fhir.Value) {
		r, ok := fhir.ParseReference(v.Text())
		if failed != nil || !ok || r.Kind != fhir.RefRelative || r.Type == "EpisodeOfCare" {
			return
		}
		seen, known := good[r.Relative()]
		if !known {
			if len(good) == maxBarsLookups {
				failed = fhir.StatusErrorf(http.StatusUnprocessableEntity, fhir.TooCostly, "a message may refer to at most %d resources that stand here", maxBarsLookups)
				return
			}
			seen, failed = in.stands(ctx, view, key(r.Relative()))
			good[r.Relative()] = seen
		}
		if !seen {
			is := bars.Unprocessable(fhir.BusinessRule, v.Path(), "the reference has no target; expected a resource of this Bundle or one stored here")
			is.Rule = "reference-exists"
			issues = append(issues, is)
		}
	})
	return issues, failed
}

// barsKnown is barsReferences as an error.
func (in *Intake) barsKnown(ctx context.Context, s Submission) error {
	missing, err := in.barsReferences(ctx, s)
	if err != nil {
		return err
	}
	return bars.Refusal(missing)
}

func (in *Intake) stands(ctx context.Context, view auth.View, k store.Key) (bool, error) {
	v, err := in.Store.Read(ctx, view, k)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil && !v.Deleted, err
}
