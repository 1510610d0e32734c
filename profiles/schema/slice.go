package schema

import (
	"strings"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
	"trellis.example/profiles/snapshot"
)

// A criterion says which values are in a slice.
type criterion struct {
	schema object
	// path and text are set where the slice is known by one text at one place:
	// two such slices with different texts have no value in common.
	path, text string
}

// apart reports whether no value meets both criteria.
func (c criterion) apart(o criterion) bool {
	return c.path != "" && c.path == o.path && c.text != o.text
}

// slices adds what is asked of the slices of a repeating element. A value is in
// the first slice whose criteria it meets.
func (b *builder) slices(list *shape, o *outline, m *definitions.Member) {
	var before []criterion
	var known []any
	for i, s := range o.slices {
		if strings.HasSuffix(s.slice, "@default") || strings.Contains(s.slice, "/") || m.Table() == nil {
			b.note("slices: %s", s.e.ID)
			continue
		}
		c, ok := b.criterion(o, s, m)
		if !ok {
			for _, rest := range o.slices[i:] {
				b.note("slices: %s", rest.e.ID)
			}
			return
		}
		b.slice(list, s, m, c.without(before))
		before = append(before, c)
		known = append(known, c.schema)
	}
	switch given := o.e.Slicing; {
	case given == nil || len(known) == 0:
	case given.Rules == "closed":
		list.all = append(list.all, object{"items": object{"anyOf": known}})
	case given.Ordered || given.Rules == "openAtEnd":
		b.note("slices: the order of %s", o.e.ID)
	}
	if given := o.e.Slicing; given != nil && given.Rules == "closed" && given.Ordered {
		b.note("slices: the order of %s", o.e.ID)
	}
}

// without leaves out what is in a slice that stands before.
func (c criterion) without(before []criterion) object {
	all := []object{c.schema}
	for _, o := range before {
		if !c.apart(o) {
			all = append(all, object{"not": o.schema})
		}
	}
	return and(all...)
}

// slice says how many values of a slice there may be and what each must be.
func (b *builder) slice(list *shape, s *outline, m *definitions.Member, in object) {
	if s.e.Min > 0 || s.e.Max >= 0 {
		count := object{"contains": in, "minContains": s.e.Min}
		if s.e.Max >= 0 {
			count["maxContains"] = s.e.Max
		}
		list.all = append(list.all, count)
	}
	if then := b.restricted(s, &definitions.Slot{Element: &definitions.Element{}}, m, true); len(then) > 0 {
		list.all = append(list.all, object{"items": object{"if": in, "then": then}})
	}
}

// criterion joins what the discriminators say of a slice; false when a JSON
// Schema cannot say it.
func (b *builder) criterion(o, s *outline, m *definitions.Member) (criterion, bool) {
	by := []snapshot.Discriminator{{Type: "value", Path: "url"}}
	if g := o.e.Slicing; g != nil && len(g.Discriminators) > 0 {
		by = g.Discriminators
	} else if m.Type.Code != "Extension" {
		return criterion{}, false
	}
	out := criterion{}
	var all []object
	for _, d := range by {
		c, ok := b.test(s, d, m)
		if !ok {
			return out, false
		}
		all = append(all, c.schema)
		if out = c; len(by) > 1 {
			out.path = ""
		}
	}
	out.schema = and(all...)
	return out, true
}

// test is what one discriminator says.
func (b *builder) test(s *outline, d snapshot.Discriminator, m *definitions.Member) (criterion, bool) {
	if strings.ContainsAny(d.Path, "()") {
		return criterion{}, false
	}
	at, table := s, m.Table()
	var steps []step
	if d.Path != "$this" && d.Path != "" {
		for name := range strings.SplitSeq(d.Path, ".") {
			if table == nil || table.Slot(name) == nil || at == nil && len(steps) == 0 {
				return criterion{}, false
			}
			slot := table.Slot(name)
			steps = append(steps, step{members: slot.Members})
			if at != nil {
				at = at.child(name)
			}
			table = steps[len(steps)-1].next()
		}
	}
	switch d.Type {
	case "value", "pattern":
		return b.valueTest(s, at, d.Path, steps)
	case "type":
		return typeTest(at, steps)
	case "exists":
		return existsTest(at, steps)
	}
	return criterion{}, false
}

func (b *builder) valueTest(s, at *outline, path string, steps []step) (criterion, bool) {
	v, exact := fhir.Value{}, true
	if at != nil {
		if v = at.e.Fixed; !v.Exists() {
			v, exact = at.e.Pattern, false
		}
	}
	if !v.Exists() {
		if url := extensionURL(s); path == "url" && url != "" {
			return criterion{schema: reach(steps, object{"const": url}), path: path, text: url}, true
		}
		return criterion{}, false
	}
	value := including(v)
	if exact {
		value = exactly(v)
	}
	c := criterion{schema: value}
	if len(steps) > 0 {
		c.schema = reach(steps, value)
	}
	if v.Kind() == fhir.String && len(steps) == 1 && !steps[0].members[0].Many {
		c.path, c.text = path, v.Text()
	}
	return c, len(steps) == 0 || single(steps)
}

// single reports whether every step is an element of one type.
func single(steps []step) bool {
	for _, s := range steps {
		if len(s.members) != 1 {
			return false
		}
	}
	return true
}

// reach says that a value at the end of the path is so.
func reach(steps []step, value object) object {
	return along(steps, func(m []*definitions.Member) object { return has(m[0], value) })
}

func extensionURL(s *outline) string {
	if len(s.e.Types) != 1 || len(s.e.Types[0].Profiles) != 1 {
		return ""
	}
	url, _, _ := strings.Cut(s.e.Types[0].Profiles[0], "|")
	return url
}

// typeTest knows resources within the document by their type.
func typeTest(at *outline, steps []step) (criterion, bool) {
	if at == nil || len(at.e.Types) != 1 || len(steps) != 1 || steps[0].members[0].Type.Code != "Resource" {
		return criterion{}, false
	}
	typ := at.e.Types[0].Code
	is := object{"required": []string{"resourceType"}, "properties": object{"resourceType": object{"const": typ}}}
	return criterion{schema: reach(steps, is), path: "type " + steps[0].members[0].Name, text: typ}, true
}

func existsTest(at *outline, steps []step) (criterion, bool) {
	switch {
	case at == nil || len(steps) == 0:
		return criterion{}, false
	case at.e.Max == 0:
		return criterion{schema: object{"not": along(steps, present)}}, true
	case at.e.Min > 0:
		return criterion{schema: along(steps, present)}, true
	}
	return criterion{}, false
}

// typeSlices adds what is asked of one type of a choice.
func (b *builder) typeSlices(s *shape, o *outline, slot *definitions.Slot) {
	for _, one := range o.slices {
		var member *definitions.Member
		for _, m := range slot.Members {
			if len(one.e.Types) == 1 && m.Type.Code == one.e.Types[0].Code {
				member = m
			}
		}
		if member == nil {
			b.note("slices: %s", one.e.ID)
			continue
		}
		if one.e.Min > 0 {
			s.requireSlot([]*definitions.Member{member})
		}
		if one.e.Max == 0 {
			s.forbid(member)
			continue
		}
		s.property(member.Name, b.restricted(one, slot, member, true))
	}
}
