package schema

import (
	"strings"

	"trellis.example/fhir/definitions"
)

// byShape are the invariants that the schema of every type keeps, or that the
// list of what no schema checks names once.
var byShape = map[string]bool{
	"ele-1": true, "ext-1": true, "ref-1": true, "txt-1": true, "txt-2": true, "sqty-1": true,
	"dom-2": true, "dom-3": true, "dom-4": true, "dom-5": true,
	"dom-6": true, // best practice
}

// constraints adds R4's invariants of a type or element.
func (b *builder) constraints(s *shape, list []definitions.Constraint, t *definitions.Table, where string) {
	for _, c := range list {
		if !byShape[c.Key] && c.Error {
			b.invariant(s, c.Key, c.Expression, c.Human, t, where)
		}
	}
}

func (b *builder) invariant(s *shape, key, expression, human string, t *definitions.Table, where string) {
	if schema := translate(expression, t); schema != nil {
		schema["title"] = key
		s.all = append(s.all, schema)
		return
	}
	b.note("%s at %s: %s", key, where, human)
}

// A logic says of a FHIRPath expression, in Kleene's three values, when it is
// true, false, not true and not false. Each is a JSON Schema of the object that
// the expression is about. An invariant is broken when it is false.
type logic struct{ isTrue, isFalse, notTrue, notFalse object }

func (l logic) not() logic { return logic{l.isFalse, l.isTrue, l.notFalse, l.notTrue} }

func (l logic) and(r logic) logic {
	return logic{allOf(l.isTrue, r.isTrue), anyOf(l.isFalse, r.isFalse), anyOf(l.notTrue, r.notTrue), allOf(l.notFalse, r.notFalse)}
}

func (l logic) or(r logic) logic { return l.not().and(r.not()).not() }

// implies is "not l or r" (FHIRPath, section 6.5.5).
func (l logic) implies(r logic) logic { return l.not().or(r) }

// translate returns the schema of an invariant, nil when it cannot be said.
func translate(expression string, t *definitions.Table) object {
	if o := matched(expression); o != nil {
		return o
	}
	if t == nil {
		return nil
	}
	p := parser{words: lex(expression), table: t}
	l, ok := p.implies()
	if !ok || p.pos != len(p.words) {
		return nil
	}
	out := object{}
	for k, v := range l.notFalse {
		out[k] = v
	}
	return out
}

func allOf(l, r object) object { return join("allOf", l, r) }
func anyOf(l, r object) object { return join("anyOf", l, r) }

// join flattens nested lists of one kind.
func join(word string, list ...object) object {
	var all []any
	for _, o := range list {
		if inner, ok := o[word].([]any); ok && len(o) == 1 {
			all = append(all, inner...)
		} else {
			all = append(all, o)
		}
	}
	return object{word: all}
}

// existence is the logic of a path's exists().
func existence(yes object) logic {
	no := object{"not": yes}
	return logic{isTrue: yes, isFalse: no, notTrue: no, notFalse: yes}
}

// equality is the logic of a path with one value that is compared with others:
// empty when it is not there.
func equality(steps []step, is object) logic {
	at := func(value object) object {
		return along(steps, func(m []*definitions.Member) object { return has(m[0], value) })
	}
	isNot := object{"not": is}
	l := logic{isTrue: at(is), isFalse: at(isNot)}
	l.notTrue, l.notFalse = object{"not": l.isTrue}, object{"not": l.isFalse}
	if len(steps) == 1 { // the same, and easier to read
		name := steps[0].members[0].Name
		l.notTrue, l.notFalse = object{"properties": object{name: isNot}}, object{"properties": object{name: is}}
	}
	return l
}

// plain are the signs of patterns that mean the same everywhere.
const plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789^$[]{},- "

// matched returns the pattern of an invariant that is matches('^…$') and nothing
// more.
func matched(expression string) object {
	pattern, ok := strings.CutPrefix(expression, "matches('^")
	if !ok {
		return nil
	}
	if pattern, ok = strings.CutSuffix(pattern, "$')"); !ok || strings.Trim(pattern, plain) != "" {
		return nil
	}
	for i := range len(pattern) {
		if strings.IndexByte(plain, pattern[i]) < 0 {
			return nil
		}
	}
	return object{"pattern": "^" + pattern + "$"}
}
