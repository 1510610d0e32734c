package intake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/gateway/audit"
	"trellis.example/gateway/rest"
	"trellis.example/gateway/store"
	"trellis.example/gateway/workflow"
)

// A builder makes the one commit of a record.
type builder struct {
	in     *Intake
	s      Submission
	p      *plan
	old    *record
	now    time.Time
	issues []fhir.Issue

	c    store.Commit
	out  Outcome
	rec  record
	made []string // "Type/id/_history/n"
}

func (b *builder) build(ctx context.Context, docVersion int) (Outcome, error) {
	b.out = Outcome{Status: Created, At: b.now}
	b.rec = record{Hash: b.p.hash, Origin: b.s.Origin, Parties: b.p.access.Parties, Parts: map[string]string{}}
	if b.old != nil {
		b.out.Status, b.rec.Task = Updated, b.old.Task
	}
	for _, part := range b.p.parts {
		if err := b.part(ctx, part); err != nil {
			return b.out, err
		}
	}
	b.refer()
	for _, step := range []func(context.Context) error{b.vanished, b.share, b.workflow} {
		if err := step(ctx); err != nil {
			return b.out, err
		}
	}
	b.out.Issues = b.issues
	if fhir.Faults(b.issues) != nil {
		return Outcome{Status: Rejected, Issues: b.issues}, nil
	}
	if err := b.provenance(); err != nil {
		return b.out, err
	}
	b.frame(ctx, docVersion)
	return b.out, nil
}

// part writes one resource unless it stands here already just as sent.
func (b *builder) part(ctx context.Context, p part) error {
	if p.known {
		b.out.Stored = append(b.out.Stored, Stored{FullURL: p.fullURL, Key: p.key})
		return nil
	}
	b.rec.Parts[p.key.String()] = p.hash
	current, err := b.current(ctx, p.key)
	if err != nil {
		return err
	}
	access := p.access
	if current.Number > 0 {
		access = readdress(current.Access, b.old.Parties, p.access)
		if err := b.untouched(p, current); err != nil {
			return err
		}
	}
	if b.old != nil && b.old.Parts[p.key.String()] == p.hash && !current.Deleted && sameAccess(current.Access, access) {
		b.out.Stored = append(b.out.Stored, Stored{p.fullURL, p.key, current.Number, current.Body})
		return nil
	}
	body := b.write(p.key, current.Number, p.res, access)
	b.out.Stored = append(b.out.Stored, Stored{p.fullURL, p.key, current.Number + 1, body})
	return nil
}

// untouched refuses to write over what somebody else has changed here since
// the sender's last document.
func (b *builder) untouched(p part, current store.Version) error {
	was, ours := b.old.Parts[p.key.String()]
	if !ours || current.Deleted || was == p.hash {
		return nil
	}
	res, err := fhir.Decode(current.Body)
	if err != nil || contentHash(res) == was {
		return err
	}
	b.issues = append(b.issues, fhir.Issue{Code: fhir.BusinessRule, Rule: "changed-here", Expression: fmt.Sprintf("Bundle.entry[%d].resource", p.entry),
		Text: "somebody here has changed this resource since your last document; read it and change it there"})
	return nil
}

// current returns the version that a write of an earlier record would replace;
// the zero Version for what is new.
func (b *builder) current(ctx context.Context, k store.Key) (store.Version, error) {
	if b.old == nil {
		return store.Version{}, nil
	}
	v, err := b.in.Store.Read(ctx, auth.SystemView(), k)
	if errors.Is(err, store.ErrNotFound) {
		return store.Version{}, nil
	}
	return v, err
}

func (b *builder) write(k store.Key, replaces int, res fhir.Resource, a auth.Access) []byte {
	body := res.Stamp(k.ID, replaces+1, b.now)
	b.c.Writes = append(b.c.Writes, store.Write{
		View: auth.SystemView(), Key: k, Expect: replaces, Body: body, Updated: b.now,
		Index: b.in.Index(res), Access: a,
	})
	b.made = append(b.made, versionName(k, replaces+1))
	return body
}

// vanished deletes what an earlier form of the record had and this one has not;
// its history stays.
func (b *builder) vanished(ctx context.Context) error {
	if b.old == nil {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(b.old.Parts)) {
		if _, still := b.rec.Parts[name]; still {
			continue
		}
		v, err := b.current(ctx, key(name))
		if err != nil {
			return err
		}
		if v.Deleted || v.Number == 0 {
			continue
		}
		b.c.Writes = append(b.c.Writes, store.Write{View: auth.SystemView(), Key: v.Key, Expect: v.Number, Deleted: true, Updated: b.now})
		b.made = append(b.made, versionName(v.Key, v.Number+1))
	}
	return nil
}

// refer names our reference for the record.
func (b *builder) refer() {
	b.out.Referral = b.p.parts[max(0, b.p.referral)].key
	b.rec.Referral = b.out.Referral.String()
}

// share gives the receivers what the parts refer to and the sender has stored
// before.
func (b *builder) share(ctx context.Context) error {
	if b.p.referral < 0 {
		return nil
	}
	own := map[string]bool{}
	for _, part := range b.p.parts {
		own[part.key.String()] = true
	}
	for _, part := range b.p.parts {
		writes, err := b.in.shareReferred(ctx, b.s.Sender.Principal, part.res.Root(), b.p.access.Parties, own, b.now)
		if err != nil {
			return err
		}
		for _, w := range writes {
			b.c.Writes = append(b.c.Writes, w)
			b.made = append(b.made, versionName(w.Key, w.Expect+1))
		}
	}
	return nil
}

