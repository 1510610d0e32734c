package intake

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"trellis.example/fhir"
	"trellis.example/gateway/delivery"
	"trellis.example/gateway/rest"
	"trellis.example/gateway/store"
)

// decisions are the statuses of a Task of which an HL7 v2 sender is told: a
// person has answered, waits for something, or has ended the referral.
var decisions = []string{"accepted", "rejected", "in-progress", "on-hold", "failed", "cancelled", "completed", "entered-in-error"}

// decided puts the answer to an HL7 v2 referral into the outbox, in the commit
// of the decision itself.
func (in *Intake) decided(ctx context.Context, ch rest.Change) (store.Commit, error) {
	root := ch.Resource.Root()
	status, focus := root.Get("status").Text(), root.At("focus", "reference").Text()
	if ch.Old == nil || !slices.Contains(decisions, status) || !strings.HasPrefix(focus, "ServiceRequest/") {
		return store.Commit{}, nil
	}
	before, err := fhir.Decode(ch.Old.Body)
	if err != nil || tellsNothing(before.Root().Get("status").Text(), status) {
		return store.Commit{}, err
	}
	doc, err := in.Store.Doc(ctx, delivery.KindHL7, key(focus).ID)
	if errors.Is(err, store.ErrNotFound) || ch.Write.Key.ID != in.id("task", focus) { // not from HL7 v2, or not the referral's own Task
		return store.Commit{}, nil
	}
	if err != nil {
		return store.Commit{}, err
	}
	d := delivery.Decided{Referral: focus, Task: ch.Write.Key.String(), TaskVersion: ch.Write.Expect + 1, At: ch.Write.Updated}
	if err := json.Unmarshal(doc.Body, &d.Came); err != nil {
		return store.Commit{}, err
	}
	e, err := delivery.NewRRI(d)
	return store.Commit{Events: []store.Event{e}}, err
}

// tellsNothing reports a change that the sender would not see: the same status,
// or work that begins on a referral which it knows to be accepted.
func tellsNothing(before, now string) bool {
	return before == now || before == "accepted" && now == "in-progress" || before == "in-progress" && now == "accepted"
}
