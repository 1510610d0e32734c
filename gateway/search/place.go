package search

import (
	"regexp"
	"strings"

	"trellis.example/fhir/definitions"
)

// A place is one alternative of a SearchParameter expression, bound to the
// definitions: the JSON members that lead to an element, and what it is.
type place struct {
	steps []string
	// typ is the data type of the element: "CodeableConcept", "code".
	typ   string
	table *definitions.Table
	// set is the required binding of a code, or "".
	set string
	// many: a document can have several of it.
	many bool
	// choice names the steps with a choice's name in place of its member's.
	choice string
	// target is the resource type that a reference must point to, or "".
	target string
	// system is the ContactPoint.system that a value must have, or "".
	system string
}

// key names the elements selected: parameters that differ in their target alone
// share them.
func (p place) key() string { return strings.Join(p.steps, ".") + "?" + p.system }

var (
	asOperator = regexp.MustCompile(`^\(([A-Za-z.]+) as ([A-Za-z]+)\)`)
	resolveIs  = regexp.MustCompile(`^where\(resolve\(\) is ([A-Za-z]+)\)$`)
	systemIs   = regexp.MustCompile(`^where\(system='([a-z]+)'\)$`)
	asFunction = regexp.MustCompile(`^(?:as|ofType)\(([A-Za-z]+)\)$`)
)

// bind returns the places of the alternatives of expr that start at the type of
// the table, or at one of its bases. ok is false when one of them needs more
// than walking.
func bind(defs *definitions.Definitions, expr string, table *definitions.Table) (out []place, ok bool) {
	for _, alt := range alternativesOf(expr) {
		first, rest, _ := strings.Cut(alt, ".")
		if !isName(first) {
			return nil, false
		}
		if !defs.IsA(table.Type, first) {
			continue
		}
		ps, ok := follow(rest, table)
		if !ok {
			return nil, false
		}
		out = append(out, ps...)
	}
	return out, true
}

// alternativesOf splits a union and writes "(x as T)" as "x.as(T)".
func alternativesOf(expr string) []string {
	out := splitOutside(expr, '|')
	for i, alt := range out {
		out[i] = asOperator.ReplaceAllString(strings.TrimSpace(alt), "$1.as($2)")
	}
	return out
}

// follow binds an expression relative to a table; the empty one is the table's
// own element.
func follow(expr string, table *definitions.Table) ([]place, bool) {
	cur := []place{{table: table, typ: table.Type}}
	if expr == "" {
		return cur, true
	}
	for _, step := range splitOutside(expr, '.') {
		var ok bool
		if cur, ok = oneStep(cur, step); !ok {
			return nil, false
		}
	}
	return cur, true
}

func oneStep(cur []place, step string) (next []place, ok bool) {
	as := asFunction.FindStringSubmatch(step)
	for _, p := range cur {
		switch {
		case isName(step):
			children, ok := p.children(step)
			if !ok {
				return nil, false
			}
			next = append(next, children...)
			continue
		case as != nil:
			if !strings.EqualFold(p.typ, as[1]) {
				continue
			}
		case resolveIs.MatchString(step):
			p.target = resolveIs.FindStringSubmatch(step)[1]
		case systemIs.MatchString(step):
			p.system = systemIs.FindStringSubmatch(step)[1]
		default:
			return nil, false
		}
		next = append(next, p)
	}
	return next, true
}

func (p place) children(name string) (out []place, ok bool) {
	if p.table == nil {
		return nil, false
	}
	slot := p.table.Slot(name)
	if slot == nil {
		return nil, false
	}
	for _, m := range slot.Members {
		c := place{typ: m.Type.Code, table: m.Table(), many: p.many || m.Many, choice: p.choice + "." + name}
		c.steps = append(append(c.steps, p.steps...), m.Name)
		if m.Type.Code == "code" {
			c.set = slot.ValueSet
		}
		out = append(out, c)
	}
	return out, true
}

// isName reports whether a step is an element's name and nothing else.
func isName(s string) bool {
	for i := range len(s) {
		if c := s[i] | 0x20; c < 'a' || c > 'z' {
			return false
		}
	}
	return s != ""
}

// splitOutside splits at sep outside parentheses and quotes.
func splitOutside(expr string, sep byte) []string {
	var out []string
	depth, from, quoted := 0, 0, false
	for i := range len(expr) {
		switch c := expr[i]; {
		case c == '\'':
			quoted = !quoted
		case quoted:
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == sep && depth == 0:
			out, from = append(out, expr[from:i]), i+1
		}
	}
	return append(out, expr[from:])
}
