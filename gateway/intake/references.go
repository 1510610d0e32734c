package intake

import (
	"context"
	"errors"
	"strings"

	"trellis.example/fhir"
	"trellis.example/gateway/store"
)

// Limits on what one document may refer to, so that a hostile one costs little.
const (
	maxReferences = 200 // different resources that stand here
	maxDangling   = 100 // faults that are listed
)

// references checks what a document refers to.
type references struct {
	in     *Intake
	s      Submission
	keys   map[string]store.Key
	typ    string          // of the resource being checked
	seen   map[string]bool // references looked up, and whether they are good
	issues []fhir.Issue
}

// check refuses what points into the bundle without being there and, when the
// submission asks for it, what the sender cannot see here.
//
// A reference by search becomes one to what it finds.
func (r *references) check(ctx context.Context, v fhir.Value) error {
	var failed error
	r.typ = v.Get("resourceType").Text()
	fhir.EachReference(v, func(ref fhir.Value) {
		if failed != nil || len(r.issues) >= maxDangling {
			return
		}
		good, err := r.good(ctx, ref.Text())
		if failed = err; good || err != nil {
			return
		}
		r.issues = append(r.issues, dangling(ref.Path(), r.s))
	})
	return failed
}

func (r *references) good(ctx context.Context, text string) (bool, error) {
	if _, ok := r.keys[text]; ok {
		return true, nil
	}
	if good, known := r.seen[text]; known {
		return good, nil
	}
	good, err := r.lookUp(ctx, text)
	r.seen[text] = good
	return good, err
}

func (r *references) lookUp(ctx context.Context, text string) (bool, error) {
	ref, ok := fhir.ParseReference(text)
	switch {
	case !ok:
		return true, nil // the validator has named the fault
	case ref.Kind == fhir.RefURN:
		return !strings.HasPrefix(text, "urn:uuid:"), nil
	case ref.Kind == fhir.RefConditional && len(r.seen) < maxReferences:
		k, found, err := r.in.conditional(ctx, r.s.Sender, r.typ, ref)
		if found {
			r.keys[strings.Clone(text)] = k
		}
		return found, err
	case ref.Kind != fhir.RefRelative && ref.Kind != fhir.RefConditional || ref.Kind == fhir.RefRelative && !r.s.CheckRefs || r.s.Sender.Sandbox():
		return true, nil
	case len(r.seen) >= maxReferences:
		return false, fhir.Errorf(fhir.TooCostly, "a document may refer to at most %d resources that stand here", maxReferences)
	}
	v, err := r.in.Store.Read(ctx, r.s.Sender.View("read"), key(ref.Relative()))
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil && !v.Deleted, err
}
