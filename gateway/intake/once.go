package intake

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"trellis.example/fhir"
	"trellis.example/gateway/audit"
	"trellis.example/gateway/rest"
	"trellis.example/gateway/store"
)

// A firstAnswer is what the claim of an Idempotency-Key keeps of an answer.
type firstAnswer struct {
	Hash     string   `json:"hash"` // see rest.Idempotency
	Status   int      `json:"status"`
	Location string   `json:"location,omitempty"`
	Type     string   `json:"type,omitempty"` // media type; "" is FHIR
	Made     []string `json:"made"`           // "Type/id/_history/n", for the audit
	Body     string   `json:"body"`
}

// submitOnce submits what came with the request, once for each Idempotency-Key,
// and answers with what answer makes of the outcome. Every repeat gets the
// first answer, status and Location included.
func (in *Intake) submitOnce(r *http.Request, body []byte, sub Submission, answer func(Outcome) Answer) (Answer, error) {
	i, err := rest.NewIdempotency(r, sub.Sender.Principal, body)
	if err != nil {
		return Answer{}, err
	}
	ctx := r.Context()
	if held, taken, err := i.Held(ctx, in.Store); err != nil {
		return Answer{}, err
	} else if taken {
		return in.replay(ctx, sub, i, held)
	}
	var made Answer
	sub.Finish = func(o Outcome) []byte {
		made = answer(o)
		return keepAnswer(i, o, made)
	}
	if i.Given() {
		sub.Claims = append(sub.Claims, i.Claim(nil, in.Clock()))
	}
	out, err := in.Submit(ctx, sub)
	switch {
	case err != nil:
		return Answer{}, err
	case out.Taken != nil:
		return in.replay(ctx, sub, i, *out.Taken)
	case out.Status == Rejected:
		return Answer{}, &fhir.Error{Issues: out.Issues, Status: http.StatusUnprocessableEntity}
	}
	return made, nil
}

func keepAnswer(i rest.Idempotency, o Outcome, a Answer) []byte {
	if !i.Given() {
		return nil
	}
	f := firstAnswer{Hash: i.Hash(), Status: a.Status, Location: a.Header.Get("Location"), Body: string(a.Body)}
	if a.Type != FHIRJSON {
		f.Type = a.Type
	}
	for _, st := range o.Stored {
		f.Made = append(f.Made, versionName(st.Key, st.Version))
	}
	b, _ := json.Marshal(f) // strings and a number: never fails
	return b
}

// replay gives the first answer again, audited; another request under the same
// key is refused.
func (in *Intake) replay(ctx context.Context, sub Submission, i rest.Idempotency, held store.Claim) (Answer, error) {
	var f firstAnswer
	if err := i.First(held, &f); err != nil {
		return Answer{}, err
	}
	if err := in.auditReplay(ctx, sub, f.Made...); err != nil {
		return Answer{}, err
	}
	h := http.Header{"Idempotent-Replayed": {"true"}}
	if f.Location != "" {
		h.Set("Location", f.Location)
	}
	return Answer{Status: f.Status, Type: cmp.Or(f.Type, FHIRJSON), Header: h, Body: []byte(f.Body)}, nil
}

// auditReplay records that an answer about the entities was given again.
func (in *Intake) auditReplay(ctx context.Context, sub Submission, entities ...string) error {
	e := in.entry(ctx, sub)
	e.Entities = entities
	for _, name := range entities {
		if who, _, _ := strings.Cut(name, "/_history/"); strings.HasPrefix(who, "Patient/") {
			e.Patients = append(e.Patients, who)
		}
	}
	_, err := in.Store.Commit(ctx, store.Commit{Audit: []audit.Entry{e}})
	return err
}
