package mapping

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// A Change is one thing that two maps have differently.
type Change struct {
	// Kind is header, field, group, rule, table or row.
	Kind string `json:"kind"`
	// Name is the header's key, the field, the rule's id, the table, or the
	// table and the partner's code.
	Name string `json:"name"`
	// What is added, removed, changed or moved.
	What string `json:"what"`
	// Keys are the parts that changed; empty unless What is changed.
	Keys []KeyChange `json:"keys,omitempty"`
}

// A KeyChange is one key of a header, group, rule or row.
type KeyChange struct {
	Key  string `json:"key"`
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
}

// Diff lists what changed from one map to another, bases resolved: headers,
// fields, groups, rules and table rows, and the fields whose carriage changed.
func Diff(from, to *Map) []Change {
	var out []Change
	if keys := keyChanges(headerOf(from.spec), headerOf(to.spec)); len(keys) > 0 {
		out = append(out, Change{"header", to.spec.ID, "changed", keys})
	}
	out = append(out, diffFields(from, to)...)
	out = append(out, diffNamed("group", from.spec.Groups, to.spec.Groups)...)
	out = append(out, diffNamed("rule", byRule(from.spec.Rules), byRule(to.spec.Rules))...)
	out = append(out, diffMoved(from, to)...)
	return append(out, diffTables(from, to)...)
}

// headerOf is the map's spec without what is compared by itself.
func headerOf(s *spec) spec {
	h := *s
	h.Fields, h.Groups, h.Rules = nil, nil, nil
	return h
}

func byRule(list []ruleSpec) map[string]ruleSpec {
	out := make(map[string]ruleSpec, len(list))
	for _, r := range list {
		out[r.ID] = r
	}
	return out
}

// diffNamed compares two sets of things with names.
func diffNamed[T any](kind string, from, to map[string]T) []Change {
	var out []Change
	for _, name := range namesOf(from, to) {
		a, was := from[name]
		b, is := to[name]
		switch {
		case !was:
			out = append(out, Change{Kind: kind, Name: name, What: "added"})
		case !is:
			out = append(out, Change{Kind: kind, Name: name, What: "removed"})
		default:
			if keys := keyChanges(a, b); len(keys) > 0 {
				out = append(out, Change{kind, name, "changed", keys})
			}
		}
	}
	return out
}

func namesOf[T any](a, b map[string]T) []string {
	var out []string
	for _, m := range []map[string]T{a, b} {
		for name := range m {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// diffFields compares the fields of the format and what becomes of each.
func diffFields(from, to *Map) []Change {
	carried := func(m *Map) map[string]Field {
		out := map[string]Field{}
		for _, f := range m.Coverage().Fields {
			out[f.Name] = f
		}
		return out
	}
	a, b := carried(from), carried(to)
	var out []Change
	for _, name := range namesOf(a, b) {
		old, was := a[name]
		now, is := b[name]
		switch {
		case !was:
			out = append(out, Change{Kind: "field", Name: name, What: "added"})
		case !is:
			out = append(out, Change{Kind: "field", Name: name, What: "removed"})
		case old.fate() != now.fate():
			out = append(out, Change{"field", name, "changed", []KeyChange{{"becomes", old.fate(), now.fate()}}})
		}
	}
	return out
}

// fate says in words what becomes of a field.
func (f Field) fate() string {
	switch {
	case len(f.In) > 0 && len(f.Out) > 0:
		return "carried both ways"
	case len(f.In) > 0:
		return "read only"
	case len(f.Out) > 0:
		return "written only"
	case len(f.Dropped) > 0:
		return "dropped"
	}
	return "not carried"
}

// diffMoved finds rules of one place whose order changed: the first that
// applies wins.
func diffMoved(from, to *Map) []Change {
	at := map[string]int{}
	for i, r := range from.spec.Rules {
		at[r.ID] = i
	}
	var out []Change
	for _, r := range to.rules {
		if r.leaf == nil {
			continue
		}
		for _, other := range r.leaf.rules {
			i, was := at[r.spec.ID]
			j, were := at[other.spec.ID]
			if other == r {
				break
			}
			if was && were && i < j {
				out = append(out, Change{Kind: "rule", Name: r.spec.ID, What: "moved", Keys: []KeyChange{{"before", other.spec.ID, ""}, {"after", "", other.spec.ID}}})
			}
		}
	}
	return out
}

func diffTables(from, to *Map) []Change {
	index := func(m *Map) map[string]tableSpec {
		out := map[string]tableSpec{}
		for _, t := range m.tableList {
			out[t.ID] = t
		}
		return out
	}
	a, b := index(from), index(to)
	var out []Change
	for _, id := range namesOf(a, b) {
		old, was := a[id]
		now, is := b[id]
		switch {
		case !was:
			out = append(out, Change{Kind: "table", Name: id, What: "added"})
		case !is:
			out = append(out, Change{Kind: "table", Name: id, What: "removed"})
		default:
			out = append(out, diffTable(old, now)...)
		}
	}
	return out
}

func diffTable(old, now tableSpec) []Change {
	rows := func(t *tableSpec) map[string]tableRow {
		out := map[string]tableRow{}
		for _, r := range t.Rows {
			out[t.ID+" "+r.Partner] = r
		}
		t.Rows = nil
		return out
	}
	a, b := rows(&old), rows(&now)
	var out []Change
	if keys := keyChanges(old, now); len(keys) > 0 {
		out = append(out, Change{"table", now.ID, "changed", keys})
	}
	return append(out, diffNamed("row", a, b)...)
}

// keyChanges compares two of the structs that YAML is read into, key by key.
func keyChanges(a, b any) []KeyChange {
	va, vb := reflect.ValueOf(a), reflect.ValueOf(b)
	var out []KeyChange
	for i := range va.NumField() {
		x, y := va.Field(i).Interface(), vb.Field(i).Interface()
		if !reflect.DeepEqual(x, y) && show(x) != show(y) {
			out = append(out, KeyChange{va.Type().Field(i).Tag.Get("yaml"), show(x), show(y)})
		}
	}
	return out
}

// show writes a value of a map as the map would.
func show(v any) string {
	rv := reflect.ValueOf(v)
	if !rv.IsValid() || rv.IsZero() || rv.Kind() == reflect.Slice && rv.Len() == 0 {
		return ""
	}
	if list, ok := v.([]condition); ok {
		var out []string
		for _, c := range list {
			out = append(out, c.String())
		}
		return strings.Join(out, "; ")
	}
	b, err := yaml.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return strings.TrimSpace(string(b))
}
