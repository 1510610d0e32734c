package main

import (
	"fmt"
	"slices"
	"strings"
)

// An expander enumerates a value set from the code systems of the package. why
// says why that is not possible.
type expander struct {
	src     *source
	systems []*systemCodes
	why     string
}

type systemCodes struct {
	url   string
	codes []string
	seen  map[string]bool
}

func (x *expander) set(url string, depth int) {
	url, _, _ = strings.Cut(url, "|")
	vs, ok := x.src.valueSets[url]
	if !ok || depth > 5 {
		x.why = "value set " + url + " is not in the package"
		return
	}
	for _, inc := range vs.Compose.Include {
		x.include(inc, depth)
	}
	for _, exc := range vs.Compose.Exclude {
		x.exclude(exc)
	}
}

func (x *expander) include(inc include, depth int) {
	for _, u := range inc.ValueSet {
		x.set(u, depth+1)
	}
	if inc.System == "" {
		return
	}
	for _, c := range x.selected(inc) {
		x.add(inc.System, c)
	}
}

func (x *expander) exclude(exc include) {
	drop := x.selected(exc)
	for _, s := range x.systems {
		if s.url == exc.System {
			s.codes = slices.DeleteFunc(s.codes, func(c string) bool { return slices.Contains(drop, c) })
		}
	}
}

// selected lists the codes of one include or exclude.
func (x *expander) selected(inc include) []string {
	if len(inc.Concept) > 0 {
		return flatten(inc.Concept)
	}
	cs, ok := x.src.codeSystems[inc.System]
	if !ok {
		x.why = "code system " + inc.System + " is not in the package"
		return nil
	}
	codes := flatten(cs.Concept)
	for _, f := range inc.Filter {
		switch {
		case f.Property == "concept" && (f.Op == "is-a" || f.Op == "descendent-of"):
			below := descendants(cs.Concept, f.Value, f.Op == "is-a")
			codes = slices.DeleteFunc(codes, func(c string) bool { return !slices.Contains(below, c) })
		case f.Property == "concept" && f.Op == "is-not-a":
			below := descendants(cs.Concept, f.Value, true)
			codes = slices.DeleteFunc(codes, func(c string) bool { return slices.Contains(below, c) })
		default:
			x.why = fmt.Sprintf("filter %s %s", f.Property, f.Op)
		}
	}
	return codes
}

func (x *expander) add(system, code string) {
	i := slices.IndexFunc(x.systems, func(s *systemCodes) bool { return s.url == system })
	if i < 0 {
		x.systems = append(x.systems, &systemCodes{url: system, seen: map[string]bool{}})
		i = len(x.systems) - 1
	}
	if s := x.systems[i]; !s.seen[code] {
		s.seen[code] = true
		s.codes = append(s.codes, code)
	}
}

func flatten(list []concept) []string {
	var out []string
	for _, c := range list {
		out = append(out, c.Code)
		out = append(out, flatten(c.Concept)...)
	}
	return out
}

// descendants lists the codes below root, by nesting and by the child property
// with which the v3 systems give a code a second parent.
func descendants(list []concept, root string, self bool) []string {
	parents := map[string][]string{}
	walk(list, "", parents)
	var out []string
	for _, c := range flatten(list) {
		if c == root && self || c != root && under(c, root, parents, 0) {
			out = append(out, c)
		}
	}
	return out
}

func walk(list []concept, parent string, parents map[string][]string) {
	for _, c := range list {
		if parent != "" {
			parents[c.Code] = append(parents[c.Code], parent)
		}
		for _, p := range c.Property {
			if p.Code == "child" {
				parents[p.ValueCode] = append(parents[p.ValueCode], c.Code)
			}
		}
		walk(c.Concept, c.Code, parents)
	}
}

func under(code, root string, parents map[string][]string, depth int) bool {
	if depth > 30 {
		return false
	}
	return slices.ContainsFunc(parents[code], func(p string) bool {
		return p == root || under(p, root, parents, depth+1)
	})
}
