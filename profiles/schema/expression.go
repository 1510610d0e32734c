package schema

import (
	"strings"

	"trellis.example/fhir/definitions"
)

// A parser reads the part of FHIRPath that a JSON Schema can say of one object:
// and, or, implies, not(), exists(), empty(), = and != with a text, over members
// and members of members.
type parser struct {
	words []string
	pos   int
	table *definitions.Table
}

// lex splits an expression into names, texts in quotes and single signs.
func lex(s string) []string {
	var out []string
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
		case c == '\'':
			end := strings.IndexByte(s[i+1:], '\'')
			if end < 0 {
				return []string{"?"}
			}
			out = append(out, s[i:i+end+2])
			i += end + 2
		case nameByte(c):
			n := i
			for n < len(s) && nameByte(s[n]) {
				n++
			}
			out = append(out, s[i:n])
			i = n
		case strings.HasPrefix(s[i:], "!="):
			out = append(out, "!=")
			i += 2
		default:
			out = append(out, s[i:i+1])
			i++
		}
	}
	return out
}

func nameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_'
}

func (p *parser) peek() string {
	if p.pos < len(p.words) {
		return p.words[p.pos]
	}
	return ""
}

func (p *parser) take(words ...string) bool {
	for i, w := range words {
		if p.pos+i >= len(p.words) || p.words[p.pos+i] != w {
			return false
		}
	}
	p.pos += len(words)
	return true
}

func (p *parser) implies() (logic, bool) {
	l, ok := p.or()
	for ok && p.take("implies") {
		var r logic
		if r, ok = p.or(); ok {
			l = l.implies(r)
		}
	}
	return l, ok
}

func (p *parser) or() (logic, bool) {
	l, ok := p.and()
	for ok && p.take("or") {
		var r logic
		if r, ok = p.and(); ok {
			l = l.or(r)
		}
	}
	return l, ok
}

func (p *parser) and() (logic, bool) {
	l, ok := p.term()
	for ok && p.take("and") {
		var r logic
		if r, ok = p.term(); ok {
			l = l.and(r)
		}
	}
	return l, ok
}

func (p *parser) term() (l logic, ok bool) {
	if p.take("(") {
		if l, ok = p.implies(); !ok || !p.take(")") {
			return l, false
		}
	} else if l, ok = p.path(); !ok {
		return l, false
	}
	for p.take(".", "not", "(", ")") {
		l = l.not()
	}
	return l, p.peek() != "." && p.peek() != "=" && p.peek() != "!="
}

// path reads a.b.exists(), a.where(…).empty(), a.b = 'text', a in ('x' | 'y').
func (p *parser) path() (logic, bool) {
	var steps []step
	t := p.table
	for {
		name := p.peek()
		switch {
		case len(steps) > 0 && p.take("exists", "(", ")"):
			return existence(along(steps, present)), true
		case len(steps) > 0 && p.take("empty", "(", ")"):
			return existence(along(steps, present)).not(), true
		}
		if t == nil || t.Slot(name) == nil {
			return logic{}, false
		}
		p.pos++
		s := step{members: t.Slot(name).Members}
		t = s.next()
		for p.take(".", "where", "(") {
			if !p.where(&s, t) {
				return logic{}, false
			}
		}
		if p.take(".", "ofType", "(") && !p.ofType(&s, t) {
			return logic{}, false
		}
		if steps = append(steps, s); !p.take(".") {
			return p.compared(steps)
		}
	}
}

// where reads a condition on the values of a step.
func (p *parser) where(s *step, t *definitions.Table) bool {
	if t == nil {
		return false
	}
	outer := p.table
	p.table = t
	l, ok := p.implies()
	p.table = outer
	s.filters = append(s.filters, l.isTrue)
	return ok && p.take(")")
}

// ofType reads the type of a resource within a resource.
func (p *parser) ofType(s *step, t *definitions.Table) bool {
	if t != nil || len(s.members) != 1 || s.members[0].Type.Code != "Resource" {
		return false
	}
	s.filters = append(s.filters, object{"required": []string{"resourceType"}, "properties": object{"resourceType": object{"const": p.peek()}}})
	p.pos++
	return p.take(")")
}

// compared reads what a path with one value is compared with.
func (p *parser) compared(steps []step) (logic, bool) {
	for _, s := range steps {
		if len(s.members) != 1 || s.members[0].Many || len(s.filters) > 0 {
			return logic{}, false
		}
	}
	last := steps[len(steps)-1].members[0]
	if !last.Primitive() {
		return logic{}, false
	}
	negated := p.take("!=")
	switch {
	case !negated && p.take("in", "("):
		values, ok := p.values()
		return equality(steps, object{"enum": values}), ok
	case !negated && !p.take("="):
		return logic{}, false
	}
	value, ok := p.literal()
	l := equality(steps, object{"const": value})
	if negated {
		l = l.not()
	}
	return l, ok
}

func (p *parser) values() (out []any, ok bool) {
	for {
		v, ok := p.literal()
		if out = append(out, v); !ok {
			return nil, false
		}
		if !p.take("|") {
			return out, p.take(")")
		}
	}
}

func (p *parser) literal() (any, bool) {
	word := p.peek()
	p.pos++
	switch {
	case word == "true" || word == "false":
		return word == "true", true
	case len(word) < 2 || word[0] != '\'' || strings.Contains(word, `\`):
		return nil, false
	}
	return word[1 : len(word)-1], true
}

// A step is one element of a path, with conditions on its values.
type step struct {
	members []*definitions.Member
	filters []object
}

// next is the table below; nil for choices, primitives and resources, whose
// children are not followed.
func (s step) next() *definitions.Table {
	if len(s.members) != 1 || s.members[0].Primitive() {
		return nil
	}
	return s.members[0].Table()
}

// along says that there is a value at the end of the path for which last holds.
func along(steps []step, last func([]*definitions.Member) object) object {
	s := steps[0]
	if len(steps) == 1 && len(s.filters) == 0 {
		return last(s.members)
	}
	value := object{}
	if len(steps) > 1 {
		value = along(steps[1:], last)
	}
	return has(s.members[0], and(append([]object{value}, s.filters...)...))
}

// has says that one of the values of a member is so.
func has(m *definitions.Member, value object) object {
	if m.Many {
		value = object{"contains": value}
	}
	return object{"required": []string{m.Name}, "properties": object{m.Name: value}}
}
