package path

import (
	"fmt"
	"regexp"

	"trellis.example/fhir/definitions"
)

// A compiler binds names to the root type.
type compiler struct{ table *definitions.Table }

// isType reports whether a leading name is a type rather than an element:
// "Patient.name" against "name".
func (c *compiler) isType(name string) bool {
	return name[0] >= 'A' && name[0] <= 'Z' && definitions.R4().Type(name) != nil
}

// typeMatches reports whether a path that begins with the type applies to the
// root type.
func (c *compiler) typeMatches(name string) bool { return definitions.R4().IsA(c.table.Type, name) }

// never reports whether an expression is empty for every document.
func never(x expr) bool {
	switch x := x.(type) {
	case emptyExpr:
		return true
	case selfExpr:
		return !x.matches
	}
	return false
}

func (c *compiler) binary(op string, left, right expr) expr {
	if op == "|" {
		switch {
		case never(left) && never(right):
			return emptyExpr{}
		case never(left):
			return right
		case never(right):
			return left
		}
		return unionExpr{left, right}
	}
	return binaryExpr{op, left, right}
}

// A function is what may be called: with type or with expressions.
type function struct {
	min, max  int
	takesType bool
	eval      func(e *env, x *callExpr, focus item)
}

func (c *compiler) call(f function, name string, of expr, args []expr) (expr, error) {
	if name == "trace" {
		return of, nil
	}
	if never(of) && (name == "where" || name == "extension" || name == "select" || name == "resolve") {
		return emptyExpr{}, nil
	}
	if child, ok := of.(childExpr); ok && name == "first" {
		return firstExpr{child}, nil
	}
	x := &callExpr{name: name, of: of, args: args, eval_: f.eval}
	if name == "matches" || name == "replaceMatches" {
		lit, ok := args[0].(literal)
		if !ok {
			return nil, fmt.Errorf("%s needs a literal pattern", name)
		}
		pattern := lit.it.s
		if name == "matches" {
			pattern = `^(?s:` + pattern + `)$`
		}
		re, err := regexp.Compile(pattern)
		if err != nil {
			return nil, fmt.Errorf("%s: the pattern is outside RE2", name)
		}
		x.re = re
	}
	return x, nil
}