// workflow starts the referral's Task, goes on with it, or ends it when the
// request was taken back.
func (b *builder) workflow(ctx context.Context) error {
	if b.p.referral < 0 || b.p.parts[b.p.referral].known {
		return nil
	}
	root := b.p.request()
	k := store.Key{Type: "Task", ID: b.in.id("task", b.out.Referral.String())}
	v, err := b.current(ctx, k)
	if err != nil {
		return err
	}
	if v.Number == 0 {
		return b.start(root, k)
	}
	b.rec.Task = k.String()
	task, err := fhir.Decode(v.Body)
	if err != nil || v.Deleted || workflow.IsClosed(task.Root()) {
		return err
	}
	access := readdress(v.Access, b.old.Parties, b.p.access)
	ending, moves := endings[root.Get("status").Text()]
	if workflow.AwaitsConsent(task.Root()) && workflow.IsActive(root) && b.p.basis == recorded {
		ending, moves = workflow.Resumed, true
	}
	switch {
	case moves:
		return b.author(k, v.Number, workflow.End(task, ending, b.now), access)
	case !sameAccess(v.Access, access):
		return b.author(k, v.Number, slices.Clone(v.Body), access)
	}
	return nil
}

// endings are what a request's status says of its Task.
var endings = map[string]workflow.Ending{"revoked": workflow.Withdrawn, "entered-in-error": workflow.InError}

// start makes the Task of an active referral, and one on hold for a referral
// that its map did not make active because no consent is recorded: so that
// nothing goes quiet. A draft that the sender itself calls one gets none.
func (b *builder) start(root fhir.Value, k store.Key) error {
	held := b.p.basis < recorded && !b.s.speaksFHIR() && slices.Contains(open, root.Get("status").Text())
	if !workflow.IsActive(root) && !held {
		return nil
	}
	b.rec.Task = k.String()
	reference := ""
	if b.s.Reference {
		reference = b.in.humanReference(b.out.Referral.String())
	}
	body, err := workflow.Task(workflow.Start{Request: b.out.Referral.String(), Reference: reference, Root: root, Lawful: b.p.basis == recorded, Missing: b.missing(), Now: b.now})
	if err != nil {
		return err
	}
	return b.author(k, 0, body, b.p.access)
}

// missing are the warnings that make the Task incomplete.
func (b *builder) missing() []fhir.Issue {
	var out []fhir.Issue
	for _, is := range b.issues {
		if is.Severity == fhir.SeverityWarning && strings.HasPrefix(is.Rule, "prsb-") {
			out = append(out, is)
		}
	}
	return out
}

// author writes a resource that the gateway itself made.
func (b *builder) author(k store.Key, replaces int, body []byte, a auth.Access) error {
	res, err := fhir.Decode(body)
	if err != nil {
		return err
	}
	b.write(k, replaces, res, a)
	return nil
}

func (b *builder) provenance() error {
	for _, w := range b.s.Writes {
		b.made = append(b.made, versionName(w.Key, w.Expect+1))
	}
	b.c.Writes = append(b.c.Writes, b.s.Writes...)
	body, err := workflow.Provenance(workflow.Origin{
		Targets: slices.Clone(b.made), Org: b.s.Sender.Org, Client: b.s.Sender.ClientID,
		Map: b.s.Map, Hash: b.s.Original.Hash, Update: b.old != nil, Now: b.now,
	})
	if err != nil {
		return err
	}
	return b.author(store.Key{Type: "Provenance", ID: newID()}, 0, body, b.p.access)
}

// frame adds the record, the original, the claims and the audit entry.
func (b *builder) frame(ctx context.Context, docVersion int) {
	if b.s.Docs != nil {
		b.c.Docs = b.s.Docs(b.out)
	}
	if b.s.Key != "" {
		body, _ := json.Marshal(b.rec) // strings and maps of them: never fails
		b.c.Docs = append(b.c.Docs, store.DocWrite{Kind: recordKind, ID: b.in.recordID(b.s), Expect: docVersion, Body: body})
	}
	if b.s.Original.Hash != "" && !b.s.Kept {
		o := b.s.Original
		o.Refs = []store.Key{b.out.Referral}
		b.c.Originals = []store.Blob{o}
	}
	for _, o := range b.s.Beside {
		o.Refs = []store.Key{b.out.Referral}
		b.c.Originals = append(b.c.Originals, o)
	}
	if b.s.Events != nil {
		b.c.Events = b.s.Events(b.out)
	}
	b.c.Claims = b.s.claims(b.out)
	e := b.in.entry(ctx, b.s)
	e.Action = audit.Create
	if b.old != nil {
		e.Action = audit.Update
	}
	e.Entities, e.Patients = b.made, patients(b.c.Writes)
	b.c.Audit = []audit.Entry{e}
}

// patients are those that the writes concern, each once.
func patients(writes []store.Write) []string {
	var out []string
	for _, w := range writes {
		for _, p := range rest.Patients(nil, w.Key, w.Body) {
			if !slices.Contains(out, p) {
				out = append(out, p)
			}
		}
	}
	return out
}

func key(s string) store.Key {
	typ, id, _ := strings.Cut(s, "/")
	return store.Key{Type: typ, ID: id}
}
