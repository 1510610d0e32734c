package mapping

import (
	"slices"
	"strings"
)

func (c *compiler) rules() {
	seen := map[string]bool{"residue": true}
	types := typeSpecs()
	for i := range c.m.spec.Rules {
		s := &c.m.spec.Rules[i]
		if seen[s.ID] {
			c.errorf("rule %s: the id is taken", s.ID)
		}
		seen[s.ID] = true
		c.rule(s, types)
	}
	for _, r := range c.m.refs {
		if c.reference(r); r.link && r.ref != nil {
			c.link(r)
		}
	}
}

func (c *compiler) rule(s *ruleSpec, types map[string]typeSpec) {
	where := "rule " + s.ID
	group, ok := c.groupIndex[s.Each]
	if !ok {
		c.errorf("%s: there is no group %s", where, s.Each)
		return
	}
	r := &rule{spec: s, group: group, dir: directionOf(s.Dir), joins: s.Type == "join", raw: s.Type == "raw", link: s.Type == "link"}
	if s.Value != nil {
		r.constJSON, r.constText = quoteConst(s.Value)
	}
	r.isConst = s.Value != nil && !slices.Contains([]string{"headed", "prefixed", "reference", "link", "join"}, s.Type)
	for _, p := range s.paths() {
		r.sources = append(r.sources, c.source(where, p, group))
	}
	for _, p := range s.Sum {
		r.sum = append(r.sum, c.source(where, p, group))
	}
	r.when = c.conds(where, s.When, group)
	c.checkShape(r, where)
	c.converter(r, where, types)
	if s.FHIR != "" {
		c.target(r, where)
	}
	c.m.rules = append(c.m.rules, r)
	if s.Type == "reference" || r.link {
		c.m.refs = append(c.m.refs, r)
		c.m.groups[group].refs = append(c.m.groups[group].refs, r)
	} else {
		c.m.groups[group].rules = append(c.m.groups[group].rules, r)
	}
}

func directionOf(dir string) direction {
	switch dir {
	case "in":
		return inward
	case "out":
		return outward
	}
	return inward | outward
}

// checkShape refuses combinations of keys that the schema cannot.
func (c *compiler) checkShape(r *rule, where string) {
	s := r.spec
	hasSource := len(r.sources) > 0
	switch {
	case s.Type == "headed" && (r.constText == "" || !hasSource):
		c.errorf("%s: type headed needs partner and a heading in value", where)
	case s.Type == "prefixed" && (r.constText == "" || !hasSource):
		c.errorf("%s: type prefixed needs partner, and in value what stands before the partner's text", where)
	case r.raw && (!hasSource || s.Loss == "" || c.m.groups[r.group].split != "" && len(r.sources[0].rest) == 0):
		c.errorf("%s: type raw needs partner, which is no part of a split list, and a loss that says why FHIR cannot express it", where)
	case s.Type == "reference" && (r.constText == "" || hasSource || s.FHIR == ""):
		c.errorf("%s: type reference needs fhir and an instance in value, and no partner", where)
	case r.link && (r.constText == "" || !hasSource || s.FHIR == ""):
		c.errorf("%s: type link needs partner, fhir and an instance in value", where)
	case len(s.Sum) > 0 && (s.Type != "integer" && s.Table == "" || len(s.paths()) > 1 && r.dir != inward):
		c.errorf("%s: a sum is an integer or is looked up in a table, and one without a partner's field cannot be written: say dir: in and why", where)
	case (s.Min != nil || s.Max != nil) && s.Type != "integer" && s.Type != "decimal":
		c.errorf("%s: min and max need type integer or decimal", where)
	case r.isConst && hasSource && s.FHIR != "":
		c.errorf("%s: a constant has no partner", where)
	case s.Type == "join" && r.dir != inward:
		c.errorf("%s: joined text cannot be taken apart: say dir: in and why", where)
	case s.Required && !hasSource, s.Default != "" && !hasSource:
		c.errorf("%s: required and default need partner", where)
	case s.Table != "" && !slices.Contains([]string{"code", "coding", "integer", "decimal", "boolean"}, s.Type):
		c.errorf("%s: a table needs type code, coding, integer, decimal or boolean", where)
	}
}

func (c *compiler) converter(r *rule, where string, types map[string]typeSpec) {
	if r.isConst || r.drops() && r.spec.Type == "" || r.spec.Type == "reference" || r.link {
		return
	}
	if r.spec.Table != "" {
		if r.table = c.m.tables[r.spec.Table]; r.table == nil {
			c.errorf("%s: there is no table %s", where, r.spec.Table)
			return
		}
	}
	typ := r.spec.Type
	if typ == "" {
		typ = "text"
	}
	spec, ok := types[typ]
	if !ok {
		c.errorf("%s: there is no type %s", where, typ)
		return
	}
	conv, err := spec(r)
	if err != nil {
		c.errorf("%s: %w", where, err)
		return
	}
	if r.dir&outward != 0 && conv.out == nil {
		c.errorf("%s: type %s cannot be inverted: say dir: in and why", where, typ)
	}
	r.conv = conv
}

