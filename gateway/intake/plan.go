package intake

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/gateway/store"
	"trellis.example/gateway/workflow"
)

// A part is one resource of the record, its references already ours.
type part struct {
	fullURL string
	entry   int // its number in the bundle
	key     store.Key
	res     fhir.Resource
	hash    string // of its content without id and meta stamps
	access  auth.Access
	known   bool // stands here already and is not written
}

// A plan is a record ready to be stored.
type plan struct {
	parts    []part
	referral int // index of the ServiceRequest, -1 when there is none
	access   auth.Access
	lawful   bool
	hash     string // of all parts
}

// plan gives every resource its id, rewrites the references among them and
// decides who may see them. The issues are faults of references.
func (in *Intake) plan(ctx context.Context, s Submission) (*plan, []fhir.Issue, error) {
	keys := in.keys(s)
	p := &plan{referral: -1}
	var issues []fhir.Issue
	for i, e := range s.Bundle.Entries() {
		if !e.Resource.Exists() {
			continue
		}
		more, err := in.references(ctx, s, e.Resource, keys)
		if err != nil {
			return nil, nil, err
		}
		issues = append(issues, more...)
		issues = append(issues, labels(s, e.Resource)...)
		res, err := rewrite(e.Resource, keys)
		if err != nil {
			continue // the validator has named the fault
		}
		if res.Type() == "ServiceRequest" && p.referral < 0 {
			p.referral = len(p.parts)
		}
		p.lawful = p.lawful || workflow.PermitsSharing(res.Root())
		_, known := s.Known[e.FullURL]
		p.parts = append(p.parts, part{fullURL: e.FullURL, entry: i, key: keys[entryName(e, i)], res: res, hash: contentHash(res), known: known})
	}
	if err := in.access(ctx, s, p); err != nil {
		return nil, nil, err
	}
	more, err := in.requester(ctx, s, p)
	if err != nil {
		return nil, nil, err
	}
	issues = append(issues, more...)
	h := sha256.New()
	for _, part := range p.parts {
		writeParts(h, []string{part.key.String(), part.hash})
	}
	p.hash = hex.EncodeToString(h.Sum(nil))
	return p, issues, nil
}

// keys gives each entry its key: the same for the same sender's record and
// full URL, a fresh one where the record has no reference of its own.
func (in *Intake) keys(s Submission) map[string]store.Key {
	record := s.Key
	if record == "" {
		record = "once/" + rand.Text()
	}
	keys := make(map[string]store.Key)
	for i, e := range s.Bundle.Entries() {
		name := entryName(e, i)
		if k, ok := s.Known[name]; ok {
			keys[name] = k
			continue
		}
		keys[name] = store.Key{Type: strings.Clone(e.Type()), ID: in.id(s.Sender.Owner(), s.Format, record, name)}
	}
	return keys
}

func entryName(e fhir.Entry, i int) string {
	if e.FullURL != "" {
		return e.FullURL
	}
	return "entry-" + strconv.Itoa(i)
}

// rewrite returns the resource with references to other entries replaced by
// references to their keys; every other byte is as received.
func rewrite(v fhir.Value, keys map[string]store.Key) (fhir.Resource, error) {
	sub, err := fhir.Sub(v)
	if err != nil {
		return sub, err
	}
	ed, changed := fhir.NewEditor(sub.Root()), false
	eachReference(sub.Root(), func(ref fhir.Value) {
		if k, ok := keys[ref.Text()]; ok {
			ed.SetString(ref, k.String())
			changed = true
		}
	})
	if !changed {
		return sub, nil
	}
	return fhir.Decode(ed.Bytes())
}

// eachReference calls f with every literal reference below v.
func eachReference(v fhir.Value, f func(fhir.Value)) {
	for c := range v.All() {
		switch c.Kind() {
		case fhir.String:
			if c.Key() == "reference" {
				f(c)
			}
		case fhir.Object, fhir.Array:
			eachReference(c, f)
		}
	}
}

// references refuses what points into the bundle without being there and, when
// asked to, what the sender cannot see here.
func (in *Intake) references(ctx context.Context, s Submission, v fhir.Value, keys map[string]store.Key) ([]fhir.Issue, error) {
	var issues []fhir.Issue
	var failed error
	eachReference(v, func(ref fhir.Value) {
		text := ref.Text()
		if _, ok := keys[text]; ok || failed != nil {
			return
		}
		r, ok := fhir.ParseReference(text)
		missing := ok && r.Kind == fhir.RefURN && strings.HasPrefix(text, "urn:uuid:")
		if ok && r.Kind == fhir.RefRelative && s.CheckRefs && !s.Sender.Sandbox() {
			ver, err := in.Store.Read(ctx, s.Sender.View("read"), store.Key{Type: r.Type, ID: r.ID})
			missing = errors.Is(err, store.ErrNotFound) || ver.Deleted
			if err != nil && !missing {
				failed = err
			}
		}
		if missing {
			issues = append(issues, fhir.Issue{Code: fhir.BusinessRule, Rule: "reference-exists",
				Text: "the reference has no target; expected a resource of this Bundle or one stored here", Expression: ref.Path(), Source: place(s.Places, ref.Path())})
		}
	})
	return issues, failed
}

// access lets the sender and the service addressed see a referral and all that
// came with it. What comes without a referral is the sender's, as its type has
// it.
func (in *Intake) access(ctx context.Context, s Submission, p *plan) error {
	parties := s.Parties
	if p.referral >= 0 && parties == nil && !s.Sender.Sandbox() {
		got, err := in.addressees(ctx, s, p)
		if err != nil {
			return err
		}
		parties = got
		if len(parties) == 0 && in.Service != "" {
			parties = []string{in.Service}
		}
	}
	p.access = auth.NewAccess(s.Sender.Owner(), parties...)
	for i := range p.parts {
		p.parts[i].access = p.access
		if p.referral < 0 {
			p.parts[i].access = s.Sender.Access(p.parts[i].key.Type)
		}
	}
	return nil
}

// contentHash identifies a resource's content as its sender wrote it, whatever
// id and version stamps it carries.
func contentHash(r fhir.Resource) string {
	h := sha256.New()
	for m := range r.Root().All() {
		switch m.Key() {
		case "id":
			continue
		case "meta":
			for x := range m.All() {
				if x.Key() != "lastUpdated" && x.Key() != "versionId" {
					writeParts(h, []string{"meta." + x.Key(), string(x.Raw())})
				}
			}
			continue
		}
		writeParts(h, []string{m.Key(), string(m.Raw())})
	}
	return hex.EncodeToString(h.Sum(nil))
}
