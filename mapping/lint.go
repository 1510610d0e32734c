package mapping

import (
	"fmt"
	"slices"

	"trellis.example/fhir"
)

// A Finding is something that is wrong, or odd, in a map that compiles.
type Finding struct {
	// Error says that the map must not be used like this.
	Error bool `json:"error"`
	// Place is a rule id, a field, a table or a group.
	Place string `json:"place"`
	Text  string `json:"text"`
}

// A Field tells what a map does with one field of the partner's format.
type Field struct {
	Name string `json:"name"`
	// In are the rules that carry the field into FHIR, Out those that write it.
	In  []string `json:"in"`
	Out []string `json:"out"`
	// Dropped are the rules that lose it on purpose.
	Dropped []string `json:"dropped"`
	// Asked are the conditions and the key, as far as they read it.
	Asked []string `json:"asked"`
}

// A Coverage tells which of the partner's fields a map carries.
type Coverage struct {
	Fields []Field `json:"fields"`
	// In and Out count the fields that are carried each way.
	In  int `json:"in"`
	Out int `json:"out"`
}

// Coverage lists the partner's fields with the rules that handle them.
func (m *Map) Coverage() Coverage {
	var c Coverage
	for _, name := range m.spec.Fields {
		f := m.field(name)
		if len(f.In) > 0 {
			c.In++
		}
		if len(f.Out) > 0 {
			c.Out++
		}
		c.Fields = append(c.Fields, f)
	}
	return c
}

func (m *Map) field(name string) Field {
	f := Field{Name: name}
	for _, r := range m.rules {
		id := r.spec.ID
		if m.touches(name, r.spec.paths()...) {
			switch {
			case r.drops():
				f.Dropped = append(f.Dropped, id)
			default:
				if r.dir&inward != 0 && r.inst != nil {
					f.In = append(f.In, id)
				}
				if r.dir&outward != 0 {
					f.Out = append(f.Out, id)
				}
			}
		}
		for _, c := range r.spec.When {
			if m.touches(name, c.Partner) {
				f.Asked = append(f.Asked, id)
			}
		}
	}
	if m.touches(name, m.spec.Key...) {
		f.Asked = append(f.Asked, "key")
	}
	f.Asked = append(f.Asked, m.askedElsewhere(name)...)
	for _, g := range m.groups[1:] {
		for _, c := range g.when {
			if m.touches(name, c.path) {
				f.Asked = append(f.Asked, "group "+g.name)
			}
		}
	}
	return f
}

// askedElsewhere lists what asks for a field beside rules, groups and the key.
func (m *Map) askedElsewhere(name string) []string {
	var out []string
	for _, list := range [][]checkSpec{m.spec.NotReferral, m.spec.Checks} {
		for _, c := range list {
			asked := c.Partner != "" && m.touches(name, c.Partner)
			for _, w := range c.When {
				asked = asked || m.touches(name, w.Partner)
			}
			if asked {
				out = append(out, "check "+c.ID)
			}
		}
	}
	for _, r := range m.rules {
		if r.spec.Partner != "" && m.touches(name, r.spec.Sum...) {
			out = append(out, r.spec.ID)
		}
	}
	for id, g := range m.spec.Groups {
		if m.touches(name, g.Names...) {
			out = append(out, "names of "+id)
		}
	}
	slices.Sort(out)
	return out
}

// touches reports whether one of the paths is the field or lies in it.
func (m *Map) touches(field string, paths ...string) bool {
	f, err := m.syntax.Path(field)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(paths, func(p string) bool {
		steps, err := m.syntax.Path(p)
		return err == nil && hasPrefix(steps, f)
	})
}

// Lint finds what compiles but should not be used: fields that nobody thought
// of, a map that carries less than half of its format, codes with a wrong check
// digit, tables and groups that nothing uses, fields that are not written back.
func (m *Map) Lint() []Finding {
	var out []Finding
	cov := m.Coverage()
	for _, f := range cov.Fields {
		switch {
		case len(f.In)+len(f.Out)+len(f.Dropped)+len(f.Asked) == 0:
			out = append(out, Finding{true, f.Name, "no rule handles this field: carry it, or drop it with a loss"})
		case len(f.In) > 0 && len(f.Out) == 0:
			out = append(out, Finding{false, f.Name, "read but never written back"})
		}
	}
	if 2*max(cov.In, cov.Out) < len(cov.Fields) {
		out = append(out, Finding{true, m.spec.ID, fmt.Sprintf("only %d of %d fields are carried into FHIR: a map may not drop most of its format", cov.In, len(cov.Fields))})
	}
	out = append(out, m.lintOrder()...)
	out = append(out, m.lintConditions()...)
	return append(append(out, m.lintUse()...), m.lintCodes()...)
}

