package terminology

import (
	"regexp"
	"strings"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
)

// filter narrows the part by the filters of its include (R4 ValueSet,
// compose.include.filter). A filter that the codes held here do not decide
// makes every code that passes the others Unknown.
func (p *part) filter(inc include) error {
	for _, f := range inc.filters {
		if f.Op == "regex" && isCode(f.Property) {
			if err := p.pattern(f.Value); err != nil {
				return err
			}
			continue
		}
		pass, why, err := p.test(f)
		if err != nil {
			return err
		}
		if why != "" {
			p.codes, p.rest, p.why = map[string]int32{}, formOf(inc.system), why
			continue
		}
		p.keep(pass)
	}
	return nil
}

func isCode(property string) bool { return property == "concept" || property == "code" }

// test returns the predicate of a filter over the system's concepts, or why it
// cannot be decided.
func (p *part) test(f definitions.Filter) (pass func(int32) bool, why string, err error) {
	if p.system == nil || !p.system.complete {
		return nil, "the filter " + f.Property + " " + f.Op + " needs all of " + p.url + ", which is not held here", nil
	}
	if isCode(f.Property) {
		pass = p.conceptTest(f)
	} else {
		pass, err = p.propertyTest(f)
	}
	if err != nil || pass != nil {
		return pass, "", err
	}
	return nil, "the filter " + f.Property + " " + f.Op + " cannot be decided here", nil
}

// conceptTest is a filter by place in the hierarchy or by code; nil when the
// root or the operator is not known.
func (p *part) conceptTest(f definitions.Filter) func(int32) bool {
	s := p.system
	switch f.Op {
	case "in", "not-in":
		want := f.Op == "in"
		return func(i int32) bool { return inList(f.Value, s.concepts[i].Code) == want }
	case "=":
		return func(i int32) bool { return s.concepts[i].Code == f.Value }
	}
	root := s.find(f.Value)
	if root < 0 {
		return nil
	}
	switch f.Op {
	case "is-a":
		return func(i int32) bool { return s.isA(i, root) }
	case "descendent-of":
		return func(i int32) bool { return i != root && s.isA(i, root) }
	case "is-not-a":
		return func(i int32) bool { return !s.isA(i, root) }
	case "generalizes":
		return func(i int32) bool { return s.isA(root, i) }
	}
	return nil
}

// inList reports whether a comma-separated list has the code.
func inList(list, code string) bool {
	for c := range strings.SplitSeq(list, ",") {
		if strings.TrimSpace(c) == code {
			return true
		}
	}
	return false
}

// propertyTest is a filter by a property; nil when no code held here has it and
// it is none that every system has.
func (p *part) propertyTest(f definitions.Filter) (func(int32) bool, error) {
	if !p.system.knows(f.Property) {
		return nil, nil
	}
	var match func(string) bool
	switch f.Op {
	case "=":
		match = func(v string) bool { return v == f.Value }
	case "in", "not-in":
		match = func(v string) bool { return inList(f.Value, v) }
	case "exists":
		match = func(string) bool { return true }
	case "regex":
		re, err := boundedRegexp(f.Value)
		if err != nil {
			return nil, err
		}
		match = re.MatchString
	default:
		return nil, nil
	}
	want := f.Op != "not-in" && (f.Op != "exists" || f.Value == "true")
	return func(i int32) bool { return p.system.property(i, f.Property, match) == want }, nil
}

// knows reports whether the property is one that is held: a built-in one, or
// one that some concept has.
func (s *system) knows(property string) bool {
	switch property {
	case "display", "definition", "parent", "child", "notSelectable", "inactive":
		return true
	}
	for i := range s.concepts {
		for _, p := range s.concepts[i].Properties {
			if p.Code == property {
				return true
			}
		}
	}
	return false
}

// property reports whether a value of the concept's property matches.
func (s *system) property(i int32, name string, match func(string) bool) bool {
	c := &s.concepts[i]
	switch name {
	case "display":
		return match(c.Display)
	case "definition":
		return match(c.Definition)
	case "notSelectable":
		return match(boolText(c.Abstract))
	case "inactive":
		return match(boolText(c.Inactive))
	case "parent":
		for _, p := range c.parents {
			if match(s.concepts[p].Code) {
				return true
			}
		}
		return false
	case "child":
		return s.childMatches(i, match)
	}
	for _, p := range c.Properties {
		if p.Code == name && match(p.Value) {
			return true
		}
	}
	return false
}

func (s *system) childMatches(i int32, match func(string) bool) bool {
	for j := range s.concepts {
		for _, p := range s.concepts[j].parents {
			if p == i && match(s.concepts[j].Code) {
				return true
			}
		}
	}
	return false
}

func boolText(b bool) string {
	if b {
		return "true"
	}
	return "false"
}

// pattern narrows the part to codes that match, also where the system's codes
// are not held: then a code that does not match is no, and one that does stays
// what it was.
func (p *part) pattern(expr string) error {
	re, err := boundedRegexp(expr)
	if err != nil {
		return err
	}
	if p.system != nil {
		p.keep(func(i int32) bool { return re.MatchString(p.system.concepts[i].Code) })
	}
	if before := p.rest; before != nil {
		p.rest = func(code string) Answer {
			if !re.MatchString(code) {
				return No
			}
			return before(code)
		}
	}
	return nil
}

// boundedRegexp compiles a pattern that must match in full. RE2 takes linear
// time, so only the pattern's size needs a limit.
func boundedRegexp(expr string) (*regexp.Regexp, error) {
	if len(expr) > maxPattern {
		return nil, fhir.Errorf(fhir.TooCostly, "a pattern of a filter may have %d characters", maxPattern)
	}
	re, err := regexp.Compile("^(?:" + expr + ")$")
	if err != nil {
		// The error of the parser would show the pattern.
		return nil, fhir.Errorf(fhir.BadValue, "the pattern of a filter cannot be read; RE2 syntax is supported")
	}
	return re, nil
}
