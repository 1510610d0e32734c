package path

import (
	"fmt"
	"strconv"
)

// An expr pushes its result for a focus on the evaluation's stack.
type expr interface {
	eval(e *env, focus item)
}

// The parser builds expressions directly: binary operators by precedence
// climbing, then postfix calls and members.
type parser struct {
	toks []token
	pos  int
	c    *compiler
}

var precedence = map[string]int{
	"implies": 1, "or": 2, "xor": 2, "and": 3, "in": 4, "contains": 4, "=": 5, "!=": 5,
	"<": 6, "<=": 6, ">": 6, ">=": 6, "|": 7, "is": 8, "as": 8, "+": 9, "-": 9, "&": 9, "*": 10, "/": 10, "div": 10, "mod": 10,
}

func (p *parser) peek() token { return p.toks[p.pos] }

func (p *parser) take() token {
	t := p.toks[p.pos]
	if t.kind != tokEnd {
		p.pos++
	}
	return t
}

func (p *parser) accept(op string) bool {
	if t := p.peek(); t.kind == tokOp && t.text == op {
		p.pos++
		return true
	}
	return false
}

func (p *parser) expect(op string) error {
	if !p.accept(op) {
		return fmt.Errorf("expected %q before token %d", op, p.pos)
	}
	return nil
}

func (p *parser) expression(min int) (expr, error) {
	left, err := p.unary()
	if err != nil {
		return nil, err
	}
	for {
		t := p.peek()
		prec := precedence[t.text]
		if t.kind != tokOp && t.kind != tokName || prec == 0 || prec < min {
			return left, nil
		}
		p.pos++
		if t.text == "is" || t.text == "as" {
			name, err := p.typeName()
			if err != nil {
				return nil, err
			}
			left = typeExpr{left, name, t.text == "is"}
			continue
		}
		right, err := p.expression(prec + 1)
		if err != nil {
			return nil, err
		}
		left = p.c.binary(t.text, left, right)
	}
}

func (p *parser) unary() (expr, error) {
	if p.accept("-") {
		x, err := p.unary()
		return binaryExpr{"-", literal{item{kind: kindNumber}}, x}, err
	}
	x, err := p.primary()
	for err == nil {
		switch {
		case p.accept("."):
			x, err = p.member(x)
		case p.accept("["):
			x, err = p.index(x)
		default:
			return x, nil
		}
	}
	return nil, err
}

func (p *parser) index(of expr) (expr, error) {
	t := p.take()
	n, err := strconv.Atoi(t.text)
	if t.kind != tokNumber || err != nil {
		return nil, fmt.Errorf("an index must be a number")
	}
	return indexExpr{of, n}, p.expect("]")
}

func (p *parser) primary() (expr, error) {
	switch t := p.peek(); t.kind {
	case tokString:
		p.pos++
		return literal{item{kind: kindString, s: t.text}}, nil
	case tokNumber:
		p.pos++
		n, err := strconv.ParseFloat(t.text, 64)
		return literal{item{kind: kindNumber, n: n, s: t.text}}, err
	case tokDate:
		p.pos++
		return literal{item{kind: kindDate, s: t.text}}, nil
	case tokVar:
		p.pos++
		return p.variable(t.text)
	case tokOp:
		if p.accept("(") {
			x, err := p.expression(1)
			if err != nil {
				return nil, err
			}
			return x, p.expect(")")
		}
		if p.accept("{") {
			return emptyExpr{}, p.expect("}")
		}
	case tokName, tokQuotedName:
		if t.text == "true" || t.text == "false" {
			p.pos++
			return literal{item{kind: kindBool, b: t.text == "true"}}, nil
		}
		return p.member(nil)
	}
	return nil, fmt.Errorf("unexpected token %d", p.pos)
}

func (p *parser) variable(name string) (expr, error) {
	switch name {
	case "$this":
		return thisExpr{}, nil
	case "%resource", "%rootResource", "%context", "%extension":
		return rootExpr{name}, nil
	case "%ucum":
		return literal{item{kind: kindString, s: "http://unitsofmeasure.org"}}, nil
	}
	return nil, fmt.Errorf("unknown variable %s", name)
}

func (p *parser) typeName() (string, error) {
	t := p.take()
	if t.kind != tokName {
		return "", fmt.Errorf("expected a type name at token %d", p.pos)
	}
	if (t.text == "FHIR" || t.text == "System") && p.accept(".") {
		t = p.take()
	}
	return t.text, nil
}

// member parses a name or function call after "." or, with of nil, at the start
// of a path.
func (p *parser) member(of expr) (expr, error) {
	t := p.take()
	if t.kind != tokName && t.kind != tokQuotedName || t.text == "" {
		return nil, fmt.Errorf("expected a name at token %d", p.pos)
	}
	if t.kind == tokName && p.accept("(") {
		return p.call(of, t.text)
	}
	if of == nil && p.c.isType(t.text) {
		return selfExpr{t.text, p.c.typeMatches(t.text)}, nil
	}
	if of == nil {
		of = thisExpr{}
	}
	if never(of) {
		return emptyExpr{}, nil
	}
	return childExpr{of, t.text}, nil
}

// refused are functions of FHIRPath that have no place here, with the reason.
var refused = map[string]string{
	"today":      "a document must be judged alike on every day",
	"now":        "a document must be judged alike at every moment",
	"timeOfDay":  "a document must be judged alike at every moment",
	"memberOf":   "bind the element to the value set instead",
	"conformsTo": "name the profile on the element's type instead",
}

func functionOf(name string) (function, error) {
	for _, table := range [...]map[string]function{functions, textFunctions, setFunctions} {
		if f, ok := table[name]; ok {
			return f, nil
		}
	}
	if why := refused[name]; why != "" {
		return function{}, fmt.Errorf("%s() is not evaluated: %s", name, why)
	}
	return function{}, fmt.Errorf("unknown function %s", name)
}

func (p *parser) call(of expr, name string) (expr, error) {
	f, err := functionOf(name)
	if err != nil {
		return nil, err
	}
	if of == nil {
		of = thisExpr{}
	}
	if f.takesType {
		typ, err := p.typeName()
		if err != nil {
			return nil, err
		}
		return typeExpr{of, typ, name == "is"}, p.expect(")")
	}
	var args []expr
	for !p.accept(")") {
		if len(args) > 0 {
			if err := p.expect(","); err != nil {
				return nil, err
			}
		}
		a, err := p.expression(1)
		if err != nil {
			return nil, err
		}
		args = append(args, a)
	}
	if len(args) < f.min || len(args) > f.max {
		return nil, fmt.Errorf("%s takes %d to %d arguments", name, f.min, f.max)
	}
	return p.c.call(f, name, of, args)
}
