package intake

import (
	"context"
	"net/http"
	"strings"
	"time"

	"trellis.example/fhir"
	"trellis.example/gateway/rest"
	"trellis.example/gateway/store"
	"trellis.example/gateway/workflow"
	"trellis.example/mapping/formats/bars"
)

const (
	// barsKeep is how long a message id is remembered.
	barsKeep     = 400 * 24 * time.Hour
	barsLimit    = 8 << 20
	referenceURI = "https://trellis.example/fhir/sid/referral-reference"
)

// ProcessMessage answers POST /fhir/$process-message: a BaRS referral, its
// cancellation, or a response that ends one. The success answer is 200 with the
// same bundle, every resource with our id. The message id (X-Request-Id) is
// taken once: a repeat is 409 whatever its body, 425 while the first is in
// hand. The caller gives errors their BaRS codes (bars.Decorate).
func (in *Intake) ProcessMessage(r *http.Request, s Sender) (Answer, error) {
	env, err := barsHeaders(r)
	if err == nil {
		err = barsQuery(r)
	}
	if err != nil {
		return Answer{}, err
	}
	claim := store.Claim{Scope: "bars/" + s.Owner(), Key: env.requestID, Expires: in.Clock().Add(barsKeep)}
	release, err := in.enter(r.Context(), claim)
	if err != nil {
		return Answer{}, err
	}
	defer release()
	body, err := rest.Body(r, barsLimit)
	if err != nil {
		return Answer{}, err
	}
	b, err := fhir.DecodeLimit(body, barsLimit)
	if err == nil {
		err = entryLimit(b)
	}
	if err != nil {
		return Answer{}, err
	}
	sub := Submission{Sender: s, Format: "bars", Map: "bars " + bars.Version, Bundle: b,
		Original: original(body, "application/fhir+json"), Claims: []store.Claim{claim}, Interaction: "process-message"}
	return in.message(r.Context(), sub, env.target)
}

// message does what the message asks for, unless something is wrong with it;
// then all of it is named at once.
func (in *Intake) message(ctx context.Context, s Submission, target string) (Answer, error) {
	m, issues := bars.Parse(s.Bundle)
	if m.Destination != "" && !bars.SameURI(m.Destination, target) {
		issues = append(issues, bars.BadRequest(fhir.BadValue, "Bundle.entry[0].resource.destination", "the message is addressed to another service than NHSD-Target-Identifier names"))
	}
	if m.Kind == bars.Request && !workflow.IsReferral(m.Request) {
		issues = append(issues, bars.Unprocessable(fhir.NotSupported, m.Request.Path()+".category", "expected use case sp1 or SNOMED CT 871731000000106"))
	} else if m.Kind != 0 && fhir.Faults(issues) != nil {
		issues = append(issues, in.check(ctx, s)...)
	}
	if err := bars.Refusal(issues); err != nil {
		return Answer{}, err
	}
	s.Key, s.Issues = m.ID, issues
	switch m.Kind {
	case bars.Cancel:
		return in.barsCancel(ctx, s, m)
	case bars.Response:
		return in.barsResponse(ctx, s, m)
	}
	return in.barsRequest(ctx, s, m)
}

// enter makes sure that a message id is new and not in hand. The claim in the
// commit decides; this only answers early.
func (in *Intake) enter(ctx context.Context, c store.Claim) (func(), error) {
	id := c.Scope + " " + c.Key
	if _, busy := in.running.LoadOrStore(id, true); busy {
		return nil, fhir.StatusErrorf(http.StatusTooEarly, fhir.Duplicate, "this message is still being processed")
	}
	release := func() { in.running.Delete(id) }
	_, taken, err := in.Store.Claimed(ctx, c.Scope, c.Key)
	if err == nil && taken {
		err = alreadyReceived()
	}
	if err != nil {
		release()
		return nil, err
	}
	return release, nil
}

func alreadyReceived() error {
	return fhir.Errorf(fhir.Duplicate, "This message has already been received and processed")
}

