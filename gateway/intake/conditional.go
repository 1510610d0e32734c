package intake

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"strings"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/gateway/store"
)

// maxNamesakes bounds how many resources with one identifier are looked at.
const maxNamesakes = 1000

// conditional returns the one resource that a conditional reference such as
// "ServiceRequest?identifier=system|value" finds among those shared with the
// sender's party (R4 http, section 3.1.0.11.2). None, several, one that is
// hidden, and a search by anything but one identifier are all false: the answer
// is the same. typ is the type of the resource that refers; as with a literal
// reference, whoever may write it need not be able to read its target.
//
// The reference is resolved before the commit, which names the resource that was
// found; a resource that is deleted between the two is referred to all the same,
// as if the document had come just before.
func (in *Intake) conditional(ctx context.Context, s Sender, typ string, ref fhir.Reference) (store.Key, bool, error) {
	q, err := url.ParseQuery(ref.Query)
	if err != nil || len(q) != 1 || len(q["identifier"]) != 1 {
		return store.Key{}, false, nil //nolint:nilerr // it finds nothing
	}
	system, value, ok := strings.Cut(q.Get("identifier"), "|")
	if !ok || system == "" || value == "" {
		return store.Key{}, false, nil
	}
	page, err := in.Store.Search(ctx, store.Query{View: auth.SystemView(), Type: strings.Clone(ref.Type), Limit: maxNamesakes, KeysOnly: true,
		Where: []store.Clause{{Param: "identifier", Kind: store.Token, Any: []store.Match{{System: system, Value: value}}}}})
	if errors.Is(err, store.ErrTooCostly) {
		return store.Key{}, false, nil
	}
	if err != nil || page.More {
		return store.Key{}, false, err
	}
	var found []store.Key
	for _, v := range page.Versions {
		if !v.Deleted && s.View("create").Sees(typ, v.Access) {
			found = append(found, v.Key)
		}
	}
	if len(found) != 1 {
		return store.Key{}, false, nil
	}
	return found[0], true, nil
}

// about finds the referral that a document without one is based on: outcomes of
// it, which belong with it. What is based on a referral that is not there, or
// not to be seen, is a fault.
func (in *Intake) about(ctx context.Context, s Submission, p *plan) (*auth.Access, []fhir.Issue, error) {
	var found *auth.Access
	var issues []fhir.Issue
	seen := map[string]*auth.Access{}
	own := map[string]bool{}
	for _, part := range p.parts {
		own[part.key.String()] = true
	}
	for _, part := range p.parts {
		for ref := range origins(part.res.Root()) {
			name := ref.Get("reference").Text()
			if !strings.HasPrefix(name, "ServiceRequest/") || own[name] {
				continue
			}
			a, known := seen[name]
			if !known {
				var err error
				if a, err = in.sharedAccess(ctx, s.Sender, part.res.Type(), key(name)); err != nil {
					return nil, nil, err
				}
				seen[name] = a
			}
			if a == nil {
				issues = append(issues, dangling(fmt.Sprintf("Bundle.entry[%d].resource.%s", part.entry, inner(ref)), s))
			} else if found == nil {
				found = a
			}
		}
	}
	return found, issues, nil
}

// origins are the references that say what a resource came from: basedOn and, of
// a Task, its focus.
func origins(root fhir.Value) iter.Seq[fhir.Value] {
	return func(yield func(fhir.Value) bool) {
		for _, name := range []string{"basedOn", "focus"} {
			for ref := range root.Get(name).Items() {
				if !yield(ref) {
					return
				}
			}
		}
	}
}

// inner is the path of a reference below its resource.
func inner(ref fhir.Value) string {
	_, rest, _ := strings.Cut(ref.Get("reference").Path(), ".")
	return rest
}

// sharedAccess returns the access of a resource that is shared with the sender's
// party; nil when there is none.
func (in *Intake) sharedAccess(ctx context.Context, s Sender, typ string, k store.Key) (*auth.Access, error) {
	v, err := in.Store.Read(ctx, auth.SystemView(), k)
	if errors.Is(err, store.ErrNotFound) || err == nil && (v.Deleted || !s.View("create").Sees(typ, v.Access)) {
		return nil, nil //nolint:nilnil // none is no error
	}
	return &v.Access, err
}

// dangling is the fault of a reference without a target that the sender may
// refer to, at its place in the sender's document.
func dangling(at string, s Submission) fhir.Issue {
	return fhir.Issue{Code: fhir.BusinessRule, Rule: "reference-exists", Expression: at, Source: place(s.Places, at),
		Text: "the reference has no target; expected a resource of this Bundle or one stored here"}
}
