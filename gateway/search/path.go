package search

import (
	"regexp"
	"strings"
)

// A path is one alternative of a SearchParameter expression: member names from
// the root, and what the value found there must be.
type path struct {
	steps []string
	// last are the names under which the last step may stand: a choice element
	// has one per type.
	last []string
	// target is the resource type that a reference must point to, or "".
	target string
	// system is the ContactPoint.system that a value must have, or "".
	system string
}

var (
	asOperator = regexp.MustCompile(`^\((.+) as ([A-Za-z]+)\)`)
	resolveIs  = regexp.MustCompile(`^where\(resolve\(\) is ([A-Za-z]+)\)$`)
	systemIs   = regexp.MustCompile(`^where\(system='([a-z]+)'\)$`)
	asFunction = regexp.MustCompile(`^(?:as|ofType)\(([A-Za-z]+)\)$`)
)

// paths returns the alternatives of expr that start at the type. ok is false
// when one of them uses FHIRPath that needs more than walking.
func paths(expr, typ string) (out []path, ok bool) {
	for alt := range strings.SplitSeq(expr, "|") {
		alt = strings.TrimSpace(alt)
		if !strings.HasPrefix(strings.TrimPrefix(alt, "("), typ+".") {
			continue
		}
		if alt[0] == '(' {
			alt = asOperator.ReplaceAllString(alt, "$1.as($2)")
		}
		first, rest, _ := strings.Cut(alt, ".")
		if first != typ {
			return nil, false
		}
		p, ok := onePath(rest)
		if !ok {
			return nil, false
		}
		out = append(out, p)
	}
	return out, len(out) > 0
}

func onePath(expr string) (p path, ok bool) {
	choice := ""
	for _, step := range splitSteps(expr) {
		switch {
		case isName(step):
			if choice != "" { // a step below a choice: its type belongs to the name
				p.steps[len(p.steps)-1] += choice
				choice = ""
			}
			p.steps = append(p.steps, step)
		case resolveIs.MatchString(step):
			p.target = resolveIs.FindStringSubmatch(step)[1]
		case systemIs.MatchString(step):
			p.system = systemIs.FindStringSubmatch(step)[1]
		case asFunction.MatchString(step):
			typ := asFunction.FindStringSubmatch(step)[1]
			choice = strings.ToUpper(typ[:1]) + typ[1:]
		default:
			return p, false
		}
	}
	if len(p.steps) == 0 {
		return p, false
	}
	p.end(choice)
	return p, true
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

// end moves the last step to the names under which it may stand.
func (p *path) end(choice string) {
	name := p.steps[len(p.steps)-1]
	p.steps = p.steps[:len(p.steps)-1]
	if choice != "" {
		p.last = []string{name + choice}
		return
	}
	p.last = append(p.last, name)
	for _, typ := range choiceTypes {
		p.last = append(p.last, name+typ)
	}
}

// choiceTypes are the types that a choice element of a token, date, reference
// or uri parameter may have. A name made of them that R4 does not have never
// occurs: unknown elements are refused before anything is indexed.
var choiceTypes = [...]string{
	"Boolean", "Canonical", "CodeableConcept", "DateTime", "Date", "Instant", "Period", "Reference", "String", "Timing", "Uri",
}

// splitSteps splits at dots outside parentheses.
func splitSteps(expr string) []string {
	var out []string
	depth, from := 0, 0
	for i := range len(expr) {
		switch expr[i] {
		case '(':
			depth++
		case ')':
			depth--
		case '.':
			if depth == 0 {
				out, from = append(out, expr[from:i]), i+1
			}
		}
	}
	return append(out, expr[from:])
}
