package path

import (
	"regexp"

	"trellis.example/fhir/definitions"
)

type (
	literal   struct{ it item }
	emptyExpr struct{}
	thisExpr  struct{}
	rootExpr  struct{ name string }
	// selfExpr is a leading type name: the focus, if it is of that type.
	selfExpr struct {
		name    string
		matches bool
	}
	childExpr struct {
		of   expr
		name string
	}
	// firstExpr is a child's first value alone: invariants of R4 ask for the
	// first of a list in every member of it.
	firstExpr struct{ childExpr }
	indexExpr struct {
		of expr
		n  int
	}
	typeExpr struct {
		of   expr
		name string
		is   bool
	}
	unionExpr  struct{ left, right expr }
	binaryExpr struct {
		op          string
		left, right expr
	}
	callExpr struct {
		name  string
		of    expr
		args  []expr
		re    *regexp.Regexp
		eval_ func(e *env, x *callExpr, focus item)
	}
)

func (x literal) eval(e *env, _ item)       { e.push(x.it) }
func (emptyExpr) eval(*env, item)           {}
func (thisExpr) eval(e *env, focus item)    { e.push(focus) }
func (x *callExpr) eval(e *env, focus item) { x.eval_(e, x, focus) }
func (x selfExpr) eval(e *env, focus item) {
	if x.matches {
		e.push(e.root)
	}
}

func (x rootExpr) eval(e *env, _ item) {
	it := e.resource
	switch x.name {
	case "%rootResource":
		it = e.rootResource
	case "%context":
		it = e.root
	case "%extension":
		if it = (item{v: e.extension}); !it.v.Exists() {
			return
		}
		it.t = definitions.R4().Table("Extension")
	}
	if it.t == nil {
		it.t = tableOf(it.v)
	}
	e.push(it)
}

func (x childExpr) eval(e *env, focus item) {
	if _, ok := x.of.(thisExpr); ok {
		e.child(focus, x.name)
		return
	}
	lo := e.run(x.of, focus)
	hi := len(e.stack)
	for i := lo; i < hi; i++ {
		e.child(e.stack[i], x.name)
	}
	e.drop(lo, hi)
}

func (x firstExpr) eval(e *env, focus item) {
	lo := e.run(x.of, focus)
	hi := len(e.stack)
	e.one = true
	for i := lo; i < hi && len(e.stack) == hi; i++ {
		e.child(e.stack[i], x.name)
	}
	e.one = false
	e.stack = e.stack[:min(hi+1, len(e.stack))]
	e.drop(lo, hi)
}

// child is children, with the id and extensions of primitives.
func (e *env) child(it item, name string) {
	if it.kind == kindNode && it.t != nil && it.t.Kind == definitions.Primitive {
		if name == "extension" || name == "id" {
			it.v = shadowOf(it)
		}
	}
	e.children(it, name)
}

func (x indexExpr) eval(e *env, focus item) {
	lo := e.run(x.of, focus)
	if lo+x.n < len(e.stack) {
		e.stack[lo] = e.stack[lo+x.n]
		e.stack = e.stack[:lo+1]
		return
	}
	e.stack = e.stack[:lo]
}

func (x unionExpr) eval(e *env, focus item) {
	lo := e.run(x.left, focus)
	mid := e.run(x.right, focus)
	e.distinct(lo, mid)
}

// typeExpr is "is" (one truth value) or "as"/"ofType" (a filter).
func (x typeExpr) eval(e *env, focus item) {
	lo := e.run(x.of, focus)
	hi := len(e.stack)
	if x.is {
		is := hi == lo+1 && e.stack[lo].isA(x.name)
		e.stack = e.stack[:lo]
		if hi > lo {
			e.pushBool(is)
		}
		return
	}
	n := lo
	for i := lo; i < hi; i++ {
		if e.stack[i].isA(x.name) {
			e.stack[n] = e.stack[i]
			n++
		}
	}
	e.stack = e.stack[:n]
}

func (it item) isA(name string) bool {
	switch it.kind {
	case kindBool:
		return name == "Boolean" || name == "boolean"
	case kindString:
		return name == "String" || name == "string"
	case kindNumber:
		return name == "Decimal" || name == "Integer" || name == "decimal" || name == "integer"
	}
	if it.t == nil {
		return false
	}
	switch name {
	case "Boolean":
		name = "boolean"
	case "String":
		name = "string"
	}
	if it.t.Kind == definitions.Primitive && it.t.Type != name {
		// "as string" does not take a code, but "as uri" takes what is bound
		// to uri in R4's own expressions.
		return name == "uri" && (it.t.Type == "url" || it.t.Type == "canonical")
	}
	return definitions.R4().IsA(it.t.Type, name)
}
