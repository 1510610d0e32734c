package profiles

import (
	"fmt"
	"strings"

	"trellis.example/fhir"
	"trellis.example/fhir/path"
)

// A profile is a StructureDefinition compiled to checks that come on top of the
// base definition. What a differential may say here: min, max, fixed[x],
// pattern[x], reference targets, constraints, and slicing by the value of a
// child such as identifier.system. Anything else in it that could refuse a
// document is an error of the profile itself.
type profile struct {
	Profile
	base   string // canonical of the profile it builds on
	rules  []rule // on the resource
	checks []check
}

// A check is one element of a differential.
type check struct {
	rule    string
	name    string     // the element's name, for a missing one
	parent  *path.Path // nil: the resource itself
	child   *path.Path
	min     int
	max     int // -1: not restricted
	fixed   fhir.Value
	pattern fhir.Value
	targets []string
	rules   []rule
}

func newProfile(n *nodes, b []byte) (*profile, error) {
	r, err := fhir.Decode(b)
	if err != nil {
		return nil, err
	}
	root := r.Root()
	p := &profile{base: root.Get("baseDefinition").Text(), Profile: Profile{
		URL: root.Get("url").Text(), Type: root.Get("type").Text(),
		Version: root.Get("version").Text(), Title: root.Get("title").Text(), JSON: b,
	}}
	c := profileCompiler{nodes: n, p: p, filters: map[string]string{}}
	elements := root.At("differential", "element")
	for e := range elements.All() {
		c.slicing(e, elements)
	}
	for e := range elements.All() {
		if err := c.element(e); err != nil {
			return nil, fmt.Errorf("%s: %w", e.Get("id").Text(), err)
		}
	}
	return p, nil
}

type profileCompiler struct {
	nodes   *nodes
	p       *profile
	filters map[string]string // element id of a slice: its path segment
}

// slicing finds, for every slice of e, the value that marks its members.
func (c *profileCompiler) slicing(e, elements fhir.Value) {
	by := e.At("slicing", "discriminator", 0, "path").Text()
	prefix := e.Get("id").Text() + ":"
	if by == "" {
		return
	}
	for s := range elements.All() {
		slice, child, _ := strings.Cut(strings.TrimPrefix(s.Get("id").Text(), prefix), ".")
		if !strings.HasPrefix(s.Get("id").Text(), prefix) || child != by {
			continue
		}
		value := suffixed(s, "fixed")
		if !value.Exists() {
			value = suffixed(s, "pattern")
		}
		name := prefix[strings.LastIndexByte(prefix[:len(prefix)-1], '.')+1 : len(prefix)-1]
		c.filters[prefix+slice] = name + ".where(" + by + " = '" + strings.ReplaceAll(value.Text(), "'", `\'`) + "')"
	}
}

// suffixed returns the member whose name is a prefix and a type, as in
// fixedUri.
func suffixed(e fhir.Value, prefix string) fhir.Value {
	for m := range e.All() {
		if strings.HasPrefix(m.Key(), prefix) {
			return m
		}
	}
	return fhir.Value{}
}

func (c *profileCompiler) element(e fhir.Value) error {
	segments := strings.Split(e.Get("id").Text(), ".")
	if len(segments) == 1 {
		rules, err := c.rules(e, c.p.Type)
		c.p.rules = rules
		return err
	}
	parentPath, err := c.parent(segments)
	if err != nil {
		return err
	}
	last := segments[len(segments)-1]
	name, _, _ := strings.Cut(strings.TrimSuffix(last, "[x]"), ":")
	k := check{name: name, rule: c.p.URL[strings.LastIndexByte(c.p.URL, '/')+1:] + "#" + e.Get("id").Text(), max: -1}
	expr := name
	if f := c.filters[strings.Join(segments, ".")]; f != "" {
		expr = f
	}
	if k.child, err = path.Compile(expr, parentPath); err != nil {
		return err
	}
	if len(segments) > 2 {
		if k.parent, err = path.Compile(c.expression(segments[:len(segments)-1]), c.p.Type); err != nil {
			return err
		}
	}
	if err := k.limits(e); err != nil {
		return err
	}
	if k.rules, err = c.rules(e, c.childType(parentPath, name)); err != nil {
		return err
	}
	if k.useful() {
		c.p.checks = append(c.p.checks, k)
	}
	return nil
}

// parent returns the definition path of the element above.
func (c *profileCompiler) parent(segments []string) (string, error) {
	names := make([]string, 0, len(segments))
	for _, s := range segments[:len(segments)-1] {
		name, _, _ := strings.Cut(strings.TrimSuffix(s, "[x]"), ":")
		names = append(names, name)
	}
	p := strings.Join(names, ".")
	if c.nodes.defs.TableAt(p) == nil {
		return "", fmt.Errorf("there is no element %s", p)
	}
	return p, nil
}

// expression writes element ids as a path from the resource.
func (c *profileCompiler) expression(segments []string) string {
	parts := make([]string, 0, len(segments))
	for i := 1; i < len(segments); i++ {
		name, _, _ := strings.Cut(strings.TrimSuffix(segments[i], "[x]"), ":")
		if f := c.filters[strings.Join(segments[:i+1], ".")]; f != "" {
			name = f
		}
		parts = append(parts, name)
	}
	return strings.Join(parts, ".")
}

func (c *profileCompiler) childType(parentPath, name string) string {
	s := c.nodes.defs.TableAt(parentPath).Slot(name)
	if s == nil || len(s.Members) == 0 {
		return ""
	}
	if t := s.Members[0].Type.Code; t != "BackboneElement" && t != "Element" {
		return t
	}
	return parentPath + "." + name
}

func (c *profileCompiler) rules(e fhir.Value, root string) ([]rule, error) {
	var out []rule
	for k := range e.Get("constraint").Items() {
		r := rule{key: k.Get("key").Text(), human: k.Get("human").Text(), warning: k.Get("severity").Text() == "warning"}
		var err error
		if r.path, err = path.Compile(k.Get("expression").Text(), root); err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

func (k *check) limits(e fhir.Value) error {
	for m := range e.All() {
		switch key := m.Key(); {
		case key == "min":
			_, err := fmt.Sscanf(m.Text(), "%d", &k.min)
			if err != nil {
				return err
			}
		case key == "max" && m.Text() != "*":
			if _, err := fmt.Sscanf(m.Text(), "%d", &k.max); err != nil {
				return err
			}
		case strings.HasPrefix(key, "fixed"):
			k.fixed = m
		case strings.HasPrefix(key, "pattern"):
			k.pattern = m
		case key == "type":
			k.types(m)
		case key == "binding" && m.Get("strength").Text() == "required":
			return fmt.Errorf("required bindings in profiles are not supported")
		}
	}
	return nil
}

// types narrows the targets of a reference.
func (k *check) types(list fhir.Value) {
	for t := range list.Items() {
		for p := range t.Get("targetProfile").Items() {
			k.targets = append(k.targets, p.Text()[strings.LastIndexByte(p.Text(), '/')+1:])
		}
	}
}

func (k *check) useful() bool {
	return k.min > 0 || k.max >= 0 || k.fixed.Exists() || k.pattern.Exists() || len(k.targets) > 0 || len(k.rules) > 0
}
