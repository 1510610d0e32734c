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

// path reads a.b.exists(), a.empty() or a = 'text'.
func (p *parser) path() (logic, bool) {
	var steps []step
	t := p.table
	for {
		name := p.peek()
		switch {
		case len(steps) > 0 && p.take("exists", "(", ")"):
			return existence(chain(steps)), true
		case len(steps) > 0 && p.take("empty", "(", ")"):
			return existence(chain(steps)).not(), true
		}
		if t == nil || t.Slot(name) == nil || len(steps) == 2 {
			return logic{}, false
		}
		p.pos++
		s := step{members: t.Slot(name).Members}
		steps, t = append(steps, s), s.next()
		if p.take(".") {
			continue
		}
		return p.compared(steps)
	}
}

func (p *parser) compared(steps []step) (logic, bool) {
	negated := p.take("!=")
	if !negated && !p.take("=") {
		return logic{}, false
	}
	text, quoted := strings.CutPrefix(p.peek(), "'")
	members := steps[0].members
	if !quoted || len(steps) != 1 || len(members) != 1 || !members[0].Primitive() || members[0].Many || strings.Contains(text, `\`) {
		return logic{}, false
	}
	p.pos++
	l := equality(members[0].Name, strings.TrimSuffix(text, "'"))
	if negated {
		l = l.not()
	}
	return l, true
}

// A step is one element of a path.
type step struct{ members []*definitions.Member }

// next is the table below; nil for choices and primitives, whose children are
// not followed.
func (s step) next() *definitions.Table {
	if len(s.members) != 1 || s.members[0].Primitive() {
		return nil
	}
	return s.members[0].Table()
}

// chain says that something is at the end of the path.
func chain(steps []step) object {
	if len(steps) == 1 {
		return present(steps[0].members)
	}
	m, inner := steps[0].members[0], chain(steps[1:])
	if m.Many {
		inner = object{"contains": inner}
	}
	return object{"required": []string{m.Name}, "properties": object{m.Name: inner}}
}
