package path

import (
	"slices"
	"strings"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
)

// An answer is what a quick test finds: the truth value of an expression, that
// it is empty, or that only evaluation can tell.
type answer uint8

const (
	unsure answer = iota
	isEmpty
	isFalse
	isTrue
)

func answerOf(b bool) answer {
	if b {
		return isTrue
	}
	return isFalse
}

// A quick test decides an expression for the documents usual for it, without a
// stack. It never differs from evaluation: where it might, it is unsure.
type quick func(v fhir.Value) answer

// quickOf compiles the quick test of an expression for a focus of type t; nil
// when there is none. Most invariants of R4 are of few forms: something is
// there, or not, or one thing asks for another.
func quickOf(x expr, t *definitions.Table) quick {
	switch x := x.(type) {
	case binaryExpr:
		return quickBinary(x, t)
	case *callExpr:
		return quickCall(x, t)
	}
	return nil
}

func quickBinary(x binaryExpr, t *definitions.Table) quick {
	switch x.op {
	case "and", "or", "implies":
		return quickLogic(x.op, quickOf(x.left, t), quickOf(x.right, t))
	case "=", "!=", "in":
		c, _, ok := chainOf(x.left, t)
		list, known := literals(x.right)
		if !ok || len(c) == 0 || !known || x.op != "in" && len(list) != 1 {
			return nil
		}
		want := x.op != "!="
		return textTest(c, func(s string) bool { return slices.Contains(list, s) == want })
	}
	return nil
}

// textTest applies f to the single string of a chain; without it the result is
// empty.
func textTest(c chain, f func(s string) bool) quick {
	return func(v fhir.Value) answer {
		s, none, ok := c.one(v)
		switch {
		case !ok:
			return unsure
		case none:
			return isEmpty
		}
		return answerOf(f(s))
	}
}

// literals returns the strings of 'a' or of ('a' | 'b').
func literals(x expr) ([]string, bool) {
	switch x := x.(type) {
	case literal:
		return []string{x.it.s}, x.it.kind == kindString
	case unionExpr:
		left, ok := literals(x.left)
		right, both := literals(x.right)
		return append(left, right...), ok && both
	}
	return nil, false
}

// quickLogic is three-valued, and unsure of what it cannot know: one side may
// decide alone.
func quickLogic(op string, left, right quick) quick {
	if left == nil && right == nil {
		return nil
	}
	leftDecides, rightDecides, result := isTrue, isTrue, isTrue
	switch op {
	case "and":
		leftDecides, rightDecides, result = isFalse, isFalse, isFalse
	case "implies":
		leftDecides = isFalse
	}
	return func(v fhir.Value) answer {
		l, r := unsure, unsure
		if left != nil {
			if l = left(v); l == leftDecides {
				return result
			}
		}
		if right != nil {
			if r = right(v); r == rightDecides {
				return result
			}
		}
		switch {
		case l == unsure || r == unsure:
			return unsure
		case l == isEmpty || r == isEmpty:
			return isEmpty
		}
		return r // the left is neutral: the right decides
	}
}

func quickCall(x *callExpr, t *definitions.Table) quick {
	switch x.name {
	case "exists", "empty":
		if len(x.args) > 0 {
			return nil
		}
		some, there := someOf(x.of, t), x.name == "exists"
		if some == nil {
			return nil
		}
		return func(v fhir.Value) answer {
			if found := some(v); found != unsure {
				return answerOf((found == isTrue) == there)
			}
			return unsure
		}
	case "not":
		return quickNot(quickOf(x.of, t))
	case "contains", "startsWith":
		return quickText(x, t)
	case "hasValue":
		c, _, ok := chainOf(x.of, t)
		if !ok || len(c) == 0 {
			return nil
		}
		return func(v fhir.Value) answer {
			s, _, ok := c.one(v)
			if !ok {
				return unsure
			}
			return answerOf(s != "")
		}
	}
	return nil
}

func quickNot(of quick) quick {
	if of == nil {
		return nil
	}
	return func(v fhir.Value) answer {
		switch a := of(v); a {
		case isTrue:
			return isFalse
		case isFalse:
			return isTrue
		default:
			return a
		}
	}
}

func quickText(x *callExpr, t *definitions.Table) quick {
	c, _, ok := chainOf(x.of, t)
	list, known := literals(x.args[0])
	if !ok || len(c) == 0 || !known || len(list) != 1 {
		return nil
	}
	if x.name == "contains" {
		return textTest(c, func(s string) bool { return strings.Contains(s, list[0]) })
	}
	return textTest(c, func(s string) bool { return strings.HasPrefix(s, list[0]) })
}

// someOf compiles the test whether an expression gives anything: true or false,
// never empty.
func someOf(x expr, t *definitions.Table) quick {
	if c, _, ok := chainOf(x, t); ok {
		return func(v fhir.Value) answer { return answerOf(c.any(v)) }
	}
	switch x := x.(type) {
	case childExpr: // of a choice, or in a resource: nothing comes of nothing
		if _, ok := x.of.(thisExpr); ok {
			return someChoice(t, x.name)
		}
		return nothing(someOf(x.of, t))
	case typeExpr:
		if !x.is {
			return nothing(someOf(x.of, t))
		}
	case *callExpr:
		if x.name == "where" {
			return someWhere(x, t)
		}
		if x.name == "select" {
			return nothing(someOf(x.of, t))
		}
	}
	return nil
}

// someChoice sees that no member has the name of a choice.
func someChoice(t *definitions.Table, name string) quick {
	if t == nil || t.Kind == definitions.Primitive || t.Slot(name) == nil {
		return nil
	}
	return func(v fhir.Value) answer {
		for m := v.First(); m.Exists(); m = m.Next() {
			if strings.HasPrefix(strings.TrimPrefix(m.Key(), "_"), name) {
				return unsure
			}
		}
		return isFalse
	}
}

// nothing knows only that nothing comes of nothing.
func nothing(of quick) quick {
	if of == nil {
		return nil
	}
	return func(v fhir.Value) answer {
		if of(v) == isFalse {
			return isFalse
		}
		return unsure
	}
}

func someWhere(x *callExpr, t *definitions.Table) quick {
	c, last, ok := chainOf(x.of, t)
	if !ok || last == nil {
		return nothing(someOf(x.of, t))
	}
	test := quickOf(x.args[0], last)
	if test == nil {
		return nothing(someOf(x.of, t))
	}
	return func(v fhir.Value) answer {
		found := isFalse
		c.each(v, func(e fhir.Value, shadow bool) bool {
			switch a := test(e); {
			case shadow, a == unsure:
				found = unsure
			case a == isTrue:
				found = isTrue
			}
			return found == isFalse
		})
		return found
	}
}
