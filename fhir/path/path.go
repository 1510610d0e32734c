package path

import (
	"errors"
	"fmt"
	"sync"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
)

// ErrTooCostly means that an evaluation was given up because it visited too
// many values.
var ErrTooCostly = errors.New("the expression is too costly for this document")

// maxExpression bounds the nesting an expression can have.
const maxExpression = 16 << 10

// A Path is a compiled expression.
type Path struct {
	root  expr
	table *definitions.Table
	empty bool

	// Made when first used, because they bind the tables of further types.
	once  sync.Once
	quick quick // nil when there is none
	chain chain // nil when the expression is more than names
	last  string
}

func (p *Path) prepare() {
	p.quick = quickOf(p.root, p.table)
	if c, last, ok := chainOf(p.root, p.table); ok && last != nil {
		p.chain, p.last = c, last.Type
	}
}

// Compile compiles an expression for values of a root type, such as
// "ServiceRequest", "Period" or "Questionnaire.item". It refuses what is outside
// the subset.
func Compile(expression, rootType string) (*Path, error) {
	table := definitions.R4().TableAt(rootType)
	if table == nil {
		return nil, fmt.Errorf("path: no type %s", rootType)
	}
	if len(expression) > maxExpression {
		return nil, fmt.Errorf("path: the expression is longer than %d bytes", maxExpression)
	}
	toks, err := lex(expression)
	if err != nil {
		return nil, fmt.Errorf("path: %w", err)
	}
	p := parser{toks: toks, c: &compiler{table: table}}
	root, err := p.expression(1)
	if err != nil {
		return nil, fmt.Errorf("path: %w", err)
	}
	if p.peek().kind != tokEnd {
		return nil, fmt.Errorf("path: unexpected token %d", p.pos)
	}
	return &Path{root: root, table: table, empty: never(root)}, nil
}

// Empty reports whether the expression can give nothing for its root type: all
// its branches belong to other types.
func (p *Path) Empty() bool { return p.empty }

// Eval yields what the expression selects in v, a value of the root type, with
// its type name ("Reference", "code", "BackboneElement"). A computed truth value
// is yielded as a value of type "boolean" that is not part of the document;
// other computed values are not yielded. Evaluation stops when yield returns
// false.
func (p *Path) Eval(v fhir.Value, yield func(v fhir.Value, typeName string) bool) {
	if p.once.Do(p.prepare); p.chain != nil {
		p.chain.each(v, func(v fhir.Value, shadow bool) bool { return shadow || yield(v, p.last) })
		return
	}
	e := newEnv(v, p.table)
	defer e.release()
	p.root.eval(e, e.root)
	for _, it := range e.stack {
		switch {
		case it.kind == kindNode && it.shadow:
			// a primitive without a value
		case it.kind == kindNode:
			if !yield(it.v, it.t.Type) {
				return
			}
		case it.kind == kindBool:
			if !yield(truth(it.b), "boolean") {
				return
			}
		}
	}
}

// Count returns how many values the expression selects in v, primitives that
// have extensions but no value included.
func (p *Path) Count(v fhir.Value) int {
	if p.once.Do(p.prepare); p.chain != nil {
		n := 0
		p.chain.each(v, func(fhir.Value, bool) bool { n++; return true })
		return n
	}
	e := newEnv(v, p.table)
	defer e.release()
	p.root.eval(e, e.root)
	return len(e.stack)
}

// A Context gives an invariant the resource and the outermost resource around
// the value it is evaluated on.
type Context struct {
	Resource, Root fhir.Value
	// Extension is %extension: what the condition of an extension on the element
	// that holds it is about.
	Extension fhir.Value
	// Finder, when set, is asked for the entries that references name.
	Finder Finder
	// Visits, when set, is how many values the evaluations that share it may
	// still visit; each takes off what it used.
	Visits *int
}

// Holds evaluates an invariant: it is broken only when the result is false. An
// empty result, which FHIRPath gives when something cannot be decided, holds.
func (p *Path) Holds(v fhir.Value, in Context) (bool, error) {
	if p.once.Do(p.prepare); p.quick != nil {
		if a := p.quick(v); a != unsure {
			return a != isFalse, nil
		}
	}
	return p.evaluate(v, in)
}

// evaluate is Holds without the quick test.
func (p *Path) evaluate(v fhir.Value, in Context) (bool, error) {
	e := newEnv(v, p.table)
	defer e.release()
	if in.Resource.Exists() {
		e.resource = item{v: in.Resource} // their tables are looked up when asked for
		e.rootResource = item{v: in.Root}
	}
	e.finder, e.extension = in.Finder, in.Extension
	if in.Visits != nil {
		e.limit = min(e.limit, *in.Visits)
	}
	p.root.eval(e, e.root)
	if in.Visits != nil {
		*in.Visits -= min(e.visits, *in.Visits)
	}
	if e.costly() {
		return true, ErrTooCostly
	}
	return len(e.stack) != 1 || e.stack[0].truthy(), nil
}