// lintOrder finds rules that never come to write: an earlier rule of the same
// place applies whenever they do.
func (m *Map) lintOrder() []Finding {
	var out []Finding
	for _, r := range m.rules {
		if r.leaf == nil || r.dir&inward == 0 {
			continue
		}
		for _, earlier := range r.leaf.rules {
			if earlier == r {
				break
			}
			if earlier.dir&inward != 0 && earlier.always(r) {
				out = append(out, Finding{true, r.spec.ID, "never applies: rule " + earlier.spec.ID + " stands before it, writes the same place and applies whenever this one does"})
			}
		}
	}
	return out
}

// always reports whether the rule writes its place whenever another one would:
// a constant, or a required value, under conditions that the other's include.
func (r *rule) always(other *rule) bool {
	if !r.isConst && !r.spec.Required || r.group != other.group {
		return false
	}
	for _, c := range r.spec.When {
		same := func(o condition) bool { return c.String() == o.String() }
		if !slices.ContainsFunc(other.spec.When, same) {
			return false
		}
	}
	return true
}

// lintConditions finds conditions that ask for a value which the closed table of
// the same field does not have.
func (m *Map) lintConditions() []Finding {
	var out []Finding
	for _, r := range m.rules {
		for _, c := range r.spec.When {
			t := m.tableOf(c.Partner)
			if t == nil {
				continue
			}
			for _, v := range slices.Concat(c.In, c.Not) {
				if row, _ := t.find(v); row == nil && v != "" {
					out = append(out, Finding{false, r.spec.ID, fmt.Sprintf("asks %s for a value that table %s does not have", c.Partner, t.spec.ID)})
				}
			}
		}
	}
	return out
}

// tableOf returns the closed table that the field is read with, when all rules
// that read it have the same one.
func (m *Map) tableOf(path string) *table {
	var t *table
	for _, r := range m.rules {
		if !slices.Contains(r.spec.paths(), path) || r.drops() {
			continue
		}
		if r.table == nil || r.table.spec.Open || t != nil && t != r.table {
			return nil
		}
		t = r.table
	}
	return t
}

func (m *Map) lintUse() []Finding {
	var out []Finding
	for id := range m.tables {
		if !slices.ContainsFunc(m.rules, func(r *rule) bool { return r.spec.Table == id }) {
			out = append(out, Finding{true, "table " + id, "no rule uses this table"})
		}
	}
	for i, g := range m.groups[1:] {
		used := slices.ContainsFunc(m.rules, func(r *rule) bool { return slices.Contains(m.chain(r.group), i+1) })
		if !used {
			out = append(out, Finding{true, "group " + g.name, "no rule repeats over this group"})
		}
	}
	slices.SortFunc(out, func(a, b Finding) int { return compare(a.Place, b.Place) })
	return out
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

const snomed = "http://snomed.info/sct"

// lintCodes checks the check digits of SNOMED CT codes in tables and constants.
func (m *Map) lintCodes() []Finding {
	var out []Finding
	bad := func(place, code string) {
		if !fhir.SNOMED(code) {
			out = append(out, Finding{true, place, "the SNOMED CT code has a wrong check digit"})
		}
	}
	for i := range m.tableList {
		for _, row := range m.tableList[i].Rows {
			if row.System == snomed {
				bad("table "+m.tableList[i].ID, row.Code)
			}
		}
	}
	for _, r := range m.rules {
		if !r.isConst || r.inst == nil || r.leaf.key != "code" {
			continue
		}
		for _, k := range r.leaf.parent.kids {
			if k.key == "system" && len(k.rules) == 1 && k.rules[0].constText == snomed {
				bad("rule "+r.spec.ID, r.constText)
			}
		}
	}
	return out
}