// target binds the rule to its place in an instance.
func (c *compiler) target(r *rule, where string) {
	steps, err := parseFHIRPath(r.spec.FHIR)
	if err != nil {
		c.errorf("%s: %w", where, err)
		return
	}
	if r.spec.Type == "reference" || r.link {
		steps = append(steps, fstep{key: "reference"})
	}
	name, star := strings.CutSuffix(r.spec.Resource, "[*]")
	typ, _, _ := strings.Cut(name, ":")
	stars := 0
	if star {
		stars++
	}
	for _, s := range steps {
		if s.star {
			stars++
		}
	}
	chain := c.m.chain(r.group)
	if stars > len(chain) {
		c.errorf("%s: %d stars but %d groups", where, stars, len(chain))
		return
	}
	bound := chain[len(chain)-stars:]
	r.firsts = c.m.firsts(chain[:len(chain)-stars], star)
	if stars > 0 {
		r.region = bound[stars-1]
	}
	instGroup := 0
	if star {
		instGroup, bound = bound[0], bound[1:]
	}
	r.inst = c.instance(where, name, typ, star, instGroup)
	r.steps, r.expr = steps, expression(typ, steps)
	c.place(r, where, bound)
}

// firsts are the groups around a rule's stars of which only the first element
// counts: none for a resource per element, or where the group says so.
func (m *Map) firsts(outer []int, star bool) []int {
	if star {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(outer), func(g int) bool { return m.groups[g].all })
}

func (c *compiler) instance(where, name, typ string, star bool, group int) *instance {
	for _, inst := range c.m.instances {
		if inst.name == name {
			if inst.star != star || inst.group != group {
				c.errorf("%s: %s repeats over another group in an earlier rule", where, name)
			}
			return inst
		}
	}
	inst := &instance{name: name, typ: typ, star: star, group: group, bit: uint(len(c.m.instances)), root: &tnode{}}
	if len(c.m.instances) == 64 {
		c.errorf("%s: more than 64 instances", where)
	}
	c.m.instances = append(c.m.instances, inst)
	return inst
}

// place finds or makes the leaf of the template that the rule writes.
func (c *compiler) place(r *rule, where string, stars []int) {
	n := r.inst.root
	for _, s := range r.steps {
		n = n.member(s.key)
		if s.array {
			group := 0
			if s.star {
				group, stars = stars[0], stars[1:]
			}
			n.array = true
			n = n.element(s, group)
			if n == nil {
				c.errorf("%s: %s repeats over another group in an earlier rule: name one of them, as in note[a*]", where, s.key)
				return
			}
		}
	}
	if len(n.kids) > 0 || n.parentIsLeaf() {
		c.errorf("%s: another rule writes above or below %s", where, r.expr)
		return
	}
	for _, other := range n.rules {
		if other.region != r.region {
			c.errorf("%s: rule %s writes the same place from another group", where, other.spec.ID)
		}
		if len(other.when) == 0 && len(r.when) == 0 && other.dir&r.dir&inward != 0 {
			c.errorf("%s: rule %s always writes the same place: one of them needs when", where, other.spec.ID)
		}
	}
	if len(n.rules) == 0 {
		n.index = c.m.groups[r.region].values
		c.m.groups[r.region].values++
	}
	n.rules = append(n.rules, r)
	r.leaf = n
}

// reference binds a reference to the instance it points to.
func (c *compiler) reference(r *rule) {
	name, star := strings.CutSuffix(r.constText, "[*]")
	for _, inst := range c.m.instances {
		if inst.name == name {
			r.ref = inst
		}
	}
	where := "rule " + r.spec.ID
	switch {
	case r.ref == nil:
		c.errorf("%s: no rule writes to %s", where, name)
	case r.link:
	case r.ref.star != star:
		c.errorf("%s: %s and the value disagree about [*]", where, name)
	case star && !slices.Contains(c.m.chain(r.group), r.ref.group):
		c.errorf("%s: each must be the group of %s", where, name)
	}
}

// checkInverse refuses rules that claim to work backwards but cannot be found
// there.
func (c *compiler) checkInverse() {
	for _, r := range c.m.rules {
		if r.inst == nil || r.isConst || r.ref != nil || r.dir&outward == 0 {
			continue
		}
		for n := r.leaf; n != nil; n = n.parent {
			if n.slotName() != "" && len(n.marks) == 0 {
				c.errorf("rule %s: nothing tells %s[%s] from its siblings on the way back: add a constant to it, or say dir: in and why",
					r.spec.ID, n.parent.key, n.slotName())
			}
		}
	}
}
