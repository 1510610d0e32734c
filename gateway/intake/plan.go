package intake

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
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
	parts []part
	// referral is the index of the social prescribing request, -1 when there
	// is none; then the parts have no side effects.
	referral int
	access   auth.Access // of the referral and what is made for it
	// basis is what lets the referral be acted on.
	basis basis
	hash  string // of all parts
}

// request is the root of the referral's ServiceRequest.
func (p *plan) request() fhir.Value { return p.parts[p.referral].res.Root() }

// plan gives every resource its id, rewrites the references among them and
// decides who may see them. The issues are faults that only the gateway knows.
func (in *Intake) plan(ctx context.Context, s Submission) (*plan, []fhir.Issue, error) {
	keys := in.keys(s)
	p := &plan{referral: -1}
	refs := &references{in: in, s: s, keys: keys, seen: map[string]bool{}}
	var issues []fhir.Issue
	for i, e := range s.Bundle.Entries() {
		if !e.Resource.Exists() {
			continue
		}
		if err := refs.check(ctx, e.Resource); err != nil {
			return nil, nil, err
		}
		issues = append(issues, labels(s, e.Resource)...)
		res, err := rewrite(e.Resource, keys)
		if err != nil {
			issues = append(issues, unstorable(i, err))
			continue
		}
		_, known := s.Known[e.FullURL]
		p.parts = append(p.parts, part{fullURL: e.FullURL, entry: i, key: keys[entryName(e, i)], res: res, hash: contentHash(res), known: known})
	}
	issues = append(append(issues, refs.issues...), p.findReferral(s)...)
	more, err := in.judge(ctx, s, p)
	p.hash = p.sum()
	return p, append(issues, more...), err
}

// unstorable is the fault of an entry that cannot be a resource of its own.
func unstorable(entry int, err error) fhir.Issue {
	is := fhir.AsError(err).Issues[0]
	is.Expression = fmt.Sprintf("Bundle.entry[%d].resource", entry)
	return is
}

// judge decides who sees the parts and whether the referral may be acted on.
func (in *Intake) judge(ctx context.Context, s Submission, p *plan) ([]fhir.Issue, error) {
	if len(p.parts) == 0 {
		return []fhir.Issue{{Code: fhir.Required, Expression: "Bundle.entry", Text: "the document holds no resource"}}, nil
	}
	p.basis = basisOf(s.Sender, p)
	issues, err := in.access(ctx, s, p)
	if err != nil {
		return nil, err
	}
	more, err := in.requester(ctx, s, p)
	return append(issues, more...), err
}

// findReferral finds the social prescribing request. A record is one referral:
// with two, the parts of one would be shared with the service of the other.
func (p *plan) findReferral(s Submission) []fhir.Issue {
	if s.Sender.Sandbox() {
		return nil
	}
	var requests []int
	for i := range p.parts {
		if p.parts[i].res.Type() != "ServiceRequest" {
			continue
		}
		requests = append(requests, i)
		if p.referral < 0 && (p.parts[i].known || workflow.IsReferral(p.parts[i].res.Root())) {
			p.referral = i
		}
	}
	if p.referral < 0 || len(requests) == 1 {
		return nil
	}
	var issues []fhir.Issue
	for _, i := range requests {
		if i != p.referral {
			issues = append(issues, fhir.Issue{Code: fhir.BusinessRule, Rule: "one-referral",
				Expression: fmt.Sprintf("Bundle.entry[%d].resource", p.parts[i].entry),
				Text:       "a document with a referral carries no other ServiceRequest; send each in a document of its own"})
		}
	}
	return issues
}

// sum identifies the content of the whole record.
func (p *plan) sum() string {
	h := sha256.New()
	for _, part := range p.parts {
		writeParts(h, []string{part.key.String(), part.hash})
	}
	return hex.EncodeToString(h.Sum(nil))
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
	fhir.EachReference(sub.Root(), func(ref fhir.Value) {
		if k, ok := keys[ref.Text()]; ok {
			ed.SetString(ref, k.String())
			changed = true
		}
	})
	if !changed {
		if len(sub.JSON()) > fhir.MaxResource {
			return sub, fhir.Errorf(fhir.TooLong, "the resource is larger than %d bytes", fhir.MaxResource)
		}
		return sub, nil
	}
	return fhir.Decode(ed.Bytes())
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