func (in *Intake) barsRequest(ctx context.Context, s Submission, m bars.Message) (Answer, error) {
	if old, _, err := in.recall(ctx, s); err != nil {
		return Answer{}, err
	} else if old != nil {
		return Answer{}, repeatedBundle()
	}
	parties, err := in.barsAddressees(ctx, s, m)
	if err != nil {
		return Answer{}, err
	}
	id := in.id("bars-encounter", s.Sender.Owner(), m.ID)
	if s.Bundle, err = withEncounter(m, id, in.humanReference(s.Sender.Owner(), m.ID)); err != nil {
		return Answer{}, err
	}
	s.Claims = append(s.Claims, store.Claim{Scope: bundleScope + s.Sender.Owner(), Key: m.ID, Expires: s.Claims[0].Expires})
	var failed error
	s.Docs = func(o Outcome) []store.DocWrite {
		var docs []store.DocWrite
		docs, failed = in.barsDocs(ctx, parties, m, o)
		if failed == nil {
			var d store.DocWrite
			d, failed = in.stampDoc(s, m, o)
			docs = append(docs, d)
		}
		if failed != nil {
			return []store.DocWrite{{Kind: barsKind, ID: id, Expect: -1}} // no such version: nothing is stored
		}
		return docs
	}
	a, err := in.barsSubmit(ctx, s)
	if failed != nil {
		return Answer{}, failed
	}
	return a, err
}

// bundleScope is the scope of claims on a sender's Bundle.id: of two messages
// at the same moment one is the referral.
const bundleScope = "bars-bundle/"

// barsSubmit stores the message and echoes it.
func (in *Intake) barsSubmit(ctx context.Context, s Submission) (Answer, error) {
	missing, err := in.barsReferences(ctx, s)
	if err != nil {
		return Answer{}, err
	}
	if missing != nil {
		return Answer{}, bars.Refusal(append(missing, in.check(ctx, s)...))
	}
	out, err := in.Submit(ctx, s)
	if err != nil {
		return Answer{}, err
	}
	return barsAnswer(s.Bundle, out)
}

// repeatedBundle refuses a second new referral under one Bundle.id: elements of
// a referral are not updated, a changed referral is a new one.
func repeatedBundle() error {
	return fhir.Errorf(fhir.Duplicate, "a referral with this Bundle.id was received before; send a changed referral as a new one, or cancel it")
}

// barsAnswer echoes the bundle with our ids, or refuses.
func barsAnswer(b fhir.Resource, out Outcome) (Answer, error) {
	switch {
	case out.Taken != nil && !strings.HasPrefix(out.Taken.Scope, bundleScope):
		return Answer{}, alreadyReceived()
	case out.Status == Rejected:
		return Answer{}, bars.Refusal(out.Issues)
	case out.Status == Unchanged:
		return Answer{}, repeatedBundle()
	}
	keys := map[string]store.Key{}
	for _, st := range out.Stored {
		keys[st.FullURL] = st.Key
	}
	return Answer{Status: http.StatusOK, Type: FHIRJSON, Header: http.Header{}, Body: echo(b, keys)}, nil
}

// echo returns the message with our id in every resource.
func echo(b fhir.Resource, keys map[string]store.Key) []byte {
	ed := fhir.NewEditor(b.Root())
	for _, e := range b.Entries() {
		k, ok := keys[e.FullURL]
		if !ok {
			continue
		}
		if v := e.Resource.Get("id"); v.Exists() {
			ed.SetString(v, k.ID)
		} else {
			ed.Insert(e.Resource.Get("resourceType"), "id", fhir.AppendString(nil, k.ID))
		}
	}
	return ed.Bytes()
}

// withEncounter adds the planned Encounter whose identifier is the reference
// that the sender shows its user. It refers to the message's one Patient, so
// that nothing the sender may have got wrong is repeated in it.
func withEncounter(m bars.Message, id, reference string) (fhir.Resource, error) {
	enc := append([]byte(nil), `{"fullUrl":`...)
	enc = fhir.AppendString(enc, "urn:uuid:"+id)
	enc = append(enc, `,"resource":{"resourceType":"Encounter","identifier":[{"system":"`+referenceURI+`","value":`...)
	enc = fhir.AppendString(enc, reference)
	enc = append(enc, `}],"status":"planned","class":{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"AMB","display":"ambulatory"},"subject":{"reference":`...)
	enc = fhir.AppendString(enc, m.PatientURL)
	enc = append(enc, `}}}`...)
	entries := m.Bundle.Root().Get("entry")
	_, end := entries.Span()
	src := m.Bundle.JSON()
	out := make([]byte, 0, len(src)+len(enc)+1)
	out = append(append(append(append(out, src[:end-1]...), ','), enc...), src[end-1:]...)
	return fhir.DecodeLimit(out, barsLimit+1<<16)
}
