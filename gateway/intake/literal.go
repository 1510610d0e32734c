package intake

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/gateway/store"
)

const (
	literalFaults  = 100 // faults that are listed
	literalTargets = 200 // different resources that are looked up
)

// literal judges the references of a document that is FHIR already: what
// names this server, or an OID, without a target. References by "Type/id",
// urn:uuid and searches are judged for every format.
func (in *Intake) literal(ctx context.Context, sub Submission, publicURL string) (Submission, error) {
	sub.CheckRefs = true
	l := literals{in: in, sub: sub, base: publicURL + "/fhir", good: map[string]bool{}}
	for _, e := range sub.Bundle.Entries() {
		l.good[e.FullURL] = e.FullURL != ""
	}
	for _, e := range sub.Bundle.Entries() {
		if err := l.check(ctx, e.Type(), e.Resource); err != nil {
			return sub, err
		}
	}
	sub.Issues = append(sub.Issues, l.issues...)
	return sub, nil
}

type literals struct {
	in     *Intake
	sub    Submission
	base   string
	good   map[string]bool // what was judged
	issues []fhir.Issue
}

func (l *literals) check(ctx context.Context, typ string, v fhir.Value) error {
	var failed error
	fhir.EachReference(v, func(v fhir.Value) {
		if failed != nil || len(l.issues) >= literalFaults {
			return
		}
		ref, ok := fhir.ParseReference(v.Text())
		switch {
		case !ok: // the validator has named the fault
		default:
			good, err := l.known(ctx, typ, ref)
			if failed = err; err == nil && !good {
				l.fault(v, fhir.BusinessRule, "reference-exists", "the reference has no target; expected a resource of this Bundle or one stored here")
			}
		}
	})
	return failed
}

func (l *literals) fault(v fhir.Value, code fhir.Code, rule, text string) {
	at := v.Path()
	l.issues = append(l.issues, fhir.Issue{Code: code, Rule: rule, Expression: at, Source: place(l.sub.Places, at), Text: text})
}

func (l *literals) known(ctx context.Context, typ string, ref fhir.Reference) (bool, error) {
	oid := ref.Kind == fhir.RefURN && strings.HasPrefix(ref.URI, "urn:oid:")
	here := ref.Kind == fhir.RefAbsolute && ref.Base == l.base
	if !oid && !here || l.sub.Sender.Sandbox() {
		return true, nil
	}
	if good, seen := l.good[ref.URI]; seen || oid {
		return good, nil
	}
	if len(l.good) >= transactionEntries+literalTargets {
		return false, fhir.Errorf(fhir.TooCostly, "a document may refer to at most %d resources that stand here", literalTargets)
	}
	good, err := l.stored(ctx, typ, ref)
	l.good[strings.Clone(ref.URI)] = good
	return good, err
}

// stored reports whether the target stands here and is shared with the
// sender's party. Its scopes do not matter: who may write about a person need
// not be able to read the person's record.
func (l *literals) stored(ctx context.Context, typ string, ref fhir.Reference) (bool, error) {
	v, err := l.in.Store.Read(ctx, auth.SystemView(), store.Key{Type: strings.Clone(ref.Type), ID: strings.Clone(ref.ID)})
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil || v.Deleted || !l.sub.Sender.View("create").Sees(typ, v.Access) {
		return false, err
	}
	if ref.Version == "" {
		return true, nil
	}
	n, err := strconv.Atoi(ref.Version)
	return err == nil && n > 0 && n <= v.Number, nil
}
