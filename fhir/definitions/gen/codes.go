package main

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// codesText holds the code systems with their displays and hierarchy, and how
// the value sets are composed.
func codesText(src *source) []byte {
	w := &writer{src: src}
	w.line("trellis-codes", "1", "4.0.1")
	systems := slices.Clone(src.allSystems)
	slices.SortFunc(systems, func(a, b codeSystem) int { return cmp.Compare(a.URL, b.URL) })
	for _, cs := range systems {
		if cs.Content != "supplement" {
			w.codeSystem(cs)
		}
	}
	sets := make([]valueSet, 0, len(src.valueSets))
	for _, vs := range src.valueSets {
		sets = append(sets, vs)
	}
	slices.SortFunc(sets, func(a, b valueSet) int { return cmp.Compare(a.URL, b.URL) })
	for _, vs := range sets {
		w.compose(vs)
	}
	return w.b.Bytes()
}

func (w *writer) codeSystem(cs codeSystem) {
	sensitive := ""
	if cs.CaseSensitive {
		sensitive = "s"
	}
	w.line("S", cs.URL, cs.Version, cs.Name, cs.Title, cs.Content, sensitive)
	index := map[string]int{}
	for i, c := range flatten(cs.Concept) {
		index[c] = i
	}
	parents := map[string][]string{}
	walk(cs.Concept, "", parents)
	w.concepts(cs.Concept, index, parents)
}

func (w *writer) concepts(list []concept, index map[string]int, parents map[string][]string) {
	for _, c := range list {
		var at []string
		for _, p := range parents[c.Code] {
			if i, ok := index[p]; ok {
				at = append(at, strconv.Itoa(i))
			}
		}
		w.line("c", c.Code, c.Display, strings.Join(at, ","), flags(c))
		w.concepts(c.Concept, index, parents)
	}
}

// flags are a for a code that groups others and must not be used, i for one
// that is no longer used.
func flags(c concept) string {
	out := ""
	for _, p := range c.Property {
		if (p.Code == "notSelectable" || p.Code == "abstract") && p.ValueBoolean {
			out += "a"
		}
		if p.Code == "status" && (p.ValueCode == "retired" || p.ValueCode == "deprecated") {
			out += "i"
		}
	}
	return out
}

func (w *writer) compose(vs valueSet) {
	w.line("V", vs.URL, vs.Version, vs.Name, vs.Title, vs.Status)
	for _, inc := range vs.Compose.Include {
		w.include("+", inc)
	}
	for _, exc := range vs.Compose.Exclude {
		w.include("-", exc)
	}
}

func (w *writer) include(sign string, inc include) {
	w.line(append([]string{sign, inc.System}, inc.ValueSet...)...)
	for _, f := range inc.Filter {
		w.line("f", f.Property, f.Op, f.Value)
	}
	for _, c := range inc.Concept {
		w.line("c", c.Code, c.Display)
	}
}
