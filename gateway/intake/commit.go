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
	"trellis.example/gateway/store"
	"trellis.example/gateway/workflow"
)

// recordKind is the kind of the store's docs that remember a sender's records.
const recordKind = "record"

// A record is what is remembered of a sender's record: enough to recognise a
// repeat and to find what it became. It holds keys and hashes only.
type record struct {
	Hash     string            `json:"hash"`
	Referral string            `json:"referral"`
	Task     string            `json:"task,omitempty"`
	Parts    map[string]string `json:"parts"` // "Type/id" to content hash
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
		if old != nil && old.Hash == p.hash {
			return Outcome{Status: Unchanged, Referral: key(old.Referral), Issues: issues}, in.auditRepeat(ctx, s, old)
		}
		b := &builder{in: in, s: s, p: p, old: old, now: in.Clock().UTC().Truncate(time.Millisecond), issues: issues}
		out, c, err := b.build(ctx, version)
		if err != nil {
			return Outcome{}, err
		}
		_, err = in.Store.Commit(ctx, c)
		if err == nil {
			return out, nil
		}
		if taken, ok := errors.AsType[*store.Taken](err); ok {
			return Outcome{Status: Unchanged, Taken: &taken.Claim, Issues: issues}, nil
		}
		if _, ok := errors.AsType[*store.Conflict](err); !ok {
			return Outcome{}, err
		}
	}
	return Outcome{}, fhir.Errorf(fhir.Conflict, "others are changing the same record; send it again")
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

func (in *Intake) auditRepeat(ctx context.Context, s Submission, old *record) error {
	e := in.entry(ctx, s)
	e.Entities = []string{old.Referral}
	_, err := in.Store.Commit(ctx, store.Commit{Audit: []audit.Entry{e}})
	return err
}

// A builder makes the one commit of a record.
type builder struct {
	in     *Intake
	s      Submission
	p      *plan
	old    *record
	now    time.Time
	issues []fhir.Issue

	c     store.Commit
	out   Outcome
	rec   record
	made  []string // "Type/id/_history/n"
	peeps []string // Patient keys
}

func (b *builder) build(ctx context.Context, docVersion int) (Outcome, store.Commit, error) {
	b.out = Outcome{Status: Created, Issues: b.issues}
	b.rec = record{Hash: b.p.hash, Parts: map[string]string{}}
	if b.old != nil {
		b.out.Status, b.rec.Task = Updated, b.old.Task
	}
	for _, part := range b.p.parts {
		if err := b.part(ctx, part); err != nil {
			return b.out, b.c, err
		}
	}
	if err := b.vanished(ctx); err != nil {
		return b.out, b.c, err
	}
	b.refer()
	if err := b.workflow(ctx); err != nil {
		return b.out, b.c, err
	}
	if err := b.provenance(); err != nil {
		return b.out, b.c, err
	}
	b.frame(ctx, docVersion)
	return b.out, b.c, nil
}

// part writes one resource unless it stands here already just as sent.
func (b *builder) part(ctx context.Context, p part) error {
	if p.known {
		b.out.Stored = append(b.out.Stored, Stored{FullURL: p.fullURL, Key: p.key})
		return nil
	}
	b.rec.Parts[p.key.String()] = p.hash
	if p.key.Type == "Patient" {
		b.peeps = append(b.peeps, p.key.String())
	}
	current, err := b.current(ctx, p.key)
	if err != nil {
		return err
	}
	if b.old != nil && b.old.Parts[p.key.String()] == p.hash && !current.Deleted {
		b.out.Stored = append(b.out.Stored, Stored{p.fullURL, p.key, current.Number, current.Body})
		return nil
	}
	body := b.write(p.key, current.Number, p.res, p.access)
	b.out.Stored = append(b.out.Stored, Stored{p.fullURL, p.key, current.Number + 1, body})
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
		if v.Deleted {
			continue
		}
		b.c.Writes = append(b.c.Writes, store.Write{View: auth.SystemView(), Key: v.Key, Expect: v.Number, Deleted: true, Updated: b.now})
		b.made = append(b.made, versionName(v.Key, v.Number+1))
	}
	return nil
}

