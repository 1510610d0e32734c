package profiles

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/gofhir/fhirpath"
	"github.com/gofhir/fhirpath/types"

	"trellis.example/fhir"
)

// Invariants of a user's own definitions may need more of FHIRPath than package
// path has. They go to a general evaluator, which looks at the time only now and
// then: it works aside, and is left behind when its time is over.
const (
	foreignTime     = 50 * time.Millisecond  // for one evaluation
	foreignDocument = 500 * time.Millisecond // for all of a document
	foreignLate     = 4                      // evaluations left behind at one time, in the process
	maxForeign      = 8 << 10                // length of an expression
)

// A foreign is an expression for the general evaluator.
type foreign struct {
	compiled *fhirpath.Expression
	late     *atomic.Int32 // evaluations that were left behind and still run
}

// newForeign compiles an expression that is outside package path's subset.
func (n *nodes) newForeign(expression string) (*foreign, error) {
	if len(expression) > maxForeign {
		return nil, fmt.Errorf("the expression is longer than %d bytes", maxForeign)
	}
	c, err := fhirpath.Compile(expression)
	if err != nil {
		return nil, fmt.Errorf("the expression is not FHIRPath")
	}
	return &foreign{c, &n.late}, nil
}

// invariant compiles a constraint: by our own subset, else by the general
// evaluator.
func (n *nodes) invariant(r rule, root string) (rule, error) {
	if r.path = n.path(r.expression, root); r.path != nil {
		return r, nil
	}
	var err error
	r.foreign, err = n.newForeign(r.expression)
	return r, err
}

// A verdict is what an evaluation found.
type verdict uint8

const (
	undecided verdict = iota // its time was over
	failed                   // it cannot be evaluated on this document, or at all
	isKept
	isBroken
)

// foreignRule evaluates an invariant of a user; what cannot be evaluated in time
// is never passed in silence.
func (w *walk) foreignRule(v fhir.Value, r *rule) {
	text := "the rule " + r.key + " could not be checked"
	switch w.foreign(v, r.foreign) {
	case isBroken:
		w.broken(v, r, fhir.Invariant, r.human)
		return
	case isKept:
		return
	case failed:
		text += ": its expression cannot be evaluated"
	case undecided:
		text += " in time"
	}
	w.add(v, "", fhir.Issue{Severity: fhir.SeverityWarning, Code: fhir.Processing, Rule: ruleUntimely, Profile: r.line,
		Text: text, Expected: "true for " + r.expression, Found: "no answer"})
}

func (w *walk) foreign(v fhir.Value, f *foreign) verdict {
	limit := min(foreignTime, foreignDocument-w.spent)
	if limit <= 0 || f.late.Load() >= foreignLate {
		return undecided
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	start := time.Now()
	defer func() { w.spent += time.Since(start) }()
	this, resource, root := v.Raw(), w.resource.Raw(), w.root.Raw()
	done := make(chan verdict, 1)
	go func() { done <- f.evaluate(ctx, this, resource, root) }()
	select {
	case out := <-done:
		return out
	case <-ctx.Done():
	}
	f.late.Add(1)
	go func() { // until the one left behind ends
		<-done
		f.late.Add(-1)
	}()
	return undecided
}

// evaluate runs the expression. A definition that makes the evaluator panic
// must not stop the process.
func (f *foreign) evaluate(ctx context.Context, this, resource, root []byte) (out verdict) {
	defer func() {
		if recover() != nil {
			out = failed
		}
	}()
	variables := [...]fhirpath.EvalOption{
		fhirpath.WithContext(ctx), fhirpath.WithTimeout(0), fhirpath.WithMaxDepth(fhir.MaxDepth),
		fhirpath.WithMaxCollectionSize(100_000),
		fhirpath.WithVariable("resource", collection(resource)), fhirpath.WithVariable("rootResource", collection(root)),
	}
	c, err := f.compiled.EvaluateWithOptions(this, variables[:]...)
	if err != nil && ctx.Err() != nil {
		return undecided
	}
	if err != nil {
		return failed
	}
	if len(c) == 1 {
		if b, ok := c[0].(types.Boolean); ok && !b.Bool() {
			return isBroken
		}
	}
	return isKept
}

func collection(json []byte) types.Collection {
	c, err := types.JSONToCollection(json)
	if err != nil {
		return nil
	}
	return c
}
