package intake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/gateway/audit"
	"trellis.example/gateway/store"
	"trellis.example/gateway/workflow"
)

// recordKind is the kind of the store's docs that remember a sender's records.
const recordKind = "record"

// A record is what is remembered of a sender's record: enough to recognise a
// repeat and to find what it became. It holds keys, parties and hashes only.
type record struct {
	Hash string `json:"hash"`
	// Origin is the Submission's.
	Origin   string `json:"origin,omitempty"`
	Referral string `json:"referral"`
	Task     string `json:"task,omitempty"`
	// Parties are those that the record was shared with.
	Parties []string          `json:"parties,omitempty"`
	Parts   map[string]string `json:"parts"` // "Type/id" to content hash
}

// tries is how often a record is taken up again after it lost a race with
// another writer of the same record.
const tries = 5

func (in *Intake) commit(ctx context.Context, s Submission, p *plan, issues []fhir.Issue) (Outcome, error) {
	for range tries {
		old, version, err := in.recall(ctx, s)
		if err != nil {
			return Outcome{}, err
		}
		var out Outcome
		if old != nil {
			fault, err := in.closed(ctx, old, p)
			if err != nil {
				return Outcome{}, err
			}
			if fault != nil {
				return Outcome{Status: Rejected, Issues: append(issues, *fault)}, nil
			}
		}
		if old != nil && old.same(p) {
			out, err = in.unchanged(ctx, s, old, issues)
		} else {
			out, err = in.write(ctx, s, p, old, version, issues)
		}
		if taken, ok := errors.AsType[*store.Taken](err); ok {
			return Outcome{Status: Unchanged, Taken: &taken.Claim, Issues: issues}, nil
		}
		if _, lost := errors.AsType[*store.Conflict](err); !lost {
			return out, err
		}
	}
	return Outcome{}, fhir.Errorf(fhir.Conflict, "others are changing the same record; send it again")
}

// write stores what is new or changed.
func (in *Intake) write(ctx context.Context, s Submission, p *plan, old *record, version int, issues []fhir.Issue) (Outcome, error) {
	b := in.builder(s, p, old, issues)
	out, err := b.build(ctx, version)
	if err != nil || out.Status == Rejected {
		return out, err
	}
	_, err = in.Store.Commit(ctx, b.c)
	return out, err
}

func (in *Intake) builder(s Submission, p *plan, old *record, issues []fhir.Issue) *builder {
	return &builder{in: in, s: s, p: p, old: old, now: in.now(), issues: issues}
}

// same reports whether the record is as it is known.
func (r *record) same(p *plan) bool {
	return r.Hash == p.hash && slices.Equal(r.Parties, p.access.Parties)
}

// unchanged takes the claims of a repeat all the same, so that its message id
// cannot be used for something else.
func (in *Intake) unchanged(ctx context.Context, s Submission, old *record, issues []fhir.Issue) (Outcome, error) {
	out := Outcome{Status: Unchanged, Referral: key(old.Referral), Issues: issues}
	e := in.entry(ctx, s)
	e.Entities = []string{old.Referral}
	c := store.Commit{Audit: []audit.Entry{e}, Claims: s.claims(out)}
	if s.Events != nil {
		c.Events = s.Events(out)
	}
	_, err := in.Store.Commit(ctx, c)
	return out, err
}

// claims are the submission's claims with the answer that they keep.
func (s Submission) claims(out Outcome) []store.Claim {
	claims := slices.Clone(s.Claims)
	if s.Finish == nil {
		return claims
	}
	answer := s.Finish(out)
	for i := range claims {
		claims[i].Answer = answer
	}
	return claims
}

func (in *Intake) recall(ctx context.Context, s Submission) (*record, int, error) {
	if s.Key == "" {
		return nil, 0, nil
	}
	doc, err := in.Store.Doc(ctx, recordKind, in.recordID(s))
	if errors.Is(err, store.ErrNotFound) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	var r record
	if err := json.Unmarshal(doc.Body, &r); err != nil {
		return nil, 0, fmt.Errorf("read the record of an earlier document: %w", err)
	}
	return &r, doc.Version, nil
}

func (in *Intake) recordID(s Submission) string {
	return in.id("record", s.Sender.Owner(), s.Format, s.Key)
}

// open are the statuses of a request that asks for something.
var open = []string{"draft", "active", "on-hold"}

// closed refuses to bring back a referral that has ended: it would go on
// without a Task, and nobody would see it. A repeat of what was received before
// is let through, unless the sender has taken that back.
func (in *Intake) closed(ctx context.Context, old *record, p *plan) (*fhir.Issue, error) {
	if p.referral < 0 || !slices.Contains(open, p.request().Get("status").Text()) {
		return nil, nil //nolint:nilnil // no fault is no error
	}
	request, err := in.statusOf(ctx, old.Referral)
	if err != nil {
		return nil, err
	}
	task, err := in.statusOf(ctx, old.Task)
	if err != nil {
		return nil, err
	}
	withdrawn := request == "revoked" || request == "entered-in-error" || request == "deleted"
	ended := request == "completed" || slices.Contains(workflow.Closed(), task)
	if withdrawn || ended && old.Hash != p.hash {
		return &fhir.Issue{Code: fhir.Duplicate, Rule: "closed-referral", Expression: fmt.Sprintf("Bundle.entry[%d].resource.identifier", p.parts[p.referral].entry),
			Text: "the referral with this reference has been closed; refer again under a new reference"}, nil
	}
	return nil, nil //nolint:nilnil // no fault is no error
}

// statusOf returns the status of a resource as it stands, "deleted", or "" when
// it is not there.
func (in *Intake) statusOf(ctx context.Context, name string) (string, error) {
	if name == "" {
		return "", nil
	}
	v, err := in.Store.Read(ctx, auth.SystemView(), key(name))
	if errors.Is(err, store.ErrNotFound) {
		return "", nil
	}
	if err != nil || v.Deleted {
		return "deleted", err
	}
	res, err := fhir.Decode(v.Body)
	return res.Root().Get("status").Text(), err
}