// refer names our reference for the record.
func (b *builder) refer() {
	switch {
	case b.p.referral >= 0:
		b.out.Referral = b.p.parts[b.p.referral].key
	case len(b.p.parts) > 0:
		b.out.Referral = b.p.parts[0].key
	}
	b.rec.Referral = b.out.Referral.String()
}

// workflow starts the referral's Task, or ends it when the request was taken
// back.
func (b *builder) workflow(ctx context.Context) error {
	if b.p.referral < 0 || b.p.parts[b.p.referral].known || b.s.Sender.Sandbox() {
		return nil
	}
	root := b.p.parts[b.p.referral].res.Root()
	if b.rec.Task == "" {
		return b.start(root)
	}
	ending, ends := endings[root.Get("status").Text()]
	if !ends {
		return nil
	}
	v, err := b.current(ctx, key(b.rec.Task))
	if err != nil {
		return err
	}
	task, err := fhir.Decode(v.Body)
	if err != nil || workflow.IsClosed(task.Root()) {
		return err
	}
	return b.author(v.Key, v.Number, workflow.End(task, ending, b.now))
}

// endings are what a request's status says of its Task.
var endings = map[string]workflow.Ending{"revoked": workflow.Withdrawn, "entered-in-error": workflow.InError}

func (b *builder) start(root fhir.Value) error {
	if !workflow.IsReferral(root) || !workflow.IsActive(root) {
		return nil
	}
	k := store.Key{Type: "Task", ID: b.in.id("task", b.out.Referral.String())}
	b.rec.Task = k.String()
	body, err := workflow.Task(workflow.Start{Request: b.out.Referral.String(), Root: root, Lawful: b.p.lawful, Missing: b.missing(), Now: b.now})
	if err != nil {
		return err
	}
	return b.author(k, 0, body)
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
func (b *builder) author(k store.Key, replaces int, body []byte) error {
	res, err := fhir.Decode(body)
	if err != nil {
		return err
	}
	b.write(k, replaces, res, b.p.access)
	return nil
}

func (b *builder) provenance() error {
	body, err := workflow.Provenance(workflow.Origin{
		Targets: slices.Clone(b.made), Org: b.s.Sender.Org, Client: b.s.Sender.ClientID,
		Map: b.s.Map, Hash: b.s.Original.Hash, Update: b.old != nil, Now: b.now,
	})
	if err != nil {
		return err
	}
	return b.author(store.Key{Type: "Provenance", ID: randomID()}, 0, body)
}

// frame adds the record, the original, the claims and the audit entry.
func (b *builder) frame(ctx context.Context, docVersion int) {
	b.c.Writes = append(b.c.Writes, b.s.Writes...)
	for _, w := range b.s.Writes {
		b.made = append(b.made, versionName(w.Key, w.Expect+1))
	}
	if b.s.Docs != nil {
		b.c.Docs = b.s.Docs(b.out)
	}
	if b.s.Key != "" {
		body, _ := json.Marshal(b.rec)
		b.c.Docs = append(b.c.Docs, store.DocWrite{Kind: recordKind, ID: b.in.recordID(b.s), Expect: docVersion, Body: body})
	}
	if b.s.Original.Hash != "" {
		o := b.s.Original
		o.Refs = []store.Key{b.out.Referral}
		b.c.Originals = []store.Blob{o}
	}
	b.c.Claims = slices.Clone(b.s.Claims)
	if b.s.Finish != nil {
		answer := b.s.Finish(b.out)
		for i := range b.c.Claims {
			b.c.Claims[i].Answer = answer
		}
	}
	e := b.in.entry(ctx, b.s)
	e.Action = audit.Create
	if b.old != nil {
		e.Action = audit.Update
	}
	e.Entities, e.Patients = b.made, b.peeps
	b.c.Audit = []audit.Entry{e}
}

func key(s string) store.Key {
	typ, id, _ := strings.Cut(s, "/")
	return store.Key{Type: typ, ID: id}
}
