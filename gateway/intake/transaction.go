package intake

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"trellis.example/fhir"
	"trellis.example/gateway/rest"
	"trellis.example/gateway/store"
	"trellis.example/gateway/workflow"
	"trellis.example/profiles"
)

const (
	// transactionLimit bounds a transaction's size in bytes.
	transactionLimit   = 16 << 20
	transactionEntries = 1000
)

// Transacted is the rest hook for transactions. A transaction that creates a
// social prescribing ServiceRequest is that referral's record: all that it
// creates is shared with the service addressed, the Consents among it decide
// whether the referral may be acted on, and Task, Provenance and the original
// join the commit. What it updates gets what an update by itself would.
func (in *Intake) Transacted(ctx context.Context, t *rest.Transaction) error {
	// The same intake over the store as it will be.
	d := in.Deps
	d.Store = t.Store
	tx := &transacted{in: &Intake{Deps: d}, ctx: ctx, t: t}
	if err := tx.referral(); err != nil {
		return err
	}
	return tx.updates()
}

type transacted struct {
	in  *Intake
	ctx context.Context //nolint:containedctx // lives for one transaction
	t   *rest.Transaction
}

// referral gives the referral that is created, if there is one, what it gets by
// any other door.
func (tx *transacted) referral() error {
	p, s := tx.plan(), tx.submission()
	issues := p.findReferral(s)
	if p.referral < 0 {
		return nil
	}
	more, err := tx.in.judge(tx.ctx, s, p)
	if err != nil {
		return err
	}
	issues = append(issues, more...)
	issues = append(issues, tx.in.Validator.Referral([]fhir.Resource{tx.t.Bundle}, s.Sender.Profiles...)...)
	known := len(tx.t.Issues)
	tx.t.Issues = append(tx.t.Issues, issues...)
	if fhir.Faults(issues) != nil {
		return nil
	}
	tx.share(p)
	b := &builder{in: tx.in, s: s, p: p, now: tx.t.Now, issues: profiles.Merge(slices.Clone(tx.t.Issues[:known]), issues)}
	return tx.build(b)
}

// plan holds what the transaction creates.
func (tx *transacted) plan() *plan {
	p := &plan{referral: -1}
	for _, c := range tx.t.Changes {
		if c.Old == nil {
			p.parts = append(p.parts, part{fullURL: c.FullURL, entry: c.Entry, key: c.Write.Key, res: c.Resource})
		}
	}
	return p
}

func (tx *transacted) submission() Submission {
	p := tx.t.Principal
	return Submission{Sender: Sender{Principal: p, ImpliedConsent: DirectCare(p.Role)}, Format: "fhir", Bundle: tx.t.Bundle,
		Interaction: "transaction", Original: original(tx.t.Body, rest.MediaType)}
}

// share gives the parts the access that the plan decided. Labels stay.
func (tx *transacted) share(p *plan) {
	i := 0
	for _, c := range tx.t.Changes {
		if c.Old != nil {
			continue
		}
		a := p.parts[i].access
		a.Labels = c.Write.Access.Labels
		c.Write.Access = a
		i++
	}
}

// build adds what the gateway makes for the referral: wider access to what it
// refers to, Task, Provenance and the original.
func (tx *transacted) build(b *builder) error {
	b.rec = record{Parts: map[string]string{}}
	b.refer()
	for _, c := range tx.t.Changes {
		b.made = append(b.made, versionName(c.Write.Key, c.Write.Expect+1))
	}
	for _, step := range []func(context.Context) error{b.share, b.workflow} {
		if err := step(tx.ctx); err != nil {
			return err
		}
	}
	if err := b.provenance(); err != nil {
		return err
	}
	tx.put(b.c.Writes)
	o := b.s.Original
	o.Refs = []store.Key{b.out.Referral}
	tx.t.Commit.Originals = append(tx.t.Commit.Originals, o)
	return nil
}

func (tx *transacted) put(writes []store.Write) {
	for _, w := range writes {
		tx.t.Put(w)
	}
}

// updates does for each resource that is updated, and for requests that are no
// part of a referral's record, what a request by itself would do.
func (tx *transacted) updates() error {
	var beside []fhir.Resource
	for _, c := range tx.t.Changes {
		beside = append(beside, c.Resource)
	}
	for _, c := range tx.t.Changes {
		if c.Old == nil {
			continue
		}
		more, err := tx.in.written(tx.ctx, c.Change, beside)
		if e, ok := errors.AsType[*fhir.Error](err); ok && e.HTTPStatus() < http.StatusInternalServerError {
			tx.refused(c.Entry, e)
			continue
		}
		if err != nil {
			return err
		}
		tx.put(more.Writes)
		tx.t.Commit.Events = append(tx.t.Commit.Events, more.Events...)
	}
	return nil
}

// refused names the fault at its entry.
func (tx *transacted) refused(entry int, e *fhir.Error) {
	for _, is := range e.Issues {
		is.Expression = fmt.Sprintf("Bundle.entry[%d].resource", entry)
		tx.t.Issues = append(tx.t.Issues, is)
	}
}

// permitted reports whether a Consent among the documents, about the subject,
// permits sharing; one that denies outweighs it.
func permitted(beside []fhir.Resource, subject string) (permits, denies bool) {
	for _, r := range beside {
		if r.Type() != "Consent" || about(r.Root()) != subject {
			continue
		}
		denies = denies || workflow.Denies(r.Root())
		permits = permits || workflow.PermitsSharing(r.Root())
	}
	return permits, denies
}

// entryLimit refuses a Bundle with more entries than one commit takes.
func entryLimit(b fhir.Resource) error {
	if b.Type() == "Bundle" && b.Root().Get("entry").Len() > transactionEntries {
		return fhir.StatusErrorf(http.StatusRequestEntityTooLarge, fhir.TooCostly, "a Bundle may have at most %d entries", transactionEntries)
	}
	return nil
}

func transactionResponse(publicURL string, o Outcome) []byte {
	out := []byte(`{"resourceType":"Bundle","type":"transaction-response","entry":[`)
	for i, st := range o.Stored {
		if i > 0 {
			out = append(out, ',')
		}
		loc := publicURL + "/fhir/" + versionName(st.Key, st.Version)
		out = append(out, `{"fullUrl":`...)
		out = fhir.AppendString(out, publicURL+"/fhir/"+st.Key.String())
		out = append(out, `,"response":{"status":"201 Created","location":`...)
		out = fhir.AppendString(out, loc)
		out = append(out, `,"etag":"W/\"`+strconv.Itoa(st.Version)+`\"","lastModified":"`+fhir.Instant(o.At)+`"}}`...)
	}
	return append(out, `]}`...)
}
